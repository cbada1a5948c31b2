//! Passkeys, made and used by an authenticator of this test. That the ceremonies are judged as others write them is tested
//! beside them, with what a foreign authenticator wrote.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use super::*;
use crate::{
    ManualClock,
    encoding::{base64url, from_base64url},
    testing::{NOW, TempDir, add_clients, settings},
};

const PUBLIC: &str = "https://id.example.com";

/// An authenticator: its key, whose it is, and how often it has signed.
#[derive(Clone)]
struct Device {
    pkcs8: Vec<u8>,
    handle: Value,
    count: u32,
}

impl Default for Device {
    fn default() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        Self { pkcs8: pkcs8.as_ref().to_vec(), handle: Value::Null, count: 0 }
    }
}

impl Device {
    fn key(&self) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8).unwrap()
    }

    /// The id of its credential.
    fn id(&self) -> Vec<u8> {
        digest(&SHA256, &self.pkcs8).as_ref()[..16].to_vec()
    }

    /// Host, flags (present and verified, and `more`) and count.
    fn data(&self, host: &Value, more: u8) -> Vec<u8> {
        let host = digest(&SHA256, host.as_str().unwrap().as_bytes());
        [host.as_ref(), &[0x05 | more], &self.count.to_be_bytes()].concat()
    }
}

