//! Is this person who they say they are? One straight line, in the order of the SDK's `AAPlugin`.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::demand::{self, Demand, Lack};
use super::evidence::Evidence;
use super::factor::{self, Who};
use super::progress::{AaProgress, Stage};
use super::{Context, Fault, Stop, bypass, gateway, identity, questions};
use crate::access;
use crate::config::settings::Opt;
use crate::members::{Member, SessionCookie};
use crate::mfa::{self, Selection};
use crate::names::Person;
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;
use crate::protocol::response::GatewayUser;
use crate::terms::Question;

pub(super) const DISABLE_ECHO: Opt = Opt::new("auth", "disable_echo", "no");
const INTERACTIVE_PROTOCOLS: Opt = Opt::new("auth", "interactive_protocols", "rdp,ssh,telnet");
pub(super) const OPTIONS: &[Opt] = &[DISABLE_ECHO, INTERACTIVE_PROTOCOLS];

/// The key of the one-time password.
const OTP: &str = "otp";
/// The key of the approvals that are asked for after the factor.
const APPROVAL: &str = "approval";

/// What an accepted authentication tells SPS.
pub struct Accepted {
    /// That it is an ACCEPT, and why.
    pub verdict: demand::Accepted,
    /// Who it is, where SPS does not know it yet.
    pub gateway: Option<GatewayUser>,
    /// What a service adds to the metadata.
    pub told: Map<String, Value>,
}

/// Runs the hook; the user name that was authenticated is then in the cookie.
///
/// # Errors
/// [`Stop`]: a question, a denial, a connection that is none of ours, or a fault.
pub fn run(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    session_cookie: &mut SessionCookie,
) -> Result<Accepted, Stop> {
    if bypass::is_skipped(context, arguments)? {
        if Demand::of_connection(context, arguments)?.takes_approvals() {
            return Err(Stop::deny(
                "[auth] skip_connections names a connection policy that requires approvals; \
                 remove it from skip_connections, or from [four_eyes] connections",
                "",
            ));
        }
        return Err(Stop::NotOurs);
    }
    let was_asked = cookie.progress.stage == Stage::Unnamed;
    if was_asked {
        cookie.begin_anew();
    }
    let Some(username) = identity::username(context, arguments, cookie)? else {
        return Err(gateway::ask_name(context, arguments, cookie, was_asked)?);
    };
    let demand = Demand::of_connection(context, arguments)?;
    let evidence = match cookie.progress.stage {
        Stage::Complete | Stage::Elsewhere => return Err(Fault::Complete.into()),
        Stage::Questions => cookie.progress.accepted.clone().ok_or(Fault::Complete)?,
        Stage::Start | Stage::Unnamed | Stage::Identified | Stage::Factor | Stage::Approvals => {
            let proved = prove(context, arguments, cookie, &username, &demand);
            session_cookie.lay_over(std::mem::take(&mut cookie.progress.session_cookie));
            let evidence = proved?;
            context.log.info(format_args!("user {username} is authenticated by {}", evidence.road()));
            let identity = cookie.text(Member::MfaIdentity)?.unwrap_or_else(|| username.as_str()).to_owned();
            bypass::remember(context, arguments, &username, &identity, &evidence)?;
            let is_read = access::has_rules(context.settings)? || demand.takes_approvals();
            cookie.progress.proof = is_read.then(|| evidence.proof().clone());
            cookie.progress.stage = Stage::Questions;
            cookie.progress.accepted = Some(evidence.clone());
            evidence
        }
    };
    // The configuration may demand more by now than when a question was asked.
    let verdict = demand.accept(context, &evidence)?;
    questions::ask(context, arguments, cookie, session_cookie)?;
    let told = cookie.progress.told.take();
    let gateway = gateway::user(context, arguments, &username, told.as_ref())?;
    gateway::name_provider(context, session_cookie)?;
    cookie.progress.stage = Stage::Complete;
    cookie.progress.accepted = None;
    Ok(Accepted { verdict, gateway, told: told.map(|told| told.metadata).unwrap_or_default() })
}

