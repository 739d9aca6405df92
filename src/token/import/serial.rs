//! Serials of files: taken as they are where SPS can take them, else made from the file's.

use sha2::{Digest, Sha256};

use super::entry::{EntryError, Place};
use crate::logging::Short;
use crate::store::TokenType;
use crate::token::naming::{MAX_SERIAL, check_serial};

/// How many characters of the sum over a long serial are put behind its beginning.
const SUM: usize = 8;

/// Makes a serial of letters, digits, `-`, `_` and `.` from any other.
///
/// A slot of a YubiKey, `10944003:1`, becomes the serial that privacyIDEA gives it, `UBOM10944003_1`. In others, whatever stands
/// between the characters that a serial may have becomes `_`, and what is too long ends in a sum over the whole. `None` where
/// nothing is left.
fn make(text: &str, token_type: TokenType) -> Option<String> {
    let text = text.trim();
    if check_serial(text).is_ok() {
        return Some(text.to_owned());
    }
    if let Some((device, slot)) = slot(text).filter(|_| token_type == TokenType::Hotp)
        && let Some(serial) = short(format!("UBOM{device}_{slot}"), text)
    {
        return Some(serial);
    }
    let pieces: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
        .filter(|piece| !piece.is_empty())
        .collect();
    short(pieces.join("_"), text)
}

/// Makes a serial, with a note where it is not the file's.
pub(super) fn take(
    text: &str,
    token_type: TokenType,
    place: &Place,
    notes: &mut Vec<String>,
) -> Result<String, EntryError> {
    let made = make(text, token_type).ok_or(EntryError::Missing("the serial"))?;
    if made != text.trim() {
        notes.push(format!("{place}: the serial {} is imported as {made}", Short(text.trim())));
    }
    Ok(made)
}

/// Takes the name of a YubiKey's slot apart, `10944003:1`. The device's serial would be that of its other slot too.
pub(super) fn slot(text: &str) -> Option<(&str, &str)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(':').filter(|(device, slot)| is_number(device) && is_number(slot))
}

fn short(mut made: String, from: &str) -> Option<String> {
    if made.len() > MAX_SERIAL {
        let sum = data_encoding::HEXLOWER.encode(&Sha256::digest(from.as_bytes()));
        made.truncate(MAX_SERIAL.saturating_sub(SUM).saturating_sub(1));
        made.push('-');
        made.extend(sum.chars().take(SUM));
    }
    check_serial(&made).is_ok().then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_that_sps_cannot_take_is_made_from_the_files() {
        for (text, made) in [
            ("A-1_b.c", "A-1_b.c"),
            (" A1 ", "A1"),
            ("10944003:1", "UBOM10944003_1"),
            ("ABC:1", "ABC_1"),
            ("A/B  C", "A_B_C"),
            ("/A/", "A"),
            ("Gerät 7", "Ger_t_7"),
        ] {
            assert_eq!(make(text, TokenType::Hotp).as_deref(), Some(made), "{text}");
        }
        assert_eq!(make("10944003:1", TokenType::Totp).as_deref(), Some("10944003_1"));
        for nothing in ["", " ", "/", "用户"] {
            assert_eq!(make(nothing, TokenType::Hotp), None, "{nothing}");
        }
    }

    #[test]
    fn two_long_serials_that_begin_alike_stay_apart() {
        let long = |end: &str| make(&format!("{}{end}", "x".repeat(70)), TokenType::Hotp).unwrap();
        assert_eq!(long("a").len(), MAX_SERIAL);
        assert_eq!(long("a"), long("a"));
        assert_ne!(long("a"), long("b"));
    }
}
