//! Rejects a secret that another token in the realm already has: otherwise one code would be accepted twice, and one device
//! would approve for two people.

use std::collections::{HashMap, HashSet};

use super::enroll::EnrollError;
use super::oath::KeyId;
use crate::logging::Short;
use crate::names::fold;
use crate::store::{Sealer, Store, StoreError, Token, TokenType};

/// Rejects tokens whose secret another token of the same realm has, in the store or among the new ones. Tokens without an
/// owner are compared when they are assigned.
///
/// To be called inside the transaction that writes them, before or after that.
///
/// # Errors
/// [`EnrollError::Known`] with the serial of that token; [`crate::store::StoreError`].
pub fn refuse<'t>(store: &Store<'_>, tokens: impl IntoIterator<Item = &'t Token>) -> Result<(), EnrollError> {
    let Some(sealer) = store.sealer()? else { return Ok(()) };
    let mut realms: HashMap<String, Vec<&Token>> = HashMap::new();
    for token in
        tokens.into_iter().filter(|token| by_time(token.token_type).is_some() && !token.user.is_empty())
    {
        realms.entry(fold(&token.realm)).or_default().push(token);
    }
    for (realm, tokens) in realms {
        let serials: HashSet<&str> = tokens.iter().map(|token| token.serial.as_str()).collect();
        let mut known = of_realm(store, sealer, &realm, |token| !serials.contains(token.serial.as_str()))?;
        for token in tokens {
            let Some(print) = fingerprint(token, sealer) else { continue };
            if let Some(holder) = known.insert(print, Holder::of(token)) {
                return Err(holder.refusal(&token.serial));
            }
        }
    }
    Ok(())
}

/// The token that has a secret.
struct Holder {
    serial: String,
    owner: String,
}

impl Holder {
    fn of(token: &Token) -> Self {
        Self { serial: token.serial.clone(), owner: token.user.clone() }
    }

    fn refusal(&self, token: &str) -> EnrollError {
        EnrollError::Known {
            token: if token.is_empty() { "it".to_owned() } else { Short(token).to_string() },
            owner: Short(&self.owner).to_string(),
            serial: self.serial.clone(),
        }
    }
}

/// Returns who has which secret in a realm.
fn of_realm(
    store: &Store<'_>,
    sealer: &Sealer,
    realm: &str,
    is_compared: impl Fn(&Token) -> bool,
) -> Result<HashMap<Fingerprint, Holder>, StoreError> {
    let mut known = HashMap::new();
    for token in store.tokens(None, Some(realm))? {
        if !token.user.is_empty() && is_compared(&token) {
            // A secret that cannot be opened is skipped; doctor names it.
            known.extend(fingerprint(&token, sealer).map(|print| (print, Holder::of(&token))));
        }
    }
    Ok(known)
}

/// The secrets of the store's tokens, by their realms, for comparing many tokens before they are sealed.
pub struct Secrets<'s> {
    store: &'s Store<'s>,
    sealer: Option<&'s Sealer>,
    realms: HashMap<String, HashMap<Fingerprint, Holder>>,
}

impl<'s> Secrets<'s> {
    /// Looks at no token yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn new(store: &'s Store<'s>) -> Result<Self, StoreError> {
        Ok(Self { store, sealer: store.sealer()?, realms: HashMap::new() })
    }

    /// Returns the error for a token whose secret another token in its realm has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holder(&mut self, token: &Token, secret: &[u8]) -> Result<Option<EnrollError>, StoreError> {
        let (Some(by_time), Some(sealer)) = (by_time(token.token_type), self.sealer) else { return Ok(None) };
        if token.user.is_empty() {
            return Ok(None);
        }
        let realm = fold(&token.realm);
        if !self.realms.contains_key(&realm) {
            let secrets = of_realm(self.store, sealer, &realm, |_| true)?;
            self.realms.insert(realm.clone(), secrets);
        }
        let print = (by_time, KeyId::of(token.algorithm, secret));
        let holder = self.realms.get(&realm).and_then(|secrets| secrets.get(&print));
        let holder = holder.filter(|holder| holder.serial != token.serial);
        Ok(holder.map(|holder| holder.refusal(&token.serial)))
    }
}

/// Tells secrets apart; it is never kept. The same secret gives codes by counter and codes by time, which are not alike.
type Fingerprint = (bool, KeyId);

fn fingerprint(token: &Token, sealer: &Sealer) -> Option<Fingerprint> {
    let by_time = by_time(token.token_type)?;
    let secret = token.secret(sealer).ok()?;
    Some((by_time, KeyId::of(token.algorithm, &secret)))
}

/// Whether a token's codes are those of time steps, or of the counters that a list has too; `None` without codes.
fn by_time(token_type: TokenType) -> Option<bool> {
    match token_type {
        TokenType::Hotp | TokenType::Paper => Some(false),
        TokenType::Totp => Some(true),
        TokenType::Pw
        | TokenType::Spass
        | TokenType::Registration
        | TokenType::Forward
        | TokenType::FourEyes => None,
    }
}
