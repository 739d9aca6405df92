//! PSKC (RFC 6030): keys of hardware tokens, in plain, under a pre-shared key or under a password.
//!
//! Whatever this program would have to obey and does not know is refused, as section 5 demands. A signature over the
//! file is not checked. Names are read in any case, because privacyIDEA and eduMFA write them in lower case.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::entry::{self, EntryError, Found, Place, expected};
use super::protection::{self, Protection, ProtectionError};
use super::xml::{Document, Element, Space};
use super::{Batch, Defaults, ImportError, serial};
use crate::clock::UnixTime;
use crate::store::TokenType;
use crate::token::enroll::Wanted;

/// Says why a whole file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PskcError {
    /// Another document.
    #[error("this is not a PSKC file of version 1 (RFC 6030)")]
    NoContainer,
    /// A key that is neither shared nor made of a password.
    #[error("{0} is not supported; only a pre-shared key or a password is")]
    KeyKind(&'static str),
    /// The file is encrypted, and no key is given.
    #[error("the file is encrypted; give its pre-shared key with --psk-file")]
    NoKey,
    /// The file is encrypted under a password, and none is given.
    #[error("the file is encrypted under a password; give it with --password-file")]
    NoPassword,
    /// The MAC's key cannot be read.
    #[error("the file's MACMethod")]
    Protection(#[source] ProtectionError),
    /// No key can be made of the password.
    #[error("the file's EncryptionKey")]
    Derivation(#[source] ProtectionError),
}

/// What stands before the keys and holds for all of them.
#[derive(Default)]
struct Container {
    is_encrypted: bool,
    key: Option<Zeroizing<Vec<u8>>>,
    protection: Option<Protection>,
}

/// A key as far as it can be read on its own.
struct Key {
    place: Place,
    id: String,
    device: String,
    wanted: Result<Wanted, EntryError>,
}

/// Reads the keys of a file. The serial is the device's, with the key's behind it where a device has several keys.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let (mut document, root) = Document::open(text)?;
    let version = root.attribute("Version").unwrap_or_default();
    if !root.is(Space::Pskc, "KeyContainer") || version.split('.').next() != Some("1") {
        return Err(PskcError::NoContainer.into());
    }
    let mut container = Container::default();
    let mut keys: Vec<Key> = Vec::new();
    let mut number = 0_usize;
    while let Some(child) = document.next_child()? {
        if child.is(Space::Pskc, "EncryptionKey") {
            container.encryption_key(&child, defaults)?;
        } else if child.is(Space::Pskc, "MACMethod") {
            container.mac_method(&child, defaults)?;
        } else if child.is(Space::Pskc, "KeyPackage") {
            for key in child.children.iter().filter(|key| key.is(Space::Pskc, "Key")) {
                number = number.saturating_add(1);
                if keys.len() >= super::MAX_TOKENS {
                    return Err(ImportError::TooMany);
                }
                let id = key.attribute("Id").unwrap_or_default().trim().to_owned();
                let place = if id.is_empty() { Place::KeyNumber(number) } else { Place::Key(id.clone()) };
                if Profile::of(key) == Some(Profile::Pin) {
                    batch.notes.push(format!("{place}: a PIN is not imported"));
                    continue;
                }
                let device = child.child(Space::Pskc, "DeviceInfo");
                let device = device.and_then(|device| device.child(Space::Pskc, "SerialNo"));
                let device = device.map(Element::text).unwrap_or_default().to_owned();
                keys.push(Key { place, id, device, wanted: container.wanted(&child, key, defaults) });
            }
        }
    }
    let mut devices: HashMap<String, usize> = HashMap::new();
    for key in keys.iter().filter(|key| key.wanted.is_ok()) {
        let count = devices.entry(key.device.clone()).or_default();
        *count = count.saturating_add(1);
    }
    for key in keys {
        let has_several = devices.get(&key.device).is_some_and(|count| *count > 1);
        let place = key.place.clone();
        batch.add(place, key.found(has_several))?;
    }
    Ok(())
}

impl Key {
    fn found(self, device_has_several: bool) -> Result<Found, EntryError> {
        let Self { place, id, device, wanted } = self;
        let mut wanted = wanted?;
        let text =
            if device.is_empty() || (serial::slot(&id).is_some() && wanted.token_type == TokenType::Hotp) {
                id
            } else if device_has_several && device != id && !id.is_empty() {
                format!("{device}-{id}")
            } else {
                device
            };
        let mut notes = Vec::new();
        let is_long = wanted.secret.as_ref().is_some_and(|secret| matches!(secret.len(), 32 | 64));
        if is_long && wanted.algorithm.is_none() {
            notes.push(format!(
                "{place}: the file names no hash; sha1, the default of RFC 6030, is used, or the one in --algorithm"
            ));
        }
        wanted.serial = Some(serial::take(&text, wanted.token_type, &place, &mut notes)?);
        Ok(Found { draft: wanted.draft()?, notes })
    }
}

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    Hotp,
    Totp,
    Pin,
    YubiKey,
    Other,
}

