//! One-time codes: HOTP (RFC 4226) and TOTP (RFC 6238). Pure: a secret and a number in, a code out.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::store::Algorithm;

/// Makes the codes of one secret. The keyed hash is prepared once, which is what makes a search through a window,
/// or through the tokens of a realm, cheap.
pub struct CodeMaker {
    keyed: Keyed,
    digits: u8,
}

enum Keyed {
    Sha1(Hmac<sha1::Sha1>),
    Sha256(Hmac<sha2::Sha256>),
    Sha512(Hmac<sha2::Sha512>),
}

impl CodeMaker {
    /// Prepares a secret of any length for codes of `digits` digits (6 to 8; RFC 4226 section 5.3).
    ///
    /// Returns `None` for a number of digits that no code has, and for the empty secret, which everybody knows.
    pub fn new(algorithm: Algorithm, secret: &[u8], digits: u8) -> Option<Self> {
        if !(6..=8).contains(&digits) || secret.is_empty() {
            return None;
        }
        // HMAC takes keys of any length, so none of these is ever an error.
        let keyed = match algorithm {
            Algorithm::Sha1 => Keyed::Sha1(Hmac::new_from_slice(secret).ok()?),
            Algorithm::Sha256 => Keyed::Sha256(Hmac::new_from_slice(secret).ok()?),
            Algorithm::Sha512 => Keyed::Sha512(Hmac::new_from_slice(secret).ok()?),
        };
        Some(Self { keyed, digits })
    }

    /// Returns the code for a counter or time step: dynamic truncation (RFC 4226 section 5.3), with leading zeros.
    pub fn code(&self, counter: u64) -> String {
        let number = self.number(counter);
        format!("{number:0width$}", width = usize::from(self.digits))
    }

    fn number(&self, counter: u64) -> u32 {
        let message = counter.to_be_bytes();
        let truncated = match &self.keyed {
            Keyed::Sha1(mac) => truncate(&mac.clone().chain_update(message).finalize().into_bytes()),
            Keyed::Sha256(mac) => truncate(&mac.clone().chain_update(message).finalize().into_bytes()),
            Keyed::Sha512(mac) => truncate(&mac.clone().chain_update(message).finalize().into_bytes()),
        };
        let modulus = 10_u32.checked_pow(u32::from(self.digits)).unwrap_or(u32::MAX);
        truncated.checked_rem(modulus).unwrap_or_default()
    }

    /// Returns the first number of `range` whose code is `code`, which was parsed by [`parse_code`].
    ///
    /// Each comparison takes the same time; which of the numbers matched is not a secret.
    pub fn find(&self, code: u32, range: std::ops::Range<u64>) -> Option<u64> {
        range.into_iter().find(|counter| bool::from(self.number(*counter).ct_eq(&code)))
    }
}

/// Identifies a secret by the codes that it gives. HMAC hashes a key that is longer than a block and pads a shorter one with
/// zeros (RFC 2104 section 2), so different secrets may give the same codes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// Returns the mark of a secret, which is never kept without a key over it.
    pub fn of(algorithm: Algorithm, secret: &[u8]) -> Self {
        let hashed = match algorithm {
            Algorithm::Sha1 if secret.len() > 64 => Some(sha1::Sha1::digest(secret).to_vec()),
            Algorithm::Sha256 if secret.len() > 64 => Some(Sha256::digest(secret).to_vec()),
            Algorithm::Sha512 if secret.len() > 128 => Some(sha2::Sha512::digest(secret).to_vec()),
            Algorithm::Sha1 | Algorithm::Sha256 | Algorithm::Sha512 => None,
        };
        let hashed = hashed.map(Zeroizing::new);
        let key = hashed.as_ref().map_or(secret, |hashed| hashed.as_slice());
        let end = key.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        Self(Sha256::digest(key.get(..end).unwrap_or_default()).into())
    }

    /// Returns the mark's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Takes the low 31 bits of the four bytes that the last nibble points at.
