//! What a service's answer carries beside its verdict: what `AAResponse.with_…` of the SDK takes.
//!
//! All of it comes from the service, so its size is limited, and the secrets that were sent to the service are masked in it.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{MfaError, garbled};
use super::reason::Reason;
use super::text;
use crate::logging::Short;
use crate::members::is_reserved;
use crate::names::MfaIdentity;
use crate::secret;

/// How many groups a user may have, and how many members the metadata may add.
const MAX_GROUPS: usize = 1000;
const MAX_MEMBERS: usize = 32;
/// The longest cookie that is taken, in bytes of JSON.
const MAX_COOKIE: usize = 16 * 1024;

/// The members as they come. None of them has to be there.
#[derive(Deserialize)]
pub(super) struct Written {
    gateway_user: Option<String>,
    gateway_groups: Option<Vec<String>>,
    additional_metadata: Option<Value>,
    session_cookie: Option<Map<String, Value>>,
    cookie: Option<Map<String, Value>>,
    deny_reason: Option<String>,
}

/// What is taken of them.
#[derive(Clone, Default)]
pub struct Carried {
    /// The user that the service names, for SPS.
    pub gateway_user: Option<String>,
    /// The groups of that user.
    pub gateway_groups: Option<Vec<String>>,
    /// What to show beside the reason.
    pub metadata: Map<String, Value>,
    /// What to lay over the session cookie.
    pub session_cookie: Map<String, Value>,
    /// What to lay over the cookie.
    pub cookie: Map<String, Value>,
    /// The message for the user on a denial.
    pub deny_reason: Option<Reason>,
}

impl Written {
    /// Takes out of the cookie what the provider is to remember, for a service that writes it as the SDK's clients do.
    pub(super) fn take_state(&mut self) -> Option<Value> {
        self.cookie.as_mut()?.shift_remove("state")
    }

    /// Checks the members.
    ///
    /// # Errors
    /// An invalid user or group name, too much data, or a cookie with a member that is reserved (see [`is_reserved`]).
    pub(super) fn taken(self) -> Result<Carried, MfaError> {
        let is_name = |name: &String| {
            !name.is_empty() && MfaIdentity::parse(name.as_str()).is_ok() && text::unsteering(name) == *name
        };
        if !self.gateway_user.iter().chain(self.gateway_groups.iter().flatten()).all(is_name) {
            return Err(garbled("the service's answer contains an invalid user or group name"));
        }
        if self.gateway_groups.as_ref().is_some_and(|groups| groups.len() > MAX_GROUPS) {
            return Err(garbled("the service's answer names too many groups"));
        }
        let (cookie, session_cookie) = (bounded(self.cookie)?, bounded(self.session_cookie)?);
        if let Some(name) = cookie.keys().chain(session_cookie.keys()).find(|name| is_reserved(name)) {
            let name = Short(name);
            return Err(garbled(Reason::ours(format!(
                "the service's cookie or session cookie contains {name}, which is reserved for the plugin"
            ))));
        }
        Ok(Carried {
            gateway_user: self.gateway_user,
            gateway_groups: self.gateway_groups,
            metadata: metadata(self.additional_metadata),
            session_cookie,
            cookie,
            deny_reason: self.deny_reason.map(|text| Reason::of_server(&text)),
        })
    }
}

impl Carried {
    /// Keeps this, or `other` where this is nothing.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        let is_nothing = self.gateway_user.is_none()
            && self.gateway_groups.is_none()
            && self.deny_reason.is_none()
            && [&self.metadata, &self.session_cookie, &self.cookie].into_iter().all(Map::is_empty);
        if is_nothing { other } else { self }
    }

    /// Takes a secret out of everything that the service wrote. A name that has it in it is left out.
    #[must_use]
    pub fn without(self, secret: &SecretString) -> Self {
        // A name with a gap in it would be another name.
        let is_clean = |name: &String| secret::masked(name, secret) == *name;
        let object = |members| masked_members(members, secret);
        Self {
            gateway_user: self.gateway_user.filter(is_clean),
            gateway_groups: self.gateway_groups.map(|groups| groups.into_iter().filter(is_clean).collect()),
            metadata: object(self.metadata),
            session_cookie: object(self.session_cookie),
            cookie: object(self.cookie),
            deny_reason: self.deny_reason.map(|reason| reason.without(secret)),
        }
    }
}

fn bounded(members: Option<Map<String, Value>>) -> Result<Map<String, Value>, MfaError> {
    let members = members.unwrap_or_default();
    let length = serde_json::to_vec(&members).map_or(usize::MAX, |text| text.len());
    if length > MAX_COOKIE {
        Err(garbled("the cookie in the service's answer is too large"))
    } else {
        Ok(members)
    }
}

