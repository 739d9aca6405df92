//! A token of a file in the place of one in the store.

use super::super::oath::KeyId;
use crate::store::{Sealer, StoreError, Token, TokenType};

/// Tells whether a token may be replaced: the device is another one, or programmed anew, and the person stays.
pub(super) fn is_replaceable(stored: TokenType, by: TokenType) -> bool {
    let is_device = |kind| matches!(kind, TokenType::Hotp | TokenType::Totp);
    is_device(stored) && is_device(by)
}

/// Puts the device of a file in the place of the stored one. What the administrators of the store have decided stays: the PIN, limits and
/// failures, a token that is disabled, and the owner and the validity unless the file names others. Codes that are used up stay so
/// where the secret is the same.
///
/// # Errors
/// [`StoreError::Sealed`].
pub(super) fn merge(new: &Token, stored: &Token, sealer: &Sealer) -> Result<Token, StoreError> {
    let mut token = new.clone();
    if token.user.is_empty() {
        (token.user, token.realm) = (stored.user.clone(), stored.realm.clone());
    }
    if token.description.is_empty() {
        token.description.clone_from(&stored.description);
    }
    if token.valid_from.is_none() && token.valid_until.is_none() {
        (token.valid_from, token.valid_until) = (stored.valid_from, stored.valid_until);
    }
    token.enabled = new.enabled && stored.enabled;
    token.sealed_pin.clone_from(&stored.sealed_pin);
    (token.max_fail, token.unlock_after) = (stored.max_fail, stored.unlock_after);
    (token.fail_counter, token.failed_at) = (stored.fail_counter, stored.failed_at);
    let key = |token: &Token| Ok::<_, StoreError>(KeyId::of(token.algorithm, &token.secret(sealer)?));
    if token.token_type == stored.token_type && key(new)? == key(stored)? {
        // Steps of another length have other numbers.
        if token.period == stored.period {
            token.counter = token.counter.max(stored.counter);
            token.skew = stored.skew;
        }
        token.window = stored.window;
    }
    Ok(token)
}
