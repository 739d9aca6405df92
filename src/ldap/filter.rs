//! Search filters. What a user types becomes a value in a finished filter, never a piece of a filter's text, so that
//! no character in it can mean anything.
//!
//! The texts that an administrator writes (RFC 4515) are read here, with `{user}` or `{group}` where the name goes.

use super::ber::{SEQUENCE, STRING, Writer};

/// The longest text of a filter, in bytes, and how deep its parentheses may be.
const MAX_TEXT: usize = 4096;
const MAX_DEPTH: usize = 10;

/// A filter, as RFC 4511 section 4.5.1 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(String),
    /// Equality, at least, at most, approximately: by tag.
    Compare(Comparison, String, Vec<u8>),
    /// What a value begins with, holds and ends with; empty pieces stand for anything.
    Pieces(String, Vec<Vec<u8>>),
    /// A matching rule by name.
    Rule {
        rule: String,
        attribute: String,
        value: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    AtLeast,
    AtMost,
    Like,
}

/// Says why a text is no filter.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a filter such as (&(objectClass=person)(uid={{user}}))")]
pub(super) struct NoFilter;

impl Filter {
    pub(super) fn equal(attribute: &str, value: impl Into<Vec<u8>>) -> Self {
        Self::Compare(Comparison::Equal, attribute.to_owned(), value.into())
    }

    /// Reads a filter's text; each `placeholder` in a value becomes `name`.
    ///
    /// # Errors
    /// [`NoFilter`].
    pub(super) fn parse(text: &str, placeholder: &str, name: &str) -> Result<Self, NoFilter> {
        if text.len() > MAX_TEXT {
            return Err(NoFilter);
        }
        let mut parser = Parser { rest: text.trim().as_bytes(), placeholder, name };
        let filter = parser.filter(0)?;
        if parser.rest.is_empty() { Ok(filter) } else { Err(NoFilter) }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::And(all) => list(writer, 0xa0, all),
            Self::Or(all) => list(writer, 0xa1, all),
            Self::Not(one) => {
                writer.nested(0xa2, |inner| one.write(inner));
            }
            Self::Present(attribute) => {
                writer.put(0x87, attribute.as_bytes());
            }
            Self::Compare(comparison, attribute, value) => {
                let tag = match comparison {
                    Comparison::Equal => 0xa3,
                    Comparison::AtLeast => 0xa5,
                    Comparison::AtMost => 0xa6,
                    Comparison::Like => 0xa8,
                };
                writer.nested(tag, |inner| {
                    inner.text(attribute).put(STRING, value);
                });
            }
            Self::Pieces(attribute, pieces) => {
                let last = pieces.len().saturating_sub(1);
                writer.nested(0xa4, |inner| {
                    inner.text(attribute).nested(SEQUENCE, |list| {
                        for (at, piece) in pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
                            let tag = if at == 0 {
                                0x80
                            } else if at == last {
                                0x82
                            } else {
                                0x81
                            };
                            list.put(tag, piece);
                        }
                    });
                });
            }
            Self::Rule { rule, attribute, value } => {
                writer.nested(0xa9, |inner| {
                    inner.put(0x81, rule.as_bytes()).put(0x82, attribute.as_bytes()).put(0x83, value);
                });
            }
        }
    }
}

fn list(writer: &mut Writer, tag: u8, all: &[Filter]) {
    writer.nested(tag, |inner| all.iter().for_each(|one| one.write(inner)));
}

/// Tells whether a text is the name of an attribute (RFC 4512 section 2.5), perhaps with options.
pub(super) fn is_attribute(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';'))
}

