//! From a policy file to a gate.

use std::{
    fmt, mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::HeaderName;
use orgate_config::{IssuerSpec, KeyLocation, PolicyFile};
use orgate_remote::{Feed, HttpClient, KeySettings, Location, RemoteError, RemoteKeys, Timing};
use orgate_verify::{KeySet, KeySource, StaticKeys, TrustedIssuer, Verifier, VerifierError};
use tracing::warn;

use crate::{
    Gate, GateParts, IdentityOptions, OpaqueTokens, SignedIdentity, TokenOptions, TokenSource, from_file,
};

/// Why there is no gate.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The policy file cannot be read, or something is wrong in it.
    Policy(orgate_config::LoadError),
    /// The keys of an issuer cannot even be asked for.
    Keys {
        /// The issuer's name in the policy file.
        issuer: String,
        /// Why.
        error: RemoteError,
    },
    /// The issuers cannot be trusted side by side.
    Issuers(VerifierError),
    /// A secret that the policy file names cannot be had.
    Secret {
        /// What it is for.
        owner: String,
        /// Why; never the secret.
        why: String,
    },
}

/// How a policy file is loaded.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The folder in which the keys of the issuers are kept for the next start, if they are.
    pub key_snapshots: Option<PathBuf>,
    /// The key set of `orgate_config::DEVELOPMENT_ISSUER`, if its tokens are believed.
    pub development_keys: Option<Arc<str>>,
}

impl LoadOptions {
    /// Keeps the last good keys of every issuer in this folder, so that a gate that starts while an issuer is out of reach
    /// can verify with them. It must be for us alone to write; it is made if it is not there.
    #[must_use]
    pub fn key_snapshots(mut self, folder: impl Into<PathBuf>) -> Self {
        self.key_snapshots = Some(folder.into());
        self
    }

    /// Believes tokens of `orgate_config::DEVELOPMENT_ISSUER` as well, by the key set `jwks`. For a developer's own
    /// machine: whoever has that key is anybody.
    #[must_use]
    pub fn development_keys(mut self, jwks: &str) -> Self {
        self.development_keys = Some(jwks.into());
        self
    }
}

impl LoadError {
    /// The exit code of a program that ends with it: 1 for something wrong in the policy, 2 for no policy to judge.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Policy(error) => error.exit_code(),
            Self::Keys { .. } | Self::Issuers(_) => 1,
            Self::Secret { .. } => 2,
        }
    }

    /// The error for people, with places and suggestions; several lines, in colour for a terminal.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Policy(error) => error.render(color),
            other => format!("error: {other}\n"),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(error) => write!(f, "{}", error.render(false).trim_end()),
            Self::Keys { issuer, error } => write!(f, "the keys of issuer `{issuer}`: {error}"),
            Self::Issuers(error) => error.fmt(f),
            Self::Secret { owner, why } => write!(f, "a secret of {owner}: {why}"),
        }
    }
}

impl std::error::Error for LoadError {}

impl Gate {
    /// Reads the policy file at `path` and starts to fetch the keys of its issuers.
    ///
    /// An issuer that cannot be reached is no error: public routes work, the others are answered 503
    /// `keys_unavailable` until its keys are there. [`Gate::ready`] waits for them. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`LoadError`] if the file cannot be read, or if anything is wrong in it; all problems at once.
    pub async fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::load_with(path, LoadOptions::default()).await
    }

    /// [`load`](Self::load) with options, which hold for every [`reload`](Self::reload) as well.
    ///
    /// # Errors
    /// [`LoadError`] as of [`load`](Self::load).
    pub async fn load_with(path: impl AsRef<Path>, options: LoadOptions) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let environment = |name: &str| std::env::var(name).ok();
        let file = read(path, &environment, &options)?;
        if !file.warnings.is_empty() {
            warn!(policy = %path.display(), "{}", file.warnings.render(false).trim_end());
        }
        let observe = from_file::observes(&file.mode, path);
        parts(file, &environment, (&[], &[]), &options).map(|parts| Self::new(parts.observe(observe)))
    }

    /// Reads the policy file at `path` again and puts it in the place of the one in force, all at once: a request that is
    /// under way keeps its verdict. Keys and marks that are in hand are kept; those that are not are waited for, for two
    /// seconds each.
    ///
    /// # Errors
    /// [`LoadError`] as of [`load`](Self::load), and if `identity:` is another: what was told to the application at the
    /// start holds for the process. The policy in force then stays.
    pub async fn reload(&self, path: impl AsRef<Path>) -> Result<(), LoadError> {
        let path = path.as_ref();
        let environment = |name: &str| std::env::var(name).ok();
        let in_force = self.parts();
        let file = read(path, &environment, &in_force.load_options)?;
        if !file.warnings.is_empty() {
            warn!(policy = %path.display(), "{}", file.warnings.render(false).trim_end());
        }
        let observe = from_file::observes(&file.mode, path);
        let known = (&*in_force.remote, &*in_force.feeds);
        let new = parts(file, &environment, known, &in_force.load_options)?.observe(observe);
        for keys in &new.remote {
            keys.wait_at_most(NEW_KEYS).await;
        }
        for feed in new.feeds.iter().flatten() {
            feed.wait_at_most(NEW_KEYS).await;
        }
        self.replace(new);
        Ok(())
    }

    /// Waits until the keys of every issuer were loaded once, and what it revoked, where the policy says that this is read.
    pub async fn ready(&self) {
        let parts = self.parts();
        for keys in &parts.remote {
            keys.wait_until_loaded().await;
        }
        for feed in parts.feeds.iter().flatten() {
            feed.wait_until_loaded().await;
        }
    }
}

