//! An OpenAPI 3.0 or 3.1 document, as far as access is concerned: operations, their paths, and what they demand.
//!
//! Read with the reader of policy files, so that every operation knows its line. What is not about access is not looked
//! at; schemas may say what they like.

use std::path::Path;

use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{self, Key, Node, Value},
};

use crate::cli::Failure;

/// The most bytes of a document.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The keys of a path that are methods.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// What a document says.
#[derive(Debug, Default)]
pub(crate) struct Api {
    pub(crate) operations: Vec<Operation>,
    /// Scopes of OAuth 2 flows, with what they mean.
    pub(crate) scopes: Vec<(String, String)>,
    /// Where OpenID Connect discovery is said to be.
    pub(crate) issuer: Option<String>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// In upper case.
    pub(crate) method: String,
    /// The path with its base, as written.
    pub(crate) path: String,
    /// Where the method stands.
    pub(crate) span: Span,
    pub(crate) demand: Demand,
}

/// What an operation demands, as the document says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing is said.
    Unsaid,
    /// One of these, each being all of its scopes; without any, everybody.
    OneOf(Vec<Vec<String>>),
    /// The text of `x-orgate`.
    Verbatim(String),
}

/// Reads a file; what is wrong in it is added to `findings`.
pub(crate) fn load(path: &Path, findings: &mut Diagnostics) -> Result<Api, Failure> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| Failure::could_not_run(format!("cannot read `{}`: {error}", path.display())))?;
    Ok(read(&path.display().to_string(), &bytes, findings))
}

/// Reads a document.
pub(crate) fn read(name: &str, bytes: &[u8], findings: &mut Diagnostics) -> Api {
    let Some(root) = document::read_within(MAX_BYTES, name, bytes, findings) else { return Api::default() };
    let version = match root.get("openapi").map(|node| &node.value) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Float(number)) => number.to_string(),
        _ => String::new(),
    };
    if !version.starts_with("3.0") && !version.starts_with("3.1") {
        let finding =
            Diagnostic::error(codes::BAD_VALUE, "this is no OpenAPI document of version 3.0 or 3.1");
        let finding = finding.at(root.get("openapi").map_or(root.span, |node| node.span));
        findings.push(finding.help("convert a Swagger 2.0 document to OpenAPI 3 first"));
        return Api::default();
    }
    let mut reader = Reader { root: &root, api: Api::default(), findings };
    reader.schemes();
    let base = base(root.get("servers")).unwrap_or_default();
    let entries = root.get("paths").and_then(Node::entries).unwrap_or_default();
    for (key, item) in entries.iter().filter(|(key, _)| key.text.starts_with('/')) {
        reader.path(key, item, &base);
    }
    reader.api
}

struct Reader<'r, 'd> {
    root: &'r Node,
    api: Api,
    findings: &'d mut Diagnostics,
}

impl<'r> Reader<'r, '_> {
    fn schemes(&mut self) {
        let schemes = self.root.get("components").and_then(|node| node.get("securitySchemes"));
        for (_, scheme) in schemes.and_then(Node::entries).unwrap_or_default() {
            let scheme = self.resolve(scheme);
            if let Some(url) = scheme.get("openIdConnectUrl").and_then(Node::text) {
                let issuer = url.trim_end_matches("/.well-known/openid-configuration");
                self.api.issuer.get_or_insert_with(|| issuer.to_owned());
            }
            let flows = scheme.get("flows").and_then(Node::entries).unwrap_or_default();
            let scopes = flows.iter().filter_map(|(_, flow)| flow.get("scopes")?.entries()).flatten();
            for (name, text) in scopes {
                if !self.api.scopes.iter().any(|(known, _)| *known == name.text) {
                    let text = text.text().unwrap_or_default().to_owned();
                    self.api.scopes.push((name.text.clone(), text));
                }
            }
        }
    }

    fn path(&mut self, key: &Key, item: &'r Node, base: &str) {
        let item = self.resolve(item);
        let own_base = crate::cli::import::openapi::base(item.get("servers"));
        for (method, operation) in item.entries().unwrap_or_default() {
            if !METHODS.contains(&method.text.as_str()) {
                continue;
            }
            let operation_base = crate::cli::import::openapi::base(operation.get("servers"));
            let base = operation_base.as_deref().or(own_base.as_deref()).unwrap_or(base);
            let demand = self.demand(operation);
            self.api.operations.push(Operation {
                method: method.text.to_ascii_uppercase(),
                path: format!("{base}{}", key.text),
                span: method.span,
                demand,
            });
        }
    }

    fn demand(&mut self, operation: &'r Node) -> Demand {
        if let Some(text) = operation.get("x-orgate").and_then(Node::text) {
            return Demand::Verbatim(text.to_owned());
        }
        if let Some(node) = operation.get("x-permissions") {
            let items = match &node.value {
                Value::List(items) => items.as_slice(),
                _ => std::slice::from_ref(node),
            };
            let names: Option<Vec<String>> =
                items.iter().map(|item| item.text().map(str::to_owned)).collect();
            match names {
                Some(names) => return Demand::OneOf(vec![names]),
                None => {
                    document::wrong_kind(node, "x-permissions", "a text or a list of texts", self.findings)
                }
            }
        }
        let Some(security) = operation.get("security").or_else(|| self.root.get("security")) else {
            return Demand::Unsaid;
        };
        let Value::List(alternatives) = &security.value else {
            document::wrong_kind(security, "security", "a list", self.findings);
            return Demand::Unsaid;
        };
        let all = alternatives.iter().map(|alternative| {
            let schemes = alternative.entries().unwrap_or_default();
            // Marks a credential without scopes apart from no credential.
            let scopes = schemes.iter().flat_map(|(_, scopes)| match &scopes.value {
                Value::List(items) if !items.is_empty() => {
                    items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
                }
                _ => vec![String::new()],
            });
            scopes.collect()
        });
        Demand::OneOf(all.collect())
    }

    /// What a `$ref` into the same document points to.
    fn resolve(&self, node: &'r Node) -> &'r Node {
        let mut at = node;
        for _ in 0..8 {
            let Some(pointer) = at.get("$ref").and_then(Node::text).and_then(|text| text.strip_prefix("#/"))
            else {
                return at;
            };
            let step = |node: &'r Node, part: &str| node.get(&part.replace("~1", "/").replace("~0", "~"));
            match pointer.split('/').try_fold(self.root, step) {
                Some(target) => at = target,
                None => return at,
            }
        }
        at
    }
}

/// The path of the first server, with the defaults of its variables.
fn base(servers: Option<&Node>) -> Option<String> {
    let Value::List(items) = &servers?.value else { return None };
    let server = items.first()?;
    let mut url = server.get("url")?.text()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Node::entries).unwrap_or_default() {
        if let Some(default) = variable.get("default").and_then(Node::text) {
            url = url.replace(&format!("{{{}}}", name.text), default);
        }
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| format!("/{path}")).unwrap_or_default(),
        None => url,
    };
    Some(path.trim_end_matches('/').to_owned())
}
