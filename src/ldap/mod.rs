//! LDAP: the servers that `[ldap_server NAME]` describes, what they say of users and groups, and whether a password is
//! somebody's.
//!
//! A small client of its own (see `docs/architecture.md`): messages in `message`, one connection in `connection`,
//! several servers and the login in `server`, users and groups in `people`. It stands below `directory` and `mfa`,
//! which both ask it. Nothing is connected before the first question.

mod ber;
mod connection;
mod filter;
mod message;
mod name;
mod outcome;
mod people;
mod probe;
mod schema;
mod server;

pub use connection::Connection;
pub use message::Entry;
pub use outcome::{Outcome, ResultCode};
pub use probe::Refused;
pub use server::{OPTIONS, Server};

use crate::config::settings::SettingError;
use crate::logging::Short;
use crate::net;

/// Says why a directory gave no answer. None of these ever lets anybody in.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Nobody answered, or not to the end.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// Which server.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The time of this hook is used up.
    #[error("no time is left to ask {0}; see [plugin] time_budget")]
    NoTime(String),
    /// Somebody answered, but not in LDAP, or something that was not asked.
    #[error("{host} answered with something that is no usable LDAP message")]
    Garbled {
        /// Which server.
        host: String,
        /// What is wrong with it; `None`: it is the answer to another question.
        source: Option<ber::BerError>,
    },
    /// More than is taken.
    #[error("{0} answered with more than is taken")]
    TooMuch(String),
    /// The server does not do it.
    #[error("{host} refused {what}: {outcome}")]
    Refused {
        /// Which server.
        host: String,
        /// What was asked.
        what: &'static str,
        /// What the server said.
        outcome: Outcome,
    },
    /// An empty name or password, which is not sent to any server.
    #[error("an empty name or password proves nothing")]
    NothingToBindWith,
    /// No entry is the user's.
    #[error("the user is not there")]
    UserNotFound,
    /// Several entries may be the user's.
    #[error("there are several such users")]
    SeveralUsers,
    /// No group has this name.
    #[error("there is no group '{}'", Short(.0))]
    NoSuchGroup(String),
    /// Several groups have this name.
    #[error("there are several groups '{}'", Short(.0))]
    SeveralGroups(String),
    /// Groups in groups without end.
    #[error("the user is in too many groups, or they are nested too deep")]
    TooManyGroups,
    /// A value that should be text.
    #[error("the attribute '{0}' is no text")]
    NoText(String),
    /// An option is unusable.
    #[error("configuration")]
    Setting(#[from] SettingError),
}

impl ServerError {
    /// Whether the connection was refused, or there is no route.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unreachable { source, .. } if net::is_refused(source))
    }

    /// Whether another server may do better.
    pub fn is_outage(&self) -> bool {
        match self {
            // TLS that one of the two sides refuses is a mistake, and lasts.
            Self::Unreachable { source, .. } => !net::is_tls(source),
            Self::NoTime(_) => true,
            Self::Refused { outcome, .. } => outcome.code.is_outage(),
            Self::Garbled { .. }
            | Self::TooMuch(_)
            | Self::NothingToBindWith
            | Self::UserNotFound
            | Self::SeveralUsers
            | Self::NoSuchGroup(_)
            | Self::SeveralGroups(_)
            | Self::TooManyGroups
            | Self::NoText(_)
            | Self::Setting(_) => false,
        }
    }
}

/// Reads a message as a server may send it; for the fuzzer, and of no other use.
pub fn read_any(bytes: &[u8]) -> bool {
    message::read(bytes).is_ok()
}

/// Reads a filter as an administrator may write it; for the fuzzer, and of no other use.
pub fn filter_any(text: &str, name: &str) -> Option<Vec<u8>> {
    let filter = filter::Filter::parse(text, "{user}", name).ok()?;
    let mut writer = ber::Writer::with_room(64);
    filter.write(&mut writer);
    Some(writer.bytes().to_vec())
}
