//! What a policy file names, made: authenticators with their secrets, questions to issuers, answers to preflights.

use std::sync::Arc;

use http::HeaderName;
use orgate_config::{
    AuthenticatorKind, AuthenticatorSpec, ExchangeSpec, FeedSpec, IntrospectSpec, Mode, NonceSource, OnStale,
    PolicyFile, Preflight, SecretSource,
};
use orgate_remote::{Feed, FeedTerms, HttpClient, Introspection, Limits, SessionExchange};
use orgate_verify::{
    KeySet, KeySource, StaticKeys, TrustedIssuer,
    authenticator::{ApiKey, Webhook},
};
use tracing::{error, warn};

use crate::{Authenticator, CorsOptions, LoadError, Preflights, SenderOptions, clock};

/// The shortest secret of nonces.
const NONCE_SECRET_BYTES: usize = 32;

/// Environment variables by name.
type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

fn unreadable(owner: &str, why: impl ToString) -> LoadError {
    LoadError::Secret { owner: owner.to_owned(), why: why.to_string() }
}

/// An authenticator with its secrets.
pub(crate) fn authenticator(
    spec: AuthenticatorSpec,
    env: Environment<'_>,
) -> Result<Authenticator, LoadError> {
    let owner = format!("the authenticator `{}`", spec.name);
    let read = |sources: &[SecretSource]| -> Result<Vec<String>, LoadError> {
        sources.iter().map(|source| source.read(env).map_err(|error| unreadable(&owner, error))).collect()
    };
    match spec.kind {
        AuthenticatorKind::Webhook { scheme, secrets, tolerance, max_body } => {
            let texts = read(&secrets)?;
            let webhook = Webhook::new(scheme, texts.iter().map(String::as_str), tolerance)
                .map_err(|error| unreadable(&owner, format!("a secret is not fit: {error}")))?;
            Ok(Authenticator::webhook(webhook, max_body, spec.principal))
        }
        AuthenticatorKind::ApiKey { header, sha256 } => {
            let texts = read(&sha256)?;
            let keys = ApiKey::new(texts.iter().map(String::as_str))
                .map_err(|error| unreadable(&owner, format!("`sha256` is not fit: {error}")))?;
            let header = HeaderName::try_from(header).map_err(|error| unreadable(&owner, error))?;
            Ok(Authenticator::api_key(header, keys, spec.principal))
        }
    }
}

/// The keys of an issuer that signs with a secret.
pub(crate) fn secret_keys(
    issuer: &str,
    trust: &TrustedIssuer,
    source: &SecretSource,
    env: Environment<'_>,
) -> Result<Arc<dyn KeySource>, LoadError> {
    let owner = format!("the issuer `{issuer}`");
    let secret = source.read(env).map_err(|error| unreadable(&owner, error))?;
    let keys = KeySet::from_secret(&secret, trust.allowed_algorithms())
        .map_err(|error| unreadable(&owner, format!("it is not fit: {error}")))?;
    Ok(Arc::new(StaticKeys::new(keys)))
}

/// How bound tokens are proven, with the secrets that this needs.
pub(crate) fn senders(file: &PolicyFile, env: Environment<'_>) -> Result<SenderOptions, LoadError> {
    let nonces = file.issuers.iter().map(|issuer| {
        let owner = format!("`dpop.nonce` of the issuer `{}`", issuer.name);
        let secret = match &issuer.dpop_nonce {
            None => return Ok(None),
            Some(NonceSource::Process) => None,
            Some(NonceSource::Secret(source)) => {
                Some(source.read(env).map_err(|error| unreadable(&owner, error))?)
            }
        };
        if secret.as_ref().is_some_and(|secret| secret.len() < NONCE_SECRET_BYTES) {
            return Err(unreadable(&owner, format!("at least {NONCE_SECRET_BYTES} bytes are needed")));
        }
        let nonces = SenderOptions::make_nonces(secret.as_deref());
        nonces.map(Some).map_err(|error| unreadable(&owner, error))
    });
    let nonces = nonces.collect::<Result<Vec<_>, _>>()?;
    Ok(SenderOptions::default().public_urls(file.token.public_urls.clone()).nonces(nonces))
}

/// Where an issuer is asked, with the secret that this needs.
pub(crate) fn introspection(
    issuer: &str,
    spec: &IntrospectSpec,
    env: Environment<'_>,
    client: &HttpClient,
) -> Result<Arc<Introspection>, LoadError> {
    let owner = format!("`introspect` of the issuer `{issuer}`");
    let secret = spec.secret.read(env).map_err(|error| unreadable(&owner, error))?;
    let made = Introspection::new(&spec.url, &spec.client_id, &secret, client.clone());
    made.map(|made| Arc::new(made.lasting(spec.cache)))
        .map_err(|error| LoadError::Keys { issuer: issuer.to_owned(), error })
}

/// The change feed of an issuer, with the key that this needs: the one that is read already, if it is the same.
pub(crate) fn feed(
    (issuer, trust): (&str, &TrustedIssuer),
    spec: &FeedSpec,
    env: Environment<'_>,
    client: &HttpClient,
    known: &[Option<Feed>],
) -> Result<Feed, LoadError> {
    let owner = format!("`feed` of the issuer `{issuer}`");
    let key = spec.key.read(env).map_err(|error| unreadable(&owner, error))?;
    let terms = FeedTerms::new(spec.max_stale, spec.on_stale == OnStale::Deny);
    let feed = Feed::new(trust.url().clone(), &key, terms, client.clone())
        .map_err(|error| unreadable(&owner, error))?;
    let known = known.iter().flatten();
    if let Some(same) = known.clone().find(|known| known.is_the_same(&feed)) {
        return Ok(same.on_terms(terms));
    }
    known.for_each(|known| feed.take_over(known));
    Ok(feed)
}

/// Where a session cookie is exchanged.
pub(crate) fn exchange(spec: &ExchangeSpec, client: &HttpClient) -> Result<SessionExchange, LoadError> {
    let made = SessionExchange::new(&spec.url, &spec.cookie, spec.field.as_str(), client.clone())
        .map_err(|error| LoadError::Keys { issuer: "token.exchange".to_owned(), error })?;
    Ok(match &spec.org {
        Some(name) => made.naming_organizations_as(name),
        None => made,
    })
}

/// The client for questions that a request waits for.
pub(crate) fn questions() -> HttpClient {
    HttpClient::for_questions(Limits::default())
}

pub(crate) fn preflights(cors: Preflight) -> Preflights {
    match cors {
        Preflight::Deny => Preflights::Deny,
        Preflight::Pass => Preflights::Pass,
        Preflight::Answer(answer) => Preflights::Answer(CorsOptions {
            origins: answer.origins,
            headers: answer.headers,
            methods: answer.methods,
            credentials: answer.credentials,
            max_age: answer.max_age,
        }),
    }
}

/// Whether the policy is only observed; said aloud, and louder where that should have ended.
pub(crate) fn observes(mode: &Mode, path: &std::path::Path) -> bool {
    let Mode::Observe(until) = mode else { return false };
    let (policy, until_day) = (path.display(), until.day());
    if until.is_over(clock::now()) {
        error!(%policy, until = until_day, "THE POLICY IS NOT ENFORCED, and was to be by now: `mode: observe` lets everything through");
    } else {
        warn!(%policy, until = until_day, "the policy is not enforced: `mode: observe` lets everything through");
    }
    true
}
