//! How a file is written, and how that is guessed from its beginning.

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// XML as RFC 6030 has it.
    Pskc,
    /// Columns, with or without a line that names them.
    Csv,
    /// One key URI a line, or one of Google Authenticator's migration URIs.
    Otpauth,
    /// One JSON object a line, as `token export` writes them.
    Json,
    /// A vault of Aegis, in plain JSON.
    Aegis,
}

impl Format {
    /// The words for all of them.
    pub const WORDS: [&str; 5] = ["pskc", "csv", "otpauth", "json", "aegis"];

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "pskc" => Some(Self::Pskc),
            "csv" => Some(Self::Csv),
            "otpauth" => Some(Self::Otpauth),
            "json" => Some(Self::Json),
            "aegis" => Some(Self::Aegis),
            _ => None,
        }
    }

    /// Guesses the format from the first line that is neither empty nor a comment.
    pub fn guess(text: &str) -> Self {
        let lines = text.lines().map(str::trim_start);
        let first = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('#'));
        let first = first.unwrap_or_default();
        let begins =
            |word: &str| first.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if begins("<") {
            Self::Pskc
        } else if begins("{") {
            // A line of an export is one object with a serial; a vault is one object as a whole, over one line or many.
            let is_line = first.trim_end().ends_with('}') && first.contains("\"serial\"");
            if is_line { Self::Json } else { Self::Aegis }
        } else if begins("[") {
            Self::Aegis
        } else if begins("otpauth") {
            Self::Otpauth
        } else {
            Self::Csv
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_guessed_from_the_first_line_that_says_something() {
        for (text, format) in [
            ("", Format::Csv),
            ("serial,secret\n", Format::Csv),
            ("# version: 2\nalice,,r,S1,31,hotp\n", Format::Csv),
            ("#\n\n  otpauth://totp/a?secret=A\n", Format::Otpauth),
            ("OTPAUTH-MIGRATION://offline?data=", Format::Otpauth),
            ("\n<?xml version='1.0'?>", Format::Pskc),
            ("{\"serial\":\"db\"}", Format::Json),
            ("{\n  \"version\": 1,\n \"header\": {}, \"db\": {}}", Format::Aegis),
            ("{\"version\": 1, \"db\": \"AAAA\", \"header\": {}}", Format::Aegis),
            ("[{\"secret\":\"A\"}]", Format::Aegis),
        ] {
            assert_eq!(Format::guess(text), format, "{text}");
        }
    }

    #[test]
    fn every_format_has_its_word() {
        for word in Format::WORDS {
            assert!(Format::from_word(word).is_some(), "{word}");
        }
        assert_eq!(Format::from_word("xml"), None);
    }
}
