//! An axum application behind the layer, in this process.

use std::path::Path;

use axum::{Json, Router, extract::OriginalUri, routing::any};
use orgate::Gate;
use orgate_e2e::request_to;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Asked, Seen, judged};

/// The application; gone when dropped.
pub(crate) struct Application {
    url: String,
    task: JoinHandle<()>,
}

impl Application {
    /// With the policy in `folder`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let options = orgate::LoadOptions::default();
        let gate = Gate::load_with(folder.join("orgate.yaml"), options).await.unwrap();
        gate.ready().await;
        let routes = Router::new().route("/", any(told)).route("/{*rest}", any(told)).fallback(told);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, gate.protect(routes)).await.unwrap() });
        Self { url, task }
    }

    pub(crate) fn ask(&self, asked: &Asked<'_>) -> Seen {
        let mut headers: Vec<(&str, &str)> =
            asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.extend(asked.host.map(|host| ("Host", host)));
        let answer = request_to(&self.url, asked.method, asked.target, &headers);
        if answer.status != 200 {
            return judged(asked, answer.status, &answer.body);
        }
        // HEAD has no body to tell it in.
        let told = serde_json::from_str::<Value>(&answer.body).ok();
        let text = |key: &str| told.as_ref().and_then(|told| told[key].as_str().map(str::to_owned));
        Seen::Allowed { target: text("target"), subject: text("subject") }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What arrived.
async fn told(OriginalUri(uri): OriginalUri, principal: Option<orgate::Principal>) -> Json<Value> {
    let target = uri.path_and_query().map(|target| target.as_str());
    Json(
        json!({"target": target, "subject": principal.map(|principal| principal.subject().as_str().to_owned())}),
    )
}
