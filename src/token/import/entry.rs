//! One entry of a file: where it is, what is wrong with it, and how its texts are read.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use super::protection::ProtectionError;
use crate::intake::records::RecordError;
use crate::logging::Short;
use crate::store::{Algorithm, TokenType};
use crate::token::enroll::{Draft, EnrollError};
use crate::token::naming::NamingError;

/// Where an entry stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line, counted from 1.
    Line(u64),
    /// One of several accounts in the URI of a line, both counted from 1.
    Account {
        /// The line.
        line: u64,
        /// The account.
        number: usize,
    },
    /// An entry of a JSON list, counted from 1.
    Entry(usize),
    /// A PSKC key with an id.
    Key(String),
    /// A PSKC key without one, counted from 1.
    KeyNumber(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Account { line, number } => write!(f, "line {line}, account {number}"),
            Self::Entry(number) => write!(f, "entry {number}"),
            Self::Key(id) => write!(f, "key {}", Short(id)),
            Self::KeyNumber(number) => write!(f, "key number {number}"),
        }
    }
}

/// Says why an entry is no token. Has no value of the entry but its serial.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It is read, and there can be no such token.
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    /// Something without which there is no token.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something that cannot be read.
    #[error("{what} has to be {expected}")]
    Expected {
        /// Which part.
        what: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// Something that this program does not do.
    #[error("{0} cannot be imported")]
    Unsupported(&'static str),
    /// Something that is said more than once.
    #[error("{0} is given twice")]
    Repeated(&'static str),
    /// Two entries of one serial.
    #[error("the serial {0} stands in the file twice")]
    Twice(String),
    /// Two entries with one secret in one realm: one code would be taken twice, or one device approve for two people.
    #[error("the secret is the same as in {place}, which belongs to {owner} in the same realm")]
    SameSecret {
        /// Where the other entry is.
        place: Place,
        /// The owner of the other entry.
        owner: String,
    },
    /// A token of that serial is in the store.
    #[error("a token {0} already exists")]
    Exists(String),
    /// A token of that serial is in the store and cannot be replaced by one of a file.
    #[error("the {token_type} token {serial} cannot be replaced; delete it first")]
    NotReplaceable {
        /// What the token in the store is.
        token_type: TokenType,
        /// Its serial.
        serial: String,
    },
    /// A key of a length that points to another hash than the default.
    #[error("a key of {0} bytes may be for sha1 or another hash; use --algorithm")]
    NoAlgorithm(usize),
    /// A key that two encodings can be read from.
    #[error(
        "the secret is valid both as hexadecimal digits and as base32; name the column secret_hex or secret_base32"
    )]
    Ambiguous,
    /// An encrypted secret that cannot be trusted or read.
    #[error(transparent)]
    Protection(#[from] ProtectionError),
    /// A line of a table that RFC 4180 forbids.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A line with more fields than the first.
    #[error("there are {found} fields, but the first line names {expected}")]
    Fields {
        /// Those of the line.
        found: usize,
        /// Those of the header.
        expected: usize,
    },
}

impl From<NamingError> for EntryError {
    fn from(error: NamingError) -> Self {
        Self::Enroll(error.into())
    }
}

/// A token that was read.
pub(super) struct Found {
    pub(super) draft: Draft,
    /// What was changed or assumed, in whole sentences.
    pub(super) notes: Vec<String>,
}

pub(super) fn expected(what: &'static str, expected: &'static str) -> EntryError {
    EntryError::Expected { what, expected }
}

/// Tells whether a character only separates the groups of a key, as people copy it from a letter.
fn separates(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{ad}' | '\u{200b}')
}

fn without_separators(text: &str, more: &[char]) -> Zeroizing<String> {
    Zeroizing::new(text.chars().filter(|c| !separates(*c) && !more.contains(c)).collect())
}

/// Reads hexadecimal digits of any case, in groups or not, with `0x` before them or not.
///
/// # Errors
/// [`EntryError::Expected`].
pub fn hex(text: &str) -> Result<Zeroizing<Vec<u8>>, EntryError> {
    let plain = without_separators(text, &[':']);
    let digits = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")).unwrap_or(&plain);
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
    bytes.map(Zeroizing::new).map_err(|_| expected("the secret", "hexadecimal digits, two a byte"))
}

/// Reads base32 (RFC 4648) of any case, in groups or not, with padding of any length or without. Bits of the last character
/// that belong to no byte are dropped (section 3.5).
///
/// # Errors
/// [`EntryError::Expected`], also where a character has to be missing or to be too much.
pub fn base32(text: &str) -> Result<Zeroizing<Vec<u8>>, EntryError> {
    let wrong = || expected("the secret", "base32 (A to Z and 2 to 7)");
    let plain = without_separators(text, &[]);
    let plain = plain.trim_end_matches('=');
    // These lengths leave five bits or more, so that the last character would be of no use.
    if matches!(plain.len() % 8, 1 | 3 | 6) {
        return Err(wrong());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(plain.len()));
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in plain.bytes() {
        let value = match byte.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter.wrapping_sub(b'A'),
            digit @ b'2'..=b'7' => digit.wrapping_sub(b'2').wrapping_add(26),
            _ => return Err(wrong()),
        };
        bits = ((bits << 5) | u32::from(value)) & 0xffff;
        count = count.saturating_add(5);
        if count >= 8 {
            count = count.saturating_sub(8);
            let byte = bits.checked_shr(count).unwrap_or_default() & 0xff;
            bytes.push(u8::try_from(byte).unwrap_or_default());
        }
    }
    Ok(bytes)
}

