//! The flags that name the applications behind the proxy.

use std::sync::Arc;

use clap::Args;
use tokio::sync::Notify;
use tracing::warn;

use super::{Failure, settings::UpstreamEntry};
use crate::metrics::Metrics;
use crate::upstream::{Place, Upstream, UpstreamSettings, UpstreamTls, Upstreams};

/// Flags of what requests are forwarded to.
#[derive(Debug, Args)]
pub(crate) struct UpstreamOptions {
    /// The application: http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT for HTTP/2 in cleartext, or unix:/PATH. Several
    /// times for several: `/api=URL` for paths below /api, `app.example.com=URL` or `*.example.com=URL` for hosts,
    /// `app.example.com/api=URL` for both; the most particular host wins, then the longest path, and a URL alone gets the
    /// rest. The path is forwarded as it is. Several URLs for one place share its requests.
    #[arg(
        long,
        env = "ORGATE_UPSTREAM",
        value_name = "[PLACE=]URL",
        value_delimiter = ' ',
        required_unless_present = "settings"
    )]
    upstream: Vec<String>,
}

/// What one `--upstream` says: for which requests, and where.
fn place_and_url(text: &str) -> Result<(Place, &str), Failure> {
    // A URL may hold `=` only in a place where it is refused, or in the path of a socket.
    let named =
        text.split_once('=').filter(|(place, _)| !place.contains("://") && !place.starts_with("unix:"));
    match named {
        None => Ok((Place::everywhere(), text)),
        Some((place, url)) => place.parse().map(|place| (place, url)).map_err(Failure::could_not_run),
    }
}

/// The addresses of each place, in the order in which they were named.
fn by_place(flags: &[String]) -> Result<Vec<(Place, Vec<&str>)>, Failure> {
    let mut places: Vec<(Place, Vec<&str>)> = Vec::new();
    for flag in flags {
        let (place, url) = place_and_url(flag)?;
        match places.iter_mut().find(|(other, _)| *other == place) {
            Some((_, urls)) => urls.push(url),
            None => places.push((place, vec![url])),
        }
    }
    Ok(places)
}

/// The applications that the flags name, or else the settings file; `settings` is what they have in common.
pub(crate) fn of(
    flags: &UpstreamOptions,
    entries: &[UpstreamEntry],
    settings: &UpstreamSettings,
) -> Result<Upstreams, Failure> {
    let upstreams = match flags.upstream.as_slice() {
        [] => of_settings(entries, settings)?,
        flags => of_flags(flags, settings)?,
    };
    warn_about(&upstreams);
    Ok(upstreams)
}

fn of_settings(entries: &[UpstreamEntry], settings: &UpstreamSettings) -> Result<Upstreams, Failure> {
    let upstreams: Result<Vec<_>, Failure> = entries
        .iter()
        .map(|entry| {
            let mut settings = settings.clone();
            settings.host = entry.host;
            settings.checks.clone_from(&entry.checks);
            if let Some(files) = &entry.tls {
                settings.tls = Some(UpstreamTls::load(files).map_err(Failure::could_not_run)?);
            }
            let urls: Vec<_> = entry.urls.iter().map(String::as_str).collect();
            let upstream = Upstream::at(&urls, settings).map_err(Failure::could_not_run)?;
            Ok((entry.place.clone(), upstream))
        })
        .collect();
    Upstreams::new(upstreams?).map_err(Failure::could_not_run)
}

/// The applications that the flags name, all with the same settings.
fn of_flags(flags: &[String], settings: &UpstreamSettings) -> Result<Upstreams, Failure> {
    let upstreams: Result<Vec<_>, Failure> = by_place(flags)?
        .into_iter()
        .map(|(place, urls)| {
            let upstream = Upstream::at(&urls, settings.clone()).map_err(Failure::could_not_run)?;
            Ok((place, upstream))
        })
        .collect();
    Upstreams::new(upstreams?).map_err(Failure::could_not_run)
}

/// Keeps TLS to the upstreams at what its files say, until the task is dropped; `hangup` asks for a look at once.
pub(crate) async fn follow_certificates(upstreams: &Upstreams, metrics: Arc<Metrics>, hangup: Arc<Notify>) {
    let mut followers = tokio::task::JoinSet::new();
    let mut asked = Vec::new();
    for (place, tls) in upstreams.tls() {
        let (now, metrics, place) = (Arc::new(Notify::new()), Arc::clone(&metrics), place.to_string());
        asked.push(Arc::clone(&now));
        followers.spawn(tls.follow(now, move |stale| metrics.upstream_certificate_stale(&place, stale)));
    }
    loop {
        hangup.notified().await;
        asked.iter().for_each(|now| now.notify_one());
    }
}

/// The addresses that get no requests, for `/readyz`.
pub(crate) fn left_alone(upstreams: &Upstreams) -> Vec<serde_json::Value> {
    let left_alone = upstreams.figures().filter(|(_, figures)| !figures.is_good);
    left_alone
        .map(|(place, figures)| {
            serde_json::json!({"upstream": figures.url, "place": place.to_string(), "healthy": false})
        })
        .collect()
}

/// The addresses of all, for a log line.
pub(crate) fn shown(upstreams: &Upstreams) -> String {
    upstreams.figures().map(|(_, figures)| String::from(figures.url)).collect::<Vec<_>>().join(" ")
}

/// Says at the start what an operator should know of them.
fn warn_about(upstreams: &Upstreams) {
    for upstream in upstreams.iter().flat_map(|(_, upstream)| upstream.remote()) {
        warn!(upstream, "the upstream is not on this machine: whoever can reach it can go around the proxy");
    }
    if !upstreams.has_default() {
        let places: Vec<_> = upstreams.iter().map(|(place, _)| place.to_string()).collect();
        warn!(places = places.join(" "), "requests for other hosts and paths are answered 404 `no_upstream`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str]) -> Result<Vec<(String, String)>, String> {
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let places = by_place(&flags).map_err(|failure| failure.to_string())?;
        Ok(places.into_iter().map(|(place, urls)| (place.to_string(), urls.join(" "))).collect())
    }

    #[test]
    fn a_place_may_stand_before_a_url() {
        let pair = |place: &str, urls: &str| (place.to_owned(), urls.to_owned());
        assert_eq!(
            read(&[
                "http://a",
                "/api=http://b",
                "app.example=unix:/run/a=b.sock",
                "/api/=http://c",
                "*.example/x=h2c://d",
                "unix:/run/a=b.sock"
            ]),
            Ok(vec![
                pair("/", "http://a unix:/run/a=b.sock"),
                pair("/api", "http://b http://c"),
                pair("app.example", "unix:/run/a=b.sock"),
                pair("*.example/x", "h2c://d"),
            ])
        );
    }

    #[test]
    fn what_is_no_place_is_named() {
        let told = read(&["/a//b=http://a"]).expect_err("no place");
        assert!(told.contains("`/a//b`") && told.contains("help: "), "{told}");
    }
}
