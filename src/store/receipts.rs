//! Receipts: what a provider needs to take back what it has handed out to a session.
//!
//! They are sealed entries like those of the credentials, in a store that no configuration can name, and a session's
//! stand side by side there: what a killed hook left is found by the session alone.

use zeroize::Zeroizing;

use super::credentials::{CredentialChange, CredentialName};
use super::{Store, StoreError};

/// The name of that store. A name in a configuration has no control characters.
pub(super) const STORE: &str = "\u{1}receipts";

/// A receipt.
pub struct Receipt {
    /// The account that was asked for.
    pub account: String,
    /// The asset that was asked for.
    pub asset: String,
    /// What the provider keeps.
    pub plain: Zeroizing<Vec<u8>>,
}

/// Names a receipt. Neither account nor asset can hold a line end.
fn name(session_id: &str, account: &str, asset: &str) -> CredentialName {
    CredentialName {
        store: STORE.to_owned(),
        account: session_id.to_owned(),
        asset: format!("{account}\n{asset}"),
        is_pattern: true,
    }
}

impl Store<'_> {
    /// Keeps a receipt, durably.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_receipt(
        &self,
        session_id: &str,
        account: &str,
        asset: &str,
        plain: Zeroizing<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let keep = |_: Option<&[u8]>| Ok::<_, StoreError>((CredentialChange::Put(plain), ()));
        self.change_credential(&name(session_id, account, asset), keep)
    }

    /// Returns the receipts of a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn receipts(&self, session_id: &str) -> Result<Vec<Receipt>, StoreError> {
        let kept = self.credential_patterns(STORE, session_id)?;
        let receipt = |(asset, plain): (String, Zeroizing<Vec<u8>>)| {
            let (account, asset) = asset.split_once('\n')?;
            Some(Receipt { account: account.to_owned(), asset: asset.to_owned(), plain })
        };
        Ok(kept.into_iter().filter_map(|kept| receipt((kept.name.asset, kept.plain))).collect())
    }

    /// Throws a receipt away.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_receipt(&self, session_id: &str, account: &str, asset: &str) -> Result<(), StoreError> {
        let forget = |_: Option<&[u8]>| Ok::<_, StoreError>((CredentialChange::Delete, ()));
        self.change_credential(&name(session_id, account, asset), forget)
    }
}
