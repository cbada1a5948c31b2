//! One value of a query.
//!
//! A query never selects a rule; a condition may compare one of its values. It is read as `name=value` pairs joined by
//! `&`, `%XX` decoded, `+` literal, a name without `=` being empty. What applications read in different ways (a name that
//! stands twice or in another spelling, a `;`, which some take for a separator, an encoding that is broken) is no value at all.

use std::borrow::Cow;

use crate::{Lookup, RequestTarget};

impl RequestTarget<'_> {
    /// The value of the query's parameter `name`, decoded.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Lookup<'_> {
        let mut found = Lookup::Absent;
        for pair in self.query().unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let separators = pair.contains(';');
            // A pair whose name cannot be read might be the one.
            let Some(key) = decode(key) else { return Lookup::Several };
            if is_alias(&key, name) {
                return Lookup::Several;
            }
            if *key != *name && !(separators && pair.contains(name)) {
                continue;
            }
            match (&found, decode(value)) {
                (Lookup::Absent, Some(value)) if !separators => found = Lookup::One(value),
                _ => return Lookup::Several,
            }
        }
        found
    }
}

/// Whether some applications take `key` for `name`, and it is another: ASP.NET knows no case, PHP leaves blanks before a
/// name and all from a NUL or a `[` on away and reads dots and blanks as `_`, Rails reads `name[]` as a list.
fn is_alias(key: &str, name: &str) -> bool {
    let read = key.trim_start_matches([' ', '+']);
    let read = read.split(['\0', '[']).next().unwrap_or_default();
    let folded = |byte: u8| if b". +".contains(&byte) { b'_' } else { byte.to_ascii_lowercase() };
    key != name && read.len() == name.len() && read.bytes().map(folded).eq(name.bytes().map(folded))
}

/// Decodes `%XX`; `None` if a `%` is followed by something else, or if the text is not UTF-8 then.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        decoded.push(digit()? * 16 + digit()?);
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(query: &str) -> Option<String> {
        let path = format!("/x?{query}");
        let target = RequestTarget::parse("GET", &path).unwrap();
        match target.query_value("org") {
            Lookup::One(value) => Some(value.into_owned()),
            Lookup::Absent => None,
            Lookup::Several => Some("?".to_owned()),
        }
    }

    #[test]
    fn a_value_is_read_in_one_way_or_not_at_all() {
        for (query, expected) in [
            ("org=acme", Some("acme")),
            ("a=b&org=acme", Some("acme")),
            ("org=a%20b+c", Some("a b+c")),
            ("o%72g=acme", Some("acme")),
            ("org", Some("")),
            ("org=", Some("")),
            ("org=a=b", Some("a=b")),
            ("ORG=acme", Some("?")),
            ("org=acme&Org=evil", Some("?")),
            ("org[]=evil", Some("?")),
            ("org%5B0%5D=evil", Some("?")),
            ("%20org=evil", Some("?")),
            ("+org=evil", Some("?")),
            ("org%00x=evil", Some("?")),
            ("orgs=acme", None),
            ("x[org]=acme", None),
            ("", None),
            ("organ=acme", None),
            ("org=acme&org=acme", Some("?")),
            ("org=acme&o%72g=evil", Some("?")),
            ("org=acme;x=1", Some("?")),
            ("x=1;org=acme", Some("?")),
            ("org=%zz", Some("?")),
            ("org=%ff", Some("?")),
            ("%zz=1", Some("?")),
        ] {
            assert_eq!(value(query).as_deref(), expected, "{query}");
        }
        assert_eq!(RequestTarget::parse("GET", "/x").unwrap().query_value("org"), Lookup::Absent);
    }
}
