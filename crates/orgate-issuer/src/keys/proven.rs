//! What a key of a project has signed, however long ago: for documents that outlive keys.

use serde_json::Value;

use super::queries;
use crate::{
    db::{Conn, DbError},
    encoding::from_base64url,
};

/// The payload of a compact JWS, before anything of it was checked.
pub(crate) fn unproven(jws: &str) -> Option<Value> {
    let payload = jws.split('.').nth(1)?;
    serde_json::from_slice(&from_base64url(payload)?).ok()
}

/// Whether a key of the project has signed `jws`, as a document of the type `typ`.
pub(crate) async fn signed_by_project(
    conn: &mut Conn,
    project_id: &str,
    jws: &str,
    typ: &str,
) -> Result<bool, DbError> {
    let Some((signed, header, signature)) = parts(jws) else { return Ok(false) };
    let said = |name: &str| header.get(name).and_then(Value::as_str);
    let Some(kid) = said("kid") else { return Ok(false) };
    let Some((algorithm, jwk)) = queries::public(conn, project_id, kid).await? else { return Ok(false) };
    let jwk: Value = serde_json::from_str(&jwk).unwrap_or_default();
    Ok(said("typ") == Some(typ)
        && said("alg") == Some(algorithm.as_str())
        && algorithm.verify(&jwk, signed.as_bytes(), &signature))
}

/// What is signed, its header, and the signature.
fn parts(jws: &str) -> Option<(&str, Value, Vec<u8>)> {
    let (signed, signature) = jws.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    if payload.contains('.') {
        return None;
    }
    Some((signed, serde_json::from_slice(&from_base64url(header)?).ok()?, from_base64url(signature)?))
}
