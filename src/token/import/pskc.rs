//! PSKC (RFC 6030): keys of hardware tokens, in plain or under a pre-shared key.
//!
//! Whatever this program would have to obey and does not know is refused, as section 5 demands. A signature over the
//! file is not checked.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::entry::{self, EntryError, expected};
use super::protection::{self, Protection, ProtectionError};
use super::xml::{Document, Element, Space};
use super::{Batch, Defaults, ImportError};
use crate::clock::UnixTime;
use crate::logging::Short;
use crate::store::TokenType;
use crate::token::enroll::{Draft, Wanted};

const PROFILE: &str = "urn:ietf:params:xml:ns:keyprov:pskc:";

/// Says why a whole file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PskcError {
    /// Another document.
    #[error("this is no PSKC file of version 1")]
    NoContainer,
    /// A key that is not a shared one.
    #[error("{0} cannot be imported; only a pre-shared key")]
    KeyKind(&'static str),
    /// The file is encrypted, and nobody said with which key.
    #[error("the file is encrypted; give its pre-shared key")]
    NoKey,
    /// The MAC's key cannot be read.
    #[error("the file's MACMethod")]
    Protection(#[source] ProtectionError),
}

/// What stands before the keys and holds for all of them.
#[derive(Default)]
struct Container {
    is_encrypted: bool,
    protection: Option<Protection>,
}

/// Reads the keys of a file. The serial is the device's, with the key's behind it where a device has several keys.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let (mut document, root) = Document::open(text)?;
    let version = root.attribute("Version").unwrap_or_default();
    if !root.is(Space::Pskc, "KeyContainer") || version.split('.').next() != Some("1") {
        return Err(PskcError::NoContainer.into());
    }
    let mut container = Container::default();
    let mut found: Vec<(String, Result<Draft, EntryError>)> = Vec::new();
    while let Some(child) = document.next_child()? {
        match (child.space, child.name.as_str()) {
            (Space::Pskc, "EncryptionKey") => container.encryption_key(&child)?,
            (Space::Pskc, "MACMethod") => container.mac_method(&child, defaults)?,
            (Space::Pskc, "KeyPackage") => {
                let Some(key) = child.child(Space::Pskc, "Key") else { continue };
                let id = key.attribute("Id").unwrap_or_default().trim().to_owned();
                if key.attribute("Algorithm").is_some_and(|algorithm| algorithm == format!("{PROFILE}pin")) {
                    batch.notes.push(format!("key {}: a PIN is not imported", Short(&id)));
                    continue;
                }
                let draft = container.draft(&child, key, &id, defaults);
                let failed = draft.is_err();
                found.push((id, draft));
                if failed || found.len() > super::MAX_TOKENS {
                    break;
                }
            }
            (Space::Pskc | Space::Encryption | Space::Encryption11 | Space::Signature | Space::Other, _) => {}
        }
    }
    let mut devices: HashMap<String, usize> = HashMap::new();
    for token in found.iter().filter_map(|(_, draft)| Some(&draft.as_ref().ok()?.token)) {
        let count = devices.entry(token.serial.clone()).or_default();
        *count = count.saturating_add(1);
    }
    for (id, mut draft) in found {
        if let Ok(Draft { token, .. }) = &mut draft
            && devices.get(&token.serial).is_some_and(|count| *count > 1)
            && token.serial != id
        {
            token.serial = format!("{}-{id}", token.serial);
            let checked = crate::token::naming::check_serial(&token.serial);
            draft = checked.map_err(EntryError::from).and(draft);
        }
        batch.add(|| format!("key {}", Short(&id)), draft)?;
    }
    Ok(())
}

impl Container {
    fn encryption_key(&mut self, element: &Element) -> Result<(), PskcError> {
        self.is_encrypted = true;
        for child in &element.children {
            match (child.space, child.name.as_str()) {
                (Space::Encryption11, _) => {
                    return Err(PskcError::KeyKind("a key derived from a passphrase"));
                }
                (Space::Signature, "KeyName") => {}
                (Space::Signature | Space::Encryption | Space::Pskc | Space::Other, _) => {
                    return Err(PskcError::KeyKind("a public key"));
                }
            }
        }
        Ok(())
    }

    fn mac_method(&mut self, element: &Element, defaults: &Defaults<'_>) -> Result<(), PskcError> {
        let key = defaults.pre_shared_key.clone().ok_or(PskcError::NoKey)?;
        self.protection = Some(Protection::new(key, element).map_err(PskcError::Protection)?);
        Ok(())
    }

