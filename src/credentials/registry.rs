//! The providers of credentials: the one table.

use super::provider::CredentialSource;
use super::{appliance, local, vault};
use crate::config::settings::Opt;

/// Every provider, in the order in which errors list them.
pub static SOURCES: &[&CredentialSource] = &[APPLIANCE, &local::SOURCE, &vault::SOURCE];

/// The provider of what an older version of this program wrote into its cookie, which knew one.
pub(super) const APPLIANCE: &CredentialSource = &appliance::SOURCE;

/// Finds a provider by its word, in lower case.
pub(super) fn named(word: &str) -> Option<&'static CredentialSource> {
    SOURCES.iter().copied().find(|source| source.word == word)
}

/// Returns the options of all providers.
pub(super) fn options() -> impl Iterator<Item = &'static Opt> + Clone {
    SOURCES.iter().flat_map(|source| source.options).copied().flatten()
}
