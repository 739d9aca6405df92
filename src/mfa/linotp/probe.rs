//! Requests that change nothing at LinOTP: `/validate/check` without a user, and about a user who does not exist. There is
//! no user and no token that a failure could be counted for.

use super::LinOtp;
use crate::finding::Finding;
use crate::finding::Grade;
use crate::mfa::envelope;
use crate::mfa::probe::{self, Nothing, Visit};
use crate::net;
use crate::token::naming::random_text;

const CHECK: &str = "validate/check";
/// How long a made-up name is, in characters.
const NAME_LENGTH: usize = 24;

impl LinOtp<'_> {
    pub(super) fn look(&self) -> Vec<Finding> {
        probe::visit(&self.servers, "linotp", |visit| {
            if self.ask(visit, "POST validate/check", &[], "a request without a user") {
                // Where the server answers for users that it does not know, this is how it shows.
                let (Ok(name), Ok(pass)) = (random_text(NAME_LENGTH), random_text(NAME_LENGTH)) else {
                    return;
                };
                let realm = self.realm.as_deref().map(|realm| ("realm", realm));
                let fields: Vec<_> = [("user", name.as_str())]
                    .into_iter()
                    .chain(realm)
                    .chain([("pass", pass.as_str())])
                    .collect();
                self.ask(visit, "POST validate/check user", &fields, "a user who does not exist");
            }
        })
    }

    /// Asks one question that must not be accepted, and tells whether a LinOTP rejected it.
    fn ask(
        &self,
        visit: &mut Visit<'_>,
        question: &'static str,
        fields: &[(&str, &str)],
        whom: &str,
    ) -> bool {
        let Some(reply) = visit.post_form(CHECK, &net::encoded(fields)) else { return false };
        let (is_right, grade, detail) = match envelope::usable::<Nothing, Nothing>(&reply) {
            Ok(Ok(usable)) if usable.truth().ok() == Some(true) => (
                false,
                Grade::Error,
                format!(
                    "the server accepts {whom}; look for PassOnUserNotFound, PassOnUserNoToken and passOnNoToken"
                ),
            ),
            Ok(Ok(_) | Err(_)) => (true, Grade::Ok, format!("it is a LinOTP, and rejects {whom}")),
            Err(error) => (false, Grade::Error, envelope::elsewhere(&error, &reply)),
        };
        visit.note(question, grade, &detail);
        is_right
    }
}
