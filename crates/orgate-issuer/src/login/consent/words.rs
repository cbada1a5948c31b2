//! What an application may do, in the words of people.

use minijinja::{Value, context};

use crate::{
    consents,
    http::messages::{part, verbatim},
    login::scope,
};

/// One line for each scope. Where something was allowed before, what is not in it is new.
pub(crate) fn of(scope: &str, before: Option<&str>) -> Vec<Value> {
    let words = scope.split(' ').filter(|word| !word.is_empty());
    let line = |word: &str| {
        let known = known(word);
        context! {
            scope => word,
            name => known.map_or_else(|| verbatim(word), |(name, _)| part(name)),
            detail => known.map(|(_, detail)| part(detail)),
            new => before.is_some() && !consents::covers(before, word),
        }
    };
    words.map(line).collect()
}

fn known(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "openid" => ("Know that it is you", "By an id that stands for you, and how and when you signed in"),
        "profile" => ("See your name", "As it stands in your account"),
        "email" => ("See your email address", "And whether you have confirmed it"),
        scope::OFFLINE => {
            ("Go on while you are away", "Also when you are signed out, until you take the access back")
        }
        scope::ACCOUNT => (
            "Use your account here as you do",
            "Your organizations, members and invitations, as far as your role reaches",
        ),
        _ => return None,
    })
}
