//! When a service counts as down.
//!
//! That one request was not answered is a suspicion and no more: the request may have been too long for something in
//! front of the server, or about a realm whose own server is down. So a second question is asked, which contains nothing
//! that the user typed and changes nothing. Only where it is not answered either is there a [`ConfirmedOutage`], and only
//! this is ignored, left to the local tokens, remembered, or a reason to ask another server.

use std::time::Duration;

use super::MfaError;
use crate::clock::Budget;
use crate::store::{Store, StoreError};

/// The longest wait for the answer to a second question.
const LONGEST: Duration = Duration::from_secs(3);
/// The part of what is left of the hook's time that is kept for the second question: one in so many.
const SHARE: u32 = 4;

/// What the second question showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The server answers, whatever it says.
    Up,
    /// No connection, no answer, or a gateway that says so.
    Down,
    /// Not known: no time was left, or the connection is refused in a way that is a mistake and no outage.
    Unknown,
}

/// A service that was asked a second question and did not answer it. Its fields are private, and every way to make one is
/// below.
#[derive(Debug)]
pub struct ConfirmedOutage {
    reason: String,
    source: Option<Box<dyn std::error::Error>>,
}

impl ConfirmedOutage {
    /// Confirms a suspicion by a second question, or gives the error back. An error that is no suspicion is not asked
    /// about.
    pub(super) fn confirm(suspicion: MfaError, ask: impl FnOnce() -> Life) -> Result<Self, MfaError> {
        match suspicion {
            MfaError::ServiceUnreachable { reason, source } => match ask() {
                Life::Down => Ok(Self { reason, source }),
                Life::Up | Life::Unknown => Err(MfaError::ServiceUnreachable { reason, source }),
            },
            MfaError::Outage(confirmed) => Ok(confirmed),
            error @ (MfaError::CommunicationError { .. } | MfaError::Store(_) | MfaError::Setting(_)) => {
                Err(error)
            }
        }
    }

    /// Confirms by a harmless question alone, before anything else was asked.
    pub(super) fn find(reason: &str, ask: impl FnOnce() -> Life) -> Option<Self> {
        match ask() {
            Life::Down => Some(Self { reason: reason.to_owned(), source: None }),
            Life::Up | Life::Unknown => None,
        }
    }

    /// Remembers for the next hooks that this server is down.
    pub(super) fn remember(&self, store: &Store<'_>, server: &str) -> Result<(), StoreError> {
        store.mark_server_down(server)
    }

    /// An outage that an earlier hook confirmed at each of these servers. `None` where there are no servers.
    pub(super) fn recall(recent: &[&str]) -> Option<Self> {
        let reason = "all servers were down a moment ago".to_owned();
        (!recent.is_empty()).then_some(Self { reason, source: None })
    }

    /// Makes the error of a request that a server may have taken, or of a dialogue that has begun. It must never
    /// be ignored: the code may be used up, or a push may have been started.
    pub(super) fn into_error(self) -> MfaError {
        MfaError::ServiceUnreachable { reason: self.reason, source: self.source }
    }

    /// Returns what is said of it, for the operator.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl std::fmt::Display for ConfirmedOutage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "service unreachable: {}", self.reason)
    }
}

impl std::error::Error for ConfirmedOutage {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref()
    }
}

/// Returns how long the first question may take, so that time is left for the second.
pub(super) fn first(budget: Budget<'_>) -> Duration {
    let left = budget.remaining();
    left.saturating_sub(LONGEST.min(left.checked_div(SHARE).unwrap_or_default()))
}

/// Returns the time of a second question.
pub(super) fn second<'a>(budget: Budget<'a>, timeout: Duration) -> Budget<'a> {
    budget.at_most(LONGEST.min(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicion() -> MfaError {
        MfaError::ServiceUnreachable { reason: "no answer".to_owned(), source: None }
    }

    #[test]
    fn only_a_second_question_that_is_not_answered_confirms_an_outage() {
        assert!(ConfirmedOutage::confirm(suspicion(), || Life::Down).is_ok());
        for life in [Life::Up, Life::Unknown] {
            assert!(ConfirmedOutage::confirm(suspicion(), || life).is_err(), "{life:?}");
            assert!(ConfirmedOutage::find("no answer", || life).is_none(), "{life:?}");
        }
    }

    #[test]
    fn an_answer_without_sense_is_not_asked_about() {
        let garbled = super::super::garbled("HTML");
        let asked = std::cell::Cell::new(false);
        let confirmed = ConfirmedOutage::confirm(garbled, || {
            asked.set(true);
            Life::Down
        });
        assert!(matches!(confirmed, Err(MfaError::CommunicationError { .. })) && !asked.get());
    }
}
