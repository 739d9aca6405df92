//! JSON objects that are objects: serde's derived structs would also take an array for them, member by member.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
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
/// What serde says; its message may quote a value and is not for the log.
pub(crate) fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    // serde skips the members that nobody asked for, and does not look whether they are UTF-8, as JSON has to be.
    if std::str::from_utf8(bytes).is_err() {
        serde_json::from_slice::<Value>(bytes)?;
    }
    serde_json::from_slice::<Object<T>>(bytes).map(|Object(value)| value)
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
    fn an_array_is_no_object() {
        assert!(from_slice::<Answer>(br#"["ACCEPT"]"#).is_err());
        assert_eq!(from_slice::<Answer>(br#"{"result": "ACCEPT"}"#).unwrap().result, "ACCEPT");
    }
}
