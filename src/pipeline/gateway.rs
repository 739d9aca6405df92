//! What SPS is told of the user at the gateway: the name, the groups, and who says so.

use serde_json::Value;

use super::identity::{self, LDAP_SERVER};
use super::progress::{AaProgress, Stage, Told};
use super::{Context, Stop, authenticate};
use crate::config::settings::Opt;
use crate::directory::ldap::LdapError;
use crate::logging::Chain;
use crate::members::{Member, SessionCookie};
use crate::names::Person;
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;
use crate::protocol::response::GatewayUser;
use crate::terms::Question;

const USER_QUESTION: Opt = Opt::new("auth", "gateway_user_question", "");
const IDENTITY_PROVIDER: Opt = Opt::new("auth", "identity_provider", "");
const GROUPS: Opt = Opt::new("auth", "gateway_groups", "gateway");
pub(super) const OPTIONS: &[Opt] = &[USER_QUESTION, IDENTITY_PROVIDER, GROUPS];

/// The key under which a name is typed (SDK: `gu`).
const TYPED_USER: &str = "gu";
/// The member of the session cookie in which the vendor's sample for shared sessions names the identity provider.
const PROVIDER_MEMBER: &str = "IdentityProvider";

/// Reads the options of this step.
pub(super) fn check(context: &Context<'_>) -> Result<(), Stop> {
    context.settings.text(&USER_QUESTION)?;
    context.settings.text(&IDENTITY_PROVIDER)?;
    if context.settings.choice(&GROUPS, &["ldap_server", "gateway"])? == "ldap_server" {
        context.settings.required(&LDAP_SERVER)?;
    }
    Ok(())
}

/// Asks for the user name, once, if there is none and `[auth] gateway_user_question` is set; otherwise denies.
pub(super) fn ask_name(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    was_asked: bool,
) -> Result<Stop, Stop> {
    let prompt = context.settings.text(&USER_QUESTION)?.filter(|prompt| !prompt.is_empty());
    let is_typed = arguments.key_value_pairs.contains_key(TYPED_USER);
    match prompt {
        Some(prompt) if !was_asked && !is_typed && authenticate::can_answer(context, arguments)? => {
            cookie.remove(Member::Username);
            cookie.progress.stage = Stage::Unnamed;
            let key = TYPED_USER.to_owned();
            Ok(Stop::Ask(Question { key, prompt: format!("{prompt} "), disable_echo: false }))
        }
        Some(_) | None => Ok(Stop::deny("No username identified", "")),
    }
}

/// Names the identity provider of an accepted session in the session cookie, where the configuration does and no service
/// has done so.
pub(super) fn name_provider(context: &Context<'_>, session_cookie: &mut SessionCookie) -> Result<(), Stop> {
    if let Some(name) = context.settings.text(&IDENTITY_PROVIDER)?.filter(|name| !name.is_empty()) {
        session_cookie.set_missing(PROVIDER_MEMBER, Value::from(name));
    }
    Ok(())
}

/// Returns the data on an accepted user for SPS; nothing if SPS knows that name and no service adds anything.
pub(super) fn user(
    context: &Context<'_>,
    arguments: &Arguments,
    username: &Person,
    told: Option<&Told>,
) -> Result<Option<GatewayUser>, Stop> {
    let user = told.and_then(|told| told.gateway_user.as_deref());
    let groups = told.and_then(|told| told.gateway_groups.clone());
    let is_known = arguments.gateway_username.as_deref() == Some(user.unwrap_or(username.as_str()));
    if is_known && user.is_none() && groups.is_none() {
        return Ok(None);
    }
    let user = user.unwrap_or(username.as_str()).to_owned();
    // The groups that SPS has passed are not those of another user.
    let is_same = identity::person(context, &user).is_ok_and(|user| user.is_same_person(username));
    let passed = arguments.gateway_groups.clone().filter(|_| is_same);
    let groups = match groups.or(passed) {
        None => of_directory(context, &user)?,
        groups => groups,
    };
    Ok(Some(GatewayUser { user, groups }))
}

/// Returns the groups that the directory has for a user, where `[auth] gateway_groups` says so. Without an answer SPS is
/// told of no groups, and keeps those that it knows.
fn of_directory(context: &Context<'_>, user: &str) -> Result<Option<Vec<String>>, Stop> {
    if context.settings.choice(&GROUPS, &["ldap_server", "gateway"])? == "gateway" {
        return Ok(None);
    }
    let server = context.settings.required(&LDAP_SERVER)?;
    let found = context.directories().find(&server);
    match found.and_then(|directory| directory.groups_of(user)) {
        Ok(groups) => Ok(Some(groups)),
        Err(LdapError::Setting(error)) => Err(error.into()),
        Err(error) => {
            context.log.warning(format_args!("no groups are passed to SPS for {user}: {}", Chain(&error)));
            Ok(None)
        }
    }
}
