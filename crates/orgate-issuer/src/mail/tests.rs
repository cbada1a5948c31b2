use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    config::PublicUrl,
    mail::delivery::{Carry, Refused},
    testing::{NOW, Site, TempDir, settings},
};

fn letter(to: &str) -> Letter {
    let link = "http://127.0.0.1:8090/p/proj_p/reset?token=abc".to_owned();
    Letter {
        to: to.to_owned(),
        subject: "Sübject".to_owned(),
        text: format!("Hello\n{link}\n"),
        html: format!("<p dir=\"rtl\">{link}</p>"),
        links: vec![link],
    }
}

async fn post_one(site: &Site, reader: Reader, expires_at: i64) {
    let secrets = site.issuer.app().secrets.clone();
    let now = site.issuer.app().now_ms();
    site.write(move |tx| {
        Box::pin(async move { post(tx, &secrets, &letter("ann@example.com"), reader, now, expires_at).await })
    })
    .await;
}

/// Answers as it is told to and remembers what it was given.
#[derive(Default)]
struct Fake {
    answers: Mutex<Vec<Result<(), Refused>>>,
    carried: Mutex<Vec<(String, String)>>,
}

impl Carry for Fake {
    async fn carry(&self, id: &str, letter: &Letter) -> Result<(), Refused> {
        self.carried.lock().unwrap().push((id.to_owned(), letter.to.clone()));
        self.answers.lock().unwrap().pop().unwrap_or(Ok(()))
    }
}

#[orgate_testkit::both]
async fn a_letter_is_handed_over_once_and_then_gone() {
    let site = Site::open().await;
    post_one(&site, Reader::Addressee, NOW + 60_000).await;
    post_one(&site, Reader::Nobody, NOW + 60_000).await;
    let fake = Fake::default();
    assert_eq!(deliver(site.issuer.app(), &fake).await, Ok(1));
    assert_eq!(deliver(site.issuer.app(), &fake).await, Ok(0));
    assert_eq!(fake.carried.lock().unwrap().len(), 1, "a letter for nobody goes nowhere");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM mails WHERE decoy = 0").await, 0);
}

#[orgate_testkit::both]
async fn a_letter_that_is_refused_is_tried_later_and_given_up_when_it_has_expired() {
    let site = Site::open().await;
    post_one(&site, Reader::Addressee, NOW + 20_000).await;
    let fake = Fake::default();
    *fake.answers.lock().unwrap() = vec![Err(Refused::ForNow); 9];
    for (advance, tries) in [(0, 1), (4_999, 1), (1, 2), (5_000, 2), (60_000, 2)] {
        site.clock.advance(advance);
        deliver(site.issuer.app(), &fake).await.unwrap();
        assert_eq!(fake.carried.lock().unwrap().len(), tries, "after {advance}");
    }
    // The second wait would have ended after the letter did.
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM mails").await, 0);
    let ids: Vec<_> = fake.carried.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids[0], ids[1], "one letter has one name");
}

#[orgate_testkit::both]
async fn what_looks_hopeless_is_tried_three_times() {
    let site = Site::open().await;
    post_one(&site, Reader::Addressee, NOW + 86_400_000).await;
    let fake = Fake::default();
    *fake.answers.lock().unwrap() = vec![Err(Refused::ForGood); 9];
    for _ in 0..6 {
        deliver(site.issuer.app(), &fake).await.unwrap();
        site.clock.advance(3_600_000);
    }
    assert_eq!(fake.carried.lock().unwrap().len(), 3);
}

#[orgate_testkit::both]
async fn two_processes_do_not_take_one_letter() {
    let site = Site::open().await;
    post_one(&site, Reader::Addressee, NOW + 60_000).await;
    let taken = site
        .write(|tx| {
            Box::pin(async move {
                let id = queries::due(tx, NOW).await?.unwrap();
                let one = queries::take(tx, &id, NOW, NOW + 1_000).await?.is_some();
                let two = queries::take(tx, &id, NOW, NOW + 1_000).await?.is_some();
                Ok((one, two))
            })
        })
        .await;
    assert_eq!(taken, (true, false));
}

