//! What all doors open from: the gate, and what is told of every request, whichever door it came to: metrics, the two
//! logs, the names of requests, and to the application who is calling.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Response, header, request::Parts, uri::PathAndQuery};
use orgate::{Gate, Permit, Principal, Rejection, clock};

use super::{
    request_id::{RequestId, RequestIds, X_REQUEST_ID},
    teller::Teller,
};
use crate::{
    access_log::{AccessLog, Outcome, Record},
    assertion::Asserted,
    decision_log::{Decision, DecisionLog},
    identity_headers::{Identity, IdentityHeaders},
    metrics::Metrics,
    recent::Recent,
    serve::{self, Defect},
    traces::{Trace, Traces},
    upstream::UpstreamError,
};

/// What the doors of one process share.
#[derive(Debug)]
pub struct Hall {
    gate: Gate,
    metrics: Arc<Metrics>,
    recent: Recent,
    started: Instant,
    log: AccessLog,
    decisions: Option<DecisionLog>,
    traces: Traces,
    teller: Teller,
    ids: RequestIds,
}

/// A request that has come: its name, since when it is judged, and its place in a trace.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) id: RequestId,
    pub(super) started: Instant,
    pub(super) trace: Trace,
}

/// What is asked, as logs tell it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'r> {
    pub(super) begun: &'r Begun,
    pub(super) method: &'r str,
    pub(super) host: Option<&'r str>,
    pub(super) target: Option<&'r str>,
}

/// What was found out while it was judged.
#[derive(Clone, Copy, Default)]
pub(super) struct Findings<'r> {
    pub(super) caller: Option<&'r Principal>,
    pub(super) shadow: Option<bool>,
    pub(super) policy: Option<&'r str>,
}

impl<'r> Asked<'r> {
    pub(super) fn of(parts: &'r Parts, begun: &'r Begun) -> Self {
        Self {
            begun,
            method: parts.method.as_str(),
            host: parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
            target: parts.uri.path_and_query().map(PathAndQuery::as_str),
        }
    }

    /// A request of which nothing could be read.
    pub(super) fn unread(begun: &'r Begun) -> Self {
        Self { begun, method: "", host: None, target: None }
    }
}

impl Hall {
    /// Before `gate`.
    #[must_use]
    pub fn new(gate: Gate, metrics: Arc<Metrics>, decisions: Option<DecisionLog>) -> Arc<Self> {
        Self::traced(gate, metrics, decisions, Traces::default())
    }

    /// The same, whose requests are traced.
    pub(crate) fn traced(
        gate: Gate,
        metrics: Arc<Metrics>,
        decisions: Option<DecisionLog>,
        traces: Traces,
    ) -> Arc<Self> {
        let (log, teller, ids) = (AccessLog::default(), Teller::new(), RequestIds::new());
        let (recent, started) = (Recent::default(), Instant::now());
        Arc::new(Self { gate, metrics, recent, started, log, decisions, traces, teller, ids })
    }

    /// The keys that sign assertions, as a key set; `None` where the policy has none signed.
    #[must_use]
    pub fn key_set(&self) -> Option<String> {
        self.teller.key_set(self.gate.parts().identity_options())
    }

    /// What became of the requests of late.
    #[must_use]
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// How long it has been open.
    #[must_use]
    pub fn up(&self) -> Duration {
        self.started.elapsed()
    }

    /// What is done every second: figures, summaries of what was held back, and a new key for assertions where its time has come.
    pub fn tick(&self) {
        self.recent.tick();
        self.log.flush();
        self.teller.rotate();
        if let Some(decisions) = &self.decisions {
            decisions.flush();
        }
    }