struct Parser<'a> {
    rest: &'a [u8],
    placeholder: &'a str,
    name: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, wanted: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == wanted => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, NoFilter> {
        if depth > MAX_DEPTH || !self.take(b'(') {
            return Err(NoFilter);
        }
        let deeper = depth.saturating_add(1);
        let filter = if self.take(b'&') {
            Filter::And(self.filters(deeper)?)
        } else if self.take(b'|') {
            Filter::Or(self.filters(deeper)?)
        } else if self.take(b'!') {
            Filter::Not(Box::new(self.filter(deeper)?))
        } else {
            self.item()?
        };
        if self.take(b')') { Ok(filter) } else { Err(NoFilter) }
    }

    fn filters(&mut self, depth: usize) -> Result<Vec<Filter>, NoFilter> {
        let mut all = Vec::new();
        while self.rest.first() == Some(&b'(') {
            all.push(self.filter(depth)?);
        }
        // The empty ones, which are always true and always false, are more likely a mistake.
        if all.is_empty() { Err(NoFilter) } else { Ok(all) }
    }

    fn item(&mut self) -> Result<Filter, NoFilter> {
        let at = self.rest.iter().position(|byte| *byte == b'=').ok_or(NoFilter)?;
        let (left, value) = self.rest.split_at_checked(at).ok_or(NoFilter)?;
        self.rest = value.get(1..).unwrap_or_default();
        let left = std::str::from_utf8(left).map_err(|_| NoFilter)?;
        let pieces = self.value()?;
        let (comparison, attribute) = match left.as_bytes().last() {
            Some(b'>') => (Comparison::AtLeast, left.trim_end_matches('>')),
            Some(b'<') => (Comparison::AtMost, left.trim_end_matches('<')),
            Some(b'~') => (Comparison::Like, left.trim_end_matches('~')),
            Some(b':') => return rule(left, pieces),
            Some(_) | None => (Comparison::Equal, left),
        };
        if !is_attribute(attribute) {
            return Err(NoFilter);
        }
        let attribute = attribute.to_owned();
        match (comparison, pieces.as_slice()) {
            (_, [value]) => Ok(Filter::Compare(comparison, attribute, value.clone())),
            (Comparison::Equal, [before, after]) if before.is_empty() && after.is_empty() => {
                Ok(Filter::Present(attribute))
            }
            (Comparison::Equal, _) => Ok(Filter::Pieces(attribute, pieces)),
            (Comparison::AtLeast | Comparison::AtMost | Comparison::Like, _) => Err(NoFilter),
        }
    }

    /// Reads a value up to the closing parenthesis, which stays, in the pieces between its stars.
    fn value(&mut self) -> Result<Vec<Vec<u8>>, NoFilter> {
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(self.placeholder.as_bytes()) {
                self.rest = rest;
                piece.extend_from_slice(self.name.as_bytes());
                continue;
            }
            let (first, rest) = self.rest.split_first().ok_or(NoFilter)?;
            match first {
                b')' => {
                    pieces.push(piece);
                    return Ok(pieces);
                }
                b'*' => pieces.push(std::mem::take(&mut piece)),
                b'\\' => {
                    let digits = rest.get(..2).ok_or(NoFilter)?;
                    let byte = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).map_err(|_| NoFilter)?;
                    piece.extend(byte);
                    self.rest = rest.get(2..).unwrap_or_default();
                    continue;
                }
                // A brace is a placeholder that is misspelt, or one that belongs elsewhere.
                b'(' | b'{' | b'}' | 0 => return Err(NoFilter),
                other => piece.push(*other),
            }
            self.rest = rest;
        }
    }
}

