//! The local credentials: what an entry holds, which entry answers, how entries come in.
//!
//! At most one entry answers for an account on an asset: the one whose asset is exactly that asset; else, of those
//! whose pattern fits it, the longest, and of two of one length the first in the alphabet. An entry that lacks what is
//! asked for answers with nothing, and no other is asked, so that an exact entry can take an asset out of a pattern.
//! For a target, an exact entry for one of its names takes all of them out of the patterns, and a name that is not
//! clearly a host has no entry.

pub mod entry;
pub mod import;
mod pattern;
pub mod totp;

pub use entry::{Checkout, Entry, EntryError, Launch};
pub use totp::Totp;

use crate::names::{Account, Address, Asset, Host, HostError, NameError};
use crate::store::{CredentialName, EntryId, Kept, Store, StoreError};

/// The store whose entries are for targets.
pub const TARGETS: &str = "";

/// Says why a local credential cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockerError {
    /// The state cannot be used.
    #[error("state")]
    Store(#[from] StoreError),
    /// The asset is not clearly a host.
    #[error("asset {asset} is not a host name or address: {why}")]
    Unclear {
        /// The asset.
        asset: String,
        /// Why.
        why: HostError,
    },
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
    /// An asset that cannot match any host.
    #[error("the asset '{asset}' is not a host name, an address or a pattern of them: {why}")]
    Host {
        /// The asset.
        asset: String,
        /// Why.
        why: HostError,
    },
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

/// Makes the name of a new entry. In [`TARGETS`], an asset that cannot match a host is an error: no session has it.
///
/// # Errors
/// [`PlaceError`].
pub fn new_place(store: &str, account: &str, asset: &str) -> Result<CredentialName, PlaceError> {
    let name = place(store, account, asset)?;
    if store == TARGETS {
        let failed = |why| PlaceError::Host { asset: asset.to_owned(), why };
        pattern::check_new(asset).map_err(failed)?;
    }
    Ok(name)
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

/// Finds the entry of a named store, for a reference in the configuration.
///
/// # Errors
/// [`LockerError`].
pub fn find_reference(
    store: &Store<'_>,
    of: &str,
    account: &Account,
    asset: &Asset,
) -> Result<Option<Found>, LockerError> {
    match exact(store, of, account, asset)? {
        None => fitting(store, of, account, asset)?,
        found => found,
    }
    .map(Found::open)
    .transpose()
}

/// Finds the entry for an account on a target. `names` are the names of the machine: where one of them has an entry of its
/// own, or is not clearly a host, no pattern is looked at.
///
/// # Errors
/// [`LockerError::Unclear`] for an asset that is not clearly a host, and has no entry of its own under this very name: its
/// spelling may evade the entry for that host.
pub fn find_target(
    store: &Store<'_>,
    account: &Account,
    asset: &Asset,
    names: &[Asset],
) -> Result<Option<Found>, LockerError> {
    if let Some(found) = exact(store, TARGETS, account, asset)? {
        return Found::open(found).map(Some);
    }
    if let Err(why) = Host::parse(asset.as_str()) {
        return Err(LockerError::Unclear { asset: asset.as_str().to_owned(), why });
    }
    for name in names.iter().chain([asset]) {
        if takes_out_of_patterns(store, account, name)? {
            return Ok(None);
        }
    }
    fitting(store, TARGETS, account, asset)?.map(Found::open).transpose()
}

/// Tells whether no pattern answers for a machine with this name: it is not clearly a host, or it has an entry of its own,
/// also by an IPv4 address that the name embeds.
fn takes_out_of_patterns(store: &Store<'_>, account: &Account, name: &Asset) -> Result<bool, LockerError> {
    if Host::parse(name.as_str()).is_err() || exact(store, TARGETS, account, name)?.is_some() {
        return Ok(true);
    }
    let address = Address::parse(name.as_str());
    for reading in address.iter().flat_map(Address::readings) {
        if let Ok(asset) = Asset::parse(reading.to_string())
            && exact(store, TARGETS, account, &asset)?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn exact(store: &Store<'_>, of: &str, account: &Account, asset: &Asset) -> Result<Option<Kept>, LockerError> {
    for asset in pattern::exact(asset.as_str()) {
        let (of, account) = (of.to_owned(), account.as_str().to_owned());
        let name = CredentialName { store: of, account, asset, is_pattern: false };
        if let Some(kept) = store.credential(&name)? {
            return Ok(Some(kept));
        }
    }
    Ok(None)
}

fn fitting(
    store: &Store<'_>,
    of: &str,
    account: &Account,
    asset: &Asset,
) -> Result<Option<Kept>, LockerError> {
    let folded = pattern::folded(asset.as_str());
    let patterns = store.credential_patterns(of, account.as_str())?;
    let fitting = patterns.into_iter().filter(|kept| pattern::fits_asset(&kept.name.asset, &folded));
    Ok(fitting.max_by(|one, other| pattern::rank(&one.name.asset, &other.name.asset)))
}

impl Found {
    /// Reads what the store keeps.
    ///
    /// # Errors
    /// [`LockerError::Entry`].
    pub fn open(kept: Kept) -> Result<Self, LockerError> {
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