/// Reads the name of a hash as files write it: `SHA1`, `HMAC-SHA-256`, `HmacSHA512`.
pub(super) fn algorithm(text: &str) -> Result<Algorithm, EntryError> {
    let plain = text.trim().to_ascii_lowercase().replace(['-', '_', ' '], "");
    Algorithm::from_word(plain.strip_prefix("hmac").unwrap_or(&plain))
        .ok_or_else(|| expected("the algorithm", "sha1, sha256 or sha512"))
}

/// Reads a number of decimal digits, which the type holds.
pub(super) fn number<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, EntryError> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| expected(what, "a number of decimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::oath::{CodeMaker, time_step};

    #[test]
    fn base32_drops_the_bits_that_belong_to_no_byte() {
        let code = |secret: &str| {
            let secret = base32(secret).unwrap();
            let maker = CodeMaker::new(Algorithm::Sha1, &secret, 6).unwrap();
            maker.code(time_step(1_612_380_872, 30))
        };
        assert_eq!(code("S46SQCPPTCNPROMHWYBDCTBZXV"), "100172");
        assert_eq!(base32(&"X".repeat(52)).unwrap().len(), 32);
        assert_eq!(base32("ZZ").unwrap().as_slice(), [0xce]);
        assert_eq!(base32("MZXW7").unwrap().as_slice(), b"foo");
    }

    #[test]
    fn base32_is_read_in_groups_in_any_case_with_any_padding() {
        for text in [
            "MZXW6YTBOI",
            "mzxw6ytboi",
            "MZXW 6YTB OI==",
            "mzxw-6ytb-oi======",
            "MZXW6YTBOI=",
            "MZXW\u{a0}6YTBOI",
        ] {
            assert_eq!(base32(text).unwrap().as_slice(), b"foobar", "{text}");
        }
        assert!(base32("").unwrap().is_empty());
        for bad in ["M", "MZX", "MZXW6Y", "MZXW6YT1", "MZ=XW6YTBOI", "MZXW6YTBO!", "ÄZXW6YTB"] {
            assert!(base32(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_read_in_groups() {
        for text in ["31323334", "31 32 33 34", "31:32:33:34", "0x31323334", "3132-3334"] {
            assert_eq!(hex(text).unwrap().as_slice(), b"1234", "{text}");
        }
        for bad in ["3", "3g", "0x3", "31.32"] {
            assert!(hex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_read_as_programs_write_it() {
        for (text, read) in [
            ("SHA1", Algorithm::Sha1),
            ("hmac-sha-256", Algorithm::Sha256),
            ("HmacSHA512", Algorithm::Sha512),
            (" Sha256", Algorithm::Sha256),
        ] {
            assert_eq!(algorithm(text).unwrap(), read, "{text}");
        }
        for bad in ["", "md5", "sha224", "OCRA-1:HOTP-SHA1-6:C-QN08"] {
            assert!(algorithm(bad).is_err(), "{bad}");
        }
    }
}
