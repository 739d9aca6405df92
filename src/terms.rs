//! Things that several layers speak of: questions to the user, credentials for the target, and what a terminal may show.

use std::borrow::Cow;

use secrecy::SecretString;

/// Tells whether a character steers a terminal, or turns the direction of writing, where it is shown.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Tells whether a character is not seen, or changes how those around it are seen: zero-width and other format characters
/// (Unicode's `Default_Ignorable_Code_Point` and annotations).
pub fn hides(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Writes a text as a terminal may show it: what steers or hides is escaped as in JSON (`\u001b`), so that JSON means the
/// same afterwards. Line ends and tabs stay.
pub fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n' || c == '\t')
}

/// As [`shown`], for a text that has to stay on its line.
pub fn shown_on_a_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_escaped = |c: char| (steers(c) || hides(c)) && !stays(c);
    // Most texts are printable ASCII, which has no control or invisible characters.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_escaped(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Something to ask the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Under which key the answer comes back.
    pub key: String,
    /// What the user reads.
    pub prompt: String,
    /// Whether the answer stays hidden.
    pub disable_echo: bool,
}

/// A time-based code for the target.
pub struct TotpCode {
    /// When the code begins to hold, in Unix seconds.
    pub unix_time: i64,
    /// How long it holds, in seconds.
    pub period: u32,
    /// The digits.
    pub code: SecretString,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_or_hides_is_escaped_as_json_has_it() {
        let text = "a\u{1b}[2J\u{7}\u{9b}\u{202e}\u{200b}\u{ad}\u{e0041}\r\tb\n";
        let escaped = "a\\u001b[2J\\u0007\\u009b\\u202e\\u200b\\u00ad\\udb40\\udc41\\u000d\tb\n";
        assert_eq!(shown(text), escaped);
        let json = format!("\"{}\"", shown_on_a_line(text));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn ordinary_text_of_any_script_stays_as_it_is() {
        for text in
            ["alice", "Jos\u{e9} \u{5d0}\u{5d1} \u{65e5}\u{672c}", "a\n\tb\n", "\u{2580}\u{2584}\u{2588}"]
        {
            assert!(matches!(shown(text), Cow::Borrowed(same) if same == text));
        }
    }
}
