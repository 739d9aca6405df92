//! Lists: the one place where the text of an option becomes entries.
//!
//! Commas and line ends separate entries. Blanks around an entry, empty lines and a comma at the end of a line mean nothing.
//! An entry that shows that another separator, a quote or a comment was meant is an error, because it would fit nothing:
//! a whitelist of everybody but `root oncall` lets root in.

/// Says what the entries of a list are, and with it which characters an entry may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entries {
    /// Keywords, domains and identifiers: letters, digits, `.`, `_` and `-`.
    #[default]
    Words,
    /// Entries that another parser checks strictly, such as hosts and networks: no blanks.
    Parsed,
    /// User names, which are compared exactly: no blanks, and no character that separates names elsewhere.
    Users,
    /// Shell patterns of users, accounts and connection policies: no blanks, no separators.
    Patterns,
    /// Shell patterns of groups: blanks are allowed, separators are not.
    GroupPatterns,
    /// Names that may contain blanks and are checked elsewhere, such as groups that are looked up in a directory.
    Phrases,
    /// Like [`Entries::Parsed`], but blanks separate entries too, as in the tables of One Identity's FQDN plugin.
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
            Entries::Words
            | Entries::Parsed
            | Entries::Users
            | Entries::Patterns
            | Entries::GroupPatterns
            | Entries::Phrases => vec![entry],
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

/// A line of a file that is not exactly one name.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub bad: BadEntry,
}

/// Reads a file with user names, one per line. Lines end with LF or CR LF; empty lines and lines that begin with `#` are
/// ignored. Unlike in a list, a name may contain blanks.
///
/// # Errors
/// [`BadLine`] for the first line that is not exactly one name, or that looks like another file format.
pub fn names_of_file(text: &str) -> Result<Vec<&str>, BadLine> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut names = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let name = line.trim_matches([' ', '\t']);
        // Checked before comments: after an unusual line end, a comment would hide the names that follow.
        let why = match () {
            () if name.chars().any(is_other_line_end) => Some("contains a line end other than LF"),
            () if name.is_empty() || name.starts_with('#') => continue,
            () => file_fault(name),
        };
        match why {
            Some(why) => return Err(BadLine { line: number, bad: BadEntry { entry: shown(name), why } }),
            None => names.push(name),
        }
    }
    Ok(names)
}

fn file_fault(name: &str) -> Option<&'static str> {
    let is_word = |word: &str| ["and", "or"].iter().any(|known| word.eq_ignore_ascii_case(known));
    let is_strange = |c: char| !is_of_user(c) && !matches!(c, ' ' | '#');
    fault(name, Entries::Phrases)
        .or_else(|| name.contains('\t').then_some("contains a tab; write one name per line"))
        .or_else(|| name.contains(',').then_some("contains a comma; write one name per line"))
        .or_else(|| {
            name.split(' ')
                .any(is_word)
                .then_some("contains a word that joins names; write one name per line")
        })
        .or_else(|| has_strange(name, is_strange).then_some(STRANGE_USER))
        .or_else(|| domain_fault(name))
}

const STRANGE_USER: &str = "contains a character that is not allowed in a user name; names are compared exactly, patterns are not supported";
const STRANGE_PATTERN: &str =
    "contains a character that may separate entries elsewhere; write ? for it where it is part of a name";
const LONELY_BACKSLASH: &str = "contains a backslash that is not between one domain and one name";

