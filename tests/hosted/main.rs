//! Every page that people see, in a real browser: its looks, its accessibility, its languages and its size.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod attacks;
mod tour;
mod world;

use orgate_e2e::Sizes;
use serde_json::json;

use self::{
    tour::tour,
    world::{PASSWORD, World},
};

/// The most bytes of a page. Of the pages with a QR code half is the picture.
const MOST_BYTES: u64 = 16 * 1024;
const MOST_BYTES_WITH_QR: u64 = 32 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_small_and_in_the_language_that_was_asked_for() {
    let mut world = World::start(&["en", "ar"]).await;
    world.browser.add_authenticator();
    let branded = world.manage("PATCH", "", &json!({ "brand_color": "#f2b705", "logo": LOGO }));
    assert_eq!(branded.status, 200, "{}", branded.body);
    let mut sizes = Sizes::default();
    for (language, direction) in [("en", "ltr"), ("ar", "rtl")] {
        let mut seen = 0;
        tour(&mut world, language, &mut |world, name| {
            seen += 1;
            let frame =
                world.browser.evaluate("[document.documentElement.lang, document.documentElement.dir]");
            assert_eq!(frame, json!([language, direction]), "{name}");
            if language == "ar" {
                let foreign = world.browser.foreign_words();
                assert_eq!(foreign, json!([]), "{name} has words that are not translated");
            }
            sizes.note(&mut world.browser, &format!("{name} {language}"));
            world.browser.look_and_walk(&format!("hosted-{name}-{language}"));
        });
        assert!(seen >= 54, "{seen} pages");
    }
    println!("{}", sizes.table());
    sizes.check(|page| if page.contains("totp") { MOST_BYTES_WITH_QR } else { MOST_BYTES });
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_a_keyboard_alone_signs_in_and_chooses_an_organization() {
    let mut world = World::start(&["en"]).await;
    let authorize = world.authorize("");
    world.browser.open(&authorize);
    // The first field has the focus, and the next one is a Tab away.
    world.browser.write("ann-en@example.com");
    world.browser.press_tab();
    world.browser.write(PASSWORD);
    let there = world.browser.enter();
    assert!(there.contains("/organizations/choose?"), "{there}");
    world.browser.press_tab();
    world.browser.press("ArrowDown", 40, "");
    world.browser.press("ArrowUp", 38, "");
    assert_eq!(world.browser.evaluate("document.querySelector('main input:checked').value"), "org_acme");
    let callback = world.callback.clone();
    let there = world.browser.enter();
    assert!(there.starts_with(&callback) && there.contains("code="), "{there}");
}

/// A letter of one colour, 120 by 40.
const LOGO: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAHgAAAAoCAYAAAA16j4lAAAAzElEQVR42u3aSw6EIBAFQO7qbebSMzvXY0RoX9dL3BlCupTwG0NE5MznGF9VCML891GtQFTYDXEhh8OCboQLuQEu5OK4q9uSRcBV2pRiEJCDcXeODqnP1EKt+pAAbwBeOVoAfgh4RkNX352FDPjBP+pOBwAXB77bCcCAZeekB3DA+nfGsAjYHwwYcN4kCzDg/TtL1sEvB7aTFXTRwV50U2CnSQ2AK58HSxEAuMHIcF8E7FZlI2T3oiHD7YqsuqHQqhmMrIqB2KolInI1Py/FwQwzmfxsAAAAAElFTkSuQmCC";
