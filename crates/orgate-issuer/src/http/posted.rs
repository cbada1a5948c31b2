//! The form of one of our own pages: whatever people fill in comes through [`Posted`], so that no page can forget who
//! sent it.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    response::Response,
};

use super::{body::Form, csrf, page::PageError};
use crate::app::Shared;

/// The fields of a form that one of our own pages sent. Every other form is answered with a page that says why.
pub(crate) struct Posted(pub(crate) Form);

impl FromRequest<Shared> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Response> {
        if csrf::page_form_is_foreign(request.headers()) {
            return Err(app.pages.error(&PageError::new("csrf")));
        }
        let body = Bytes::from_request(request, app).await.map_err(|why| app.pages.unreadable(why))?;
        let form = Form::parse(&body).ok_or_else(|| app.pages.error(&PageError::new("invalid_request")))?;
        Ok(Self(form))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::{
        openapi::testing::document,
        testing::{ORIGIN, site},
    };

    /// What applications send here by a form of theirs, as the protocols want it.
    const OF_OTHERS: [&str; 2] = ["authorize", "logout"];

    /// The pages that take a form, of which none is outside the document.
    fn pages() -> Vec<String> {
        let paths = document()["paths"].as_object().unwrap();
        let posted = paths.iter().filter(|(_, methods)| methods["post"]["tags"][0] == "Pages");
        let ours = posted.filter(|(path, _)| !OF_OTHERS.contains(&path.rsplit('/').next().unwrap()));
        let named = [("{project}", "proj_p"), ("{token}", "x"), ("{org}", "acme"), ("{member}", "me")];
        let named = [
            &named[..],
            &[("{team}", "x"), ("{role}", "x"), ("{webhook}", "x"), ("{user}", "x"), ("{client}", "x")],
        ]
        .concat();
        ours.map(|(path, _)| named.iter().fold(path.clone(), |path, (name, value)| path.replace(name, value)))
            .collect()
    }

    #[orgate_testkit::both]
    async fn every_page_refuses_a_form_of_another_origin() {
        let site = site().await;
        let pages = pages();
        for known in ["/p/proj_p/login", "/p/proj_p/device/confirm", "/setup/x", "/p/proj_p/reset"] {
            assert!(pages.iter().any(|page| page == known), "{known} in {pages:?}");
        }
        for page in &pages {
            let form = "application/x-www-form-urlencoded";
            for site_of in ["cross-site", "same-site", "none"] {
                let headers = [("content-type", form), ("sec-fetch-site", site_of)];
                let reply = site.browser().send(Method::POST, page, &headers, "a=1".to_owned()).await;
                let code = reply.page_code();
                assert_eq!((reply.status.as_u16(), code.as_deref()), (403, Some("csrf")), "{page} {site_of}");
            }
            let own = [("content-type", form), ("sec-fetch-site", "same-origin"), ("origin", ORIGIN)];
            let reply = site.browser().send(Method::POST, page, &own, "a=1".to_owned()).await;
            assert_ne!(reply.page_code().as_deref(), Some("csrf"), "{page}");
            let reply = site.browser().send(Method::POST, page, &own, "a=1&a=2".to_owned()).await;
            let code = reply.page_code();
            assert_eq!((reply.status.as_u16(), code.as_deref()), (400, Some("invalid_request")), "{page}");
            let reply = site.browser().send(Method::POST, page, &own, "a".repeat(70_000)).await;
            let code = reply.page_code();
            assert_eq!((reply.status.as_u16(), code.as_deref()), (413, Some("too_large")), "{page}");
        }
    }
}
