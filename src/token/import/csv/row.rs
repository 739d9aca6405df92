//! One line of a table, whatever its columns are: texts that are not empty, and the token that they say.

use super::super::entry::{self, EntryError, Found, Place};
use super::super::{Defaults, otpauth, serial};
use super::secret::{Encoding, Shown};
use crate::store::TokenType;
use crate::token::enroll::Wanted;
use crate::token::naming;

/// What a line says.
#[derive(Default)]
pub(super) struct Row<'r> {
    pub(super) serial: Option<&'r str>,
    /// More than one where a table has the secret in several encodings.
    pub(super) secrets: Vec<(Encoding, &'r str)>,
    pub(super) token_type: Kind<'r>,
    pub(super) algorithm: Option<&'r str>,
    pub(super) digits: Option<&'r str>,
    pub(super) period: Option<&'r str>,
    pub(super) counter: Option<&'r str>,
    pub(super) user: Option<&'r str>,
    pub(super) realm: Option<&'r str>,
    pub(super) description: Vec<&'r str>,
    pub(super) notes: Vec<String>,
}

/// What is known of a line's type.
#[derive(Clone, Copy, Default)]
pub(super) enum Kind<'r> {
    /// What the line says.
    Written(&'r str),
    /// What the other columns say, unless the command line says another.
    Else(TokenType),
    /// Nothing: only the command line can say it.
    #[default]
    Unknown,
}

impl Row<'_> {
    /// Makes the token.
    pub(super) fn found(
        &self,
        place: &Place,
        shown: Shown,
        defaults: &Defaults<'_>,
    ) -> Result<Found, EntryError> {
        let token_type = match (self.token_type, defaults.token_type) {
            (Kind::Written(word), _) => token_type(word)?,
            (Kind::Else(_) | Kind::Unknown, Some(token_type)) | (Kind::Else(token_type), None) => token_type,
            (Kind::Unknown, None) => {
                return Err(EntryError::Missing("the type (hotp or totp, see --type)"));
            }
        };
        let mut secrets = self.secrets.iter().map(|(encoding, text)| shown.read(text, *encoding));
        let secret = secrets.next().ok_or(EntryError::Missing("the secret"))??;
        for other in secrets {
            if *other? != *secret {
                return Err(EntryError::Repeated("the secret"));
            }
        }
        let algorithm = self.algorithm.map(entry::algorithm).transpose()?.or(defaults.algorithm);
        // Servers that read such files take the hash from the key's length; devices with sha1 have such keys too.
        if algorithm.is_none() && matches!(secret.len(), 32 | 64) {
            return Err(EntryError::NoAlgorithm(secret.len()));
        }
        let owner = match (self.user, self.realm) {
            (Some(user), realm) => Some(naming::owner(user, realm, defaults.realm, &defaults.people)?),
            (None, Some(_)) => return Err(EntryError::Missing("the user of the realm")),
            (None, None) => defaults.owner.clone(),
        };
        let mut notes = self.notes.clone();
        let serial = self.serial.ok_or(EntryError::Missing("the serial"))?;
        if is_rounded(serial) {
            return Err(entry::expected("the serial", "written out; a spreadsheet has rounded it"));
        }
        // Tables have a column for both types, with a 0 where it means nothing.
        let of_type = |kind: TokenType, text: Option<&str>| {
            text.filter(|text| token_type == kind || *text != "0").map(str::to_owned)
        };
        let period = of_type(TokenType::Totp, self.period);
        let counter = of_type(TokenType::Hotp, self.counter);
        let digits = self.digits.map(|text| entry::number("the number of digits", text)).transpose()?;
        let wanted = Wanted {
            serial: Some(serial::take(serial, token_type, place, &mut notes)?),
            owner,
            description: self
                .description
                .iter()
                .flat_map(|text| text.split_whitespace())
                .collect::<Vec<_>>()
                .join(" "),
            secret: Some(secret),
            algorithm,
            digits: digits.or(defaults.digits),
            period: period.map(|text| entry::number("the period", &text)).transpose()?,
            counter: counter.map(|text| entry::number("the counter", &text)).transpose()?,
            ..Wanted::new(token_type)
        };
        Ok(Found { draft: wanted.draft()?, notes })
    }
}

/// Reads a token type as tables name it: LinOTP calls hotp `hmac`, and vendors write `event` or `time`.
fn token_type(word: &str) -> Result<TokenType, EntryError> {
    let plain = word.trim().to_ascii_lowercase().replace(['-', '_', ' '], "");
    match plain.as_str() {
        "hmac" | "oathhotp" | "event" | "eventbased" => Ok(TokenType::Hotp),
        "oathtotp" | "time" | "timebased" => Ok(TokenType::Totp),
        _ => otpauth::token_type(word),
    }
}

/// Tells whether a spreadsheet has rounded a serial, such as `1.23457E+11`.
fn is_rounded(serial: &str) -> bool {
    let upper = serial.to_ascii_uppercase();
    let Some((number, exponent)) = upper.split_once("E+") else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(exponent) && number.split(['.', ',']).all(is_number)
}
