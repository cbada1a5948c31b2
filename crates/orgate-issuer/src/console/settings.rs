//! What a project is called, how it looks, and who may make organizations in it.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::json;

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    management::inside::Ask,
    projects::OrganizationCreation,
    workspace::view::put,
};

const DAY_S: i64 = 24 * 3_600;

/// Who may make organizations, in words.
const CREATION: [(OrganizationCreation, &str); 3] = [
    (OrganizationCreation::Any, "Everybody who has an account"),
    (OrganizationCreation::Verified, "Everybody whose address is confirmed"),
    (OrganizationCreation::Operator, "Operators alone"),
];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let one = desk.project()?;
    let chosen = told.typed("save", "org_creation").unwrap_or(one.org_creation.as_str());
    let creation: Vec<Value> = CREATION
        .iter()
        .map(|(key, title)| {
            context! { key => key.as_str(), title => *title, chosen => key.as_str() == chosen }
        })
        .collect();
    let values = context! {
        name => one.name.as_str(),
        color => one.brand_color.map(crate::http::brand::Colour::shown),
        logo => one.logo_tag.is_some(),
        personal => told.ticked("save", "personal_orgs", one.personal_orgs),
        creation => creation,
        most => one.max_orgs_per_user,
        days => one.invitation_ttl_ms / 1000 / DAY_S,
        audience => one.audience.clone(),
        origins => one.trusted_origins.clone(),
        access_minutes => one.access_ttl_ms / 60_000,
        algorithm => one.access_algorithm.as_str(),
        profile => one.claims_profile.as_str(),
    };
    desk.show("console_settings.html", told, values)
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let field = |name: &str| fields.get(name).unwrap_or_default().trim();
    let number = |name: &str| -> Result<Option<i64>, Problem> {
        let typed = Some(field(name)).filter(|typed| !typed.is_empty());
        typed.map(|typed| typed.parse().map_err(|_| Problem::invalid(name, "is a whole number"))).transpose()
    };
    let body = match change {
        "save" => {
            let color = Some(field("brand_color")).filter(|color| !color.is_empty());
            let mut body = json!({ "name": field("name"), "brand_color": color });
            if desk.project()?.org_enabled {
                put(&mut body, "personal_orgs", fields.get("personal_orgs").is_some());
                put(&mut body, "org_creation", field("org_creation"));
                put(&mut body, "max_orgs_per_user", number("max_orgs_per_user")?);
                if let Some(days) = number("invitation_days")? {
                    put(&mut body, "invitation_ttl", days.saturating_mul(DAY_S));
                }
            }
            body
        }
        "remove_logo" => json!({ "logo": null }),
        _ => return Ok(Outcome::Unknown),
    };
    desk.ask(Ask::new(Method::PATCH, &desk.path("")?, body)).await?;
    Ok(Outcome::Done("saved", desk.to("/settings")))
}
