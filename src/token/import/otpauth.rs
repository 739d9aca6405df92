//! Key URIs, one a line: `otpauth://totp/ISSUER:ACCOUNT?secret=BASE32&digits=6&period=30`, as authenticator apps
//! write them. A line may also be a migration URI with several accounts.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::entry::{self, EntryError, Found, Place, expected};
use super::{Batch, Defaults, ImportError, migration, serial};
use crate::store::TokenType;
use crate::token::Owner;
use crate::token::enroll::Wanted;
use crate::token::naming;

/// What a serial begins with that servers put into a label in the place of a name: those of privacyIDEA, eduMFA, LinOTP and this
/// program.
const SERIALS: [&str; 7] = ["HOTP", "TOTP", "OATH", "UBOM", "UBHE", "LSGO", "GOOG"];

/// Reads the lines of a file; empty ones and those that begin with `#` mean nothing.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let mut parts = migration::Parts::default();
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(migration::SCHEME) => {
                migration::read(rest, line, defaults, batch, &mut parts)?;
            }
            Some(_) | None => {
                let place = Place::Line(line);
                let found = parse(text, &place, defaults);
                batch.add(place, found)?;
            }
        }
    }
    batch.notes.extend(parts.missing());
    Ok(())
}

/// What a URI says behind the question mark; the rest, such as `issuer` and `image`, is for apps.
#[derive(Default)]
struct Parameters {
    secret: Option<Zeroizing<String>>,
    algorithm: Option<Zeroizing<String>>,
    digits: Option<Zeroizing<String>>,
    period: Option<Zeroizing<String>>,
    counter: Option<Zeroizing<String>>,
    serial: Option<Zeroizing<String>>,
    issuer: Option<Zeroizing<String>>,
    encoder: Option<Zeroizing<String>>,
}

impl Parameters {
    /// Reads the pairs. A parameter without a value is ignored, as in apps.
    fn parse(query: &str) -> Result<Self, EntryError> {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (place, name) = match name.to_ascii_lowercase().as_str() {
                "secret" => (&mut parameters.secret, "secret"),
                "algorithm" => (&mut parameters.algorithm, "algorithm"),
                "digits" => (&mut parameters.digits, "digits"),
                "period" => (&mut parameters.period, "period"),
                "counter" => (&mut parameters.counter, "counter"),
                "serial" => (&mut parameters.serial, "serial"),
                "issuer" => (&mut parameters.issuer, "issuer"),
                "encoder" => (&mut parameters.encoder, "encoder"),
                _ => continue,
            };
            let value = decode(value)?;
            let is_new = value.trim().is_empty() || place.replace(value).is_none();
            // Apps differ in which issuer they show; nothing else may be ambiguous.
            if !is_new && name != "issuer" {
                return Err(EntryError::Repeated(name));
            }
        }
        Ok(parameters)
    }
}

/// Reads one URI. The account is the owner, written as at a login, or a serial; without one, the token is the default owner's.
fn parse(uri: &str, place: &Place, defaults: &Defaults<'_>) -> Result<Found, EntryError> {
    let (scheme, rest) = uri.split_once("://").ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("otpauth") {
        return Err(malformed());
    }
    let (path, query) = rest.split_once('?').ok_or_else(malformed)?;
    let (kind, label) = path.split_once('/').unwrap_or((path, ""));
    let token_type = token_type(kind)?;
    refuse_markup(query)?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let parameters = Parameters::parse(query)?;
    if parameters.encoder.is_some() {
        return Err(EntryError::Unsupported("a non-decimal code"));
    }
    let label = decode(label)?;
    let issuer = parameters.issuer.as_ref().map_or("", |issuer| issuer.trim());
    let secret = parameters.secret.ok_or(EntryError::Missing("the secret"))?;
    // Apps may write a counter or a period into every URI; only the type's own counts.
    let of = |kind| move |text: &Zeroizing<String>| (token_type == kind).then(|| text.clone());
    let period = parameters.period.as_ref().and_then(of(TokenType::Totp));
    let counter = parameters.counter.as_ref().and_then(of(TokenType::Hotp));
    let mut notes = Vec::new();
    let Labelled { owner, serial } = Labelled::read(&label, issuer, place, defaults, &mut notes)?;
    let serial = match &parameters.serial {
        Some(serial) => Some(serial::take(serial, token_type, place, &mut notes)?),
        None => serial,
    };
    let wanted = Wanted {
        serial,
        owner,
        // A blank may be written as a plus sign.
        secret: Some(entry::base32(&secret.replace('+', " "))?),
        algorithm: parameters
            .algorithm
            .map(|text| entry::algorithm(&text))
            .transpose()?
            .or(defaults.algorithm),
        digits: parameters.digits.map(|text| entry::number("digits", &text)).transpose()?.or(defaults.digits),
        period: period.map(|text| entry::number("period", &text)).transpose()?,
        counter: counter.map(|text| entry::number("counter", &text)).transpose()?,
        ..Wanted::new(token_type)
    };
    Ok(Found { draft: wanted.draft()?, notes })
}

