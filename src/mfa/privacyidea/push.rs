//! The wait for a confirmation on the user's device, within the time of the hook.

use super::wire::{self, Push, Verdict};
use super::{PrivacyIdea, User, authorization};
use crate::mfa::MfaError;
use crate::mfa::servers::Repeat;
use crate::net::{Body, Request};

/// How often is asked at most, whatever the clock says.
const MAX_POLLS: u32 = 36_000;

impl PrivacyIdea<'_> {
    /// Waits until the device has answered, and then has the server say what the answer is worth.
    ///
    /// The server calls an unknown or expired transaction pending for ever, so the end of the hook's time is the end.
    /// It is a denial, also where it cuts a request off: the server was there, and nobody confirmed.
    pub(super) fn wait(&self, user: User<'_>, transaction_id: &str) -> Result<Verdict, MfaError> {
        match self.poll(user, transaction_id) {
            Err(MfaError::ServiceUnreachable { .. }) if self.tools.budget.remaining().is_zero() => {
                Ok(too_late())
            }
            result => result,
        }
    }

    fn poll(&self, user: User<'_>, transaction_id: &str) -> Result<Verdict, MfaError> {
        let path = format!("validate/polltransaction/{transaction_id}");
        for _ in 0..MAX_POLLS {
            let reply = self.servers.ask(Repeat::Freely, |server| Request {
                url: server.join(&path),
                headers: self.api_key.iter().map(authorization).collect(),
                body: Body::Get,
            })?;
            match wire::polled(&reply)? {
                Push::Answered => return self.ask(user, Some(transaction_id), ""),
                Push::Declined => {
                    return Ok(Verdict::Rejected("it was declined on the user's device".to_owned()));
                }
                Push::Pending => {}
            }
            if !self.tools.budget.sleep(self.poll_interval) {
                break;
            }
        }
        Ok(too_late())
    }
}

fn too_late() -> Verdict {
    Verdict::Rejected("nobody confirmed it on the user's device in time".to_owned())
}
