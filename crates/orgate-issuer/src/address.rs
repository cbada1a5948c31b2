//! Email addresses, and which two are the same.
//!
//! One rule, used everywhere: the part before the one `@` is printable ASCII, the part behind it a domain name in its
//! ASCII form (IDNA, UTS 46); both are compared in lower case. There is nothing to normalise afterwards, so no second
//! spelling of an address can slip by (full-width letters before the `@` are refused, not folded). What was typed is
//! kept for showing and sending.

use std::fmt;

const MAX_BYTES: usize = 320;
const MAX_LOCAL: usize = 64;

/// An address that mail can go to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    shown: String,
    key: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

impl Address {
    /// Reads an address; spaces around it are dropped.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let shown = text.trim();
        let (local, domain) = shown.split_once('@')?;
        let local_fits = (1..=MAX_LOCAL).contains(&local.len())
            && local.bytes().all(|b| b.is_ascii_graphic() && !b"@\"(),:;<>[\\]".contains(&b));
        if shown.len() > MAX_BYTES || !local_fits || domain.contains('@') {
            return None;
        }
        let url::Host::Domain(domain) = url::Host::parse(domain).ok()? else { return None };
        // A name without a dot is no address of another machine, except for trying things out.
        if domain.ends_with('.') || (!domain.contains('.') && domain != "localhost") {
            return None;
        }
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        Some(Self { shown: shown.to_owned(), key })
    }

    /// The address as it was typed.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// What is compared.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_domain_spelling_do_not_make_another_address() {
        let key = |text: &str| Address::parse(text).map(|address| address.key().to_owned());
        assert_eq!(key(" Ann@Example.COM ").as_deref(), Some("ann@example.com"));
        assert_eq!(key("ann@bücher.example").as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!(key("ann@xn--bcher-kva.example").as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!(key("ann@ｅxample.com").as_deref(), Some("ann@example.com"));
        assert_ne!(key("ann+tag@example.com"), key("ann@example.com"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_address() {
        for bad in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "a@b@example.com",
            "ａnn@example.com",
            "an n@example.com",
            "\"a@b\"@example.com",
            "ann@127.0.0.1",
            "ann@[::1]",
            "ann@intranet",
            "ann@example.com.",
            "ann\0@example.com",
            "ann@exam ple.com",
        ] {
            assert!(Address::parse(bad).is_none(), "{bad:?}");
        }
        assert!(Address::parse(&format!("{}@example.com", "a".repeat(65))).is_none());
    }
}
