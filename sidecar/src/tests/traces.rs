//! Spans as a collector gets them, read by their numbers and not by the types that wrote them.

use orgate_testkit::{TestKey, jwks};

use super::{door::Directory, *};
use crate::{
    doors::{Hall, ProxyDoor},
    metrics::Metrics,
    traces::{Traces, TracingSettings},
};

const POLICY: &str = "version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
rules:
  GET /public/{id}: public
  GET /me: authenticated
";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A field of a message of protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

fn number(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let kind = key & 7;
        let length = match kind {
            0 => 0,
            1 => 8,
            2 => usize::try_from(number(&mut bytes)).expect("short"),
            5 => 4,
            _ => panic!("kind {kind}"),
        };
        let (taken, rest) = bytes.split_at(length);
        bytes = rest;
        let field = match kind {
            0 => Field::Number(number(&mut bytes)),
            2 => Field::Bytes(taken.to_vec()),
            _ => Field::Number(taken.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn all(bytes: &[u8], wanted: u64) -> Vec<Vec<u8>> {
    let of = |(number, field)| match field {
        Field::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn text(bytes: &[u8], wanted: u64) -> String {
    all(bytes, wanted)
        .first()
        .map(|bytes| String::from_utf8(bytes.clone()).expect("text"))
        .unwrap_or_default()
}

fn hex(bytes: &[u8], wanted: u64) -> String {
    all(bytes, wanted)
        .first()
        .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        .unwrap_or_default()
}

fn plain(bytes: &[u8], wanted: u64) -> u64 {
    let of = |(number, field): &(u64, Field)| match field {
        Field::Number(value) if *number == wanted => Some(*value),
        _ => None,
    };
    fields(bytes).iter().find_map(of).unwrap_or_default()
}

/// `key=value`, sorted.
fn attributes(bytes: &[u8], number: u64) -> Vec<String> {
    let mut told: Vec<_> = all(bytes, number)
        .iter()
        .map(|pair| {
            let value = &all(pair, 2)[0];
            let shown = match all(value, 1).is_empty() {
                true => plain(value, 3).to_string(),
                false => text(value, 1),
            };
            format!("{}={shown}", text(pair, 1))
        })
        .collect();
    told.sort();
    told
}

struct Traced {
    collector: Recorder,
    app: Recorder,
    address: SocketAddr,
    traces: Traces,
    _directory: Directory,
}

impl Traced {
    async fn with(sample: Option<u32>, variables: &'static [(&'static str, &'static str)]) -> Self {
        let collector =
            Recorder::answering(|_| "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
        let endpoint = Some(format!("http://{}", collector.address));
        let variable = |name: &str| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let traces = Traces::start(&TracingSettings { endpoint, sample }, &variable).expect("a collector");
        let directory = Directory::new();
        directory.write("keys.json", &jwks([TestKey::es256()]));
        let gate = orgate::Gate::load(directory.write("orgate.yaml", POLICY)).await.expect("a policy");
        let app = Recorder::ok().await;
        let upstream = Upstream::new(&format!("http://{}", app.address), UpstreamSettings::default())
            .expect("an upstream");
        let metrics = Arc::new(Metrics::new([]));
        let door = ProxyDoor::new(Hall::traced(gate, metrics, None, traces.clone()), upstream);
        let listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
        let address = listener.address();
        tokio::spawn(serve::serve(listener, door, Limits::default().with_http2(), Shutdown::new()));
        Self { collector, app, address, traces, _directory: directory }
    }

    async fn ask(&self, target: &str, headers: &str) -> Answer {
        let mut client = Client::new(TcpStream::connect(self.address).await.expect("a connection"));
        client.send(format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{headers}\r\n")).await;
        client.answer().await
    }

    /// All spans, in the order of their ends.
    async fn spans(&self) -> Vec<Vec<u8>> {
        self.traces.finish().await;
        let mut spans = Vec::new();
        for export in self.collector.seen() {
            assert!(export.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", export.head);
            assert_eq!(only_header(&export.head, "content-type").as_deref(), Some("application/x-protobuf"));
            for of_resource in all(&export.body, 1) {
                let resource = attributes(&all(&of_resource, 1)[0], 1);
                assert!(resource.iter().any(|pair| pair.starts_with("service.name=")), "{resource:?}");
                for of_scope in all(&of_resource, 2) {
                    assert_eq!(text(&all(&of_scope, 1)[0], 1), "orgate");
                    spans.extend(all(&of_scope, 2));
                }
            }
        }
        spans
    }
}

#[tokio::test]
async fn a_request_is_one_span_and_what_the_application_is_asked_another_below_it() {
    let traced = Traced::with(None, &[("OTEL_SERVICE_NAME", "shop")]).await;
    let given =
        format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: rojo=1\r\nTraceState: congo=2\r\n");
    assert_eq!(traced.ask("/public/ann@example.com?token=sec-ret", &given).await.status(), 200);
    let id = only_header(&traced.app.only().head, "x-request-id").expect("an id");
    let spans = traced.spans().await;
    let [call, request] = &spans[..] else { panic!("{} spans", spans.len()) };
    for span in [call, request] {
        assert_eq!((hex(span, 1), text(span, 3)), (TRACE.to_owned(), "rojo=1,congo=2".to_owned()));
        assert!(plain(span, 7) > 1_700_000_000_000_000_000 && plain(span, 8) >= plain(span, 7));
        assert_eq!(plain(span, 16) & 1, 1);
        let told = String::from_utf8_lossy(span).into_owned();
        assert!(!told.contains("ann@") && !told.contains("sec-ret"), "{told}");
    }
    assert_eq!((text(request, 5), plain(request, 6)), ("GET /public/{id}".to_owned(), 2));
    assert_eq!((text(call, 5), plain(call, 6)), ("GET".to_owned(), 3));
    assert_eq!(hex(request, 4), PARENT);
    assert_eq!(hex(call, 4), hex(request, 2));
    assert!(plain(call, 7) >= plain(request, 7) && plain(call, 8) <= plain(request, 8));
    assert_eq!(
        attributes(request, 9),
        [
            "http.request.method=GET",
            "http.response.status_code=200",
            "http.route=/public/{id}",
            "orgate.code=allowed",
            "orgate.decision=allow",
            &format!("orgate.request_id={id}"),
            "orgate.rule=GET /public/{id}",
            "url.path=/public/{id}",
        ]
    );
    assert_eq!(attributes(call, 9), ["http.request.method=GET", "http.response.status_code=200"]);
    let head = traced.app.only().head;
    assert_eq!(
        only_header(&head, "traceparent"),
        Some(format!("00-{TRACE}-{}-01", hex(call, 2))),
        "the application continues our own span"
    );
    assert_eq!(only_header(&head, "tracestate").as_deref(), Some("rojo=1,congo=2"));
}

#[tokio::test]
async fn a_context_that_is_malformed_goes_no_further_and_a_refusal_has_no_span_below_it() {
    let traced = Traced::with(None, &[]).await;
    for malformed in [
        "traceparent: 00-x\r\ntracestate: rojo=1\r\n".to_owned(),
        format!(
            "traceparent: 00-{TRACE}-{PARENT}-01\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: rojo=1\r\n"
        ),
        String::new(),
    ] {
        assert_eq!(traced.ask("/public/1", &malformed).await.status(), 200);
        let head = traced.app.seen().pop().expect("asked").head;
        let parent = only_header(&head, "traceparent").expect("ours");
        assert!(parent.starts_with("00-") && parent.len() == 55 && !parent.contains(TRACE), "{parent}");
        assert_eq!(only_header(&head, "tracestate"), None);
    }
    assert_eq!(traced.ask("/me", "").await.status(), 401);
    assert_eq!(traced.ask("/nowhere/ann@example.com", "").await.status(), 403);
    assert_eq!(traced.ask("/public//ann@example.com", "").await.status(), 400);
    let spans = traced.spans().await;
    assert_eq!(spans.len(), 9);
    let ids: std::collections::HashSet<_> = spans.iter().map(|span| hex(span, 2)).collect();
    let traces: std::collections::HashSet<_> = spans.iter().map(|span| hex(span, 1)).collect();
    assert_eq!((ids.len(), traces.len()), (9, 6));
    assert!(spans.iter().all(|span| !String::from_utf8_lossy(span).contains("ann@")));
    let [.., no_credential, no_rule, no_path] = &spans[..] else { panic!() };
    for (span, name, code) in [
        (no_credential, "GET /me", "no_credential"),
        (no_rule, "GET", "no_rule"),
        (no_path, "GET", "bad_request_target"),
    ] {
        assert_eq!((text(span, 5).as_str(), hex(span, 4).as_str()), (name, ""));
        let told = attributes(span, 9);
        assert!(
            told.contains(&format!("orgate.code={code}"))
                && told.contains(&"orgate.decision=deny".to_owned()),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn who_asks_decides_what_is_recorded_and_what_is_not_is_told_on() {
    let traced = Traced::with(Some(1_000_000), &[]).await;
    for flags in ["00", "01"] {
        let given = format!("traceparent: 00-{TRACE}-{PARENT}-{flags}\r\n");
        traced.ask("/public/1", &given).await;
        let head = traced.app.seen().pop().expect("asked").head;
        let parent = only_header(&head, "traceparent").expect("ours");
        assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with(flags), "{parent}");
        assert!(!parent.contains(PARENT), "{parent}");
    }
    assert_eq!(traced.spans().await.len(), 2);
    let traced = Traced::with(None, &[("OTEL_TRACES_SAMPLER", "always_off")]).await;
    traced.ask("/public/1", &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n")).await;
    assert!(only_header(&traced.app.only().head, "traceparent").expect("ours").ends_with("-00"));
    assert_eq!(traced.spans().await.len(), 0);
}

#[tokio::test]
async fn an_application_that_does_not_answer_is_an_error_of_both_spans() {
    let traced = Traced::with(None, &[]).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let directory = Directory::new();
    directory.write("keys.json", &jwks([TestKey::es256()]));
    let gate = orgate::Gate::load(directory.write("orgate.yaml", POLICY)).await.expect("a policy");
    let upstream =
        Upstream::new(&format!("http://{nobody}"), UpstreamSettings::default()).expect("an upstream");
    let hall = Hall::traced(gate, Arc::new(Metrics::new([])), None, traced.traces.clone());
    let listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
    let address = listener.address();
    tokio::spawn(serve::serve(listener, ProxyDoor::new(hall, upstream), Limits::default(), Shutdown::new()));
    let mut client = Client::new(TcpStream::connect(address).await.expect("a connection"));
    client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 502);
    let spans = traced.spans().await;
    let [call, request] = &spans[..] else { panic!("{} spans", spans.len()) };
    for span in [call, request] {
        assert_eq!(plain(&all(span, 15)[0], 3), 2, "the status is that of an error");
    }
    assert!(attributes(call, 9).contains(&"error.type=connect".to_owned()));
    assert!(attributes(request, 9).contains(&"orgate.code=upstream_unavailable".to_owned()));
}
