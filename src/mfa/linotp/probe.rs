//! What changes nothing at LinOTP: `/validate/check` about nobody, with nothing. There is no user and no token that a
//! failure could be counted for.

use super::LinOtp;
use crate::finding::{Finding, Grade};
use crate::mfa::envelope;
use crate::mfa::probe::{self, Nothing};

impl LinOtp<'_> {
    pub(super) fn look(&self) -> Vec<Finding> {
        probe::visit(&self.servers, "linotp", |visit| {
            let Some(reply) = visit.get("validate/check", Vec::new()) else { return };
            let (grade, detail) = match envelope::usable::<Nothing, Nothing>(&reply) {
                Ok(Ok(usable)) if usable.truth().ok() == Some(true) => (
                    Grade::Error,
                    "the server accepts nobody with nothing; it must not be asked about anybody".to_owned(),
                ),
                Ok(Ok(_) | Err(_)) => (Grade::Ok, "it is a LinOTP".to_owned()),
                Err(_) if reply.status == 405 => {
                    (Grade::Warning, "not known whether it is a LinOTP: it is asked by POST only".to_owned())
                }
                Err(error) => (Grade::Error, format!("{error}; does the address lead to the server's root?")),
            };
            visit.note("GET validate/check", grade, &detail);
        })
    }
}
