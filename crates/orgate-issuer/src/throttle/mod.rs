//! How often something may be tried, so that nobody guesses, and nobody shuts anybody else out.
//!
//! Limits lie in the database, so that two processes share them. Each is one number, the moment until which it is used up
//! (the generic cell rate algorithm): one statement takes from it or says how long to wait, and a burst in parallel gets no
//! more than one after the other. Keys are codes under the installation's secret.
//!
//! Attempts on an account are counted by where they come from: by a device that signed in to it before (a cookie), or
//! else by the network. Only attempts from elsewhere count against the account as a whole. So whoever tries passwords from
//! many networks is stopped, and the person who owns the account still gets in from their own device or network. Of a
//! connection from this machine itself no network is known: a proxy stands before the issuer, and one key for everybody
//! behind it would let one of them shut the others out.

mod queries;

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, header};

use crate::{
    app::App,
    db::{Conn, DbError, Tx},
    http::{cookies, language::Language, peer::Peer},
    secret::{NoRandomness, Secrets, fingerprint, random_token},
};

/// How many places are remembered for one user, of each kind.
const MOST_PLACES: i64 = 20;
/// How long a place is remembered without being used, and a browser keeps the cookie by which it is known.
pub(crate) const PLACE_MEMORY_MS: i64 = 400 * 24 * 3_600_000;
const MAX_USER_AGENT: usize = 200;

/// A limit: `burst` at once, then one each `every_ms`.
#[derive(Clone, Copy, Debug)]
struct Limit {
    name: &'static str,
    burst: i64,
    every_ms: i64,
}

const NETWORK: Limit = Limit { name: "sign-ins of a network", burst: 60, every_ms: 1_000 };
const ACCOUNT_NETWORK: Limit = Limit { name: "attempts from a network", burst: 10, every_ms: 60_000 };
const ACCOUNT_DEVICE: Limit = Limit { name: "attempts from a device", burst: 10, every_ms: 60_000 };
const ACCOUNT: Limit = Limit { name: "attempts from elsewhere", burst: 50, every_ms: 120_000 };
const MAIL_NETWORK: Limit = Limit { name: "mails from a network", burst: 30, every_ms: 60_000 };
const MAIL_ADDRESS_NETWORK: Limit =
    Limit { name: "mails to an address from a network", burst: 5, every_ms: 300_000 };
const MAIL_ADDRESS: Limit = Limit { name: "mails to an address", burst: 20, every_ms: 600_000 };

const INVITATIONS: Limit = Limit { name: "invitations of an organization", burst: 200, every_ms: 180_000 };
const INVITATIONS_INVITER: Limit = Limit { name: "invitations of an inviter", burst: 200, every_ms: 180_000 };
const INVITATIONS_ADDRESS: Limit =
    Limit { name: "invitations to an address", burst: 10, every_ms: 5 * 3_600_000 };

const PROOFS: Limit = Limit { name: "looks at domains of an organization", burst: 10, every_ms: 60_000 };
const REFUSALS: Limit = Limit { name: "refusals in the audit log", burst: 30, every_ms: 60_000 };
const DEVICE_CODES: Limit = Limit { name: "codes of devices from a network", burst: 20, every_ms: 15_000 };

/// Who asks, as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) peer: Peer,
    network: Option<String>,
    device: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// In which letters to them are written.
    pub(crate) language: Language,
}

impl Visitor {
    /// Somebody who comes to the project.
    pub(crate) fn of(app: &App, project_id: &str, peer: Peer, headers: &HeaderMap) -> Self {
        Self::known_by(app, &cookies::device_name(&app.public, project_id), peer, headers)
    }

    /// Somebody who comes to the console.
    pub(crate) fn of_console(app: &App, peer: Peer, headers: &HeaderMap) -> Self {
        Self::known_by(app, &cookies::operator_device_name(&app.public), peer, headers)
    }

    fn known_by(app: &App, cookie: &str, peer: Peer, headers: &HeaderMap) -> Self {
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            peer,
            network: network(peer).map(|network| app.secrets.pseudonym("network", &network.to_string())),
            device: cookies::read(headers, cookie).map(|token| fingerprint(&token)),
            user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect()),
            language: Language::of_browser(headers, &app.public),
        }
    }
}

/// What one customer of a network has: an address of IPv4, or 2^64 addresses of IPv6; `None` for this machine.
fn network(peer: Peer) -> Option<IpAddr> {
    match peer.0?.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
        address @ IpAddr::V4(_) => Some(address),
    }
}

