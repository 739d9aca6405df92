//! What `token export --secrets` wrote: one JSON object a line.

use serde::Deserialize;

use super::entry::{self, EntryError, Found, Place, expected};
use super::{Batch, Defaults, ImportError};
use crate::clock::UnixTime;
use crate::json::Object;
use crate::store::TokenType;
use crate::token::enroll::{Draft, Wanted};
use crate::token::naming;

/// The members that count; the others follow from them.
#[derive(Deserialize)]
struct Exported {
    serial: String,
    #[serde(rename = "type")]
    token_type: String,
    user: Option<String>,
    realm: Option<String>,
    enabled: bool,
    counter: Option<u64>,
    last_step: Option<u64>,
    fail_counter: u32,
    max_fail: u32,
    unlock_after: u32,
    valid_from: Option<String>,
    valid_until: Option<String>,
    description: String,
    has_pin: bool,
    algorithm: Option<String>,
    digits: Option<u8>,
    period: Option<u32>,
    window: Option<u32>,
    skew: Option<i64>,
    target: Option<String>,
    realms: Option<String>,
    separator: Option<String>,
    secret_hex: Option<String>,
    #[serde(default)]
    used_codes: Vec<u64>,
}

/// Reads the lines of a file. A token that had a PIN comes back without it, and so disabled: it would be weaker.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let exported = serde_json::from_str::<Object<Exported>>(line)
            .map_err(|_| expected("the line", "a JSON object as token export writes it"));
        let found = exported.and_then(|Object(exported)| {
            let had_pin = exported.has_pin && exported.enabled;
            let draft = draft(exported, defaults)?;
            let serial = &draft.token.serial;
            let note = format!(
                "{serial} had a PIN, which cannot be exported; the token is disabled until you run set-pin and enable"
            );
            Ok(Found { notes: had_pin.then_some(note).into_iter().collect(), draft })
        });
        batch.add(Place::Line(number), found)?;
    }
    Ok(())
}

fn draft(exported: Exported, defaults: &Defaults<'_>) -> Result<Draft, EntryError> {
    let Some(token_type) = TokenType::from_word(&exported.token_type) else {
        return Err(expected("the type", "one that token export writes"));
    };
    let secret = exported.secret_hex.as_deref().map(entry::hex).transpose()?;
    let codes = matches!(token_type, TokenType::Hotp | TokenType::Totp | TokenType::Paper);
    match token_type {
        TokenType::Pw | TokenType::Spass => {
            return Err(EntryError::Unsupported("a password or PIN, which is not exported,"));
        }
        TokenType::Hotp | TokenType::Totp | TokenType::Paper | TokenType::Registration => {
            secret.as_ref().ok_or(EntryError::Missing("the secret"))?;
        }
        TokenType::Forward | TokenType::FourEyes => {}
    }
    let time = |text: Option<String>| {
        let time = text.map(|text| UnixTime::parse(&text)).transpose();
        time.map_err(|_| expected("a time", "such as 2026-01-31T12:00:00Z"))
    };
    let owner = match (&exported.user, &exported.realm) {
        (Some(user), realm) => Some(naming::owner(user, realm.as_deref(), defaults.realm, &defaults.people)?),
        (None, _) => defaults.owner.clone(),
    };
    let mut draft = Wanted {
        serial: Some(exported.serial),
        owner,
        description: exported.description,
        secret,
        algorithm: exported.algorithm.as_deref().map(entry::algorithm).transpose()?,
        digits: exported.digits.filter(|_| codes),
        period: exported.period,
        window: exported.window,
        target: exported.target,
        realms: exported.realms,
        separator: exported.separator,
        max_fail: Some(exported.max_fail),
        unlock_after: Some(exported.unlock_after),
        valid_from: time(exported.valid_from)?,
        valid_until: time(exported.valid_until)?,
        ..Wanted::new(token_type)
    }
    .draft()?;
    let token = &mut draft.token;
    let next = exported.last_step.map(|step| step.saturating_add(1));
    token.counter = if token_type == TokenType::Totp { next } else { exported.counter }.unwrap_or(0);
    let limit = |number: u64| i64::try_from(number).is_ok();
    if !limit(token.counter) || !exported.used_codes.iter().all(|used| limit(*used)) {
        return Err(expected("a counter", "below 2^63"));
    }
    // A device that is a year ahead of us is none; this also keeps sums small.
    token.skew = exported.skew.unwrap_or(0);
    if token.skew.unsigned_abs() > 1_048_576 {
        return Err(expected("the skew", "within 1048576 steps"));
    }
    token.fail_counter = exported.fail_counter;
    token.enabled = exported.enabled && !exported.has_pin;
    draft.used = exported.used_codes;
    Ok(draft)
}
