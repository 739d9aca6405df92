//! The servers' answers, typed: whatever is not of the known form is a communication error, and no answer.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

use crate::json::Object;
use crate::mfa::dialogue::{Accepted, Challenge, Push, Verdict};
use crate::mfa::envelope::{self, Refusal};
use crate::mfa::error::{MfaError, garbled};
use crate::mfa::kinds;
use crate::mfa::reason::Reason;
use crate::mfa::text::printable;
use crate::net::Reply;

/// Error codes that are a denial: the validation failed, the policy forbids it, there is no such token, no such user,
/// the token is locked or revoked. All others are somebody's mistake.
const DENIALS: [i64; 5] = [401, 303, 601, 904, 1007];

/// Codes for use without the server.
#[derive(Deserialize)]
pub(super) struct OfflineItem {
    pub(super) serial: Option<String>,
    pub(super) refilltoken: SecretString,
    /// By counter, hashed with the PIN in front. (For other token types a public key and its like.)
    pub(super) response: BTreeMap<String, SecretString>,
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

#[derive(Default, Deserialize)]
struct AuthItems {
    offline: Option<Vec<Object<OfflineItem>>>,
}

impl AuthItems {
    fn take(self) -> Vec<OfflineItem> {
        self.offline.unwrap_or_default().into_iter().map(|Object(item)| item).collect()
    }
}

type Usable = envelope::Usable<Detail, AuthItems>;

/// Reads an answer of `/validate/check`, and the codes for use without the server that came along.
pub(super) fn verdict(reply: &Reply) -> Result<(Verdict, Vec<OfflineItem>), MfaError> {
    let answer = match usable(reply)? {
        Ok(answer) => answer,
        Err(refusal) => return Ok((refused(refusal)?, Vec::new())),
    };
    let value = answer.truth()?;
    let Usable { detail, items, authentication, .. } = answer;
    let verdict = match (value, authentication.as_deref()) {
        (true, None | Some("ACCEPT")) => {
            let serial = detail.serial.map(envelope::serial_of).transpose()?;
            let code = kinds::of_type(detail.token_type.as_deref());
            Verdict::Accepted(Accepted { serial, way: None, code })
        }
        (false, Some("CHALLENGE")) => Verdict::Challenge(challenge(detail)?),
        // A server from before there was this member.
        (false, None) if detail.transaction_id.is_some() => Verdict::Challenge(challenge(detail)?),
        (false, None | Some("REJECT" | "DECLINED")) => {
            Verdict::Rejected(envelope::reason(detail.message.as_deref()))
        }
        (_, Some(_)) => return Err(garbled("the server's value and authentication contradict each other")),
    };
    Ok((verdict, items.take()))
}

/// Reads an answer of `/validate/triggerchallenge`. What it calls ACCEPT is a count of challenges.
pub(super) fn triggered(reply: &Reply) -> Result<Verdict, MfaError> {
    let Usable { value, detail, .. } = match usable(reply)? {
        Ok(answer) => answer,
        Err(refusal) => return refused(refusal),
    };
    match value.as_u64() {
        None => Err(garbled("the server's value is no count of challenges")),
        Some(0) => Ok(Verdict::Rejected("the user has no token that can be triggered".into())),
        Some(_) => challenge(detail).map(Verdict::Challenge),
    }
}

/// Reads an answer of `/validate/polltransaction`. What it calls ACCEPT is an answer that came in.
pub(super) fn polled(reply: &Reply) -> Result<Push, MfaError> {
    let answer = usable(reply)?.map_err(|refusal| garbled(refusal.reason))?;
    let value = answer.truth()?;
    let Usable { authentication, detail, .. } = answer;
    match (detail.challenge_status.as_deref(), authentication.as_deref()) {
        (Some("declined"), _) | (None, Some("DECLINED")) => Ok(Push::Declined),
        (Some("accept"), _) => Ok(Push::Answered),
        (None, _) if value => Ok(Push::Answered),
        (Some("pending") | None, _) => Ok(Push::Pending),
        (Some(_), _) => Err(garbled("the server's challenge_status is unknown")),
    }
}

/// Reads an answer of `/validate/offlinerefill`: the codes, or why there are none. Any error is a no.
pub(super) fn refilled(reply: &Reply) -> Result<Result<Vec<OfflineItem>, Reason>, MfaError> {
    let answer = match usable(reply)? {
        Ok(answer) => answer,
        Err(refusal) => return Ok(Err(refusal.reason)),
    };
    Ok(match answer.truth()? {
        true => Ok(answer.items.take()),
        false => Err(envelope::reason(answer.detail.message.as_deref())),
    })
}

/// Without a value there has to be an error.
fn usable(reply: &Reply) -> Result<Result<Usable, Refusal>, MfaError> {
    match envelope::usable(reply)? {
        Err(refusal) if refusal.code.is_none() => Err(garbled(refusal.reason)),
        result => Ok(result),
    }
}

/// Some errors are a denial.
fn refused(refusal: Refusal) -> Result<Verdict, MfaError> {
    if refusal.code.is_some_and(|code| DENIALS.contains(&code)) {
        Ok(Verdict::Rejected(refusal.reason))
    } else {
        Err(garbled(refusal.reason))
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
    let transaction_id = envelope::transaction_id(named)?;
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
