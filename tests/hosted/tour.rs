//! A walk through every page that people see.

use orgate_e2e::{clock, totp};
use serde_json::json;

use super::world::{EMPTY, PASSWORD, World};

/// What a public client sends.
const CHALLENGE: &str =
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// Opens every page in the language `l` and calls `at` there, with the name of the page.
pub(crate) fn tour(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    sign_up(world, l, at);
    mailed(world, l, at);
    account(world, l, at);
    organizations(world, l, at);
    consents(world, l, at);
    devices(world, at);
    locked(world, l, at);
    mistakes(world, at);
    set_up(world, l, at);
}

fn sign_up(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    let email = format!("new-{l}@example.com");
    let authorize = world.authorize(&format!("&ui_locales={l}"));
    world.browser.open(&authorize);
    at(world, "login");
    world.send(&[("email", &email), ("password", "nothing like it")], "main form button");
    world.is_at("invalid_credentials");
    at(world, "login-wrong");
    world.send(&[], "a[href*='/signup?']");
    at(world, "sign-up");
    world.send(&[("email", &email), ("password", "password")], "main form button");
    world.is_at("invalid_value");
    at(world, "sign-up-wrong");
    world.send(&[("email", &email), ("password", PASSWORD), ("name", "New")], "main form button");
    at(world, "verify");
    world.send(&[("code", "00000000")], "main form button");
    world.is_at("code_invalid");
    at(world, "verify-wrong");
    let link = world.link(&email);
    world.browser.open(&link);
    at(world, "verify-link");
    world.send(&[("password", PASSWORD)], "main form button");
    world.is_at("signed_in");
    at(world, "signed-in");
    let page = world.page("logout");
    world.browser.open(&page);
    at(world, "sign-out");
    world.send(&[], "main form button");
    world.is_at("signed_out");
    at(world, "signed-out");
}

fn mailed(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    let email = format!("ann-{l}@example.com");
    let authorize = world.authorize("");
    world.browser.open(&authorize);
    world.send(&[], "a[href*='/forgot?']");
    at(world, "forgot");
    world.send(&[("email", &email)], "main form button");
    world.is_at("mail_sent");
    at(world, "mail-sent");
    let link = world.link(&email);
    world.browser.open(&link);
    at(world, "reset");
    world.send(&[("password", "12345678")], "main form button");
    world.is_at("invalid_value");
    at(world, "reset-wrong");
    world.send(&[("password", PASSWORD)], "main form button");
    world.is_at("password_changed");
    at(world, "reset-done");
    world.browser.open(&link);
    world.is_at("link_invalid");
    at(world, "link-invalid");

    world.browser.open(&authorize);
    world.send(&[], "a[href*='/passkey?']");
    at(world, "passkey");
    world.browser.follow("document.querySelector('main form').submit()");
    world.is_at("invalid_credentials");
    at(world, "passkey-wrong");
    world.browser.open(&authorize);
    world.send(&[], "a[href*='/magic?']");
    at(world, "magic");
    world.send(&[("email", &email)], "main form button");
    world.is_at("mail_sent");
    let link = world.link(&email);
    world.browser.open(&link);
    at(world, "magic-link");
    let there = world.send(&[], "main form button");
    assert!(there.contains("/organizations/choose?"), "{there}");
    at(world, "picker");
    world.browser.evaluate("document.querySelector('main input[value=org_acme]').click()");
    let callback = world.callback.clone();
    let there = world.send(&[], "main form button");
    assert!(there.starts_with(&callback) && there.contains("code="), "{there}");
    world.sign_out();
}

fn account(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    let name = format!("tom-{l}");
    world.sign_in(&name, "");
    let page = world.page("account/security");
    world.browser.open(&page);
    at(world, "account");
    world.send(&[], "form:has([value=add_passkey]) button");
    at(world, "account-passkey");
    world.send(&[("name", "7")], "main form button");
    world.is_at("passkey_added");
    world.send(&[], "form:has([value=add_totp]) button");
    at(world, "account-totp");
    let key = world.browser.evaluate("document.querySelector('code.key').textContent.replaceAll(' ', '')");
    let key = key.as_str().unwrap();
    world.send(&[("code", "000000")], "main form button");
    world.is_at("code_invalid");
    at(world, "account-totp-wrong");
    let step = clock::now() / 30;
    world.send(&[("code", &totp(key, step))], "main form button");
    world.is_at("totp_added");
    at(world, "account-codes");
    world.browser.open(&page);
    world.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
    at(world, "account-open");
    world.sign_out();
    world.sign_in(&name, "");
    at(world, "second-factor");
    world.send(&[("code", "000000")], "main form button");
    world.is_at("code_invalid");
    at(world, "second-factor-wrong");
}

