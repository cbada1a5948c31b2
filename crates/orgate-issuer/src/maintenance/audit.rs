//! The audit log of an installation: verified beside a running issuer or without one, and its heads, to be kept elsewhere.

use super::{Maintenance, failed, parse};
use crate::{
    config::StartError,
    db::{
        Conn,
        whole::{self, Access},
    },
    events::{
        head::{self, Head},
        verify::{self, Range},
    },
    keys::{self, Algorithm},
    projects,
};

/// What is verified of an audit log.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AuditScope {
    /// This project only.
    pub project: Option<String>,
    /// From this event on; those before it are believed.
    pub from: Option<i64>,
    /// Signed heads that were kept, one on each line: what they name must still be there.
    pub heads: String,
}

/// What came of it, for one project.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditReport {
    /// The project.
    pub project: String,
    /// The number of the first event that was looked at.
    pub from: i64,
    /// The number of the last one that is good.
    pub to: i64,
    /// The hash that the chain comes to there.
    pub chain: String,
    /// The number of the first event that is not good, and why.
    pub broken: Option<(i64, String)>,
}

/// Verifies the audit logs of `database`; `progress` is told how far it is. Nothing is written, and no secret is needed.
///
/// # Errors
/// If the database cannot be read, or there is no such project.
pub async fn verify_audit(
    database: &str,
    scope: &AuditScope,
    progress: &mut (dyn FnMut(&str, i64) + Send),
) -> Result<Vec<AuditReport>, StartError> {
    let mut conn = whole::connect(&parse(database)?, Access::Read).await.map_err(failed)?;
    let verified = verified(&mut conn, scope, progress).await;
    conn.close().await;
    verified
}

async fn verified(
    conn: &mut Conn,
    scope: &AuditScope,
    progress: &mut (dyn FnMut(&str, i64) + Send),
) -> Result<Vec<AuditReport>, StartError> {
    if !whole::pending(conn).await.map_err(failed)?.is_empty() {
        return Err(failed(
            "the database has an older schema\nhelp: bring it up to date with `orgate issuer migrate`",
        ));
    }
    let mut heads = Vec::new();
    for line in scope.heads.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let head = keys::unproven(line).as_ref().and_then(Head::of).ok_or_else(|| {
            failed("a line is no signed head\nhelp: `orgate issuer audit head` prints them, one for each project")
        })?;
        heads.push((line, head));
    }
    let projects = match &scope.project {
        Some(project) => vec![project.clone()],
        None => {
            let mut all = projects::all_ids(conn).await.map_err(failed)?;
            // A head of a project that is gone is to be told of.
            all.extend(heads.iter().map(|(_, head)| head.project_id.clone()));
            all.sort();
            all.dedup();
            all
        }
    };
    let mut reports = Vec::new();
    for project in &projects {
        let range = Range { project_id: project, from: scope.from.unwrap_or(1), most: i64::MAX };
        let walked = verify::walk(conn, range, progress).await.map_err(failed)?;
        let walked = walked.ok_or_else(|| failed(format!("there is no project `{project}`")))?;
        let mut broken = walked.broken.map(|broken| (broken.seq, broken.why.to_owned()));
        for (line, head) in heads.iter().filter(|(_, head)| head.project_id == *project) {
            let proven = keys::signed_by_project(conn, project, line, head::TYPE).await.map_err(failed)?;
            let missed = match proven {
                true => head.missed(conn).await.map_err(failed)?,
                false => Some("no key of the project has signed this head"),
            };
            // What the chain itself shows comes first, if it is earlier.
            if let Some(why) = missed
                && broken.as_ref().is_none_or(|(seq, _)| *seq > head.seq)
            {
                broken = Some((head.seq, why.to_owned()));
            }
        }
        reports.push(AuditReport {
            project: project.clone(),
            from: walked.from,
            to: walked.to,
            chain: walked.chain,
            broken,
        });
    }
    Ok(reports)
}

impl Maintenance {
    /// The head of each audit log (of `project` only, if it is named), signed by a key of the project.
    ///
    /// # Errors
    /// [`StartError`] if there is no such project, or the database cannot be read.
    pub async fn audit_heads(&self, project: Option<&str>) -> Result<Vec<String>, StartError> {
        let now = self.clock.now_ms();
        let projects = match project {
            Some(project) => vec![project.to_owned()],
            None => {
                let mut conn = self.db.read().await.map_err(failed)?;
                projects::all_ids(&mut conn).await.map_err(failed)?
            }
        };
        let mut heads = Vec::new();
        for project in projects {
            let known = head::find(&mut *self.db.read().await.map_err(failed)?, &project).await;
            if known.map_err(failed)?.is_none() {
                return Err(failed(format!("there is no project `{project}`")));
            }
            // The key first: one that has to be made is an event.
            let key = self.keys.active(&project, Algorithm::Es256, now).await.map_err(failed)?;
            let mut conn = self.db.read().await.map_err(failed)?;
            let Some(head) = head::find(&mut conn, &project).await.map_err(failed)? else { continue };
            heads.push(key.sign(head::TYPE, &head.claims(now)).map_err(failed)?);
        }
        Ok(heads)
    }
}
