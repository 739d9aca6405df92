//! Who is this? User name → MFA identity: extract, map, transform.

use secrecy::ExposeSecret;

use super::{Context, Stop};
use crate::config::settings::{At, Opt};
use crate::directory::ldap::LdapError;
use crate::logging::Chain;
use crate::names::{MfaIdentity, Username};
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
/// in says whose it is, or it is damaged: what it says was accepted is never taken for another.
pub(super) fn username<P: Progress>(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<P>,
) -> Result<Option<Username>, Stop> {
    if !cookie.has("username") {
        if !cookie.is_new() {
            return Err(CookieError::Damaged.into());
        }
        let found = extract(context, arguments)?;
        cookie.set_text("username", found.as_deref());
    }
    match cookie.text("username")?.filter(|name| !name.is_empty()) {
        Some(name) => Ok(Some(Username::parse(name)?)),
        None => Ok(None),
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

/// Returns the name under which the second factor knows the user: mapped explicitly, mapped by a directory, and with
/// the domain appended.
pub(super) fn mfa_identity(context: &Context<'_>, username: &Username) -> Result<MfaIdentity, Stop> {
    let some = |name: &String| !name.is_empty();
    let lower = username.as_str().to_lowercase();
    let mapped = context.settings.text(At::any(EXPLICIT_SECTION, &lower))?.filter(some);
    let identity = mapped.unwrap_or_else(|| username.as_str().to_owned());
    let identity = from_directory(context, &identity)?.filter(some).unwrap_or(identity);
    let identity = match context.settings.text(&APPEND_DOMAIN)?.filter(some) {
        Some(domain) if !identity.contains('@') => format!("{identity}@{domain}"),
        Some(_) | None => identity,
    };
    Ok(MfaIdentity::parse(identity)?)
}

/// Returns the first value of the configured attribute; a directory that does not answer changes nothing.
fn from_directory(context: &Context<'_>, identity: &str) -> Result<Option<String>, Stop> {
    let Some(server) = context.settings.text(&LDAP_SERVER)? else { return Ok(None) };
    let Some(attribute) = context.settings.text(&USER_ATTRIBUTE)? else { return Ok(None) };
    let found = context.directories().find(&server);
    match found.and_then(|directory| directory.attribute(identity, &attribute)) {
        Err(LdapError::Setting(error)) => Err(error.into()),
        Ok(values) => Ok(values.into_iter().next()),
        Err(error) => {
            context.log.warning(format_args!("user mapping is not possible: {}", Chain(&error)));
            Ok(None)
        }
    }
}
