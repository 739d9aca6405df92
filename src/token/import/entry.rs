//! One entry of a file: what is wrong with it, and how its texts are read.

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use super::protection::ProtectionError;
use crate::store::Algorithm;
use crate::token::enroll::EnrollError;
use crate::token::naming::NamingError;

/// Says why an entry is no token. Holds no value of the entry but its serial.
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
    /// An encrypted secret that cannot be trusted or read.
    #[error(transparent)]
    Protection(#[from] ProtectionError),
    /// A line with more or fewer fields than the first.
    #[error("there are {found} fields, and the first line names {expected}")]
    Fields {
        /// Those of the line.
        found: u64,
        /// Those of the header.
        expected: u64,
    },
}

impl From<NamingError> for EntryError {
    fn from(error: NamingError) -> Self {
        Self::Enroll(error.into())
    }
}

pub(super) fn expected(what: &'static str, expected: &'static str) -> EntryError {
    EntryError::Expected { what, expected }
}

/// Reads hexadecimal digits of any case.
///
/// # Errors
/// [`EntryError::Expected`].
pub fn hex(text: &str) -> Result<Zeroizing<Vec<u8>>, EntryError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
    bytes.map(Zeroizing::new).map_err(|_| expected("the secret", "hexadecimal digits, two a byte"))
}

/// Reads base32 (RFC 4648) of any case, with or without padding.
///
/// # Errors
/// [`EntryError::Expected`].
pub fn base32(text: &str) -> Result<Zeroizing<Vec<u8>>, EntryError> {
    let upper = Zeroizing::new(text.trim_end_matches('=').to_ascii_uppercase());
    let bytes = BASE32_NOPAD.decode(upper.as_bytes());
    bytes.map(Zeroizing::new).map_err(|_| expected("the secret", "base32 (A to Z and 2 to 7)"))
}

/// Reads the name of a hash as files write it: `SHA1`, `HMAC-SHA-256`, `sha512`.
pub(super) fn algorithm(text: &str) -> Result<Algorithm, EntryError> {
    let plain = text.to_ascii_lowercase().replace(['-', '_'], "");
    Algorithm::from_word(plain.strip_prefix("hmac").unwrap_or(&plain))
        .ok_or_else(|| expected("the algorithm", "sha1, sha256 or sha512"))
}

/// Reads a number of decimal digits, which the type holds.
pub(super) fn number<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, EntryError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| expected(what, "a number of decimal digits"))
}
