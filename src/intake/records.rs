//! The lines of a table: fields between separators, quoted as in RFC 4180. A line that violates the RFC is rejected
//! with its number, and reading continues with the next one. The csv crate is lenient: it would append the following lines to a
//! password.

use std::borrow::Cow;

/// What stands between two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// One character, with blanks around it or not.
    Character(char),
    /// Blanks and tabs, any number of them.
    Blanks,
}

impl Separator {
    /// Those that files have, in the order in which they are tried.
    pub const ALL: [Self; 5] = [
        Self::Character(','),
        Self::Character(';'),
        Self::Character('\t'),
        Self::Character('|'),
        Self::Blanks,
    ];

    /// Tells whether a character separates.
    fn is(self, c: char) -> bool {
        match self {
            Self::Character(separator) => c == separator,
            Self::Blanks => c == ' ' || c == '\t',
        }
    }
}

/// Whether blanks around a field and lines with a `#` are part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Blanks are padding, and a line with a `#` is a comment.
    Loose,
    /// Every character counts: a blank may be part of a password.
    Exact,
}

/// Says why a line has no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The rest of the file would be one field.
    #[error("unterminated quote")]
    Unclosed,
    /// `"a"b`.
    #[error("text after a closing quote")]
    BehindQuote,
    /// `a"b`.
    #[error("quote in an unquoted field")]
    Inside,
}

/// A line's fields.
pub type Fields<'t> = Vec<Cow<'t, str>>;

/// Reads line by line; behind one that is damaged, with the next.
pub struct Records<'t> {
    rest: &'t str,
    line: u64,
    separator: Separator,
    style: Style,
}

/// Reads the line `sep=;` that spreadsheets write; returns the separator and the rest of the text.
pub fn hinted(text: &str) -> Option<(char, &str)> {
    let (begin, rest) = text.split_at_checked("sep=".len())?;
    if !begin.eq_ignore_ascii_case("sep=") {
        return None;
    }
    let mut characters = rest.chars();
    let separator = characters.next()?;
    let rest = characters.as_str();
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'))?;
    Some((separator, rest))
}

impl<'t> Records<'t> {
    /// Starts at the first line of a text.
    pub fn new(text: &'t str, separator: Separator, style: Style) -> Self {
        Self { rest: text, line: 1, separator, style }
    }

    /// Sets the number of the first line, if it is not 1.
    pub fn from_line(self, line: u64) -> Self {
        Self { line, ..self }
    }

    fn is_padding(&self, c: char) -> bool {
        self.style == Style::Loose
            && (c == ' ' || c == '\t' || c == '\u{a0}')
            && (self.separator == Separator::Blanks || !self.separator.is(c))
    }

    fn is_left_out(&self, line: &str) -> bool {
        match self.style {
            Style::Loose => line.trim().is_empty() || line.trim_start().starts_with('#'),
            Style::Exact => line.is_empty(),
        }
    }

    fn skip_line(&mut self) {
        let (_, rest) = split_line(self.rest);
        self.rest = rest;
        self.line = self.line.saturating_add(1);
    }

    /// Reads the fields up to the end of the line; returns them, what follows, and how many line ends were in quotes.
    fn fields(&self) -> Result<(Fields<'t>, &'t str, u64), RecordError> {
        let mut fields = Fields::new();
        let mut rest = self.rest;
        let mut line_ends = 0_u64;
        loop {
            rest = rest.trim_start_matches(|c| self.is_padding(c));
            let field = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let (field, after) = unquote(quoted).ok_or(RecordError::Unclosed)?;
                    let inside = quoted.len().saturating_sub(after.len());
                    let inside = quoted.get(..inside).unwrap_or_default();
                    line_ends = line_ends.saturating_add(count_line_ends(inside));
                    rest = after.trim_start_matches(|c| self.is_padding(c));
                    if !rest.is_empty() && !rest.starts_with(|c| is_line_end(c) || self.separator.is(c)) {
                        let was_blank = self.separator == Separator::Blanks && rest.len() < after.len();
                        if !was_blank {
                            return Err(RecordError::BehindQuote);
                        }
                    }
                    field
                }
                None => {
                    let end = rest.find(|c| is_line_end(c) || self.separator.is(c)).unwrap_or(rest.len());
                    let (field, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                    if field.contains('"') {
                        return Err(RecordError::Inside);
                    }
                    rest = after;
                    Cow::Borrowed(field)
                }
            };
            fields.push(if self.style == Style::Loose { trimmed(field) } else { field });
            let mut after = rest.chars();
            match after.next() {
                Some(c) if self.separator.is(c) => rest = after.as_str(),
                Some(c) if !is_line_end(c) => {}
                Some(_) | None => {
                    if self.separator == Separator::Blanks
                        && fields.last().is_some_and(|last| last.is_empty())
                    {
                        fields.pop();
                    }
                    return Ok((fields, rest, line_ends));
                }
            }
        }
    }
}

