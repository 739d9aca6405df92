//! The contract of a provider of second factors: [`MfaClient`], what it is asked and what it answers.
//!
//! A provider answers a question; it does not decide. "The code is wrong" is an [`Answer`], "the server did not
//! answer" is an [`MfaError`], and the two stay apart up to the one `match` in `pipeline::factor`.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::carried::Carried;
use super::error::MfaError;
use super::factor::Factor;
use super::provider::MfaProviders;
use super::reason::Reason;
use crate::appliance::HttpProxy;
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::finding::Finding;
use crate::logging::Log;
use crate::names::{MfaIdentity, Requester};
use crate::store::Store;
use crate::terms::Question;
use crate::token::four_eyes::Demand;

/// The longest wait for one answer that a provider's `timeout` may ask for, in seconds.
pub const MAX_TIMEOUT: f64 = 600.0;
/// The longest answer that goes to a server, in bytes.
pub(super) const MAX_ANSWER: usize = 1024;

/// What a provider may use.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The configuration.
    pub settings: &'a Settings<'a>,
    /// The appliance's proxy.
    pub http_proxy: Option<&'a HttpProxy>,
    /// The log.
    pub log: &'a Log,
    /// The time of this hook.
    pub budget: Budget<'a>,
    /// What survives.
    pub store: &'a Store<'a>,
    /// The providers, for those that ask another one.
    pub providers: MfaProviders,
}

/// Whom to authenticate, and what the provider remembered of an earlier round.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The user as the second factor knows them.
    pub identity: &'a MfaIdentity,
    /// Who asks, under both names.
    pub requester: &'a Requester,
    /// What the provider's last NEEDINFO left in the cookie.
    pub state: Option<&'a Value>,
    /// Whether the provider has asked something in this session: no outage is ignored any more.
    pub has_begun: bool,
    /// The session.
    pub session_id: Option<&'a str>,
    /// The connection policy.
    pub connection_name: Option<&'a str>,
    /// The client's address.
    pub client_ip: Option<&'a str>,
    /// What the user typed, by key.
    pub typed: &'a BTreeMap<String, SecretString>,
    /// What the identity is.
    pub naming: Naming,
    /// The approvals of others that are demanded with this factor, where it can collect them.
    pub approvals: Option<&'a Demand>,
}

/// What an identity is, where a service knows people and tokens by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The user, as the configuration has it: it may let them name a token instead.
    User,
    /// A person who approves, and nothing else: a token's serial would not say whose it is.
    Person,
    /// Where a forward token leads: a token's serial, where the service has such, or a person if there is an `@`.
    Target,
}

/// What a provider found out.
pub enum Answer {
    /// The factor was accepted.
    Accepted(Factor),
    /// The factor was rejected (SDK: `False`).
    Rejected,
    /// The factor was rejected, and the service says why (SDK: `MFAAuthenticationFailure`).
    AuthenticationFailure {
        /// Why, for the operator.
        reason: Reason,
    },
    /// The user has to answer first.
    NeedInfo {
        /// What to ask.
        question: Question,
        /// What to keep for the next round; `None` keeps what is there.
        state: Option<Value>,
    },
}

/// Asks one service about one user (SDK: `MFAClient`).
pub trait MfaClient {
    /// The name in reasons and in the log.
    fn branded_name(&self) -> &str;

    /// Whether an unreachable service lets everybody in (`ignore_connection_error`).
    fn ignore_connection_error(&self) -> bool;

    /// Whether an acceptance proves anything; only `none` looks at nothing.
    fn proves(&self) -> bool {
        true
    }

    /// The longest answer that is taken, in bytes; a longer one is a denial without a request. A server, or what stands
    /// in front of it, may hang up on a long one.
    fn longest_answer(&self, _: Subject<'_>) -> usize {
        MAX_ANSWER
    }

    /// Asks each of its servers what changes nothing there; nothing where it has none.
    fn probe(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// After an accepted login: finds out whether it would be seen that the server that answered is down. Nothing where no
    /// server answered, or nothing depends on it.
    fn check_health(&self) {}

    /// Takes what the last answer carried beside its verdict; nothing where the provider knows no such thing.
    fn carried(&self) -> Carried {
        Carried::default()
    }

    /// Asks for a confirmation on the user's device; there was no one-time password.
    ///
    /// # Errors
    /// [`MfaError`] where nothing was found out.
    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError>;

    /// Checks a one-time password, which is not empty.
    ///
    /// # Errors
    /// [`MfaError`] where nothing was found out.
    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError>;
}

/// Reads a provider's `timeout`.
///
/// # Errors
/// No number of seconds up to [`MAX_TIMEOUT`].
pub(super) fn timeout(settings: &Settings<'_>, opt: &Opt) -> Result<Duration, SettingError> {
    settings.seconds(opt, MAX_TIMEOUT)
}

/// Makes the answer of a factor that was rejected for a reason.
pub(super) fn failed(reason: impl Into<Reason>) -> Answer {
    Answer::AuthenticationFailure { reason: reason.into() }
}
