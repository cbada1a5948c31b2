//! What all the pages share.

use axum::response::Response;
use minijinja::{Value, context};

use super::{Place, Told, Visit, here, query, stop};
use crate::{
    http::messages::{part, verbatim},
    login::{
        authorize::Stop,
        own_pages::{account_url, organizations_url},
    },
    secret::random_token,
};

/// The roles that every organization has, and what they are called.
const BUILT_IN: [(&str, &str); 4] =
    [("owner", "Owner"), ("admin", "Admin"), ("member", "Member"), ("viewer", "Viewer")];

impl Visit<'_> {
    /// A page about `place`, or about none, with `values` of its own.
    pub(super) fn show(
        &self,
        template: &'static str,
        place: Option<&Place>,
        told: &Told,
        values: Value,
    ) -> Result<Response, Stop> {
        let (app, id) = (self.app, self.project.id.as_str());
        let here = here(app, id, self.section, self.parameters);
        let common = context! {
            project => self.project.name.as_str(),
            email => self.user.email.as_str(),
            all => organizations_url(app, id),
            security => account_url(app, id),
            logout => format!("{}/logout", app.public.issuer(id)),
            organization => place.map(|place| place.values(self.section)),
            fresh => self.session.is_fresh(app.now_ms()),
            p => context! {
                action => here,
                word => self.word(),
                once => random_token().map_err(|error| stop(error.into()))?,
                ..told.values()
            },
            code => told.code(),
        };
        let values = context! { ..values, ..common };
        Ok(app.pages.show(told.status, template, values, None))
    }

    /// The address of what follows on a list, with the filters that stand.
    pub(super) fn next(&self, cursor: Option<String>, fields: &[(&str, &str)]) -> Option<String> {
        let cursor = cursor?;
        let with_cursor = [fields, &[("cursor", cursor.as_str())]].concat();
        Some(format!("?{}", query(&with_cursor)))
    }
}

/// The day of a moment as the API writes it, in universal time.
pub(crate) fn day(moment: &serde_json::Value) -> Option<String> {
    moment.as_str().map(|text| text.chars().take(10).collect())
}

/// The same with hours and minutes.
pub(crate) fn minute(moment: &serde_json::Value) -> String {
    moment
        .as_str()
        .map(|text| text.chars().take(16).collect::<String>().replace('T', " "))
        .unwrap_or_default()
}

/// Sets a member of the body of a request.
pub(crate) fn put(body: &mut serde_json::Value, name: &str, value: impl Into<serde_json::Value>) {
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// A text of an answer, empty if there is none.
pub(crate) fn text(value: &serde_json::Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// What a role is called in a list: those that are built in have names in every language.
pub(crate) fn titled(key: &str) -> Value {
    match BUILT_IN.iter().find(|(known, _)| *known == key) {
        Some((_, name)) => part(name),
        None => verbatim(key),
    }
}
