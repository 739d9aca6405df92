//! One spelling for each owner of a file's tokens.

use std::collections::HashMap;

use super::Batch;
use crate::names::Rules;
use crate::store::{Store, StoreError};
use crate::token::Owner;

impl Batch {
    /// Writes each owner in one way: as tokens in the store have them, else as the first row does.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_owners_alike(&mut self, store: &Store<'_>, rules: &Rules) -> Result<(), StoreError> {
        let mut known: HashMap<(String, String), Owner> = HashMap::new();
        let tokens = self.entries.iter_mut().map(|entry| &mut entry.draft.token);
        for token in tokens.filter(|token| !token.user.is_empty()) {
            let key = (rules.key(&token.realm), rules.key(&token.user));
            let owner = match known.get(&key) {
                Some(owner) => owner.clone(),
                None => {
                    let written = Owner { user: token.user.clone(), realm: token.realm.clone() };
                    let owner = written.as_written_before(store, rules)?;
                    known.insert(key, owner.clone());
                    owner
                }
            };
            (token.user, token.realm) = (owner.user, owner.realm);
        }
        Ok(())
    }
}