/// What an attempt was counted against; a right password gives it back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass {
    taken: Vec<(String, i64)>,
    /// Whether the account was used from this device before.
    device_known: bool,
}

/// The answer to somebody who wants to try.
#[derive(Debug)]
pub(crate) enum Admission {
    Granted(Pass),
    /// Come back after so many seconds.
    Wait(i64),
}

/// Who owns an account.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    User(String),
    Operator(String),
}

/// Whose account is tried.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) realm: String,
    /// The address that was given, whether there is such an account or not.
    pub(crate) address: String,
    pub(crate) owner: Option<Owner>,
}

/// Counts an attempt to sign in, before anything is compared.
pub(crate) async fn admit(app: &App, visitor: &Visitor, account: Account) -> Result<Admission, DbError> {
    let place = Place::of(app, visitor, account);
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let (device, known) = place.known(tx).await?;
                let elsewhere = Some((ACCOUNT, String::new())).filter(|_| !known);
                let own = match (&place.device, &place.network) {
                    (Some(key), _) if device => Some((ACCOUNT_DEVICE, key.clone())),
                    (_, Some(key)) => Some((ACCOUNT_NETWORK, key.clone())),
                    _ => None,
                };
                let crowd = place.network.clone().map(|key| (NETWORK, key));
                place.take(tx, device, crowd, [own, elsewhere]).await
            })
        })
        .await
}

/// Counts a mail that somebody has sent to an address.
pub(crate) async fn admit_mail(app: &App, visitor: &Visitor, account: Account) -> Result<Admission, DbError> {
    let place = Place::of(app, visitor, account);
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let (device, known) = place.known(tx).await?;
                let elsewhere = Some((MAIL_ADDRESS, String::new())).filter(|_| !known);
                let own = place.network.clone().map(|key| (MAIL_ADDRESS_NETWORK, key));
                let crowd = place.network.clone().map(|key| (MAIL_NETWORK, key));
                place.take(tx, device, crowd, [own, elsewhere]).await
            })
        })
        .await
}

/// Who invites whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invited<'a> {
    pub(crate) project_id: &'a str,
    pub(crate) org_id: &'a str,
    pub(crate) inviter: &'a str,
    pub(crate) address: &'a str,
}

/// Counts a letter that invites somebody, in the transaction that sends it: what is not sent does not count.
pub(crate) async fn admit_invitation(
    tx: &mut Tx,
    secrets: &Secrets,
    of: Invited<'_>,
    now_ms: i64,
) -> Result<Admission, DbError> {
    let Invited { project_id, org_id, inviter, address } = of;
    for (limit, key) in [
        (INVITATIONS, org_id.to_owned()),
        (INVITATIONS_INVITER, inviter.to_owned()),
        (INVITATIONS_ADDRESS, format!("{project_id}\n{address}")),
    ] {
        let key = secrets.pseudonym(limit.name, &key);
        if let Some(wait) = take(tx, limit, &key, now_ms).await? {
            return Ok(Admission::Wait(wait));
        }
    }
    Ok(Admission::Granted(Pass::default()))
}

/// Counts a look at a domain that an organization calls its own.
pub(crate) async fn admit_proof(
    tx: &mut Tx,
    secrets: &Secrets,
    org_id: &str,
    now_ms: i64,
) -> Result<Admission, DbError> {
    Ok(match take(tx, PROOFS, &secrets.pseudonym(PROOFS.name, org_id), now_ms).await? {
        Some(wait) => Admission::Wait(wait),
        None => Admission::Granted(Pass::default()),
    })
}

/// Takes one from a limit, or says how many seconds to wait.
async fn take(tx: &mut Tx, limit: Limit, key: &str, now_ms: i64) -> Result<Option<i64>, DbError> {
    let most = now_ms + limit.burst * limit.every_ms;
    if queries::take(tx, key, limit.every_ms, most, now_ms).await? {
        return Ok(None);
    }
    let until = queries::used_until(tx, key).await?;
    let wait = until + limit.every_ms - most;
    tracing::info!(limit = limit.name, "an attempt has to wait");
    Ok(Some(wait.max(1).div_euclid(1000) + 1))
}