fn truncate(hash: &[u8]) -> u32 {
    let offset = usize::from(hash.last().copied().unwrap_or_default() & 0x0f);
    let bytes = hash.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

/// Reads a code of exactly `digits` ASCII digits.
pub fn parse_code(text: &str, digits: u8) -> Option<u32> {
    (text.len() == usize::from(digits) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// Returns the time step of a Unix time (RFC 6238 section 4.2, T0 = 0); 0 before 1970 and for a period of 0.
pub fn time_step(unix_seconds: i64, period: u32) -> u64 {
    u64::try_from(unix_seconds).unwrap_or_default().checked_div(u64::from(period)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_vectors_of_rfc_4226_appendix_d() {
        let maker = CodeMaker::new(Algorithm::Sha1, b"12345678901234567890", 6).unwrap();
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, code) in (0..).zip(codes) {
            assert_eq!(maker.code(counter), code);
            assert_eq!(maker.find(parse_code(code, 6).unwrap(), 0..10), Some(counter));
        }
        let truncated = [
            1284755224, 1094287082, 137359152, 1726969429, 1640338314, 868254676, 1918287922, 82162583,
            673399871, 645520489,
        ];
        let mac = |counter: u64| {
            Hmac::<sha1::Sha1>::new_from_slice(b"12345678901234567890")
                .unwrap()
                .chain_update(counter.to_be_bytes())
        };
        for (counter, number) in (0..).zip(truncated) {
            assert_eq!(truncate(&mac(counter).finalize().into_bytes()), number);
        }
    }

    #[test]
    fn all_vectors_of_rfc_6238_appendix_b() {
        let secret = b"1234567890123456789012345678901234567890123456789012345678901234";
        let vectors = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (time, sha1, sha256, sha512) in vectors {
            let step = time_step(time, 30);
            for (algorithm, length, code) in [
                (Algorithm::Sha1, 20, sha1),
                (Algorithm::Sha256, 32, sha256),
                (Algorithm::Sha512, 64, sha512),
            ] {
                assert_eq!(CodeMaker::new(algorithm, &secret[..length], 8).unwrap().code(step), code);
            }
        }
    }

    #[test]
    fn a_code_is_ascii_digits_of_the_right_number() {
        assert_eq!(parse_code("000123", 6), Some(123));
        for bad in ["", "12345", "1234567", "12345a", " 12345", "-12345", "+12345", "１２３４５６"] {
            assert_eq!(parse_code(bad, 6), None, "{bad}");
        }
    }

    #[test]
    fn no_code_has_fewer_than_six_or_more_than_eight_digits() {
        assert!(CodeMaker::new(Algorithm::Sha1, b"x", 5).is_none());
        assert!(CodeMaker::new(Algorithm::Sha1, b"x", 9).is_none());
    }

    #[test]
    fn a_time_before_1970_has_step_zero() {
        assert_eq!((time_step(-1, 30), time_step(59, 30), time_step(59, 0)), (0, 1, 0));
    }

    #[test]
    fn secrets_that_give_the_same_codes_have_one_mark() {
        let code = |algorithm, secret: &[u8]| CodeMaker::new(algorithm, secret, 8).unwrap().code(1);
        let long = b"1234567890".repeat(13);
        let filled = |secret: &[u8]| [secret, &[0, 0]].concat();
        for (algorithm, one, other) in [
            (Algorithm::Sha1, b"12345678901234567890".to_vec(), filled(b"12345678901234567890")),
            (Algorithm::Sha1, long.clone(), sha1::Sha1::digest(&long).to_vec()),
            (Algorithm::Sha256, long.clone(), filled(&Sha256::digest(&long))),
            (Algorithm::Sha512, long.clone(), sha2::Sha512::digest(&long).to_vec()),
        ] {
            assert_eq!(code(algorithm, &one), code(algorithm, &other));
            assert!(KeyId::of(algorithm, &one) == KeyId::of(algorithm, &other), "{algorithm:?}");
        }
        let (one, other) = (b"12345678901234567890", b"\x0012345678901234567890");
        assert!(KeyId::of(Algorithm::Sha1, one) != KeyId::of(Algorithm::Sha1, other));
    }
}