impl<'t> Iterator for Records<'t> {
    type Item = (u64, Result<Fields<'t>, RecordError>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (text, _) = split_line(self.rest);
            if self.is_left_out(text) {
                self.skip_line();
                continue;
            }
            let line = self.line;
            match self.fields() {
                Ok((fields, rest, line_ends)) => {
                    self.rest = rest;
                    self.line = self.line.saturating_add(line_ends);
                    self.skip_line();
                    // Spreadsheets write the empty rows below a table as separators alone.
                    if fields.iter().any(|field| !field.is_empty()) {
                        return Some((line, Ok(fields)));
                    }
                }
                Err(error) => {
                    self.skip_line();
                    return Some((line, Err(error)));
                }
            }
        }
        None
    }
}

fn is_line_end(c: char) -> bool {
    c == '\n' || c == '\r'
}

fn count_line_ends(text: &str) -> u64 {
    let pairs = text.matches("\r\n").count();
    let ends = text.matches(is_line_end).count().saturating_sub(pairs);
    u64::try_from(ends).unwrap_or(u64::MAX)
}

/// Splits a text behind its first line end.
fn split_line(text: &str) -> (&str, &str) {
    let end = text.find(is_line_end).unwrap_or(text.len());
    let (line, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let behind = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(is_line_end));
    (line, behind.unwrap_or(rest))
}

/// Reads up to the closing quote; returns the field and what follows it.
fn unquote(quoted: &str) -> Option<(Cow<'_, str>, &str)> {
    let (first, mut rest) = quoted.split_once('"')?;
    let mut field = Cow::Borrowed(first);
    while let Some(after) = rest.strip_prefix('"') {
        let (more, behind) = after.split_once('"')?;
        let field = field.to_mut();
        field.push('"');
        field.push_str(more);
        rest = behind;
    }
    Some((field, rest))
}

fn trimmed(field: Cow<'_, str>) -> Cow<'_, str> {
    match field {
        Cow::Borrowed(field) => Cow::Borrowed(field.trim()),
        Cow::Owned(field) => Cow::Owned(field.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, separator: Separator) -> Vec<(u64, Result<Vec<String>, RecordError>)> {
        let owned = |fields: Fields<'_>| fields.into_iter().map(Cow::into_owned).collect();
        Records::new(text, separator, Style::Loose).map(|(line, fields)| (line, fields.map(owned))).collect()
    }

    fn ok(line: u64, fields: &[&str]) -> (u64, Result<Vec<String>, RecordError>) {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn fields_are_split_and_quotes_taken_off() {
        let comma = Separator::Character(',');
        assert_eq!(
            read("a, b ,\"c,\"\"d\"\"\"\r\n# x\n\n ,,\n\"e\nf\" ,g\rh", comma),
            [ok(1, &["a", "b", "c,\"d\""]), ok(5, &["e\nf", "g"]), ok(7, &["h"])]
        );
        assert_eq!(read("a\tb c\t\n", Separator::Character('\t')), [ok(1, &["a", "b c", ""])]);
        assert_eq!(read("a;b,c\n", Separator::Character(';')), [ok(1, &["a", "b,c"])]);
        assert_eq!(
            read("a  b \t c  \n\"d e\" f", Separator::Blanks),
            [ok(1, &["a", "b", "c"]), ok(2, &["d e", "f"])]
        );
        assert!(read("", comma).is_empty() && read("\n#\n", comma).is_empty());
    }

    #[test]
    fn blanks_are_left_where_every_character_counts() {
        let text = "a, b ,\"c,\"\"d\"\"\"\r\n\r\n#x,\n,,\"\"\n\"e\r\nf\",g\rh";
        let records = Records::new(text, Separator::Character(','), Style::Exact);
        let owned = |fields: Fields<'_>| fields.into_iter().map(Cow::into_owned).collect();
        let read: Vec<_> = records.map(|(line, fields)| (line, fields.map(owned))).collect();
        assert_eq!(
            read,
            [ok(1, &["a", " b ", "c,\"d\""]), ok(3, &["#x", ""]), ok(5, &["e\r\nf", "g"]), ok(7, &["h"])]
        );
        let mut padded = Records::new("a, \"b\"", Separator::Character(','), Style::Exact);
        assert_eq!(padded.next(), Some((1, Err(RecordError::Inside))));
    }

    #[test]
    fn a_million_empty_rows_are_no_recursion() {
        assert!(
            Records::new(&",,\n".repeat(1_000_000), Separator::Character(','), Style::Exact).next().is_none()
        );
    }

    #[test]
    fn what_rfc_4180_forbids_is_told_with_its_line_and_the_next_lines_are_read() {
        let comma = Separator::Character(',');
        let text = "a,\"b\nc,d\ne,\"f\"g\nh,i\"\nj,\"k\nl";
        assert_eq!(
            read(text, comma),
            [
                (1, Err(RecordError::BehindQuote)),
                ok(2, &["c", "d"]),
                (3, Err(RecordError::BehindQuote)),
                (4, Err(RecordError::Inside)),
                (5, Err(RecordError::Unclosed)),
                ok(6, &["l"]),
            ]
        );
    }
}
