//! The one-time codes that a target asks for: a TOTP secret (RFC 6238) that we have instead of its owner's device.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::store::Algorithm;
use crate::terms::TotpCode;
use crate::token::import::base32;
use crate::token::oath::{CodeMaker, time_step};

/// Says why something is no TOTP secret. Holds nothing of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TotpError {
    /// Neither base32 nor a URI.
    #[error(
        "the TOTP secret has to be base32 (A to Z and 2 to 7) or a URI otpauth://totp/LABEL?secret=BASE32"
    )]
    Secret,
    /// A part with a value that no code has.
    #[error("{0}")]
    Range(&'static str),
}

/// A TOTP secret of an account.
pub struct Totp {
    /// In base32.
    pub secret: SecretString,
    /// The hash.
    pub algorithm: Algorithm,
    /// The length of a code.
    pub digits: u8,
    /// The length of a time step, in seconds.
    pub period: u32,
}

impl Totp {
    /// Reads base32, in groups or not, or what a QR code holds.
    ///
    /// # Errors
    /// [`TotpError`].
    pub fn read(text: &str) -> Result<Self, TotpError> {
        let text = text.trim();
        let scheme = "otpauth://totp/";
        let Some(_) = text.get(..scheme.len()).filter(|begin| begin.eq_ignore_ascii_case(scheme)) else {
            return Self::from_base32(text);
        };
        let mut totp =
            Self { secret: SecretString::default(), algorithm: Algorithm::Sha1, digits: 6, period: 30 };
        totp.read_uri(text)?;
        totp.check()?;
        Ok(totp)
    }

    /// Reads base32, in groups or not; the settings are those that almost every service has.
    ///
    /// # Errors
    /// [`TotpError::Secret`].
    pub fn from_base32(text: &str) -> Result<Self, TotpError> {
        Ok(Self { secret: secret(text)?, algorithm: Algorithm::Sha1, digits: 6, period: 30 })
    }

    fn read_uri(&mut self, uri: &str) -> Result<(), TotpError> {
        let (_, query) = uri.split_once('?').ok_or(TotpError::Secret)?;
        let query = query.split_once('#').map_or(query, |(query, _)| query);
        let mut found = None;
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = percent_decode_str(value).decode_utf8().map_err(|_| TotpError::Secret)?;
            let value = Zeroizing::new(value.into_owned());
            match name.to_ascii_lowercase().as_str() {
                name if name.starts_with("amp;") => {
                    return Err(TotpError::Range("the URI contains &amp; instead of &; write &"));
                }
                "encoder" if value.eq_ignore_ascii_case("steam") => {
                    return Err(TotpError::Range("the URI is for Steam, whose codes are not supported"));
                }
                _ if value.is_empty() => {}
                "secret" if found.is_none() => found = Some(secret(&value)?),
                "secret" => return Err(TotpError::Secret),
                "algorithm" => {
                    self.algorithm = Algorithm::from_word(&value.to_ascii_lowercase())
                        .ok_or(TotpError::Range("the algorithm has to be sha1, sha256 or sha512"))?;
                }
                "digits" => self.digits = value.parse().unwrap_or_default(),
                "period" => self.period = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        self.secret = found.ok_or(TotpError::Secret)?;
        Ok(())
    }

    /// Tells whether another makes the same codes.
    pub fn is_same(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
            && (self.algorithm, self.digits, self.period) == (other.algorithm, other.digits, other.period)
    }

    /// Checks what can be set beside the secret.
    ///
    /// # Errors
    /// [`TotpError::Range`].
    pub fn check(&self) -> Result<(), TotpError> {
        if !(6..=8).contains(&self.digits) {
            return Err(TotpError::Range("a TOTP code has 6 to 8 digits"));
        }
        if !(1..=3600).contains(&self.period) {
            return Err(TotpError::Range("a TOTP code holds for 1 to 3600 seconds"));
        }
        Ok(())
    }

    /// Returns the code that holds now and the one after it, for whoever types it late.
    pub fn codes(&self, now: UnixTime) -> Vec<TotpCode> {
        let Ok(secret) = base32(self.secret.expose_secret()) else { return Vec::new() };
        let Some(maker) = CodeMaker::new(self.algorithm, &secret, self.digits) else { return Vec::new() };
        let step = time_step(now.as_secs(), self.period);
        let code = |step: u64| TotpCode {
            unix_time: i64::try_from(step.saturating_mul(u64::from(self.period))).unwrap_or(i64::MAX),
            period: self.period,
            code: SecretString::from(maker.code(step)),
        };
        vec![code(step), code(step.saturating_add(1))]
    }
}

fn secret(text: &str) -> Result<SecretString, TotpError> {
    // A + is a blank in the query of a URI.
    let separates = |c: char| c.is_whitespace() || c == '-' || c == '+';
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().filter(|c| !separates(*c)).map(|c| c.to_ascii_uppercase()));
    match base32(&plain) {
        Ok(bytes) if !bytes.is_empty() => Ok(SecretString::from(plain.trim_end_matches('=').to_owned())),
        Ok(_) | Err(_) => Err(TotpError::Secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_rfc_6238_come_with_their_beginning() {
        let totp = Totp::read("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8").unwrap();
        let codes = totp.codes(UnixTime::from_secs(59));
        let read: Vec<_> =
            codes.iter().map(|code| (code.unix_time, code.period, code.code.expose_secret())).collect();
        assert_eq!(read, [(30, 30, "94287082"), (60, 30, "37359152")]);
    }

    #[test]
    fn a_secret_may_be_typed_in_groups() {
        let totp = Totp::read(" gezd gnbv-gy3t qojq \n").unwrap();
        assert_eq!(totp.secret.expose_secret(), "GEZDGNBVGY3TQOJQ");
        assert_eq!((totp.digits, totp.period), (6, 30));
        let totp = Totp::read("otpauth://totp/x?secret=gezd+gnbv%20gy3t-qojq&digits=&issuer").unwrap();
        assert_eq!((totp.secret.expose_secret(), totp.digits), ("GEZDGNBVGY3TQOJQ", 6));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        for bad in [
            "",
            "  ",
            "s3cret!",
            "otpauth://totp/x",
            "otpauth://totp/x?secret=",
            "otpauth://totp/x?secret=1",
            "otpauth://hotp/x?secret=GEZDGNBV&counter=1",
            "otpauth://totp/x?secret=GEZDGNBV&secret=GEZDGNBV",
            "otpauth://totp/x?secret=GEZDGNBV&digits=5",
            "otpauth://totp/x?secret=GEZDGNBV&period=0",
            "otpauth://totp/x?secret=GEZDGNBV&digits=x",
            "otpauth://totp/x?secret=GEZDGNBV&algorithm=md5",
            "otpauth://totp/x?secret=GEZDGNBV&amp;digits=8",
            "otpauth://totp/x?secret=GEZDGNBV&encoder=steam",
        ] {
            let error = Totp::read(bad).err().unwrap_or_else(|| panic!("{bad}")).to_string();
            assert!(!error.contains("s3cret") && !error.contains("GEZDGNBV"), "{error}");
        }
    }
}
