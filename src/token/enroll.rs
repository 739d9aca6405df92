//! From what an administrator asks for to a token: defaults, ranges, generated secrets, sealing.

use zeroize::Zeroizing;

use super::Owner;
use super::chain::{self, ChainError};
use super::known;
use super::naming::{self, NamingError};
use super::pin::{Purpose, Stretched};
use super::realms::{Realms, RealmsError};
use crate::clock::UnixTime;
use crate::store::{Algorithm, MAX_WINDOW, Store, StoreError, Token, TokenType};

/// The longest PIN and the longest password, in characters.
pub const MAX_TEXT: usize = 256;
/// The same in bytes: an answer, which is a PIN and a password or code, has at most 1,024.
const MAX_TEXT_BYTES: usize = 508;
/// The shortest and the longest secret of one-time codes, in bytes. RFC 4226 section 4 asks for 16 and more; 10 is
/// what many apps still make.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 10..=128;
const REGISTRATION_LENGTH: usize = 24;
const HOTP_WINDOW: u32 = 10;
const TOTP_WINDOW: u32 = 1;
const PAPER_CODES: u32 = 100;

/// Says why there can be no such token.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The store does not answer, or has a token of that serial.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The serial or the owner is none.
    #[error(transparent)]
    Naming(#[from] NamingError),
    /// The realms of a four-eyes token are none.
    #[error(transparent)]
    Realms(#[from] RealmsError),
    /// A forward token leads nowhere.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Another token of the realm has this secret: one code would be taken twice, or one device approve for two people.
    #[error(
        "{token} has the same secret as {serial}, which belongs to {owner} in the same realm; delete {serial} first, or use another secret"
    )]
    Known {
        /// The token that is to be.
        token: String,
        /// The owner of the existing token.
        owner: String,
        /// The token that is there.
        serial: String,
    },
    /// Something that only other types have.
    #[error("a {token_type} token has no {what}")]
    NotFor {
        /// What is asked for.
        token_type: TokenType,
        /// What it does not have.
        what: &'static str,
    },
    /// Something without which the type makes no sense.
    #[error("a {token_type} token needs {what}")]
    Needs {
        /// What is asked for.
        token_type: TokenType,
        /// What is missing.
        what: &'static str,
    },
    /// A value out of its range. The value may be a secret and is not shown.
    #[error("{what} has to be {expected}")]
    Range {
        /// Which.
        what: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// The password of a `pw` token is not the one given.
    #[error("that is not the password of {0}")]
    NotThePassword(String),
}

/// What is asked for; what is `None` is the type's default.
pub struct Wanted {
    /// What it is.
    pub token_type: TokenType,
    /// Its name; else one is generated.
    pub serial: Option<String>,
    /// Whose it is; else nobody's.
    pub owner: Option<Owner>,
    /// Whatever the administrator wrote.
    pub description: String,
    /// The key of one-time codes, the password of `pw`, the code of `registration`; else it is generated.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// The hash.
    pub algorithm: Option<Algorithm>,
    /// The length of a code.
    pub digits: Option<u8>,
    /// The length of a time step, in seconds.
    pub period: Option<u32>,
    /// As [`Token::window`].
    pub window: Option<u32>,
    /// The next counter of `hotp`.
    pub counter: Option<u64>,
    /// The target of `forward`.
    pub target: Option<String>,
    /// The realms of `4eyes`, as text or map.
    pub realms: Option<String>,
    /// The separator of `4eyes`.
    pub separator: Option<String>,
    /// As [`Token::max_fail`].
    pub max_fail: Option<u32>,
    /// As [`Token::unlock_after`].
    pub unlock_after: Option<u32>,
    /// As [`Token::valid_from`].
    pub valid_from: Option<UnixTime>,
    /// As [`Token::valid_until`].
    pub valid_until: Option<UnixTime>,
}

/// A token that is complete but for its sealing.
pub struct Draft {
    /// The token, with an empty serial if one is to be generated.
    pub token: Token,
    /// What [`Wanted::secret`] says; empty for types without.
    pub secret: Zeroizing<Vec<u8>>,
    /// The positions of the codes that are used already.
    pub used: Vec<u64>,
}

