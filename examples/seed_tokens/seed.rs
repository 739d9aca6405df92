//! Tokens from JSON, put straight into a store.

use std::collections::HashMap;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use sps_plugin::store::{Algorithm, Sealer, Store, StoreError, Token, TokenType};
use sps_plugin::token::pin::{Purpose, Stretched};

/// A token as a test or a benchmark describes it; with `count`, that many of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seed {
    serial: String,
    #[serde(rename = "type")]
    token_type: String,
    user: String,
    #[serde(default = "realm")]
    realm: String,
    /// Hexadecimal; the password of a `pw` token is plain.
    #[serde(default)]
    secret: String,
    pin: Option<String>,
    #[serde(default = "algorithm")]
    algorithm: String,
    #[serde(default = "digits")]
    digits: u8,
    #[serde(default = "period")]
    period: u32,
    #[serde(default = "ten")]
    window: u32,
    #[serde(default)]
    counter: u64,
    #[serde(default = "ten")]
    max_fail: u32,
    target: Option<String>,
    realms: Option<String>,
    separator: Option<String>,
    /// Makes this many tokens: serial and user get `-0`, `-1` and so on at their ends, and the secret the number as
    /// four bytes, the highest first.
    count: Option<u32>,
}

fn realm() -> String {
    "default".to_owned()
}

fn algorithm() -> String {
    "sha1".to_owned()
}

fn digits() -> u8 {
    6
}

fn period() -> u32 {
    30
}

fn ten() -> u32 {
    10
}

/// Says why a token cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    /// A word or a secret that is none.
    #[error("token {0}: unknown type or algorithm, or a secret that is not hexadecimal")]
    Form(String),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds the tokens in one transaction and returns how many they are. PINs are stretched once, however many tokens have
/// them.
pub(crate) fn add(store: &Store<'_>, seeds: &[Seed]) -> Result<usize, SeedError> {
    let sealer = store.sealer_or_create()?;
    let mut texts = Texts { store, stretched: HashMap::new() };
    let mut tokens = Vec::new();
    for seed in seeds {
        match seed.count {
            None => tokens.push(seed.token(sealer, &mut texts, None)?),
            Some(count) => {
                for number in 0..count {
                    tokens.push(seed.token(sealer, &mut texts, Some(number))?);
                }
            }
        }
    }
    store.add_tokens(tokens.iter().map(|token| (token, &[][..])))?;
    Ok(tokens.len())
}

/// Argon2id, once for each text.
struct Texts<'a> {
    store: &'a Store<'a>,
    stretched: HashMap<String, Stretched>,
}

impl Texts<'_> {
    fn verifier(&mut self, purpose: Purpose, serial: &str, text: &str) -> Result<Vec<u8>, StoreError> {
        if !self.stretched.contains_key(text) {
            self.stretched.insert(text.to_owned(), Stretched::compute(self.store, text)?);
        }
        let stretched = self.stretched.get(text);
        Ok(stretched.map(|stretched| stretched.verifier(purpose, serial, text).to_vec()).unwrap_or_default())
    }
}

impl Seed {
    fn token(&self, sealer: &Sealer, texts: &mut Texts<'_>, number: Option<u32>) -> Result<Token, SeedError> {
        let form = || SeedError::Form(self.serial.clone());
        let numbered = |name: &str| match number {
            Some(number) => format!("{name}-{number}"),
            None => name.to_owned(),
        };
        let token_type = TokenType::from_word(&self.token_type).ok_or_else(form)?;
        let mut token = Token::new(token_type, numbered(&self.serial));
        token.user = numbered(&self.user);
        token.realm.clone_from(&self.realm);
        token.algorithm = Algorithm::from_word(&self.algorithm).ok_or_else(form)?;
        token.digits = self.digits;
        token.period = self.period;
        token.window = self.window;
        token.counter = self.counter;
        token.max_fail = self.max_fail;
        token.target.clone_from(&self.target);
        token.realms.clone_from(&self.realms);
        token.separator.clone_from(&self.separator);
        let pin = self.pin.as_deref().unwrap_or_default();
        let secret = if token_type == TokenType::Pw {
            let both = format!("{pin}{}", self.secret);
            let mut kept = texts.verifier(Purpose::Password, &token.serial, &self.secret)?;
            kept.extend(texts.verifier(Purpose::PinAndPassword, &token.serial, &both)?);
            kept
        } else {
            let mut secret = HEXLOWER_PERMISSIVE.decode(self.secret.as_bytes()).map_err(|_| form())?;
            secret.extend(number.into_iter().flat_map(u32::to_be_bytes));
            secret
        };
        token.seal_secret(sealer, &secret)?;
        if !pin.is_empty() {
            let kept = texts.verifier(Purpose::Pin, &token.serial, pin)?;
            token.seal_pin(sealer, Some(&kept))?;
        }
        Ok(token)
    }
}