fn read(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    options: &LoadOptions,
) -> Result<PolicyFile, LoadError> {
    match &options.development_keys {
        Some(jwks) => orgate_config::load_for_development(path, env, jwks),
        None => orgate_config::load(path, env),
    }
    .map_err(LoadError::Policy)
}

/// How long a policy that is read again waits for the keys of each issuer that are not in hand.
const NEW_KEYS: Duration = Duration::from_secs(2);

/// The gate that a file describes, with keys and feeds of `known` where they are the same.
fn parts(
    mut file: PolicyFile,
    env: &dyn Fn(&str) -> Option<String>,
    (known, feeds_known): (&[Arc<RemoteKeys>], &[Option<Feed>]),
    options: &LoadOptions,
) -> Result<GateParts, LoadError> {
    let questions = from_file::questions();
    let (mut introspection, mut feeds, mut opaque) = (Vec::new(), Vec::new(), Vec::new());
    let senders = from_file::senders(&file, env)?;
    let choices = file.issuers.iter().map(|issuer| issuer.permissions_from).collect();
    let client = HttpClient::new();
    let mut issuers: Vec<(TrustedIssuer, Arc<dyn KeySource>)> = Vec::new();
    let (mut remote, mut new) = (Vec::new(), Vec::new());
    for IssuerSpec { name, trust, keys, keys_max_stale, introspect, feed, .. } in mem::take(&mut file.issuers)
    {
        opaque.push(introspect.as_ref().and_then(|spec| spec.opaque.as_ref()).map(|spec| OpaqueTokens {
            prefixes: spec.prefixes.iter().map(|prefix| prefix.as_str().into()).collect(),
            lasting: spec.cache,
        }));
        let asked = introspect.map(|spec| from_file::introspection(&name, &spec, env, &questions));
        introspection.push(asked.transpose()?);
        let feed = feed.map(|spec| from_file::feed((&name, &trust), &spec, env, &questions, feeds_known));
        feeds.push(feed.transpose()?);
        let location = match keys {
            KeyLocation::Discover => Location::Discover,
            KeyLocation::JwksUri(uri) => Location::JwksUri(uri),
            KeyLocation::File(path) => Location::File(path),
            KeyLocation::Secret(source) => {
                let keys = from_file::secret_keys(&name, &trust, &source, env)?;
                issuers.push((trust, keys));
                continue;
            }
            KeyLocation::Nowhere => {
                issuers.push((trust, Arc::new(StaticKeys::new(KeySet::empty()))));
                continue;
            }
            KeyLocation::Known(jwks) => {
                issuers.push((trust, in_hand(&name, &jwks)?));
                continue;
            }
        };
        let timing =
            keys_max_stale.map_or_else(Timing::default, |limit| Timing::default().stale_limit(limit));
        let settings = KeySettings::new(trust.url().clone(), location)
            .timing(timing)
            .snapshots(options.key_snapshots.clone());
        let keys = match known.iter().find(|keys| keys.are_of(&settings)) {
            Some(keys) => Arc::clone(keys),
            None => {
                let keys = RemoteKeys::new(settings, client.clone())
                    .map_err(|error| LoadError::Keys { issuer: name, error })?;
                known.iter().for_each(|known| keys.take_over(known));
                new.push(Arc::clone(&keys));
                keys
            }
        };
        issuers.push((trust, Arc::<RemoteKeys>::clone(&keys)));
        remote.push(keys);
    }
    let verifier = Verifier::new(issuers).map_err(LoadError::Issuers)?;
    let authenticators = mem::take(&mut file.authenticators)
        .into_iter()
        .map(|spec| Ok((spec.name.clone(), from_file::authenticator(spec, env)?)))
        .collect::<Result<Vec<_>, LoadError>>()?;
    let exchange = match file.token.exchange.take() {
        Some(spec) => Some((from_file::exchange(&spec, &questions)?, spec.cache)),
        None => None,
    };
    // Only now that nothing can fail any more: a gate that does not come to life fetches nothing.
    new.iter().for_each(RemoteKeys::spawn);
    feeds.iter().flatten().for_each(Feed::spawn);
    let mut parts = assemble(file, verifier).permissions_from(choices).introspecting(introspection);
    parts = parts.feeds(feeds).senders(senders);
    if opaque.iter().any(Option::is_some) {
        parts = parts.opaque_tokens(opaque);
    }
    (parts.remote, parts.load_options) = (remote, options.clone());
    if let Some((exchange, lifetime)) = exchange {
        parts = parts.exchanging(exchange, lifetime);
    }
    for (name, authenticator) in authenticators {
        parts = parts.authenticator(&name, authenticator);
    }
    Ok(parts)
}

