//! How a letter is written: in the language of whoever caused it, as plain text and as a page, which say the same.
//!
//! A mail program that knows no language finds the direction of a paragraph by its first letter (Unicode, UAX #9, P2), so
//! that in the text a link or a code has a line of its own, and from right to left no paragraph begins with a name.

use minijinja::{Value, context};

use super::Letter;
use crate::{
    app::App,
    http::{brand::Colour, language::Language},
};

/// What buttons of a project without a colour look like, as on its pages.
const ACCENT: &str = "#1f5fd6";
const ACCENT_INK: &str = "#ffffff";

/// What a letter says, in the order in which it is read.
pub(crate) enum Part<'a> {
    /// A message.
    Text(Value),
    /// Digits to be typed.
    Code(&'a str),
    /// An address, and what it is for.
    Link(&'a str, &'static str),
}

/// In whose name a letter is written, and in which language.
pub(crate) struct Pen<'a> {
    pub(crate) app: &'a App,
    /// The project's name.
    pub(crate) name: &'a str,
    pub(crate) colour: Option<Colour>,
    pub(crate) language: Language,
}

impl Pen<'_> {
    pub(crate) fn write(&self, to: &str, subject: &Value, parts: &[Part<'_>]) -> Letter {
        let subject = self.say(subject);
        let links = parts.iter().filter_map(|part| match part {
            Part::Link(url, _) => Some((*url).to_owned()),
            Part::Text(_) | Part::Code(_) => None,
        });
        Letter {
            to: to.to_owned(),
            text: self.text(parts),
            html: self.html(&subject, parts),
            links: links.collect(),
            subject,
        }
    }

    fn text(&self, parts: &[Part<'_>]) -> String {
        let paragraph = |part: &Part<'_>| match part {
            Part::Text(said) => self.say(said),
            Part::Code(digits) => format!("    {}", self.digits(digits)),
            Part::Link(url, _) => (*url).to_owned(),
        };
        let all: Vec<String> = parts.iter().map(paragraph).collect();
        format!("{}\n", all.join("\n\n"))
    }

    fn html(&self, subject: &str, parts: &[Part<'_>]) -> String {
        let shown = |part: &Part<'_>| match part {
            Part::Text(said) => context! { text => self.say(said) },
            Part::Code(digits) => context! { code => spaced(digits) },
            Part::Link(url, what) => context! { to => *url, what => *what },
        };
        let ink = self.colour.map_or_else(|| ACCENT_INK.to_owned(), |colour| colour.ink().shown());
        let values = context! {
            subject => subject,
            name => one_line(self.name),
            parts => parts.iter().map(shown).collect::<Vec<_>>(),
            accent => self.colour.map_or_else(|| ACCENT.to_owned(), Colour::shown),
            ink => ink,
        };
        // The text says the same.
        self.app.pages.letter(self.language, values).unwrap_or_else(|error| {
            tracing::error!(%error, "a letter goes without its page");
            String::new()
        })
    }

    fn say(&self, said: &Value) -> String {
        self.app.pages.say(self.language, said).unwrap_or_else(|error| {
            tracing::error!(%error, "a part of a letter cannot be said");
            String::new()
        })
    }

    /// Two groups of digits are easier to type than one; between letters that run from right to left they would change
    /// places.
    pub(crate) fn digits(&self, code: &str) -> String {
        match self.language.direction() {
            "rtl" => code.to_owned(),
            _ => spaced(code),
        }
    }
}

fn spaced(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((first, second)) => format!("{first} {second}"),
        None => code.to_owned(),
    }
}

/// A name in one line.
pub(crate) fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