fn organizations(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    world.sign_in(&format!("bob-{l}"), &format!("&client_id=app_b2b{CHALLENGE}"));
    world.is_at("organization_required");
    at(world, "organization-required");
    // A name of nothing but spaces passes the browser, and not the issuer.
    world.send(&[("name", " ")], "main form button");
    world.is_at("invalid_value");
    at(world, "organization-wrong");

    let invite = |world: &World, name: &str| {
        let email = format!("{name}-{l}@example.com");
        let reply =
            world.manage("POST", "/orgs/org_acme/invitations", &json!({ "email": email, "role": "member" }));
        assert_eq!(reply.status, 201, "{}", reply.body);
        world.link(&email)
    };
    let link = invite(world, "bob");
    world.browser.open(&link);
    at(world, "invitation-own");
    world.send(&[], "button[value=decline]");
    world.is_at("invitation_declined");
    at(world, "invitation-declined");
    world.browser.open(&link);
    world.is_at("invitation_declined");
    at(world, "invitation-gone");
    let link = invite(world, "joy");
    world.browser.open(&link);
    at(world, "invitation-other");
    world.sign_out();
    world.browser.open(&link);
    at(world, "invitation");
    world.browser.evaluate("document.getElementById('new-password').value = 'password'");
    world.send(&[], "button[value=sign_up]");
    world.is_at("invalid_value");
    at(world, "invitation-wrong");
    let fill = format!("document.getElementById('new-password').value = {}", json!(PASSWORD));
    world.browser.evaluate(&fill);
    world.send(&[], "button[value=sign_up]");
    world.is_at("invitation_accepted");
    at(world, "invitation-accepted");
    world.sign_out();
}

fn consents(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    let asks = |scope: &str| format!("{CHALLENGE}&client_id=app_planner&scope={scope}");
    let acme = "document.querySelector('main input[value=org_acme]').click()";
    world.sign_in(&format!("ann-{l}"), &asks("openid%20email"));
    world.browser.evaluate(acme);
    let there = world.send(&[], "main form button");
    assert!(there.contains("/consent?"), "{there}");
    at(world, "consent");
    let there = world.send(&[], "button[value=allow]");
    assert!(there.contains("code="), "{there}");
    let more = world.authorize(&asks("openid%20profile%20email%20offline_access%20account"));
    world.browser.open(&more);
    world.browser.evaluate(acme);
    world.send(&[], "main form button");
    at(world, "consent-more");
    let (page, callback) = (world.browser.evaluate("location.href"), world.callback.clone());
    let there = world.send(&[], "button[value=deny]");
    assert!(there.starts_with(&callback) && there.contains("error=access_denied"), "{there}");
    // Without an organization.
    world.browser.open(&more);
    world.browser.evaluate("document.querySelector('main input[value=\"\"]').click()");
    world.send(&[], "main form button");
    at(world, "consent-without");
    let changed = "document.querySelector('[name=shown]').value = 'another'";
    world.browser.evaluate(changed);
    world.send(&[], "button[value=allow]");
    world.is_at("request_changed");
    at(world, "error-request-changed");
    world.browser.open(page.as_str().unwrap());
    world.is_at("request_expired");
    let page = world.page("account/security");
    world.browser.open(&page);
    world.browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)");
    at(world, "account-applications");
    world.send(&[], "form:has([value=withdraw]) button");
    world.is_at("consent_withdrawn");
    at(world, "account-application-withdrawn");
    world.sign_out();
    let page = world.page("device");
    world.browser.open(&page);
    let code = world.device("app_screen");
    world.send(&[("user_code", &code)], "main form button");
    at(world, "device-confirm-others");
}

fn devices(world: &mut World, at: &mut dyn FnMut(&mut World, &str)) {
    let page = world.page("device");
    world.browser.open(&page);
    at(world, "device");
    world.send(&[("user_code", "BBBB-BBBB")], "main form button");
    world.is_at("unknown_user_code");
    at(world, "device-unknown");
    let code = world.device("app_tv");
    world.send(&[("user_code", &code)], "main form button");
    at(world, "device-confirm");
    world.send(&[], "button[value=deny]");
    world.is_at("device_denied");
    at(world, "device-denied");
}

/// Whoever guesses passwords has to wait, on a device that the person is known by as well.
fn locked(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    let (authorize, email) = (world.authorize(""), format!("ann-{l}@example.com"));
    world.browser.open(&authorize);
    // A guess more comes with each minute.
    for _ in 0..20 {
        world.send(&[("email", &email), ("password", "nothing like it")], "main form button");
        if world.browser.evaluate("document.querySelector('main').dataset.code") == "locked" {
            break;
        }
    }
    world.is_at("locked");
    at(world, "error-locked");
}

fn mistakes(world: &mut World, at: &mut dyn FnMut(&mut World, &str)) {
    for (path, code) in [
        ("nothing", "not_found"),
        ("authorize?client_id=nobody", "unknown_client"),
        ("authorize?client_id=proj_demo&redirect_uri=https://evil.example/", "invalid_redirect_uri"),
        ("login?request=gone", "request_expired"),
        ("login", "request_expired"),
        ("invitations/none", "invitation_invalid"),
    ] {
        let page = world.page(path);
        world.browser.open(&page);
        world.is_at(code);
        at(world, &format!("error-{}", code.replace('_', "-")));
    }
}

fn set_up(world: &mut World, l: &str, at: &mut dyn FnMut(&mut World, &str)) {
    let page = format!("{}?ui_locales={l}", world.setup);
    world.browser.open(&page);
    if world.browser.evaluate("document.querySelector('main').dataset.code || null") != "setup_link_invalid" {
        at(world, "set-up");
        let fields =
            [("email", "ops@example.com"), ("password", PASSWORD), ("redirect_uri", "http://example.com/")];
        world.send(&fields, "main form button");
        world.is_at("invalid_value");
        at(world, "set-up-wrong");
        let fields = [("password", PASSWORD), ("redirect_uri", "http://127.0.0.1:3000/callback")];
        if l == "ar" {
            world.send(&fields, "main form button");
            at(world, "set-up-done");
        }
    }
    let page = format!("{EMPTY}/setup/none");
    world.browser.open(&page);
    world.is_at("setup_link_invalid");
    at(world, "set-up-gone");
}
