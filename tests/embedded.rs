//! `examples/embedded-issuer`, clicked through: people sign up at the issuer's pages inside of the application, and the gate
//! around both keeps the notes of one organization from the members of another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use orgate_e2e::{
    Response, Running, example, request,
    sign_in::{Browser, encode, parameter},
};

const PASSWORD: &str = "a password that nobody knows";

/// The application; it has to know its address before it is started.
fn application() -> (Running, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let running = example("example-embedded-issuer").env("PUBLIC_URL", &url).listening();
    assert_eq!(running.url("app"), url);
    (running, url)
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn location(response: &Response) -> String {
    response.header("location").unwrap_or_else(|| panic!("{}: {}", response.status, response.body)).to_owned()
}

/// What stands between two texts of a page.
fn between<'p>(page: &'p str, before: &str, after: &str) -> &'p str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before}: {page}"));
    rest.split_once(after).unwrap().0
}

struct Person {
    browser: Browser,
    url: String,
}

impl Person {
    fn new(url: &str) -> Self {
        Self { browser: Browser::default(), url: url.to_owned() }
    }

    fn issuer(&self) -> String {
        format!("{}/auth/p/proj_notes", self.url)
    }

    /// From the application to the sign-in page, and from there to the form for a new account.
    fn wants_in(&mut self, email: &str) -> (String, Response) {
        let authorize = location(&self.browser.open(&format!("{}/login", self.url)));
        let login = location(&self.browser.open(&authorize));
        assert!(login.starts_with(&format!("{}/login?", self.issuer())), "{login}");
        let page = self.browser.open(&login);
        let sign_up = between(&page.body, "<a href=\"", "\">Create an account").rsplit('"').next().unwrap();
        assert_eq!(self.browser.open(&sign_up.replace("&#x2f;", "/")).status, 200);
        let request = parameter(&login, "request").unwrap();
        let fields = [field("request", &request), field("email", email), field("password", PASSWORD)];
        let answer = self.browser.submit(&format!("{}/signup", self.issuer()), &fields);
        (request, answer)
    }

    /// Signs up with the code that the application's outbox shows.
    fn sign_up(url: &str, email: &str) -> Self {
        let mut person = Self::new(url);
        let (request, answer) = person.wants_in(email);
        let sign_up = parameter(&location(&answer), "sign_up").unwrap();
        let outbox = person.browser.open(&format!("{url}/outbox")).body;
        let letter = between(&outbox, "<pre>", "</pre>");
        let code = letter.lines().find_map(|line| line.strip_prefix("    ")).unwrap();
        let fields = [field("request", &request), field("sign_up", &sign_up), field("code", code)];
        let answer = person.browser.submit(&format!("{}/verify", person.issuer()), &fields);
        let back = location(&answer);
        assert!(back.starts_with(&format!("{url}/callback?")), "{back}");
        assert_eq!(parameter(&back, "iss"), Some(encode(&person.issuer())), "RFC 9207");
        assert_eq!(location(&person.browser.open(&back)), "/notes");
        person
    }

    fn notes(&mut self) -> String {
        let page = self.browser.open(&format!("{}/notes", self.url));
        assert_eq!(page.status, 200, "{}", page.body);
        page.body
    }

    /// Where the form of the person's own page leads.
    fn own_place(&mut self) -> String {
        let page = self.notes();
        format!("{}{}", self.url, between(&page, "<form method=\"post\" action=\"", "\""))
    }

    fn write(&mut self, place: &str, text: &str) -> Response {
        self.browser.submit(place, &[field("text", text)])
    }
}

#[test]
fn people_sign_up_and_each_organization_has_its_own_notes() {
    let (_running, url) = application();
    let home = request("GET", &url, &[], None);
    assert!(home.status == 200 && home.body.contains("href=\"/login\""), "{}", home.body);
    let navigation = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    let sent = request("GET", &format!("{url}/notes"), &navigation, None);
    assert_eq!((sent.status, location(&sent)), (303, "/login?return_to=%2Fnotes".to_owned()));

    // The application's own word on who may sign up.
    let (_, refused) = Person::new(&url).wants_in("somebody@example.org");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("Addresses of example.org cannot sign up here."), "{}", refused.body);

    let mut anna = Person::sign_up(&url, "anna@example.com");
    let annas = anna.own_place();
    assert!(annas.contains("/orgs/org_"), "{annas}");
    // What the hook wrote when the organization was made; it was told a moment after that.
    let began = Instant::now();
    while !anna.notes().contains("<li>Welcome to anna's Workspace!</li>") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", anna.notes());
        thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(location(&anna.write(&annas, "<b>buy milk</b>")), "/notes");
    assert!(anna.notes().contains("<li>&lt;b>buy milk&lt;/b></li>"), "{}", anna.notes());

    let mut ben = Person::sign_up(&url, "ben@example.com");
    assert!(!ben.notes().contains("milk"));
    assert_ne!(ben.own_place(), annas);
    assert_eq!(ben.browser.open(&annas).verdict(), "403 org_mismatch");
    assert_eq!(ben.write(&annas, "gone").verdict(), "403 org_mismatch");
    assert_eq!(request("GET", &annas, &[], None).verdict(), "401 no_credential");
    assert_eq!(anna.browser.open(&annas).body, r#"["Welcome to anna's Workspace!","<b>buy milk</b>"]"#);

    // RFC 8414 §3.1, through the gate.
    let metadata =
        request("GET", &format!("{url}/.well-known/oauth-authorization-server/auth/p/proj_notes"), &[], None);
    assert_eq!(metadata.json()["issuer"], anna.issuer());
}
