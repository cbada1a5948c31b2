//! One attribute: a test that runs on SQLite and on PostgreSQL.
//!
//! An attribute and not a macro around the function, so that the function stays formatted and is found by its name.

use proc_macro::{TokenStream, TokenTree};

/// Makes two tests of an `async fn name()`: `name::sqlite` and `name::postgres`. The crate it stands in has a function
/// `crate::testing::on(Engine, future)` that runs the future with that database behind.
#[proc_macro_attribute]
pub fn both(_arguments: TokenStream, function: TokenStream) -> TokenStream {
    let mut tokens = function.clone().into_iter().skip_while(|token| !is_word(token, "fn")).skip(1);
    let Some(TokenTree::Ident(name)) = tokens.next() else {
        return problem("`#[both]` stands before an `async fn`");
    };
    if !function.clone().into_iter().any(|token| is_word(&token, "async")) {
        return problem("`#[both]` stands before an `async fn`");
    }
    let tests = format!(
        "mod {name} {{
            #[test]
            fn sqlite() {{ crate::testing::on(crate::testing::Engine::Sqlite, super::{name}()) }}
            #[test]
            fn postgres() {{ crate::testing::on(crate::testing::Engine::Postgres, super::{name}()) }}
        }}"
    );
    let Ok(tests) = tests.parse::<TokenStream>() else {
        return problem("`#[both]` cannot name this function");
    };
    function.into_iter().chain(tests).collect()
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn problem(text: &str) -> TokenStream {
    format!("compile_error!({text:?});").parse().unwrap_or_default()
}
