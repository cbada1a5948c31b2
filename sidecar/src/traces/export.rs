//! Sends spans to a collector: OTLP over HTTP, as protobuf.
//!
//! The queue is bounded and nobody waits for it: what finds no room is lost and counted. What is there goes out once a second, in
//! batches; a batch that the collector does not take is lost as well, and that is told once until it takes one again.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use prost::Message as _;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};
use tracing::{info, warn};

use super::{
    TracingSettings,
    messages::{self, Request, Resource, ResourceSpans, Scope, ScopeSpans, Span},
    settings::parted,
};
use crate::upstream::{Timeouts, Upstream, UpstreamSettings};

/// Which traces are recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    /// Whether who asks decides, where he has decided.
    of_parent: bool,
    /// Of all others, those whose trace is below.
    below: u64,
}

impl Sampler {
    fn of_ratio(ratio: f64, of_parent: bool) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the conversion saturates, and nobody counts on the last bits"
        )]
        let below = (ratio.clamp(0.0, 1.0) * (MOST_TRACE as f64)) as u64;
        Self { of_parent, below }
    }

    pub(super) fn begins(self, trace: [u8; 16]) -> bool {
        let [.., a, b, c, d, e, f, g] = trace;
        u64::from_be_bytes([0, a, b, c, d, e, f, g]) < self.below
    }

    pub(super) fn follows(self, sampled: bool, trace: [u8; 16]) -> bool {
        if self.of_parent { sampled } else { self.begins(trace) }
    }
}

/// Where spans go, and which.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) sampler: Sampler,
    origin: String,
    target: http::uri::PathAndQuery,
    headers: HeaderMap,
    resource: Resource,
}

impl Plan {
    /// What the variables of OpenTelemetry say, then the settings; `None` where nothing is to be traced.
    pub(super) fn of(
        settings: &TracingSettings,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        // An empty variable is none, says the specification.
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let says =
            |name: &str, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        if says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let of_traces = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let of_all = variable("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| settings.endpoint.clone());
        let (endpoint, path) = match (&of_traces, &of_all) {
            (Some(endpoint), _) => (endpoint, ""),
            (None, Some(endpoint)) => (endpoint, "/v1/traces"),
            (None, None) => return Ok(None),
        };
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(protocol) = variable(name).filter(|protocol| protocol != "http/protobuf") {
                return Err(format!("`{name}` is `{protocol}`\nhelp: spans are sent as `http/protobuf`"));
            }
        }
        let (origin, base) = parted(endpoint)?;
        let target = match format!("{base}{path}") {
            empty if empty.is_empty() => http::uri::PathAndQuery::from_static("/"),
            target => target.parse().map_err(|_| format!("`{endpoint}` cannot be a collector"))?,
        };
        let more =
            variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| variable("OTEL_EXPORTER_OTLP_HEADERS"));
        let name = variable("OTEL_SERVICE_NAME");
        let resource = resource(name, &variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        Ok(Some(Self {
            sampler: sampler(settings, &variable)?,
            origin: origin.to_owned(),
            target,
            headers: headers(&more.unwrap_or_default())?,
            resource,
        }))
    }
}

fn sampler(settings: &TracingSettings, variable: &dyn Fn(&str) -> Option<String>) -> Result<Sampler, String> {
    let ratio = match variable("OTEL_TRACES_SAMPLER_ARG") {
        None => 1.0,
        Some(text) => {
            text.trim().parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| {
                format!("`OTEL_TRACES_SAMPLER_ARG` is `{text}`\nhelp: give a part, such as `0.1`")
            })?
        }
    };
    let Some(name) = variable("OTEL_TRACES_SAMPLER") else {
        let one_in = settings.sample.unwrap_or(1).max(1);
        return Ok(Sampler::of_ratio(1.0 / f64::from(one_in), true));
    };
    let of_parent = name.strip_prefix("parentbased_");
    let ratio = match of_parent.unwrap_or(&name) {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio,
        _ => {
            let known = "help: known are `always_on`, `always_off` and `traceidratio`, each also with `parentbased_` before it";
            return Err(format!("`OTEL_TRACES_SAMPLER` is `{name}`\n{known}"));
        }
    };
    Ok(Sampler::of_ratio(ratio, of_parent.is_some()))
}

