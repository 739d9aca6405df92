//! Lists: the one place where the text of an option becomes entries.
//!
//! Commas and line ends separate entries. Blanks around an entry, empty lines and a comma at the end of a line mean nothing.
//! An entry that shows that another separator, a quote or a comment was meant is an error, because it would fit nothing:
//! a whitelist of everybody but `root oncall` lets root in.

/// Says what the entries of a list are, and with it which characters an entry may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entries {
    /// Words, addresses and shell patterns: no blank.
    #[default]
    Words,
    /// Names of users, which are compared exactly: no blank, and no character of a pattern.
    Users,
    /// Names that have blanks in them, such as groups of a directory.
    Phrases,
    /// As [`Entries::Words`], and blanks separate entries too. The tables of One Identity's FQDN plugin are written so.
    Spaced,
}

/// The longest piece of an entry that an error shows, in characters.
const MAX_SHOWN: usize = 64;
/// Marks that people use for commas where other scripts are written.
const OTHER_COMMAS: [char; 7] = ['，', '、', '،', '؛', '；', '﹐', '､'];
/// Quotes that people put around a name. Some names contain an apostrophe, so it counts only at their ends.
const QUOTES: [char; 12] = ['"', '`', '´', '“', '”', '„', '‘', '‚', '«', '»', '‹', '›'];

/// Says which entry is unusable, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct BadEntry {
    /// The entry, or the beginning of a long one.
    pub entry: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Splits the text of an option into its entries. Empty ones are left out.
///
/// # Errors
/// [`BadEntry`] for the first entry that has a character that shows that something else was meant.
pub fn entries(text: &str, kind: Entries) -> Result<Vec<&str>, BadEntry> {
    let mut found = Vec::new();
    for entry in lines(text).flat_map(|line| line.split(',')).map(trim).filter(|entry| !entry.is_empty()) {
        let pieces: Vec<_> = match kind {
            Entries::Spaced => entry.split_whitespace().collect(),
            Entries::Words | Entries::Users | Entries::Phrases => vec![entry],
        };
        for entry in pieces {
            if let Some(why) = fault(entry, kind) {
                return Err(BadEntry { entry: shown(entry), why });
            }
            found.push(entry);
        }
    }
    Ok(found)
}

/// Tells whether an entry is empty, other than behind the comma at the end of a line that another one follows.
pub fn has_gap(text: &str) -> bool {
    let mut lines = lines(text).peekable();
    let mut found = false;
    while let Some(line) = lines.next() {
        let goes_on = line.strip_suffix(',').filter(|_| lines.peek().is_some());
        found |= goes_on.unwrap_or(line).split(',').any(|entry| trim(entry).is_empty());
    }
    found
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r']).map(trim).filter(|line| !line.is_empty())
}

/// Checks a line of a file that has one name a line, which may have blanks and commas in it.
///
/// # Errors
/// [`BadEntry`] where it shows that the line was meant as a list, or with quotes or a comment behind the name.
pub fn check_line(line: &str) -> Result<(), BadEntry> {
    let is_list = line.split(',').skip(1).any(|rest| !rest.starts_with(' '));
    let why = fault(line, Entries::Phrases)
        .or_else(|| is_list.then_some("contains a comma; write one name per line"))
        .or_else(|| line.contains('\t').then_some("contains a tab; write one name per line"));
    why.map_or(Ok(()), |why| Err(BadEntry { entry: shown(line), why }))
}

/// Returns what is wrong with an entry, if anything.
fn fault(entry: &str, kind: Entries) -> Option<&'static str> {
    let has = |test: fn(char) -> bool| entry.chars().any(test);
    let is_comment = entry.starts_with(['#', ';']) || entry.contains(" #");
    if is_comment || (kind != Entries::Phrases && entry.contains('#')) {
        return Some("contains a '#'; put comments on lines of their own");
    }
    if has(|c| c == ';' || c == '|' || OTHER_COMMAS.contains(&c)) {
        return Some("contains a separator other than a comma or a line end");
    }
    if has(|c| QUOTES.contains(&c)) || entry.starts_with('\'') || entry.ends_with('\'') {
        return Some("contains a quote; write entries without quotes");
    }
    if has(is_invisible) {
        return Some("contains a character that is not printable");
    }
    match kind {
        Entries::Phrases => None,
        Entries::Words | Entries::Spaced if has(is_blank) => Some("contains a blank"),
        Entries::Users if has(is_blank) => {
            Some("contains a blank; put such a name into the except_file of a user list")
        }
        Entries::Users if has(|c| "*?[]<>=:".contains(c)) => Some(
            "contains a character that is not allowed in a user name; names are compared exactly, patterns are not supported",
        ),
        Entries::Words | Entries::Spaced | Entries::Users => None,
    }
}

