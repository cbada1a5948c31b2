//! What the hooks of an application are asked before something is changed: when the caller is known and may call this, and
//! ahead of the transaction.

use serde_json::Value;

use super::Call;
use crate::{
    app::App,
    hooks::{self, MemberAdd, MemberRemove, MemberRoleChange, OrgDelete, OrgUpdate},
    http::Problem,
    members,
    organizations::{self, NewOrganization},
};

impl Call {
    /// About a new organization.
    pub(super) async fn ask_to_create(&self, app: &App, new: &NewOrganization) -> Result<(), Problem> {
        organizations::ask_to_create(app, new, self.actor()).await
    }

    /// About the organization of the path, which is to be different.
    pub(super) async fn ask_to_update(&self, app: &App, changes: Value) -> Result<(), Problem> {
        let org_id = self.enter(&mut *app.db.read().await?).await?.0.id;
        let wish =
            OrgUpdate { project_id: self.project.id.clone(), actor: self.actor().into(), org_id, changes };
        hooks::ask(app, |hooks| hooks.before_org_update(&wish)).await
    }

    /// About the organization of the path, which is to go.
    pub(super) async fn ask_to_delete(&self, app: &App) -> Result<(), Problem> {
        let org_id = self.enter(&mut *app.db.read().await?).await?.0.id;
        let wish = OrgDelete { project_id: self.project.id.clone(), actor: self.actor().into(), org_id };
        hooks::ask(app, |hooks| hooks.before_org_delete(&wish)).await
    }

    /// About a new member.
    pub(super) async fn ask_to_add(
        &self,
        app: &App,
        org_id: &str,
        (user_id, role): (&str, &str),
    ) -> Result<(), Problem> {
        let wish = MemberAdd {
            project_id: self.project.id.clone(),
            actor: self.actor().into(),
            org_id: org_id.to_owned(),
            user_id: user_id.to_owned(),
            role: role.to_owned(),
        };
        hooks::ask(app, |hooks| hooks.before_member_add(&wish)).await
    }

    /// About another role of `member`, or of whom the path names. Nobody is asked about a member who is not there.
    pub(super) async fn ask_to_change(&self, app: &App, member: &str, role: &str) -> Result<(), Problem> {
        let Some((org_id, user_id)) = self.target(app, member).await? else { return Ok(()) };
        let wish = MemberRoleChange {
            project_id: self.project.id.clone(),
            actor: self.actor().into(),
            org_id,
            user_id,
            role: role.to_owned(),
        };
        hooks::ask(app, |hooks| hooks.before_member_role_change(&wish)).await
    }

    /// About the end of a membership.
    pub(super) async fn ask_to_remove(&self, app: &App, member: &str) -> Result<(), Problem> {
        let Some((org_id, user_id)) = self.target(app, member).await? else { return Ok(()) };
        let wish =
            MemberRemove { project_id: self.project.id.clone(), actor: self.actor().into(), org_id, user_id };
        hooks::ask(app, |hooks| hooks.before_member_remove(&wish)).await
    }

    async fn target(&self, app: &App, member: &str) -> Result<Option<(String, String)>, Problem> {
        let mut conn = app.db.read().await?;
        let organization = self.enter(&mut conn).await?.0;
        let found = members::member(&mut conn, &organization.id, member).await?;
        Ok(found.map(|member| (organization.id, member.user_id)))
    }
}
