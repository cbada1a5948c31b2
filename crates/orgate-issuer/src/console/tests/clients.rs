//! Clients and the keys of programs, at the console.

use super::*;
use crate::testing::CALLBACK;

/// What stands in the code element behind `before`.
fn code_behind(page: &Reply, before: &str) -> String {
    let text = page.text();
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before}: {text}")).1;
    rest.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0.to_owned()
}

#[orgate_testkit::both]
async fn each_kind_of_client_is_made_with_the_fields_it_needs() {
    let site = site().await;
    let browser = owner(&site).await;
    let all = format!("{HERE}/clients");
    let page = browser.get(&all).await.text();
    assert!(page.contains("app_spa") && page.contains("Program without people"), "{page}");
    assert!(!page.contains("Create the client"), "the kind comes first: {page}");
    let of_machine = browser.get(&format!("{all}?kind=machine")).await.text();
    assert!(of_machine.contains("name=\"org\"") && !of_machine.contains("name=\"redirect_uris\""));
    let of_page = browser.get(&format!("{all}?kind=public")).await.text();
    assert!(!of_page.contains("name=\"org\"") && of_page.contains("name=\"redirect_uris\""));

    let fields =
        [("kind", "machine"), ("name", "Nightly"), ("org", "acme"), ("role", "viewer"), ("scopes", "a b\nc")];
    let made = change(&browser, &all, "create", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let (id, secret) = (code_behind(&made, "Client id"), code_behind(&made, "Client secret"));
    assert!(made.text().contains("client_credentials"), "how to use it: {}", made.text());
    let body =
        serde_json::json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret });
    let token = site.browser().token(&body).await;
    assert_eq!(token.json()["org_id"], "org_acme", "{}", token.text());
    let page = browser.get(&format!("{all}/{id}")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(
        page.text().contains("org_acme") && page.text().contains("a\nb\nc") && !page.text().contains(&secret)
    );

    // What was wrong is told at its field, and what was typed is still there.
    let fields = [("kind", "public"), ("name", "Page"), ("redirect_uris", "http://app.example.com/")];
    let page = change(&browser, &all, "create", &fields).await;
    told(&page, 422, "invalid_value");
    assert!(page.text().contains("id=\"create-redirect_uris-wrong\""), "{}", page.text());
    assert!(
        page.text().contains("value=\"Page\"") && page.text().contains("value=\"public\""),
        "{}",
        page.text()
    );
    let fields = [("kind", "public"), ("name", "Page"), ("redirect_uris", CALLBACK)];
    let made = change(&browser, &all, "create", &fields).await;
    assert!(made.status == 200 && !made.text().contains("Client secret"), "{}", made.text());
}

#[orgate_testkit::both]
async fn a_client_is_changed_gets_another_secret_and_is_deleted_by_its_id() {
    let site = site().await;
    let browser = owner(&site).await;
    let one = format!("{HERE}/clients/app_strict");
    let fields = [
        ("name", "Strict"),
        ("redirect_uris", "https://app.example.com/cb\r\nhttps://app.example.com/other\r\n"),
        ("post_logout_redirect_uris", ""),
        ("scopes", ""),
        ("audiences", ""),
        ("backchannel_logout_uri", "https://app.example.com/logout"),
        ("grant.authorization_code", "1"),
        ("require_org", "1"),
    ];
    done(&change(&browser, &one, "save", &fields).await, "client_saved");
    let stored =
        "SELECT COUNT(*) AS n FROM clients WHERE id = 'app_strict' AND name = 'Strict' AND require_org = 1
                  AND require_pkce = 0 AND grants = '[\"authorization_code\"]' AND machine = 0
                  AND redirect_uris = '[\"https://app.example.com/cb\",\"https://app.example.com/other\"]'
                  AND backchannel_logout_uri = 'https://app.example.com/logout'";
    assert_eq!(site.count(stored).await, 1);
    let page = browser.get(&one).await.text();
    assert!(page.contains("app.example.com&#x2f;other"), "{page}");

    let page = change(&browser, &one, "rotate", &[]).await;
    assert!(page.text().contains("opens nothing any more"), "{}", page.text());
    assert!(code_behind(&page, "Client secret").len() >= 43);
    told(&change(&browser, &one, "delete", &[("confirm", "delete")]).await, 422, "invalid_value");
    done(&change(&browser, &one, "delete", &[("confirm", "app_strict")]).await, "client_deleted");
    told(&browser.get(&one).await, 404, "not_found");
    let default = browser.get(&format!("{HERE}/clients/proj_p")).await.text();
    assert!(!default.contains("Delete the client") && default.contains("cannot be deleted"), "{default}");
}

#[orgate_testkit::both]
async fn a_program_gets_a_key_for_what_is_ticked() {
    let site = site().await;
    let browser = owner(&site).await;
    let all = format!("{HERE}/program-keys");
    told(&change(&browser, &all, "create", &[("name", "gate")]).await, 422, "invalid_value");
    let made = change(&browser, &all, "create", &[("name", "gate"), ("scope.feed", "1")]).await;
    let secret = code_behind(&made, "shown this once");
    assert!(secret.starts_with("sk_"), "{}", made.text());
    let bearer = format!("Bearer {secret}");
    let feed = async || {
        let headers = [("authorization", bearer.as_str())];
        site.browser().send(http::Method::GET, "/p/proj_p/revocations", &headers, String::new()).await.status
    };
    assert_eq!(feed().await, 200);
    let page = browser.get(&all).await;
    assert!(page.text().contains("gate") && !page.text().contains(&secret));
    let id = hidden(&page, "id");
    done(&change(&browser, &all, "end", &[("id", &id)]).await, "program_key_ended");
    assert_eq!(feed().await, 401);
}

#[orgate_testkit::both]
async fn who_only_looks_makes_no_client_and_no_key() {
    let site = site().await;
    let browser = observer(&site).await;
    let page = browser.get(&format!("{HERE}/clients/app_strict")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("<code>refresh_token</code>") && !page.text().contains("<textarea"));
    for (part, what) in [
        ("/clients", "create"),
        ("/clients/app_strict", "save"),
        ("/clients/app_strict", "rotate"),
        ("/clients/app_strict", "delete"),
        ("/program-keys", "create"),
        ("/program-keys", "end"),
    ] {
        let fields = [
            ("name", "x"),
            ("kind", "public"),
            ("confirm", "app_strict"),
            ("scope.feed", "1"),
            ("id", "pk_x"),
        ];
        told(&change(&browser, &format!("{HERE}{part}"), what, &fields).await, 403, "operator_forbidden");
    }
}