fn client_data(kind: &str, options: &Value) -> Value {
    json!({ "type": kind, "challenge": options["challenge"], "origin": PUBLIC, "crossOrigin": false })
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

/// What the device makes of the options for a new key.
fn make(device: &mut Device, options: &Value) -> Value {
    device.handle = options["user"]["id"].clone();
    let (id, key) = (device.id(), device.key());
    let point = key.public_key().as_ref();
    // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
    let cose = [
        &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20][..],
        &point[1..33],
        &[0x22, 0x58, 0x20],
        &point[33..65],
    ]
    .concat();
    let length = u16::try_from(id.len()).unwrap().to_be_bytes();
    let data = [&device.data(&options["rp"]["id"], 0x40), &[0; 16][..], &length, &id, &cose].concat();
    // {"fmt": "none", "attStmt": {}, "authData": data}
    let length = u8::try_from(data.len()).unwrap();
    let object = [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat();
    json!({
        "id": base64url(&id),
        "rawId": base64url(&id),
        "type": "public-key",
        "response": {
            "clientDataJSON": base64url(client_data("webauthn.create", options).to_string().as_bytes()),
            "attestationObject": base64url(&object),
        },
    })
}

/// What the device makes of the options for signing in.
fn sign(device: &mut Device, options: &Value) -> Value {
    sign_edited(device, options, &|_, _| ())
}

/// The same after `edit` of what is signed: the client data, and those of the authenticator.
fn sign_edited(device: &mut Device, options: &Value, edit: &dyn Fn(&mut Value, &mut Vec<u8>)) -> Value {
    device.count += 1;
    let (mut data, mut client_data) =
        (device.data(&options["rpId"], 0), client_data("webauthn.get", options));
    edit(&mut client_data, &mut data);
    let client_data = client_data.to_string().into_bytes();
    let message = [&data, digest(&SHA256, &client_data).as_ref()].concat();
    let signature = device.key().sign(&SystemRandom::new(), &message).unwrap();
    json!({
        "id": base64url(&device.id()),
        "rawId": base64url(&device.id()),
        "type": "public-key",
        "response": {
            "clientDataJSON": base64url(&client_data),
            "authenticatorData": base64url(&data),
            "signature": base64url(signature.as_ref()),
            "userHandle": device.handle,
        },
    })
}

async fn registered(site: &Site, browser: &Browser) -> Device {
    let mut device = Device::default();
    let options = ask(browser, "passkeys/register/begin", &json!({})).await;
    assert_eq!(options.status, 200, "{}", options.text());
    let credential = make(&mut device, &options.json());
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
    let credential = sign(&mut device, &options(&browser).await);
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
    let credential = sign(&mut device, &options(&browser).await);
    assert_eq!(finish(&site.browser(), &credential).await.code(), "invalid_credentials");
}

#[orgate_testkit::both]
async fn a_copy_of_a_passkey_is_noticed_by_its_counter() {
    let site = named_site().await;
    let own = login(&site, "x").await;
    let mut original = registered(&site, &own).await;
    let mut copy = original.clone();
    for _ in 0..2 {
        let credential = sign(&mut original, &options(&own).await);
        assert_eq!(finish(&site.browser(), &credential).await.status, 200);
    }
    let credential = sign(&mut copy, &options(&own).await);
    assert_eq!(finish(&site.browser(), &credential).await.code(), "invalid_credentials");
}

#[orgate_testkit::both]
async fn what_was_signed_for_something_else_opens_nothing() {
    let site = named_site().await;
    let own = login(&site, "x").await;
    let mut device = registered(&site, &own).await;
    let browser = site.browser();
    let asked = options(&browser).await;
    type Edit<'a> = &'a dyn Fn(&mut Value, &mut Vec<u8>);
    // Each is signed as it stands, so that nothing but the fault itself is wrong with it.
    let faults: [(&str, Edit<'_>); 8] = [
        ("another origin", &|client, _| client["origin"] = "https://evil.example.com".into()),
        ("a longer origin", &|client, _| client["origin"] = format!("{PUBLIC}.evil.example").into()),
        ("another ceremony", &|client, _| client["type"] = "webauthn.create".into()),
        ("in a frame", &|client, _| client["crossOrigin"] = true.into()),
        ("another host", &|_, data| data[0] ^= 1),
        ("nobody was there", &|_, data| data[32] &= !1),
        ("nobody was verified", &|_, data| data[32] &= !4),
        ("cut short", &|_, data| data.truncate(36)),
    ];
    for (what, fault) in faults {
        let bad = sign_edited(&mut device, &asked, fault);
        assert_eq!(finish(&browser, &bad).await.code(), "invalid_credentials", "{what}");
    }
    let good = sign(&mut device, &asked);
    let with = |member: &str, value: Value| {
        let mut bad = good.clone();
        bad["response"][member] = value;
        bad
    };
    let mut broken = from_base64url(good["response"]["signature"].as_str().unwrap()).unwrap();
    *broken.last_mut().unwrap() ^= 1;
    let mut unknown = good.clone();
    unknown["rawId"] = "AAAA".into();
    for (what, bad) in [
        ("another signature", with("signature", base64url(&broken).into())),
        ("no user", with("userHandle", Value::Null)),
        ("another user", with("userHandle", base64url(b"usr_d").into())),
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
        let credential = sign(&mut device, &wanted);
        assert_eq!(finish(&browser, &credential).await.code(), "invalid_credentials", "{wanted}");
    }
    let credential = sign(&mut device, &options(&browser).await);
    site.clock.advance(300_000);
    assert_eq!(finish(&browser, &credential).await.code(), "invalid_credentials");
}

#[orgate_testkit::both]
async fn a_new_key_belongs_to_the_session_that_asked_for_it() {
    let site = named_site().await;
    let (own, other) = (login(&site, "x").await, login(&site, "d").await);
    let options = ask(&own, "passkeys/register/begin", &json!({})).await.json();
    let credential = make(&mut Device::default(), &options);
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
    let credential = sign(&mut device, &options).to_string();
    let submit = async |credential: &str| {
        browser.form("/p/proj_p/passkey", &[("request", &request), ("credential", credential)]).await
    };
    let wrong = submit("nonsense").await;
    assert_eq!((wrong.status.as_u16(), wrong.page_code().as_deref()), (401, Some("invalid_credentials")));
    assert!(submit(&credential).await.parameter("code").is_some());
}

#[orgate_testkit::both]
async fn on_the_page_a_passkey_is_added_renamed_and_removed() {
    const PAGE: &str = "/p/proj_p/account/security";
    let site = named_site().await;
    let own = login(&site, "x").await;
    let between = |text: &str, before: &str, after: &str| {
        text.split_once(before).unwrap_or_else(|| panic!("{text}")).1.split_once(after).unwrap().0.to_owned()
    };
    let word = between(&own.get(PAGE).await.text(), "name=\"word\" value=\"", "\"");
    let change = async |browser: &Browser, what: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("word", word.as_str()), ("change", what)];
        fields.extend_from_slice(more);
        browser.form(PAGE, &fields).await
    };
    let page = change(&own, "add_passkey", &[]).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let asked = between(&page.text(), "data-options=\"", "\"").replace("&quot;", "\"").replace("&#x2f;", "/");
    let mut device = Device::default();
    let credential = make(&mut device, &serde_json::from_str(&asked).unwrap()).to_string();
    let wrong = change(&own, "save_passkey", &[("credential", "{}"), ("name", "Laptop")]).await;
    assert_eq!((wrong.status.as_u16(), wrong.page_code().as_deref()), (422, Some("invalid_value")));
    assert!(wrong.text().contains("data-options"), "it can be tried again");
    let saved = change(&own, "save_passkey", &[("credential", &credential), ("name", "Lap\ntop ")]).await;
    assert!(saved.location().ends_with("?done=passkey_added"), "{}", saved.text());
    let again = change(&own, "save_passkey", &[("credential", &credential), ("name", "Twice")]).await;
    assert_eq!(again.status, 422);
    let shown = own.get(PAGE).await.text();
    assert!(shown.contains("Laptop<small>") && !shown.contains("Twice"), "{shown}");

    let id = between(&shown, "name=\"id\" value=\"psk_", "\"");
    let id = format!("psk_{id}");
    let renamed = change(&own, "rename_passkey", &[("id", &id), ("name", "<b>Work</b>")]).await;
    assert!(renamed.location().ends_with("?done=passkey_renamed"), "{}", renamed.text());
    assert!(own.get(PAGE).await.text().contains("&lt;b&gt;Work"));
    let by_api = own
        .send(
            Method::PATCH,
            &format!("/p/proj_p/v1/auth/passkeys/{id}"),
            &[("content-type", "application/json"), ("origin", PUBLIC)],
            json!({ "name": " " }).to_string(),
        )
        .await;
    assert_eq!(by_api.status, 204, "{}", by_api.text());
    assert!(own.get(PAGE).await.text().contains("Passkey<small>"));
    // Somebody else's is none.
    let other = login(&site, "d").await;
    let word_of_other = between(&other.get(PAGE).await.text(), "name=\"word\" value=\"", "\"");
    for what in ["rename_passkey", "remove_passkey"] {
        let fields = [("word", word_of_other.as_str()), ("change", what), ("id", &id), ("name", "Mine")];
        assert_eq!(other.form(PAGE, &fields).await.page_code().as_deref(), Some("not_found"), "{what}");
    }
    let removed = change(&own, "remove_passkey", &[("id", &id)]).await;
    assert!(removed.location().ends_with("?done=passkey_removed"), "{}", removed.text());
    let credential = sign(&mut device, &options(&own).await);
    assert_eq!(finish(&site.browser(), &credential).await.code(), "invalid_credentials");
}