/// Whose token a label names: a person, written as at a login, or a serial.
pub(super) struct Labelled {
    pub(super) owner: Option<Owner>,
    pub(super) serial: Option<String>,
}

impl Labelled {
    /// Reads `ACCOUNT` or `ISSUER:ACCOUNT`.
    pub(super) fn read(
        label: &str,
        issuer: &str,
        place: &Place,
        defaults: &Defaults<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Self, EntryError> {
        let prefixed = label.trim().strip_prefix(issuer).filter(|_| !issuer.is_empty());
        let account = match prefixed.and_then(|rest| rest.trim_start().strip_prefix(':')) {
            Some(account) => account,
            None => label.split_once(':').map_or(label, |(_, account)| account),
        };
        let account = account.trim();
        if account.is_empty() {
            return Ok(Self { owner: defaults.owner.clone(), serial: None });
        }
        if is_serial(account) {
            if defaults.owner.is_none() {
                notes.push(format!(
                    "{place}: the label is the serial {account}; the token has no owner until it is assigned"
                ));
            }
            return Ok(Self { owner: defaults.owner.clone(), serial: Some(account.to_owned()) });
        }
        Ok(Self {
            owner: Some(naming::owner(account, None, defaults.realm, &defaults.people)?),
            serial: None,
        })
    }
}

/// Tells whether a label is a serial such as `TOTP0001ABCD` or `HOTP-7F3K2M9Q`, or a UUID, which FreeIPA's tokens have.
fn is_serial(account: &str) -> bool {
    let groups: Vec<&str> = account.split('-').collect();
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(is_hex) {
        return true;
    }
    let rest = SERIALS.iter().find_map(|begin| account.strip_prefix(begin)).unwrap_or_default();
    let (is_apart, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'_';
    let has_digit = rest.bytes().any(|byte| byte.is_ascii_digit());
    rest.len() >= 4
        && rest.bytes().all(fits)
        && (is_apart || has_digit)
        && naming::check_serial(account).is_ok()
}

pub(super) fn token_type(text: &str) -> Result<TokenType, EntryError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "hotp" => Ok(TokenType::Hotp),
        "totp" => Ok(TokenType::Totp),
        _ => Err(expected("the type", "hotp or totp")),
    }
}

/// Refuses a URI that was copied out of HTML: behind `&amp;`, apps and programs find no parameter that they know, and codes would have
/// another length or another hash than is written.
fn refuse_markup(query: &str) -> Result<(), EntryError> {
    let query = query.to_ascii_lowercase();
    let found = ["&amp;", "&#38;", "&#038;", "&#x26;", "%26amp%3b", "&amp%3b"]
        .iter()
        .any(|mark| query.contains(mark));
    if found { Err(expected("the separator of parameters", "&, not &amp; as in HTML")) } else { Ok(()) }
}

fn decode(text: &str) -> Result<Zeroizing<String>, EntryError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| Zeroizing::new(text.into_owned())).map_err(|_| malformed())
}

fn malformed() -> EntryError {
    expected("the line", "otpauth://TYPE/LABEL?secret=BASE32")
}

#[cfg(test)]
mod tests;