    /// Writes what is not written yet; called once, when no request is under way any more. Waits for the disk.
    pub fn finish(&self) {
        self.log.flush();
        if let Some(decisions) = &self.decisions {
            decisions.finish();
        }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn keeps_decisions(&self) -> bool {
        self.decisions.is_some()
    }

    /// A request with these headers has come; who sends it is believed about its name only if he is `trusted`.
    pub(super) fn begin(&self, headers: &HeaderMap, trusted: bool) -> Begun {
        let started = Instant::now();
        let given = trusted.then(|| RequestId::given(headers)).flatten();
        let id = given.unwrap_or_else(|| self.next_id());
        Begun { id, started, trace: self.traces.begin(headers, started) }
    }

    pub(super) fn next_id(&self) -> RequestId {
        self.ids.next()
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    /// The key set as an answer, where it is served in front of the application.
    pub(super) fn published_keys(&self) -> Option<Response<Bytes>> {
        self.teller.published(self.gate.parts().identity_options())
    }

    /// See [`Teller::tell`].
    pub(super) fn tell<'p>(
        &self,
        permit: &'p Permit,
        caller: Option<&'p Principal>,
        request: Asserted<'_>,
    ) -> Result<(Arc<IdentityHeaders>, Option<Identity<'p>>), UpstreamError> {
        self.teller.tell(permit, caller, request)
    }

    /// Answers a message with two readings.
    pub(super) fn refuse(&self, defect: Defect) -> Response<Bytes> {
        // Of what has two readings nothing is believed.
        let begun = self.begin(&HeaderMap::new(), false);
        let refusal = defect.refusal();
        let outcome = Outcome::Refused { rule: "", code: refusal.code(), status: refusal.status().as_u16() };
        self.note(Asked::unread(&begun), &outcome, Findings::default());
        let mut response = serve::refusal(defect, Some(begun.id.as_str()));
        response.headers_mut().insert(X_REQUEST_ID, begun.id.header());
        response
    }

    /// Tells what became of a request.
    pub(super) fn note(&self, asked: Asked<'_>, outcome: &Outcome<'_>, findings: Findings<'_>) {
        let Asked { begun: Begun { id, started, trace }, method, host, target } = asked;
        let duration = started.elapsed();
        self.traces.end(trace, method, id.as_str(), outcome);
        self.metrics.request(outcome.rule(), outcome.code(), duration);
        self.recent.count(outcome);
        self.recent.remember(method, outcome, id.as_str(), clock::now());
        self.log.record(&Record { method, request_id: id.as_str(), duration, outcome });
        if let Some(decisions) = &self.decisions {
            let Findings { caller, shadow, policy } = findings;
            let (id, latency) = (id.as_str(), duration);
            decisions.record(&Decision {
                id,
                method,
                host,
                target,
                outcome,
                shadow,
                caller,
                policy,
                latency,
            });
        }
    }

    /// What became of a request that may go on and is answered with `status`.
    pub(super) fn let_through<'p>(&self, permit: &'p Permit, status: u16) -> Outcome<'p> {
        let rule = permit.rule();
        match permit.would() {
            None => Outcome::Forwarded { rule, status },
            Some(would) => {
                let code = would.reason().as_str();
                self.metrics.would_deny(rule, code);
                Outcome::Observed { rule, code, status }
            }
        }
    }

    /// Tells of a request that the gate refused.
    pub(super) fn note_rejection(&self, asked: Asked<'_>, rejection: &Rejection) {
        let rule = rejection.rule().unwrap_or_default();
        self.note_shadow(rule, asked.method, &asked.begun.id, false, rejection.shadow());
        let code = rejection.reason().as_str();
        let outcome = Outcome::Refused { rule, code, status: rejection.status().as_u16() };
        let findings = Findings {
            caller: rejection.principal(),
            shadow: rejection.shadow(),
            policy: rejection.policy_digest(),
        };
        self.note(asked, &outcome, findings);
    }

    /// Tells where the shadow of a rule disagrees with what was decided.
    pub(super) fn note_shadow(
        &self,
        rule: &str,
        method: &str,
        id: &RequestId,
        enforced: bool,
        shadow: Option<bool>,
    ) {
        if let Some(shadow) = shadow {
            let word = |allows: bool| if allows { "allow" } else { "deny" };
            self.metrics.shadow(rule, word(enforced), word(shadow));
            self.log.shadow(rule, method, id.as_str(), word(enforced), word(shadow));
        }
    }
}
