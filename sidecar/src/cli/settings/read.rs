//! From the tree of the file to settings; every mistake is reported, none stops the reading.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

use http::uri::PathAndQuery;
use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{MapReader, Node, Spanned},
};

use super::{
    ClientTimeouts, LimitSettings, ListenerSettings, LogSettings, Settings, TimeoutSettings, TlsSettings,
    UpstreamEntry,
};
use crate::{
    decision_log::{Paths, Subjects},
    telemetry::LogFormat,
    traces::{self, TracingSettings},
    trust::Network,
    upstream::{self, Checks, HostHeader, Place, Timeouts, UpstreamTlsFiles},
};

/// The whole file, which stands in `folder`.
pub(super) fn settings(root: &Node, folder: &Path, findings: &mut Diagnostics) -> Settings {
    let Some(mut map) = MapReader::new(root, "", findings) else { return Settings::default() };
    let [listeners, upstreams, timeouts, tls, log, limits, tracing] = [
        map.optional("listeners").node(),
        map.optional("upstreams").node(),
        map.optional("timeouts").node(),
        map.optional("tls").node(),
        map.optional("log").node(),
        map.optional("limits").node(),
        map.optional("tracing").node(),
    ];
    map.finish();
    Settings {
        listeners: listeners.and_then(|node| self::listeners(node, findings)).unwrap_or_default(),
        upstreams: upstreams.map(|node| self::upstreams(node, folder, findings)).unwrap_or_default(),
        timeouts: timeouts.and_then(|node| self::timeouts(node, findings)).unwrap_or_default(),
        tls: tls.and_then(|node| self::tls(node, folder, findings)).unwrap_or_default(),
        log: log.and_then(|node| self::log(node, folder, findings)).unwrap_or_default(),
        limits: limits.and_then(|node| self::limits(node, findings)).unwrap_or_default(),
        tracing: tracing.and_then(|node| self::tracing(node, findings)).unwrap_or_default(),
    }
}

fn listeners(node: &Node, findings: &mut Diagnostics) -> Option<ListenerSettings> {
    let mut map = MapReader::new(node, "listeners", findings)?;
    let proxy = map.optional("proxy").text();
    let admin = map.optional("admin").text();
    let trust_peers = map.optional("trust_peers").list().unwrap_or_default();
    let proxy_protocol = map.optional("proxy_protocol").boolean();
    map.finish();
    let networks = trust_peers.iter().filter_map(|text| parsed::<Network>(*text, findings)).collect();
    if let Some(wanted) = proxy_protocol.filter(|wanted| wanted.value && trust_peers.is_empty()) {
        let message = "`listeners.proxy_protocol`: there is no peer from which it could come";
        let help = "name the balancers in `listeners.trust_peers`, such as `10.0.0.0/8`";
        findings.push(Diagnostic::error(codes::BAD_VALUE, message.to_owned()).at(wanted.span).help(help));
    }
    Some(ListenerSettings {
        proxy: proxy.map(owned),
        admin: admin.map(owned),
        trust_peers: networks,
        proxy_protocol: proxy_protocol.map(|flag| flag.value),
    })
}

fn upstreams(node: &Node, folder: &Path, findings: &mut Diagnostics) -> Vec<UpstreamEntry> {
    let field = orgate_config::document::Field::of(node, "upstreams", findings);
    let mut entries: Vec<UpstreamEntry> = Vec::new();
    for (number, node) in field.items().unwrap_or_default().iter().enumerate() {
        let Some(entry) = upstream_entry(node, &format!("upstreams[{number}]"), folder, findings) else {
            continue;
        };
        if entries.iter().any(|other| other.place == entry.place) {
            let message = format!("there are two upstreams for `{}`", entry.place);
            let help =
                "several addresses of one application are one upstream: write them as a list in its `url`";
            findings.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).help(help));
        }
        entries.push(entry);
    }
    entries
}

fn upstream_entry(
    node: &Node,
    path: &str,
    folder: &Path,
    findings: &mut Diagnostics,
) -> Option<UpstreamEntry> {
    let mut map = MapReader::new(node, path, findings)?;
    let at = map.optional("at").text();
    let urls = map.required("url").list();
    let host = map
        .optional("host")
        .one_of(&[("preserve", HostHeader::Preserve), ("upstream", HostHeader::Upstream)]);
    let [health, tls] = ["health", "tls"].map(|key| map.path_of(key));
    let health = (health, map.optional("health").node());
    let tls = (tls, map.optional("tls").node());
    map.finish();
    let place = match at {
        Some(text) => parsed::<Place>(text, findings),
        None => Some(Place::everywhere()),
    };
    let checks = health.1.and_then(|node| checks(node, &health.0, findings));
    let tls = tls.1.and_then(|node| upstream_tls(node, &tls.0, folder, findings));
    let urls = urls?;
    for url in &urls {
        if let Err(problem) = upstream::check_url(url.value) {
            bad(url.span, &problem, findings);
        }
    }
    let urls = urls.into_iter().map(owned).collect();
    Some(UpstreamEntry {
        place: place?,
        urls,
        host: host.map(|host| host.value).unwrap_or_default(),
        checks,
        tls,
    })
}

