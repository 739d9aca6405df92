//! Who is this? User name → MFA identity: extract, map, transform.

use secrecy::ExposeSecret;

use super::progress::AaProgress;
use super::{Context, Stop};
use crate::config::settings::{At, Opt};
use crate::directory::ldap::LdapError;
use crate::logging::Chain;
use crate::members::Member;
use crate::names::{self, Aliases, Mapping, MfaIdentity, NameError, Person, Requester};
use crate::protocol::cookie::{Cookie, CookieError, Progress};
use crate::protocol::invocation::Arguments;

const IGNORE_UPN: Opt = Opt::new("ignore_upn_suffix_for_rdp", "ignore", "true");
const EXPLICIT_SECTION: &str = "usermapping source=explicit";
const EXPLICIT: Opt = Opt::new(EXPLICIT_SECTION, "<user name>", "");
const USER_ATTRIBUTE: Opt = Opt::new("usermapping source=ldap_server", "user_attribute", "");
pub(super) const LDAP_SERVER: Opt = Opt::new("ldap_server", "name", "");
const APPEND_DOMAIN: Opt = Opt::new("username_transform", "append_domain", "");
pub(super) const OPTIONS: &[Opt] = &[IGNORE_UPN, EXPLICIT, USER_ATTRIBUTE, LDAP_SERVER, APPEND_DOMAIN];

/// Returns the user at the gateway, `None` where nobody is named, and keeps the answer in the cookie.
///
/// The order is the SDK's `_extract_username`: `gateway_user`, `gu`, `server_username`, `username`. A cookie that came
/// in says whose it is, or it is damaged: what it says was accepted is never taken for another. A name that different
/// systems would read as different people is a denial.
pub(super) fn username<P: Progress>(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<P>,
) -> Result<Option<Person>, Stop> {
    if !cookie.has(Member::Username) {
        if !cookie.is_new() {
            return Err(CookieError::Damaged.into());
        }
        let found = extract(context, arguments)?;
        cookie.set_text(Member::Username, found.as_deref());
    }
    match cookie.text(Member::Username)?.filter(|name| !name.is_empty()) {
        Some(name) => person(context, name).map(Some),
        None => Ok(None),
    }
}

pub(super) fn person(context: &Context<'_>, name: &str) -> Result<Person, Stop> {
    let rules = names::Rules::from_settings(context.settings)?;
    Person::parse(name, &rules).map_err(|error| unreadable(context, error))
}

/// Denies, with a sentence for the operator that does not repeat the name.
fn unreadable(context: &Context<'_>, error: NameError) -> Stop {
    match error {
        NameError::TooLong(_) | NameError::Control(_) => error.into(),
        NameError::OuterBlank(_) | NameError::Hidden(_) | NameError::Ambiguous(_) => {
            context.log.error(format_args!("the session is denied: {error}"));
            Stop::deny(error.to_string(), "")
        }
    }
}

fn extract(context: &Context<'_>, arguments: &Arguments) -> Result<Option<String>, Stop> {
    let pair = |key: &str| arguments.key_value_pairs.get(key).map(|value| value.expose_secret().to_owned());
    let some = |name: &String| !name.is_empty();
    let gateway = arguments.gateway_username.clone().filter(some).or_else(|| pair("gu").filter(some));
    if gateway.is_some() {
        return Ok(gateway);
    }
    let server = without_upn_suffix(context, arguments, arguments.server_username.clone())?;
    match server.filter(some) {
        Some(name) => Ok(Some(name)),
        None => without_upn_suffix(context, arguments, pair("username")),
    }
}

/// Cuts `@domain` off in the protocols whose clients add it.
fn without_upn_suffix(
    context: &Context<'_>,
    arguments: &Arguments,
    name: Option<String>,
) -> Result<Option<String>, Stop> {
    let Some(name) = name else { return Ok(None) };
    let protocol = arguments.protocol.as_deref().unwrap_or_default().to_lowercase();
    let Some((user, _)) = name.rsplit_once('@') else { return Ok(Some(name)) };
    let cut = matches!(protocol.as_str(), "rdp" | "tsg")
        && context.settings.text(&IGNORE_UPN)?.as_deref() == Some("true");
    Ok(Some(if cut { user.to_owned() } else { name }))
}

/// Why it is not known who a person with such a name is.
const AMBIGUOUS: &str =
    "the user name has a character in it that separates names elsewhere, so it may be somebody else's";

