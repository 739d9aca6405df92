//! JSON objects that are objects, and that say everything once. serde's derived structs would also take an array for them,
//! member by member, and of a doubled member a map takes the last one (RFC 8259 section 4 leaves it open which counts).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// Reads `T` from a JSON object and from nothing else.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Object)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Reads an object or null, for `#[serde(deserialize_with = …)]`.
pub(crate) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

/// Reads one JSON object that is the whole text.
///
/// # Errors
/// What serde says, and an error for a member that an object has twice; the message may quote a value and is not for the log.
pub(crate) fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    // serde skips the members that nobody asked for, and does not look whether they are UTF-8, as JSON has to be.
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(serde_json::from_slice::<Value>(bytes).err().unwrap_or_else(not_utf8));
    };
    let Object(value) = serde_json::from_str::<Object<T>>(text)?;
    doubled(text).map_or(Ok(value), Err)
}

fn not_utf8() -> serde_json::Error {
    serde_json::Error::custom("the text is not UTF-8")
}

/// Finds the first member that its object has twice. The text is JSON, and may be nested deeper than a stack goes.
fn doubled(text: &str) -> Option<serde_json::Error> {
    let mut open: Vec<Option<BTreeSet<Cow<'_, str>>>> = Vec::new();
    let (mut rest, mut is_name) = (text, false);
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' { string_length(rest) } else { first.len_utf8() };
        let (token, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match first {
            '{' => open.push(Some(BTreeSet::new())),
            '[' => open.push(None),
            '}' | ']' => drop(open.pop()),
            '"' if is_name => {
                if let Some(Some(names)) = open.last_mut()
                    && !names.insert(name(token))
                {
                    return Some(twice(text, rest));
                }
            }
            _ => {}
        }
        is_name = match first {
            '{' | ',' => matches!(open.last(), Some(Some(_))),
            ' ' | '\t' | '\n' | '\r' => is_name,
            _ => false,
        };
        rest = behind;
    }
    None
}

/// Returns the length of the string that the text begins with, quotes included, in bytes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = true;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

fn twice(text: &str, rest: &str) -> serde_json::Error {
    let before = text.get(..text.len().saturating_sub(rest.len())).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().len().saturating_add(1);
    // serde_json takes the place out of a text of this form.
    serde_json::Error::custom(format_args!("duplicate member at line {line} column {column}"))
}

/// Resolves the escapes in a member's name, so that `"otp"` and `"\u006ftp"` are the same.
fn name(token: &str) -> Cow<'_, str> {
    if token.contains('\\') {
        // Half a surrogate pair is not text, but is accepted as the name of a member that is not read.
        serde_json::from_str(token).map_or(Cow::Borrowed(token), Cow::Owned)
    } else {
        Cow::Borrowed(token.trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Answer {
        result: String,
    }

    #[test]
    fn a_text_that_is_not_utf8_is_no_json_even_where_nobody_looks() {
        for bad in
            [&b"{\"result\": \"ACCEPT\", \"more\": \"\xff\"}"[..], b"{\"result\": \"ACCEPT\", \"\xff\": 1}"]
        {
            let error = from_slice::<Answer>(bad).unwrap_err();
            assert_eq!((error.classify(), error.line()), (serde_json::error::Category::Syntax, 1));
        }
    }

    #[test]
    fn a_member_that_stands_twice_in_any_object_is_refused() {
        for doubled in [
            r#"{"result": "DENY", "result": "ACCEPT"}"#,
            r#"{"result": "ACCEPT", "more": {"a": 1, "a": 1}}"#,
            r#"{"result": "ACCEPT", "more": [[{"a": null, "b": true, "\u0061": -1}]]}"#,
        ] {
            assert!(from_slice::<Answer>(doubled.as_bytes()).is_err(), "{doubled}");
        }
        let error =
            from_slice::<Answer>(b"{\"result\": \"ACCEPT\",\n  \"result\\u0078\": 1, \"resultx\": 2}")
                .unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 22));
        let same_elsewhere =
            br#"{"result": "ACCEPT", "a": {"a": {"a": 1.5}}, "b": [{"a": "x"}, {"a": "x"}]}"#;
        assert_eq!(from_slice::<Answer>(same_elsewhere).unwrap().result, "ACCEPT");
        let names_in_texts =
            br#"{"result": "ACCEPT", "a": "\"b\": 1, \"b\": {\\", "c": ["a", "a", "{"], "b": "," }"#;
        assert_eq!(from_slice::<Answer>(names_in_texts).unwrap().result, "ACCEPT");
    }

    #[test]
    fn a_doubled_member_is_found_however_deep_it_is() {
        let deep = |inner: &str| {
            let (before, behind) = (r#"{"a":["#.repeat(50_000), "]}".repeat(50_000));
            format!(r#"{{"result": "ACCEPT", "x": {before}{inner}{behind}}}"#)
        };
        assert!(from_slice::<Answer>(deep(r#"{"a": 1}"#).as_bytes()).is_ok());
        assert!(from_slice::<Answer>(deep(r#"{"a": 1, "a": 1}"#).as_bytes()).is_err());
    }

    #[test]
    fn an_array_is_no_object() {
        assert!(from_slice::<Answer>(br#"["ACCEPT"]"#).is_err());
        assert_eq!(from_slice::<Answer>(br#"{"result": "ACCEPT"}"#).unwrap().result, "ACCEPT");
    }
}