impl Profile {
    /// Reads the key's Algorithm: the last word of its URI, which drafts of RFC 6030 separate by `#`.
    fn of(key: &Element) -> Option<Self> {
        let uri = key.attribute("Algorithm")?.trim().to_ascii_lowercase();
        let (space, word) = uri.rsplit_once([':', '#']).unwrap_or(("pskc", &uri));
        Some(match word {
            "hotp" if space.contains("pskc") => Self::Hotp,
            "totp" if space.contains("pskc") => Self::Totp,
            "pin" if space.contains("pskc") => Self::Pin,
            "yubikey-aes" => Self::YubiKey,
            _ => Self::Other,
        })
    }
}

impl Container {
    fn encryption_key(&mut self, element: &Element, defaults: &Defaults<'_>) -> Result<(), PskcError> {
        self.is_encrypted = true;
        for child in &element.children {
            if child.is(Space::Signature, "KeyName") {
                self.key.clone_from(&defaults.pre_shared_key);
            } else if child.name == "derivedkey" {
                let password = defaults.password.as_ref().ok_or(PskcError::NoPassword)?;
                let key = protection::derive(child, password).map_err(PskcError::Derivation)?;
                self.key = Some(key);
            } else {
                return Err(PskcError::KeyKind("a public key"));
            }
        }
        Ok(())
    }

    fn mac_method(&mut self, element: &Element, defaults: &Defaults<'_>) -> Result<(), PskcError> {
        let key = self.key.as_ref().or(defaults.pre_shared_key.as_ref()).ok_or(PskcError::NoKey)?;
        self.protection = Some(Protection::new(key.clone(), element).map_err(PskcError::Protection)?);
        Ok(())
    }

    fn wanted(
        &self,
        package: &Element,
        key: &Element,
        defaults: &Defaults<'_>,
    ) -> Result<Wanted, EntryError> {
        let token_type = match (Profile::of(key), defaults.token_type) {
            (Some(Profile::Hotp), _) => TokenType::Hotp,
            (Some(Profile::Totp), _) => TokenType::Totp,
            (None, Some(token_type)) => token_type,
            (Some(Profile::YubiKey), _) => {
                return Err(EntryError::Unsupported("a YubiKey's key for Yubico's own codes"));
            }
            (Some(Profile::Pin | Profile::Other) | None, _) => {
                return Err(expected("the key's Algorithm", "that of hotp or totp"));
            }
        };
        let device = package.child(Space::Pskc, "DeviceInfo");
        let of_device = |name| device.and_then(|device| device.child(Space::Pskc, name)).map(Element::text);
        let description = ["Manufacturer", "Model"].into_iter().filter_map(of_device);
        let description: Vec<&str> = description.flat_map(str::split_whitespace).collect();
        let mut wanted = Wanted {
            owner: defaults.owner.clone(),
            description: description.join(" "),
            algorithm: defaults.algorithm,
            digits: defaults.digits,
            valid_from: of_device("StartDate").map(date).transpose()?,
            valid_until: of_device("ExpiryDate").map(date).transpose()?,
            ..Wanted::new(token_type)
        };
        if let Some(parameters) = key.child(Space::Pskc, "AlgorithmParameters") {
            algorithm_parameters(parameters, &mut wanted)?;
        }
        if let Some(policy) = key.child(Space::Pskc, "Policy") {
            obey(policy, &mut wanted)?;
        }
        let data = key.child(Space::Pskc, "Data").ok_or(EntryError::Missing("the secret"))?;
        let secret = data.child(Space::Pskc, "Secret").ok_or(EntryError::Missing("the secret"))?;
        wanted.secret = Some(self.secret(secret, defaults)?);
        // A time-based key may have a counter, and a counter-based one an interval; these mean nothing.
        if token_type == TokenType::Hotp {
            wanted.counter = self.number(data, "Counter", "the counter")?;
        } else {
            let period = self.number(data, "TimeInterval", "the time interval")?;
            let fits = |period| u32::try_from(period).map_err(|_| expected("the time interval", "30 or 60"));
            wanted.period = period.map(fits).transpose()?;
        }
        Ok(wanted)
    }

    fn secret(&self, secret: &Element, defaults: &Defaults<'_>) -> Result<Zeroizing<Vec<u8>>, EntryError> {
        let (value, encrypted) =
            (secret.child(Space::Pskc, "PlainValue"), secret.child(Space::Pskc, "EncryptedValue"));
        match (value, encrypted) {
            (Some(_), None)
                if self.is_encrypted || defaults.pre_shared_key.is_some() || defaults.password.is_some() =>
            {
                Err(expected("the secret", "encrypted like the file, for which a key is named"))
            }
            (Some(value), None) => {
                let secret = protection::base64(value.text()).map(Zeroizing::new);
                secret.ok_or_else(|| expected("the secret", "base64"))
            }
            (None, Some(value)) => match &self.protection {
                Some(protection) => Ok(protection.open(secret, value)?),
                None => Err(ProtectionError::NoMac.into()),
            },
            (Some(_), Some(_)) => Err(EntryError::Repeated("the secret")),
            (None, None) => Err(EntryError::Missing("the secret")),
        }
    }