/// Returns who asks, under both names. They are found once for each session, by its first hook that needs them, and are
/// in the cookie from then on: another hook may not have the appliance's directory.
pub(super) fn requester(
    context: &Context<'_>,
    cookie: &mut Cookie<AaProgress>,
    gateway: &Person,
) -> Result<Requester, Stop> {
    if !cookie.has(Member::MfaIdentity) {
        let (identity, failure) = map(context, gateway)?;
        let identity = MfaIdentity::parse(identity)?;
        cookie.set_text(Member::MfaIdentity, Some(identity.as_str()));
        cookie.progress.mapping_failed = failure;
    }
    let identity = identity(cookie)?;
    let rules = names::Rules::from_settings(context.settings)?;
    let person = Person::of_identity(&identity, &rules).map_err(|error| unreadable(context, error))?;
    let failure = match cookie.progress.mapping_failed.clone() {
        None if gateway.is_ambiguous() || person.is_ambiguous() => Some(AMBIGUOUS.to_owned()),
        failure => failure,
    };
    let mapping = match failure {
        None => Mapping::Known(person),
        Some(why) => Mapping::Failed { unmapped: person, why },
    };
    Ok(Requester { gateway: gateway.clone(), mapping, aliases: aliases(context)?.clone() })
}

/// Reads which names `[usermapping source=explicit]` links to one person: both sides of a line, and of all lines that have a
/// name in common.
pub(super) fn aliases<'c>(context: &'c Context<'_>) -> Result<&'c Aliases, Stop> {
    if let Some(aliases) = context.aliases.get() {
        return Ok(aliases);
    }
    let ini = context.settings.ini();
    let mut pairs = Vec::new();
    for name in
        ini.options(EXPLICIT_SECTION).into_iter().filter(|name| ini.has_own_option(EXPLICIT_SECTION, name))
    {
        let Some(identity) = context.settings.text(At::named(EXPLICIT_SECTION, name))? else { continue };
        pairs.push([name.to_owned(), identity]);
    }
    Ok(context.aliases.get_or_init(|| Aliases::of(pairs)))
}

/// Returns the identity in the cookie, as servers are asked about it.
pub(super) fn identity(cookie: &Cookie<AaProgress>) -> Result<MfaIdentity, Stop> {
    Ok(MfaIdentity::parse(cookie.text(Member::MfaIdentity)?.unwrap_or_default())?)
}

/// Returns the name under which the second factor knows the user: mapped explicitly, mapped by a directory, and with
/// the domain appended. Beside it, why a mapping that is configured did not lead to a name.
fn map(context: &Context<'_>, gateway: &Person) -> Result<(String, Option<String>), Stop> {
    let some = |name: &String| !name.is_empty();
    let lower = gateway.as_str().to_lowercase();
    let of = |name: &str| context.settings.text(At::named(EXPLICIT_SECTION, name));
    // First as the SDK looks for it; one person under two spellings is mapped alike.
    let explicit = match of(&lower)?.filter(some) {
        None => of(gateway.permit_key().as_str())?.filter(some),
        explicit => explicit,
    };
    let is_explicit = explicit.is_some();
    let identity = explicit.unwrap_or_else(|| gateway.as_str().to_owned());
    let (identity, failure) = match from_directory(context, &identity)? {
        Found::Nothing => (identity, None),
        Found::Name(name) => (name, None),
        // Somebody who is named in the configuration need not be in the directory.
        Found::NotThere(_) if is_explicit => (identity, None),
        Found::NotThere(why) | Found::Failed(why) => (identity, Some(why)),
    };
    let identity = match context.settings.text(&APPEND_DOMAIN)?.filter(some) {
        Some(domain) if !identity.contains('@') => format!("{identity}@{domain}"),
        Some(_) | None => identity,
    };
    Ok((identity, failure))
}

/// What a directory says about a name.
enum Found {
    /// None is configured.
    Nothing,
    /// The name that it is mapped to.
    Name(String),
    /// It does not know the user, or the user has no such attribute.
    NotThere(String),
    /// It does not answer.
    Failed(String),
}

/// Returns the first value of the configured attribute.
fn from_directory(context: &Context<'_>, identity: &str) -> Result<Found, Stop> {
    let Some(server) = context.settings.text(&LDAP_SERVER)? else { return Ok(Found::Nothing) };
    let Some(attribute) = context.settings.text(&USER_ATTRIBUTE)? else { return Ok(Found::Nothing) };
    let found = context.directories().find(&server);
    let found = match found.and_then(|directory| directory.attribute(identity, &attribute)) {
        Err(LdapError::Setting(error)) => return Err(error.into()),
        Ok(values) => match values.into_iter().next().filter(|name| !name.is_empty()) {
            Some(name) => Found::Name(name),
            None => {
                Found::NotThere(format!("the user has no attribute {attribute} in the directory {server}"))
            }
        },
        Err(error @ LdapError::UserNotFound(_)) => Found::NotThere(Chain(&error).to_string()),
        Err(error @ (LdapError::Operation { .. } | LdapError::Server { .. })) => {
            Found::Failed(Chain(&error).to_string())
        }
    };
    if let Found::NotThere(why) | Found::Failed(why) = &found {
        context.log.warning(format_args!("user mapping is not possible: {why}"));
    }
    Ok(found)
}
