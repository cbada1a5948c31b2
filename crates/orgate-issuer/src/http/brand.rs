//! How a project looks on its pages: its name, its logo and its colour.
//!
//! Of the colour one thing is taken as it is: the ground of buttons. What is written on it, and the links and marks beside
//! it, are computed so that they can be read (WCAG 2.2: 4.5:1 for text, 3:1 for the edges of controls) in both schemes.

/// A colour by its parts in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour([u8; 3]);

const WHITE: Colour = Colour([255; 3]);
const BLACK: Colour = Colour([0; 3]);
/// What text lies on, as `style.css` has it: pages and cards.
const LIGHT: [Colour; 2] = [Colour([0xf5, 0xf6, 0xf8]), WHITE];
const DARK: [Colour; 2] = [Colour([0x0d, 0x10, 0x15]), Colour([0x16, 0x1a, 0x21])];
/// The contrast of text; a little more than 4.5, so that no rounding matters, and marks of a tint behind it neither.
const TEXT: f64 = 5.2;
/// The contrast of the edge of a control.
const EDGE: f64 = 3.0;
const STEPS: u32 = 32;

impl Colour {
    /// Reads `#rrggbb`; nothing else is one, so that nothing else comes into a style sheet.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        Some(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// As it is stored and written into the style.
    pub(crate) fn shown(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// How bright it is (WCAG 2.2, relative luminance).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// From 1 to 21 (WCAG 2.2, contrast ratio).
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever can be read better on it: one of them is always above 4.5.
    pub(crate) fn ink(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }

    /// The nearest colour on the way to `end` that stands out enough from all `grounds`.
    fn readable(self, end: Self, grounds: &[Self]) -> Self {
        let mixed = |step: u32| {
            let mut parts = self.0;
            for (part, end) in parts.iter_mut().zip(end.0) {
                let whole = (u32::from(*part) * (STEPS - step) + u32::from(end) * step) / STEPS;
                *part = u8::try_from(whole).unwrap_or(end);
            }
            Self(parts)
        };
        let fits = |one: &Self| grounds.iter().all(|ground| one.contrast(*ground) >= TEXT);
        (0..=STEPS).map(mixed).find(fits).unwrap_or(end)
    }

    /// The part of the style that is the project's own.
    fn style(self) -> String {
        let scheme = |end: Self, grounds: &[Self]| {
            let link = self.readable(end, grounds);
            let clear = grounds.iter().all(|ground| self.contrast(*ground) >= EDGE);
            let edge = if clear { self } else { link };
            format!("--link:{};--accent-edge:{}", link.shown(), edge.shown())
        };
        format!(
            ":root{{--accent:{};--accent-ink:{};{}}}@media (prefers-color-scheme:dark){{:root{{{}}}}}",
            self.shown(),
            self.ink().shown(),
            scheme(BLACK, &LIGHT),
            scheme(WHITE, &DARK)
        )
    }
}

/// What a page shows of the project that it is of.
#[derive(Clone, Debug)]
pub(crate) struct Brand {
    /// The project's name.
    pub(crate) name: String,
    pub(crate) colour: Option<Colour>,
    /// Where the logo is: a path of this host.
    pub(crate) logo: Option<String>,
}

impl Default for Brand {
    /// That of a page of no project.
    fn default() -> Self {
        Self { name: "orgate".to_owned(), colour: None, logo: None }
    }
}

impl Brand {
    pub(super) fn style(&self) -> String {
        self.colour.map(Colour::style).unwrap_or_default()
    }

    /// The letter that stands for a project without a logo.
    pub(super) fn sign(&self) -> String {
        let first = self.name.chars().find(|letter| letter.is_alphanumeric());
        first.map(|letter| letter.to_uppercase().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_digits_and_nothing_else() {
        assert_eq!(Colour::parse("#1F5fd6").unwrap().shown(), "#1f5fd6");
        for bad in
            ["", "#fff", "1f5fd6", "#1f5fd6;", "#1f5fd6}", "red", "#+12345", "#ééé", "#12345é", "url(x)"]
        {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
        assert!((WHITE.contrast(BLACK) - 21.0).abs() < 0.001);
        let grey = Colour::parse("#767676").unwrap();
        assert!((grey.contrast(WHITE) - 4.54).abs() < 0.01, "the grey that everybody knows");
    }

    #[test]
    fn whatever_the_colour_is_text_can_be_read() {
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(15) {
                    let colour = Colour([red, green, blue]);
                    assert!(colour.contrast(colour.ink()) >= 4.5, "{colour:?}");
                    for (end, grounds) in [(BLACK, LIGHT), (WHITE, DARK)] {
                        let link = colour.readable(end, &grounds);
                        assert!(grounds.iter().all(|ground| link.contrast(*ground) >= 4.5), "{colour:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_grounds_are_those_of_the_style_sheet() {
        let style = include_str!("../../templates/style.css");
        let (light, dark) = style.split_once("@media").unwrap();
        for (text, grounds) in [(light, LIGHT), (dark, DARK)] {
            let [ground, card] = grounds.map(Colour::shown);
            assert!(text.contains(&format!("--ground: {ground}; --card: {card};")), "{ground} {card}");
        }
    }
}
