//! Chains of forward tokens: where one may lead, how long a chain may be, and that it ends.

use super::elsewhere::Target;
use super::held::MAX_FORWARDS;
use crate::store::{Store, StoreError, TokenType};

/// Says why a forward token may not lead where it is meant to.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The target does not exist.
    #[error("there is no token {0} to forward to")]
    NoTarget(String),
    /// The target gives no codes.
    #[error("{serial} is a {token_type} token; a forward token leads to hotp, totp, paper or forward")]
    NoCodes {
        /// The target.
        serial: String,
        /// What it is.
        token_type: TokenType,
    },
    /// A forward token whose target was deleted.
    #[error(
        "the forward token {0} has no target, because that was deleted; set another one first with token assign"
    )]
    Nowhere(String),
    /// The chain comes back to where it began.
    #[error("the forward token {0} would lead back to itself")]
    Cycle(String),
    /// There would be too many forwards in a row.
    #[error("{0} would be in a chain of more than {MAX_FORWARDS} forward tokens")]
    TooLong(String),
}

/// Checks that the forward token `serial` may lead to `target`, with all that leads to `serial` already.
///
/// To be called inside the transaction that writes it, so that two that are written at once see each other.
///
/// # Errors
/// [`ChainError`].
pub fn check(store: &Store<'_>, serial: &str, target: &str) -> Result<(), ChainError> {
    let mut forwards = 1_usize;
    let mut next = target.to_owned();
    loop {
        if Target::parse(&next).is_some() {
            break;
        }
        if next == serial {
            return Err(ChainError::Cycle(serial.to_owned()));
        }
        let Some(token) = store.token(&next)? else { return Err(ChainError::NoTarget(next)) };
        match (token.token_type, token.target) {
            (TokenType::Hotp | TokenType::Totp | TokenType::Paper, _) => break,
            (TokenType::Forward, Some(target)) => {
                forwards = count(forwards, serial)?;
                next = target;
            }
            (TokenType::Forward, None) => return Err(ChainError::Nowhere(next)),
            (token_type, _) => return Err(ChainError::NoCodes { serial: next, token_type }),
        }
    }
    let mut level = vec![serial.to_owned()];
    loop {
        let mut above = Vec::new();
        for serial in &level {
            above.extend(store.forwards_to(serial)?.into_iter().map(|token| token.serial));
        }
        if above.is_empty() {
            return Ok(());
        }
        forwards = count(forwards, serial)?;
        level = above;
    }
}

fn count(forwards: usize, serial: &str) -> Result<usize, ChainError> {
    let forwards = forwards.saturating_add(1);
    if forwards > MAX_FORWARDS { Err(ChainError::TooLong(serial.to_owned())) } else { Ok(forwards) }
}
