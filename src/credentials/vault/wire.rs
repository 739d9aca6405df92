//! What Vault's API says, and what comes of it (HTTP API, "Responses" and each engine's page).

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::json;
use crate::net::Reply;

/// A member of a secret.
pub(super) enum Field {
    /// A text, the only thing that is handed out.
    Text(SecretString),
    /// An object, such as the `data` that version 2 of the key-value engine puts around a secret.
    Members(BTreeMap<String, Field>),
    /// Null, as a deleted version is.
    Null,
    /// Anything else.
    Other,
}

/// An answer of the API. What is not there is null.
#[derive(Deserialize)]
pub(super) struct Envelope {
    #[serde(default)]
    pub(super) data: Option<Field>,
    #[serde(default)]
    pub(super) auth: Option<Auth>,
    #[serde(default)]
    pub(super) lease_id: Option<String>,
    #[serde(default)]
    pub(super) wrap_info: Option<WrapInfo>,
}

/// What a login gives.
#[derive(Deserialize)]
pub(super) struct Auth {
    pub(super) client_token: SecretString,
    /// `service` or `batch`; older servers do not say it.
    #[serde(default)]
    pub(super) token_type: Option<String>,
}

/// What a wrapped answer gives.
#[derive(Deserialize)]
pub(super) struct WrapInfo {
    pub(super) token: SecretString,
    pub(super) creation_path: String,
}

/// What every Vault says of itself, whatever the status.
#[derive(Deserialize)]
struct Health {
    #[serde(rename = "initialized")]
    _initialized: bool,
    #[serde(rename = "sealed")]
    _sealed: bool,
}

/// Tells whether this is what `sys/health` answers.
pub(super) fn is_health(reply: &Reply) -> bool {
    json::from_slice::<Health>(&reply.body).is_ok()
}

/// Reads an answer of status 200; `None` where it is no JSON object of the documented form.
pub(super) fn read(reply: Reply) -> Option<Envelope> {
    let body = Zeroizing::new(reply.body);
    json::from_slice(&body).ok()
}

impl Field {
    /// Returns the member of this name. Where no member has the whole name, a dot leads into an object, as in the
    /// Python plugin: `data.password`.
    pub(super) fn find(mut members: BTreeMap<String, Self>, name: &str) -> Option<Self> {
        if let Some(found) = members.remove(name) {
            return Some(found);
        }
        for (dot, _) in name.match_indices('.') {
            let (Some(outer), Some(inner)) = (name.get(..dot), name.get(dot.saturating_add(1)..)) else {
                continue;
            };
            if let Some(Self::Members(within)) = members.remove(outer)
                && let Some(found) = Self::find(within, inner)
            {
                return Some(found);
            }
        }
        None
    }
}

/// Tells whether the same request may succeed in a moment: those that Vault's own clients send again (HTTP API, "HTTP
/// status codes"). A sealed or uninitialised server is found by `sys/health` before.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 412 | 429 | 500 | 502..=504)
}

/// Tells what an error status means, in words of our own: the server's may quote what it was sent.
pub(super) fn meaning(status: u16) -> &'static str {
    match status {
        307 | 308 => "is a standby that sends its clients elsewhere, which is not followed",
        400 => "does not take the request or the login's credentials (400)",
        403 => "denies access: the token or its policies do not allow it (403)",
        404 => "has nothing there (404)",
        405 => "does not know the request at this path (405)",
        412 => "has not caught up with its cluster yet (412)",
        429 => "is a standby, or has had too many requests (429)",
        472 => "is the secondary of a disaster recovery cluster (472)",
        473 => "is a performance standby (473)",
        500 => "has an internal error (500)",
        501 => "is not initialised (501)",
        502 | 504 => "is behind a proxy that cannot reach it",
        503 => "is sealed or down for maintenance (503)",
        _ => "answers with an unexpected status",
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyField;
        impl<'de> Visitor<'de> for AnyField {
            type Value = Field;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Field, E> {
                Ok(Field::Text(SecretString::from(text)))
            }

            fn visit_string<E>(self, text: String) -> Result<Field, E> {
                Ok(Field::Text(SecretString::from(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, field)) = map.next_entry()? {
                    members.insert(name, field);
                }
                Ok(Field::Members(members))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Field, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::Other)
            }

            fn visit_unit<E>(self) -> Result<Field, E> {
                Ok(Field::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Field, E> {
                Ok(Field::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
                Ok(Field::Other)
            }
        }
        deserializer.deserialize_any(AnyField)
    }
}
