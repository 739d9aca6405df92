//! The local tokens: one-time codes, PINs, forward and four-eyes tokens, on top of the store.

pub mod four_eyes;
mod held;
pub mod oath;
pub mod pin;
pub mod realms;
pub mod verify;

#[cfg(test)]
mod tests;

pub use held::MAX_WINDOW;

use crate::clock::UnixTime;
use crate::store::{Challenge, ChallengeKind, Store, StoreError};

/// Whose tokens are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: String,
    /// The user's realm.
    pub realm: String,
}

impl Owner {
    /// Takes `alice@realm` apart; without an `@`, the realm is `default_realm`.
    pub fn parse(identity: &str, default_realm: &str) -> Self {
        let (user, realm) = identity.rsplit_once('@').unwrap_or((identity, default_realm));
        Self { user: user.to_owned(), realm: realm.to_owned() }
    }
}

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The tokens with these serials held, and what they used up is used up on the disk.
    Accepted(Vec<String>),
    /// The user has to answer; `id` names the challenge.
    Challenge {
        /// For the cookie.
        id: String,
        /// What the user reads.
        prompt: String,
    },
    /// Nothing held. All denials look alike; the log tells them apart.
    Denied,
}

/// The session that an attempt belongs to: a challenge is good for one session of one user.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// The session's id; empty where the caller has none.
    pub id: &'a str,
    /// Who asks.
    pub owner: &'a Owner,
    /// For how many seconds a challenge holds.
    pub challenge_validity: f64,
}

impl Session<'_> {
    fn challenge(&self, kind: ChallengeKind, data: String, now: UnixTime) -> Result<Challenge, StoreError> {
        Ok(Challenge {
            id: Challenge::new_id()?,
            kind,
            session_id: self.id.to_owned(),
            user: self.owner.user.clone(),
            realm: self.owner.realm.clone(),
            data,
            expires: now.plus_seconds(self.challenge_validity),
        })
    }

    /// Finds an open challenge of this session and user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, store: &Store<'_>, id: &str) -> Result<Option<Challenge>, StoreError> {
        let found = store.challenge(id)?;
        Ok(found.filter(|challenge| {
            challenge.session_id == self.id
                && challenge.user == self.owner.user
                && challenge.realm == self.owner.realm
        }))
    }
}
