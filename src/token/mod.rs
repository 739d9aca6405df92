//! The local tokens: one-time codes, PINs, forward and four-eyes tokens, on top of the store.

pub mod chain;
mod code;
pub mod elsewhere;
pub mod enroll;
pub mod export;
pub mod forward;
pub mod four_eyes;
mod held;
pub mod import;
pub mod known;
pub mod members;
pub mod naming;
pub mod oath;
pub mod pin;
pub mod realms;
mod reasons;
pub mod resync;
pub mod verify;

#[cfg(test)]
mod tests;

use crate::names::{self, Requester, Rules, fold};
use crate::store::{Challenge, ChallengeKind, Store, StoreError, Token};

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

    /// Reads the identity of a login: a name in one of the site's own domains is the name in the default realm. Characters
    /// in a compatibility form, such as a full-width `@`, are the ones that they stand for.
    pub fn of_login(identity: &str, default_realm: &str, rules: &Rules) -> Self {
        let identity = &names::nfkc(identity);
        let bare = match (identity.split_once('\\'), identity.rsplit_once('@')) {
            (Some((domain, name)), None) | (None, Some((name, domain))) if rules.is_own(domain) => name,
            _ => return Self::parse(identity, default_realm),
        };
        Self { user: bare.to_owned(), realm: default_realm.to_owned() }
    }

    /// Returns the owner as tokens in the store have them written, so that one person is not there in two spellings.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn as_written_before(self, store: &Store<'_>, rules: &Rules) -> Result<Self, StoreError> {
        if rules.case_sensitive {
            return Ok(self);
        }
        let known = store.tokens_of(&self.user, &self.realm)?.into_iter().next();
        Ok(known.map_or(self, |token| Self { user: token.user, realm: token.realm }))
    }

    /// Tells whether a token is this owner's, as far as case matters under these rules.
    pub fn owns(&self, token: &Token, rules: &Rules) -> bool {
        rules.key(&token.user) == rules.key(&self.user) && rules.key(&token.realm) == rules.key(&self.realm)
    }
}

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The tokens with these serials were accepted, and what they used up is used up on the disk.
    Accepted(Vec<String>),
    /// All approvals that were demanded are given, with the tokens of these serials, and used up on the disk.
    Approved {
        /// The tokens, and the four-eyes token that asked.
        serials: Vec<String>,
        /// The realm of each approval.
        realms: Vec<String>,
    },
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
    /// Whose tokens are asked about.
    pub owner: &'a Owner,
    /// Who asks, under both names.
    pub requester: &'a Requester,
    /// How names are read.
    pub people: &'a Rules,
    /// The client's address; empty where SPS does not say it.
    pub client_ip: &'a str,
    /// For how many seconds a challenge holds.
    pub challenge_validity: f64,
}

impl Session<'_> {
    /// Makes a challenge for tokens. Its name is made with the store's key of whom and what it is for, and of the time,
    /// so that it cannot be guessed, and the same hook at the same time has the same response. The data are no part
    /// of it: they may hold what differs between two stores with the same tokens.
    fn challenge(
        &self,
        store: &Store<'_>,
        kind: ChallengeKind,
        serials: &[&str],
        data: String,
    ) -> Result<Challenge, StoreError> {
        let now = store.now();
        let sealer = store.sealer()?.ok_or(StoreError::NoKey)?;
        let Owner { user, realm } = self.owner;
        let time = now.as_micros().to_be_bytes();
        let mut pieces = vec![&time[..], self.id.as_bytes(), user.as_bytes(), realm.as_bytes()];
        pieces.extend(serials.iter().map(|serial| serial.as_bytes()));
        Ok(Challenge {
            id: sealer.name(&pieces),
            kind,
            session_id: self.id.to_owned(),
            user: user.clone(),
            realm: realm.clone(),
            data,
            expires: now.plus_seconds(self.challenge_validity),
        })
    }

    /// Finds an open challenge of this session and user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, store: &Store<'_>, id: &str) -> Result<Option<Challenge>, StoreError> {
        let found = store.challenge(id, self.challenge_validity)?;
        Ok(found.filter(|challenge| {
            challenge.session_id == self.id
                && challenge.user == self.owner.user
                && challenge.realm == self.owner.realm
        }))
    }
}

/// Tells whether a token still belongs to the owner for whom a challenge was made.
fn is_of(challenge: &Challenge, token: &Token) -> bool {
    fold(&token.user) == fold(&challenge.user) && fold(&token.realm) == fold(&challenge.realm)
}