/// Keys that need no fetching.
fn in_hand(issuer: &str, jwks: &str) -> Result<Arc<dyn KeySource>, LoadError> {
    let (keys, _) = KeySet::from_jwks(jwks.as_bytes()).map_err(|error| LoadError::Secret {
        owner: format!("the issuer `{issuer}`"),
        why: format!("its keys cannot be read: {error}"),
    })?;
    Ok(Arc::new(StaticKeys::new(keys)))
}

/// A gate for the tests of `policy`; see [`Gate::for_tests`](crate::testing).
pub(crate) fn without_keys(policy: &str) -> Result<GateParts, LoadError> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut file = if policy.contains('\n') || policy.trim_start().starts_with('{') {
        orgate_config::compile("policy", policy.as_bytes(), &environment)
            .map_err(orgate_config::LoadError::Findings)
    } else {
        orgate_config::load(Path::new(policy), &environment)
    }
    .map_err(LoadError::Policy)?;
    let issuers = mem::take(&mut file.issuers).into_iter().map(|issuer| {
        let no_keys: Arc<dyn KeySource> = Arc::new(StaticKeys::new(KeySet::empty()));
        (issuer.trust, no_keys)
    });
    let verifier = Verifier::new(issuers.collect()).map_err(LoadError::Issuers)?;
    Ok(assemble(file, verifier))
}

/// Everything but the issuers.
fn assemble(file: PolicyFile, verifier: Verifier) -> GateParts {
    let sources = file.token.from.iter().filter_map(|source| match source {
        orgate_config::TokenSource::Bearer => Some(TokenSource::Bearer),
        orgate_config::TokenSource::Cookie(name) => Some(TokenSource::Cookie(name.as_str().into())),
        orgate_config::TokenSource::Header(name) => HeaderName::try_from(name).ok().map(TokenSource::Header),
        orgate_config::TokenSource::Query(name) => Some(TokenSource::Query(name.as_str().into())),
        orgate_config::TokenSource::WebSocketProtocol(marker) => {
            Some(TokenSource::WebSocketProtocol(marker.as_str().into()))
        }
    });
    let token = TokenOptions {
        sources: sources.collect(),
        first_of_several: file.token.first_of_several,
        trusted_origins: file.token.trusted_origins.iter().map(|origin| origin.as_str().into()).collect(),
    };
    let file_names = file.file_names().map(Into::into).collect();
    let parts = GateParts::new(file.policy, verifier);
    let parts = match file.resource {
        Some(resource) => parts.resource(resource.into()),
        None => parts,
    };
    parts
        .digest(&file.digest)
        .token(token)
        .file_names(file_names)
        .including(file.include)
        .redirect(file.redirect.into())
        .identity(IdentityOptions {
            prefix: file.identity.prefix,
            also_strip: file.identity.also_strip,
            forward_token: file.identity.forward_token,
            sign: file
                .identity
                .sign
                .map(|sign| SignedIdentity { issuer: sign.issuer.as_str().into(), audience: sign.audience }),
            publish: file.identity.publish,
        })
        .method_override(file.method_override)
        .deny(file.deny.into())
        .preflights(from_file::preflights(file.cors))
}