/// Counts a device's code that somebody enters (RFC 8628 §5.1), before it is looked up. It is nobody's account that is
/// tried, so it counts against the network alone; a right one is given back.
pub(crate) async fn admit_device(
    app: &App,
    visitor: &Visitor,
    project_id: &str,
) -> Result<Admission, DbError> {
    let realm = project_id.to_owned();
    let place = Place::of(app, visitor, Account { realm, address: String::new(), owner: None });
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let own = place.network.clone().map(|key| (DEVICE_CODES, key));
                place.take(tx, false, None, [own, None]).await
            })
        })
        .await
}

/// Whether one more refusal of what `by` wanted is noted in the audit log, which grows for ever.
pub(crate) async fn admit_note(
    tx: &mut Tx,
    secrets: &Secrets,
    by: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let most = now_ms + REFUSALS.burst * REFUSALS.every_ms;
    queries::take(tx, &secrets.pseudonym(REFUSALS.name, by), REFUSALS.every_ms, most, now_ms).await
}

/// An attempt with everything it may be counted against.
#[derive(Clone)]
struct Place {
    secrets: std::sync::Arc<Secrets>,
    network: Option<String>,
    device: Option<String>,
    account: Account,
    now_ms: i64,
}

impl Place {
    fn of(app: &App, visitor: &Visitor, account: Account) -> Self {
        Self {
            secrets: std::sync::Arc::clone(&app.secrets),
            network: visitor.network.clone(),
            device: visitor.device.clone(),
            account,
            now_ms: app.now_ms(),
        }
    }

    /// Whether the account was used from this device, and whether from this device or network.
    async fn known(&self, tx: &mut Tx) -> Result<(bool, bool), DbError> {
        let Some(owner) = &self.account.owner else { return Ok((false, false)) };
        let device =
            queries::is_known(tx, owner, "device", self.device.as_deref().unwrap_or_default()).await?;
        let network =
            queries::is_known(tx, owner, "network", self.network.as_deref().unwrap_or_default()).await?;
        Ok((device, device || network))
    }

    async fn take(
        &self,
        tx: &mut Tx,
        device_known: bool,
        crowd: Option<(Limit, String)>,
        of_account: [Option<(Limit, String)>; 2],
    ) -> Result<Admission, DbError> {
        let mut pass = Pass { taken: Vec::new(), device_known };
        let crowd = crowd.map(|(limit, key)| (limit, self.secrets.pseudonym(limit.name, &key)));
        let of_account = of_account.into_iter().flatten().map(|(limit, key)| {
            let account = format!("{}\n{}\n{key}", self.account.realm, self.account.address);
            (limit, self.secrets.pseudonym(limit.name, &account))
        });
        for (limit, key) in crowd.into_iter().chain(of_account) {
            if let Some(wait) = take(tx, limit, &key, self.now_ms).await? {
                return Ok(Admission::Wait(wait));
            }
            pass.taken.push((key, limit.every_ms));
        }
        Ok(Admission::Granted(pass))
    }
}

/// A right password: the attempt does not count.
pub(crate) async fn forgive(tx: &mut Tx, pass: &Pass) -> Result<(), DbError> {
    for (key, cost) in &pass.taken {
        queries::give_back(tx, key, *cost).await?;
    }
    Ok(())
}

/// A device that is to be remembered: what is stored, and the value of the cookie if it is a new one.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    hash: String,
    network: Option<String>,
    pub(crate) cookie: Option<String>,
}

impl Device {
    /// A cookie that was not known for this account is replaced: somebody else may have put it there.
    pub(crate) fn of(visitor: &Visitor, pass: &Pass) -> Result<Self, NoRandomness> {
        let network = visitor.network.clone();
        match visitor.device.as_ref().filter(|_| pass.device_known) {
            Some(hash) => Ok(Self { hash: hash.clone(), network, cookie: None }),
            None => {
                let token = random_token()?;
                Ok(Self { hash: fingerprint(&token), network, cookie: Some(token) })
            }
        }
    }
}

/// Notes where somebody has signed in.
pub(crate) async fn remember(
    tx: &mut Tx,
    owner: &Owner,
    device: &Device,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::remember(tx, owner, "device", &device.hash, now_ms).await?;
    queries::forget_oldest(tx, owner, "device", MOST_PLACES).await?;
    if let Some(network) = &device.network {
        queries::remember(tx, owner, "network", network, now_ms).await?;
        queries::forget_oldest(tx, owner, "network", MOST_PLACES).await?;
    }
    Ok(())
}

/// Forgets what limits nobody any more and places that were long not used, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    Ok(queries::purge_limits(conn, now_ms).await?
        + queries::purge_places(conn, now_ms - PLACE_MEMORY_MS).await?)
}

#[cfg(test)]
mod tests;
