//! Names of domains, as the part of an address behind the `@` is compared.

use crate::http::{Problem, problem::Code};

const MAX_BYTES: usize = 253;

/// Where everybody can have an address: nobody's, whoever could show a file there.
const PUBLIC: [&str; 64] = [
    "126.com",
    "139.com",
    "163.com",
    "aim.com",
    "aol.com",
    "att.net",
    "bellsouth.net",
    "bk.ru",
    "btinternet.com",
    "charter.net",
    "comcast.net",
    "cox.net",
    "daum.net",
    "duck.com",
    "earthlink.net",
    "fastmail.com",
    "fastmail.fm",
    "foxmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hanmail.net",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "icloud.com",
    "inbox.ru",
    "laposte.net",
    "libero.it",
    "list.ru",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "outlook.fr",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rediffmail.com",
    "rocketmail.com",
    "sbcglobal.net",
    "sina.com",
    "t-online.de",
    "tutanota.com",
    "verizon.net",
    "web.de",
    "yahoo.com",
    "yandex.ru",
    "zoho.com",
];
/// The same of providers that have a domain in each country.
const FAMILIES: [&str; 5] = ["gmx", "hotmail", "live", "outlook", "yahoo"];

/// Reads the name of a domain that an organization can have.
pub(super) fn read(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::invalid("domain", "is not the name of a domain");
    let Ok(url::Host::Domain(name)) = url::Host::parse(text.trim()) else { return Err(wrong()) };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.len() > MAX_BYTES || !name.contains('.') || !name.split('.').all(is_label) {
        return Err(wrong());
    }
    if is_public(&name) {
        return Err(Problem::new(Code::DomainPublic).field("domain"));
    }
    Ok(name)
}

fn is_public(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    // `yahoo.co.jp`, but not `mail.yahoo.example.com`.
    PUBLIC.contains(&name) || (FAMILIES.contains(&first) && name.matches('.').count() <= 2)
}

/// The domain of an address in the form in which it is compared.
pub(super) fn of_address(key: &str) -> &str {
    key.rsplit_once('@').map_or("", |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn a_domain_is_spelled_as_in_an_address() {
        for (typed, name) in [
            (" Acme.Example ", "acme.example"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("\u{ff41}cme.example", "acme.example"),
            ("mail.acme.example", "mail.acme.example"),
        ] {
            assert_eq!(read(typed).as_deref(), Ok(name), "{typed}");
            let address = Address::parse(&format!("a@{}", typed.trim())).unwrap();
            assert_eq!(of_address(address.key()), name);
        }
    }

    #[test]
    fn what_is_nobodys_or_no_name_is_refused() {
        for bad in [
            "",
            "acme",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "acme.example.",
            ".acme.example",
            "a@acme.example",
            "acme.example/x",
            "acme.example:443",
            "*.acme.example",
            "-a.example",
            "a..example",
            "a_b.example",
            "https://acme.example",
        ] {
            assert_eq!(read(bad).unwrap_err().code(), Code::InvalidValue, "{bad}");
        }
        for public in ["gmail.com", "GMAIL.com", "yahoo.co.jp", "hotmail.es", "web.de"] {
            assert_eq!(read(public).unwrap_err().code(), Code::DomainPublic, "{public}");
        }
        for fine in ["gmail.com.example.org", "mail.yahoo.example.com", "notgmail.com"] {
            assert!(read(fine).is_ok(), "{fine}");
        }
    }
}
