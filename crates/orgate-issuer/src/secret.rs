//! The secret of an installation, and everything that is derived from it.
//!
//! The rule: the database alone opens nothing. Private keys in it are sealed (AES-256-GCM), refresh tokens are not in
//! it at all but derived (HMAC-SHA256), client secrets are kept as HMACs; the keys of all three come by HKDF-SHA256
//! (RFC 5869) from a file that is not in the database. The first line of that file is used for writing; the others
//! are older ones, used for reading only, so that the secret can be changed without losing anything.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    hkdf, hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// How many characters a line of the secret file must have: 32 bytes in base64.
const MIN_LINE: usize = 43;

/// The operating system's random generator failed. Nothing can go on without it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the random number generator of this machine failed")
    }
}

/// 256 random bits in URL-safe text: a cookie, a code, a client secret.
pub(crate) fn random_token() -> Result<String, NoRandomness> {
    random_bytes::<32>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Bytes that nobody can guess.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0_u8; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Eight digits, for people to type. Few enough to be guessed, so whoever checks them counts the attempts.
pub(crate) fn random_code() -> Result<String, NoRandomness> {
    Ok(format!("{:08}", u64::from_be_bytes(random_bytes()?) % 100_000_000))
}

/// What the database keeps of a random token. The token has 256 bits, so a fast hash is enough.
pub(crate) fn fingerprint(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

/// Whether two texts are equal, in time that depends on their lengths only.
pub(crate) fn same(a: &str, b: &str) -> bool {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

/// Why the secret cannot be used.
#[derive(Debug)]
pub(crate) enum SecretError {
    Unreadable(PathBuf, io::Error),
    Missing(PathBuf),
    Malformed(PathBuf, usize),
    NotCreated(PathBuf, io::Error),
    NoRandomness,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "cannot read the secret file `{}`: {error}", path.display())
            }
            Self::Missing(path) => write!(
                f,
                "the secret file `{}` is missing, and the database was written with one\nhelp: bring the file back \
                 or name it with `--secret FILE`; without it the signing keys in the database cannot be read",
                path.display()
            ),
            Self::Malformed(path, line) => write!(
                f,
                "line {line} of the secret file `{}` is too short\nhelp: a line holds at least {MIN_LINE} characters, \
                 such as `openssl rand -base64 32` prints",
                path.display()
            ),
            Self::NotCreated(path, error) => {
                write!(f, "cannot create the secret file `{}`: {error}", path.display())
            }
            Self::NoRandomness => NoRandomness.fmt(f),
        }
    }
}

struct Secret {
    id: String,
    seal: RandomizedNonceKey,
    refresh: hmac::Key,
    client: hmac::Key,
    /// What the nonces of proofs are made of.
    nonce: [u8; 32],
    short: hmac::Key,
}

/// The secret in use and the older ones that are still readable.
pub(crate) struct Secrets {
    current: Secret,
    older: Vec<Secret>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("current", &self.current.id)
            .field("older", &self.older.len())
            .finish()
    }
}

impl Secrets {
    /// Reads `path`. If there is no such file it is made, unless `must_exist`: a database that was written with a
    /// secret is not opened with another.
    pub(crate) fn open(path: &Path, must_exist: bool) -> Result<Self, SecretError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && must_exist => {
                return Err(SecretError::Missing(path.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(SecretError::Unreadable(path.to_owned(), error)),
        };
        warn_if_shared(path);
        Self::parse(&text).map_err(|line| SecretError::Malformed(path.to_owned(), line))
    }

    /// A secret that lives as long as the process, for databases in memory.
    pub(crate) fn ephemeral() -> Result<Self, SecretError> {
        let line = random_token().map_err(|_| SecretError::NoRandomness)?;
        Self::parse(&line).map_err(|_| SecretError::NoRandomness)
    }

    fn parse(text: &str) -> Result<Self, usize> {
        let mut secrets = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line = line.trim();
            if line.len() < MIN_LINE {
                return Err(at + 1);
            }
            secrets.push(Secret::derive(line.as_bytes()).ok_or(at + 1)?);
        }
        let mut secrets = secrets.into_iter();
        Ok(Self { current: secrets.next().ok_or(1_usize)?, older: secrets.collect() })
    }

    fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.older)
    }

    fn by_id(&self, id: &str) -> Option<&Secret> {
        self.all().find(|secret| secret.id == id)
    }

    /// The name of the secret in use: says nothing about it.
    pub(crate) fn id(&self) -> &str {
        &self.current.id
    }

    /// Whether the secret called `id` can be read.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.by_id(id).is_some()
    }

    /// Encrypts `plain` so that it opens only in the place `context` says.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Option<String> {
        let mut bytes = plain.to_vec();
        let nonce =
            self.current.seal.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut bytes).ok()?;
        let mut all = nonce.as_ref().to_vec();
        all.append(&mut bytes);
        Some(format!("s1.{}.{}", self.current.id, URL_SAFE_NO_PAD.encode(all)))
    }

    /// Opens what [`Secrets::seal`] made in the same `context`; `None` if anything about it is wrong.
    pub(crate) fn open_sealed(&self, context: &str, sealed: &str) -> Option<Vec<u8>> {
        let (id, payload) = sealed.strip_prefix("s1.")?.split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let plain =
            self.by_id(id)?.seal.open_in_place(nonce, Aad::from(context.as_bytes()), &mut body).ok()?;
        Some(plain.to_vec())
    }

    /// The authentication code of a refresh token, under the secret in use.
    pub(crate) fn sign_refresh(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.current.refresh, message)
    }

    /// Whether the first `code.len()` bytes of the authentication code of `message` are `code`, under any secret.
    pub(crate) fn verify_refresh(&self, message: &[u8], code: &[u8]) -> bool {
        self.all().any(|secret| {
            let tag = hmac::sign(&secret.refresh, message);
            tag.as_ref().get(..code.len()).is_some_and(|own| verify_slices_are_equal(own, code).is_ok())
        })
    }

    /// The nonces that makers of proofs are given (RFC 9449 §8): the same in every process with this secret.
    pub(crate) fn nonces(&self) -> orgate_verify::dpop::Nonces {
        orgate_verify::dpop::Nonces::of(&self.current.nonce)
    }

    /// What the database keeps of a value that could be guessed, such as a typed code or a network address. `place` says
    /// what it is for: the same value elsewhere gives something else.
    pub(crate) fn pseudonym(&self, place: &str, value: &str) -> String {
        Self::pseudonym_under(&self.current, place, value)
    }

    /// Whether `stored` was made from `value`, under any secret.
    pub(crate) fn is_pseudonym(&self, place: &str, value: &str, stored: &str) -> bool {
        self.all().any(|secret| same(&Self::pseudonym_under(secret, place, value), stored))
    }

    fn pseudonym_under(secret: &Secret, place: &str, value: &str) -> String {
        let mut context = hmac::Context::with_key(&secret.short);
        context.update(&place.len().to_be_bytes());
        context.update(place.as_bytes());
        context.update(value.as_bytes());
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    /// What the database keeps of a client secret. It may have been chosen by a person, so that a fast public hash
    /// would be guessable; this one needs the installation's secret.
    pub(crate) fn hash_client_secret(&self, secret: &str) -> String {
        let tag = hmac::sign(&self.current.client, secret.as_bytes());
        format!("h1.{}.{}", self.current.id, URL_SAFE_NO_PAD.encode(tag))
    }

    /// Whether `secret` is the one that `stored` was made from.
    pub(crate) fn verify_client_secret(&self, secret: &str, stored: &str) -> bool {
        let Some((id, code)) = stored.strip_prefix("h1.").and_then(|rest| rest.split_once('.')) else {
            return false;
        };
        let (Some(key), Ok(code)) = (self.by_id(id), URL_SAFE_NO_PAD.decode(code)) else {
            return false;
        };
        hmac::verify(&key.client, secret.as_bytes(), &code).is_ok()
    }
}

impl Secret {
    fn derive(material: &[u8]) -> Option<Self> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"orgate issuer secret v1").extract(material);
        let mut seal = [0_u8; 32];
        root.expand(&[b"seal"], hkdf::HKDF_SHA256).ok()?.fill(&mut seal).ok()?;
        let mut refresh = [0_u8; 32];
        root.expand(&[b"refresh token"], hkdf::HKDF_SHA256).ok()?.fill(&mut refresh).ok()?;
        let mut client = [0_u8; 32];
        root.expand(&[b"client secret"], hkdf::HKDF_SHA256).ok()?.fill(&mut client).ok()?;
        let mut nonce = [0_u8; 32];
        root.expand(&[b"dpop nonce"], hkdf::HKDF_SHA256).ok()?.fill(&mut nonce).ok()?;
        let mut short = [0_u8; 32];
        root.expand(&[b"short values"], hkdf::HKDF_SHA256).ok()?.fill(&mut short).ok()?;
        let mut id = [0_u8; 32];
        root.expand(&[b"name"], hkdf::HKDF_SHA256).ok()?.fill(&mut id).ok()?;
        Some(Self {
            id: URL_SAFE_NO_PAD.encode(id.get(..6)?),
            seal: RandomizedNonceKey::new(&AES_256_GCM, &seal).ok()?,
            refresh: hmac::Key::new(hmac::HMAC_SHA256, &refresh),
            client: hmac::Key::new(hmac::HMAC_SHA256, &client),
            nonce,
            short: hmac::Key::new(hmac::HMAC_SHA256, &short),
        })
    }
}

/// Makes the file with a new secret and returns its content.
///
/// The content is written and synced under another name and then linked to `path`, which fails if somebody else was
/// first. So at every moment `path` is absent or complete, whatever kills the process.
fn create(path: &Path) -> Result<String, SecretError> {
    let failed = |error| SecretError::NotCreated(path.to_owned(), error);
    let content = random_token().map_err(|_| SecretError::NoRandomness)? + "\n";
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", random_token().map_err(|_| SecretError::NoRandomness)?));
    let draft = PathBuf::from(draft);

    let written = write_private(&draft, &content).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => {
            removed.map_err(failed)?;
            sync_directory(path);
            Ok(content)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read_to_string(path).map_err(|error| SecretError::Unreadable(path.to_owned(), error))
        }
        Err(error) => Err(failed(error)),
    }
}

