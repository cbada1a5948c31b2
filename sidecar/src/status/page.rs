//! The page as HTML.

use std::{fmt::Write as _, time::Duration};

use super::{Connections, Feed, Issuer, Policy, Snapshot};
use crate::recent::{Figures, Refusal, SECONDS};

pub(super) fn page(snapshot: &Snapshot) -> String {
    let state = match snapshot.not_ready.is_empty() {
        true => "<p class=\"state good\">Ready</p>".to_owned(),
        false => {
            let reasons: String =
                snapshot.not_ready.iter().map(|reason| format!("<li>{}</li>", escape(reason))).collect();
            format!("<p class=\"state bad\">Not ready</p><ul class=\"reasons\">{reasons}</ul>")
        }
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/status.css\">\n\
         <script src=\"/status.js\" defer></script>\n</head>\n<body>\n\
         <header><h1>orgate</h1><label id=\"live\" hidden><input type=\"checkbox\" checked>live\
         <output></output></label></header>\n\
         <main>\n<section class=\"head\">{state}<p class=\"faint\">version {version}, up {up}</p></section>\n\
         {minute}{policy}{issuers}{upstreams}{refusals}</main>\n\
         <footer><a href=\"/metrics\">metrics</a> <a href=\"/-/policy\">policy</a> <a href=\"/readyz\">readiness</a>\
         </footer>\n</body>\n</html>\n",
        title = if snapshot.not_ready.is_empty() { "orgate: ready" } else { "orgate: not ready" },
        version = env!("CARGO_PKG_VERSION"),
        up = told(snapshot.up),
        minute = minute(&snapshot.seconds, snapshot.totals),
        policy = policy(&snapshot.policy),
        issuers = issuers(&snapshot.issuers),
        upstreams = upstreams(&snapshot.upstreams),
        refusals = refusals(&snapshot.refusals, snapshot.now),
    )
}

/// The last minute as bars, one for each second, and in numbers for who cannot see them.
fn minute(seconds: &[Figures], totals: Figures) -> String {
    let sum = seconds.iter().fold(Figures::default(), |sum, second| Figures {
        allowed: sum.allowed + second.allowed,
        refused: sum.refused + second.refused,
        failed: sum.failed + second.failed,
    });
    let most = seconds.iter().map(Figures::all).max().unwrap_or(0).max(1);
    let mut bars = String::new();
    let first = SECONDS.saturating_sub(seconds.len());
    for (at, second) in (first..).zip(seconds) {
        let scaled = |count: u64| (count * HEIGHT).div_ceil(most);
        // Of what went wrong a single one can be seen.
        let visible = |count: u64| if count == 0 { 0 } else { scaled(count).max(3) };
        let (refused, failed) = (visible(second.refused), visible(second.failed));
        let allowed = scaled(second.allowed).min(HEIGHT.saturating_sub(refused + failed));
        let mut top = HEIGHT;
        for (kind, height) in [("allowed", allowed), ("refused", refused), ("failed", failed)] {
            let height = height.min(top);
            top -= height;
            if height > 0 {
                let _ = write!(
                    bars,
                    "<rect class=\"{kind}\" x=\"{}\" y=\"{top}\" width=\"8\" height=\"{height}\"/>",
                    at * 10
                );
            }
        }
    }
    let spoken = format!(
        "In the last minute {} requests were allowed, {} refused, and {} not answered by the application",
        sum.allowed, sum.refused, sum.failed
    );
    let figure = |class: &str, name: &str, minute: u64, total: u64| {
        format!(
            "<div class=\"{class}\"><dt>{name}</dt><dd>{minute}</dd><dd class=\"faint\">{total} in all</dd></div>"
        )
    };
    format!(
        "<section aria-labelledby=\"minute\"><h2 id=\"minute\">The last minute</h2>\n\
         <svg viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{spoken}\" preserveAspectRatio=\"none\">{bars}</svg>\n\
         <p class=\"scale faint\"><span>a minute ago</span><span>at most {most} a second</span><span>now</span></p>\n\
         <dl class=\"figures\">{}{}{}</dl></section>\n",
        figure("allowed", "allowed", sum.allowed, totals.allowed),
        figure("refused", "refused", sum.refused, totals.refused),
        figure("failed", "not answered", sum.failed, totals.failed),
        width = SECONDS * 10,
    )
}

