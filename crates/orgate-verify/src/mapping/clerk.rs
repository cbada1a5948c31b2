//! Permissions of a session token of Clerk, version 2: the one shape that takes more than a mapping.
//!
//! `o.per` lists the names of permissions; `fea` lists features, each with its scope; and `o.fpm` has one number per
//! feature, whose bits, lowest first, say which of the names the feature has. The permission `read` of the feature
//! `invoices` is `org:invoices:read`, as version 1 spelt it.
//!
//! A shape that could be read in two ways refuses the token. Features without a number have no permission.

use super::{
    ClaimRef, malformed,
    source::{MAX_SET_ELEMENTS, Malformed},
};
use crate::{
    VerifyError,
    json::{Map, Value},
};

/// More than Clerk allows of either, and far less than a token could hold.
const MAX_NAMES: usize = 128;

/// The permissions; `None` without an organization, or where the token lists none.
pub(super) fn permissions(claims: &Map<'_>) -> Result<Option<Vec<String>>, VerifyError> {
    let text = |name: &'static str| {
        let reference = ClaimRef::name(name);
        match reference.find(claims) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(&**text)),
            Some(_) => Err(malformed(&name, &"is not a string")),
        }
    };
    let organization = match ClaimRef::name("o").find(claims) {
        None => return Ok(None),
        Some(Value::Map(organization)) => organization,
        Some(_) => return Err(malformed(&"o", &"is not an object")),
    };
    let member = |name: &'static str| match organization.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(&**text)),
        Some(_) => Err(malformed(&format!("/o/{name}"), &"is not a string")),
    };
    let Some(names) = member("per")? else { return Ok(None) };
    decode(text("fea")?.unwrap_or_default(), names, member("fpm")?.unwrap_or_default())
        .map(Some)
        .map_err(|(claim, fault)| malformed(&claim, &fault))
}

/// `fea`, `o.per` and `o.fpm` together.
fn decode(features: &str, names: &str, masks: &str) -> Result<Vec<String>, (&'static str, Malformed)> {
    let names = list(names).map_err(|fault| ("/o/per", fault))?;
    let masks = list(masks)
        .and_then(|masks| masks.into_iter().map(mask).collect::<Result<Vec<_>, _>>())
        .map_err(|fault| ("/o/fpm", fault))?;
    let features = organization_features(features, !masks.is_empty()).map_err(|fault| ("fea", fault))?;
    if masks.len() > features.len() {
        return Err(("/o/fpm", Malformed("has more numbers than there are features of the organization")));
    }
    let mut permissions = Vec::new();
    for (feature, mask) in features.iter().zip(masks) {
        if names.len() < 128 && mask >> names.len() != 0 {
            return Err(("/o/fpm", Malformed("has a bit for which there is no name")));
        }
        let held = names.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
        permissions.extend(held.map(|(_, name)| format!("org:{feature}:{name}")));
        if permissions.len() > MAX_SET_ELEMENTS {
            return Err(("/o/fpm", Malformed("gives more than 1024 permissions")));
        }
    }
    Ok(permissions)
}

/// The features of the organization, in their order. A number stands at the place of its feature: whether those of the
/// user count as places is not said in one way everywhere, so they may only come last.
fn organization_features(text: &str, numbered: bool) -> Result<Vec<&str>, Malformed> {
    let mut features = Vec::new();
    let mut user_before = false;
    for item in list(text)? {
        match item.split_once(':') {
            Some(("o" | "uo" | "ou", feature)) if !feature.is_empty() => {
                if user_before && numbered {
                    return Err(Malformed("has a feature of the user before one of the organization"));
                }
                features.push(feature);
            }
            Some(("u", feature)) if !feature.is_empty() => user_before = true,
            _ => return Err(Malformed("has a feature without a scope that is known")),
        }
    }
    Ok(features)
}

/// Names between commas; an empty text is an empty list.
fn list(text: &str) -> Result<Vec<&str>, Malformed> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    match () {
        () if items.iter().any(|item| item.is_empty()) => Err(Malformed("has an empty element")),
        () if items.len() > MAX_NAMES => Err(Malformed("has more than 128 elements")),
        () => Ok(items),
    }
}