/// `key=value,key=value`, percent-encoded.
fn pairs(list: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let plus = text.trim().replace('+', "%2B");
        form_urlencoded::parse(plus.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
    };
    list.split(',')
        .filter_map(move |pair| pair.split_once('=').map(|(key, value)| (decoded(key), decoded(value))))
}

fn headers(list: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs(list) {
        // What it holds is a secret as a rule, and is not shown.
        let (Ok(name), Ok(mut value)) = (HeaderName::try_from(&key), HeaderValue::try_from(value)) else {
            return Err("`OTEL_EXPORTER_OTLP_HEADERS` has something that is no header".to_owned());
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn resource(name: Option<String>, attributes: &str) -> Resource {
    let mut attributes: Vec<_> = pairs(attributes).filter(|(key, _)| !key.is_empty()).collect();
    let mut usual = |key: &str, value: Option<String>, usual: &str| {
        let there = attributes.iter().any(|(other, _)| other == key);
        if let Some(value) = value {
            attributes.retain(|(other, _)| other != key);
            attributes.push((key.to_owned(), value));
        } else if !there {
            attributes.push((key.to_owned(), usual.to_owned()));
        }
    };
    usual("service.name", name, "orgate");
    usual("service.version", None, env!("CARGO_PKG_VERSION"));
    Resource { attributes: attributes.iter().map(|(key, value)| messages::text(key, value)).collect() }
}

/// The queue, and the task behind it.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: Sender<Message>,
    lost: Arc<AtomicU64>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Message {
    Span(Box<Span>),
    End,
}

impl Exporter {
    pub(super) fn start(plan: Plan) -> Result<Self, String> {
        let settings = UpstreamSettings {
            timeouts: Timeouts { first_byte: PATIENCE, body_idle: PATIENCE, ..Timeouts::default() },
            ..UpstreamSettings::default()
        };
        let collector = Upstream::new(&plan.origin, settings).map_err(|error| error.to_string())?;
        info!(collector = plan.origin, "spans are sent");
        let (queue, waiting) = channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(run(plan, collector, waiting, Arc::clone(&lost)));
        Ok(Self { queue, lost, task: Mutex::new(Some(task)) })
    }

    pub(super) fn send(&self, span: Span) {
        if self.queue.try_send(Message::Span(Box::new(span))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) async fn finish(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(task) = task else { return };
        let _ = tokio::time::timeout(LAST, async {
            if self.queue.send(Message::End).await.is_ok() {
                let _ = task.await;
            }
        })
        .await;
    }
}

async fn run(plan: Plan, collector: Arc<Upstream>, mut waiting: Receiver<Message>, lost: Arc<AtomicU64>) {
    let mut is_taken = true;
    let mut batch = Vec::new();
    loop {
        if waiting.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let is_full = batch.len() == BATCH;
        let is_last = batch.iter().any(|message| matches!(message, Message::End));
        let spans: Vec<Span> = batch
            .drain(..)
            .filter_map(|message| match message {
                Message::Span(span) => Some(*span),
                Message::End => None,
            })
            .collect();
        if !spans.is_empty() {
            let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
            let problem = export(&plan, &collector, spans).await.err();
            if problem.is_some() {
                lost.fetch_add(count, Ordering::Relaxed);
            }
            match &problem {
                Some(problem) if is_taken => warn!(problem, "the collector does not take spans"),
                None if !is_taken => info!("the collector takes spans again"),
                _ => {}
            }
            is_taken = problem.is_none();
        }
        if is_taken || is_last {
            let lost = lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                warn!(lost, "spans were lost");
            }
        }
        if is_last {
            return;
        }
        if !is_full {
            tokio::time::sleep(EVERY).await;
        }
    }
}

async fn export(plan: &Plan, collector: &Upstream, spans: Vec<Span>) -> Result<(), String> {
    let scope = Scope { name: "orgate".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let request = Request {
        resource_spans: vec![ResourceSpans {
            resource: Some(plan.resource.clone()),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    };
    let mut headers = plan.headers.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let body = Bytes::from(request.encode_to_vec());
    let answered = tokio::time::timeout(PATIENCE, collector.post(plan.target.clone(), headers, body)).await;
    match answered {
        Err(_) => Err("no answer in time".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) => Err(format!("it answered {}", status.as_u16())),
    }
}

/// How many spans wait before further ones are lost.
const QUEUE: usize = 4096;
const BATCH: usize = 512;
const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);
/// What the end of the process waits for a collector.
const LAST: Duration = Duration::from_secs(2);
/// Traces are compared by their last seven bytes, which are the random ones.
const MOST_TRACE: u64 = 1 << 56;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Plan>, String> {
        let settings = TracingSettings { endpoint: endpoint.map(str::to_owned), sample: None };
        let variable = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        Plan::of(&settings, &variable)
    }

    #[test]
    fn variables_win_over_settings_and_name_the_whole_address_or_its_begin() {
        const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let place = |endpoint, variables: &[(&str, &str)]| {
            plan(endpoint, variables)
                .expect("it stands")
                .map(|plan| format!("{}{}", plan.origin, plan.target))
        };
        assert_eq!(place(None, &[]), None);
        assert_eq!(place(None, &[(OF_ALL, " ")]), None);
        assert_eq!(place(Some("http://a:4318"), &[]).as_deref(), Some("http://a:4318/v1/traces"));
        assert_eq!(
            place(Some("http://a"), &[(OF_ALL, "https://b/otlp/")]).as_deref(),
            Some("https://b/otlp/v1/traces")
        );
        assert_eq!(
            place(None, &[(OF_ALL, "http://b"), (OF_TRACES, "http://c/x")]).as_deref(),
            Some("http://c/x")
        );
        assert_eq!(place(None, &[(OF_TRACES, "http://c")]).as_deref(), Some("http://c/"));
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(place(Some("http://a"), &[off]), None);
        }
    }

    #[test]
    fn what_is_wrong_is_told_and_a_header_never_shown() {
        for variable in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ] {
            assert!(
                plan(Some("http://a"), &[variable]).expect_err(variable.0).contains("help: "),
                "{variable:?}"
            );
        }
        let problem = plan(Some("http://a"), &[("OTEL_EXPORTER_OTLP_HEADERS", "api key=sec-ret")])
            .expect_err("no header");
        assert!(!problem.contains("sec-ret"), "{problem}");
        let plan = plan(Some("http://a"), &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=sec%2Dret, x = 1+1 ")]);
        let plan = plan.expect("it stands").expect("a collector");
        assert_eq!(plan.headers.get("api-key").expect("there"), "sec-ret");
        assert_eq!(plan.headers.get("x").expect("there"), "1+1");
        assert!(!format!("{plan:?}").contains("sec-ret"));
    }

    #[test]
    fn a_part_of_all_traces_is_recorded_and_who_asks_decides_where_he_has() {
        let traces = (0_u64..4096).map(|number| {
            let mut trace = [0; 16];
            trace[9..11].copy_from_slice(&u16::try_from(number * 16).expect("small").to_be_bytes());
            trace
        });
        let sampler = |variables: &[(&str, &str)]| {
            plan(Some("http://a"), variables).expect("it stands").expect("a collector").sampler
        };
        let count = |variables| {
            let sampler = sampler(variables);
            traces.clone().filter(|trace| sampler.begins(*trace)).count()
        };
        assert_eq!(count(&[]), 4096);
        assert_eq!(
            count(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")]),
            1024
        );
        assert_eq!(count(&[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]), 0);
        let of_parent = sampler(&[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]);
        assert!(
            of_parent.follows(true, [1; 16])
                && !sampler(&[("OTEL_TRACES_SAMPLER", "always_off")]).follows(true, [1; 16])
        );
    }

    #[tokio::test]
    async fn a_collector_that_never_answers_costs_spans_and_no_time() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
        let exporter = Exporter::start(plan(Some(&endpoint), &[]).expect("it stands").expect("a collector"))
            .expect("started");
        let most = QUEUE + BATCH;
        for _ in 0..most + 100 {
            exporter.send(Span::default());
        }
        assert!(exporter.lost.load(Ordering::Relaxed) >= 100, "the queue has an end");
        tokio::time::timeout(LAST * 5, exporter.finish()).await.expect("the end does not wait for it");
    }
}
