//! What a settings file may say, and what is said of one that does not stand.

use super::*;

fn read(text: &str) -> (Settings, String) {
    let mut findings = Diagnostics::new();
    let root = document::read("sidecar.yaml", text.as_bytes(), &mut findings);
    let settings = read::settings(&root.expect("a tree"), Path::new("etc"), &mut findings);
    findings.sort();
    (settings, findings.render(false))
}

const ALL: &str = "\
listeners: {proxy: '[::]:8443', admin: 127.0.0.1:0, trust_peers: [10.0.0.0/8, '::1'], proxy_protocol: true}
upstreams:
  - url: http://127.0.0.1:3000
  - at: app.example.com/api
    url: [https://10.0.0.1, https://10.0.0.2]
    host: upstream
    health: {path: /healthz, interval: 1s, timeout: 1s, healthy: 1, unhealthy: 5}
    tls: {ca: ca.pem, cert: own.pem, key: own.key}
timeouts:
  {connect: 1s, first_byte: 2s, body_idle: 3s, idle: 4s, tunnel_idle: 2h, client_header: 5s, client_idle: 6s, client_stall: 7s, drain: 8s}
tls: {cert: c.pem, key: k.pem, client_ca: a.pem, client_auth: optional}
log: {level: debug, format: json, decisions: d.log, paths: full}
limits: {connections: 10, connections_per_peer: 3, header_fields: 20, header_bytes: 8192}
x-team: billing
";

#[test]
fn everything_that_may_be_said_is_heard() {
    let (settings, told) = read(ALL);
    assert_eq!(told, "");
    let listeners = &settings.listeners;
    assert_eq!(
        (listeners.proxy.as_deref(), listeners.admin.as_deref()),
        (Some("[::]:8443"), Some("127.0.0.1:0"))
    );
    assert_eq!((listeners.trust_peers.len(), listeners.proxy_protocol), (2, Some(true)));
    let [first, second] = settings.upstreams.as_slice() else { panic!("{:?}", settings.upstreams) };
    assert!(first.place.is_everywhere() && first.checks.is_none() && first.host == HostHeader::Preserve);
    assert_eq!((second.place.to_string().as_str(), second.urls.len()), ("app.example.com/api", 2));
    assert_eq!(second.host, HostHeader::Upstream);
    let checks = second.checks.as_ref().expect("checks");
    assert_eq!((checks.path.as_str(), checks.every.as_secs(), checks.timeout.as_secs()), ("/healthz", 1, 1));
    assert_eq!((checks.healthy, checks.unhealthy), (1, 5));
    let files = second.tls.as_ref().expect("files");
    assert_eq!(files.authorities.as_deref(), Some(Path::new("etc/ca.pem")));
    assert_eq!(files.own, Some(("etc/own.pem".into(), "etc/own.key".into())));
    let Timeouts { connect, first_byte, body_idle, idle, tunnel_idle } = settings.timeouts.upstream;
    let seconds = [connect, first_byte, body_idle, idle, tunnel_idle].map(|time| time.as_secs());
    assert_eq!(seconds, [1, 2, 3, 4, 7200]);
    assert_eq!(settings.tls.own, Some(("etc/c.pem".into(), "etc/k.pem".into())));
    assert_eq!(settings.tls.client_ca.as_deref(), Some(Path::new("etc/a.pem")));
    assert_eq!(settings.tls.client_required, Some(false));
    assert_eq!((settings.log.level.as_deref(), settings.log.format), (Some("debug"), Some(LogFormat::Json)));
    assert_eq!(settings.log.decisions.as_deref(), Some(Path::new("etc/d.log")));
    assert_eq!(settings.log.paths, Some(Paths::Full));
    let limits = settings.limits();
    assert_eq!((limits.header.as_secs(), limits.idle.as_secs()), (5, 6));
    assert_eq!((limits.stall.as_secs(), limits.drain.as_secs()), (7, 8));
    assert_eq!((limits.per_peer, limits.header_fields, limits.header_bytes), (Some(3), 20, 8192));
    assert!(limits.connections <= 10);
}

#[test]
fn an_empty_file_changes_nothing() {
    let (settings, told) = read("{}");
    assert_eq!(told, "");
    assert!(
        settings.upstreams.is_empty() && settings.listeners.proxy.is_none() && settings.tls.own.is_none()
    );
    let (limits, usual) = (settings.limits(), Limits::of_this_process().with_http2());
    assert_eq!((limits.connections, limits.header, limits.per_peer), (usual.connections, usual.header, None));
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_place() {
    let (_, told) = read(
        "\
listener: {proxy: a}
listeners: {proxy_protocol: true, trust_peers: 10.0.0.1/8}
upstreams:
  - {at: /a//b, url: ftp://x}
  - {at: /api, url: [http://a, http://b/path]}
  - {at: /api/, url: http://c, health: {path: healthz, interval: 10}}
  - {at: /d, tls: {cert: c.pem}}
timeouts: {conect: 5s, drain: 5}
tls: {key: k.pem, client_auth: always}
log: {level: 7, format: xml}
limits: {connections: 2}
",
    );
    for expected in [
        "sidecar.yaml:1:1",
        "did you mean `listeners`?",
        "sidecar.yaml:2:",
        "write `10.0.0.0/8`",
        "sidecar.yaml:4:",
        "no prefix",
        "`ftp://x` cannot be an upstream",
        "`http://b/path` cannot be an upstream",
        "two upstreams for `/api`",
        "`healthz` is no path",
        "`upstreams[2].health.interval`: expected a duration",
        "`upstreams[3]` has no `url`",
        "`upstreams[3].tls` has `cert` and no `key`",
        "did you mean `connect`?",
        "`timeouts.drain`: expected a duration",
        "`tls` has `key` and no `cert`",
        "expected one of `required`, `optional`",
        "`log.level`: expected a text",
        "`limits.connections`: expected a whole number from 8",
    ] {
        assert!(told.contains(expected), "{expected} is not in\n{told}");
    }
    let (_, told) = read("listeners: {proxy_protocol: true}\ntls: {client_ca: a.pem}\n");
    assert!(told.contains("listeners.trust_peers") && told.contains("without `tls.cert`"), "{told}");
}
