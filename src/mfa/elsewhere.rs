//! What a local token leaves to a server: where a forward token leads, and who approves in a server's realm.
//!
//! The client is the one that `[mfa] provider` would have for that section, without `[mfa] fallback` and without
//! `ignore_connection_error`: behind a forward token an outage would leave a PIN, and behind an approval nothing. It is
//! an error here, also where the local tokens are themselves somebody's fallback.

use secrecy::SecretString;

use super::client::{Answer, Naming, Subject, Tools};
use super::error::{MfaError, garbled};
use super::factor::Factor;
use crate::names::MfaIdentity;
use crate::secret;
use crate::terms::Question;
use crate::token::elsewhere::{Enquiry, Given, Reply};

/// Asks a server, on behalf of `on_behalf_of`. Where the server has a question, it comes along with the reply.
///
/// # Errors
/// [`MfaError`]: the server did not answer, or not so that it could be understood, or is not configured.
pub(super) fn ask(
    tools: Tools<'_>,
    disable_echo: bool,
    on_behalf_of: Subject<'_>,
    enquiry: &Enquiry<'_>,
) -> Result<(Reply, Option<Question>), MfaError> {
    let Enquiry { target, may_be_serial, password, state } = enquiry;
    let naming = if *may_be_serial { Naming::Target } else { Naming::Person };
    let Some(service) = tools.providers.service(&target.service) else {
        return Err(garbled("a token or realm is of a server that no provider knows"));
    };
    let client = (service.make)(tools, disable_echo)?;
    let identity =
        MfaIdentity::parse(target.name.as_str()).map_err(|_| garbled("a name is no name for a server"))?;
    let subject = Subject { identity: &identity, state: state.as_ref(), naming, ..on_behalf_of };
    tools.log.info(format_args!("asking {} about {identity}", client.branded_name()));
    let secret = SecretString::from(*password);
    if password.len() > client.longest_answer(subject) {
        tools.log.info(format_args!("{identity}: the answer is too long for {}", client.branded_name()));
        return Ok((Reply::No, None));
    }
    let answer = if password.is_empty() {
        client.push_authenticate(subject)
    } else {
        client.otp_authenticate(subject, &secret)
    };
    // A PIN was typed, or an approval is at stake.
    Ok(match answer.map_err(MfaError::not_ignored)? {
        Answer::Accepted(Factor { serials, code, .. }) => (Reply::Yes(Given { serials, code }), None),
        Answer::Rejected => {
            tools.log.info(format_args!("{identity} is rejected by {}", client.branded_name()));
            (Reply::No, None)
        }
        Answer::AuthenticationFailure { reason } => {
            // The caller knows the whole text and cannot find this piece of it.
            let reason = reason.without(&secret);
            tools.log.info(format_args!("{identity} is rejected by {}: {reason}", client.branded_name()));
            (Reply::No, None)
        }
        Answer::NeedInfo { mut question, state } => {
            question.prompt = secret::masked(&question.prompt, &secret);
            // Without a new state the old one holds.
            (Reply::Asks(state.or_else(|| enquiry.state.clone())), Some(question))
        }
    })
}
