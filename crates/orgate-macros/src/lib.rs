//! Constants for the permissions of a policy file, so that a mistyped permission does not compile.
//!
//! Used as `orgate::permissions!`, behind the feature `macros` of `orgate`. The file is read and checked by
//! `orgate-config`, as the gate reads it when it starts; what it says about issuers is checked too, but environment
//! variables are not looked at: what is built does not depend on the machine it is built on.

use std::path::Path;

use proc_macro::{Delimiter, TokenStream, TokenTree};

mod constants;

/// Makes `pub mod perm` with one constant for every permission that a policy file knows: `write` becomes
/// `perm::WRITE: &str`, `billing:read` becomes `perm::BILLING_READ`.
///
/// The path starts at the package that uses the macro. A file that is missing or wrong is a compile error with every
/// finding; a change of the file builds the package anew.
#[proc_macro]
pub fn permissions(input: TokenStream) -> TokenStream {
    let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let module = path_of(input).and_then(|path| constants::module(Path::new(&directory), &path));
    let text = module.unwrap_or_else(|message| format!("::core::compile_error!({message:?});"));
    // What is not Rust here would be our own mistake; it must not pass for a module without permissions.
    text.parse().unwrap_or_else(|_| {
        let message = "`permissions!` made something that is not Rust";
        format!("::core::compile_error!({message:?});").parse().unwrap_or_default()
    })
}

/// The one argument, a string literal.
fn path_of(input: TokenStream) -> Result<String, String> {
    let mut tokens = input.into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Literal(literal)), None) => constants::text_of(&literal.to_string()),
        // A macro around this one hands its argument on in an invisible group.
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            path_of(group.stream())
        }
        _ => Err(constants::USAGE.to_owned()),
    }
}
