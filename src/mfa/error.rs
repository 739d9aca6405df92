//! Errors of providers.

use super::outage::ConfirmedOutage;
use super::reason::Reason;
use crate::config::settings::SettingError;
use crate::store::StoreError;

/// Why a provider has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum MfaError {
    /// The answer is invalid (SDK: `MFACommunicationError`).
    #[error("communication error: {reason}")]
    CommunicationError {
        /// What is invalid.
        reason: Reason,
        /// What led to it.
        #[source]
        source: Option<Box<dyn std::error::Error>>,
    },
    /// A request was not answered (SDK: `MFAServiceUnreachable`). Either it is not certain that the service is down, or a server
    /// may have used what the user typed. Always a denial, whatever the configuration says.
    #[error("service unreachable: {reason}")]
    ServiceUnreachable {
        /// Who did not answer.
        reason: String,
        /// What led to it.
        #[source]
        source: Option<Box<dyn std::error::Error>>,
    },
    /// The service is down, a second question confirmed it, and no server can have used what the user typed.
    /// `ignore_connection_error` and `[mfa] fallback` apply only to this.
    #[error(transparent)]
    Outage(ConfirmedOutage),
    /// The store of the local tokens cannot be used.
    #[error("local tokens")]
    Store(#[from] StoreError),
    /// An option is unusable.
    #[error("configuration")]
    Setting(#[from] SettingError),
}

impl MfaError {
    /// Turns an outage into an error that is never ignored, because a dialogue has begun or approvals are required.
    pub(super) fn not_ignored(self) -> Self {
        match self {
            Self::Outage(confirmed) => confirmed.into_error(),
            error @ (Self::CommunicationError { .. }
            | Self::ServiceUnreachable { .. }
            | Self::Store(_)
            | Self::Setting(_)) => error,
        }
    }
}

/// Makes the error for an invalid answer.
pub(super) fn garbled(reason: impl Into<Reason>) -> MfaError {
    MfaError::CommunicationError { reason: reason.into(), source: None }
}
