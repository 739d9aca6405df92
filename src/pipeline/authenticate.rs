//! Is this person who they say they are? One straight line, in the order of the SDK's `AAPlugin`.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::evidence::Evidence;
use super::factor::{self, Who};
use super::progress::{AaProgress, Stage};
use super::{Context, Fault, Stop, bypass, identity, questions};
use crate::access;
use crate::config::settings::Opt;
use crate::mfa::{self, ApprovalsBy};
use crate::names::Person;
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;
use crate::terms::Question;

pub(super) const DISABLE_ECHO: Opt = Opt::new("auth", "disable_echo", "no");
const INTERACTIVE_PROTOCOLS: Opt = Opt::new("auth", "interactive_protocols", "rdp,ssh,telnet");
pub(super) const OPTIONS: &[Opt] = &[DISABLE_ECHO, INTERACTIVE_PROTOCOLS];

/// The key of the one-time password.
const OTP: &str = "otp";

/// Runs the hook; the user name that was authenticated is then in the cookie.
///
/// # Errors
/// [`Stop`]: a question, a denial, a connection that is none of ours, or a fault.
pub fn run(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    session_cookie: &mut Map<String, Value>,
) -> Result<(Evidence, Person), Stop> {
    if bypass::is_skipped(context, arguments)? {
        return Err(Stop::NotOurs);
    }
    let username = identity::username(context, arguments, cookie)?
        .ok_or_else(|| Stop::deny("No username identified", ""))?;
    let evidence = match cookie.progress.stage {
        Stage::Complete => return Err(Fault::Complete.into()),
        Stage::Questions => cookie.progress.accepted.clone().ok_or(Fault::Complete)?,
        Stage::Start | Stage::Identified | Stage::Factor => {
            let evidence = prove(context, arguments, cookie, &username)?;
            context.log.info(format_args!("user {username} is authenticated by {}", evidence.road()));
            if !evidence.is_from_cache() {
                bypass::remember(context, arguments, &username)?;
            }
            cookie.progress.stage = Stage::Questions;
            cookie.progress.accepted = Some(evidence.clone());
            evidence
        }
    };
    questions::ask(context, arguments, cookie, session_cookie)?;
    cookie.progress.stage = Stage::Complete;
    cookie.progress.accepted = None;
    Ok((evidence, username))
}

/// Finds evidence: a road without a factor, else the factor.
fn prove(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    username: &Person,
) -> Result<Evidence, Stop> {
    let rules = access::has_rules(context.settings)?;
    if cookie.progress.stage == Stage::Start {
        if let Some(evidence) = without_factor(context, arguments, username)? {
            if rules {
                // A rule may require an approval later, where the appliance's directory is not at hand.
                identity::requester(context, cookie, username)?;
            }
            return Ok(evidence);
        }
    }
    let requester = identity::requester(context, cookie, username)?;
    if cookie.progress.stage == Stage::Start {
        cookie.progress.stage = Stage::Identified;
    }
    let identity = identity::identity(cookie)?;
    let password = password(context, arguments, cookie)?;
    cookie.progress.stage = Stage::Factor;
    let tools = factor::tools(context);
    let client = mfa::client(tools, context.settings.boolean(&DISABLE_ECHO)?)?;
    let approvals = if rules { ApprovalsBy::ConnectionOrRule } else { ApprovalsBy::Connection };
    let who = Who { requester: &requester, identity: &identity, approvals };
    let evidence = match factor::ask(context, arguments, cookie, client.as_ref(), who, &password) {
        Err(Stop::Ask(question)) => {
            cookie.progress.answer_key = (question.key != OTP).then(|| question.key.clone());
            return Err(Stop::Ask(question));
        }
        result => result?,
    };
    cookie.progress.is_proven = rules && evidence.is_factor();
    Ok(evidence)
}

/// Finds a road without a factor.
fn without_factor(
    context: &Context<'_>,
    arguments: &Arguments,
    username: &Person,
) -> Result<Option<Evidence>, Stop> {
    if let Some(evidence) = bypass::user_list(context, username)? {
        return Ok(Some(evidence));
    }
    if let Some(evidence) = bypass::ldap_group(context, username)? {
        return Ok(Some(evidence));
    }
    bypass::recent_authentication(context, arguments, username)
}

/// Returns the one-time password, empty for a push; asks for it where somebody can answer.
fn password(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &Cookie<AaProgress>,
) -> Result<SecretString, Stop> {
    let typed = |key: &str| arguments.key_value_pairs.get(key);
    let password = match (cookie.progress.answer_key.as_deref(), cookie.progress.stage) {
        (Some(key), _) => typed(key),
        // An answer comes under the key that was asked for, and under no other.
        (None, Stage::Factor) => typed(OTP),
        (None, _) => mfa::password_keys(context.settings).iter().copied().chain([OTP]).find_map(typed),
    };
    if let Some(password) = password {
        return Ok(password.clone());
    }
    if cookie.progress.stage == Stage::Factor || !can_answer(context, arguments)? {
        return Ok(SecretString::default());
    }
    Err(Stop::Ask(question(context, OTP)?))
}

/// Makes the question for the one-time password.
pub(super) fn question(context: &Context<'_>, key: &str) -> Result<Question, Stop> {
    let (prompt, is_hidden) = mfa::first_prompt(context.settings)?;
    let disable_echo = context.settings.boolean(&DISABLE_ECHO)? || is_hidden;
    Ok(Question { key: key.to_owned(), prompt: format!("{prompt} "), disable_echo })
}

/// Tells whether somebody can answer a question.
pub(super) fn can_answer(context: &Context<'_>, arguments: &Arguments) -> Result<bool, Stop> {
    let protocol = arguments.protocol.as_deref().unwrap_or_default().to_lowercase();
    let interactive = context.settings.list(&INTERACTIVE_PROTOCOLS)?;
    Ok(interactive.iter().any(|known| known.to_lowercase() == protocol))
}