/// Reads the metadata: an object, or a text that is one (SDK: `with_additional_metadata`); any other is one member.
fn metadata(written: Option<Value>) -> Map<String, Value> {
    let members = match written {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(members)) => members,
        Some(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(Value::Object(members)) => members,
            Ok(_) | Err(_) => Map::from_iter([("metadata".to_owned(), Value::String(text))]),
        },
        Some(other) => Map::from_iter([("metadata".to_owned(), other)]),
    };
    let shown = |value: Value| match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
        Value::String(text) => Value::String(text::printable(&text)),
        // SPS shows and searches text.
        nested @ (Value::Array(_) | Value::Object(_)) => Value::String(text::printable(&nested.to_string())),
    };
    let members = members.into_iter().take(MAX_MEMBERS);
    members.map(|(name, value)| (text::printable(&name), shown(value))).collect()
}

fn masked_members(members: Map<String, Value>, secret: &SecretString) -> Map<String, Value> {
    let member = |(name, value): (String, Value)| (secret::masked(&name, secret), masked(value, secret));
    members.into_iter().map(member).collect()
}

/// Takes a secret out of a value, whatever its form. A number that has it in its digits becomes a text.
fn masked(value: Value, secret: &SecretString) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value,
        Value::Number(number) => {
            let text = number.to_string();
            let masked = secret::masked(&text, secret);
            if masked == text { Value::Number(number) } else { Value::String(masked) }
        }
        Value::String(text) => Value::String(secret::masked(&text, secret)),
        Value::Array(values) => values.into_iter().map(|value| masked(value, secret)).collect(),
        Value::Object(members) => Value::Object(masked_members(members, secret)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(text: &str) -> Result<Carried, String> {
        let written: Written = serde_json::from_str(text).unwrap();
        written.taken().map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_masked_in_everything_that_the_service_wrote() {
        let text = r#"{"gateway_user": "u123456", "gateway_groups": ["g123456"], "deny_reason": "no 123456",
            "additional_metadata": {"123456": {"a": ["x123456"]}, "n": 1234567},
            "session_cookie": {"a": [{"123456": "123456"}], "n": 123456}, "cookie": {"a": "123456"}}"#;
        let carried = carried(text).unwrap().without(&SecretString::from("123456"));
        let Carried { gateway_user, gateway_groups, metadata, session_cookie, cookie, deny_reason } = carried;
        let all = format!(
            "{gateway_user:?}{gateway_groups:?}{metadata:?}{session_cookie:?}{cookie:?}{}",
            deny_reason.unwrap()
        );
        assert!(!all.contains("123456") && all.matches("***").count() >= 7, "{all}");
        assert!(gateway_user.is_none() && gateway_groups.is_some_and(|groups| groups.is_empty()));
    }

    #[test]
    fn metadata_is_an_object_a_text_of_one_or_one_member() {
        let metadata = |text: &str| {
            let text = format!(r#"{{"additional_metadata": {text}}}"#);
            Value::Object(carried(&text).unwrap().metadata).to_string()
        };
        assert_eq!(metadata(r#"{"score": 3, "b": [1]}"#), r#"{"score":3,"b":"[1]"}"#);
        assert_eq!(metadata(r#""{\"score\": 3}""#), r#"{"score":3}"#);
        assert_eq!(metadata(r#""plain""#), r#"{"metadata":"plain"}"#);
        assert_eq!(metadata("null"), "{}");
        let long = format!("{:?}", "x".repeat(5000));
        assert_eq!(metadata(&long).len(), text::MAX_TEXT + 15);
    }

    #[test]
    fn a_name_that_is_not_one_and_a_cookie_of_the_plugins_own_are_refused() {
        for bad in [
            r#"{"gateway_user": ""}"#,
            r#"{"gateway_user": "a\nb"}"#,
            r#"{"gateway_groups": ["dba", "\u202edba"]}"#,
            r#"{"cookie": {"username": "root"}}"#,
            r#"{"cookie": {"mfa_identity": "root"}}"#,
            r#"{"cookie": {"__sps_plugin": {}}}"#,
            r#"{"cookie": {"state": 1}}"#,
            r#"{"session_cookie": {"__sps_plugin": {}}}"#,
            r#"{"session_cookie": {"account": "root"}}"#,
            r#"{"session_cookie": {"asset": "db1"}}"#,
            r#"{"session_cookie": {"other": 1, "questions": {"vp": "secret/root"}}}"#,
        ] {
            assert!(carried(bad).is_err(), "{bad}");
        }
        let long = format!(r#"{{"session_cookie": {{"a": "{}"}}}}"#, "x".repeat(MAX_COOKIE));
        assert!(carried(&long).is_err_and(|error| error.contains("too large")));
    }
}