/// Returns what is wrong with an entry, if anything.
fn fault(entry: &str, kind: Entries) -> Option<&'static str> {
    let has = |test: fn(char) -> bool| entry.chars().any(test);
    let may_have_blanks = matches!(kind, Entries::Phrases | Entries::GroupPatterns);
    let is_comment = entry.starts_with(['#', ';']) || entry.contains(" #");
    if is_comment || (!may_have_blanks && entry.contains('#')) {
        return Some("contains a '#'; put comments on lines of their own");
    }
    if has(|c| c == ';' || c == '|' || OTHER_COMMAS.contains(&c)) {
        return Some("contains a separator other than a comma or a line end");
    }
    if has(|c| QUOTES.contains(&c)) || entry.starts_with('\'') || entry.ends_with('\'') {
        return Some("contains a quote; write entries without quotes");
    }
    if has(is_other_line_end) {
        return Some("contains a line end other than LF");
    }
    if has(is_invisible) {
        return Some("contains a character that is not printable");
    }
    let is_blank = has(is_blank);
    match kind {
        Entries::Users if is_blank => {
            Some("contains a blank; put such a name into the except_file of a user list")
        }
        Entries::Words | Entries::Parsed | Entries::Spaced | Entries::Patterns if is_blank => {
            Some("contains a blank")
        }
        Entries::Words if has(|c| c.is_ascii_punctuation() && !"._-".contains(c)) => {
            Some("contains a character that such an entry does not have")
        }
        Entries::Users if has_strange(entry, |c| !is_of_user(c)) => Some(STRANGE_USER),
        Entries::Users => domain_fault(entry),
        Entries::Patterns if has_strange(&without_glob(entry), |c| !is_of_name(c)) => Some(STRANGE_PATTERN),
        Entries::GroupPatterns if is_odd_group(&without_glob(entry)) => Some(STRANGE_PATTERN),
        Entries::Patterns | Entries::GroupPatterns => domain_fault(entry),
        Entries::Words | Entries::Parsed | Entries::Spaced | Entries::Phrases => None,
    }
}

/// Tells whether a name contains a character that is not allowed. The `+` in a mail address is not a separator.
fn has_strange(name: &str, is_strange: impl Fn(char) -> bool) -> bool {
    match name.split_once('+').filter(|(local, rest)| !local.is_empty() && rest.contains('@')) {
        Some((local, rest)) => local.chars().chain(rest.chars()).any(is_strange),
        None => name.chars().any(is_strange),
    }
}

fn is_odd_group(name: &str) -> bool {
    // "C++ people" and "R&D" are names; "dba+ops" may be two.
    let mut parts = name.split('+').map(str::trim).peekable();
    let mut joins = false;
    while let Some(part) = parts.next() {
        joins |=
            !part.is_empty() && parts.peek().is_some_and(|next| !next.is_empty()) && !part.ends_with('+');
    }
    joins || name.chars().any(|c| !is_of_name(c) && !matches!(c, ' ' | '&' | '#' | '+'))
}

/// Returns an error unless a backslash is between exactly one domain and one name.
fn domain_fault(name: &str) -> Option<&'static str> {
    let is_one =
        |(domain, name): (&str, &str)| !domain.is_empty() && !name.is_empty() && !name.contains('\\');
    let is_clear = name.split_once('\\').is_none_or(is_one);
    (!is_clear).then_some(LONELY_BACKSLASH)
}

/// Removes the special characters of a shell pattern.
fn without_glob(pattern: &str) -> String {
    pattern.replace("[!", "").replace(['*', '?', '[', ']'], "")
}

fn is_of_user(c: char) -> bool {
    is_of_name(c) && !matches!(c, '(' | ')')
}

/// Tells whether a character may be part of a name, because no system uses it as a separator.
fn is_of_name(c: char) -> bool {
    let is_other_punctuation = matches!(
        c,
        '\u{a1}'..='\u{bf}' | '\u{d7}' | '\u{f7}' | '\u{2010}'..='\u{2bff}' | '\u{3000}'..='\u{303f}' | '\u{30a0}' | '\u{30fb}'
            | '\u{fe10}'..='\u{fe6f}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}'
            | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}'
    );
    c.is_alphanumeric() || "._-$'@\\()".contains(c) || (!c.is_ascii() && !is_other_punctuation)
}

