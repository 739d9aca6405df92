//! The servers' answers, typed: whatever is not of the known form is a communication error, and no answer.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::super::{MfaError, printable};
use crate::json::{self, Object, optional_object};
use crate::net::Reply;

/// The longest transaction id and the longest serial; the servers' have twenty digits and forty characters.
const MAX_ID: usize = 64;

/// Error codes that are a denial: the validation failed, the policy forbids it, there is no such token, no such user,
/// the token is locked or revoked. All others are somebody's mistake.
const DENIALS: [i64; 5] = [401, 303, 601, 904, 1007];

/// What an answer says about a login.
pub(super) enum Verdict {
    Accepted(Accepted),
    /// Why, for the operator.
    Rejected(String),
    Challenge(Challenge),
}

/// A yes.
pub(super) struct Accepted {
    pub(super) serial: Option<String>,
    /// How it came about, where that is not what the user did.
    pub(super) way: Option<&'static str>,
}

/// Something that the user, or the user's device, has to answer.
pub(super) struct Challenge {
    pub(super) transaction_id: String,
    /// What the user reads; `None` where there is nothing to read.
    pub(super) message: Option<String>,
    /// Whether a code answers it.
    pub(super) interactive: bool,
    /// Whether a confirmation on a device answers it.
    pub(super) poll: bool,
}

/// How far a push has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Push {
    Pending,
    /// Somebody answered. Whether the answer is right is for `/validate/check` to say.
    Answered,
    Declined,
}

/// Codes for use without the server.
#[derive(Deserialize)]
pub(super) struct OfflineItem {
    pub(super) serial: Option<String>,
    pub(super) refilltoken: SecretString,
    /// By counter, hashed with the PIN in front. (For other token types a public key and its like.)
    pub(super) response: BTreeMap<String, SecretString>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "optional_object")]
    result: Option<Outcome>,
    #[serde(default, deserialize_with = "optional_object")]
    detail: Option<Detail>,
    #[serde(default, deserialize_with = "optional_object")]
    auth_items: Option<AuthItems>,
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

#[derive(Default, Deserialize)]
struct Detail {
    message: Option<String>,
    serial: Option<String>,
    transaction_id: Option<String>,
    client_mode: Option<String>,
    #[serde(rename = "type")]
    token_type: Option<String>,
    multi_challenge: Option<Vec<Object<Entry>>>,
    challenge_status: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    transaction_id: Option<String>,
    client_mode: Option<String>,
    #[serde(rename = "type")]
    token_type: Option<String>,
}

#[derive(Deserialize)]
struct AuthItems {
    offline: Option<Vec<Object<OfflineItem>>>,
}

/// What a usable answer holds.
struct Usable {
    value: Value,
    authentication: Option<String>,
    detail: Detail,
    items: Vec<OfflineItem>,
}

/// An answer that is an error.
struct Refusal {
    code: i64,
    reason: String,
}

/// Makes the error for an answer that makes no sense.
pub(super) fn garbled(reason: &str) -> MfaError {
    MfaError::CommunicationError { reason: reason.to_owned(), source: None }
}

/// Tells whether a text can be a transaction id. It becomes part of an address.
pub(super) fn is_transaction_id(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(known)
}

/// Reads an answer of `/validate/check`, and the codes for use without the server that came along.
pub(super) fn verdict(reply: &Reply) -> Result<(Verdict, Vec<OfflineItem>), MfaError> {
    let answer = match usable(reply)? {
        Ok(answer) => answer,
        Err(refusal) => return Ok((refusal.verdict()?, Vec::new())),
    };
    let Usable { detail, items, .. } = answer;
    let Value::Bool(value) = answer.value else {
        return Err(garbled("the server's value is neither true nor false"));
    };
    let verdict = match (value, answer.authentication.as_deref()) {
        (true, None | Some("ACCEPT")) => {
            let serial = detail.serial.map(serial_of).transpose()?;
            Verdict::Accepted(Accepted { serial, way: None })
        }
        (false, Some("CHALLENGE")) => Verdict::Challenge(challenge(detail)?),
        // A server from before there was this member.
        (false, None) if detail.transaction_id.is_some() => Verdict::Challenge(challenge(detail)?),
        (false, None | Some("REJECT" | "DECLINED")) => Verdict::Rejected(message(&detail)),
        (_, Some(_)) => return Err(garbled("the server's value and authentication contradict each other")),
    };
    Ok((verdict, items))
}

/// Reads an answer of `/validate/triggerchallenge`. What it calls ACCEPT is a count of challenges.
pub(super) fn triggered(reply: &Reply) -> Result<Verdict, MfaError> {
    let Usable { value, detail, .. } = match usable(reply)? {
        Ok(answer) => answer,
        Err(refusal) => return refusal.verdict(),
    };
    match value.as_u64() {
        None => Err(garbled("the server's value is no count of challenges")),
        Some(0) => Ok(Verdict::Rejected("the user has no token that can be triggered".to_owned())),
        Some(_) => challenge(detail).map(Verdict::Challenge),
    }
}

