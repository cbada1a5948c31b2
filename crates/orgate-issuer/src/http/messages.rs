//! The words of the pages, in each language.
//!
//! A message is known by its English text. A template says `t("…")`; what a handler says goes through the filter `t`. Both
//! find the text in the catalogue of the language, and put what belongs into its `{holes}`.

use std::{collections::HashMap, sync::Arc};

use minijinja::{Environment, Error, ErrorKind, HtmlEscape, Value, context, value::Kwargs};

use super::{language::Language, problem::Code};

const ARABIC: &str = include_str!("../../messages/ar.json");

/// A message with holes, and what is put in them: texts as they are, or other messages.
pub(crate) fn said(text: &str, with: Value) -> Value {
    context! { text => text, with => with }
}

/// What stands in a hole and is a message itself.
pub(crate) fn part(text: &str) -> Value {
    said(text, context! {})
}

/// The words of somebody else, which nobody translates.
pub(crate) fn verbatim(text: &str) -> Value {
    context! { verbatim => text }
}

/// A role: those that are built in have names in every language.
pub(crate) fn role(name: &str) -> Value {
    context! { role => name }
}

/// What a refusal says to a person.
pub(crate) fn refused(code: Code) -> Value {
    said("{what}.", context! { what => part(code.title()) })
}

/// What is said, in one language.
#[cfg(test)]
pub(crate) fn spoken(language: Language, said: &Value) -> Result<String, Error> {
    Messages::of(language)?.say(said)
}

/// Whether there is such a message.
#[cfg(test)]
pub(crate) fn is_known(text: &str) -> bool {
    Messages::of(Language::Arabic).is_ok_and(|messages| messages.known.contains_key(text))
}

/// The messages of one language.
#[derive(Clone)]
pub(super) struct Messages {
    language: Language,
    /// From English; what is not in here is no message.
    known: Arc<HashMap<String, String>>,
}

impl Messages {
    pub(super) fn of(language: Language) -> Result<Self, Error> {
        let known = serde_json::from_str(ARABIC)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        Ok(Self { language, known: Arc::new(known) })
    }

    /// Makes them known to the templates.
    pub(super) fn add_to(self, environment: &mut Environment<'_>) {
        let (text, value) = (self.clone(), self.clone());
        environment.add_function("t", move |key: &str, holes: Kwargs| text.template(key, &holes));
        environment.add_filter("t", move |said: Value| value.say(&said));
        environment.add_filter("known", move |name: &str| self.role(name));
    }

    /// A text of a template, which may have markup; what is put in it has none.
    fn template(&self, key: &str, holes: &Kwargs) -> Result<Value, Error> {
        let mut text = self.find(key)?.to_owned();
        for name in holes.args() {
            let hole: Value = holes.get(name)?;
            let escaped = HtmlEscape(&hole.to_string()).to_string();
            // An address in an attribute stays as it is.
            let text_of = text.replace(&format!("\"{{{name}}}\""), &format!("\"{escaped}\""));
            text = text_of.replace(&format!("{{{name}}}"), &self.isolated(&escaped));
        }
        Ok(Value::from_safe_string(text))
    }

    /// What a handler says, without markup.
    pub(super) fn say(&self, said: &Value) -> Result<String, Error> {
        if let Some(text) = said.as_str() {
            return self.find(text).map(str::to_owned);
        }
        if let Some(name) = said.get_attr("role")?.as_str() {
            return Ok(self.role(name));
        }
        if let Some(text) = said.get_attr("verbatim")?.as_str() {
            return Ok(text.to_owned());
        }
        let text = said.get_attr("text")?;
        let mut whole = self.find(text.as_str().unwrap_or_default())?.to_owned();
        let holes = said.get_attr("with")?;
        for name in holes.try_iter()? {
            let hole = holes.get_item(&name)?;
            let shown = match hole.as_str() {
                Some(text) => self.isolated(text),
                None => self.say(&hole)?,
            };
            whole = whole.replace(&format!("{{{name}}}"), &shown);
        }
        Ok(whole)
    }

    /// The name of a role that is built in; others have the names that people gave them.
    fn role(&self, name: &str) -> String {
        let known = self.known.get(&format!("role {name}"));
        known.filter(|_| self.language != Language::English).map_or_else(|| name.to_owned(), Clone::clone)
    }

    fn find<'a>(&'a self, text: &'a str) -> Result<&'a str, Error> {
        match (self.known.get(text), self.language) {
            (Some(_), Language::English) => Ok(text),
            (Some(other), _) => Ok(other),
            // No person has to go without a page for a word; no test lets one through.
            (None, _) if cfg!(test) => {
                Err(Error::new(ErrorKind::UnknownFunction, format!("`{text}` is no message")))
            }
            (None, _) => Ok(text),
        }
    }

    /// A name keeps its own direction inside a line of the other one (Unicode, UAX #9).
    fn isolated(&self, text: &str) -> String {
        match self.language.direction() {
            "rtl" => format!("\u{2068}{text}\u{2069}"),
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_in_and_never_become_markup() {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
        Messages::of(Language::English).unwrap().add_to(&mut environment);
        let text = "{{ t('Signed in as {email}', email=email) }} {{ message|t }}";
        let message = said("The name {what}.", context! { what => "<i>{email}</i>" });
        let html = environment.render_str(text, context! { email => "<b>&", message => message }).unwrap();
        assert!(html.starts_with("Signed in as &lt;b&gt;&amp; The name &lt;i&gt;{email}"), "{html}");
        assert!(environment.render_str("{{ t('No such words') }}", ()).is_err());
    }

    /// `text` but for what stands between these.
    fn without(text: &str, open: char, close: char) -> String {
        let mut parts = text.split(open);
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |rest, part| rest + part.split_once(close).unwrap().1)
    }

    #[test]
    fn every_message_has_the_same_holes_and_the_same_markup_in_each_language() {
        let marks = |text: &str| {
            let mut found: Vec<String> = Vec::new();
            for (open, close) in [('{', '}'), ('<', '>')] {
                let parts = text.split(open).skip(1).map(|rest| rest.split(close).next().unwrap().to_owned());
                found.extend(parts);
            }
            found.sort();
            found
        };
        for (english, other) in Messages::of(Language::Arabic).unwrap().known.iter() {
            assert!(!other.trim().is_empty(), "{english}");
            assert_eq!(marks(english), marks(other), "{english}");
            let words = without(&without(other, '<', '>'), '{', '}');
            let words =
                ["orgate", "https", "http", "JSON"].iter().fold(words, |words, name| words.replace(name, ""));
            assert!(!words.contains(|c: char| c.is_ascii_alphabetic()), "{english}: {other}");
        }
    }
}
