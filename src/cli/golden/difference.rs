//! What was recorded beside what came out, for somebody who has to find the fault.

use serde_json::Value;

/// The longest value that is shown, in characters.
const MAX_SHOWN: usize = 2000;
/// How many members that differ are shown.
const MAX_MEMBERS: usize = 50;

/// Something that is not as it was recorded.
pub(super) struct Difference {
    /// What and where, on one line.
    pub(super) headline: String,
    /// The particulars.
    pub(super) details: Vec<String>,
}

impl Difference {
    pub(super) fn new(headline: impl Into<String>, details: Vec<String>) -> Self {
        Self { headline: headline.into(), details }
    }
}

/// Compares a response with the recorded one; `None` where they are equal.
///
/// One recorded line is compared byte for byte. Several lines (somebody has laid the JSON out) are compared as JSON.
pub(super) fn compare(expected: &[u8], got: &[u8]) -> Option<Vec<String>> {
    if expected == got {
        return None;
    }
    let values = (serde_json::from_slice::<Value>(expected), serde_json::from_slice::<Value>(got));
    let (Ok(expected_value), Ok(got_value)) = values else { return Some(whole(expected, got)) };
    if expected_value == got_value {
        let laid_out = expected.iter().filter(|byte| **byte == b'\n').count() > 1;
        return (!laid_out).then(|| {
            let mut lines = vec!["the members are equal, but not the bytes".to_owned()];
            lines.extend(whole(expected, got));
            lines
        });
    }
    let mut lines = Vec::new();
    members("", Some(&expected_value), Some(&got_value), &mut lines);
    Some(lines)
}

fn whole(expected: &[u8], got: &[u8]) -> Vec<String> {
    let show = |bytes| short(format!("{:?}", String::from_utf8_lossy(bytes)));
    vec![format!("expected {}", show(expected)), format!("got      {}", show(got))]
}

/// Goes down to the members that differ.
fn members(path: &str, expected: Option<&Value>, got: Option<&Value>, lines: &mut Vec<String>) {
    if expected == got {
        return;
    }
    if let (Some(Value::Object(expected)), Some(Value::Object(got))) = (expected, got) {
        let added = got.keys().filter(|name| !expected.contains_key(*name));
        for name in expected.keys().chain(added) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            members(&path, expected.get(name), got.get(name), lines);
        }
        return;
    }
    if lines.len() >= MAX_MEMBERS.saturating_mul(3) {
        return;
    }
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), |v| short(v.to_string()));
    lines.push(format!("{}:", if path.is_empty() { "the response" } else { path }));
    lines.push(format!("    expected {}", show(expected)));
    lines.push(format!("    got      {}", show(got)));
}

/// Cuts a text that is too long to be shown.
pub(super) fn short(text: String) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_compared_byte_for_byte() {
        assert!(compare(b"{\"a\":1,\"b\":2}\n", b"{\"a\":1,\"b\":2}\n").is_none());
        for other in ["{\"b\":2,\"a\":1}\n", "{\"a\":1, \"b\":2}\n", "{\"a\":1,\"b\":2}", ""] {
            assert!(compare(other.as_bytes(), b"{\"a\":1,\"b\":2}\n").is_some(), "{other}");
        }
    }

    #[test]
    fn json_that_is_laid_out_is_compared_by_value() {
        assert!(compare(b"{\n  \"b\": 2,\n  \"a\": 1\n}\n", b"{\"a\":1,\"b\":2}\n").is_none());
        assert!(compare(b"{\n  \"b\": 3,\n  \"a\": 1\n}\n", b"{\"a\":1,\"b\":2}\n").is_some());
    }

    #[test]
    fn the_members_that_differ_are_shown_with_their_paths() {
        let lines =
            compare(b"{\"a\":{\"b\":1,\"c\":2},\"d\":0}\n", b"{\"a\":{\"b\":9,\"c\":2},\"e\":0}\n").unwrap();
        assert_eq!(
            lines,
            [
                "a.b:",
                "    expected 1",
                "    got      9",
                "d:",
                "    expected 0",
                "    got      nothing",
                "e:",
                "    expected nothing",
                "    got      0"
            ]
        );
    }
}
