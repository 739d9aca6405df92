//! Is this person who they say they are? One straight line, in the order of the SDK's `AAPlugin`.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::evidence::Evidence;
use super::progress::{AaProgress, Stage};
use super::{Context, Fault, Stop, bypass, identity, questions};
use crate::config::settings::Opt;
use crate::logging::Chain;
use crate::mfa::{self, Answer, MfaClient, MfaError, Subject, Tools};
use crate::names::{MfaIdentity, Username};
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;
use crate::secret;
use crate::terms::Question;

const PROMPT: Opt =
    Opt::new("auth", "prompt", "Press Enter for push notification or type one-time password:");
const DISABLE_ECHO: Opt = Opt::new("auth", "disable_echo", "no");
const INTERACTIVE_PROTOCOLS: Opt = Opt::new("auth", "interactive_protocols", "rdp,ssh,telnet");
pub(super) const OPTIONS: &[Opt] = &[PROMPT, DISABLE_ECHO, INTERACTIVE_PROTOCOLS];

/// The key of the one-time password, and where a provider's state stands in the cookie.
const OTP: &str = "otp";
const STATE: &str = "state";

/// The sentences that the user sees (SDK: `DenyReasons`).
const AUTHENTICATION_FAILED: &str = "Authentication failed";
const COMMUNICATION_ERROR: &str = "Communication Error";
const UNREACHABLE: &str = "Backend service unreachable";

/// Runs the hook; the user name that was authenticated is then in the cookie.
///
/// # Errors
/// [`Stop`]: a question, a denial, a connection that is none of ours, or a fault.
pub fn run(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    session_cookie: &mut Map<String, Value>,
) -> Result<(Evidence, Username), Stop> {
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
    username: &Username,
) -> Result<Evidence, Stop> {
    if cookie.progress.stage == Stage::Start {
        if let Some(evidence) = bypass::user_list(context, username)? {
            return Ok(evidence);
        }
        if let Some(evidence) = bypass::ldap_group(context, username)? {
            return Ok(evidence);
        }
        if let Some(evidence) = bypass::recent_authentication(context, arguments, username)? {
            return Ok(evidence);
        }
        let identity = identity::mfa_identity(context, username)?;
        cookie.set_text("mfa_identity", Some(identity.as_str()));
        cookie.progress.stage = Stage::Identified;
    }
    let identity = MfaIdentity::parse(cookie.text("mfa_identity")?.unwrap_or_default())?;
    let password = password(context, arguments, cookie)?;
    cookie.progress.stage = Stage::Factor;
    factor(context, arguments, cookie, username, &identity, &password)
}

/// Returns the one-time password, empty for a push; asks for it where somebody can answer.
fn password(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &Cookie<AaProgress>,
) -> Result<SecretString, Stop> {
    let key = cookie.progress.answer_key.as_deref().unwrap_or(OTP);
    if let Some(password) = arguments.key_value_pairs.get(key) {
        return Ok(password.clone());
    }
    let protocol = arguments.protocol.as_deref().unwrap_or_default().to_lowercase();
    let interactive = context.settings.list(&INTERACTIVE_PROTOCOLS)?;
    let can_answer = interactive.iter().any(|known| known.to_lowercase() == protocol);
    if cookie.progress.stage == Stage::Factor || !can_answer {
        return Ok(SecretString::default());
    }
    let prompt = context.settings.text(&PROMPT)?.unwrap_or_default();
    let disable_echo = context.settings.boolean(&DISABLE_ECHO)?;
    Err(Stop::Ask(Question { key: OTP.to_owned(), prompt: format!("{prompt} "), disable_echo }))
}

/// Asks the provider, and makes of its answer what SPS gets (SDK: `MFAClient.execute_authenticate`).
fn factor(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    username: &Username,
    identity: &MfaIdentity,
    password: &SecretString,
) -> Result<Evidence, Stop> {
    let tools = Tools {
        settings: context.settings,
        http_proxy: context.appliance.http_proxy.as_ref(),
        log: context.log,
        budget: context.budget,
        store: context.store,
    };
    let client = mfa::client(tools, context.settings.boolean(&DISABLE_ECHO)?)?;
    let push = secret::is_empty(password);
    context.log.info(format_args!(
        "authenticating user {username} as {identity} with {} by {}",
        if push { "push" } else { "one-time password" },
        client.branded_name()
    ));
    let state = cookie.value(STATE).cloned();
    let subject = Subject {
        identity,
        state: state.as_ref(),
        session_id: arguments.session_id.as_deref(),
        connection_name: arguments.connection_name.as_deref(),
        may_be_serial: false,
    };
    let answer =
        if push { client.push_authenticate(subject) } else { client.otp_authenticate(subject, password) };
    match answer {
        Ok(Answer::Accepted(factor)) => Ok(Evidence::factor(factor)),
        Ok(Answer::Rejected) => {
            context.log.info(format_args!("user {username} is rejected by {}", client.branded_name()));
            Err(Stop::deny("", ""))
        }
        Ok(Answer::AuthenticationFailure { reason }) => {
            // The reason is shown and searched in SPS, and a service may repeat in it what it was asked.
            let reason = secret::masked(&reason, password);
            context
                .log
                .info(format_args!("user {username} is rejected by {}: {reason}", client.branded_name()));
            Err(Stop::deny(reason, AUTHENTICATION_FAILED))
        }
        Ok(Answer::NeedInfo { question, state }) => {
            cookie.progress.answer_key = (question.key != OTP).then(|| question.key.clone());
            if let Some(state) = state {
                cookie.set_value(STATE, state);
            }
            Err(Stop::Ask(question))
        }
        Err(error) => without_answer(context, client.as_ref(), error),
    }
}

/// Makes of a provider's error what SPS gets: a denial, or ACCEPT where the configuration ignores an outage.
fn without_answer(context: &Context<'_>, client: &dyn MfaClient, error: MfaError) -> Result<Evidence, Stop> {
    let brand = client.branded_name();
    match &error {
        MfaError::CommunicationError { reason, .. } => {
            context.log.error(format_args!("{brand}: {}", Chain(&error)));
            Err(Stop::deny(reason.as_str(), COMMUNICATION_ERROR))
        }
        MfaError::ServiceUnreachable { .. } if client.ignore_connection_error() => {
            context.log.warning(format_args!("{brand}: {}; accepted without a second factor", Chain(&error)));
            Ok(Evidence::connection_error_ignored(brand))
        }
        MfaError::ServiceUnreachable { reason, .. } => {
            context.log.error(format_args!("{brand}: {}", Chain(&error)));
            Err(Stop::deny(reason.as_str(), UNREACHABLE))
        }
        MfaError::Store(_) | MfaError::Setting(_) => Err(Fault::from(error).into()),
    }
}
