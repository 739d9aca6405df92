//! Lines without a header: those of OATH files, as privacyIDEA, eduMFA and LinOTP read them, and those that the YubiKey tools log.

use std::borrow::Cow;

use super::super::entry::{EntryError, base32, expected, hex};
use super::row::{Kind, Row};
use super::secret::Encoding;
use crate::store::TokenType;

/// The alphabet of a YubiKey's public id, in the order of its values.
const MODHEX: &str = "cbdefghijklnrtuv";
/// What the personalization tool begins a line with.
const TRADITIONAL: [&str; 3] = ["oath-hotp", "yubico otp", "static password"];

/// Whose lines these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `serial, key, type, digits, period or counter, hash`.
    Oath,
    /// `OATH-HOTP, time, slot, public id, private id, key, …`, the personalization tool's own.
    Traditional,
    /// `serial, public id, private id, key, access code, time`, Yubico's own, which ykman writes too.
    Yubico,
}

impl Layout {
    /// Recognizes a line.
    pub(super) fn of(fields: &[Cow<'_, str>]) -> Option<Self> {
        let at = |index: usize| fields.get(index).map_or("", AsRef::as_ref);
        let first = at(0).to_ascii_lowercase();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if fields.len() >= 6
            && (TRADITIONAL.contains(&first.as_str()) || first.starts_with("challenge-response"))
        {
            Some(Self::Traditional)
        } else if fields.len() >= 4 && is_number(&first) && modhex(at(1)).is_ok() && is_key(at(3)) {
            Some(Self::Yubico)
        } else if !first.is_empty() && is_key(at(1)) {
            Some(Self::Oath)
        } else {
            None
        }
    }

    /// Reads a line.
    pub(super) fn row<'r>(
        self,
        fields: &'r [Cow<'_, str>],
        serial: &'r mut String,
    ) -> Result<Row<'r>, EntryError> {
        match self {
            Self::Oath => oath(fields),
            Self::Traditional => traditional(fields, serial),
            Self::Yubico => yubico(fields, serial),
        }
    }
}

/// Tells whether a field can be a key and not a word.
fn is_key(text: &str) -> bool {
    let looks = text.len() >= 16 || text.bytes().any(|byte| byte.is_ascii_digit());
    looks && (hex(text).is_ok() || base32(text).is_ok())
}

fn field<'r>(fields: &'r [Cow<'_, str>], index: usize) -> Option<&'r str> {
    fields.get(index).map(AsRef::as_ref).filter(|field: &&str| !field.is_empty())
}

fn oath<'r>(fields: &'r [Cow<'_, str>]) -> Result<Row<'r>, EntryError> {
    let at = |index| field(fields, index);
    if fields.iter().skip(6).any(|field| !field.is_empty()) {
        return Err(EntryError::Fields { found: fields.len(), expected: 6 });
    }
    let token_type = at(2).map_or(Kind::Else(TokenType::Hotp), Kind::Written);
    let mut row = Row {
        serial: at(0),
        secrets: at(1).map(|key| (Encoding::HexPreferred, key)).into_iter().collect(),
        token_type,
        digits: at(3),
        algorithm: at(5),
        ..Row::default()
    };
    let is_totp = at(2).is_some_and(|word| word.eq_ignore_ascii_case("totp"));
    match (at(4), at(5)) {
        (number, _) if is_totp => row.period = number,
        // LinOTP has the time step here, which says nothing of a counter-based token.
        (_, Some(_)) => {}
        (Some("30" | "60"), None) => {
            return Err(expected(
                "the fifth field of a hotp token",
                "its counter, but 30 and 60 look like a time step; name the columns in a first line",
            ));
        }
        (number, None) => row.counter = number,
    }
    Ok(row)
}

fn traditional<'r>(fields: &'r [Cow<'_, str>], serial: &'r mut String) -> Result<Row<'r>, EntryError> {
    let at = |index| field(fields, index);
    if !at(0).is_some_and(|kind| kind.eq_ignore_ascii_case("oath-hotp")) {
        return Err(EntryError::Unsupported("a slot of a YubiKey that is not for OATH-HOTP"));
    }
    // The device would type an identifier before each code.
    if (8..11).any(|index| at(index).is_some_and(|flag| flag != "0")) {
        return Err(EntryError::Unsupported("a slot of a YubiKey with a token identifier before the code"));
    }
    let device = at(3).map(modhex).transpose()?;
    let (Some(device), Some(slot)) = (device, at(2)) else {
        return Err(EntryError::Missing("the public id (for the serial)"));
    };
    *serial = format!("UBOM{device:08}_{slot}");
    Ok(Row {
        serial: Some(serial),
        secrets: at(5).map(|key| (Encoding::Hex, key)).into_iter().collect(),
        token_type: Kind::Else(TokenType::Hotp),
        digits: Some(at(11).ok_or(EntryError::Missing("the number of digits"))?),
        counter: at(12),
        ..Row::default()
    })
}

fn yubico<'r>(fields: &'r [Cow<'_, str>], serial: &'r mut String) -> Result<Row<'r>, EntryError> {
    let at = |index| field(fields, index);
    if at(2) != Some("0") {
        return Err(EntryError::Unsupported("a slot of a YubiKey that is not for OATH-HOTP"));
    }
    // The file does not name the slot; privacyIDEA puts an X there.
    *serial = format!("UBOM{}_X", at(0).unwrap_or_default());
    Ok(Row {
        serial: Some(serial),
        secrets: at(3).map(|key| (Encoding::Hex, key)).into_iter().collect(),
        token_type: Kind::Else(TokenType::Hotp),
        ..Row::default()
    })
}

/// Reads a public id as a number.
fn modhex(text: &str) -> Result<u64, EntryError> {
    let wrong = || expected("the public id", "at most 16 characters of modhex");
    let mut number = 0_u64;
    for c in text.chars() {
        let digit = MODHEX.find(c.to_ascii_lowercase()).and_then(|digit| u64::try_from(digit).ok());
        number = number.checked_mul(16).ok_or_else(wrong)? | digit.ok_or_else(wrong)?;
    }
    Ok(number)
}
