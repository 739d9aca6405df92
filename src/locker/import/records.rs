//! The lines of a table (RFC 4180). Nothing is guessed: blanks are part of a field, and what the RFC forbids is refused with
//! its line.

use std::borrow::Cow;

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
pub(super) type Fields<'t> = Vec<Cow<'t, str>>;

/// Reads line by line; behind one that is damaged, with the next.
pub(super) struct Records<'t> {
    rest: &'t str,
    line: u64,
    separator: char,
}

impl<'t> Records<'t> {
    pub(super) fn new(text: &'t str, separator: char) -> Self {
        Self { rest: text, line: 1, separator }
    }

    /// Reads the fields up to the end of the line; returns them and what follows the line end.
    fn fields(&self) -> Result<(Fields<'t>, &'t str), RecordError> {
        let mut fields = Fields::new();
        let mut rest = self.rest;
        loop {
            let ends = |c: char| c == self.separator || is_line_end(c);
            let (field, behind) = match rest.strip_prefix('"') {
                Some(quoted) => unquote(quoted).ok_or(RecordError::Unclosed)?,
                None => {
                    let end = rest.find(ends).unwrap_or(rest.len());
                    let (field, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                    if field.contains('"') {
                        return Err(RecordError::Inside);
                    }
                    (Cow::Borrowed(field), behind)
                }
            };
            fields.push(field);
            match behind.strip_prefix(self.separator) {
                Some(next) => rest = next,
                None if behind.is_empty() || behind.starts_with(is_line_end) => {
                    return Ok((fields, split_line(behind).1));
                }
                None => return Err(RecordError::BehindQuote),
            }
        }
    }

    fn go_on_with(&mut self, rest: &'t str) {
        let taken = self.rest.len().saturating_sub(rest.len());
        let taken = self.rest.get(..taken).unwrap_or_default();
        let ends = taken.matches(is_line_end).count().saturating_sub(taken.matches("\r\n").count());
        self.line = self.line.saturating_add(u64::try_from(ends).unwrap_or(u64::MAX));
        self.rest = rest;
    }
}

impl<'t> Iterator for Records<'t> {
    type Item = (u64, Result<Fields<'t>, RecordError>);

    fn next(&mut self) -> Option<Self::Item> {
        while let ("", rest) = split_line(self.rest) {
            if self.rest.is_empty() {
                return None;
            }
            self.go_on_with(rest);
        }
        let line = self.line;
        match self.fields() {
            Ok((fields, rest)) => {
                self.go_on_with(rest);
                Some((line, Ok(fields)))
            }
            Err(error) => {
                self.go_on_with(split_line(self.rest).1);
                Some((line, Err(error)))
            }
        }
    }
}

fn is_line_end(c: char) -> bool {
    c == '\n' || c == '\r'
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Result<Vec<String>, RecordError>)> {
        let owned = |fields: Fields<'_>| fields.into_iter().map(Cow::into_owned).collect();
        Records::new(text, ',').map(|(line, fields)| (line, fields.map(owned))).collect()
    }

    fn ok(line: u64, fields: &[&str]) -> (u64, Result<Vec<String>, RecordError>) {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn fields_are_split_and_quotes_taken_off_and_blanks_left() {
        assert_eq!(
            read("a, b ,\"c,\"\"d\"\"\"\r\n\r\n#x,\n,,\"\"\n\"e\r\nf\",g\rh"),
            [
                ok(1, &["a", " b ", "c,\"d\""]),
                ok(3, &["#x", ""]),
                ok(4, &["", "", ""]),
                ok(5, &["e\r\nf", "g"]),
                ok(7, &["h"])
            ]
        );
        assert!(read("").is_empty() && read("\n\r\n").is_empty());
    }

    #[test]
    fn what_rfc_4180_forbids_is_told_with_its_line_and_the_next_lines_are_read() {
        assert_eq!(
            read("a,\"b\nc,d\ne,\"f\"g\nh,i\"\na, \"b\"\nj,\"k\nl"),
            [
                (1, Err(RecordError::BehindQuote)),
                ok(2, &["c", "d"]),
                (3, Err(RecordError::BehindQuote)),
                (4, Err(RecordError::Inside)),
                (5, Err(RecordError::Inside)),
                (6, Err(RecordError::Unclosed)),
                ok(7, &["l"]),
            ]
        );
    }
}
