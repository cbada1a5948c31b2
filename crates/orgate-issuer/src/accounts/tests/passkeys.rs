//! Passkeys, made and used by a foreign authenticator.

use std::pin::Pin;

use passkey::{
    authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod},
    client::{Client, DefaultClientData},
    crypto::aws_lc_rs::AwsLcRsBackend,
    types::{
        Passkey,
        ctap2::{Aaguid, Ctap2Error},
        webauthn::{CredentialCreationOptions, CredentialRequestOptions},
    },
};

use super::*;
use crate::{
    ManualClock,
    encoding::{base64url, from_base64url},
    testing::{NOW, TempDir, add_clients, settings},
};

const PUBLIC: &str = "https://id.example.com";

/// Who holds the authenticator.
struct Person;

impl UserValidationMethod for Person {
    type PasskeyItem = Passkey;

    fn check_user<'a, 'life0, 'async_trait>(
        &'life0 self,
        _: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Pin<Box<dyn Future<Output = Result<UserCheck, Ctap2Error>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'a: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(std::future::ready(Ok(UserCheck { presence, verification })))
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

/// An authenticator with what it keeps.
#[derive(Clone, Default)]
struct Device(Option<Passkey>);

impl Device {
    fn authenticator(&self) -> Authenticator<Option<Passkey>, Person, AwsLcRsBackend> {
        let mut authenticator =
            Authenticator::new(Aaguid::new_empty(), self.0.clone(), Person, AwsLcRsBackend);
        authenticator.set_make_credentials_with_signature_counter(true);
        authenticator
    }
}

/// A site that browsers know under a name; keys belong to names.
async fn named_site() -> Site {
    let dir = TempDir::new();
    let mut settings = settings(&dir);
    settings.public_url = PUBLIC.to_owned();
    let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
    site.populate().await;
    add_clients(&site).await;
    site
}

async fn ask(browser: &Browser, path: &str, body: &Value) -> Reply {
    let headers = [("content-type", "application/json"), ("origin", PUBLIC)];
    browser.send(Method::POST, &format!("/p/proj_p/v1/auth/{path}"), &headers, body.to_string()).await
}

async fn login(site: &Site, name: &str) -> Browser {
    let browser = site.browser();
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    assert_eq!(ask(&browser, "login", &body).await.status, 200);
    browser
}

/// The library writes bytes as lists of numbers where browsers write base64url.
fn encoded(value: Value) -> Value {
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_u64) => {
            let bytes: Vec<u8> =
                items.iter().map(|item| u8::try_from(item.as_u64().unwrap()).unwrap()).collect();
            base64url(&bytes).into()
        }
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, encoded(value))).collect(),
        other => other,
    }
}

/// What the device makes of the options for a new key.
async fn make(device: &mut Device, options: &Value) -> Value {
    let options: CredentialCreationOptions = serde_json::from_value(json!({ "publicKey": options })).unwrap();
    let origin = url::Url::parse(PUBLIC).unwrap();
    let mut client = Client::new(device.authenticator());
    let made = client.register(&origin, options, DefaultClientData).await;
    device.0.clone_from(client.authenticator().store());
    encoded(serde_json::to_value(made.unwrap_or_else(|error| panic!("{error:?}"))).unwrap())
}

/// What the device makes of the options for signing in.
async fn sign(device: &mut Device, options: &Value) -> Value {
    let options: CredentialRequestOptions = serde_json::from_value(json!({ "publicKey": options })).unwrap();
    let origin = url::Url::parse(PUBLIC).unwrap();
    let mut client = Client::new(device.authenticator());
    let signed = client.authenticate(&origin, options, DefaultClientData).await;
    device.0.clone_from(client.authenticator().store());
    encoded(serde_json::to_value(signed.unwrap_or_else(|error| panic!("{error:?}"))).unwrap())
}

async fn registered(site: &Site, browser: &Browser) -> Device {
    let mut device = Device::default();
    let options = ask(browser, "passkeys/register/begin", &json!({})).await;
    assert_eq!(options.status, 200, "{}", options.text());
    let credential = make(&mut device, &options.json()).await;
    let body = json!({ "credential": credential, "name": "Laptop" });
    let done = ask(browser, "passkeys/register/finish", &body).await;
    assert_eq!(done.status, 201, "{}", done.text());
    let again = ask(browser, "passkeys/register/finish", &body).await;
    assert_eq!((again.status.as_u16(), again.json()["field"].clone()), (422, json!("credential")));
    let _ = site;
    device
}