impl Wanted {
    /// Asks for a token with defaults everywhere.
    pub fn new(token_type: TokenType) -> Self {
        Self {
            token_type,
            serial: None,
            owner: None,
            description: String::new(),
            secret: None,
            algorithm: None,
            digits: None,
            period: None,
            window: None,
            counter: None,
            target: None,
            realms: None,
            separator: None,
            max_fail: None,
            unlock_after: None,
            valid_from: None,
            valid_until: None,
        }
    }

    /// Checks what is asked for and fills in the rest.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub fn draft(self) -> Result<Draft, EnrollError> {
        self.refuse_what_is_for_others()?;
        let kind = self.token_type;
        let mut token = Token::new(kind, self.serial.unwrap_or_default());
        if !token.serial.is_empty() {
            naming::check_serial(&token.serial)?;
        }
        if let Some(Owner { user, realm }) = self.owner {
            (token.user, token.realm) = (user, realm);
        }
        crate::names::check("the description", &self.description).map_err(NamingError::from)?;
        token.description = self.description;
        token.max_fail = self.max_fail.unwrap_or(token.max_fail);
        token.unlock_after = self.unlock_after.unwrap_or(token.unlock_after);
        (token.valid_from, token.valid_until) = (self.valid_from, self.valid_until);
        if let (Some(from), Some(until)) = (self.valid_from, self.valid_until)
            && until <= from
        {
            return Err(range("the end of the validity", "after its beginning"));
        }
        let mut secret = Zeroizing::default();
        match kind {
            TokenType::Hotp | TokenType::Totp | TokenType::Paper => {
                token.algorithm = self.algorithm.unwrap_or(Algorithm::Sha1);
                token.digits = self.digits.unwrap_or(if kind == TokenType::Paper { 8 } else { 6 });
                if ![6, 8].contains(&token.digits) {
                    return Err(range("the number of digits", "6 or 8"));
                }
                token.window = window(kind, self.window)?;
                secret = code_secret(self.secret, token.algorithm)?;
            }
            TokenType::Pw => {
                let needs = EnrollError::Needs { token_type: kind, what: "a password" };
                secret = self.secret.ok_or(needs)?;
                check_text("the password", &String::from_utf8_lossy(&secret))?;
                if std::str::from_utf8(&secret).is_err() {
                    return Err(range("the password", "UTF-8"));
                }
            }
            TokenType::Registration => {
                secret = registration_code(self.secret)?;
                token.digits = u8::try_from(secret.len()).unwrap_or(u8::MAX);
            }
            TokenType::Spass => {}
            TokenType::Forward => {
                let needs = EnrollError::Needs { token_type: kind, what: "--forward-serial, its target" };
                token.target = Some(self.target.ok_or(needs)?);
            }
            TokenType::FourEyes => {
                let needs =
                    EnrollError::Needs { token_type: kind, what: "--realms such as realm1:2,realm2:1" };
                let text = self.realms.ok_or(needs)?;
                let is_map = text.trim_start().starts_with('{');
                let realms = if is_map { Realms::parse_map(&text)? } else { Realms::parse(&text)? };
                token.realms = Some(realms.to_string());
                token.separator = Some(separator(self.separator)?);
            }
        }
        if kind == TokenType::Totp {
            token.period = self.period.unwrap_or(30);
            if ![30, 60].contains(&token.period) {
                return Err(range("the period", "30 or 60 seconds"));
            }
        }
        token.counter = self.counter.unwrap_or(0);
        if i64::try_from(token.counter).is_err() {
            return Err(range("the counter", "below 2^63"));
        }
        Ok(Draft { token, secret, used: Vec::new() })
    }

    fn refuse_what_is_for_others(&self) -> Result<(), EnrollError> {
        let kind = self.token_type;
        let codes = matches!(kind, TokenType::Hotp | TokenType::Totp | TokenType::Paper);
        let secret = codes || matches!(kind, TokenType::Pw | TokenType::Registration);
        for (given, fits, what) in [
            (self.secret.is_some(), secret, "secret"),
            (self.algorithm.is_some(), codes, "algorithm"),
            (self.digits.is_some(), codes, "digits"),
            (self.window.is_some(), codes, "window"),
            (self.period.is_some(), kind == TokenType::Totp, "period"),
            (self.counter.is_some(), kind == TokenType::Hotp, "counter to set"),
            (self.target.is_some(), kind == TokenType::Forward, "target"),
            (self.realms.is_some(), kind == TokenType::FourEyes, "realms to approve"),
            (self.separator.is_some(), kind == TokenType::FourEyes, "separator"),
        ] {
            if given && !fits {
                return Err(EnrollError::NotFor { token_type: kind, what });
            }
        }
        Ok(())
    }
}