/// Puts a new line above those in the file `path`, and reads it. The file is replaced as a whole.
pub(crate) fn add_line(path: &Path) -> Result<Secrets, SecretError> {
    let failed = |error| SecretError::NotCreated(path.to_owned(), error);
    let before = fs::read_to_string(path).map_err(|error| SecretError::Unreadable(path.to_owned(), error))?;
    let token = || random_token().map_err(|_| SecretError::NoRandomness);
    let content = format!("{}\n{before}", token()?);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", token()?));
    let draft = PathBuf::from(draft);
    let replaced = write_private(&draft, &content).and_then(|()| fs::rename(&draft, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&draft);
    }
    replaced.map_err(failed)?;
    sync_directory(path);
    Secrets::parse(&content).map_err(|line| SecretError::Malformed(path.to_owned(), line))
}

fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

fn sync_directory(path: &Path) {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Not every file system can sync a directory; the file itself is synced.
    if let Ok(directory) = fs::File::open(parent) {
        let _ = directory.sync_all();
    }
}

#[cfg(unix)]
fn warn_if_shared(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if let Ok(metadata) = fs::metadata(path)
        && metadata.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), "the secret file can be read by others; set its mode to 0600");
    }
}

#[cfg(not(unix))]
fn warn_if_shared(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old-old-old-old-old-old-old-old-old-old-old-old";
    const NEW: &str = "new-new-new-new-new-new-new-new-new-new-new-new";

    #[test]
    fn what_is_sealed_opens_only_in_its_place_and_untouched() {
        let secrets = Secrets::parse(NEW).unwrap();
        let sealed = secrets.seal("key a", b"private").unwrap();
        assert!(!sealed.contains("private"));
        assert_eq!(secrets.open_sealed("key a", &sealed).unwrap(), b"private");
        assert!(secrets.open_sealed("key b", &sealed).is_none());
        let mut broken = sealed.clone();
        broken
            .replace_range(sealed.len() - 3..sealed.len() - 2, if sealed.ends_with('A') { "B" } else { "A" });
        if broken != sealed {
            assert!(secrets.open_sealed("key a", &broken).is_none());
        }
        assert!(Secrets::parse(OLD).unwrap().open_sealed("key a", &sealed).is_none());
    }

    #[test]
    fn an_older_line_still_reads_and_the_first_one_writes() {
        let old = Secrets::parse(OLD).unwrap();
        let both = Secrets::parse(&format!("{NEW}\n\n{OLD}\n")).unwrap();
        assert_eq!(both.open_sealed("k", &old.seal("k", b"x").unwrap()).unwrap(), b"x");
        assert!(both.verify_client_secret("s3cret", &old.hash_client_secret("s3cret")));
        assert!(both.verify_refresh(b"m", &old.sign_refresh(b"m").as_ref()[..16]));
        assert!(!old.verify_refresh(b"m", &both.sign_refresh(b"m").as_ref()[..16]));
        assert_eq!(both.id(), Secrets::parse(NEW).unwrap().id());
        assert!(both.knows(old.id()));
    }

    #[test]
    fn a_client_secret_verifies_only_itself() {
        let secrets = Secrets::parse(NEW).unwrap();
        let stored = secrets.hash_client_secret("s3cret");
        assert!(!stored.contains("s3cret"));
        assert!(secrets.verify_client_secret("s3cret", &stored));
        for wrong in ["", "s3cre", "s3cret ", "S3cret"] {
            assert!(!secrets.verify_client_secret(wrong, &stored));
        }
        assert!(!secrets.verify_client_secret("s3cret", ""));
    }

    #[test]
    fn a_short_line_is_named() {
        assert_eq!(Secrets::parse(&format!("{NEW}\nshort\n")).unwrap_err(), 2);
        assert!(Secrets::parse("\n\n").is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let secrets = Secrets::parse(NEW).unwrap();
        assert!(!format!("{secrets:?}").contains("new-"));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_made_whole_and_private_and_never_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = crate::testing::TempDir::new();
        let path = directory.path().join("x.secret");
        let made = Secrets::open(&path, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Secrets::open(&path, true).unwrap().id(), made.id());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
        // Two processes that start at once end with one secret.
        assert_eq!(create(&path).unwrap(), fs::read_to_string(&path).unwrap());
    }

    #[test]
    fn a_killed_process_leaves_no_half_secret() {
        let directory = crate::testing::TempDir::new();
        let path = directory.path().join("x.secret");
        // What a kill between writing and linking leaves behind: a draft of any length.
        fs::write(directory.path().join("x.secret.abc.new"), "hal").unwrap();
        assert!(matches!(Secrets::open(&path, true), Err(SecretError::Missing(_))));
        assert!(Secrets::open(&path, false).is_ok());
    }
}
