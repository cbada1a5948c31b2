//! Lines of a text, and characters that are not seen in it.

/// The byte at which each line starts, as YAML counts them: behind `\n`, `\r\n` or a lone `\r`.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    let mut lines = vec![0];
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
            lines.push(at + 1);
        }
    }
    lines
}

/// Whether a character is not seen by whoever reads the file, or makes the text around it look other than it is: control
/// characters, zero-width ones, and those that change the direction of text ("Trojan Source", CVE-2021-42574).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