async fn options(browser: &Browser) -> Value {
    ask(browser, "passkeys/sign-in/begin", &json!({})).await.json()
}

async fn finish(browser: &Browser, credential: &Value) -> Reply {
    ask(browser, "passkeys/sign-in/finish", &json!({ "credential": credential })).await
}

#[orgate_testkit::both]
async fn a_passkey_signs_in_as_two_factors_without_a_name_or_a_password() {
    let site = named_site().await;
    let own = login(&site, "x").await;
    let mut device = registered(&site, &own).await;
    let browser = site.browser();
    let credential = sign(&mut device, &options(&browser).await).await;
    let done = finish(&browser, &credential).await;
    assert_eq!((done.status.as_u16(), &done.json()["user"]["id"]), (200, &json!("usr_x")), "{}", done.text());
    let sessions = browser.get("/p/proj_p/v1/auth/sessions").await.json();
    assert!(sessions["data"].to_string().contains(r#"["pop","user","mfa"]"#), "{sessions}");
    // What was sent once opens nothing again.
    let again = finish(&site.browser(), &credential).await;
    assert_eq!((again.status.as_u16(), again.code()), (401, json!("invalid_credentials")));

    let list = browser.get("/p/proj_p/v1/auth/passkeys").await.json();
    assert_eq!(list["data"][0]["name"], "Laptop");
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    let remove = async |browser: &Browser| {
        let path = format!("/p/proj_p/v1/auth/passkeys/{id}");
        browser.send(Method::DELETE, &path, &[("origin", PUBLIC)], String::new()).await
    };
    assert_eq!(remove(&login(&site, "d").await).await.status, 404, "somebody else's");
    site.clock.advance(600_001);
    assert_eq!(remove(&browser).await.code(), "reauthentication_required");
    assert_eq!(remove(&login(&site, "x").await).await.status, 204);
    let credential = sign(&mut device, &options(&browser).await).await;
    assert_eq!(finish(&site.browser(), &credential).await.code(), "invalid_credentials");
}

#[orgate_testkit::both]
async fn a_copy_of_a_passkey_is_noticed_by_its_counter() {
    let site = named_site().await;
    let own = login(&site, "x").await;
    let mut original = registered(&site, &own).await;
    let mut copy = original.clone();
    for _ in 0..2 {
        let credential = sign(&mut original, &options(&own).await).await;
        assert_eq!(finish(&site.browser(), &credential).await.status, 200);
    }
    let credential = sign(&mut copy, &options(&own).await).await;
    assert_eq!(finish(&site.browser(), &credential).await.code(), "invalid_credentials");
}

#[orgate_testkit::both]
async fn what_was_signed_for_something_else_opens_nothing() {
    let site = named_site().await;
    let own = login(&site, "x").await;
    let mut device = registered(&site, &own).await;
    let browser = site.browser();
    let edit = |credential: &Value, member: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut edited = credential.clone();
        let mut bytes = from_base64url(edited["response"][member].as_str().unwrap()).unwrap();
        edit(&mut bytes);
        edited["response"][member] = base64url(&bytes).into();
        edited
    };
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            *bytes = text.replace(from, to).into_bytes();
        }
    };
    let good = sign(&mut device, &options(&browser).await).await;
    let mut unnamed = good.clone();
    unnamed["response"]["userHandle"] = Value::Null;
    let mut other = good.clone();
    other["response"]["userHandle"] = base64url(b"usr_d").into();
    let mut unknown = good.clone();
    unknown["rawId"] = "AAAA".into();
    for (what, bad) in [
        ("another origin", edit(&good, "clientDataJSON", &replace("id.example.com", "evil.example.com"))),
        ("another ceremony", edit(&good, "clientDataJSON", &replace("webauthn.get", "webauthn.create"))),
        ("in a frame", edit(&good, "clientDataJSON", &replace("{", "{\"crossOrigin\":true,\"a\":1,"))),
        ("another host", edit(&good, "authenticatorData", &|bytes| bytes[0] ^= 1)),
        ("nobody was there", edit(&good, "authenticatorData", &|bytes| bytes[32] &= !1)),
        ("nobody was verified", edit(&good, "authenticatorData", &|bytes| bytes[32] &= !4)),
        ("another count", edit(&good, "authenticatorData", &|bytes| bytes[36] ^= 1)),
        ("cut short", edit(&good, "authenticatorData", &|bytes| bytes.truncate(20))),
        ("another signature", edit(&good, "signature", &|bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("no user", unnamed),
        ("another user", other),
        ("an unknown key", unknown),
        ("nothing", json!({})),
        ("a text", json!("x")),
    ] {
        assert_eq!(finish(&browser, &bad).await.code(), "invalid_credentials", "{what}");
    }
    assert_eq!(finish(&browser, &good).await.status, 200, "the challenge was not used up by them");

    // A challenge of another project, of another kind, of our own making, or too old.
    let headers = [("content-type", "application/json"), ("origin", PUBLIC)];
    let foreign = browser
        .send(Method::POST, "/p/proj_q/v1/auth/passkeys/sign-in/begin", &headers, "{}".to_owned())
        .await;
    let mut made_up = options(&browser).await;
    made_up["challenge"] = base64url(&[7; 32]).into();
    let mut registration = options(&browser).await;
    let begun = ask(&own, "passkeys/register/begin", &json!({})).await.json();
    registration["challenge"] = begun["challenge"].clone();
    for wanted in [foreign.json(), made_up, registration] {
        let credential = sign(&mut device, &wanted).await;
        assert_eq!(finish(&browser, &credential).await.code(), "invalid_credentials", "{wanted}");
    }
    let credential = sign(&mut device, &options(&browser).await).await;
    site.clock.advance(300_000);
    assert_eq!(finish(&browser, &credential).await.code(), "invalid_credentials");
}

#[orgate_testkit::both]
async fn a_new_key_belongs_to_the_session_that_asked_for_it() {
    let site = named_site().await;
    let (own, other) = (login(&site, "x").await, login(&site, "d").await);
    let options = ask(&own, "passkeys/register/begin", &json!({})).await.json();
    let credential = make(&mut Device::default(), &options).await;
    let body = json!({ "credential": credential });
    assert_eq!(ask(&other, "passkeys/register/finish", &body).await.code(), "invalid_value");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM passkeys").await, 0);
    for (member, value) in [
        ("attestationObject", json!("oA")),
        ("clientDataJSON", json!("e30")),
        ("attestationObject", json!(1)),
    ] {
        let mut bad = body.clone();
        bad["credential"]["response"][member] = value;
        assert_eq!(ask(&own, "passkeys/register/finish", &bad).await.code(), "invalid_value");
    }
    assert_eq!(ask(&own, "passkeys/register/finish", &json!({})).await.json()["field"], "credential");
    site.clock.advance(600_001);
    assert_eq!(ask(&own, "passkeys/register/begin", &json!({})).await.code(), "reauthentication_required");
}

#[orgate_testkit::both]
async fn the_page_for_passkeys_runs_one_script_and_leads_to_the_application() {
    let site = named_site().await;
    let own = login(&site, "x").await;
    let mut device = registered(&site, &own).await;
    let browser = site.browser();
    let started = browser.authorize(&[("acr_values", "mfa")]).await;
    let request = started.parameter("request").unwrap();
    let page = browser.get(&format!("/p/proj_p/passkey?request={request}")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let html = page.text();
    let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.as_bytes());
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
    assert!(
        policy.contains(&format!("script-src 'sha256-{hash}';")) && !policy.contains("unsafe"),
        "{policy}"
    );
    let options =
        html.split_once("data-options=\"").unwrap().1.split_once('"').unwrap().0.replace("&quot;", "\"");
    let options: Value = serde_json::from_str(&options.replace("&#x2f;", "/")).unwrap();
    let credential = sign(&mut device, &options).await.to_string();
    let submit = async |credential: &str| {
        browser.form("/p/proj_p/passkey", &[("request", &request), ("credential", credential)]).await
    };
    let wrong = submit("nonsense").await;
    assert_eq!((wrong.status.as_u16(), wrong.page_code().as_deref()), (401, Some("invalid_credentials")));
    assert!(submit(&credential).await.parameter("code").is_some());
}