    /// Reads a number of the key's data: in plain, or encrypted as decimal digits (multiOTP) or as a big-endian number.
    fn number(&self, data: &Element, name: &str, what: &'static str) -> Result<Option<u64>, EntryError> {
        let Some(element) = data.child(Space::Pskc, name) else { return Ok(None) };
        if let Some(value) = element.child(Space::Pskc, "PlainValue") {
            return entry::number(what, value.text()).map(Some);
        }
        let Some(value) = element.child(Space::Pskc, "EncryptedValue") else {
            return Err(expected(what, "a plain or an encrypted value"));
        };
        let protection = self.protection.as_ref().ok_or(ProtectionError::NoMac)?;
        let bytes = protection.open_number(element, value)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return entry::number(what, text).map(Some);
        }
        let zeros = bytes.len().saturating_sub(8);
        let (zeros, number) = bytes.split_at_checked(zeros).unwrap_or_default();
        if number.is_empty() || zeros.iter().any(|byte| *byte != 0) {
            return Err(expected(what, "decimal digits or a number of at most eight bytes"));
        }
        Ok(Some(number.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))))
    }
}

fn algorithm_parameters(parameters: &Element, wanted: &mut Wanted) -> Result<(), EntryError> {
    if let Some(suite) = parameters.child(Space::Pskc, "Suite") {
        // privacyIDEA and eduMFA name the hash in an attribute. A suite that says nothing is the default.
        let named = [suite.text(), suite.attribute("hashalgo").unwrap_or_default().trim()];
        let mut named = named.into_iter().filter(|name| !name.is_empty()).map(entry::algorithm);
        if let Some(algorithm) = named.next().transpose()? {
            wanted.algorithm = Some(algorithm);
        }
        if let Some(other) = named.next().transpose()?
            && Some(other) != wanted.algorithm
        {
            return Err(EntryError::Repeated("the algorithm"));
        }
    }
    if parameters.child(Space::Pskc, "ChallengeFormat").is_some() {
        return Err(EntryError::Unsupported("a token that answers challenges"));
    }
    if let Some(format) = parameters.child(Space::Pskc, "ResponseFormat") {
        let encoding = format.attribute("Encoding").unwrap_or_default().trim();
        if !encoding.eq_ignore_ascii_case("DECIMAL") {
            return Err(expected("the codes' Encoding", "DECIMAL"));
        }
        if ["CheckDigit", "CheckDigits"]
            .iter()
            .filter_map(|name| format.attribute(name))
            .any(|value| value.trim() == "1" || value.trim().eq_ignore_ascii_case("true"))
        {
            return Err(EntryError::Unsupported("a code with a check digit"));
        }
        let length = format.attribute("Length").ok_or(EntryError::Missing("the codes' Length"))?;
        wanted.digits = Some(entry::number("the codes' Length", length)?);
    }
    Ok(())
}

/// Takes over what a policy demands, and refuses what is not understood (RFC 6030 section 5).
fn obey(policy: &Element, wanted: &mut Wanted) -> Result<(), EntryError> {
    let mut usages: Vec<&str> = Vec::new();
    for rule in &policy.children {
        match (rule.space, rule.name.as_str()) {
            (Space::Pskc, "startdate") => wanted.valid_from = Some(date(rule.text())?),
            (Space::Pskc, "expirydate") => wanted.valid_until = Some(date(rule.text())?),
            (Space::Pskc, "keyusage") => usages.push(rule.text()),
            // The device asks for this PIN, not the server.
            (Space::Pskc, "pinpolicy")
                if rule.attribute("PINUsageMode").is_some_and(|mode| mode.eq_ignore_ascii_case("Local")) => {}
            (Space::Pskc, "pinpolicy") => return Err(EntryError::Unsupported("a policy with a PIN")),
            (Space::Pskc | Space::Encryption | Space::Encryption11 | Space::Signature | Space::Other, _) => {
                return Err(EntryError::Unsupported("a policy that this program does not know"));
            }
        }
    }
    if usages.is_empty() || usages.iter().any(|usage| usage.eq_ignore_ascii_case("OTP")) {
        Ok(())
    } else {
        Err(EntryError::Unsupported("a key that is not for one-time passwords"))
    }
}

/// Reads a time; one without an offset is in UTC.
fn date(text: &str) -> Result<UnixTime, EntryError> {
    let with_offset = text.parse::<jiff::Timestamp>();
    let time = with_offset.or_else(|_| {
        let time = text.parse::<jiff::civil::DateTime>()?;
        time.to_zoned(jiff::tz::TimeZone::UTC).map(|time| time.timestamp())
    });
    let wrong = |_| expected("a date", "such as 2006-05-01T00:00:00Z");
    time.map(|time| UnixTime::from_secs(time.as_second())).map_err(wrong)
}
