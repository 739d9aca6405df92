//! A token as JSON: the same members first for every type, then those of its type. Never a secret.

use serde_json::{Map, Value, json};

use crate::clock::UnixTime;
use crate::store::{Token, TokenType};

/// Returns what may be shown of a token, as of `now`.
pub fn members(token: &Token, now: UnixTime) -> Map<String, Value> {
    let time = |time: Option<UnixTime>| time.map(|time| time.to_string());
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let is_totp = token.token_type == TokenType::Totp;
    let mut members = object(json!({
        "serial": token.serial,
        "type": token.token_type.word(),
        "user": named(&token.user),
        "realm": named(&token.realm),
        "enabled": token.enabled,
        "counter": (!is_totp).then_some(token.counter),
        "last_step": if is_totp { token.counter.checked_sub(1) } else { None },
        "fail_counter": token.fail_counter,
        "max_fail": token.max_fail,
        "valid_from": time(token.valid_from),
        "valid_until": time(token.valid_until),
        "description": token.description,
        "locked": token.is_locked(now),
        "unlock_after": token.unlock_after,
        "has_pin": token.sealed_pin.is_some(),
    }));
    members.append(&mut object(match token.token_type {
        TokenType::Hotp => json!({
            "algorithm": token.algorithm.word(), "digits": token.digits, "window": token.window,
        }),
        TokenType::Totp => json!({
            "algorithm": token.algorithm.word(), "digits": token.digits, "period": token.period,
            "window": token.window, "skew": token.skew,
        }),
        TokenType::Paper => json!({
            "algorithm": token.algorithm.word(), "digits": token.digits, "window": token.window,
            "codes_left": u64::from(token.window).saturating_sub(token.counter),
        }),
        TokenType::Registration => json!({ "digits": token.digits, "used": token.counter > 0 }),
        TokenType::Forward => json!({ "target": token.target }),
        TokenType::FourEyes => json!({ "realms": token.realms, "separator": token.separator }),
        TokenType::Pw | TokenType::Spass => json!({}),
    }));
    members
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
