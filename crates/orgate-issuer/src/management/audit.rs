//! The audit log, of a project for its operators and of an organization for those who govern it; and whether it holds.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::{Call, described::Family};
use crate::{
    app::{App, Shared},
    events::{
        head,
        log::{self, Filter},
        verify::{self, Range},
    },
    http::{Problem, body::Query, paging::Page, problem::Code},
    keys::Algorithm,
    login::account::private,
    openapi::{Named, Operation, Routes, anything, flag, get, number, object, one_of, operators, text, time},
    operators::{Operator, Rank},
};

/// The most rows that are verified for one request.
const MOST: i64 = if cfg!(test) { 1_000 } else { 50_000 };

pub(super) fn routes(base: &str) -> Routes {
    let broken = object().with("seq", number()).with("reason", text()).done().or_null();
    let verified = object()
        .with("valid", flag())
        .with("from", number())
        .with("to", number())
        .with("chain", text())
        .with("complete", flag())
        .with("next", number().or_null())
        .with("broken", broken);
    let verification = operators("verifyAudit", "Whether the audit log is what was written")
        .query("from", number())
        .gives(200, verified)
        .refuses(&[Code::InvalidValue]);
    let signed = object()
        .with("project_id", text())
        .with("seq", number())
        .with("chain", text())
        .with("signed", text());
    let head_of = operators("readAuditHead", "How far the audit log goes, signed, to be kept elsewhere");
    let log =
        operators("readAudit", "What happened in a project, newest first").query("organization", text());
    Routes::new()
        .at(&format!("{base}/audit"), get(of_project, filtered(log)))
        .at(&format!("{base}/audit/verify"), get(verify, verification))
        .at(&format!("{base}/audit/head"), get(head, head_of.gives(200, signed)))
}

impl Family {
    pub(super) fn read_audit(self) -> Operation {
        let names = ["readAuditOfOrganization", "readAuditOfOwnOrganization"];
        filtered(self.about(names, "What happened in an organization, newest first"))
    }
}

fn filtered(operation: Operation) -> Operation {
    operation
        .query("type", text())
        .query("actor", text())
        .query("target", text())
        .query("since", time())
        .query("until", time())
        .lists(AUDIT_EVENT)
}

const AUDIT_EVENT: Named = Named("AuditEvent", || {
    let kinds = ["user", "operator", "setup", "system"];
    object()
        .with("id", text())
        .with("seq", number())
        .with("action", text())
        .with("result", one_of(["success", "denied"]))
        .with("actor", object().with("kind", one_of(kinds)).with("id", text().or_null()))
        .with("organization_id", text().or_null())
        .with("target_id", text())
        .with("before", anything().or_null())
        .with("after", anything().or_null())
        .with("data", anything())
        .with("erased", flag())
        .with("at", time())
        .with("chain", text())
        .done()
});

pub(super) async fn of_organization(
    State(app): State<Shared>,
    call: Call,
    Query(query): Query,
    page: Page,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let (organization, _) = call.enter(&mut conn).await?;
    let filter = Filter { org_id: organization.id, ..Filter::of(&query)? };
    Ok(private(page.answer(log::list(&mut conn, &call.project.id, &filter, &page).await?)))
}

async fn of_project(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Query(query): Query,
    page: Page,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    Ok(private(page.answer(log::list(&mut conn, &project, &Filter::of(&query)?, &page).await?)))
}

/// `?from=` goes on where an answer before has ended.
async fn verify(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
    Query(query): Query,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let from = match query.get("from").map(str::parse::<i64>) {
        None => 1,
        Some(Ok(from @ 1..)) => from,
        Some(_) => return Err(Problem::invalid("from", "is the number of an event")),
    };
    let range = Range { project_id: &project, from, most: MOST };
    let walked = verify::walk(&mut conn, range, &mut |_, _| {}).await?.ok_or(Code::NotFound)?;
    let next = (walked.broken.is_none() && !walked.is_whole()).then_some(walked.to + 1);
    let broken: Option<Value> =
        walked.broken.as_ref().map(|broken| json!({ "seq": broken.seq, "reason": broken.why }));
    Ok(private(json!({
        "valid": walked.broken.is_none(),
        "from": walked.from,
        "to": walked.to,
        "chain": walked.chain,
        "complete": walked.is_whole(),
        "next": next,
        "broken": broken,
    })))
}

async fn head(
    State(app): State<Shared>,
    operator: Operator,
    Path(project): Path<String>,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    operator.require(&mut conn, &project, Rank::Viewer).await?;
    let head = head::find(&mut conn, &project).await?.ok_or(Code::NotFound)?;
    drop(conn);
    let signed = sign(&app, &head).await?;
    Ok(private(
        json!({ "project_id": head.project_id, "seq": head.seq, "chain": head.chain, "signed": signed }),
    ))
}

async fn sign(app: &App, head: &head::Head) -> Result<String, Problem> {
    let now = app.now_ms();
    let failed = |error: crate::keys::KeyError| {
        tracing::error!(%error, "the head of an audit log could not be signed");
        Problem::from(Code::Unavailable)
    };
    let key = app.keys.active(&head.project_id, Algorithm::Es256, now).await.map_err(failed)?;
    key.sign(head::TYPE, &head.claims(now)).map_err(failed)
}
