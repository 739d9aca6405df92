//! A hook from top to bottom, each step's result the next one's input.
//!
//! A line of steps ends in an [`Evidence`](evidence::Evidence), which is the only thing that becomes an ACCEPT, or
//! in a [`Stop`]. What `?` carries is a question, a denial or a fault, and a fault becomes a closed response in one
//! place, `crate::answer`. No vendor is named here.

pub mod authenticate;
pub mod authorize;
mod bypass;
pub mod checkout;
mod connection_limit;
pub mod demand;
pub mod evidence;
mod factor;
pub mod gateway;
mod identity;
pub mod online;
pub mod overview;
mod progress;
mod proof;
mod questions;
pub mod session_ended;

pub use connection_limit::max_session_age;
pub use progress::AaProgress;

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::{Map, Value};

use crate::appliance::Appliance;
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::credentials::CredentialError;
use crate::directory::ldap::Directories;
use crate::directory::user_list::UserListError;
use crate::logging::Log;
use crate::mfa::MfaError;
use crate::names::{self, Aliases, NameError};
use crate::protocol::cookie::CookieError;
use crate::store::{Store, StoreError};
use crate::terms::Question;

/// The options that the pipelines read.
pub const OPTIONS: [&[Opt]; 10] = [
    authenticate::OPTIONS,
    authorize::OPTIONS,
    bypass::OPTIONS,
    checkout::OPTIONS,
    connection_limit::OPTIONS,
    gateway::OPTIONS,
    identity::OPTIONS,
    questions::OPTIONS,
    names::Rules::OPTIONS,
    &[bypass::SKIP_CONNECTIONS],
];

/// What a hook may use.
pub struct Context<'a> {
    /// The configuration.
    pub settings: &'a Settings<'a>,
    /// The appliance's policies.
    pub appliance: &'a Appliance,
    /// The log.
    pub log: &'a Log,
    /// The time of this hook.
    pub budget: Budget<'a>,
    /// What survives.
    pub store: &'a Store<'a>,
    /// The names of one person, once they were read.
    aliases: OnceCell<Aliases>,
}

impl<'a> Context<'a> {
    /// Takes what a hook may use.
    pub fn new(
        settings: &'a Settings<'a>,
        appliance: &'a Appliance,
        log: &'a Log,
        budget: Budget<'a>,
        store: &'a Store<'a>,
    ) -> Self {
        Self { settings, appliance, log, budget, store, aliases: OnceCell::new() }
    }

    /// Returns where directories are looked for.
    fn directories(&self) -> Directories<'a> {
        Directories { settings: self.settings, appliance: self.appliance, log: self.log, budget: self.budget }
    }
}

/// Why a line of steps ended without evidence.
#[derive(Debug)]
pub enum Stop {
    /// The user has to answer first.
    Ask(Question),
    /// Refused.
    Deny(Denial),
    /// This plugin has nothing to do with the connection, says the configuration.
    NotOurs,
    /// The work could not be done.
    Fault(Fault),
}

/// A refusal: one sentence for the operator, one for the user. Either may be empty.
#[derive(Debug)]
pub struct Denial {
    /// Goes into the metadata.
    pub reason: String,
    /// Is shown to the user.
    pub shown: Cow<'static, str>,
    /// What a service adds to the metadata.
    pub told: Map<String, Value>,
}

/// Why the work could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An option is missing or unusable.
    #[error("configuration")]
    Setting(#[from] SettingError),
    /// A user list is missing or unusable.
    #[error("configuration")]
    UserList(#[from] UserListError),
    /// The cookie is not ours.
    #[error("invocation")]
    Cookie(#[from] CookieError),
    /// A name that is none.
    #[error("invocation")]
    Name(#[from] NameError),
    /// The session cookie is not of the documented form.
    #[error("invocation: the session cookie's member '{0}' has the wrong type")]
    SessionCookie(&'static str),
    /// An argument that the configured step cannot do without.
    #[error("invocation: the argument {0} is needed here")]
    Missing(&'static str),
    /// `authenticate` was called again after it had accepted.
    #[error("invocation: this authentication is complete; a session begins with the cookie {{}}")]
    Complete,
    /// The state cannot be used.
    #[error("state")]
    Store(#[from] StoreError),
    /// A second factor's provider failed in a place where that is no answer.
    #[error("second factor")]
    Provider(#[source] MfaError),
    /// A credential provider failed.
    #[error("credentials")]
    Credential(#[source] CredentialError),
}

impl From<CredentialError> for Fault {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Store(error) => error.into(),
            CredentialError::Setting(error) => (*error).into(),
            CredentialError::NoStore(_)
            | CredentialError::NoSession
            | CredentialError::Locker(_)
            | CredentialError::Service { .. }
            | CredentialError::NoProvider(_) => Self::Credential(error),
        }
    }
}

impl From<MfaError> for Fault {
    fn from(error: MfaError) -> Self {
        match error {
            MfaError::Store(error) => error.into(),
            MfaError::Setting(error) => error.into(),
            MfaError::CommunicationError { .. }
            | MfaError::ServiceUnreachable { .. }
            | MfaError::Outage(_) => Self::Provider(error),
        }
    }
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl Stop {
    fn deny(reason: impl Into<String>, shown: impl Into<Cow<'static, str>>) -> Self {
        Self::Deny(Denial { reason: reason.into(), shown: shown.into(), told: Map::new() })
    }
}
