//! What KeePass 2 and KeePassXC export: entries with named strings, in groups.
//!
//! `UserName` is the account. The asset is the host of `URL`, or the title where there is no URL. Every string that holds a
//! private key is one, but for passkeys. References and placeholders are resolved from the same file. An entry that is
//! not for a target, or not usable as it stands, is left out with a note.

mod otp;
mod placeholder;
mod url;
mod xml;

use zeroize::Zeroizing;

use self::placeholder::{Database, Unresolved};
use super::{Batch, Defaults, Expired, ImportError, Raw};
use crate::clock::UnixTime;
use crate::logging::Short;

pub(super) use xml::read;

/// When an entry expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expiry {
    #[default]
    Never,
    At(UnixTime),
    /// It expires, at a time that cannot be read.
    Unknown,
}

/// An entry as it is in the file.
#[derive(Default)]
pub(super) struct Source {
    /// The line in which it begins.
    pub(super) line: u64,
    /// The names of its groups, with slashes.
    pub(super) group: String,
    pub(super) is_in_bin: bool,
    pub(super) uuid: Option<String>,
    pub(super) expiry: Expiry,
    pub(super) attachments: usize,
    strings: Vec<(String, Zeroizing<String>)>,
}

impl Source {
    pub(super) fn at(line: u64) -> Self {
        Self { line, ..Self::default() }
    }

    pub(super) fn put(&mut self, name: String, value: Zeroizing<String>) {
        self.strings.push((name, value));
    }

    pub(super) fn len(&self) -> usize {
        self.strings.len()
    }

    /// Returns a string that is there; names are compared as KeePass does, with their case.
    fn string(&self, name: &str) -> Option<&str> {
        self.strings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns a string that is there and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.string(name).filter(|value| !value.is_empty())
    }

    fn title(&self) -> &str {
        self.get("Title").map(str::trim).filter(|title| !title.is_empty()).unwrap_or("without a title")
    }

    fn place(&self) -> String {
        format!("line {}, entry {}", self.line, Short(self.title()))
    }

    /// Returns group and title, by which people find it again.
    fn description(&self) -> String {
        let title = self.get("Title").unwrap_or_default().trim();
        [self.group.as_str(), title].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// Tells why it is not taken, before its strings are looked at.
    fn exclusion(&self, defaults: &Defaults<'_>) -> Option<&'static str> {
        if self.is_in_bin {
            return Some("it is in the recycle bin");
        }
        let is_expired = match self.expiry {
            Expiry::Never => false,
            Expiry::At(time) => time <= defaults.now,
            Expiry::Unknown => true,
        };
        (is_expired && defaults.expired == Expired::Skip)
            .then_some("it is expired; --expired take imports it")
    }
}

/// Takes the entries of a file in.
pub(super) fn take(
    sources: Vec<Source>,
    defaults: &Defaults<'_>,
    batch: &mut Batch,
) -> Result<(), ImportError> {
    let database = Database::new(&sources);
    for source in &sources {
        let left_out = match source.exclusion(defaults) {
            Some(why) => Err(why.to_owned()),
            None => add(source, &database, defaults, batch)?,
        };
        if let Err(why) = left_out {
            batch.note(format!("{}: left out, {why}", source.place()));
        }
    }
    Ok(())
}

/// Adds an entry, or says why it is left out.
fn add(
    source: &Source,
    database: &Database<'_>,
    defaults: &Defaults<'_>,
    batch: &mut Batch,
) -> Result<Result<(), String>, ImportError> {
    let resolved = |name: &str| match source.get(name) {
        Some(text) => database.resolve(text, source).map(Some).map_err(|Unresolved(what)| {
            format!("its {} has {what}", if name == "UserName" { "user name" } else { name })
        }),
        None => Ok(None),
    };
    let texts = (resolved("UserName"), resolved("URL"), resolved("Title"), resolved("Password"));
    let (user, url, title, password) = match texts {
        (Ok(user), Ok(url), Ok(title), Ok(password)) => (user, url, title, password),
        (Err(why), ..) | (_, Err(why), ..) | (_, _, Err(why), _) | (.., Err(why)) => return Ok(Err(why)),
    };
    let Some(account) = user.as_deref().map(|user| user.trim()).filter(|user| !user.is_empty()) else {
        return Ok(Err("it has no user name".to_owned()));
    };
    let asset = match url::asset(url.as_deref().map(String::as_str), title.as_deref().map(String::as_str)) {
        Ok(asset) => asset,
        Err(why) => return Ok(Err(why.to_owned())),
    };
    let is_passkey = |name: &str| name.to_ascii_uppercase().starts_with("KPEX_PASSKEY");
    let keys = source.strings.iter().filter(|(name, value)| is_key(value) && !is_passkey(name));
    let private_keys: Vec<&str> = keys.map(|(_, value)| value.as_str()).collect();
    // A key in the password field is not a password.
    let password =
        password.as_deref().map(String::as_str).filter(|password| !is_key(password) && !password.is_empty());
    let totp = match otp::find(source) {
        Ok(totp) => totp,
        Err(why) => {
            batch.note(format!("{}: its one-time codes are left out, {why}", source.place()));
            None
        }
    };
    if password.is_none() && private_keys.is_empty() && totp.is_none() {
        return Ok(Err("it has no password, key or TOTP secret".to_owned()));
    }
    for (is_so, what) in [
        (otp::has_counter(source), "its counter-based codes (HOTP) are left out"),
        (source.attachments > 0, "its attachments are left out"),
        (source.strings.iter().any(|(name, _)| is_passkey(name)), "its passkey is left out"),
        (source.strings.iter().any(|(name, _)| name.starts_with("KP2A_URL")), "its other URLs are left out"),
    ] {
        if is_so {
            batch.note(format!("{}: {what}", source.place()));
        }
    }
    let description = source.description();
    let raw = Raw {
        account,
        asset,
        password,
        private_keys,
        // The password of an entry with an encrypted key is as likely the key's as the account's; it is tried.
        passphrase: password,
        totp,
        description: &description,
        ..Raw::default()
    };
    batch.add(source.place(), raw.entry(defaults))?;
    Ok(Ok(()))
}

fn is_key(value: &str) -> bool {
    let value = value.trim_start();
    (value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----"))
        || value.starts_with("PuTTY-User-Key-File")
}
