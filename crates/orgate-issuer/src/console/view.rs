//! What all the pages share.

use axum::response::Response;
use minijinja::{Value, context};

use super::{Desk, Told, here, query, url};
use crate::{http::Problem, operators::Rank, secret::random_token};

impl Desk<'_> {
    /// A page with `values` of its own.
    pub(super) fn show(
        &self,
        template: &'static str,
        told: &Told,
        values: Value,
    ) -> Result<Response, Problem> {
        let project = self.project.as_ref().map(|(project, rank)| {
            context! {
                id => project.id.as_str(),
                name => project.name.as_str(),
                org_enabled => project.org_enabled,
                rank => rank.as_str(),
                to => url(self.app, &self.to("")),
            }
        });
        let common = context! {
            project => project,
            nav => self.navigation(),
            home => url(self.app, ""),
            out => url(self.app, "/sign-out"),
            email => self.email.as_str(),
            word => self.word(),
            may_change => self.may(Rank::Admin),
            is_owner => self.may(Rank::Owner),
            p => context! {
                action => url(self.app, &here(self.section, self.parameters)),
                word => self.word(),
                once => random_token()?,
                ..told.values()
            },
            code => told.code(),
        };
        Ok(self.app.pages.show(told.status, template, context! { ..values, ..common }, None))
    }

    /// The address of what follows on a list, with the filters that stand.
    pub(super) fn next(&self, cursor: Option<String>, fields: &[(&str, &str)]) -> Option<String> {
        let cursor = cursor?;
        Some(format!("?{}", query(&[fields, &[("cursor", cursor.as_str())]].concat())))
    }

    /// Whether a list is shown behind its first page.
    pub(super) fn is_later(&self) -> bool {
        !self.field("cursor").is_empty()
    }

    /// The address of a page of the project.
    pub(super) fn url(&self, below: &str) -> String {
        url(self.app, &self.to(below))
    }
}