/// A number, in plain decimal digits.
fn mask(text: &str) -> Result<u128, Malformed> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if plain { text.parse().ok() } else { None };
    number.ok_or(Malformed("has an element that is not a number of at most 128 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{VerifyErrorKind, json::parse_object};

    fn read(claims: &str) -> Result<Option<Vec<String>>, VerifyError> {
        permissions(&parse_object(claims.as_bytes()).unwrap())
    }

    #[test]
    fn the_lowest_bit_is_the_first_name() {
        for (features, names, masks, expected) in [
            (
                "o:dashboard,o:teams",
                "manage,read",
                "3,2",
                "org:dashboard:manage org:dashboard:read org:teams:read",
            ),
            ("o:a,o:b,o:c", "x,y,z", "1,0,6", "org:a:x org:c:y org:c:z"),
            ("o:a", "x", "0", ""),
            ("uo:a, o:b", "x", "1,1", "org:a:x org:b:x"),
            ("o:a,o:b", "x", "1", "org:a:x"),
            ("o:a,u:b", "x", "1", "org:a:x"),
            ("u:a,u:b", "x", "", ""),
            ("u:a,o:b", "x", "", ""),
            ("o:a", "", "", ""),
            ("", "x,y", "", ""),
        ] {
            assert_eq!(
                decode(features, names, masks).unwrap().join(" "),
                expected,
                "{features} {names} {masks}"
            );
        }
        let names = (0..128).map(|n| format!("p{n}")).collect::<Vec<_>>().join(",");
        let all = decode("o:a", &names, &u128::MAX.to_string()).unwrap();
        assert_eq!((all.len(), all.last().map(String::as_str)), (128, Some("org:a:p127")));
        let features = |n: usize| (0..n).map(|n| format!("o:f{n}")).collect::<Vec<_>>().join(",");
        let masks = |n: usize| vec![u128::MAX.to_string(); n].join(",");
        assert_eq!(decode(&features(8), &names, &masks(8)).unwrap().len(), 1024);
        assert_eq!(decode(&features(9), &names, &masks(9)).unwrap_err().0, "/o/fpm");
    }

    #[test]
    fn what_has_two_readings_has_none() {
        for (features, names, masks, claim) in [
            ("o:a", "x", "1,1", "/o/fpm"),
            ("", "x", "1", "/o/fpm"),
            ("o:a", "x", "2", "/o/fpm"),
            ("o:a", "", "1", "/o/fpm"),
            ("o:a", "x", "-1", "/o/fpm"),
            ("o:a", "x", "+1", "/o/fpm"),
            ("o:a", "x", "0x1", "/o/fpm"),
            ("o:a", "x", "1,", "/o/fpm"),
            ("o:a", "x", "340282366920938463463374607431768211456", "/o/fpm"),
            ("o:a", "x,,y", "1", "/o/per"),
            ("u:a,o:b", "x", "1", "fea"),
            ("a", "x", "1", "fea"),
            ("o:", "x", "1", "fea"),
            ("x:a", "x", "1", "fea"),
            ("o:a,,o:b", "x", "1", "fea"),
        ] {
            let (found, _) = decode(features, names, masks).unwrap_err();
            assert_eq!(found, claim, "{features} {names} {masks}");
        }
    }

    #[test]
    fn without_an_organization_or_a_list_there_is_no_claim() {
        for claims in ["{}", r#"{"o":null}"#, r#"{"o":{"id":"org_1"}}"#, r#"{"o":{"per":null},"fea":"u:a"}"#]
        {
            assert_eq!(read(claims).unwrap(), None, "{claims}");
        }
        assert_eq!(read(r#"{"o":{"per":""}}"#).unwrap(), Some(vec![]));
        for claims in [
            r#"{"o":"org_1"}"#,
            r#"{"o":{"per":["x"]}}"#,
            r#"{"o":{"per":"x","fpm":1},"fea":"o:a"}"#,
            r#"{"o":{"per":"x","fpm":"1"},"fea":["o:a"]}"#,
        ] {
            assert_eq!(read(claims).unwrap_err().kind(), VerifyErrorKind::MalformedClaim, "{claims}");
        }
    }
}