#[orgate_testkit::both]
async fn the_outbox_lies_sealed_and_survives_a_restart() {
    let dir = TempDir::new();
    let mut settings = settings(&dir);
    settings.dev_outbox = true;
    let site = Site::with(settings.clone(), dir, crate::ManualClock::at(NOW)).await;
    post_one(&site, Reader::Addressee, NOW + 60_000).await;
    site.clock.advance(1);
    post_one(&site, Reader::Nobody, NOW + 60_000).await;
    for secret in [&b"ann@example.com"[..], b"token=abc"] {
        assert!(!site.disk().windows(secret.len()).any(|window| window == secret));
    }
    // As after a kill: another process opens the same files.
    let again = Site::with(settings, TempDir::new(), site.clock.clone()).await;
    let shown = again.issuer.outbox().await.unwrap().unwrap();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((&shown[0]["to"], &shown[0]["subject"]), (&json!("ann@example.com"), &json!("Sübject")));
    assert_eq!(shown[0]["links"], json!(["http://127.0.0.1:8090/p/proj_p/reset?token=abc"]));
    assert!(Site::open().await.issuer.outbox().await.is_none(), "only when told to");
}

#[test]
fn an_smtp_address_is_refused_without_being_repeated() {
    for bad in [
        "",
        "mail.example.com",
        "http://u:hunter2@x",
        "smtp://",
        "smtps://u:hunter2@h/path",
        "smtp://h?tls=none",
    ] {
        let error = Smtp::parse(bad).unwrap_err();
        assert!(error.contains("help:") && !error.contains("hunter2"), "{error}");
    }
    let smtp = Smtp::parse("smtps://ann:hunter2@mail.example.com:465").unwrap();
    assert!(!format!("{smtp:?}").contains("hunter2"));
    let public = PublicUrl::parse("https://id.example.com").unwrap();
    assert!(Courier::new(&smtp, None, &public).is_ok());
    let local = PublicUrl::parse("http://127.0.0.1:8090").unwrap();
    assert!(Courier::new(&smtp, None, &local).err().unwrap().contains("--mail-from"));
}

/// One conversation with a mail server that takes everything; the answer is what it was told.
async fn server(listener: tokio::net::TcpListener) -> String {
    let (socket, _) = listener.accept().await.unwrap();
    let (read, mut write) = socket.into_split();
    let mut lines = tokio::io::BufReader::new(read).lines();
    let (mut said, mut in_data) = (String::new(), false);
    write.write_all(b"220 test\r\n").await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&line);
        said.push('\n');
        let answer: &[u8] = match line.as_str() {
            "." => {
                write.write_all(b"250 taken\r\n").await.unwrap();
                return said;
            }
            _ if in_data => continue,
            "DATA" => {
                in_data = true;
                b"354 go on\r\n"
            }
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await.unwrap();
    }
    said
}

#[orgate_testkit::both]
async fn a_mail_server_gets_the_letter_with_sender_name_and_text() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = Smtp::parse(&format!("smtp://{}", listener.local_addr().unwrap())).unwrap();
    let public = PublicUrl::parse("https://id.example.com").unwrap();
    let courier = Courier::new(&smtp, None, &public).unwrap();
    let said = tokio::spawn(server(listener));
    assert_eq!(courier.carry("mail_1", &letter("ann@example.com")).await, Ok(()));
    let said = said.await.unwrap();
    for part in [
        "EHLO id.example.com",
        "MAIL FROM:<no-reply@id.example.com>",
        "RCPT TO:<ann@example.com>",
        "Message-ID: <mail_1@id.example.com>",
        "Subject: =?utf-8?b?",
        "multipart/alternative",
        "text/plain; charset=utf-8",
        "text/html; charset=utf-8",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // What shows pages takes the last of the two (RFC 2046 §5.1.4).
    assert!(said.find("text/plain").unwrap() < said.find("text/html").unwrap(), "{said}");
    assert_eq!(courier.carry("mail_1", &letter("no address")).await, Err(Refused::ForGood));
    // Nobody listens there any more.
    assert_eq!(courier.carry("mail_1", &letter("ann@example.com")).await, Err(Refused::ForNow));
}