fn policy(policy: &Policy) -> String {
    let mode = if policy.observed {
        "<strong class=\"warn\">observed: nothing is refused</strong>"
    } else {
        "enforced"
    };
    let stale = if policy.stale {
        "<p class=\"warn\">The files were changed into something that does not stand; the last good policy is in force. \
         The log says what is wrong.</p>"
    } else {
        ""
    };
    let short: String = policy.digest.chars().take(12).collect();
    format!(
        "<section aria-labelledby=\"policy\"><h2 id=\"policy\">Policy</h2>{stale}<p>{rules}, {mode}, from {files}</p>\
         <p class=\"faint\">digest <code title=\"{digest}\">{short}</code></p></section>\n",
        rules = counted(policy.rules, "rule"),
        files = policy
            .files
            .iter()
            .map(|file| format!("<code>{}</code>", escape(file)))
            .collect::<Vec<_>>()
            .join(", "),
        digest = escape(&policy.digest),
        short = escape(&short),
    )
}

fn issuers(issuers: &[Issuer]) -> String {
    let rows: String = issuers.iter().map(issuer).collect();
    let table = match rows.is_empty() {
        true => "<p class=\"faint\">The policy trusts nobody.</p>".to_owned(),
        false => format!(
            "<table><thead><tr><th scope=\"col\">issuer</th><th scope=\"col\">keys</th><th scope=\"col\">heard of</th>\
             <th scope=\"col\">from</th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    };
    format!("<section aria-labelledby=\"issuers\"><h2 id=\"issuers\">Issuers</h2>{table}</section>\n")
}

fn issuer(issuer: &Issuer) -> String {
    let keys = match issuer.keys {
        Some(keys) => keys.to_string(),
        None => "<strong class=\"bad\">never loaded</strong>".to_owned(),
    };
    let heard = issuer.age.map_or_else(String::new, |age| format!("{} ago", told(age)));
    let error = issuer.error.as_ref().map_or_else(String::new, |error| {
        format!("<tr class=\"more\"><td colspan=\"4\" class=\"bad\">{}</td></tr>", escape(error))
    });
    format!(
        "<tr><th scope=\"row\"><code>{}</code></th><td data-label=\"keys\">{keys}</td><td data-label=\"heard of\">{heard}</td>\
         <td data-label=\"from\"><code>{}</code></td></tr>{error}{}",
        escape(&issuer.name),
        escape(&issuer.location),
        issuer.feed.as_ref().map(feed).unwrap_or_default()
    )
}

/// What is known of what an issuer revokes.
fn feed(feed: &Feed) -> String {
    let heard = match (feed.marks, feed.age) {
        (Some(marks), Some(age)) => format!("{}, heard {} ago", counted(marks, "mark"), told(age)),
        _ => "<strong class=\"bad\">never heard</strong>".to_owned(),
    };
    let stale = if feed.stale { " <strong class=\"bad\">stale</strong>" } else { "" };
    let error = feed
        .error
        .as_ref()
        .map_or_else(String::new, |error| format!(" <span class=\"bad\">{}</span>", escape(error)));
    format!("<tr class=\"more\"><td colspan=\"4\">revoked: {heard}{stale}{error}</td></tr>")
}

fn upstreams(upstreams: &[Connections]) -> String {
    if upstreams.is_empty() {
        return String::new();
    }
    let rows: String = upstreams
        .iter()
        .map(|Connections { name, idle, active }| {
            format!(
                "<tr><th scope=\"row\"><code>{}</code></th><td data-label=\"busy\">{active}</td>\
                 <td data-label=\"kept\">{idle}</td></tr>",
                escape(name)
            )
        })
        .collect();
    format!(
        "<section aria-labelledby=\"upstreams\"><h2 id=\"upstreams\">Connections to the application</h2><table><thead><tr>\
         <th scope=\"col\">upstream</th><th scope=\"col\">busy</th><th scope=\"col\">kept</th></tr></thead>\
         <tbody>{rows}</tbody></table></section>\n"
    )
}

fn refusals(refusals: &[Refusal], now: i64) -> String {
    let rows: String = refusals.iter().map(|refusal| row(refusal, now)).collect();
    let table = match rows.is_empty() {
        true => "<p class=\"faint\">None so far.</p>".to_owned(),
        false => format!(
            "<table><thead><tr><th scope=\"col\">reason</th><th scope=\"col\">answer</th><th scope=\"col\">rule</th>\
             <th scope=\"col\">when</th><th scope=\"col\">request</th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    };
    format!(
        "<section aria-labelledby=\"refusals\"><h2 id=\"refusals\">Refused of late</h2>{table}</section>\n"
    )
}

fn row(refusal: &Refusal, now: i64) -> String {
    let ago = Duration::from_secs(u64::try_from(now - refusal.at.seconds()).unwrap_or(0));
    let rule = match &*refusal.rule {
        "" => format!("<span class=\"faint\">{} without a rule</span>", escape(&refusal.method)),
        rule => format!("<code>{}</code>", escape(rule)),
    };
    let observed = if refusal.observed { " <span class=\"warn\">let through</span>" } else { "" };
    format!(
        "<tr><th scope=\"row\"><code>{}</code></th><td data-label=\"answer\"><span>{}{observed}</span></td>\
         <td data-label=\"rule\">{rule}</td><td class=\"when\" data-label=\"when\">{} ago</td>\
         <td data-label=\"request\"><code class=\"faint\">{}</code></td></tr>",
        refusal.code,
        refusal.status,
        told(ago),
        escape(&refusal.request_id)
    )
}

/// `3 s`, `12 min`, `5 h`, `2 d`.
fn told(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Of the drawing.
const HEIGHT: u64 = 100;

#[cfg(test)]
mod tests {
    use orgate_claims::UnixTime;

    use super::*;

    #[test]
    fn whatever_clients_and_issuers_wrote_is_text() {
        let evil = "<script>\"&";
        let snapshot = Snapshot {
            not_ready: vec![evil.to_owned()],
            issuers: vec![Issuer {
                feed: Some(Feed {
                    marks: Some(3),
                    age: Some(Duration::from_secs(41)),
                    stale: true,
                    error: Some(evil.to_owned()),
                }),
                name: evil.to_owned(),
                location: evil.to_owned(),
                keys: None,
                age: None,
                error: Some(evil.to_owned()),
            }],
            upstreams: vec![Connections { name: evil.to_owned(), idle: 1, active: 0 }],
            refusals: vec![Refusal {
                at: UnixTime::from_seconds(1),
                method: evil.into(),
                rule: "".into(),
                code: "no_rule",
                status: 403,
                request_id: evil.into(),
                observed: false,
            }],
            policy: Policy { files: vec![evil.to_owned()], digest: evil.to_owned(), ..Policy::default() },
            ..Snapshot::default()
        };
        let page = page(&snapshot);
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert_eq!(page.matches("&lt;script&gt;&quot;&amp;").count(), 11, "{page}");
    }

    #[test]
    fn a_single_refusal_among_thousands_can_be_seen() {
        let seconds = [Figures { allowed: 100_000, refused: 1, failed: 0 }, Figures::default()];
        let drawn = minute(&seconds, seconds[0]);
        for bar in [
            "<rect class=\"allowed\" x=\"580\" y=\"3\" width=\"8\" height=\"97\"/>",
            "<rect class=\"refused\" x=\"580\" y=\"0\" width=\"8\" height=\"3\"/>",
        ] {
            assert!(drawn.contains(bar), "{drawn}");
        }
        assert!(!drawn.contains("x=\"590\""), "{drawn}");
    }

    #[test]
    fn times_have_one_unit() {
        for (seconds, expected) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(told(Duration::from_secs(seconds)), expected);
        }
    }
}