fn checks(node: &Node, path: &str, findings: &mut Diagnostics) -> Option<Checks> {
    let mut map = MapReader::new(node, path, findings)?;
    let target = map.required("path").text();
    let interval = map.optional("interval").duration(1..=3600);
    let timeout = map.optional("timeout").duration(1..=60);
    let healthy = map.optional("healthy").integer(1..=100);
    let unhealthy = map.optional("unhealthy").integer(1..=100);
    map.finish();
    let target = target?;
    let Some(path) = target.value.parse::<PathAndQuery>().ok().filter(|_| target.value.starts_with('/'))
    else {
        bad(target.span, &format!("`{}` is no path, such as `/healthz`", target.value), findings);
        return None;
    };
    let mut checks = Checks::of(path);
    let number = |number: Spanned<i64>| u32::try_from(number.value).ok();
    checks.every = interval.map_or(checks.every, |interval| interval.value);
    checks.timeout = timeout.map_or(checks.timeout, |timeout| timeout.value);
    checks.healthy = healthy.and_then(number).unwrap_or(checks.healthy);
    checks.unhealthy = unhealthy.and_then(number).unwrap_or(checks.unhealthy);
    Some(checks)
}

fn upstream_tls(
    node: &Node,
    path: &str,
    folder: &Path,
    findings: &mut Diagnostics,
) -> Option<UpstreamTlsFiles> {
    let mut map = MapReader::new(node, path, findings)?;
    let ca = map.optional("ca").text();
    let cert = map.optional("cert").text();
    let key = map.optional("key").text();
    map.finish();
    let own = pair(cert, key, node.span, path, findings);
    Some(UpstreamTlsFiles {
        authorities: ca.map(|file| folder.join(file.value)),
        own: own.map(|(cert, key)| (folder.join(cert), folder.join(key))),
    })
}

fn timeouts(node: &Node, findings: &mut Diagnostics) -> Option<TimeoutSettings> {
    let mut map = MapReader::new(node, "timeouts", findings)?;
    let connect = map.optional("connect").duration(1..=600);
    let first_byte = map.optional("first_byte").duration(1..=DAY);
    let body_idle = map.optional("body_idle").duration(1..=DAY);
    let idle = map.optional("idle").duration(1..=DAY);
    let tunnel_idle = map.optional("tunnel_idle").duration(1..=7 * DAY);
    let client_header = map.optional("client_header").duration(1..=600);
    let client_idle = map.optional("client_idle").duration(1..=DAY);
    let client_stall = map.optional("client_stall").duration(1..=DAY);
    let drain = map.optional("drain").duration(0..=DAY);
    map.finish();
    let value = |duration: Option<Spanned<Duration>>| duration.map(|duration| duration.value);
    let mut upstream = Timeouts::default();
    upstream.connect = value(connect).unwrap_or(upstream.connect);
    upstream.first_byte = value(first_byte).unwrap_or(upstream.first_byte);
    upstream.body_idle = value(body_idle).unwrap_or(upstream.body_idle);
    upstream.idle = value(idle).unwrap_or(upstream.idle);
    upstream.tunnel_idle = value(tunnel_idle).unwrap_or(upstream.tunnel_idle);
    let client = ClientTimeouts {
        header: value(client_header),
        idle: value(client_idle),
        stall: value(client_stall),
        drain: value(drain),
    };
    Some(TimeoutSettings { upstream, client })
}

