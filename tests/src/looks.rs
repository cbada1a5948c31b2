//! What every page that people see has to be: for everybody, by keyboard alone, in the language that was asked for, and small.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Chromium;

/// The rules of WCAG 2.2, A and AA, and what axe-core calls good practice.
const AXE: &str = "axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.map(one => \
                   [one.id, one.help, one.nodes.map(node => node.html + ' ' + (node.any[0]?.message || '')).slice(0, 3)]))";

/// The text that a person sees or hears in no letters but those of the language, but for names: of fields, of people, of what
/// is in a message (isolated), of a language.
const TEXT: &str = "(() => {
  const texts = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest('code, script, style, bdi, time, #who option, #actor option, [dir=auto], .sign, .mark, .called, .choice .name, .row .name, [lang=en]'))
      texts.push(walker.currentNode.data);
  }
  for (const name of ['aria-label', 'placeholder', 'alt', 'title', 'data-name']) {
    for (const one of document.querySelectorAll(`body [${name}]:not(input, [role=img] *)`)) texts.push(one.getAttribute(name));
  }
  return texts.map(text => text.replace(/\\u2068[^\\u2069]*\\u2069/g, '').replace(/\\S+@\\S+|\\bDemo\\b|\\borgate\\b|Acme Corp|Initech|Initrode|Recruiter|Nightly export|Support|\\bBen\\b|https?|JSON/g, ''))
    .filter(text => /[A-Za-z]/.test(text));
})()";

/// `[bytes, bytes with gzip, requests]`
const SIZE: &str = "(async () => {
  const html = new Blob([document.documentElement.outerHTML]);
  const small = await new Response(html.stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer();
  return [performance.getEntriesByType('navigation')[0].encodedBodySize, small.byteLength,
    1 + new Set(performance.getEntriesByType('resource').map(one => one.name)).size];
})()";

/// Notes what a person can stop at with Tab: all that is seen and works; of radio buttons of a name the one that is chosen, or
/// the first. The focus is before all of it.
const STOPS: &str = "(() => {
  const seen = one => one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0;
  const all = [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]:not([tabindex=\"-1\"])')]
    .filter(one => !one.matches(':disabled') && one.tabIndex >= 0 && seen(one));
  const group = one => all.filter(other => other.type === 'radio' && other.name === one.name && other.form === one.form);
  globalThis.stops = all.filter(one => one.type !== 'radio'
    || one === (group(one).find(other => other.checked) ?? group(one)[0]));
  globalThis.stop = null;
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute('tabindex');
  scrollTo(0, 0);
  return stops.length;
})()";

/// Where the focus is: the place among the stops (-1 is none of them), its box, and whether one sees that it is there.
const STOP: &str = "(() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect();
  const marked = [one, one.closest('label')].filter(Boolean).some(shown => {
    const style = getComputedStyle(shown);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  });
  const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const inside = globalThis.stop !== one && !!globalThis.stop?.contains(one);
  globalThis.stop = one;
  return { at: stops.indexOf(one), inside, top: box.top + scrollY, bottom: box.bottom + scrollY, left: box.left, right: box.right,
    marked, inView, skips: one.matches('.skip'), html: one === document.body ? 'body' : one.outerHTML.slice(0, 200) };
})()";

impl Chromium {
    /// Presses a key; `text` is what it writes.
    pub fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut wish = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                wish["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", &wish);
        }
    }

    /// Presses Tab.
    pub fn press_tab(&mut self) {
        self.press("Tab", 9, "");
    }

    /// Presses Enter, which leads to another page; gives where that is.
    pub fn enter(&mut self) -> String {
        self.follow_after(|browser| browser.press("Enter", 13, "\r"))
    }

    /// Writes into what has the focus, as a keyboard does.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Pictures of the page as [`look`](Self::look) makes them, and in each width and colour nothing that axe-core minds.
    pub fn look_closely(&mut self, name: &str) {
        let axe = axe();
        self.evaluate(&format!("{axe}; null"));
        self.look_at(name, accessible);
    }

    /// The same, and by Tab alone everything is reached.
    pub fn look_and_walk(&mut self, name: &str) {
        let axe = axe();
        self.evaluate(&format!("{axe}; null"));
        self.look_at(name, |browser, view| {
            accessible(browser, view);
            if view.ends_with("light") {
                walk(browser, view);
            }
        });
    }

    /// Words of another language than Arabic on a page that speaks it.
    pub fn foreign_words(&mut self) -> Value {
        self.evaluate(TEXT)
    }
}