/// Reads an answer of `/validate/polltransaction`. What it calls ACCEPT is an answer that came in.
pub(super) fn polled(reply: &Reply) -> Result<Push, MfaError> {
    let Usable { value, authentication, detail, .. } =
        usable(reply)?.map_err(|refusal| garbled(&refusal.reason))?;
    let Value::Bool(value) = value else {
        return Err(garbled("the server's value is neither true nor false"));
    };
    match (detail.challenge_status.as_deref(), authentication.as_deref()) {
        (Some("declined"), _) | (None, Some("DECLINED")) => Ok(Push::Declined),
        (Some("accept"), _) => Ok(Push::Answered),
        (None, _) if value => Ok(Push::Answered),
        (Some("pending") | None, _) => Ok(Push::Pending),
        (Some(_), _) => Err(garbled("the server's challenge_status is unknown")),
    }
}

/// Reads an answer of `/validate/offlinerefill`: the codes, or why there are none. Any error is a no.
pub(super) fn refilled(reply: &Reply) -> Result<Result<Vec<OfflineItem>, String>, MfaError> {
    let Usable { value, detail, items, .. } = match usable(reply)? {
        Ok(answer) => answer,
        Err(refusal) => return Ok(Err(refusal.reason)),
    };
    match value {
        Value::Bool(true) => Ok(Ok(items)),
        Value::Bool(false) => Ok(Err(message(&detail))),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(garbled("the server's value is neither true nor false"))
        }
    }
}

fn usable(reply: &Reply) -> Result<Result<Usable, Refusal>, MfaError> {
    match reply.status {
        200 | 400..=499 => {}
        // A proxy in front says so. A 500 is the server's own, and a user may be able to provoke it.
        502..=504 => {
            let reason = format!("the server answered with status {}", reply.status);
            return Err(MfaError::ServiceUnreachable { reason, source: None });
        }
        status => return Err(garbled(&format!("the server answered with status {status}"))),
    }
    let answer: Answer = json::from_slice(&reply.body).map_err(|error| {
        // serde's message may quote a value.
        garbled(&format!(
            "the server's answer with status {} is not of the known form (line {}, column {})",
            reply.status,
            error.line(),
            error.column()
        ))
    })?;
    let Some(outcome) = answer.result else { return Err(garbled("the server's answer has no result")) };
    match outcome {
        Outcome { status: true, value: Some(value), authentication, .. } if reply.status == 200 => {
            let items = answer.auth_items.and_then(|items| items.offline).unwrap_or_default();
            Ok(Ok(Usable {
                value,
                authentication,
                detail: answer.detail.unwrap_or_default(),
                items: items.into_iter().map(|Object(item)| item).collect(),
            }))
        }
        Outcome { status: false, error: Some(ServerError { code, message }), .. } => {
            let reason = format!("error {code}: {}", printable(&message.unwrap_or_default()));
            Ok(Err(Refusal { code, reason }))
        }
        Outcome { .. } => Err(garbled("the server's answer has neither a value nor an error")),
    }
}

impl Refusal {
    fn verdict(self) -> Result<Verdict, MfaError> {
        if DENIALS.contains(&self.code) {
            Ok(Verdict::Rejected(self.reason))
        } else {
            Err(garbled(&self.reason))
        }
    }
}

fn challenge(detail: Detail) -> Result<Challenge, MfaError> {
    let text = printable(detail.message.as_deref().unwrap_or_default());
    let mut entries: Vec<Entry> =
        detail.multi_challenge.unwrap_or_default().into_iter().map(|Object(entry)| entry).collect();
    let named = detail
        .transaction_id
        .clone()
        .or_else(|| entries.iter().find_map(|entry| entry.transaction_id.clone()));
    let Some(transaction_id) = named.filter(|id| is_transaction_id(id)) else {
        return Err(garbled("the server's challenge has no usable transaction id"));
    };
    if entries.is_empty() {
        entries.push(Entry {
            transaction_id: detail.transaction_id,
            client_mode: detail.client_mode,
            token_type: detail.token_type,
        });
    }
    entries.retain(|entry| entry.transaction_id.as_ref().is_none_or(|id| *id == transaction_id));
    Ok(Challenge {
        transaction_id,
        message: Some(text).filter(|text| !text.trim().is_empty()),
        interactive: entries.iter().any(|entry| entry.mode() == "interactive"),
        poll: entries.iter().any(|entry| entry.mode() == "poll"),
    })
}

impl Entry {
    /// Servers from before `client_mode` are known by the token's type.
    fn mode(&self) -> &str {
        match (self.client_mode.as_deref(), self.token_type.as_deref()) {
            (Some(mode), _) => mode,
            (None, Some("push" | "edupush" | "tiqr")) => "poll",
            (None, Some("webauthn" | "u2f" | "passkey")) => "webauthn",
            (None, Some(_) | None) => "interactive",
        }
    }
}

fn message(detail: &Detail) -> String {
    let text = printable(detail.message.as_deref().unwrap_or_default());
    if text.is_empty() { "the server rejects it".to_owned() } else { text }
}

/// Takes a serial; it goes into what SPS shows, and back to the server.
pub(super) fn serial_of(text: String) -> Result<String, MfaError> {
    if printable(&text) == text && (1..=MAX_ID).contains(&text.len()) {
        return Ok(text);
    }
    Err(garbled("the server's serial is no serial"))
}
