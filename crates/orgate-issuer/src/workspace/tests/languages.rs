//! The pages in every language that they are spoken in.

use super::*;
use crate::http::messages::is_known;

/// The code whose texts people read; the other files have what stands in the description of the API.
const SAYING: [(&str, &str); 11] = [
    ("audit", include_str!("../audit.rs")),
    ("invitations", include_str!("../invitations.rs")),
    ("keys", include_str!("../keys.rs")),
    ("list", include_str!("../list.rs")),
    ("members", include_str!("../members.rs")),
    ("place", include_str!("../place.rs")),
    ("roles", include_str!("../roles.rs")),
    ("settings", include_str!("../settings.rs")),
    ("teams", include_str!("../teams.rs")),
    ("told", include_str!("../told.rs")),
    ("view", include_str!("../view.rs")),
];
/// What is no text: what refusals say in the API, of which `told.rs` makes a message, and the ends of moments.
const UNSAID: [&str; 11] = [
    "T00:00:00Z",
    "T23:59:59.999Z",
    ", ",
    " ",
    " column ",
    "is one of those here",
    "is the name of several members: type the whole address",
    "is not JSON at line ",
    "is not JSON at line {} column {}",
    "begins with a letter",
    "does not change",
];

/// The texts in quotes, but for those of comments, of lines that are formats, and of tests.
fn texts(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2)).collect()
}

#[test]
fn whatever_the_code_of_the_pages_says_is_a_message() {
    let mut said = 0;
    for (name, source) in SAYING {
        for text in texts(source) {
            let is_text = text.starts_with(|c: char| c.is_ascii_uppercase()) || text.contains(' ');
            if is_text && !UNSAID.contains(&text) && text != "1 to 63" {
                assert!(is_known(text), "`{text}` of {name}.rs is no message");
                said += 1;
            }
        }
    }
    assert!(said > 120, "{said}");
}

/// What people read of a page: no style, no code, no attributes but those that are read out, no names that people gave.
fn read(page: &str) -> String {
    let mut text = page.split_once("</style>").unwrap().1.to_owned();
    for (open, close) in
        [("<code", "</code>"), ("<bdi", "</bdi>"), ("<time", "</time>"), ("\u{2068}", "\u{2069}")]
    {
        text = without(&text, open, close);
    }
    let aloud: String = ["aria-label=\"", "data-name=\""]
        .iter()
        .flat_map(|name| page.split(name).skip(1).map(|rest| rest.split('"').next().unwrap()))
        .collect();
    without(&text, "<", ">") + &aloud
}

fn without(text: &str, open: &str, close: &str) -> String {
    let mut parts = text.split(open);
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |rest, part| rest + " " + part.split_once(close).unwrap().1)
}

/// What is called so in every language: people, the organization and what is in it.
const NAMES: [&str; 17] = [
    "English", "JSON", "Demo", "D", "The", "T", "acme", "owner", "admin", "member", "viewer", "d", "example",
    "com", "clerk", "Sales", "sales",
];

#[orgate_testkit::both]
async fn every_page_speaks_the_language_that_was_asked_for_and_keeps_its_query() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    make_role(&owner, "clerk", &["read"]).await;
    owner.json(Method::POST, &format!("{ACME}/teams"), &json!({ "name": "Sales" })).await;
    let one = format!("/members/{}", member(&owner, "d").await);
    for part in [
        "/members?q=d&role=member",
        one.as_str(),
        "/invitations?status=all",
        "/teams",
        "/teams/sales",
        "/roles",
        "/roles/clerk",
        "/roles/admin",
        "/new-role",
        "/api-keys",
        "/audit?type=team.*",
        "/settings?done=saved",
    ] {
        let path = format!("{HERE}{part}");
        let and = if part.contains('?') { '&' } else { '?' };
        let page = owner.get(&path).await.text();
        assert!(page.contains("<html lang=\"en\" dir=\"ltr\">"), "{part}");
        let query = part
            .split_once('?')
            .map_or(String::new(), |(_, query)| format!("{query}&"))
            .replace('&', "&amp;");
        assert!(
            page.contains(&format!("<a href=\"?{query}ui_locales=ar\" hreflang=\"ar\">")),
            "{part}: {page}"
        );
        let page = owner.get(&format!("{path}{and}ui_locales=ar")).await;
        assert_eq!(
            (page.status.as_u16(), &page.headers["content-language"]),
            (200, &"ar".parse().unwrap()),
            "{part}"
        );
        let page = page.text();
        assert!(page.contains("<html lang=\"ar\" dir=\"rtl\">"), "{part}");
        let read = read(&page);
        let foreign: Vec<&str> = read
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.contains(|c: char| c.is_ascii_alphabetic()))
            .filter(|word| !NAMES.contains(word))
            .collect();
        assert!(foreign.is_empty(), "{part}: {foreign:?}");
        // The next page knows it, and the way back.
        assert!(owner.get(ALL).await.text().contains("<html lang=\"ar\""));
        owner.get(&format!("{ALL}?ui_locales=en")).await;
    }
}

#[orgate_testkit::both]
async fn what_is_refused_is_told_in_the_language_of_the_page() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    owner.get(&format!("{ALL}?ui_locales=ar")).await;
    let page = change(&owner, ALL, "create", &[("name", ""), ("slug", "")]).await;
    assert_eq!(page.page_code().as_deref(), Some("invalid_value"));
    assert!(page.text().contains("للاسم من 1 إلى 100 حرف."), "{}", page.text());
    let page =
        change(&owner, &format!("{HERE}/settings"), "save", &[("name", "Acme"), ("public_metadata", "{")])
            .await;
    assert!(page.text().contains("صيغة JSON صحيحة"), "{}", page.text());
    let page = owner.get(&format!("{ALL}?done=left")).await.text();
    assert!(page.contains("غادرت المؤسسة."), "{page}");
}

#[orgate_testkit::both]
async fn an_address_in_a_sentence_stays_an_address_in_every_language() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let page = owner.get(&format!("{HERE}/settings?ui_locales=ar")).await.text();
    assert!(page.contains("acme&#x2f;members\">الأعضاء</a>"), "{page}");
    assert!(!page.contains("href=\"\u{2068}"), "{page}");
}