impl Draft {
    /// Seals secret and PIN, and finds a free serial where none was given.
    ///
    /// # Errors
    /// [`EnrollError`].
    pub fn seal(self, store: &Store<'_>, pin: Option<&str>) -> Result<Token, EnrollError> {
        let Self { mut token, secret, .. } = self;
        let sealer = store.sealer_or_create()?;
        while token.serial.is_empty() {
            let serial = naming::random_serial(token.token_type)?;
            if store.token(&serial)?.is_none() {
                token.serial = serial;
            }
        }
        if token.token_type == TokenType::Spass && pin.is_none() {
            return Err(EnrollError::Needs { token_type: token.token_type, what: "a PIN" });
        }
        if token.token_type == TokenType::Pw {
            let password = std::str::from_utf8(&secret).map_err(|_| range("the password", "UTF-8"))?;
            let kept = password_verifiers(store, &token.serial, password, pin)?;
            token.seal_secret(sealer, &kept)?;
        } else {
            token.seal_secret(sealer, &secret)?;
        }
        if let Some(pin) = pin {
            let kept = pin_verifier(store, &token.serial, pin)?;
            token.seal_pin(sealer, Some(&kept))?;
        }
        Ok(token)
    }
}

/// Adds a token to the store; a forward token only where its chain holds.
///
/// # Errors
/// [`EnrollError`].
pub fn add(store: &Store<'_>, token: &Token) -> Result<(), EnrollError> {
    store.add_tokens_if([(token, &[][..])], || {
        known::refuse(store, [token])?;
        let target = token.target.as_deref();
        target.map_or(Ok(()), |target| Ok(chain::check(store, &token.serial, target)?))
    })
}

/// Gives a token another PIN, or none.
///
/// What is kept of a `pw` token's password holds the PIN too and cannot be read back, so that the password is
/// needed. `None` where there is no such token.
///
/// # Errors
/// [`EnrollError`].
pub fn set_pin(
    store: &Store<'_>,
    serial: &str,
    pin: Option<&str>,
    password: Option<&str>,
) -> Result<Option<Token>, EnrollError> {
    let Some(known) = store.token(serial)? else { return Ok(None) };
    let kind = known.token_type;
    match (kind, pin, password) {
        (TokenType::Spass, None, _) => return Err(EnrollError::Needs { token_type: kind, what: "a PIN" }),
        (TokenType::Pw, _, None) => {
            let what = "its password again, because what is kept of it holds the PIN (--password-stdin)";
            return Err(EnrollError::Needs { token_type: kind, what });
        }
        (TokenType::Pw, _, Some(_)) | (_, _, None) => {}
        (_, _, Some(_)) => return Err(EnrollError::NotFor { token_type: kind, what: "password" }),
    }
    // The hashing takes its time and is done before the store is locked.
    let sealer = store.sealer_or_create()?;
    let kept = pin.map(|pin| pin_verifier(store, serial, pin)).transpose()?;
    let passwords = password.map(|password| password_verifiers(store, serial, password, pin)).transpose()?;
    store.change_token(serial, |token| {
        if token.token_type != kind {
            return Err(EnrollError::Store(StoreError::KeyChanged));
        }
        token.seal_pin(sealer, kept.as_ref().map(|kept| kept.as_slice()))?;
        if let Some(passwords) = &passwords {
            // The first half depends on the password alone, so that it tells whether it is the right one.
            let (old, half) = (token.secret(sealer)?, passwords.len() / 2);
            if old.get(..half) != passwords.get(..half) {
                return Err(EnrollError::NotThePassword(token.serial.clone()));
            }
            token.seal_secret(sealer, passwords)?;
        }
        Ok(())
    })
}

