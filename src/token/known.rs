//! A secret that its owner has already: two tokens of one secret take one code twice.

use std::collections::{HashMap, HashSet};

use super::enroll::EnrollError;
use super::oath::KeyId;
use crate::logging::Short;
use crate::store::{Sealer, Store, StoreError, Token, TokenType};

/// Whose tokens are compared: realm and user. Tokens without an owner are compared when they are
/// assigned.
type Owner<'t> = (&'t str, &'t str);

/// Refuses tokens whose secret another token of the same owner has, among the store's and among themselves.
///
/// To be called inside the transaction that writes them, before or after that.
///
/// # Errors
/// [`EnrollError::Known`] with the serial of that token; [`crate::store::StoreError`].
pub fn refuse<'t>(store: &Store<'_>, tokens: impl IntoIterator<Item = &'t Token>) -> Result<(), EnrollError> {
    let Some(sealer) = store.sealer()? else { return Ok(()) };
    let mut owners: HashMap<Owner<'t>, Vec<&Token>> = HashMap::new();
    for token in
        tokens.into_iter().filter(|token| by_time(token.token_type).is_some() && !token.user.is_empty())
    {
        owners.entry((token.realm.as_str(), token.user.as_str())).or_default().push(token);
    }
    for ((realm, user), tokens) in owners {
        let serials: HashSet<&str> = tokens.iter().map(|token| token.serial.as_str()).collect();
        let mut known: HashMap<Fingerprint, String> = HashMap::new();
        for token in store.tokens(Some(user), Some(realm))? {
            // One that does not open is passed over; doctor names it.
            let print = fingerprint(&token, sealer).filter(|_| !serials.contains(token.serial.as_str()));
            known.extend(print.map(|print| (print, token.serial)));
        }
        for token in tokens {
            let before =
                fingerprint(token, sealer).and_then(|print| known.insert(print, token.serial.clone()));
            if let Some(serial) = before {
                let (token, owner) = (Short(&token.serial).to_string(), Short(user).to_string());
                return Err(EnrollError::Known { token, owner, serial });
            }
        }
    }
    Ok(())
}

/// The secrets of the store's tokens, by their owners, for comparing many tokens before they are sealed.
pub struct Secrets<'s> {
    store: &'s Store<'s>,
    sealer: Option<&'s Sealer>,
    owners: HashMap<(String, String), HashMap<Fingerprint, String>>,
}

impl<'s> Secrets<'s> {
    /// Looks at no token yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn new(store: &'s Store<'s>) -> Result<Self, StoreError> {
        Ok(Self { store, sealer: store.sealer()?, owners: HashMap::new() })
    }

    /// Returns the refusal of a token whose secret another token of its owner has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holder(&mut self, token: &Token, secret: &[u8]) -> Result<Option<EnrollError>, StoreError> {
        let (Some(by_time), Some(sealer)) = (by_time(token.token_type), self.sealer) else { return Ok(None) };
        if token.user.is_empty() {
            return Ok(None);
        }
        let owner = (token.realm.clone(), token.user.clone());
        if !self.owners.contains_key(&owner) {
            let mut secrets = HashMap::new();
            for stored in self.store.tokens(Some(&token.user), Some(&token.realm))? {
                let print = fingerprint(&stored, sealer);
                secrets.extend(print.map(|print| (print, stored.serial)));
            }
            self.owners.insert(owner.clone(), secrets);
        }
        let print = (by_time, KeyId::of(token.algorithm, secret));
        let serial = self.owners.get(&owner).and_then(|secrets| secrets.get(&print));
        Ok(serial.filter(|serial| **serial != token.serial).map(|serial| EnrollError::Known {
            token: if token.serial.is_empty() { "it".to_owned() } else { Short(&token.serial).to_string() },
            owner: Short(&token.user).to_string(),
            serial: serial.clone(),
        }))
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
