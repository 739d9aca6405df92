//! May they go there?

use std::time::Duration;

use secrecy::SecretString;

use super::authenticate::{self, DISABLE_ECHO};
use super::demand::{Accepted, Demand, Lack, Session};
use super::evidence::Evidence;
use super::factor::{self, Who};
use super::identity::LDAP_SERVER;
use super::progress::{AaProgress, Stage};
use super::{Context, Stop, bypass, connection_limit, identity};
use crate::access::{self, Access, Requirement, Ruling, SystemResolver};
use crate::config::settings::Opt;
use crate::directory::ldap::LdapError;
use crate::logging::Chain;
use crate::members::Member;
use crate::mfa;
use crate::names::{Address, CountKey, Person, Requester};
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;

const GROUPS: Opt = Opt::new("access", "groups", "gateway");
pub(super) const OPTIONS: &[Opt] = &[GROUPS];

/// The key of the answers to what an access rule requires. SPS may hand the password of `authenticate` over again, which
/// is no answer to this.
const ANSWER: &str = "access";
/// The longest wait for the names of the target.
const DNS_PATIENCE: Duration = Duration::from_secs(5);
/// What the user reads who may not go there.
const NOT_ALLOWED: &str = "Access denied";

/// Runs the hook.
///
/// # Errors
/// [`Stop`]: a question, a denial or a fault.
pub fn run(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
) -> Result<Accepted, Stop> {
    match cookie.progress.stage {
        Stage::Complete | Stage::Elsewhere => {}
        Stage::Start if cookie.is_new() => cookie.progress.stage = Stage::Elsewhere,
        Stage::Start
        | Stage::Unnamed
        | Stage::Identified
        | Stage::Factor
        | Stage::Approvals
        | Stage::Questions => {
            return Err(Stop::deny("the authentication of this session did not end in ACCEPT", NOT_ALLOWED));
        }
    }
    let username = identity::username(context, arguments, cookie)?;
    let session = Demand::of_connection(context, arguments)?.met_by(cookie.progress.proof.clone())?;
    let requester = match &username {
        // What a rule requires may depend on who asks. Where another plugin authenticated, that is found out here.
        Some(username) if access::has_rules(context.settings)? => {
            Some(identity::requester(context, cookie, username)?)
        }
        Some(_) | None => None,
    };
    if !cookie.has(Member::MfaIdentity) {
        cookie.set_text(Member::MfaIdentity, username.as_ref().map(Person::as_str));
    }
    // A connection that authenticate leaves alone may have no user name at all.
    if username.is_none() && !bypass::is_skipped(context, arguments)? {
        return Err(Stop::deny("No username identified", ""));
    }
    let accepted = ruled(context, arguments, cookie, &session, username.as_ref(), requester.as_ref())?;
    // Last, so that whoever may not go there, or has not answered yet, takes nobody's place.
    if let Some(username) = &username {
        connection_limit::take(context, arguments, username, cookie)?;
    }
    Ok(accepted)
}

/// Asks `[access] provider`, and for what it requires.
fn ruled(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    session: &Session,
    username: Option<&Person>,
    requester: Option<&Requester>,
) -> Result<Accepted, Stop> {
    let resolver = SystemResolver { patience: context.budget.remaining().min(DNS_PATIENCE) };
    let Some(provider) = access::provider(context.settings, &resolver)? else {
        context.log.explain(format_args!("authorize: no [access] provider, so everybody may"));
        let demand = Demand::of_rule(context, Requirement::Nothing)?;
        return demand.accept(context, &Evidence::authorized(session));
    };
    // A directory that nobody needs shall keep nobody out.
    let groups = if provider.looks_at_groups() { groups(context, arguments, username)? } else { None };
    let address = arguments.server_ip.as_deref().and_then(Address::parse);
    let names = names(context, arguments, cookie, username)?;
    let access = Access {
        user: username,
        names: &names,
        groups: groups.as_deref(),
        host: arguments.server_hostname.as_deref(),
        address,
        protocol: arguments.protocol.as_deref(),
        account: arguments.server_username.as_deref(),
        now: context.store.now(),
    };
    let user = username.map(Person::as_str).unwrap_or_default();
    let ruling = provider.decide(&access, &mut |why| context.log.explain(format_args!("authorize: {why}")));
    match ruling {
        Ruling::Deny { by } => {
            context.log.info(format_args!("access denied for user {user}: {by}"));
            Err(Stop::deny(format!("Access denied: {by}"), NOT_ALLOWED))
        }
        Ruling::Accept { by, requirement } => {
            let demand = Demand::of_rule(context, requirement)?;
            let required = require(context, arguments, cookie, session, requester, requirement, &demand)?;
            let evidence = Evidence::ruled(&by, session, required);
            let accepted = demand.accept(context, &evidence)?;
            context.log.info(format_args!("access granted to user {user}: {by}"));
            Ok(accepted)
        }
    }
}