/// Takes blanks off both ends, as Python's `strip` does.
fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Python counts the separators of ASCII as blanks, Rust does not.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Tells whether a character is a line end other than LF: those of old systems, Unicode and terminals, which editors show as
/// line ends. In lists, CR separates entries too.
fn is_other_line_end(c: char) -> bool {
    matches!(c, '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
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

    const ALL: [Entries; 7] = [
        Entries::Words,
        Entries::Parsed,
        Entries::Users,
        Entries::Patterns,
        Entries::GroupPatterns,
        Entries::Phrases,
        Entries::Spaced,
    ];

    #[test]
    fn commas_and_line_ends_separate_entries() {
        for text in
            ["root,oncall", "root, oncall", "root\n  oncall", "\nroot,\r\n\toncall,\n\n", " root ,oncall,"]
        {
            for kind in ALL {
                assert_eq!(entries(text, kind), Ok(vec!["root", "oncall"]), "{text:?}");
            }
        }
        assert_eq!(entries("", Entries::Users), Ok(vec![]));
        assert_eq!(entries("Domain Admins, o'brien\nC# people", Entries::Phrases).unwrap().len(), 3);
        assert_eq!(
            entries("o'brien,DOMAIN\\al,a@b.example,svc$,a+b@c.example", Entries::Users).unwrap().len(),
            5
        );
        assert_eq!(
            entries("R&D,C++ people,CORP\\Domain Users,d[!x]?*", Entries::GroupPatterns).unwrap().len(),
            4
        );
        assert_eq!(entries("adm_*,CORP\\a*,*@x.example,[!a]?,jöhn", Entries::Patterns).unwrap().len(), 5);
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
            for kind in [Entries::Words, Entries::Users, Entries::Parsed, Entries::Patterns] {
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
            assert!(entries(text, Entries::Parsed).is_ok(), "{text:?}");
        }
        for separator in [
            "/", "+", "&", ":", "=", "!", "~", "|", "%", "\u{ff0f}", "\u{ff0b}", "\u{30fb}", "\u{2022}",
            "\u{b7}",
        ] {
            let text = format!("root{separator}oncall");
            for kind in [Entries::Words, Entries::Users, Entries::Patterns] {
                let is_punctuation = separator.is_ascii() || kind != Entries::Words;
                assert!(!is_punctuation || entries(&text, kind).is_err(), "{kind:?} {text:?}");
            }
            let is_group = separator == "&";
            assert_eq!(entries(&text, Entries::GroupPatterns).is_ok(), is_group, "{text:?}");
            assert!(names_of_file(&text).is_err(), "{text:?}");
        }
        for text in ["root\\", "\\oncall", "A\\B\\c", "root\\\\oncall"] {
            for kind in [Entries::Words, Entries::Users, Entries::Patterns, Entries::GroupPatterns] {
                assert!(entries(text, kind).is_err(), "{kind:?} {text:?}");
            }
        }
        for end in ['\u{b}', '\u{c}', '\u{1c}', '\u{85}', '\u{2028}', '\u{2029}'] {
            for kind in ALL.into_iter().filter(|kind| *kind != Entries::Spaced) {
                assert!(entries(&format!("root{end}oncall"), kind).is_err(), "{kind:?} {end:?}");
            }
        }
        for text in ["dba + ops", "dba / ops", "dba/ops", "dba:ops", "!dba", "~dba"] {
            assert!(entries(text, Entries::GroupPatterns).is_err(), "{text:?}");
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
        for line in [
            "root",
            "Jane Doe",
            "a#b",
            "o'brien",
            "DOM\\al",
            "a+b@c.example",
            "\troot ",
            "\u{feff}root",
            "root\r",
        ] {
            let name = line.trim_matches(['\u{feff}', ' ', '\t', '\r']);
            assert_eq!(names_of_file(line), Ok(vec![name]), "{line:?}");
        }
        for line in [
            "root,oncall",
            "root, oncall",
            "root,",
            "root; oncall",
            "root/oncall",
            "root & oncall",
            "root and oncall",
            "root OR oncall",
            "\"root\"",
            "root # at night",
            "root\toncall",
            "root\roncall",
            "root\r\roncall",
            "root\u{b}oncall",
            "root\u{c}oncall",
            "root\u{c}",
            "root\u{85}oncall",
            "root\u{2028}oncall",
            "root\u{2029}",
            "# the night\rroot",
            "#\u{2028}root",
            "; root",
            "// root",
            "ro\0ot",
            "r\0o\0o\0t\0",
            "root\u{feff}",
            "root\\",
            "ro*",
        ] {
            let bad = names_of_file(&format!("# names\r\n\nbob\n{line}\n")).unwrap_err();
            assert_eq!(bad.line, 4, "{line:?}");
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