/// `attribute:rule:`, what stands in front of the equals sign.
fn rule(left: &str, pieces: Vec<Vec<u8>>) -> Result<Filter, NoFilter> {
    let (attribute, rule) = left.strip_suffix(':').and_then(|left| left.split_once(':')).ok_or(NoFilter)?;
    let [value]: [Vec<u8>; 1] = pieces.try_into().map_err(|_| NoFilter)?;
    if !is_attribute(attribute) || !is_attribute(rule) {
        return Err(NoFilter);
    }
    Ok(Filter::Rule { rule: rule.to_owned(), attribute: attribute.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, name: &str) -> Result<Filter, NoFilter> {
        Filter::parse(text, "{user}", name)
    }

    fn bytes(filter: &Filter) -> Vec<u8> {
        let mut writer = Writer::with_room(64);
        filter.write(&mut writer);
        writer.bytes().to_vec()
    }

    #[test]
    fn a_name_is_a_value_whatever_characters_it_has() {
        let class = Filter::equal("objectClass", "person");
        for name in [
            "alice",
            "*",
            ")(uid=*",
            "alice)(|(uid=*",
            "a\\2a",
            "{user}",
            "\\",
            "a\0b",
            "(",
            "jöhn",
            "\u{202e}",
        ] {
            let filter = parse("(&(objectClass=person)(uid={user}))", name).unwrap();
            assert_eq!(filter, Filter::And(vec![class.clone(), Filter::equal("uid", name)]), "{name}");
        }
        let part = parse("(mail={user}@example.org)", "*").unwrap();
        assert_eq!(part, Filter::equal("mail", "*@example.org"));
    }

    #[test]
    fn the_forms_of_rfc_4515_are_read() {
        let compare = |how, attribute: &str, value: &str| {
            Filter::Compare(how, attribute.to_owned(), value.as_bytes().to_vec())
        };
        for (text, filter) in [
            ("(cn=Babs Jensen)", Filter::equal("cn", "Babs Jensen")),
            ("(!(cn=Tim Howes))", Filter::Not(Box::new(Filter::equal("cn", "Tim Howes")))),
            ("(objectClass=*)", Filter::Present("objectClass".to_owned())),
            ("(a>=5)", compare(Comparison::AtLeast, "a", "5")),
            ("(a<=5)", compare(Comparison::AtMost, "a", "5")),
            ("(a~=5)", compare(Comparison::Like, "a", "5")),
            (r"(o=Parens R Us \28for all\29)", Filter::equal("o", "Parens R Us (for all)")),
            (r"(cn=*\2A*)", Filter::Pieces("cn".to_owned(), vec![vec![], b"*".to_vec(), vec![]])),
            ("(seeAlso=)", Filter::equal("seeAlso", "")),
            (
                "(member:1.2.840.113556.1.4.1941:=cn=x)",
                Filter::Rule {
                    rule: "1.2.840.113556.1.4.1941".to_owned(),
                    attribute: "member".to_owned(),
                    value: b"cn=x".to_vec(),
                },
            ),
        ] {
            assert_eq!(parse(text, "x"), Ok(filter), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_filter_is_an_error() {
        let deep = format!("{}(a=b){}", "(!".repeat(20), ")".repeat(20));
        let long = format!("(a={})", "b".repeat(5000));
        for bad in [
            "",
            "a=b",
            "(a=b",
            "(a=b))",
            "(a=b)(c=d)",
            "(=b)",
            "(a b=c)",
            "(&)",
            "(|)",
            "(!)",
            "(!(a=b)(c=d))",
            "(a={usr})",
            "(a={group})",
            r"(a=\2)",
            r"(a=\zz)",
            "(a=(b)",
            "(a>=*)",
            "(a:=b)",
            "(:dn:2.4.6:=b)",
            "(a:b:=*)",
            "(a=b\0)",
            &deep,
            &long,
        ] {
            assert_eq!(parse(bad, "x"), Err(NoFilter), "{bad}");
        }
    }

    #[test]
    fn a_filter_is_written_as_rfc_4511_says() {
        assert_eq!(bytes(&Filter::equal("uid", "al")), b"\xa3\x09\x04\x03uid\x04\x02al");
        assert_eq!(bytes(&Filter::Present("uid".to_owned())), b"\x87\x03uid");
        assert_eq!(
            bytes(&parse("(&(a=b)(!(c<=d)))", "").unwrap()),
            b"\xa0\x12\xa3\x06\x04\x01a\x04\x01b\xa2\x08\xa6\x06\x04\x01c\x04\x01d"
        );
        assert_eq!(
            bytes(&parse("(a=b*c**d)", "").unwrap()),
            b"\xa4\x0e\x04\x01a\x30\x09\x80\x01b\x81\x01c\x82\x01d"
        );
        assert_eq!(bytes(&parse("(a:1.2:=b)", "").unwrap()), b"\xa9\x0b\x81\x031.2\x82\x01a\x83\x01b");
    }
}
