//! SMTP (RFC 5321), with TLS wherever the server is not this machine.

use std::{fmt, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header::ContentType},
    transport::smtp::{authentication::Credentials, extension::ClientId},
};
use url::Url;

use super::{
    Letter,
    delivery::{Carry, Refused},
};
use crate::{address::Address, config::PublicUrl};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Where mail is handed over: `smtps://USER:PASSWORD@HOST` (TLS from the first byte), `smtp://USER:PASSWORD@HOST` (TLS by
/// STARTTLS, which is demanded), or `smtp://` and a loopback address, without TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Smtp(Url);

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Smtp(…)")
    }
}

impl Smtp {
    /// Reads the address of a mail server.
    ///
    /// # Errors
    /// A message for people, which does not repeat what was given: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "help: for example `smtps://USER:PASSWORD@mail.example.com`";
        let url = Url::parse(text)
            .map_err(|error| format!("the SMTP address cannot be read: {error}\n{example}"))?;
        if !matches!(url.scheme(), "smtp" | "smtps") {
            return Err(format!(
                "the SMTP address begins neither with `smtps://` nor with `smtp://`\n{example}"
            ));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("the SMTP address names no host\n{example}"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("the SMTP address has more than user, password, host and port\n{example}"));
        }
        Ok(Self(url))
    }
}

/// Carries letters to a mail server.
pub(crate) struct Courier {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
}

impl Courier {
    /// A courier to `smtp`; `from` is the sender, `no-reply@` and the public host if there is none.
    pub(crate) fn new(smtp: &Smtp, from: Option<&str>, public: &PublicUrl) -> Result<Self, String> {
        let Smtp(url) = smtp;
        let host = url.host_str().unwrap_or_default();
        let failed =
            |error: lettre::transport::smtp::Error| format!("the SMTP address cannot be used: {error}");
        let builder = match url.scheme() {
            "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(failed)?,
            _ if is_this_machine(host) => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
            _ => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(failed)?,
        };
        let builder = match url.port() {
            Some(port) => builder.port(port),
            None => builder,
        };
        let decoded = |text: &str| {
            form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
                .next()
                .map(|(name, _)| name.into_owned())
                .unwrap_or_default()
        };
        let builder = match url.password() {
            Some(password) => {
                builder.credentials(Credentials::new(decoded(url.username()), decoded(password)))
            }
            None => builder,
        };
        let own_host = Url::parse(public.origin()).ok().and_then(|url| url.host_str().map(str::to_owned));
        let own_host = own_host.unwrap_or_else(|| "localhost".to_owned());
        let from = match from {
            Some(from) => from.to_owned(),
            None => format!("no-reply@{own_host}"),
        };
        let from = Address::parse(&from)
            .and_then(|address| address.shown().parse::<lettre::Address>().ok())
            .ok_or("mail needs a sender\nhelp: name one with `--mail-from no-reply@example.com`")?;
        let server = builder.hello_name(ClientId::Domain(own_host.clone())).timeout(Some(TIMEOUT)).build();
        Ok(Self { server, from: Mailbox::new(None, from), host: own_host })
    }
}

/// The host of a scheme that browsers do not know is plain text to the URL parser.
fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl Carry for Courier {
    async fn carry(&self, id: &str, letter: &Letter) -> Result<(), Refused> {
        let to: lettre::Address = letter.to.parse().map_err(|_| Refused::ForGood)?;
        let builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.clone())
            // The same for each attempt, so that a mailbox can tell a repetition.
            .message_id(Some(format!("<{id}@{}>", self.host)));
        let message = if letter.html.is_empty() {
            builder.header(ContentType::TEXT_PLAIN).body(letter.text.clone())
        } else {
            builder.multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
        };
        let message = message.map_err(|_| Refused::ForGood)?;
        match self.server.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(Refused::ForGood),
            Err(_) => Err(Refused::ForNow),
        }
    }
}
