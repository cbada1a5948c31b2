//! A real browser: started as a process, and led over the pipes of its own protocol (`--remote-debugging-pipe`).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::Folder;

/// How long the browser may take for one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command that starts a browser nobody sees.
#[must_use]
pub fn chromium() -> Command {
    let named = std::env::var("CHROMIUM").ok();
    let names = named.iter().map(String::as_str).chain(["chromium", "chromium-browser", "google-chrome"]);
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let found = found.expect(
        "a browser is needed: install chromium (Debian: apt-get install chromium), or name one in CHROMIUM",
    );
    let mut command = Command::new(found);
    command.args(FLAGS);
    command
}

const FLAGS: [&str; 5] =
    ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];

/// A page of a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab(String);

/// A browser with pages, of which a test leads one at a time.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    sent: u64,
    session: String,
    /// How many pages have been loaded of which nobody has heard.
    loaded: usize,
}

impl Chromium {
    /// Starts one that keeps its things in `folder`.
    #[must_use]
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let browser = chromium();
        // It reads commands from the third pipe and answers on the fourth, and writes other things to those of everybody.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null; exec \"$0\" \"$@\""])
            .arg(browser.get_program())
            .args(browser.get_args())
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", folder.path().join("browser").display()))
            .args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 1) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut started = Self { child, input, messages, sent: 0, session: String::new(), loaded: 0 };
        started.add_tab();
        started
    }

    /// Opens another page, which is led from here on; the one before it comes back with [`Self::turn_to`].
    pub fn add_tab(&mut self) -> Tab {
        let before = Tab(std::mem::take(&mut self.session));
        let page = self.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let wish = json!({ "targetId": page["targetId"], "flatten": true });
        self.session = self.call("Target.attachToTarget", &wish)["sessionId"].as_str().unwrap().to_owned();
        self.call("Page.enable", &json!({}));
        before
    }

    /// Leads this page, and gives the one that was led.
    pub fn turn_to(&mut self, tab: &Tab) -> Tab {
        Tab(std::mem::replace(&mut self.session, tab.0.clone()))
    }

    /// Puts the extension in this folder into the browser, and gives its id. The browser must have been started with
    /// `--enable-unsafe-extension-debugging`.
    pub fn add_extension(&mut self, folder: &Path) -> String {
        let page = std::mem::take(&mut self.session);
        let loaded = self.call("Extensions.loadUnpacked", &json!({ "path": folder }));
        self.session = page;
        loaded["id"].as_str().unwrap().to_owned()
    }

    /// One command of the protocol, and its answer.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.input.flush().unwrap();
        loop {
            let mut message = self.message(method);
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
        }
    }

    fn message(&mut self, waiting_for: &str) -> Value {
        let message = self.messages.recv_timeout(PATIENCE);
        let message = message.unwrap_or_else(|_| panic!("the browser does not answer: {waiting_for}"));
        if message["method"] == "Page.loadEventFired" && message["sessionId"] == self.session.as_str() {
            self.loaded += 1;
        }
        message
    }

    /// Gives the page an authenticator that nobody has to touch.
    pub fn add_authenticator(&mut self) {
        self.call("WebAuthn.enable", &json!({}));
        let options = json!({ "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
                              "hasUserVerification": true, "isUserVerified": true,
                              "automaticPresenceSimulation": true });
        self.call("WebAuthn.addVirtualAuthenticator", &json!({ "options": options }));
    }

    /// Goes to `url`, and gives where that has led to.
    pub fn open(&mut self, url: &str) -> String {
        self.loaded = 0;
        self.call("Page.navigate", &json!({ "url": url }));
        self.arrive()
    }

    /// Does something that leads to another page, and gives where that is.
    pub fn follow(&mut self, script: &str) -> String {
        self.follow_after(|browser| drop(browser.evaluate(script)))
    }

    /// Does something that leads to another page, and gives where that is.
    pub(crate) fn follow_after(&mut self, act: impl FnOnce(&mut Self)) -> String {
        self.loaded = 0;
        act(self);
        self.arrive()
    }

    fn arrive(&mut self) -> String {
        while self.loaded == 0 {
            self.message("a page is loaded");
        }
        self.evaluate("location.href").as_str().unwrap().to_owned()
    }

    /// What a script gives in the page.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let wish =
            json!({ "expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true });
        let mut answer = self.call("Runtime.evaluate", &wish);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Waits until a script gives something that is true, and gives that.
    pub fn wait_for(&mut self, script: &str) -> Value {
        let patience = PATIENCE.as_millis() / 2;
        self.evaluate(&format!(
            "(async () => {{ const end = Date.now() + {patience}; for (;;) {{ const found = {script}; if (found) return found; \
             if (Date.now() > end) throw new Error('in vain: ' + document.body?.innerText); \
             await new Promise(go => setTimeout(go, 20)); }} }})()"
        ))
    }

    /// Where each frame of the page that is of another site has come to.
    pub fn frames(&mut self) -> Vec<String> {
        let wish = json!({ "filter": [{ "type": "iframe" }] });
        let targets = self.call("Target.getTargets", &wish)["targetInfos"].take();
        let page = self.session.clone();
        let mut frames = Vec::new();
        for target in targets.as_array().unwrap() {
            let wish = json!({ "targetId": target["targetId"], "flatten": true });
            let attached = self.call("Target.attachToTarget", &wish);
            self.session = attached["sessionId"].as_str().unwrap().to_owned();
            frames.push(self.evaluate("location.href").as_str().unwrap().to_owned());
            self.session.clone_from(&page);
        }
        frames
    }

    /// Fills the fields of the page and presses the button with this text.
    pub fn fill(&mut self, fields: &[(&str, &str)], button: &str) -> String {
        let mut script = String::new();
        for (name, value) in fields {
            script.push_str(&format!(
                "document.getElementsByName({})[0].value = {};",
                json!(name),
                json!(value)
            ));
        }
        script.push_str(&format!(
            "[...document.querySelectorAll('button, a, summary')].find(one => one.textContent.trim() === {}).click()",
            json!(button)
        ));
        self.follow(&script)
    }

    /// Whether the page is wider than a screen of this width, in both colours, with pictures of it under this name: in the folder
    /// that `ORGATE_SCREENSHOTS` names, or in `screenshots` of the target directory.
    pub fn look(&mut self, name: &str) {
        self.look_at(name, |_, _| {});
    }

    /// The same, and `also` is called for each width and colour with the name of the view.
    pub fn look_at(&mut self, name: &str, mut also: impl FnMut(&mut Self, &str)) {
        let made = || std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("screenshots");
        let folder = std::env::var_os("ORGATE_SCREENSHOTS").map_or_else(made, PathBuf::from);
        for width in [390, 1280] {
            let size =
                json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
            self.call("Emulation.setDeviceMetricsOverride", &size);
            // The window grows with what is in it, where it is a phone's.
            let wide = self.evaluate(&format!("document.documentElement.scrollWidth > {width}"));
            assert_eq!(wide, false, "{name} is wider than {width}");
            for colours in ["light", "dark"] {
                let wish = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
                self.call("Emulation.setEmulatedMedia", &wish);
                let view = format!("{name}-{width}-{colours}");
                also(self, &view);
                // Of a page that fits, a picture beyond the window would be moved aside where it runs from right to left.
                let long = self.evaluate("document.documentElement.scrollHeight > innerHeight");
                let taken = self.call("Page.captureScreenshot", &json!({ "captureBeyondViewport": long }));
                let picture = decode(taken["data"].as_str().unwrap());
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(format!("{view}.png")), picture).unwrap();
            }
        }
        self.call("Emulation.setEmulatedMedia", &json!({ "features": [] }));
        self.call("Emulation.clearDeviceMetricsOverride", &json!({}));
    }
}

/// Base64, which is no dependency of the tests.
fn decode(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut value, mut bytes) = (0, 0_u32, Vec::new());
    for letter in text.chars().filter(|letter| *letter != '=') {
        value = (value << 6) | u32::try_from(ALPHABET.find(letter).unwrap()).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((value >> bits) & 0xff).unwrap());
            value &= (1 << bits) - 1;
        }
    }
    bytes
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
