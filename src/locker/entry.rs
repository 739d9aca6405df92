//! What an entry holds, and how it is written into the store.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::totp::Totp;
use crate::json;
use crate::private_key::{KeyError, PrivateKey};
use crate::store::Algorithm;

/// How many sessions may hold an entry at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checkout {
    /// Any number.
    #[default]
    Shared,
    /// One.
    Exclusive,
}

impl Checkout {
    /// The words for both.
    pub const WORDS: [&str; 2] = ["shared", "exclusive"];

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "shared" => Some(Self::Shared),
            "exclusive" => Some(Self::Exclusive),
            _ => None,
        }
    }
}

/// How a remote application is started.
#[derive(Default)]
pub struct Launch {
    /// `--cmd … --args … --flag`.
    pub information: Option<String>,
    /// The program that hosts it.
    pub host_app: Option<String>,
    /// Whatever else the application needs; may be secret.
    pub additional: Map<String, Value>,
}

impl Launch {
    /// Tells whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.information.is_none() && self.host_app.is_none() && self.additional.is_empty()
    }
}

/// What is kept for an account on an asset.
#[derive(Default)]
pub struct Entry {
    /// Whatever the administrator wrote.
    pub description: String,
    /// How many sessions may hold it at once.
    pub checkout: Checkout,
    /// The passwords, in the order in which they are tried.
    pub passwords: Vec<SecretString>,
    /// The private keys, not encrypted.
    pub private_keys: Vec<PrivateKey>,
    /// Keys that an earlier version took in, and that OpenSSH does not read. They are kept, and never handed out.
    pub unreadable_keys: Vec<UnreadableKey>,
    /// The secret for one-time codes.
    pub totp: Option<Totp>,
    /// How a remote application is started.
    pub launch: Launch,
}

/// A private key that is in the store and cannot be read.
pub struct UnreadableKey {
    kind: String,
    text: SecretString,
    /// Why not.
    pub error: KeyError,
}

/// Says that an entry cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// It was written by another version, or not by this program.
    #[error("has a form that this version does not know")]
    Form,
}

#[derive(Serialize)]
struct Written<'e> {
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'e str,
    #[serde(skip_serializing_if = "is_shared")]
    checkout: &'static str,
    passwords: Vec<&'e str>,
    private_keys: Vec<(&'e str, &'e str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<(&'e str, &'static str, u8, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_information: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_app: Option<&'e str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    additional_information: &'e Map<String, Value>,
}

fn is_shared(word: &&str) -> bool {
    *word == Checkout::Shared.word()
}

// An entry with a member that this version does not know was written by a newer one; half of it is not handed out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(default)]
    description: String,
    #[serde(default)]
    checkout: Option<String>,
    passwords: Vec<SecretString>,
    private_keys: Vec<(String, SecretString)>,
    #[serde(default)]
    totp: Option<(SecretString, String, u8, u32)>,
    #[serde(default)]
    launch_information: Option<String>,
    #[serde(default)]
    host_app: Option<String>,
    #[serde(default)]
    additional_information: Map<String, Value>,
}

impl Entry {
    /// Tells whether there is nothing to hand out.
    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
            && self.private_keys.is_empty()
            && self.unreadable_keys.is_empty()
            && self.totp.is_none()
            && self.launch.is_empty()
    }

    /// Writes it for the store.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let written = Written {
            description: &self.description,
            checkout: self.checkout.word(),
            passwords: self.passwords.iter().map(ExposeSecret::expose_secret).collect(),
            private_keys: self
                .private_keys
                .iter()
                .map(|key| (key.kind(), key.text().expose_secret()))
                .chain(self.unreadable_keys.iter().map(|key| (key.kind.as_str(), key.text.expose_secret())))
                .collect(),
            totp: self
                .totp
                .as_ref()
                .map(|totp| (totp.secret.expose_secret(), totp.algorithm.word(), totp.digits, totp.period)),
            launch_information: self.launch.information.as_deref(),
            host_app: self.launch.host_app.as_deref(),
            additional_information: &self.launch.additional,
        };
        // Large enough for most entries, so that growing leaves few unwiped copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
        // Writing plain data into memory does not fail; if it did, half an entry would not be read back.
        if serde_json::to_writer(&mut *bytes, &written).is_err() {
            bytes.clear();
        }
        bytes
    }

    /// Reads what [`Entry::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let read: Read = json::from_slice(bytes).map_err(|_| EntryError::Form)?;
        let checkout = match read.checkout.as_deref() {
            None => Checkout::Shared,
            Some(word) => Checkout::from_word(word).ok_or(EntryError::Form)?,
        };
        let totp = read.totp.map(|(secret, algorithm, digits, period)| {
            let algorithm = Algorithm::from_word(&algorithm).ok_or(EntryError::Form)?;
            Ok(Totp { secret, algorithm, digits, period })
        });
        let (mut private_keys, mut unreadable_keys) = (Vec::new(), Vec::new());
        for (kind, text) in read.private_keys {
            match PrivateKey::read(text.expose_secret(), None) {
                Ok(key) => private_keys.push(key),
                Err(error) => unreadable_keys.push(UnreadableKey { kind, text, error }),
            }
        }
        Ok(Self {
            description: read.description,
            checkout,
            passwords: read.passwords,
            private_keys,
            unreadable_keys,
            totp: totp.transpose()?,
            launch: Launch {
                information: read.launch_information,
                host_app: read.host_app,
                additional: read.additional_information,
            },
        })
    }
}
