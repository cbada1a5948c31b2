//! The section `resource:`: what the application is to OAuth clients (RFC 9728).

use super::{
    address::{self, AddressError},
    environment,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{Field, MapReader, Node, Spanned},
};

/// The application as a resource of OAuth clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceSpec {
    /// Its identifier, an https URL without query and fragment.
    pub url: String,
    /// Its name, for people.
    pub name: Option<String>,
    /// Where developers read about it.
    pub documentation: Option<String>,
    /// The scopes that clients may ask for.
    pub scopes: Vec<String>,
}

pub(super) fn read(
    node: Option<&Node>,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<ResourceSpec> {
    let mut map = MapReader::new(node?, "resource", diagnostics)?;
    let url = map.required("url").node();
    let name = map.optional("name").text();
    let documentation = map.optional("documentation").node();
    let scopes = map.optional("scopes").list();
    map.finish();
    let url = url.and_then(|node| self::url(node, "resource.url", true, env, diagnostics));
    let documentation =
        documentation.and_then(|node| self::url(node, "resource.documentation", false, env, diagnostics));
    let mut read = ResourceSpec { documentation, ..ResourceSpec::default() };
    read.name = name.map(|name| name.value.to_owned());
    for Spanned { value, span } in scopes.unwrap_or_default() {
        // RFC 6749 §3.3.
        let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        if value.is_empty() || !value.bytes().all(fits) {
            let finding = format!("`resource.scopes`: `{value}` is no scope");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, finding).at(span));
        } else {
            read.scopes.push(value.to_owned());
        }
    }
    Some(ResourceSpec { url: url?, ..read })
}

fn url(
    node: &Node,
    path: &str,
    is_identifier: bool,
    env: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let text = Field::of(node, path, diagnostics).text()?;
    let Spanned { value, span } = environment::expand(node, text.value, env, diagnostics)?;
    let finding = match address::check(&value) {
        Ok(()) if is_identifier && value.contains('?') => {
            let message = format!("`{path}`: `{value}` has a query, and a resource is named without one");
            Diagnostic::error(codes::BAD_VALUE, message)
        }
        Ok(()) => return Some(value),
        Err(AddressError::Insecure) => {
            let finding =
                Diagnostic::error(codes::INSECURE_URL, format!("`{value}` is not protected by https"));
            finding.help("only loopback addresses may use http")
        }
        Err(AddressError::NotAnAddress) => {
            Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: `{value}` is no https URL"))
        }
    };
    diagnostics.push(finding.at(span));
    None
}
