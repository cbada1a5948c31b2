//! Identifiers: a prefix that says what it names, `_`, and a UUIDv7 in lower-case Crockford base32 (TypeID form).
//!
//! The rule: an id is text and is compared as text. An id given by a person (bootstrap file) may be any
//! `prefix_[0-9a-z_]{1,40}`; one that we make has 26 characters after its prefix, sorts by its time of birth, and is
//! also accepted in the plain UUID form. Ids are names, never secrets: what opens something comes from
//! [`crate::secret::random_token`].

use uuid::{NoContext, Timestamp, Uuid};

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Organization,
    User,
    Member,
    Session,
    Project,
    Family,
    Key,
    Event,
    Operator,
    Token,
    Mail,
    Secret,
    SignUp,
    Passkey,
    Role,
    ApiKey,
    ProjectKey,
    Invitation,
    Team,
    Webhook,
    Delivery,
    Domain,
    Client,
    Consent,
}

impl Kind {
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Organization => "org",
            Self::User => "usr",
            Self::Member => "mem",
            Self::Session => "ses",
            Self::Project => "proj",
            Self::Family => "fam",
            Self::Key => "key",
            Self::Event => "evt",
            Self::Operator => "opr",
            Self::Token => "tok",
            Self::Mail => "mail",
            Self::Secret => "sec",
            Self::SignUp => "sgn",
            Self::Passkey => "psk",
            Self::Role => "rol",
            Self::ApiKey => "ak",
            Self::ProjectKey => "pk",
            Self::Invitation => "inv",
            Self::Team => "team",
            Self::Webhook => "whk",
            Self::Delivery => "whd",
            Self::Domain => "dom",
            Self::Client => "app",
            Self::Consent => "cns",
        }
    }

    /// A new id, born at `now_ms`.
    pub(crate) fn new_id(self, now_ms: i64) -> String {
        let seconds = u64::try_from(now_ms.div_euclid(1000)).unwrap_or(0);
        let nanos = u32::try_from(now_ms.rem_euclid(1000)).unwrap_or(0).saturating_mul(1_000_000);
        self.with_uuid(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos)))
    }

    /// The id with `uuid` as its value.
    pub(crate) fn with_uuid(self, uuid: Uuid) -> String {
        format!("{}_{}", self.prefix(), encode(uuid.as_u128()))
    }

    /// The UUID inside a generated id of this kind; `None` for one that a person chose.
    pub(crate) fn uuid_of(self, id: &str) -> Option<Uuid> {
        let value = id.strip_prefix(self.prefix())?.strip_prefix('_')?;
        decode(value).map(Uuid::from_u128)
    }

    /// Whether `id` may be the id of a thing of this kind.
    pub(crate) fn accepts(self, id: &str) -> bool {
        let Some(value) = id.strip_prefix(self.prefix()).and_then(|rest| rest.strip_prefix('_')) else {
            return false;
        };
        (1..=40).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'_')
    }

    /// `input` as it stands in the database: the plain UUID form is brought into ours, the rest is kept.
    pub(crate) fn canonical(self, input: &str) -> String {
        match Uuid::try_parse(input) {
            Ok(uuid) if input.len() == 36 => self.with_uuid(uuid),
            _ => input.to_owned(),
        }
    }
}

/// Whether `text` has the form of an id, of whatever kind.
pub(crate) fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(prefix, value)| {
        (1..=10).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_lowercase())
            && (1..=40).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'_')
    })
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

fn encode(value: u128) -> String {
    (0..LENGTH)
        .map(|place| {
            let shift = 5 * (LENGTH - 1 - place);
            let digit = usize::try_from((value >> shift) & 31).unwrap_or(0);
            char::from(ALPHABET.get(digit).copied().unwrap_or(b'0'))
        })
        .collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != LENGTH || text.as_bytes().first()? > &b'7' {
        return None;
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        Some((value << 5) | u128::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_its_uuid() {
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        // The example of the TypeID specification.
        assert_eq!(encode(uuid.as_u128()), "01h455vb4pex5vsknk084sn02q");
        let id = Kind::User.with_uuid(uuid);
        assert_eq!(Kind::User.uuid_of(&id), Some(uuid));
        assert_eq!(Kind::User.canonical("01890A5D-ac96-774b-bcce-b302099a8057"), id);
        assert_eq!(Kind::Organization.uuid_of(&id), None);
    }

    #[test]
    fn ids_sort_by_their_time() {
        assert!(Kind::Event.new_id(1_000) < Kind::Event.new_id(2_000));
        assert_eq!(Kind::Event.new_id(1_700_000_000_000).len(), "evt_".len() + 26);
        assert!(Kind::Event.accepts(&Kind::Event.new_id(1_700_000_000_000)));
    }

    #[test]
    fn a_chosen_id_keeps_to_the_grammar() {
        for good in ["proj_demo", "proj_1", "proj_a_b", &format!("proj_{}", "a".repeat(40))] {
            assert!(Kind::Project.accepts(good), "{good}");
        }
        for bad in [
            "proj_",
            "demo",
            "org_demo",
            "proj_Demo",
            "proj_a-b",
            "proj_a/b",
            &format!("proj_{}", "a".repeat(41)),
        ] {
            assert!(!Kind::Project.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn what_overflows_is_no_uuid() {
        assert_eq!(decode("8zzzzzzzzzzzzzzzzzzzzzzzzz"), None);
        assert_eq!(decode("7zzzzzzzzzzzzzzzzzzzzzzzzz"), Some(u128::MAX));
        assert_eq!(decode("0000000000000000000000000u"), None);
    }
}
