//! The code at the end of what was typed. People type it in groups, as it is shown: `123 456`, `123-456`.

use zeroize::Zeroizing;

/// Whether a character may stand in and around the digits of a code without meaning anything: blanks of every width,
/// hyphens and dashes.
fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// A text that ends in the digits of a code.
pub(super) struct CodePart<'p> {
    /// What stands before the first digit.
    before: &'p str,
    /// The digits, without what separates them.
    pub(super) code: Zeroizing<String>,
}

/// Takes the last `length` digits off a text; `None` where something else stands there.
pub(super) fn code_part(text: &str, length: usize) -> Option<CodePart<'_>> {
    let mut backwards = Zeroizing::new(String::with_capacity(length));
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        if backwards.len() == length {
            break;
        }
        match c {
            c if c.is_ascii_digit() => {
                backwards.push(c);
                start = at;
            }
            c if separates(c) => {}
            _ => return None,
        }
    }
    if length == 0 || backwards.len() != length {
        return None;
    }
    let code = Zeroizing::new(backwards.chars().rev().collect());
    Some(CodePart { before: text.get(..start)?, code })
}

impl<'p> CodePart<'p> {
    /// Tells whether anything stands before the code.
    pub(super) fn has_more(&self) -> bool {
        !self.before.is_empty()
    }

    /// Returns the PIN as it was typed, with every separator in it. Separators alone are a PIN only of a token whose PIN is
    /// as long; else the code was typed alone.
    pub(super) fn pin(&self, length: usize) -> &'p str {
        let is_blank = self.before.chars().all(separates);
        if is_blank && self.before.chars().count() != length { "" } else { self.before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, pin: usize) -> Option<(String, String)> {
        let part = code_part(text, 6)?;
        Some((part.pin(pin).to_owned(), part.code.to_string()))
    }

    #[test]
    fn separators_within_and_around_a_code_mean_nothing() {
        for text in [
            "123456",
            "123 456",
            " 123456 ",
            "123-456",
            "123\u{a0}456",
            "12 34 56\t",
            "1-2-3-4-5-6",
            "123\u{2009}456",
        ] {
            assert_eq!(read(text, 0), Some((String::new(), "123456".to_owned())), "{text:?}");
            // The PIN is asked for separately, and the code comes alone.
            assert_eq!(read(text, 4), Some((String::new(), "123456".to_owned())), "{text:?}");
        }
    }

    #[test]
    fn a_pin_is_taken_as_it_was_typed() {
        for (text, length, pin) in [
            ("abcd123456", 4, "abcd"),
            ("abcd123-456", 4, "abcd"),
            ("abcd 123456", 4, "abcd "),
            ("abcd 123456", 5, "abcd "),
            ("a b123456", 3, "a b"),
            ("a-b-123456", 4, "a-b-"),
            ("1234123 456", 4, "1234"),
            ("-123456", 1, "-"),
            ("- 123456", 1, ""),
            ("abc123456", 4, "abc"),
            ("abcde123456", 4, "abcde"),
            ("abcd x123456", 4, "abcd x"),
        ] {
            assert_eq!(read(text, length), Some((pin.to_owned(), "123456".to_owned())), "{text:?}");
        }
    }

    #[test]
    fn what_is_too_short_or_has_something_else_in_it_is_no_code() {
        for text in ["", "12345", "123_456", "12345a", "１２３４５６", "123.456"] {
            assert_eq!(read(text, 0), None, "{text:?}");
        }
        assert_eq!(read("7123456", 0), Some(("7".to_owned(), "123456".to_owned())));
    }
}
