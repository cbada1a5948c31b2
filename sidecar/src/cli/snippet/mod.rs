//! `orgate snippet`: the lines that put orgate in front of an application elsewhere.
//!
//! Only what this version serves is printed. nginx, Envoy, Traefik and Caddy ask a decision door, and there is none yet:
//! for them the answer is what works today, and exit code 2.

use clap::{Args, ValueEnum};

use super::{Common, Failure, output, policy_file::PolicyFlag};

/// Flags of `orgate snippet`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate snippet k8s > orgate.k8s.yaml
      a Deployment with `orgate proxy` beside the application, and the policy in a ConfigMap
  orgate snippet k8s --name shop --image registry.example/shop:7 --port 3000
      for an application that listens on port 3000 of its loopback

The application must listen on 127.0.0.1 only, so that nothing reaches it around the proxy. The proxy removes every
identity header that a client sends and writes its own.

Exit codes: 0 printed · 1 something is wrong in the policy · 2 there is no snippet for this yet")]
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A Deployment, a Service and a ConfigMap of Kubernetes.
    K8s,
    /// Not yet.
    Nginx,
    /// Not yet.
    Envoy,
    /// Not yet.
    Traefik,
    /// Not yet.
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
    let name = match options.target {
        Target::K8s => {
            output::result(&kubernetes(options, common)?);
            return Ok(());
        }
        Target::Nginx => "nginx",
        Target::Envoy => "Envoy",
        Target::Traefik => "Traefik",
        Target::Caddy => "Caddy",
    };
    let help =
        "let it forward to `orgate proxy`, and that to the application; `orgate snippet k8s` shows the flags";
    Err(Failure::could_not_run(format!(
        "{name} asks a decision door, which this version does not have\nhelp: {help}"
    )))
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
