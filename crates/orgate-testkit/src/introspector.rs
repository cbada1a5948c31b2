//! An issuer that is asked about opaque tokens (RFC 7662).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::server::{Closed, Server};

/// An introspection endpoint that knows some tokens; of all others it says that they do not stand.
#[derive(Debug)]
pub struct Introspector {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<String, String>,
    down: bool,
    asked: Vec<String>,
}

impl Introspector {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let state = Arc::clone(&shared);
            async move {
                let body = request.into_body().collect().await.map_err(|_| Closed)?.to_bytes();
                let token = token(&String::from_utf8_lossy(&body));
                let mut state = state.lock().unwrap();
                let answer = state.answers.get(&token).cloned();
                state.asked.push(token);
                let mut response = Response::new(Full::<Bytes>::default().boxed());
                if state.down {
                    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                } else {
                    let answer = answer.unwrap_or_else(|| r#"{"active":false}"#.to_owned());
                    *response.body_mut() = Full::from(answer).boxed();
                }
                Ok(response)
            }
        })
        .await;
        Self { server, state }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/introspect", self.server.address())
    }

    /// Answers questions about `token` like this from here on.
    pub fn knows(&self, token: &str, answer: impl ToString) {
        self.state.lock().unwrap().answers.insert(token.to_owned(), answer.to_string());
    }

    /// Knows nothing more of `token`.
    pub fn forgets(&self, token: &str) {
        self.state.lock().unwrap().answers.remove(token);
    }

    /// Answers 503 to everything, or no longer.
    pub fn down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// The tokens that it was asked about since the last call, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

/// The token of a question; what tests make up needs no decoding.
fn token(form: &str) -> String {
    form.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default().to_owned()
}
