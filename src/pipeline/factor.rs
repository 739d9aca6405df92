//! One question to a provider of second factors, and what SPS gets of its answer.

use std::borrow::Cow;

use secrecy::SecretString;

use super::evidence::Evidence;
use super::progress::{AaProgress, Told};
use super::{Context, Denial, Fault, Stop};
use crate::logging::Chain;
use crate::members::Member;
use crate::mfa::{
    Answer, Approvals, Carried, MfaClient, MfaError, Naming, PROVIDERS, Reason, Subject, Tools,
};
use crate::names::{MfaIdentity, Requester};
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;
use crate::secret;

/// Under these keys the name at the gateway is typed; providers have more.
const NAMES: [&str; 2] = ["gu", "username"];

/// The sentences that the user sees (SDK: `DenyReasons`).
const AUTHENTICATION_FAILED: &str = "Authentication failed";
const COMMUNICATION_ERROR: &str = "Communication Error";
pub(super) const UNREACHABLE: &str = "Backend service unreachable";

/// What the operator reads of an answer that goes to no provider.
const TOO_LONG: &str = "the answer is too long for the provider";

/// Whose factor it is.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) requester: &'a Requester,
    pub(super) identity: &'a MfaIdentity,
    /// The approvals that the provider is to ask for, if it can.
    pub(super) approvals: Option<&'a Approvals>,
    /// Whether an outage may be ignored, where the provider's section says so.
    pub(super) takes_no_factor: bool,
}

/// What a provider may use.
pub(super) fn tools<'a>(context: &'a Context<'a>) -> Tools<'a> {
    Tools {
        settings: context.settings,
        http_proxy: context.appliance.http_proxy.as_ref(),
        log: context.log,
        budget: context.budget,
        store: context.store,
        providers: PROVIDERS,
    }
}

/// Asks the provider, and makes of its answer what SPS gets (SDK: `MFAClient.execute_authenticate`).
///
/// # Errors
/// [`Stop`]: a question, a denial or a fault. What the provider is to remember is then in the cookie.
pub(super) fn ask(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    client: &dyn MfaClient,
    who: Who<'_>,
    password: &SecretString,
) -> Result<Evidence, Stop> {
    let Who { requester, identity, approvals, takes_no_factor } = who;
    let username = &requester.gateway;
    let push = secret::is_empty(password);
    context.log.info(format_args!(
        "authenticating user {username} as {identity} with {} by {}",
        if push { "push" } else { "one-time password" },
        client.branded_name()
    ));
    context.log.explain(format_args!("{} is asked about {identity}", client.branded_name()));
    let state = cookie.value(Member::State).cloned();
    let subject = Subject {
        identity,
        requester,
        state: state.as_ref(),
        has_begun: state.is_some() || cookie.progress.has_begun,
        session_id: arguments.session_id.as_deref(),
        connection_name: arguments.connection_name.as_deref(),
        client_ip: arguments.client_ip.as_deref(),
        typed: &arguments.key_value_pairs,
        naming: Naming::User,
        approvals,
    };
    let longest = client.longest_answer(subject);
    if typed(arguments).chain([password]).any(|answer| secret::is_longer_than(answer, longest)) {
        context.log.info(format_args!("user {username} is rejected: {TOO_LONG}"));
        return Err(Stop::deny(TOO_LONG, AUTHENTICATION_FAILED));
    }
    let answer =
        if push { client.push_authenticate(subject) } else { client.otp_authenticate(subject, password) };
    // SPS shows and keeps it, and a service may repeat in it what it was asked.
    let carried = typed(arguments).fold(client.carried().without(password), Carried::without);
    let Carried { gateway_user, gateway_groups, metadata, session_cookie, cookie: own, deny_reason } =
        carried;
    cookie.lay_over(own);
    cookie.progress.session_cookie = session_cookie;
    let denied = |reason: String, sentence: &'static str| {
        let own = deny_reason.map(|reason| reason.to_string()).filter(|reason| !reason.is_empty());
        let shown = own.map_or(Cow::Borrowed(sentence), Cow::Owned);
        Stop::Deny(Denial { reason, shown, told: metadata.clone() })
    };
    match answer {
        Ok(Answer::Accepted(factor)) => {
            // The approvals that follow a factor add nothing to what its service said.
            if let Some(told) = Told::of(gateway_user, gateway_groups, metadata) {
                cookie.progress.told = Some(told);
            }
            client.check_health();
            Ok(Evidence::factor(factor, client.proves()))
        }
        Ok(Answer::Rejected) => {
            context.log.info(format_args!("user {username} is rejected by {}", client.branded_name()));
            Err(denied(String::new(), ""))
        }
        Ok(Answer::AuthenticationFailure { reason }) => {
            // The reason is shown and searched in SPS, and a service may repeat in it what it was asked.
            let reason = typed(arguments).fold(reason.without(password), Reason::without).to_string();
            context
                .log
                .info(format_args!("user {username} is rejected by {}: {reason}", client.branded_name()));
            Err(denied(reason, AUTHENTICATION_FAILED))
        }
        Ok(Answer::NeedInfo { mut question, state }) => {
            for secret in typed(arguments).chain([password]) {
                question.prompt = secret::masked(&question.prompt, secret);
            }
            match state {
                Some(state) => cookie.set_value(Member::State, state),
                None => cookie.progress.has_begun = true,
            }
            Err(Stop::Ask(question))
        }
        Err(error) => without_answer(context, client, takes_no_factor, error),
    }
}

/// Forgets what a provider remembers of its dialogue, because another one begins.
pub(super) fn forget_dialogue(cookie: &mut Cookie<AaProgress>) {
    cookie.remove(Member::State);
    cookie.progress.has_begun = false;
}

/// Returns what was typed in answer to something; names are no secrets.
fn typed(arguments: &Arguments) -> impl Iterator<Item = &SecretString> {
    arguments
        .key_value_pairs
        .iter()
        .filter(|(key, _)| !NAMES.contains(&key.as_str()) && !PROVIDERS.is_name_key(key))
        .map(|(_, answer)| answer)
}

/// Makes of a provider's error what SPS gets: a denial, or ACCEPT where the configuration ignores an outage.
fn without_answer(
    context: &Context<'_>,
    client: &dyn MfaClient,
    takes_no_factor: bool,
    error: MfaError,
) -> Result<Evidence, Stop> {
    let brand = client.branded_name();
    match &error {
        MfaError::CommunicationError { reason, .. } => {
            context.log.error(format_args!("{brand}: {}", Chain(&error)));
            Err(Stop::deny(reason.to_string(), COMMUNICATION_ERROR))
        }
        MfaError::Outage(confirmed) if takes_no_factor && client.ignore_connection_error() => {
            context
                .log
                .warning(format_args!("{brand}: {}; accepted without a second factor", Chain(confirmed)));
            Ok(Evidence::connection_error_ignored(brand, confirmed))
        }
        MfaError::Outage(confirmed) => {
            context.log.error(format_args!("{brand}: {}", Chain(confirmed)));
            Err(Stop::deny(confirmed.reason(), UNREACHABLE))
        }
        MfaError::ServiceUnreachable { reason, .. } => {
            context.log.error(format_args!("{brand}: {}", Chain(&error)));
            Err(Stop::deny(reason.as_str(), UNREACHABLE))
        }
        MfaError::Store(_) | MfaError::Setting(_) => Err(Fault::from(error).into()),
    }
}
