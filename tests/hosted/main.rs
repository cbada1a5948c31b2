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

use std::collections::BTreeMap;

use orgate_e2e::Chromium;
use serde_json::json;

use self::{tour::tour, world::World};

/// The most bytes of a page on the wire, and the most requests: a page is one request, and one for the logo. Of the pages with a QR
/// code half is the picture.
const MOST_BYTES: u64 = 16 * 1024;
const MOST_BYTES_WITH_QR: u64 = 32 * 1024;
const MOST_REQUESTS: u64 = 2;

/// The rules of WCAG 2.2, A and AA, and what axe-core calls good practice.
const AXE: &str = "axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.map(one => \
                   [one.id, one.help, one.nodes.map(node => node.html + ' ' + (node.any[0]?.message || '')).slice(0, 3)]))";

/// The text that a person sees or hears, but for names: of fields, of people, of what is in a message (isolated), of a language.
const TEXT: &str = "(() => {
  const texts = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest('code, script, style, .sign, .called, .name, [lang=en]')) texts.push(walker.currentNode.data);
  }
  for (const name of ['aria-label', 'placeholder', 'alt', 'title']) {
    for (const one of document.querySelectorAll(`body [${name}]:not(input, [role=img] *)`)) texts.push(one.getAttribute(name));
  }
  return texts.map(text => text.replace(/\\u2068[^\\u2069]*\\u2069/g, '').replace(/\\S+@\\S+|\\bDemo\\b|\\borgate\\b|Acme Corp|https?/g, ''))
    .filter(text => /[A-Za-z]/.test(text));
})()";

const SIZE: &str = "[performance.getEntriesByType('navigation')[0].transferSize,
  1 + performance.getEntriesByType('resource').length]";

fn axe() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).expect("run `npm ci` in tests/clients, or ./tests/run, which does")
}

/// In this width and these colours nothing stands in anybody's way.
fn accessible(browser: &mut Chromium, view: &str) {
    let found = browser.evaluate(AXE);
    assert_eq!(found, json!([]), "{view}: {found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_small_and_in_the_language_that_was_asked_for() {
    let mut world = World::start(&["en", "ar"]).await;
    world.browser.add_authenticator();
    let branded = world.manage("PATCH", "", &json!({ "brand_color": "#f2b705", "logo": LOGO }));
    assert_eq!(branded.status, 200, "{}", branded.body);
    let (axe, mut sizes) = (axe(), BTreeMap::new());
    for (language, direction) in [("en", "ltr"), ("ar", "rtl")] {
        let mut seen = 0;
        tour(&mut world, language, &mut |world, name| {
            seen += 1;
            let frame =
                world.browser.evaluate("[document.documentElement.lang, document.documentElement.dir]");
            assert_eq!(frame, json!([language, direction]), "{name}");
            if language == "ar" {
                let foreign = world.browser.evaluate(TEXT);
                assert_eq!(foreign, json!([]), "{name} has words that are not translated");
            }
            let size = world.browser.evaluate(SIZE);
            sizes
                .insert(format!("{name} {language}"), (size[0].as_u64().unwrap(), size[1].as_u64().unwrap()));
            world.browser.evaluate(&format!("{axe}; null"));
            world.browser.look_at(&format!("hosted-{name}-{language}"), accessible);
        });
        assert!(seen >= 54, "{seen} pages");
    }
    for (page, (bytes, requests)) in &sizes {
        println!("{page:40} {bytes:6} bytes {requests} requests");
    }
    let most = |page: &str| if page.contains("totp") { MOST_BYTES_WITH_QR } else { MOST_BYTES };
    let large: Vec<_> = sizes
        .iter()
        .filter(|(page, (bytes, requests))| *bytes > most(page) || *requests > MOST_REQUESTS)
        .collect();
    assert!(large.is_empty(), "{large:?}");
}

/// A letter of one colour, 120 by 40.
const LOGO: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAHgAAAAoCAYAAAA16j4lAAAAzElEQVR42u3aSw6EIBAFQO7qbebSMzvXY0RoX9dL3BlCupTwG0NE5MznGF9VCML891GtQFTYDXEhh8OCboQLuQEu5OK4q9uSRcBV2pRiEJCDcXeODqnP1EKt+pAAbwBeOVoAfgh4RkNX352FDPjBP+pOBwAXB77bCcCAZeekB3DA+nfGsAjYHwwYcN4kCzDg/TtL1sEvB7aTFXTRwV50U2CnSQ2AK58HSxEAuMHIcF8E7FZlI2T3oiHD7YqsuqHQqhmMrIqB2KolInI1Py/FwQwzmfxsAAAAAElFTkSuQmCC";
