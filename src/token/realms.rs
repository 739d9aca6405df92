//! How many approvals of which realms: `realm1:2,realm2:1` as text, `{"realm1": 2, "realm2": 1}` as a map.
//!
//! A realm of a server is named with the section that describes the server behind it: `realm1@edumfa`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::elsewhere::is_service;
use crate::names::fold;

/// How many realms there may be.
pub const MAX_REALMS: usize = 20;
/// How many approvals one realm may be asked for.
pub const MAX_COUNT: u32 = 20;

/// Realms with the number of approvals that each has to give, in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realms(Vec<(String, u32)>);

impl Realms {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`RealmsError`].
    pub fn parse(text: &str) -> Result<Self, RealmsError> {
        let entries: Vec<_> = text.split(',').collect();
        Self::from_entries(&entries)
    }

    /// Reads the entries of the text form.
    ///
    /// # Errors
    /// [`RealmsError`]; no entry is one.
    pub fn from_entries<T: AsRef<str>>(entries: &[T]) -> Result<Self, RealmsError> {
        let mut realms = Self(Vec::new());
        for entry in entries.iter().map(AsRef::as_ref) {
            let (realm, count) = entry.split_once(':').ok_or(RealmsError::Form)?;
            let count = count.trim().parse().map_err(|_| RealmsError::Form)?;
            realms.add(realm, count)?;
        }
        if realms.0.is_empty() { Err(RealmsError::Form) } else { Ok(realms) }
    }

    /// Reads the map form: from a realm's name to its count, or to `{"selected": true, "count": 2}` as a web page
    /// with a box to tick for each realm has it. A realm that is not selected is left out.
    ///
    /// # Errors
    /// [`RealmsError`].
    pub fn parse_map(json: &str) -> Result<Self, RealmsError> {
        let Entries(entries) = serde_json::from_str(json).map_err(|_| RealmsError::Form)?;
        let mut realms = Self(Vec::new());
        for (realm, value) in entries {
            if let Some(count) = selected(&value)? {
                realms.add(&realm, count)?;
            }
        }
        if realms.0.is_empty() { Err(RealmsError::Form) } else { Ok(realms) }
    }

    /// Returns the map form.
    pub fn to_map(&self) -> Map<String, Value> {
        self.iter().map(|(realm, count)| (realm.to_owned(), Value::from(count))).collect()
    }

    /// Goes through the sections of the servers whose realms are among them.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.iter().filter_map(|(realm, _)| realm.split_once('@').map(|(_, service)| service))
    }

    /// Goes through the realms.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(realm, count)| (realm.as_str(), *count))
    }

    fn add(&mut self, realm: &str, count: u32) -> Result<(), RealmsError> {
        let realm = realm.trim();
        let (name, service) = realm.split_once('@').map_or((realm, None), |(name, of)| (name, Some(of)));
        let is_name = !name.is_empty() && !name.contains([':', ',']) && !name.chars().any(char::is_control);
        if !is_name || name != name.trim() || !service.is_none_or(is_service) {
            return Err(RealmsError::Name);
        }
        if self.0.iter().any(|(known, _)| fold(known) == fold(realm)) {
            return Err(RealmsError::Twice);
        }
        if !(1..=MAX_COUNT).contains(&count) || self.0.len() >= MAX_REALMS {
            return Err(RealmsError::TooMany);
        }
        self.0.push((realm.to_owned(), count));
        Ok(())
    }
}

/// Writes the text form.
impl fmt::Display for Realms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (realm, count)) in self.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{realm}:{count}")?;
        }
        Ok(())
    }
}

/// Says that a text is no such form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RealmsError {
    /// Neither text nor map.
    #[error("expected realms and counts such as realm1:2,realm2:1")]
    Form,
    /// A name that would read as something else.
    #[error(
        "a realm's name is not empty and has no ':', ',' or control character, and '@' only before a server's section, as in realm1@edumfa"
    )]
    Name,
    /// A realm that is named more than once.
    #[error("a realm is named twice")]
    Twice,
    /// A bound.
    #[error("expected at most {MAX_REALMS} realms, each with a count from 1 to {MAX_COUNT}")]
    TooMany,
}

