//! The answers of LinOTP and of its descendants privacyIDEA and eduMFA: the same envelope around what each has of its
//! own. Whatever is not of the known form is a communication error, and no answer.

use serde::Deserialize;
use serde_json::Value;

use super::error::{MfaError, garbled};
use super::reason::Reason;
use super::text::printable;
use crate::json::{self, optional_object};
use crate::net::Reply;

/// What is said of a page that is not the server's API.
pub(super) const WRONG_ADDRESS: &str = "; does the address lead to the server's root?";
/// The longest transaction id and the longest serial; the servers' have twenty digits and forty characters.
const MAX_ID: usize = 64;

#[derive(Deserialize)]
#[serde(bound = "D: Deserialize<'de>, I: Deserialize<'de>")]
struct Answer<D, I> {
    #[serde(default, deserialize_with = "optional_object")]
    result: Option<Outcome>,
    #[serde(default, deserialize_with = "optional_object")]
    detail: Option<D>,
    #[serde(default, deserialize_with = "optional_object")]
    auth_items: Option<I>,
}

#[derive(Deserialize)]
struct Outcome {
    status: bool,
    value: Option<Value>,
    authentication: Option<String>,
    #[serde(default, deserialize_with = "optional_object")]
    error: Option<ServerError>,
}

#[derive(Deserialize)]
struct ServerError {
    code: i64,
    message: Option<String>,
}

/// What a usable answer holds: the members that all have, the server's `detail` and its `auth_items`.
pub(super) struct Usable<D, I> {
    pub(super) value: Value,
    pub(super) authentication: Option<String>,
    pub(super) detail: D,
    pub(super) items: I,
}

/// An answer with a `status` of false.
pub(super) struct Refusal {
    /// The server's number for it; `None` where it names no error.
    pub(super) code: Option<i64>,
    /// Whether it has a `value` of false, as LinOTP has instead of an error.
    pub(super) is_denial: bool,
    pub(super) reason: Reason,
}

/// Reads an answer. A status of 502 to 504 is an outage.
pub(super) fn usable<D, I>(reply: &Reply) -> Result<Result<Usable<D, I>, Refusal>, MfaError>
where
    D: Default + for<'de> Deserialize<'de>,
    I: Default + for<'de> Deserialize<'de>,
{
    match reply.status {
        200 | 400..=499 => {}
        // A proxy in front says so. A 500 is the server's own, and a user may be able to provoke it.
        502..=504 => {
            let reason = format!("the server answered with status {}", reply.status);
            return Err(MfaError::ServiceUnreachable { reason, source: None });
        }
        status => return Err(garbled(Reason::ours(format!("the server answered with status {status}")))),
    }
    let answer: Answer<D, I> = json::from_slice(&reply.body).map_err(|error| {
        // serde's message may quote a value.
        let hint = if reply.status == 404 { WRONG_ADDRESS } else { "" };
        garbled(Reason::ours(format!(
            "the server's answer with status {} is not of the known form (line {}, column {}){hint}",
            reply.status,
            error.line(),
            error.column()
        )))
    })?;
    let Some(outcome) = answer.result else { return Err(garbled("the server's answer has no result")) };
    match outcome {
        Outcome { status: true, value: Some(value), authentication, .. } if reply.status == 200 => {
            let (detail, items) = (answer.detail.unwrap_or_default(), answer.auth_items.unwrap_or_default());
            Ok(Ok(Usable { value, authentication, detail, items }))
        }
        Outcome { status: false, error: Some(ServerError { code, message }), .. } => {
            let reason = Reason::introduced(format!("error {code}: "), &message.unwrap_or_default());
            Ok(Err(Refusal { code: Some(code), is_denial: false, reason }))
        }
        Outcome { status, value, .. } => Ok(Err(Refusal {
            code: None,
            is_denial: !status && reply.status == 200 && value == Some(Value::Bool(false)),
            reason: "the server's answer has neither a value nor an error".into(),
        })),
    }
}

impl<D, I> Usable<D, I> {
    /// Returns the value, which has to be true or false.
    pub(super) fn truth(&self) -> Result<bool, MfaError> {
        match self.value {
            Value::Bool(value) => Ok(value),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                Err(garbled("the server's value is neither true nor false"))
            }
        }
    }
}

/// Says for check-config what is wrong with an answer that is not of the known form.
pub(super) fn elsewhere(error: &MfaError, reply: &Reply) -> String {
    let hint = if reply.status == 404 { "" } else { WRONG_ADDRESS };
    format!("{error}{hint}")
}

/// Tells whether a text can be a transaction id. It may become part of an address.
pub(super) fn is_transaction_id(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(known)
}

/// Takes the text of a transaction id that has to be there.
pub(super) fn transaction_id(text: Option<String>) -> Result<String, MfaError> {
    text.filter(|id| is_transaction_id(id))
        .ok_or_else(|| garbled("the server's challenge has no usable transaction id"))
}

/// Takes a serial; it goes into what SPS shows, and back to the server.
pub(super) fn serial_of(text: String) -> Result<String, MfaError> {
    if printable(&text) == text && (1..=MAX_ID).contains(&text.len()) {
        return Ok(text);
    }
    Err(garbled("the server's serial is no serial"))
}

/// Makes a reason of what the server says about a denial.
pub(super) fn reason(text: Option<&str>) -> Reason {
    match text.map(Reason::of_server) {
        Some(reason) if !reason.is_empty() => reason,
        Some(_) | None => "the server rejects it".into(),
    }
}
