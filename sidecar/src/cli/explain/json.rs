//! The answer for machines, as the contract has it.

use orgate::{Code, testing::tools::Answer};
use orgate_claims::{Principal, RoleName, Slug};
use orgate_config::PolicyFile;
use serde_json::{Map, Value, json};

/// The answer for machines.
pub(super) fn answer(answer: &Answer, file: &PolicyFile, principal: Option<&Principal>) -> Value {
    let rule = answer.rule.as_ref();
    let parameters: Map<String, Value> = rule
        .iter()
        .flat_map(|rule| &rule.parameters)
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let mut object = json!({
        "decision": answer.decision(),
        "status": answer.status,
        "code": answer.code.map(Code::as_str),
        "rule": rule.map(|rule| &rule.key),
        "file": rule.map(|rule| file.file_name(rule.place)),
        "line": rule.map(|rule| rule.place.line),
        "params": parameters,
        "required": rule.map(|rule| &rule.requirement),
        "missing": answer.missing,
        "allowed_roles": rule.map(|rule| rule.allowed_roles.as_slice()).unwrap_or_default(),
        "principal": principal_json(file, principal),
        "challenge": answer.challenge,
    });
    if let (Some(object), Some(limit)) = (object.as_object_mut(), rule.and_then(|rule| rule.limit.as_ref())) {
        object.insert("limit".to_owned(), limit.as_str().into());
    }
    if let (Some(object), Some(reason)) = (object.as_object_mut(), answer.hidden_reason()) {
        object.insert("reason".to_owned(), reason.as_str().into());
    }
    object
}

/// The principal in the answers of the tools.
fn principal_json(file: &PolicyFile, principal: Option<&Principal>) -> Value {
    let Some(principal) = principal else { return Value::Null };
    let organization = principal.organization();
    let subject = file.subject(principal);
    json!({
        "sub": principal.subject().as_str(),
        "org_id": organization.map(|organization| organization.id.as_str()),
        "org_slug": organization.and_then(|organization| organization.slug.as_ref()).map(Slug::as_str),
        "roles": principal.roles().iter().map(RoleName::as_str).collect::<Vec<_>>(),
        "permissions": file.policy.effective_permissions(&subject),
    })
}
