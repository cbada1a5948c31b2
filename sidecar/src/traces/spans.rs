//! The spans of requests: where they belong, what they say, and when they are recorded.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use orgate::clock;

use super::{
    TracingSettings,
    context::{self, SAMPLED, TRACEPARENT, TRACESTATE, TraceContext},
    export::{Exporter, Plan, Sampler},
    messages::{self, CLIENT, ERROR, SERVER, Span, Status},
};
use crate::access_log::Outcome;

/// Makes spans, where a collector is named. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    exporter: Exporter,
    sampler: Sampler,
    /// Keyed by the operating system.
    keys: [RandomState; 3],
    next: AtomicU64,
}

/// The span of one request; empty where nothing is traced.
#[derive(Debug)]
pub(crate) struct Trace(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    context: TraceContext,
    parent: Option<[u8; 8]>,
    state: Option<HeaderValue>,
    /// When that was, on the clock and on the wall.
    began: Instant,
    wall: Duration,
}

/// The span of what the application is asked; empty where nothing is traced.
#[derive(Debug)]
pub(crate) struct Call(Option<([u8; 8], Instant)>);

impl Traces {
    /// As the variables of OpenTelemetry say, or the settings file.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn start(
        settings: &TracingSettings,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let Some(plan) = Plan::of(settings, variable)? else { return Ok(Self(None)) };
        let sampler = plan.sampler;
        let exporter = Exporter::start(plan)?;
        let keys = [(); 3].map(|()| RandomState::new());
        Ok(Self(Some(Arc::new(Inner { exporter, sampler, keys, next: AtomicU64::new(0) }))))
    }

    /// The span of a request that came with `headers`.
    pub(crate) fn begin(&self, headers: &HeaderMap, began: Instant) -> Trace {
        let Some(inner) = &self.0 else { return Trace(None) };
        let given = TraceContext::of(headers);
        let context = match given {
            Some(parent) => {
                let sampled =
                    if inner.sampler.follows(parent.is_sampled(), parent.trace) { SAMPLED } else { 0 };
                TraceContext { span: inner.span(), flags: parent.flags & !SAMPLED | sampled, ..parent }
            }
            None => {
                let trace = inner.trace();
                let flags = if inner.sampler.begins(trace) { SAMPLED } else { 0 };
                TraceContext { trace, span: inner.span(), flags }
            }
        };
        let wall = Duration::from_millis(u64::try_from(clock::milliseconds()).unwrap_or(0));
        let state = given.and_then(|_| context::state(headers));
        let parent = given.map(|given| given.span);
        Trace(Some(Box::new(Begun { context, parent, state, began, wall })))
    }

    /// Puts into the headers for the application where the asking belongs.
    pub(crate) fn call(&self, trace: &Trace, headers: &mut HeaderMap) -> Call {
        let (Some(inner), Some(begun)) = (&self.0, &trace.0) else { return Call(None) };
        let span = inner.span();
        headers.insert(TRACEPARENT, TraceContext { span, ..begun.context }.to_header());
        headers.remove(TRACESTATE);
        if let Some(state) = &begun.state {
            headers.insert(TRACESTATE, state.clone());
        }
        Call(Some((span, Instant::now())))
    }

    /// Records how the application answered: its status, or what happened instead.
    pub(crate) fn called(
        &self,
        trace: &Trace,
        call: Call,
        method: &str,
        answered: Result<u16, &'static str>,
    ) {
        let (Some(inner), Some(begun), Some((span, began))) = (&self.0, &trace.0, call.0) else { return };
        if !begun.context.is_sampled() {
            return;
        }
        let method = known(method);
        let mut attributes = vec![messages::text("http.request.method", method)];
        match answered {
            Ok(status) => {
                attributes.push(messages::number("http.response.status_code", status.into()));
                if status >= 400 {
                    attributes.push(messages::text("error.type", &status.to_string()));
                }
            }
            Err(kind) => attributes.push(messages::text("error.type", kind)),
        }
        let failed = answered.map_or(true, |status| status >= 400);
        inner.exporter.send(Span {
            span_id: span.into(),
            parent_span_id: begun.context.span.into(),
            name: method.to_owned(),
            kind: CLIENT,
            start_time_unix_nano: begun.at(began),
            attributes,
            status: failed.then_some(Status { code: ERROR }),
            ..begun.span()
        });
    }

    /// Records what became of the request `id`.
    pub(crate) fn end(&self, trace: &Trace, method: &str, id: &str, outcome: &Outcome<'_>) {
        let (Some(inner), Some(begun)) = (&self.0, &trace.0) else { return };
        if !begun.context.is_sampled() {
            return;
        }
        let (method, rule, status) = (known(method), outcome.rule(), outcome.status());
        // A rule is `GET /docs/{id}`, perhaps with a host.
        let pattern = rule.split_once(' ').map(|(_, pattern)| pattern);
        let route = pattern.and_then(|pattern| pattern.find('/').and_then(|at| pattern.get(at..)));
        let mut attributes = vec![
            messages::text("http.request.method", method),
            messages::number("http.response.status_code", status.into()),
            messages::text("orgate.decision", outcome.decision()),
            messages::text("orgate.code", outcome.code()),
            messages::text("orgate.request_id", id),
        ];
        if let Outcome::Observed { code, .. } = outcome {
            attributes.push(messages::text("orgate.would", code));
        }
        if let Some(route) = route {
            // The path itself may be personal, and what is not told cannot leak.
            attributes.push(messages::text("http.route", route));
            attributes.push(messages::text("url.path", route));
            attributes.push(messages::text("orgate.rule", rule));
        }
        if status >= 500 {
            attributes.push(messages::text("error.type", &status.to_string()));
        }
        inner.exporter.send(Span {
            span_id: begun.context.span.into(),
            parent_span_id: begun.parent.map(Vec::from).unwrap_or_default(),
            name: route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
            kind: SERVER,
            start_time_unix_nano: begun.at(begun.began),
            attributes,
            status: (status >= 500).then_some(Status { code: ERROR }),
            ..begun.span()
        });
    }

    /// Sends what is left to send, if that can be done soon.
    pub(crate) async fn finish(&self) {
        if let Some(inner) = &self.0 {
            inner.exporter.finish().await;
        }
    }
}

impl Inner {
    fn draw(&self, number: u64, key: usize) -> [u8; 8] {
        let drawn = self.keys.get(key).map_or(number, |key| key.hash_one(number));
        drawn.max(1).to_be_bytes()
    }

    fn span(&self) -> [u8; 8] {
        self.draw(self.next.fetch_add(1, Ordering::Relaxed), 0)
    }

    fn trace(&self) -> [u8; 16] {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut trace = [0; 16];
        let halves = self.draw(number, 1).into_iter().chain(self.draw(number, 2));
        trace.iter_mut().zip(halves).for_each(|(place, byte)| *place = byte);
        trace
    }
}

impl Begun {
    /// What all spans of the request have; they end now.
    fn span(&self) -> Span {
        Span {
            trace_id: self.context.trace.into(),
            trace_state: self
                .state
                .as_ref()
                .and_then(|state| state.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            end_time_unix_nano: self.at(Instant::now()),
            flags: self.context.flags.into(),
            ..Span::default()
        }
    }

    fn at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.began);
        u64::try_from(self.wall.saturating_add(since).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A method of HTTP; anything else could be anything.
fn known(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT" => method,
        _ => "_OTHER",
    }
}