/// Takes blanks off both ends, as Python's `strip` does.
fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Python counts the separators of ASCII as blanks, Rust does not.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn is_invisible(c: char) -> bool {
    let is_zero_width = matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    is_zero_width || (c.is_control() && !is_blank(c))
}

/// Makes of an entry what an error may show: one line, not all of a long one, and no password of an address.
fn shown(entry: &str) -> String {
    let (scheme, rest) = entry.split_once("://").unwrap_or(("", entry));
    if let Some((_, host)) = rest.rsplit_once('@').filter(|_| !scheme.is_empty()) {
        return shown(&format!("{scheme}://***{host}"));
    }
    let visible = |c: char| if c == ' ' || !(is_blank(c) || is_invisible(c)) { c } else { '\u{fffd}' };
    let mut text: String = entry.chars().take(MAX_SHOWN).map(visible).collect();
    if entry.chars().nth(MAX_SHOWN).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_line_ends_separate_entries() {
        for text in
            ["root,oncall", "root, oncall", "root\n  oncall", "\nroot,\r\n\toncall,\n\n", " root ,oncall,"]
        {
            for kind in [Entries::Words, Entries::Users, Entries::Phrases, Entries::Spaced] {
                assert_eq!(entries(text, kind), Ok(vec!["root", "oncall"]), "{text:?}");
            }
        }
        assert_eq!(entries("", Entries::Users), Ok(vec![]));
        assert_eq!(entries("Domain Admins, o'brien\nC# people", Entries::Phrases).unwrap().len(), 3);
        assert_eq!(entries("o'brien,DOMAIN\\al,a@b.example,host/db", Entries::Users).unwrap().len(), 4);
        assert_eq!(entries("web*,\n db?.x  db9", Entries::Spaced), Ok(vec!["web*", "db?.x", "db9"]));
    }

    #[test]
    fn an_entry_that_shows_that_something_else_was_meant_is_an_error() {
        for text in [
            "root oncall",
            "root\u{a0}oncall",
            "root\toncall",
            "root;oncall",
            "root|oncall",
            "root，oncall",
            "\"root\",oncall",
            "oncall,'root'",
            "‘root’",
            "root # the boss",
            "root#boss",
            "# root",
            "ro\u{200b}ot",
            "ro\0ot",
        ] {
            for kind in [Entries::Words, Entries::Users] {
                assert!(entries(text, kind).is_err(), "{text:?}");
            }
        }
        for text in ["dba;ops", "\"dba\",ops", "'dba'", "dba # them", "#dba", "dba|ops"] {
            assert!(entries(text, Entries::Phrases).is_err(), "{text:?}");
        }
        for text in ["web*;db", "\"web*\"", "web # x"] {
            assert!(entries(text, Entries::Spaced).is_err(), "{text:?}");
        }
        for text in ["adm_*", "a?", "root:oncall", "[a-z]"] {
            assert!(entries(text, Entries::Users).is_err(), "{text:?}");
            assert!(entries(text, Entries::Words).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn an_entry_that_is_empty_is_left_out_and_can_be_told() {
        for text in ["root,,oncall", ",root,oncall", "root\n,oncall", "root, ,oncall", "root,oncall,"] {
            assert_eq!(entries(text, Entries::Words), Ok(vec!["root", "oncall"]), "{text:?}");
            assert!(has_gap(text), "{text:?}");
        }
        for text in ["", "root", "root,\noncall", "\n root\n\n"] {
            assert!(!has_gap(text), "{text:?}");
        }
        assert!(has_gap(","));
    }

    #[test]
    fn a_line_of_a_file_is_one_name_and_no_list() {
        for line in ["root", "DOE, Jane", "a#b", "o'brien"] {
            assert_eq!(check_line(line), Ok(()), "{line}");
        }
        for line in ["root,oncall", "root,", "root;oncall", "\"root\"", "root # at night", "root\toncall"] {
            assert!(check_line(line).is_err(), "{line}");
        }
    }

    #[test]
    fn an_error_shows_the_entry_on_one_line_and_not_all_of_a_long_one() {
        let bad = |text: &str| entries(text, Entries::Words).unwrap_err().entry;
        assert_eq!(bad("ok,root oncall"), "root oncall");
        assert_eq!(bad("root\toncall"), "root\u{fffd}oncall");
        assert_eq!(bad("https://u:s3cret@host x"), "https://***host x");
        assert_eq!(bad(&format!("a {}", "b".repeat(500))).chars().count(), MAX_SHOWN + 1);
    }
}
