//! An axum application behind orgate: run it in a folder with an `orgate.yaml`.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use axum::{
    Router,
    routing::{delete, get},
};
use orgate::{Denied, Gate, OrgContext};
use tokio::net::TcpListener;

orgate::permissions!("orgate.yaml"); // `perm::WRITE`: a mistyped permission does not compile

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = Gate::load("orgate.yaml").await?;
    let app = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/docs", get(list).post(create))
        .route("/orgs/{org_id}", delete(remove));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening app http://{}", listener.local_addr()?);
    axum::serve(listener, gate.protect(app)).await?; // nothing is reachable but through the gate
    Ok(())
}

async fn list(org: OrgContext) -> String {
    format!("the documents of {}", org.id())
}

// Whose document it is only the application knows: rights on single objects are checked here.
async fn create(org: OrgContext) -> Result<String, Denied> {
    org.require(perm::WRITE)?;
    Ok(format!("written by {}", org.principal().subject()))
}

async fn remove(org: OrgContext) -> String {
    format!("{} is gone", org.slug().unwrap_or("the organization"))
}
