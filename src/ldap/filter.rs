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
    /// A matching rule by name, or that of the attribute; `dn` takes the parts of the entry's name for values too.
    Rule {
        rule: Option<String>,
        attribute: Option<String>,
        value: Vec<u8>,
        dn: bool,
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
#[error("a filter such as (&(objectClass=person)(uid={{user}})); {0}")]
pub(super) struct NoFilter(pub(super) &'static str);

const TOO_LONG: NoFilter = NoFilter("this one is too long or nested too deeply");
const PARENTHESES: NoFilter = NoFilter("its parentheses do not match, or a pair of them is empty");
const ATTRIBUTE: NoFilter = NoFilter("an '=' must follow the name of an attribute");
const RULE: NoFilter = NoFilter("':=' must follow an attribute, ':dn' or a matching rule");
const VALUE: NoFilter =
    NoFilter("a value contains a character that must be escaped as \\ and two hexadecimal digits");
const BRACE: NoFilter = NoFilter("a value contains a brace that does not begin a placeholder of this option");
const LINE_END: NoFilter = NoFilter("a value contains a line end");
const STAR: NoFilter = NoFilter("a star is not allowed in this comparison");

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
            return Err(TOO_LONG);
        }
        let text = text.trim();
        // As ldapsearch does: one comparison may stand without parentheses.
        let wrapped = format!("({text})");
        let text = if text.starts_with('(') { text } else { &wrapped };
        let mut parser = Parser { rest: text.as_bytes(), placeholder, name };
        let filter = parser.filter(0)?;
        parser.skip_blanks();
        if parser.rest.is_empty() { Ok(filter) } else { Err(PARENTHESES) }
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
            Self::Rule { rule, attribute, value, dn } => {
                writer.nested(0xa9, |inner| {
                    if let Some(rule) = rule {
                        inner.put(0x81, rule.as_bytes());
                    }
                    if let Some(attribute) = attribute {
                        inner.put(0x82, attribute.as_bytes());
                    }
                    inner.put(0x83, value);
                    if *dn {
                        inner.put(0x84, &[0xff]);
                    }
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

    /// Blanks and line ends around parentheses mean nothing.
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, NoFilter> {
        self.skip_blanks();
        if depth > MAX_DEPTH {
            return Err(TOO_LONG);
        }
        if !self.take(b'(') {
            return Err(PARENTHESES);
        }
        self.skip_blanks();
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
        self.skip_blanks();
        if self.take(b')') { Ok(filter) } else { Err(PARENTHESES) }
    }

    fn filters(&mut self, depth: usize) -> Result<Vec<Filter>, NoFilter> {
        let mut all = Vec::new();
        self.skip_blanks();
        while self.rest.first() == Some(&b'(') {
            all.push(self.filter(depth)?);
            self.skip_blanks();
        }
        // The empty ones, which are always true and always false, are more likely a mistake.
        if all.is_empty() { Err(PARENTHESES) } else { Ok(all) }
    }

    fn item(&mut self) -> Result<Filter, NoFilter> {
        let at = self.rest.iter().position(|byte| *byte == b'=').ok_or(ATTRIBUTE)?;
        let (left, value) = self.rest.split_at_checked(at).ok_or(ATTRIBUTE)?;
        self.rest = value.get(1..).unwrap_or_default();
        let left = std::str::from_utf8(left).map_err(|_| ATTRIBUTE)?.trim_ascii();
        let pieces = self.value()?;
        if let Some(left) = left.strip_suffix(':') {
            return rule(left, pieces);
        }
        let comparisons =
            [('>', Comparison::AtLeast), ('<', Comparison::AtMost), ('~', Comparison::Like)].into_iter();
        let mut found =
            comparisons.filter_map(|(sign, comparison)| Some((left.strip_suffix(sign)?, comparison)));
        let (attribute, comparison) = found.next().unwrap_or((left, Comparison::Equal));
        let attribute = attribute.trim_ascii_end();
        if !is_attribute(attribute) {
            return Err(ATTRIBUTE);
        }
        let attribute = attribute.to_owned();
        match (comparison, pieces.as_slice()) {
            (_, [value]) => Ok(Filter::Compare(comparison, attribute, value.clone())),
            (Comparison::Equal, [before, after]) if before.is_empty() && after.is_empty() => {
                Ok(Filter::Present(attribute))
            }
            (Comparison::Equal, _) => Ok(Filter::Pieces(attribute, pieces)),
            (Comparison::AtLeast | Comparison::AtMost | Comparison::Like, _) => Err(STAR),
        }
    }

    /// Reads a value up to the closing parenthesis, which stays, in the pieces between its stars. Blanks and line ends
    /// around it mean nothing; one that is meant is written as `\20`.
    fn value(&mut self) -> Result<Vec<Vec<u8>>, NoFilter> {
        self.skip_blanks();
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        loop {
            let inner = self.rest.trim_ascii_start();
            let (blanks, _) =
                self.rest.split_at_checked(self.rest.len().saturating_sub(inner.len())).ok_or(VALUE)?;
            if inner.first() == Some(&b')') {
                self.rest = inner;
                pieces.push(piece);
                return Ok(pieces);
            }
            if blanks.contains(&b'\n') || blanks.contains(&b'\r') {
                return Err(LINE_END);
            }
            piece.extend_from_slice(blanks);
            self.rest = inner;
            if let Some(rest) = self.rest.strip_prefix(self.placeholder.as_bytes()) {
                self.rest = rest;
                piece.extend_from_slice(self.name.as_bytes());
                continue;
            }
            let (first, rest) = self.rest.split_first().ok_or(PARENTHESES)?;
            match first {
                b'*' => pieces.push(std::mem::take(&mut piece)),
                b'\\' => {
                    let digits = rest.get(..2).ok_or(VALUE)?;
                    let byte = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).map_err(|_| VALUE)?;
                    piece.extend(byte);
                    self.rest = rest.get(2..).unwrap_or_default();
                    continue;
                }
                b'(' => return Err(PARENTHESES),
                // A placeholder that is misspelt, or one that belongs elsewhere.
                b'{' | b'}' => return Err(BRACE),
                0 => return Err(VALUE),
                other => piece.push(*other),
            }
            self.rest = rest;
        }
    }
}

/// What stands in front of `:=`: an attribute, `:dn` and the name of a matching rule, of which each may be missing, but
/// not attribute and rule both (RFC 4515 section 3).
fn rule(left: &str, pieces: Vec<Vec<u8>>) -> Result<Filter, NoFilter> {
    let mut parts = left.split(':').map(str::trim_ascii);
    let attribute = parts.next().filter(|attribute| !attribute.is_empty());
    let mut rest: Vec<_> = parts.collect();
    let dn = rest.first().is_some_and(|word| word.eq_ignore_ascii_case("dn"));
    if dn {
        rest.remove(0);
    }
    let rule = match rest.as_slice() {
        [] => None,
        [rule] => Some(*rule),
        _ => return Err(RULE),
    };
    let [value]: [Vec<u8>; 1] = pieces.try_into().map_err(|_| STAR)?;
    if attribute.is_none() && rule.is_none() || !attribute.iter().chain(&rule).all(|name| is_attribute(name))
    {
        return Err(RULE);
    }
    Ok(Filter::Rule { rule: rule.map(str::to_owned), attribute: attribute.map(str::to_owned), value, dn })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, name: &str) -> Result<Filter, NoFilter> {
        Filter::parse(text, "{user}", name)
    }

    fn of_rule(rule: Option<&str>, attribute: Option<&str>, value: &str, dn: bool) -> Filter {
        let owned = |text: &str| text.to_owned();
        Filter::Rule { rule: rule.map(owned), attribute: attribute.map(owned), value: value.into(), dn }
    }

    #[test]
    fn blanks_and_line_ends_around_parentheses_and_values_mean_nothing() {
        let plain = parse("(&(objectClass=person)(|(uid={user})(mail={user}@x)))", "al").unwrap();
        for text in [
            "( & (objectClass=person) (|(uid={user}) (mail={user}@x)) )",
            "\n(&\n  (objectClass=person)\n  (|\n    (uid={user})\n    (mail={user}@x)\n  )\n)\n",
            "(&( objectClass = person )(|(uid= {user} )(mail={user}@x\n)))",
        ] {
            assert_eq!(parse(text, "al"), Ok(plain.clone()), "{text}");
        }
        assert_eq!(parse("uid={user}", "al"), Ok(Filter::equal("uid", "al")));
        assert_eq!(parse(r"(cn=\20a  b\20)", ""), Ok(Filter::equal("cn", " a  b ")));
        assert_eq!(parse("(cn=a {user})", " x "), Ok(Filter::equal("cn", "a  x ")));
        assert_eq!(parse("(cn=a\n b)", "x"), Err(LINE_END));
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
                of_rule(Some("1.2.840.113556.1.4.1941"), Some("member"), "cn=x", false),
            ),
            ("(cn:=Betty)", of_rule(None, Some("cn"), "Betty", false)),
            ("(ou:dn:=people)", of_rule(None, Some("ou"), "people", true)),
            ("(o:DN:2.4.6:=Ace)", of_rule(Some("2.4.6"), Some("o"), "Ace", true)),
            ("(:1.2.3:=Wilma)", of_rule(Some("1.2.3"), None, "Wilma", false)),
            ("(:dn:2.4.6:=Dino)", of_rule(Some("2.4.6"), None, "Dino", true)),
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
            "a=b)(c=d",
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
            "(:=b)",
            "(:dn:=b)",
            "(a:b:c:=d)",
            "(a>>=5)",
            "(a:b:=*)",
            "(a=b\0)",
            &deep,
            &long,
        ] {
            assert!(parse(bad, "x").is_err(), "{bad}");
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
        assert_eq!(bytes(&parse("(a:dn:=b)", "").unwrap()), b"\xa9\x09\x82\x01a\x83\x01b\x84\x01\xff");
    }
}
