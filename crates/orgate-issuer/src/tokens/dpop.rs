//! Proofs of possession at the endpoints of the issuer (RFC 9449).
//!
//! A proof is good for one request, in whichever process it arrives: it is remembered in the database until it would be
//! refused for its age. Each client has room for a bounded number of them, and where there is none, it is refused and
//! never let through unremembered.

use http::{HeaderMap, HeaderName, HeaderValue};
use orgate_claims::UnixTime;
use orgate_verify::dpop::{self, Proof, ProofError, Proven, PublicUrls};

use super::queries;
use crate::{app::App, clients::Client, clock::seconds, oauth::TokenError};

/// The header of a proof.
const HEADER: HeaderName = HeaderName::from_static("dpop");
/// The header of a nonce.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// The most proofs that are remembered of one client: a hundred each second.
const MOST_PROOFS: i64 = 10_000;

/// The thumbprint of the key that the sender of a request for tokens holds; `None` if the request has no proof and needs
/// none.
pub(super) async fn prove(
    app: &App,
    headers: &HeaderMap,
    path: &str,
    client: &Client,
) -> Result<Option<String>, TokenError> {
    let Some(proof) = header(headers).map_err(TokenError::InvalidProof)? else {
        return match client.dpop_bound {
            true => Err(TokenError::InvalidProof(
                "tokens of this client are bound to a key, and there is no proof",
            )),
            false => Ok(None),
        };
    };
    let nonces = client.dpop_nonce.then(|| app.secrets.nonces());
    let public_urls = public_urls(app);
    let proven = Proven {
        method: "POST",
        authority: None,
        path,
        public_urls: &public_urls,
        token_hash: "",
        thumbprint: "",
        nonces: nonces.as_ref(),
    };
    let now = app.now_ms();
    let (proof, thumbprint) =
        dpop::check_new(proof, &proven, UnixTime::from_seconds(seconds(now))).map_err(refused)?;
    remember(app, &client.id, proof).await?;
    Ok(Some(thumbprint))
}

/// Whether the request proves that its sender holds the key `thumbprint` and means the access token `token`.
pub(super) async fn prove_token(
    app: &App,
    headers: &HeaderMap,
    (method, path): (&str, &str),
    (client_id, token, thumbprint): (&str, &str, &str),
) -> Result<(), TokenError> {
    let proof = header(headers).map_err(TokenError::InvalidProof)?;
    let proof =
        proof.ok_or(TokenError::InvalidProof("the token is bound to a key, and there is no proof"))?;
    let public_urls = public_urls(app);
    let token_hash = dpop::token_hash(token);
    let proven = Proven {
        method,
        authority: None,
        path,
        public_urls: &public_urls,
        token_hash: &token_hash,
        thumbprint,
        nonces: None,
    };
    let now = UnixTime::from_seconds(seconds(app.now_ms()));
    let proof = dpop::check(proof, &proven, now).map_err(refused)?;
    remember(app, client_id, proof).await
}

/// Tells whoever uses proofs the nonce of now (RFC 9449 §8.2).
pub(super) fn give_nonce(app: &App, headers: &HeaderMap, response: &mut axum::response::Response) {
    if headers.contains_key(HEADER) {
        let nonce = app.secrets.nonces().current(UnixTime::from_seconds(seconds(app.now_ms())));
        if let Ok(nonce) = HeaderValue::from_str(&nonce) {
            response.headers_mut().insert(NONCE, nonce);
        }
    }
}

/// The one proof of a request (RFC 9449 §4.3).
fn header(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err("the request has two DPoP proofs"),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| "the DPoP proof cannot be read"),
    }
}

/// Where clients see the issuer: its public URL, whatever stands in front of it.
fn public_urls(app: &App) -> PublicUrls {
    // The public URL always is such an address; with none, only https and this machine would be.
    PublicUrls::default().with(&app.public.base()).unwrap_or_default()
}

fn refused(error: ProofError) -> TokenError {
    match error {
        ProofError::Nonce => TokenError::UseNonce,
        ProofError::Malformed => TokenError::InvalidProof("the DPoP proof cannot be read in one way"),
        ProofError::WrongType => TokenError::InvalidProof("the `typ` of the DPoP proof is not `dpop+jwt`"),
        ProofError::UnsupportedAlgorithm => {
            TokenError::InvalidProof("the `alg` of the DPoP proof is not supported")
        }
        ProofError::BadKey => TokenError::InvalidProof("the DPoP proof has no public key of its `alg`"),
        ProofError::OtherKey => TokenError::InvalidProof("the token is bound to another key"),
        ProofError::OtherToken => TokenError::InvalidProof("the DPoP proof is for another token"),
        ProofError::OtherMethod => TokenError::InvalidProof("the DPoP proof is for another method"),
        ProofError::OtherTarget => TokenError::InvalidProof("the DPoP proof is for another address"),
        ProofError::Stale => TokenError::InvalidProof("the DPoP proof is too old, or made in the future"),
        ProofError::BadSignature => TokenError::InvalidProof("the signature of the DPoP proof does not hold"),
        _ => TokenError::InvalidProof("a claim of the DPoP proof is missing or malformed"),
    }
}

async fn remember(app: &App, client_id: &str, proof: Proof) -> Result<(), TokenError> {
    let (client_id, now) = (client_id.to_owned(), app.now_ms());
    app.db
        .write::<_, TokenError>(move |tx| {
            Box::pin(async move {
                let fingerprint = format!("{:032x}", proof.fingerprint());
                let stale_at = proof.stale_at().seconds().saturating_mul(1000);
                queries::forget_proofs(tx, now).await?;
                if queries::proofs_of(tx, &client_id).await? >= MOST_PROOFS {
                    return Err(TokenError::Unavailable);
                }
                if !queries::insert_proof(tx, &fingerprint, &client_id, stale_at).await? {
                    return Err(TokenError::InvalidProof("the DPoP proof was used before"));
                }
                Ok(())
            })
        })
        .await
}