    fn draft(
        &self,
        package: &Element,
        key: &Element,
        id: &str,
        defaults: &Defaults<'_>,
    ) -> Result<Draft, EntryError> {
        let token_type = match key.attribute("Algorithm").and_then(|uri| uri.strip_prefix(PROFILE)) {
            Some("hotp") => TokenType::Hotp,
            Some("totp") => TokenType::Totp,
            Some(_) | None => return Err(expected("the key's Algorithm", "that of hotp or totp")),
        };
        let device = package.child(Space::Pskc, "DeviceInfo");
        let of_device = |name| device.and_then(|device| device.child(Space::Pskc, name)).map(Element::text);
        let serial = of_device("SerialNo").filter(|serial| !serial.is_empty()).unwrap_or(id);
        if serial.is_empty() {
            return Err(EntryError::Missing("the serial"));
        }
        let description: Vec<&str> = ["Manufacturer", "Model"].into_iter().filter_map(of_device).collect();
        let mut wanted = Wanted {
            serial: Some(serial.to_owned()),
            owner: defaults.owner.clone(),
            description: description.join(" "),
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
        // A time-based key may hold a counter, and a counter-based one an interval; these mean nothing.
        if token_type == TokenType::Hotp {
            wanted.counter = plain(data, "Counter", "the counter")?;
        } else {
            wanted.period = plain(data, "TimeInterval", "the time interval")?;
        }
        Ok(wanted.draft()?)
    }

    fn secret(&self, secret: &Element, defaults: &Defaults<'_>) -> Result<Zeroizing<Vec<u8>>, EntryError> {
        let (value, encrypted) =
            (secret.child(Space::Pskc, "PlainValue"), secret.child(Space::Pskc, "EncryptedValue"));
        match (value, encrypted) {
            (Some(_), None) if self.is_encrypted || defaults.pre_shared_key.is_some() => {
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
}

fn algorithm_parameters(parameters: &Element, wanted: &mut Wanted) -> Result<(), EntryError> {
    if let Some(suite) = parameters.child(Space::Pskc, "Suite") {
        wanted.algorithm = Some(entry::algorithm(suite.text())?);
    }
    if parameters.child(Space::Pskc, "ChallengeFormat").is_some() {
        return Err(EntryError::Unsupported("a token that answers challenges"));
    }
    if let Some(format) = parameters.child(Space::Pskc, "ResponseFormat") {
        if format.attribute("Encoding") != Some("DECIMAL") {
            return Err(expected("the codes' Encoding", "DECIMAL"));
        }
        if ["CheckDigit", "CheckDigits"]
            .iter()
            .any(|name| matches!(format.attribute(name), Some("true" | "1")))
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
            (Space::Pskc, "StartDate") => wanted.valid_from = Some(date(rule.text())?),
            (Space::Pskc, "ExpiryDate") => wanted.valid_until = Some(date(rule.text())?),
            (Space::Pskc, "KeyUsage") => usages.push(rule.text()),
            // The device asks for this PIN, not the server.
            (Space::Pskc, "PINPolicy") if rule.attribute("PINUsageMode") == Some("Local") => {}
            (Space::Pskc, "PINPolicy") => return Err(EntryError::Unsupported("a policy with a PIN")),
            (Space::Pskc | Space::Encryption | Space::Encryption11 | Space::Signature | Space::Other, _) => {
                return Err(EntryError::Unsupported("a policy that this program does not know"));
            }
        }
    }
    if usages.is_empty() || usages.contains(&"OTP") {
        Ok(())
    } else {
        Err(EntryError::Unsupported("a key that is not for one-time passwords"))
    }
}

/// Reads the plain number in an element of the key's data.
fn plain<T: std::str::FromStr>(
    data: &Element,
    name: &str,
    what: &'static str,
) -> Result<Option<T>, EntryError> {
    let Some(element) = data.child(Space::Pskc, name) else { return Ok(None) };
    let value = element.child(Space::Pskc, "PlainValue").ok_or_else(|| expected(what, "a plain value"))?;
    entry::number(what, value.text()).map(Some)
}

fn date(text: &str) -> Result<UnixTime, EntryError> {
    let wrong = |_| expected("a date", "such as 2006-05-01T00:00:00Z");
    text.parse::<jiff::Timestamp>().map(|time| UnixTime::from_secs(time.as_second())).map_err(wrong)
}
