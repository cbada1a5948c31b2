//! `orgate snippet`: the lines that put orgate in front of an application elsewhere.
//!
//! A container beside the application, or the configuration of a proxy that asks a decision door; the latter is run by
//! tests as it is printed.

mod fronts;

use clap::{Args, ValueEnum};

use self::fronts::Front;
use super::{Common, Failure, output, policy_file::PolicyFlag};

/// Flags of `orgate snippet`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate snippet k8s > orgate.k8s.yaml
      a Deployment with `orgate proxy` beside the application, and the policy in a ConfigMap
  orgate snippet k8s --name shop --image registry.example/shop:7 --port 3000
      for an application that listens on port 3000 of its loopback
  orgate snippet nginx > /etc/nginx/conf.d/app.conf
      nginx, which asks `orgate serve`; caddy, traefik, envoy and envoy-http likewise
  orgate snippet envoy --gate 127.0.0.1:9191 --port 3000
      Envoy, which asks `orgate serve --ext-authz 127.0.0.1:9191`

The application must listen on 127.0.0.1 only, so that nothing reaches it around the proxy, which removes every
identity header that a client sends and writes those of the gate.

Exit codes: 0 printed · 1 something is wrong in the policy · 2 could not run")]
pub(crate) struct Options {
    /// Where orgate is to run.
    #[arg(value_name = "TARGET", value_enum)]
    target: Target,
    #[command(flatten)]
    policy: PolicyFlag,
    /// The name of the application.
    #[arg(long, env = "ORGATE_NAME", value_name = "NAME", default_value = "app", value_parser = label)]
    name: String,
    /// The image of the application.
    #[arg(long, env = "ORGATE_IMAGE", value_name = "IMAGE", default_value = "app:latest", value_parser = word)]
    image: String,
    /// The image with the binary `orgate`.
    #[arg(long, env = "ORGATE_ORGATE_IMAGE", value_name = "IMAGE", default_value = "orgate:latest", value_parser = word)]
    orgate_image: String,
    /// The port on which the application listens on its loopback.
    #[arg(long, env = "ORGATE_PORT", value_name = "PORT", default_value = "3000", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Where the proxy asks [default: 127.0.0.1:9181, for Envoy 127.0.0.1:9191].
    #[arg(long, env = "ORGATE_GATE", value_name = "ADDRESS", value_parser = word)]
    gate: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A Deployment, a Service and a ConfigMap of Kubernetes.
    K8s,
    /// nginx with auth_request, for the inside of `http { }`.
    Nginx,
    /// Envoy with ext_authz over gRPC: a whole configuration.
    Envoy,
    /// The same over HTTP.
    EnvoyHttp,
    /// Traefik with forwardAuth: dynamic configuration.
    Traefik,
    /// A Caddyfile with forward_auth.
    Caddy,
}

/// A label of DNS, which is what Kubernetes takes as a name (RFC 1123).
fn label(text: &str) -> Result<String, String> {
    let is_label =
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.len() <= 50;
    if is_label { Ok(text.to_owned()) } else { Err("a name is made of a-z, 0-9 and `-`".to_owned()) }
}

/// Something that cannot break out of its line.
fn word(text: &str) -> Result<String, String> {
    let is_word =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\'".contains(&byte));
    if is_word { Ok(text.to_owned()) } else { Err("an image is one word".to_owned()) }
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let front = match options.target {
        Target::K8s => {
            output::result(&kubernetes(options, common)?);
            return Ok(());
        }
        Target::Nginx => Front::Nginx,
        Target::Envoy => Front::Envoy,
        Target::EnvoyHttp => Front::EnvoyHttp,
        Target::Traefik => Front::Traefik,
        Target::Caddy => Front::Caddy,
    };
    let policy = options.policy.load(common)?;
    output::result(&fronts::snippet(front, &policy, options.gate.as_deref(), options.port)?);
    Ok(())
}

fn kubernetes(options: &Options, common: &Common) -> Result<String, Failure> {
    // A policy that the proxy would not start with is told here.
    options.policy.load(common)?;
    let path = orgate_config::discover(std::path::Path::new("."), options.policy.policy.as_deref())
        .map_err(|error| Failure::rendered(error.exit_code(), error.render(false)))?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::could_not_run(format!("cannot read `{}`: {error}", path.display())))?;
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or("orgate.yaml");
    let policy: String = text
        .lines()
        .map(|line| if line.trim().is_empty() { "\n".to_owned() } else { format!("    {line}\n") })
        .collect();
    // The block says how deep it is indented (`|2`), because its first line may be indented itself (YAML 1.2 §8.1.1.1).
    Ok(TEMPLATE
        .replace("<name>", &options.name)
        .replace("<orgate-image>", &options.orgate_image)
        .replace("<app-image>", &options.image)
        .replace("<port>", &options.port.to_string())
        .replace("<file>", file)
        .replace("<policy>\n", &policy))
}

const TEMPLATE: &str = include_str!("k8s.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_text() {
        assert!(label("shop-2").is_ok() && word("a.b/c@sha256:1").is_ok());
        for bad in ["", "a b", "A", "a-", "-a", "a\"", "a\nb", "1a"] {
            assert!(label(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a\n", "a\"", "a'"] {
            assert!(word(bad).is_err(), "{bad:?}");
        }
    }
}
