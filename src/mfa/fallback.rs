//! `[mfa] fallback=local`: the local tokens answer for a service that cannot be reached.
//!
//! This is what `ignore_connection_error=yes` should have been: an outage costs the service, not the factor.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::carried::Carried;
use super::client::{Answer, MfaClient, Subject};
use super::error::MfaError;
use super::factor::{Factor, ProvedBy};
use super::outage::ConfirmedOutage;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::logging::{Chain, Log};

pub(super) const FALLBACK: Opt = Opt::new("mfa", "fallback", "none");
pub(super) const OPTIONS: &[Opt] = &[FALLBACK];

/// The member of the cookie's state that says whose state it is.
const MINE: &str = "fallback";

/// Tells whether the local tokens answer for a service that cannot be reached.
///
/// # Errors
/// Any other value than `local` and `none`.
pub fn is_set(settings: &Settings<'_>) -> Result<bool, SettingError> {
    Ok(settings.choice(&FALLBACK, &["local", "none"])? == "local")
}

/// A service, and who answers when it does not.
pub(super) struct WithFallback<'a> {
    pub(super) service: Box<dyn MfaClient + 'a>,
    pub(super) fallback: Box<dyn MfaClient + 'a>,
    pub(super) log: &'a Log,
}

impl WithFallback<'_> {
    fn ask(
        &self,
        subject: Subject<'_>,
        ask: impl Fn(&dyn MfaClient, Subject<'_>) -> Result<Answer, MfaError>,
    ) -> Result<Answer, MfaError> {
        // A dialogue that the fallback began is the fallback's to the end, even if the service is back.
        if let Some(state) = subject.state.and_then(|state| state.get(MINE)) {
            return ask(self.fallback.as_ref(), Subject { state: Some(state), approvals: None, ..subject })
                .map(wrap);
        }
        match ask(self.service.as_ref(), subject) {
            // The service's dialogue is the service's to the end.
            Err(error) if subject.has_begun => Err(error.not_ignored()),
            Err(MfaError::Outage(confirmed)) => self.fall_back(&confirmed, subject, ask),
            result => result,
        }
    }

    /// Asks the local tokens, for which the service has to be down.
    fn fall_back(
        &self,
        confirmed: &ConfirmedOutage,
        subject: Subject<'_>,
        ask: impl Fn(&dyn MfaClient, Subject<'_>) -> Result<Answer, MfaError>,
    ) -> Result<Answer, MfaError> {
        let service = self.service.branded_name();
        self.log.warning(format_args!("{service}: {}; asking the local tokens", Chain(confirmed)));
        ask(self.fallback.as_ref(), Subject { state: None, approvals: None, ..subject }).map(wrap)
    }
}

/// Marks the fallback's answer, and the state of its question, as the fallback's. Approvals that a connection demands are
/// asked for after the factor, as they are after the service's.
fn wrap(answer: Answer) -> Answer {
    match answer {
        Answer::Accepted(factor) => {
            let by = match factor.by {
                ProvedBy::User | ProvedBy::UserByFallback => ProvedBy::UserByFallback,
                by @ ProvedBy::Others(_) => by,
            };
            Answer::Accepted(Factor { by, ..factor })
        }
        Answer::NeedInfo { question, state: Some(state) } => {
            let state = Value::Object(Map::from_iter([(MINE.to_owned(), state)]));
            Answer::NeedInfo { question, state: Some(state) }
        }
        other @ (Answer::NeedInfo { state: None, .. }
        | Answer::Rejected
        | Answer::AuthenticationFailure { .. }) => other,
    }
}

impl MfaClient for WithFallback<'_> {
    fn branded_name(&self) -> &str {
        self.service.branded_name()
    }

    /// Never: an outage of the service is the local tokens' to answer. What is left is that of a server that one of
    /// these leads to, and that one is nobody's to ignore.
    fn ignore_connection_error(&self) -> bool {
        false
    }

    fn carried(&self) -> Carried {
        self.service.carried()
    }

    fn check_health(&self) {
        self.service.check_health();
    }

    fn longest_answer(&self, subject: Subject<'_>) -> usize {
        match subject.state.and_then(|state| state.get(MINE)) {
            Some(state) => self.fallback.longest_answer(Subject { state: Some(state), ..subject }),
            None => self.service.longest_answer(subject),
        }
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.ask(subject, |client, subject| client.push_authenticate(subject))
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.ask(subject, |client, subject| client.otp_authenticate(subject, otp))
    }
}
