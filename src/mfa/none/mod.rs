//! `[mfa] provider=none`: no second factor. Has to be written out, and is warned about each time.

use secrecy::SecretString;

use super::client::{Answer, MfaClient, Subject};
use super::error::MfaError;
use super::factor::Factor;
use super::provider::{Kind, MfaProvider};
use crate::logging::Log;
use crate::token::elsewhere::CodeKind;

/// The provider.
pub(super) const PROVIDER: MfaProvider =
    MfaProvider::new("none", Kind::Nothing, &[], |tools, _| Ok(Box::new(NoFactor::new(tools.log))));

/// Accepts everybody.
pub(super) struct NoFactor;

impl NoFactor {
    pub(super) fn new(log: &Log) -> Self {
        log.warning(format_args!("[mfa] provider=none: everybody is accepted without a second factor"));
        Self
    }
}

impl MfaClient for NoFactor {
    fn branded_name(&self) -> &str {
        "none"
    }

    fn ignore_connection_error(&self) -> bool {
        false
    }

    fn proves(&self) -> bool {
        false
    }

    fn push_authenticate(&self, _: Subject<'_>) -> Result<Answer, MfaError> {
        Ok(Answer::Accepted(Factor::new("none", Vec::new(), CodeKind::Unknown)))
    }

    fn otp_authenticate(&self, subject: Subject<'_>, _: &SecretString) -> Result<Answer, MfaError> {
        self.push_authenticate(subject)
    }
}