fn axe() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).expect("run `npm ci` in tests/clients, or ./tests/run, which does")
}

/// In this width and these colours nothing stands in anybody's way.
fn accessible(browser: &mut Chromium, view: &str) {
    let found = browser.evaluate(AXE);
    assert_eq!(found, json!([]), "{view}: {found:#}");
}

/// From the top by Tab everything is reached once, in the order in which it is read, and one sees where one is.
fn walk(browser: &mut Chromium, view: &str) {
    browser.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
    let right_to_left = browser.evaluate("document.dir === 'rtl'") == true;
    let all = usize::try_from(browser.evaluate(STOPS).as_u64().unwrap()).unwrap();
    let (mut reached, mut before): (Vec<u64>, Option<Value>) = (Vec::new(), None);
    // The parts of a date are stops of one field.
    for _ in 0..=(2 * all + 8) {
        browser.press_tab();
        let stop = browser.evaluate(STOP);
        let Some(at) = stop["at"].as_u64() else { break };
        if reached.last() == Some(&at) {
            continue;
        }
        if reached.len() == all && reached.first() == Some(&at) {
            break;
        }
        let html = &stop["html"];
        assert!(!reached.contains(&at), "{view}: {html} is reached twice, after {before:?}");
        assert!(
            stop["marked"] == true && stop["inView"] == true,
            "{view}: nobody sees the focus on {html}: {stop}"
        );
        if let Some(before) = before.as_ref().filter(|before| before["skips"] != true) {
            let number = |of: &Value, side: &str| of[side].as_f64().unwrap();
            let below = number(&stop, "bottom") > number(before, "bottom") + 1.0
                && number(&stop, "top") >= number(before, "top") - 1.0;
            let further = match right_to_left {
                true => number(&stop, "right") <= number(before, "left") + 1.0,
                false => number(&stop, "left") >= number(before, "right") - 1.0,
            };
            assert!(
                stop["inside"] == true || below || further,
                "{view}: {html} stands before {}",
                before["html"]
            );
        }
        assert!(
            stop["skips"] == false || reached.is_empty(),
            "{view}: the way past the head of the page is not the first stop"
        );
        reached.push(at);
        before = Some(stop);
    }
    let missed = (0..all as u64).find(|at| !reached.contains(at));
    let html = missed.map(|at| browser.evaluate(&format!("stops[{at}].outerHTML.slice(0, 200)")));
    assert!(missed.is_none(), "{view}: {html:?} is not reached: {} of {all}", reached.len());
    browser.evaluate("document.activeElement.blur(); scrollTo(0, 0)");
}

/// How large each page is.
#[derive(Debug, Default)]
pub struct Sizes(BTreeMap<String, [u64; 3]>);

impl Sizes {
    /// Notes the page that is shown.
    pub fn note(&mut self, browser: &mut Chromium, name: &str) {
        let size = browser.evaluate(SIZE);
        self.0.insert(name.to_owned(), [0, 1, 2].map(|at| size[at].as_u64().unwrap()));
    }

    /// The table, for a person who reads what the tests say.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!("{:44} {:>7} {:>7} requests\n", "page", "bytes", "gzip");
        for (page, [bytes, gzip, requests]) in &self.0 {
            table.push_str(&format!("{page:44} {bytes:7} {gzip:7} {requests}\n"));
        }
        table
    }

    /// A page is one request and at most one for the logo, and has no more bytes than `most` says for its name.
    pub fn check(&self, most: impl Fn(&str) -> u64) {
        let large: Vec<_> = self
            .0
            .iter()
            .filter(|(page, [bytes, _, requests])| *bytes > most(page) || *requests > 2)
            .collect();
        assert!(!self.0.is_empty() && large.is_empty(), "{large:?}");
    }
}
