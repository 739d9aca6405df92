//! What leaves the store with its secret: otpauth URIs, lists of codes, lines of JSON.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::members::members;
use super::oath::CodeMaker;
use crate::clock::UnixTime;
use crate::store::{Sealer, Store, StoreError, Token, TokenType};

/// The issuer that authenticator apps show.
pub const ISSUER: &str = "sps-plugin";
/// What RFC 3986 section 2.3 leaves unreserved is not encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns the key URI of a `hotp` or `totp` token, as authenticator apps read it from a QR code.
pub fn uri(token: &Token, secret: &[u8]) -> Option<Zeroizing<String>> {
    let moving = match token.token_type {
        TokenType::Hotp => format!("counter={}", token.counter),
        TokenType::Totp => format!("period={}", token.period),
        TokenType::Pw
        | TokenType::Spass
        | TokenType::Registration
        | TokenType::Paper
        | TokenType::Forward
        | TokenType::FourEyes => return None,
    };
    let account =
        if token.user.is_empty() { token.serial.clone() } else { format!("{}@{}", token.user, token.realm) };
    let key = Zeroizing::new(BASE32_NOPAD.encode(secret));
    Some(Zeroizing::new(format!(
        "otpauth://{}/{ISSUER}:{}?secret={}&issuer={ISSUER}&algorithm={}&digits={}&{moving}",
        token.token_type,
        utf8_percent_encode(&account, ENCODED),
        *key,
        token.algorithm.word().to_ascii_uppercase(),
        token.digits,
    )))
}

/// Returns the codes of a `paper` token, in their order.
pub fn paper_codes(token: &Token, secret: &[u8]) -> Option<Vec<String>> {
    if token.token_type != TokenType::Paper {
        return None;
    }
    let maker = CodeMaker::new(token.algorithm, secret, token.digits)?;
    Some((0..u64::from(token.window)).map(|position| maker.code(position)).collect())
}

/// Returns everything of a token that another store can use: its members, the hexadecimal secret, and which codes
/// are used. `None` for `pw` and `spass`: what is kept of a password or PIN cannot be turned back, and is of no use
/// in another store.
///
/// # Errors
/// [`StoreError`].
pub fn everything(
    store: &Store<'_>,
    sealer: &Sealer,
    token: &Token,
    now: UnixTime,
) -> Result<Option<Map<String, Value>>, StoreError> {
    let has_secret = match token.token_type {
        TokenType::Hotp | TokenType::Totp | TokenType::Paper | TokenType::Registration => true,
        TokenType::Forward | TokenType::FourEyes => false,
        TokenType::Pw | TokenType::Spass => return Ok(None),
    };
    let mut members = members(token, now);
    if has_secret {
        members.insert("secret_hex".to_owned(), HEXLOWER.encode(&token.secret(sealer)?).into());
    }
    if matches!(token.token_type, TokenType::Paper | TokenType::Registration) {
        members.insert("used_codes".to_owned(), store.used_codes(&token.serial)?.into());
    }
    Ok(Some(members))
}
