//! Tokens as they are kept.

use zeroize::Zeroizing;

use super::StoreError;
use super::seal::{Binding, Sealer};
use crate::clock::UnixTime;
use crate::words::words;

/// How many counters, time steps (on either side) or codes of a list are tried at most, whatever a token says; a restored
/// state refuses time-based codes as far ahead.
pub const MAX_WINDOW: u32 = 1000;
/// What the sealed secret of a token is bound to.
const SECRET: &str = "token.secret";
/// What the sealed PIN verifier of a token is bound to.
const PIN: &str = "token.pin";

words! {
    /// What a token is.
    TokenType {
        /// Counter-based codes (RFC 4226).
        Hotp = "hotp",
        /// Time-based codes (RFC 6238).
        Totp = "totp",
        /// A static password.
        Pw = "pw",
        /// A PIN and nothing else.
        Spass = "spass",
        /// A code that works once.
        Registration = "registration",
        /// A list of codes, each of which works once, in any order.
        Paper = "paper",
        /// A PIN of its own, and another token's codes.
        Forward = "forward",
        /// Several people's codes.
        FourEyes = "4eyes",
    }
}

words! {
    /// The hash below HOTP and TOTP.
    Algorithm {
        /// HMAC-SHA-1, which RFC 4226 has.
        Sha1 = "sha1",
        /// HMAC-SHA-256.
        Sha256 = "sha256",
        /// HMAC-SHA-512.
        Sha512 = "sha512",
    }
}

/// A token with everything that is kept of it.
#[derive(Clone)]
pub struct Token {
    /// Its unique name.
    pub serial: String,
    /// What it is.
    pub token_type: TokenType,
    /// The owner.
    pub user: String,
    /// The owner's realm.
    pub realm: String,
    /// Whatever the administrator wrote.
    pub description: String,
    /// Whether it may be used.
    pub enabled: bool,
    /// The hash of `hotp`, `totp` and `paper`.
    pub algorithm: Algorithm,
    /// The length of a code, in characters.
    pub digits: u8,
    /// The length of a time step, in seconds.
    pub period: u32,
    /// `hotp`: how many counters are tried; `totp`: how many steps before and after now; `paper`: how many codes.
    pub window: u32,
    /// `hotp`: the next counter; `totp`: the first step that is not used up; else how often it was used.
    pub counter: u64,
    /// `totp`: by how many steps the device is ahead of us.
    pub skew: i64,
    /// Failures since the last success.
    pub fail_counter: u32,
    /// How many failures lock it; 0: it is never locked.
    pub max_fail: u32,
    /// When the last failure was.
    pub failed_at: UnixTime,
    /// After how many seconds a locked token is unlocked by itself; 0: never.
    pub unlock_after: u32,
    /// From when on it may be used.
    pub valid_from: Option<UnixTime>,
    /// Until when it may be used.
    pub valid_until: Option<UnixTime>,
    /// `forward`: the serial of the token whose codes count.
    pub target: Option<String>,
    /// `4eyes`: how many approvals of which realms, as `realm1:2,realm2:1`.
    pub realms: Option<String>,
    /// `4eyes`: what stands between passwords that are typed all at once.
    pub separator: Option<String>,
    /// The secret, sealed.
    pub sealed_secret: Vec<u8>,
    /// The verifier of the PIN, sealed; `None` without a PIN.
    pub sealed_pin: Option<Vec<u8>>,
}

impl Token {
    /// Makes a token with the usual settings, without owner, secret and PIN: ten failures lock it until somebody
    /// unlocks it.
    pub fn new(token_type: TokenType, serial: impl Into<String>) -> Self {
        Self {
            serial: serial.into(),
            token_type,
            user: String::new(),
            realm: String::new(),
            description: String::new(),
            enabled: true,
            algorithm: Algorithm::Sha1,
            digits: 0,
            period: 0,
            window: 0,
            counter: 0,
            skew: 0,
            fail_counter: 0,
            max_fail: 10,
            failed_at: UnixTime::from_secs(0),
            unlock_after: 0,
            valid_from: None,
            valid_until: None,
            target: None,
            realms: None,
            separator: None,
            sealed_secret: Vec::new(),
            sealed_pin: None,
        }
    }

    /// Tells whether failures have locked it, as of `now`.
    pub fn is_locked(&self, now: UnixTime) -> bool {
        let over = self.max_fail > 0 && self.fail_counter >= self.max_fail;
        over && (self.unlock_after == 0 || now < self.failed_at.plus_seconds(f64::from(self.unlock_after)))
    }

    /// Tells whether its validity period holds, as of `now`.
    pub fn is_valid(&self, now: UnixTime) -> bool {
        self.valid_from.is_none_or(|from| from <= now) && self.valid_until.is_none_or(|until| now < until)
    }

    /// Tells whether it may be used: enabled, valid and not locked.
    pub fn is_usable(&self, now: UnixTime) -> bool {
        self.enabled && self.is_valid(now) && !self.is_locked(now)
    }

    /// Opens the secret.
    ///
    /// # Errors
    /// [`StoreError::Sealed`].
    pub fn secret(&self, sealer: &Sealer) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        sealer.open(Binding { column: SECRET, row: &self.serial }, &self.sealed_secret)
    }

    /// Seals a secret for this token.
    ///
    /// # Errors
    /// [`StoreError::NoRandomness`].
    pub fn seal_secret(&mut self, sealer: &Sealer, secret: &[u8]) -> Result<(), StoreError> {
        self.sealed_secret = sealer.seal(Binding { column: SECRET, row: &self.serial }, secret)?;
        Ok(())
    }

    /// Opens the PIN's verifier.
    ///
    /// # Errors
    /// [`StoreError::Sealed`].
    pub fn pin(&self, sealer: &Sealer) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let binding = Binding { column: PIN, row: &self.serial };
        self.sealed_pin.as_ref().map(|sealed| sealer.open(binding, sealed)).transpose()
    }

    /// Seals a PIN's verifier for this token, or takes the PIN away.
    ///
    /// # Errors
    /// [`StoreError::NoRandomness`].
    pub fn seal_pin(&mut self, sealer: &Sealer, verifier: Option<&[u8]>) -> Result<(), StoreError> {
        let binding = Binding { column: PIN, row: &self.serial };
        self.sealed_pin = verifier.map(|verifier| sealer.seal(binding, verifier)).transpose()?;
        Ok(())
    }
}

/// What a search through a realm needs of a token, borrowed from the database's page.
pub struct Candidate<'a> {
    /// Its unique name.
    pub serial: &'a str,
    /// The owner.
    pub user: &'a str,
    /// What it is.
    pub token_type: TokenType,
    /// The hash.
    pub algorithm: Algorithm,
    /// The length of a code.
    pub digits: u8,
    /// The length of a time step, in seconds.
    pub period: u32,
    /// As [`Token::window`].
    pub window: u32,
    /// As [`Token::counter`].
    pub counter: u64,
    /// As [`Token::skew`].
    pub skew: i64,
    /// Whether it has a PIN.
    pub has_pin: bool,
    /// The secret, sealed.
    pub(super) sealed_secret: &'a [u8],
}

impl Candidate<'_> {
    /// Opens the secret.
    ///
    /// # Errors
    /// [`StoreError::Sealed`].
    pub fn secret(&self, sealer: &Sealer) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        sealer.open(Binding { column: SECRET, row: self.serial }, self.sealed_secret)
    }
}