fn tls(node: &Node, folder: &Path, findings: &mut Diagnostics) -> Option<TlsSettings> {
    let mut map = MapReader::new(node, "tls", findings)?;
    let cert = map.optional("cert").text();
    let key = map.optional("key").text();
    let client_ca = map.optional("client_ca").text();
    let client_auth = map.optional("client_auth").one_of(&[("required", true), ("optional", false)]);
    map.finish();
    let own = pair(cert, key, node.span, "tls", findings);
    for (found, needed, name) in [
        (client_ca.map(|file| file.span), own.is_some(), "cert"),
        (client_auth.map(|when| when.span), client_ca.is_some(), "client_ca"),
    ] {
        if let Some(span) = found.filter(|_| !needed) {
            bad(span, &format!("this means nothing without `tls.{name}`"), findings);
        }
    }
    Some(TlsSettings {
        own: own.map(|(cert, key)| (folder.join(cert), folder.join(key))),
        client_ca: client_ca.map(|file| folder.join(file.value)),
        client_required: client_auth.map(|when| when.value),
    })
}

fn log(node: &Node, folder: &Path, findings: &mut Diagnostics) -> Option<LogSettings> {
    let mut map = MapReader::new(node, "log", findings)?;
    let level = map.optional("level").text();
    let format = map.optional("format").one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let decisions = map.optional("decisions").text();
    let paths = map.optional("paths").one_of(&[("template", Paths::Template), ("full", Paths::Full)]);
    let subjects = map.optional("subjects").one_of(&[("hash", Subjects::Hash), ("plain", Subjects::Plain)]);
    let sample = map.optional("sample").integer(1..=1_000_000);
    map.finish();
    let file = |file: Spanned<&str>| match file.value {
        "-" => PathBuf::from("-"),
        file => folder.join(file),
    };
    Some(LogSettings {
        level: level.map(owned),
        format: format.map(|format| format.value),
        decisions: decisions.map(file),
        paths: paths.map(|paths| paths.value),
        subjects: subjects.map(|subjects| subjects.value),
        sample: sample.and_then(|sample| u32::try_from(sample.value).ok()),
    })
}

fn tracing(node: &Node, findings: &mut Diagnostics) -> Option<TracingSettings> {
    let mut map = MapReader::new(node, "tracing", findings)?;
    let endpoint = map.required("endpoint").text();
    let sample = map.optional("sample").integer(1..=1_000_000);
    map.finish();
    if let Some(endpoint) = endpoint
        && let Err(problem) = traces::check_endpoint(endpoint.value)
    {
        bad(endpoint.span, &problem, findings);
    }
    Some(TracingSettings {
        endpoint: endpoint.map(owned),
        sample: sample.and_then(|sample| u32::try_from(sample.value).ok()),
    })
}

fn limits(node: &Node, findings: &mut Diagnostics) -> Option<LimitSettings> {
    let mut map = MapReader::new(node, "limits", findings)?;
    let connections = map.optional("connections").integer(8..=1_000_000);
    let per_peer = map.optional("connections_per_peer").integer(1..=1_000_000);
    let header_fields = map.optional("header_fields").integer(10..=1000);
    let header_bytes = map.optional("header_bytes").integer(8 * 1024..=1024 * 1024);
    map.finish();
    let number = |number: Option<Spanned<i64>>| number.and_then(|number| usize::try_from(number.value).ok());
    Some(LimitSettings {
        connections: number(connections),
        per_peer: number(per_peer),
        header_fields: number(header_fields),
        header_bytes: number(header_bytes),
    })
}

/// Two files that mean nothing without each other.
fn pair<'n>(
    cert: Option<Spanned<&'n str>>,
    key: Option<Spanned<&'n str>>,
    span: Span,
    path: &str,
    findings: &mut Diagnostics,
) -> Option<(&'n str, &'n str)> {
    match (cert, key) {
        (Some(cert), Some(key)) => Some((cert.value, key.value)),
        (None, None) => None,
        (cert, _) => {
            let (there, missing) = if cert.is_some() { ("cert", "key") } else { ("key", "cert") };
            bad(span, &format!("`{path}` has `{there}` and no `{missing}`"), findings);
            None
        }
    }
}

fn parsed<T: std::str::FromStr<Err: Display>>(text: Spanned<&str>, findings: &mut Diagnostics) -> Option<T> {
    text.value.parse().map_err(|problem: T::Err| bad(text.span, &problem, findings)).ok()
}

/// A value that does not fit. What is wrong may bring its own help, in a line of its own.
fn bad(span: Span, problem: &dyn Display, findings: &mut Diagnostics) {
    let told = problem.to_string();
    let (message, help) = match told.split_once("\nhelp: ") {
        Some((message, help)) => (message.to_owned(), Some(help.to_owned())),
        None => (told, None),
    };
    findings.push(Diagnostic::error(codes::BAD_VALUE, message).at(span).maybe_help(help));
}

fn owned(text: Spanned<&str>) -> String {
    text.value.to_owned()
}

const DAY: u64 = 24 * 60 * 60;
