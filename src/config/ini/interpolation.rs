//! `%(name)s` references, replaced when a value is asked for: Python's `BasicInterpolation`.

use std::borrow::Cow;

use super::{Fault, Found, IniError, Place, Scope};

/// Bounds an interpolated value, in bytes of UTF-8. A value without `%` is answered as it stands, however large.
pub const MAX_INTERPOLATED: usize = 64 * 1024;

/// Bounds the bytes read on the way, because references to empty values are work that makes no output.
const MAX_READ: usize = 16 * MAX_INTERPOLATED;

/// Python's `MAX_INTERPOLATION_DEPTH`: the option that was asked for is the first level.
const MAX_DEPTH: usize = 10;

/// Replaces the references in the value that was asked for, all of them looked up in that option's section.
pub(super) fn expand<'a>(scope: &Scope<'a>, asked: Found<'a>) -> Result<Cow<'a, str>, IniError> {
    if !asked.value.text.contains('%') {
        return Ok(Cow::Borrowed(&asked.value.text));
    }
    let mut output = String::new();
    let mut read = asked.value.text.len();
    // One level for each value that is being read, so never more than MAX_DEPTH.
    let mut levels = vec![Level { found: asked, rest: &asked.value.text }];
    while let Some(level) = levels.last_mut() {
        let here = *level;
        let Some((piece, rest)) = next_piece(level.rest) else {
            levels.pop();
            continue;
        };
        level.rest = rest;
        let text = match piece {
            Piece::Text(text) => text,
            Piece::Malformed => return Err(IniError::InterpolationSyntax(here.fault(asked))),
            Piece::Reference(name) => {
                let Some(found) = scope.find(name) else {
                    return Err(IniError::InterpolationMissingOption(here.fault(asked)));
                };
                let text = found.value.text.as_str();
                if text.contains('%') {
                    if levels.len() >= MAX_DEPTH {
                        return Err(IniError::InterpolationDepth(here.fault(asked)));
                    }
                    read = read.saturating_add(text.len());
                    levels.push(Level { found, rest: text });
                    ""
                } else {
                    text
                }
            }
        };
        if read > MAX_READ || output.len().saturating_add(text.len()) > MAX_INTERPOLATED {
            return Err(IniError::InterpolationTooLarge(here.fault(asked)));
        }
        output.push_str(text);
    }
    Ok(Cow::Owned(output))
}

/// A value that is being read, and what is left of it.
#[derive(Clone, Copy)]
struct Level<'a> {
    found: Found<'a>,
    rest: &'a str,
}

enum Piece<'a> {
    Text(&'a str),
    Reference(&'a str),
    Malformed,
}

fn next_piece(rest: &str) -> Option<(Piece<'_>, &str)> {
    if rest.is_empty() {
        return None;
    }
    if let Some(after) = rest.strip_prefix("%%") {
        return Some((Piece::Text("%"), after));
    }
    if rest.starts_with('%') {
        return Some(
            reference(rest).map_or((Piece::Malformed, ""), |(name, after)| (Piece::Reference(name), after)),
        );
    }
    let (text, after) =
        rest.find('%').and_then(|percent| rest.split_at_checked(percent)).unwrap_or((rest, ""));
    Some((Piece::Text(text), after))
}

/// Splits `%(name)s` off; the name ends at the first closing parenthesis and may hold anything else.
fn reference(rest: &str) -> Option<(&str, &str)> {
    let (name, after) = rest.strip_prefix("%(")?.split_once(')')?;
    let after = after.strip_prefix('s')?;
    (!name.is_empty()).then_some((name, after))
}

impl Level<'_> {
    fn fault(&self, asked: Found<'_>) -> Box<Fault> {
        let text = self.found.value.text.as_str();
        let before = text.len().saturating_sub(self.rest.len());
        let character = text.get(..before).map_or(0, |before| before.chars().count()).saturating_add(1);
        Box::new(Fault { at: self.found.place(), character, asked: asked.place() })
    }
}

impl Found<'_> {
    fn place(&self) -> Place {
        Place {
            origin: self.value.source.to_string(),
            line: self.value.line,
            section: self.section.to_owned(),
            option: self.option.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ini;
    use super::*;

    fn answer(text: &str) -> Result<String, String> {
        let mut ini = Ini::new();
        ini.read_str("configuration", text).unwrap();
        ini.get("s", "a").map(|value| value.unwrap().into_owned()).map_err(|error| error.to_string())
    }

    fn refused(text: &str, message: &str) {
        assert_eq!(answer(text), Err(format!("configuration, line {message}")), "{text:?}");
    }

    /// Option `a` of as many levels, each of `width` references to the next, down to `z`.
    fn tower(levels: usize, width: usize, end: &str) -> String {
        let names: Vec<String> = ('a'..='y').take(levels).chain(['z']).map(String::from).collect();
        let mut text = format!("[s]\nz = {end}\n");
        for pair in names.windows(2) {
            text.push_str(&format!("{} = {}\n", pair[0], format!("%({})s", pair[1]).repeat(width)));
        }
        text
    }

    #[test]
    fn a_stray_percent_is_cited_by_its_character() {
        let rule = "a '%' must be written '%%' or begin a '%(name)s' reference";
        refused(
            "[s]\na = é50% off",
            &format!("2, section [s], option 'a', character 4 of the value: {rule}"),
        );
        refused(
            "[DEFAULT]\nb = %%%\n[s]\nA = x%(B)s",
            &format!(
                "2, section [DEFAULT], option 'b', character 3 of the value \
                 (read for configuration, line 4, section [s], option 'a'): {rule}"
            ),
        );
    }

    #[test]
    fn a_reference_to_nothing_is_cited_without_its_name() {
        refused(
            "[s]\na = %%\n %(nosuch)s",
            "2, section [s], option 'a', character 4 of the value: \
             the '%(name)s' reference names an option that neither the section nor [DEFAULT] has",
        );
    }

    #[test]
    fn ten_levels_are_read_and_eleven_refused() {
        assert_eq!(answer(&tower(10, 1, "end")), Ok("end".to_owned()));
        refused(
            &tower(11, 1, "end"),
            "12, section [s], option 'j', character 1 of the value \
             (read for configuration, line 3, section [s], option 'a'): \
             '%(name)s' references may be nested 10 deep and must not form a loop",
        );
    }

    #[test]
    fn a_value_may_have_64_kib_and_no_more() {
        let text = |length: usize| format!("[s]\na = %%{}", "x".repeat(length));
        assert_eq!(answer(&text(MAX_INTERPOLATED - 1)).map(|value| value.len()), Ok(MAX_INTERPOLATED));
        assert!(answer(&text(MAX_INTERPOLATED)).unwrap_err().contains("too large"));
        assert_eq!(
            answer(&format!("[s]\na = {}", "x".repeat(1 << 20))).map(|value| value.len()),
            Ok(1 << 20)
        );
    }

    #[test]
    fn references_that_multiply_are_stopped() {
        assert_eq!(answer(&tower(10, 2, "x")).map(|value| value.len()), Ok(1024));
        assert_eq!(answer(&tower(10, 2, "")), Ok(String::new()));
        for (levels, end) in [(10, "x"), (10, ""), (9, "%%")] {
            assert!(answer(&tower(levels, 100, end)).unwrap_err().contains("too large"), "{end:?}");
        }
    }
}
