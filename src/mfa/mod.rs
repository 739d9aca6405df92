//! The second factor: the contract in `client`, the providers in `registry`, a folder each, and which of them a
//! configuration asks in `selection`.

mod carried;
mod chain;
mod client;
mod dialogue;
mod elsewhere;
mod envelope;
mod error;
mod factor;
mod fallback;
mod four_eyes;
mod http;
mod kinds;
mod ldap;
mod linotp;
mod local;
mod none;
mod online;
mod outage;
mod privacyidea;
mod probe;
mod provider;
mod radius;
mod reason;
mod registry;
mod selection;
mod servers;
mod text;
mod turns;
mod yubico;

/// The approvals that are demanded.
pub use crate::token::four_eyes::Demand as Approvals;
pub use carried::Carried;
pub use client::{Answer, MAX_TIMEOUT, MfaClient, Naming, Subject, Tools};
pub use error::MfaError;
pub use factor::{Factor, ProvedBy};
pub use fallback::is_set as has_fallback;
pub(crate) use four_eyes::REALMS;
pub use four_eyes::{approvals_as_written, approvals_of_connection, approvals_of_rule, except_whitelisted};
pub use online::servers as ask_servers;
pub use outage::ConfirmedOutage;
pub use provider::{Kind, MfaProvider, MfaProviders};
pub use reason::Reason;
pub(crate) use registry::LOCAL_REALM;
pub use registry::{PROVIDERS, YubicoResponse, radius_packet};
pub use selection::{Selection, approvals, check_service, check_tables, client, first_prompt};

use crate::config::settings::Opt;

/// The options that this module reads.
const OPTIONS: [&[Opt]; 5] =
    [selection::OPTIONS, fallback::OPTIONS, turns::OPTIONS, outage::OPTIONS, four_eyes::OPTIONS];

/// Returns the options of this module and of all providers.
pub fn options() -> impl Iterator<Item = &'static Opt> + Clone {
    OPTIONS.into_iter().flatten().chain(PROVIDERS.options())
}