/// A count, or the count of a ticked box; `None` for one that is not ticked.
fn selected(value: &Value) -> Result<Option<u32>, RealmsError> {
    let (value, selected) = match value {
        Value::Object(members) => match members.get("selected") {
            Some(Value::Bool(selected)) => (members.get("count").unwrap_or(&Value::Null), *selected),
            Some(_) | None => return Err(RealmsError::Form),
        },
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) => (value, true),
    };
    if !selected {
        return Ok(None);
    }
    let count = value.as_u64().ok_or(RealmsError::Form)?;
    u32::try_from(count).map(Some).map_err(|_| RealmsError::TooMany)
}

/// The members of a JSON object with those that stand there twice.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
            if entries.len() > 10 * MAX_REALMS {
                return Err(A::Error::custom("too many realms"));
            }
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_map_convert_both_ways() {
        for (text, map) in [
            ("realm1:2,realm2:1", r#"{"realm1":2,"realm2":1}"#),
            ("realm2:1", r#"{"realm2":1}"#),
            ("a b:20", r#"{"a b":20}"#),
            ("a@edumfa:1,a:1,a@privacyidea:1", r#"{"a@edumfa":1,"a":1,"a@privacyidea":1}"#),
        ] {
            let realms = Realms::parse(text).unwrap();
            assert_eq!(realms.to_string(), text);
            assert_eq!(serde_json::to_string(&realms.to_map()).unwrap(), map);
            assert_eq!(Realms::parse_map(map).unwrap(), realms);
        }
    }

    #[test]
    fn the_map_of_a_web_page_keeps_what_is_selected() {
        let map = r#"{"realm1": {"selected": true, "count": 1}, "realm2": {"selected": true, "count": 2},
                      "realm3": {"selected": false, "count": 0}}"#;
        assert_eq!(Realms::parse_map(map).unwrap().to_string(), "realm1:1,realm2:2");
    }

    #[test]
    fn blanks_around_names_and_counts_mean_nothing() {
        assert_eq!(Realms::parse(" realm1 : 2 , realm2:1 ").unwrap().to_string(), "realm1:2,realm2:1");
    }

    #[test]
    fn what_is_no_list_of_realms_is_refused() {
        for (text, error) in [
            ("", RealmsError::Form),
            ("realm1", RealmsError::Form),
            ("realm1:", RealmsError::Form),
            ("realm1:x", RealmsError::Form),
            ("realm1:-1", RealmsError::Form),
            ("realm1:1,", RealmsError::Form),
            ("a:b:1", RealmsError::Form),
            (":1", RealmsError::Name),
            ("a@:1", RealmsError::Name),
            ("@edumfa:1", RealmsError::Name),
            ("a@B:1", RealmsError::Name),
            ("a@b@edumfa:1", RealmsError::Name),
            ("a@edu mfa:1", RealmsError::Name),
            ("a@edumfa:1,A@edumfa:1", RealmsError::Twice),
            ("a\tb:1", RealmsError::Name),
            ("realm1:0", RealmsError::TooMany),
            ("realm1:21", RealmsError::TooMany),
            ("realm1:1, realm1 :1", RealmsError::Twice),
        ] {
            assert_eq!(Realms::parse(text), Err(error), "{text}");
        }
        let many = |count: usize| (0..count).map(|n| format!("r{n}:1")).collect::<Vec<_>>().join(",");
        assert_eq!(Realms::parse(&many(20)).unwrap().iter().count(), 20);
        assert_eq!(Realms::parse(&many(21)), Err(RealmsError::TooMany));
    }

    #[test]
    fn what_is_no_map_of_realms_is_refused() {
        for (map, error) in [
            ("", RealmsError::Form),
            ("[]", RealmsError::Form),
            ("{}", RealmsError::Form),
            (r#"{"a": "2"}"#, RealmsError::Form),
            (r#"{"a": {"count": 2}}"#, RealmsError::Form),
            (r#"{"a": {"selected": true}}"#, RealmsError::Form),
            (r#"{"a": {"selected": false, "count": 2}}"#, RealmsError::Form),
            (r#"{"a": 1.5}"#, RealmsError::Form),
            (r#"{"a": 0}"#, RealmsError::TooMany),
            (r#"{"a": 99999999999}"#, RealmsError::TooMany),
            (r#"{"a": 1, "a": 2}"#, RealmsError::Twice),
            (r#"{"a": 1, " a": 2}"#, RealmsError::Twice),
            (r#"{"a:b": 1}"#, RealmsError::Name),
        ] {
            assert_eq!(Realms::parse_map(map), Err(error), "{map}");
        }
    }
}