/// What is kept of a PIN.
fn pin_verifier(store: &Store<'_>, serial: &str, pin: &str) -> Result<Zeroizing<Vec<u8>>, EnrollError> {
    check_text("the PIN", pin)?;
    Ok(Stretched::compute(store, pin)?.verifier(Purpose::Pin, serial, pin))
}

/// What is kept of a password: of itself, and of PIN and password in one.
fn password_verifiers(
    store: &Store<'_>,
    serial: &str,
    password: &str,
    pin: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, EnrollError> {
    check_text("the password", password)?;
    let full = Zeroizing::new(format!("{}{password}", pin.unwrap_or_default()));
    let mut kept = Zeroizing::new(Vec::with_capacity(128));
    for (purpose, text) in [(Purpose::Password, password), (Purpose::PinAndPassword, full.as_str())] {
        kept.extend_from_slice(&Stretched::compute(store, text)?.verifier(purpose, serial, text));
    }
    Ok(kept)
}

fn check_text(what: &'static str, text: &str) -> Result<(), EnrollError> {
    let fits = !text.is_empty()
        && text.chars().count() <= MAX_TEXT
        && text.len() <= MAX_TEXT_BYTES
        && !text.chars().any(char::is_control);
    let expected = "1 to 256 characters, at most 508 bytes, without control characters";
    if fits { Ok(()) } else { Err(range(what, expected)) }
}

fn window(kind: TokenType, wanted: Option<u32>) -> Result<u32, EnrollError> {
    let (default, what) = match kind {
        TokenType::Totp => (TOTP_WINDOW, "the window"),
        TokenType::Paper => (PAPER_CODES, "the number of codes"),
        TokenType::Hotp
        | TokenType::Pw
        | TokenType::Spass
        | TokenType::Registration
        | TokenType::Forward
        | TokenType::FourEyes => (HOTP_WINDOW, "the window"),
    };
    let window = wanted.unwrap_or(default);
    let fits = window <= MAX_WINDOW && (window > 0 || kind == TokenType::Totp);
    if fits { Ok(window) } else { Err(range(what, "from 1 (totp: 0) to 1000")) }
}

fn code_secret(
    given: Option<Zeroizing<Vec<u8>>>,
    algorithm: Algorithm,
) -> Result<Zeroizing<Vec<u8>>, EnrollError> {
    let secret = match given {
        Some(secret) => secret,
        None => {
            // As long as the hash (RFC 4226 section 4, RFC 6238 section 5.1).
            let length = match algorithm {
                Algorithm::Sha1 => 20,
                Algorithm::Sha256 => 32,
                Algorithm::Sha512 => 64,
            };
            let mut secret = Zeroizing::new(vec![0_u8; length]);
            getrandom::fill(&mut secret).map_err(|_| StoreError::NoRandomness)?;
            secret
        }
    };
    if SECRET_BYTES.contains(&secret.len()) {
        Ok(secret)
    } else {
        Err(range("the secret", "10 to 128 bytes"))
    }
}

fn registration_code(given: Option<Zeroizing<Vec<u8>>>) -> Result<Zeroizing<Vec<u8>>, EnrollError> {
    let Some(code) = given else {
        return Ok(Zeroizing::new(naming::random_text(REGISTRATION_LENGTH)?.into_bytes()));
    };
    let fits = (8..=64).contains(&code.len()) && code.iter().all(u8::is_ascii_alphanumeric);
    if fits { Ok(code) } else { Err(range("the registration code", "8 to 64 ASCII letters and digits")) }
}

fn separator(given: Option<String>) -> Result<String, EnrollError> {
    let separator = given.unwrap_or_else(|| " ".to_owned());
    let mut characters = separator.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) if !one.is_alphanumeric() && !one.is_control() => Ok(separator),
        (_, _) => Err(range("the separator", "one character that is no letter and no digit")),
    }
}

fn range(what: &'static str, expected: &'static str) -> EnrollError {
    EnrollError::Range { what, expected }
}
