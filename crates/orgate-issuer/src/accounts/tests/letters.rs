//! Letters in the language of whoever caused them.

use super::*;
use crate::management::tests::ACME;

/// Somebody whose browser was asked to speak Arabic.
async fn arab(site: &Site) -> Browser {
    let browser = site.browser();
    browser.get("/p/proj_p/device?ui_locales=ar").await;
    browser
}

/// The letter says the same in Arabic twice: as text, each paragraph of which begins with a letter of that language, and as
/// a page.
#[track_caller]
fn is_arabic(letter: &Value) {
    let is_arabic = |c: char| ('\u{600}'..='\u{6ff}').contains(&c);
    let (text, html) = (letter["text"].as_str().unwrap(), letter["html"].as_str().unwrap());
    let subject = letter["subject"].as_str().unwrap();
    assert!(subject.starts_with(is_arabic), "{subject}");
    assert!(html.contains("<html lang=\"ar\" dir=\"rtl\">"), "{html}");
    for paragraph in text.trim_end().split("\n\n") {
        let shown = paragraph.replace('/', "&#x2f;").replace('&', "&amp;");
        if paragraph.starts_with("http") {
            assert!(html.contains(&shown.replace("&amp;#x2f;", "&#x2f;")), "{paragraph}: {html}");
            assert_eq!(letter["links"][0], paragraph);
        } else if paragraph.starts_with("    ") {
            let digits = paragraph.trim();
            assert!(digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()), "{digits}");
            let (first, second) = digits.split_at(4);
            assert!(html.contains(&format!("{first} {second}")), "{html}");
        } else {
            assert!(paragraph.starts_with(is_arabic), "{paragraph}");
            let names = ["Demo", "\u{2068}The acme\u{2069}", "\u{2068}owner\u{2069}"];
            let rest = names.iter().fold(paragraph.to_owned(), |rest, name| rest.replace(name, ""));
            assert!(!rest.contains(|c: char| c.is_ascii_alphabetic() || c == '{'), "{paragraph}");
            assert!(html.contains(paragraph), "{paragraph}: {html}");
        }
    }
}

#[orgate_testkit::both]
async fn every_letter_is_written_in_the_language_of_the_browser() {
    let site = site().await;
    let browser = arab(&site).await;
    for (path, body, to) in [
        ("signup", wish("New@Example.com"), "New@Example.com"),
        ("signup", wish("d@example.com"), "d@example.com"),
        ("password/forgot", json!({ "email": "admin@example.com" }), "admin@example.com"),
        ("magic-link", json!({ "email": "member@example.com" }), "member@example.com"),
    ] {
        assert_eq!(post(&browser, path, &body).await.status, 202, "{path}");
        is_arabic(&site.letter(to).await.unwrap());
    }
    // Another password, by the link of such a letter.
    let (_, token) = link(&site.letter("admin@example.com").await.unwrap());
    site.clock.advance(1);
    let body = json!({ "token": token, "password": NEW });
    assert_eq!(post(&browser, "password/reset", &body).await.status, 204);
    let note = site.letter("admin@example.com").await.unwrap();
    assert!(note["subject"].as_str().unwrap().contains("تم تغيير كلمة مرورك"), "{note}");
    is_arabic(&note);
}

#[orgate_testkit::both]
async fn a_letter_speaks_english_to_whoever_says_nothing_and_says_the_same_as_its_page() {
    let site = site().await;
    post(&site.browser(), "signup", &wish("New@Example.com")).await;
    let letter = site.letter("New@Example.com").await.unwrap();
    let html = letter["html"].as_str().unwrap();
    assert!(html.contains("<html lang=\"en\" dir=\"ltr\">") && html.contains(&code(&letter)), "{html}");
    for word in ["enter this code where you signed up", "Finish signing up", "Both work for 24 hours."] {
        assert!(html.contains(word), "{word}: {html}");
    }
    assert!(letter["subject"].as_str().unwrap().ends_with(&format!(": {}", code(&letter))), "{letter}");
    // Nothing is loaded, and nobody learns that it was opened.
    assert!(!html.contains("<img") && !html.contains("url(") && !html.contains("<link"), "{html}");
}

#[orgate_testkit::both]
async fn an_invitation_is_written_in_the_language_of_who_invites_and_of_an_operator_in_english() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    owner.get("/p/proj_p/device?ui_locales=ar").await;
    let invitations = format!("{ACME}/invitations");
    let invite = json!({ "email": "n@example.com", "role": "viewer" });
    let made = owner.json(Method::POST, &invitations, &invite).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let letter = site.letter("n@example.com").await.unwrap();
    is_arabic(&letter);
    assert!(letter["text"].as_str().unwrap().contains("مُطالِع"), "{letter}");

    site.clock.advance(1);
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    operator.get("/p/proj_p/device?ui_locales=ar").await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/platform/projects/proj_p/orgs/org_acme/invitations/{id}/resend");
    let sent = operator.json(Method::POST, &path, &json!({})).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let letter = site.letter("n@example.com").await.unwrap();
    assert!(letter["text"].as_str().unwrap().contains("with the role viewer"), "{letter}");
}