/// Finds evidence of what is demanded: by a road without a factor where one is taken, else by the factor, and by the
/// approvals that the factor did not bring along.
fn prove(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    username: &Person,
    demand: &Demand,
) -> Result<Evidence, Stop> {
    if cookie.progress.stage == Stage::Start
        && let Some(evidence) = without_factor(context, arguments, username, demand)?
    {
        if access::has_rules(context.settings)? {
            // A rule may require an approval later, where the appliance's directory is not at hand.
            identity::requester(context, cookie, username)?;
        }
        return Ok(evidence);
    }
    let requester = identity::requester(context, cookie, username)?;
    if cookie.progress.stage == Stage::Start {
        cookie.progress.stage = Stage::Identified;
    }
    let identity = identity::identity(cookie)?;
    let who = Who {
        requester: &requester,
        identity: &identity,
        approvals: demand.approvals_as_login(),
        takes_no_factor: demand.takes_no_factor(),
    };
    let (evidence, answer) = match cookie.progress.awaits_approvals.clone() {
        Some(evidence) if cookie.progress.stage == Stage::Approvals => {
            (evidence, password(context, arguments, cookie)?)
        }
        Some(_) | None => {
            let evidence = by_factor(context, arguments, cookie, who)?;
            if demand.lacks(evidence.proof()) != Some(Lack::Approvals) {
                return Ok(evidence);
            }
            // What the provider remembers is of another dialogue.
            factor::forget_dialogue(cookie);
            cookie.progress.stage = Stage::Approvals;
            cookie.progress.awaits_approvals = Some(evidence.clone());
            (evidence, SecretString::default())
        }
    };
    let client = mfa::approvals(factor::tools(context), context.settings.boolean(&DISABLE_ECHO)?)?;
    let who = Who { approvals: demand.approvals(None), ..who };
    match factor::ask(context, arguments, cookie, client.as_ref(), who, &answer) {
        Err(Stop::Ask(mut question)) => {
            APPROVAL.clone_into(&mut question.key);
            cookie.progress.answer_key = Some(APPROVAL.to_owned());
            Err(Stop::Ask(question))
        }
        result => {
            let approvals = result?;
            cookie.progress.awaits_approvals = None;
            Ok(Evidence::approved(evidence, approvals))
        }
    }
}

/// Looks at the roads without a factor, as far as they are taken where this is demanded.
fn without_factor(
    context: &Context<'_>,
    arguments: &Arguments,
    username: &Person,
    demand: &Demand,
) -> Result<Option<Evidence>, Stop> {
    if demand.takes_whitelist() {
        if let Some(evidence) = bypass::user_list(context, username)? {
            return Ok(Some(evidence));
        }
        if let Some(evidence) = bypass::ldap_group(context, username)? {
            return Ok(Some(evidence));
        }
    }
    if demand.takes_no_factor() {
        return bypass::recent_authentication(context, arguments, username);
    }
    context.log.explain(format_args!(
        "authenticate: approvals are required, so cached authentications are not used"
    ));
    Ok(None)
}

/// Asks the provider.
fn by_factor(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    who: Who<'_>,
) -> Result<Evidence, Stop> {
    let password = password(context, arguments, cookie)?;
    cookie.progress.stage = Stage::Factor;
    let client = mfa::client(factor::tools(context), context.settings.boolean(&DISABLE_ECHO)?)?;
    match factor::ask(context, arguments, cookie, client.as_ref(), who, &password) {
        Err(Stop::Ask(question)) => {
            cookie.progress.answer_key = (question.key != OTP).then(|| question.key.clone());
            Err(Stop::Ask(question))
        }
        result => result,
    }
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
        (None, Stage::Factor | Stage::Approvals) => typed(OTP),
        (None, _) => {
            // That a provider is unknown is said when it is asked.
            let selection = Selection::from_settings(context.settings).ok();
            let keys = selection.map_or(&[][..], |selection| selection.password_keys());
            keys.iter().copied().chain([OTP]).find_map(typed)
        }
    };
    if let Some(password) = password {
        return Ok(password.clone());
    }
    let has_asked = matches!(cookie.progress.stage, Stage::Factor | Stage::Approvals);
    if has_asked || !can_answer(context, arguments)? {
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
    Ok(interactive_protocols(context)?.contains(&protocol))
}

/// Reads the protocols in which somebody can answer, in lower case.
pub(super) fn interactive_protocols(context: &Context<'_>) -> Result<Vec<String>, Stop> {
    let protocols = context.settings.list(&INTERACTIVE_PROTOCOLS)?;
    Ok(protocols.iter().map(|known| known.to_lowercase()).collect())
}
