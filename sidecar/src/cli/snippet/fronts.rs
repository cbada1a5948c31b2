//! nginx, Caddy, Traefik and Envoy, as they ask the decision doors. The names of headers are those of the policy.

use orgate_config::{PolicyFile, TokenSource};

use super::Failure;

/// A proxy that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Nginx,
    Caddy,
    Traefik,
    Envoy,
    EnvoyHttp,
}

/// By which a client could have the application serve another request than the one that was judged.
const ELSEWHERE: [&str; 10] = [
    "Forwarded",
    "X-Forwarded-Method",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-URI",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Script-Name",
];
const OVERRIDE: &str = "X-HTTP-Method-Override";

const SUFFIXES: [&str; 8] =
    ["Sub", "Org-Id", "Org-Slug", "Role", "Permissions", "Issuer", "Auth", "Assertion"];

impl Front {
    fn default_gate(self) -> &'static str {
        match self {
            Self::Nginx | Self::Caddy | Self::Traefik => "127.0.0.1:9181",
            Self::Envoy | Self::EnvoyHttp => "127.0.0.1:9191",
        }
    }
}

/// The configuration of `front` before an application on `port`, under this policy.
pub(super) fn snippet(
    front: Front,
    policy: &PolicyFile,
    gate: Option<&str>,
    port: u16,
) -> Result<String, Failure> {
    let gate = gate.unwrap_or_else(|| front.default_gate());
    let names = Names::of(policy);
    let text = match front {
        Front::Nginx => NGINX.replace("<set>\n", &names.nginx()),
        Front::Caddy => CADDY
            .replace("<remove>\n", &caddy(&names.cleared))
            .replace("<credentials>\n", &caddy(&names.credentials))
            .replace("<names>", &names.told.join(" ")),
        Front::Traefik => names.traefik(),
        Front::Envoy => ENVOY.replace("<service>\n", ENVOY_GRPC).replace("<protocol>\n", HTTP2),
        Front::EnvoyHttp => {
            // A cookie with the token is taken out of the others, which are written anew.
            let upstream = if policy.identity.forward_token { "" } else { ", {exact: cookie}" };
            ENVOY
                .replace("<service>\n", ENVOY_HTTP)
                .replace("<protocol>\n", "")
                .replace("<upstream>", upstream)
        }
    };
    let (host, gate_port) = gate.rsplit_once(':').ok_or_else(|| {
        Failure::could_not_run(format!(
            "`{gate}` is no address\nhelp: `--gate` takes one such as `127.0.0.1:9181`"
        ))
    })?;
    let of_cookies = policy.token.from.iter().any(|source| matches!(source, TokenSource::Cookie(_)));
    let by_envoy = matches!(front, Front::Envoy | Front::EnvoyHttp);
    let text = match of_cookies && !policy.identity.forward_token && !by_envoy {
        true => format!(
            "# The cookie with the token goes on to the application: one of several cannot be removed here.\n{text}"
        ),
        false => text,
    };
    Ok(text
        .replace("<gate>", gate)
        .replace("<gate-host>", host.trim_matches(['[', ']']))
        .replace("<gate-port>", gate_port)
        .replace("<port>", &port.to_string())
        .replace("<word>", &names.word)
        .replace("<prefix_>", &names.prefix.to_ascii_lowercase().replace('-', "_"))
        .replace("<prefix>", &names.prefix.to_ascii_lowercase())
        .replace("<Prefix>", &names.prefix))
}

/// The names of headers that a front has to know.
struct Names {
    prefix: String,
    /// What every spelling of an identity header contains.
    word: String,
    /// What the door says.
    told: Vec<String>,
    /// What goes no further than the front.
    cleared: Vec<String>,
    /// Where a credential is that ends at the front.
    credentials: Vec<String>,
}

impl Names {
    fn of(policy: &PolicyFile) -> Self {
        let prefix = policy.identity.prefix.trim_end_matches('-').to_owned();
        let word = prefix.split('-').max_by_key(|word| word.len()).unwrap_or_default().to_owned();
        let told = SUFFIXES.map(|suffix| format!("{prefix}-{suffix}")).to_vec();
        let credentials: Vec<String> = match policy.identity.forward_token {
            true => Vec::new(),
            // Of cookies a front can clear all or none.
            false => policy
                .token
                .from
                .iter()
                .filter_map(|source| match source {
                    TokenSource::Bearer => Some("Authorization".to_owned()),
                    TokenSource::Header(name) => Some(name.to_string()),
                    _ => None,
                })
                .chain(["DPoP".to_owned()])
                .collect(),
        };
        let mut cleared: Vec<String> = ELSEWHERE.map(str::to_owned).to_vec();
        if !policy.method_override {
            cleared.push(OVERRIDE.to_owned());
        }
        cleared.extend(policy.identity.also_strip.iter().cloned());
        Self { prefix, word, told, cleared, credentials }
    }

    fn nginx(&self) -> String {
        let mut lines = String::new();
        for name in &self.told {
            let variable = name.to_ascii_lowercase().replace('-', "_");
            lines.push_str(&format!(
                "        auth_request_set ${variable} $upstream_http_{variable};\n        \
                 proxy_set_header {name} ${variable};\n"
            ));
        }
        for name in self.cleared.iter().chain(&self.credentials) {
            lines.push_str(&format!("        proxy_set_header {name} \"\";\n"));
        }
        lines
    }

    fn traefik(&self) -> String {
        let clear = |names: &[String]| -> String {
            names.iter().map(|name| format!("          {name}: \"\"\n")).collect()
        };
        let strip = clear(&self.credentials);
        let (then, strip) = match strip.is_empty() {
            true => ("", strip),
            // Judged first, and taken away then.
            false => (
                ", orgate-strip",
                format!("    orgate-strip:\n      headers:\n        customRequestHeaders:\n{strip}"),
            ),
        };
        TRAEFIK
            .replace("<clear>\n", &clear(&self.cleared))
            .replace("<then>", then)
            .replace("<strip>\n", &strip)
            .replace("<names>", &self.told.join(", "))
    }
}

fn caddy(names: &[String]) -> String {
    names.iter().map(|name| format!("\t\trequest_header -{name}\n")).collect()
}

const NGINX: &str = include_str!("nginx.conf");
const CADDY: &str = include_str!("Caddyfile");
const TRAEFIK: &str = include_str!("traefik.yaml");
const ENVOY: &str = include_str!("envoy.yaml");
const ENVOY_GRPC: &str = include_str!("envoy_grpc.txt");
const ENVOY_HTTP: &str = include_str!("envoy_http.txt");
const HTTP2: &str = include_str!("envoy_http2.txt");
