//! Credentials for the target: the contract in `client`, the providers in `registry`, and the order in which a configuration
//! asks them in `selection`.

mod appliance;
mod client;
mod local;
mod probe;
mod provider;
mod registry;
mod selection;
mod vault;

pub use client::{CredentialError, CredentialProvider, RemoteAppCredentials, Session, Tools};
pub use probe::{check as check_servers, servers as ask_servers};
pub use provider::{CredentialSource, Reference, Service};
pub use registry::SOURCES;
pub use selection::{Providers, check_in, end_session, is_named};

use crate::config::settings::Opt;

/// Returns the options of this module and of all providers.
pub fn options() -> impl Iterator<Item = &'static Opt> + Clone {
    selection::OPTIONS.iter().chain(registry::options())
}
