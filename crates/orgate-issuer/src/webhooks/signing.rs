//! What a receiver knows us by (Standard Webhooks 1.0): an HMAC-SHA256 over id, time and body.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::secret::{NoRandomness, Secrets, random_bytes};

const PREFIX: &str = "whsec_";

/// A secret as it is given to the receiver.
pub(super) fn new_secret() -> Result<String, NoRandomness> {
    random_bytes::<32>().map(|bytes| format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

fn place(endpoint_id: &str) -> String {
    format!("webhook {endpoint_id}")
}

/// The secret as the database keeps it.
pub(super) fn seal(secrets: &Secrets, endpoint_id: &str, secret: &str) -> Option<String> {
    secrets.seal(&place(endpoint_id), secret.as_bytes())
}

pub(super) fn open(secrets: &Secrets, endpoint_id: &str, sealed: &str) -> Option<String> {
    String::from_utf8(secrets.open_sealed(&place(endpoint_id), sealed)?).ok()
}

/// The value of `webhook-signature`: one signature for each secret.
pub(super) fn sign(secrets: &[String], id: &str, timestamp: i64, body: &str) -> Option<String> {
    let signed = format!("{id}.{timestamp}.{body}");
    let signatures: Option<Vec<String>> = secrets
        .iter()
        .map(|secret| {
            let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
            Some(format!("v1,{}", STANDARD.encode(tag)))
        })
        .collect();
    Some(signatures?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let body = r#"{"test": 2432232314}"#;
        let signature =
            sign(std::slice::from_ref(&secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = sign(&[secret.clone(), secret], "a", 1, "b").unwrap();
        assert_eq!(both.split(' ').count(), 2);
        assert!(sign(&["whsec_!".to_owned()], "a", 1, "b").is_none());
    }
}