/// Returns the names that a rule which denies looks at beside the user's own: those that the configuration links to it, the
/// identity that `authenticate` mapped the user to, and the name that SPS has for the user now, which a service may have
/// told it.
fn names(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &Cookie<AaProgress>,
    username: Option<&Person>,
) -> Result<Vec<CountKey>, Stop> {
    let aliases = identity::aliases(context)?;
    let mapped = cookie.text(Member::MfaIdentity)?;
    let more = [arguments.gateway_username.as_deref(), mapped];
    let more: Vec<_> = more.into_iter().flatten().map(CountKey::of).collect();
    let own = username.map(Person::count_key);
    let linked = own.into_iter().chain(&more).flat_map(|name| aliases.names_of(name));
    Ok(linked.chain(&more).cloned().collect())
}

/// Returns the groups of the user: those that SPS knows, or those of the directory. A directory that does not know the user,
/// or does not answer, decides nothing. `None` where they are not known.
fn groups(
    context: &Context<'_>,
    arguments: &Arguments,
    username: Option<&Person>,
) -> Result<Option<Vec<String>>, Stop> {
    if context.settings.choice(&GROUPS, &["ldap_server", "gateway"])? == "gateway" {
        return Ok(arguments.gateway_groups.clone());
    }
    let Some(username) = username else { return Ok(None) };
    let server = context.settings.required(&LDAP_SERVER)?;
    let found = context.directories().find(&server);
    match found.and_then(|directory| directory.groups_of(username.as_str())) {
        Ok(groups) => Ok(Some(groups)),
        Err(LdapError::Setting(error)) => Err(error.into()),
        Err(error) => {
            context.log.error(format_args!("cannot determine the groups of {username}: {}", Chain(&error)));
            Err(Stop::deny("the user's groups are not known", factor::UNREACHABLE))
        }
    }
}

/// Asks for what a rule requires and the session has not proved; `None` where that is nothing more.
fn require(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    session: &Session,
    requester: Option<&Requester>,
    requirement: Requirement,
    demand: &Demand,
) -> Result<Option<Evidence>, Stop> {
    if requirement == Requirement::Nothing || demand.is_excepted(session.proof()) {
        return Ok(None);
    }
    // The proof may be about another person's name.
    if let Some(why) = requester.and_then(Requester::unknown) {
        let reason = format!("a rule requires more, and the user cannot be mapped to an identity: {why}");
        return Err(Stop::deny(reason, factor::UNREACHABLE));
    }
    let Some(lack) = demand.lacks(session.proof()) else { return Ok(None) };
    let Some(requester) = requester else {
        return Err(Stop::deny("a rule requires more, and there is no user to ask", NOT_ALLOWED));
    };
    let answer = arguments.key_value_pairs.get(ANSWER).filter(|_| cookie.progress.has_asked).cloned();
    if !cookie.progress.has_asked {
        // What authenticate's provider remembers is of another dialogue.
        factor::forget_dialogue(cookie);
        cookie.progress.has_asked = true;
        if lack == Lack::Factor && authenticate::can_answer(context, arguments)? {
            return Err(Stop::Ask(authenticate::question(context, ANSWER)?));
        }
    }
    let disable_echo = context.settings.boolean(&DISABLE_ECHO)?;
    let tools = factor::tools(context);
    let (client, approvals) = match lack {
        Lack::Approvals => (mfa::approvals(tools, disable_echo)?, demand.approvals(Some(session.proof()))),
        Lack::Factor => (mfa::client(tools, disable_echo)?, None),
    };
    let identity = identity::identity(cookie)?;
    let who = Who { requester, identity: &identity, approvals, takes_no_factor: false };
    let password = answer.unwrap_or_else(SecretString::default);
    let asked = factor::ask(context, arguments, cookie, client.as_ref(), who, &password);
    // Who it is was settled by authenticate.
    cookie.progress.told = None;
    match asked {
        Ok(evidence) => Ok(Some(evidence)),
        Err(Stop::Ask(mut question)) => {
            ANSWER.clone_into(&mut question.key);
            Err(Stop::Ask(question))
        }
        Err(stop) => Err(stop),
    }
}
