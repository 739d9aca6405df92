//! The local credentials: what an entry holds, which entry answers, how entries come in.
//!
//! One entry answers for an account on an asset, or none: the one whose asset is exactly that asset; else, of those
//! whose pattern fits it, the longest, and of two of one length the first in the alphabet. An entry that lacks what is
//! asked for answers with nothing, and no other is asked, so that an exact entry can take an asset out of a pattern.

pub mod entry;
pub mod import;
mod pattern;
pub mod totp;

pub use entry::{Checkout, Entry, EntryError, Launch};
pub use totp::Totp;

use crate::names::{Account, Asset, NameError};
use crate::store::{CredentialName, EntryId, Store, StoreError};

/// The store whose entries are for targets.
pub const TARGETS: &str = "";

/// Says why a local credential cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockerError {
    /// The state cannot be used.
    #[error("state")]
    Store(#[from] StoreError),
    /// An entry cannot be read.
    #[error("the entry for account {account} on asset {asset}")]
    Entry {
        /// The account.
        account: String,
        /// The asset or pattern.
        asset: String,
        /// Why.
        source: EntryError,
    },
}

/// Says why a text is no name of an entry.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Too long, or with control characters.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nothing to find it by.
    #[error("{0} must not be empty")]
    Empty(&'static str),
}

/// Makes the name of an entry from what people type: an asset with `*` or `?` in it is a pattern.
///
/// # Errors
/// [`PlaceError`].
pub fn place(store: &str, account: &str, asset: &str) -> Result<CredentialName, PlaceError> {
    let (account, asset) = (Account::parse(account)?, Asset::parse(asset)?);
    crate::names::check("the store", store)?;
    crate::names::check_readable("the account", account.as_str())?;
    crate::names::check_readable("the asset", asset.as_str())?;
    if account.as_str().is_empty() {
        return Err(PlaceError::Empty("the account"));
    }
    if asset.as_str().is_empty() {
        return Err(PlaceError::Empty("the asset"));
    }
    Ok(CredentialName {
        store: store.to_owned(),
        account: account.as_str().to_owned(),
        asset: pattern::folded(asset.as_str()),
        is_pattern: pattern::is_pattern(asset.as_str()),
    })
}

/// An entry that answers, and where it stands.
pub struct Found {
    /// Its row, for leases.
    pub id: EntryId,
    /// What it is for: an asset or pattern.
    pub name: CredentialName,
    /// What it holds.
    pub entry: Entry,
}

/// Finds the entry that answers for an account on an asset.
///
/// # Errors
/// [`LockerError`].
pub fn find(
    store: &Store<'_>,
    of: &str,
    account: &Account,
    asset: &Asset,
) -> Result<Option<Found>, LockerError> {
    let name = |asset: String| CredentialName {
        store: of.to_owned(),
        account: account.as_str().to_owned(),
        asset,
        is_pattern: false,
    };
    let mut kept = None;
    for asset in pattern::exact(asset.as_str()) {
        kept = store.credential(&name(asset))?;
        if kept.is_some() {
            break;
        }
    }
    if kept.is_none() && pattern::may_fit(asset.as_str()) {
        let folded = pattern::folded(asset.as_str());
        let patterns = store.credential_patterns(of, account.as_str())?;
        let fitting = patterns.into_iter().filter(|kept| pattern::fits_asset(&kept.name.asset, &folded));
        kept = fitting.max_by(|one, other| pattern::rank(&one.name.asset, &other.name.asset));
    }
    kept.map(Found::open).transpose()
}

impl Found {
    /// Reads what the store keeps.
    ///
    /// # Errors
    /// [`LockerError::Entry`].
    pub fn open(kept: crate::store::Kept) -> Result<Self, LockerError> {
        match Entry::from_bytes(&kept.plain) {
            Ok(entry) => Ok(Self { id: kept.id, name: kept.name, entry }),
            Err(source) => {
                Err(LockerError::Entry { account: kept.name.account, asset: kept.name.asset, source })
            }
        }
    }
}

#[cfg(test)]
mod tests;
