//! The roads in without a second factor, side by side for an auditor.

use super::evidence::Evidence;
use super::identity::LDAP_SERVER;
use super::{Context, Stop, identity};
use crate::appliance::Allow;
use crate::config::list::{self, Entries};
use crate::config::settings::Opt;
use crate::directory::ldap::{Directory, LdapError};
use crate::directory::user_list;
use crate::logging::Chain;
use crate::mfa::Selection;
use crate::names::{self, CountKey, Person};
use crate::protocol::invocation::Arguments;
use crate::store::{CacheKey, CacheLimits, CacheScope};

pub(super) const SKIP_CONNECTIONS: Opt =
    Opt::new("auth", "skip_connections", "").with_entries(Entries::Patterns);
pub(super) const USER_LIST: Opt = Opt::new("whitelist source=user_list", "name", "");
pub(super) const GROUP_ALLOW: Opt = Opt::new("whitelist source=ldap_server_group", "allow", "");
pub(super) const GROUP_EXCEPT: Opt =
    Opt::new("whitelist source=ldap_server_group", "except", "").with_entries(Entries::Phrases);
const REUSE_LIMIT: Opt = Opt::new("authentication_cache", "reuse_limit", "0");
const SOFT_TIMEOUT: Opt = Opt::new("authentication_cache", "soft_timeout", "15");
const HARD_TIMEOUT: Opt = Opt::new("authentication_cache", "hard_timeout", "90");
pub(super) const SHARE_CONNECTIONS: Opt =
    Opt::new("authentication_cache", "share_connections", "").with_entries(Entries::Patterns);
/// Read by the SDK; here the cache is a table, so the option is known and has no effect.
const CACHE_DIR: Opt = Opt::new("authentication_cache", "cache_dir", "auth_cache");
pub(super) const OPTIONS: &[Opt] = &[
    USER_LIST,
    GROUP_ALLOW,
    GROUP_EXCEPT,
    REUSE_LIMIT,
    SOFT_TIMEOUT,
    HARD_TIMEOUT,
    SHARE_CONNECTIONS,
    CACHE_DIR,
];

/// Tells whether the configuration keeps this plugin out of a connection policy.
pub(super) fn is_skipped(context: &Context<'_>, arguments: &Arguments) -> Result<bool, Stop> {
    let patterns = context.settings.patterns(&SKIP_CONNECTIONS)?;
    let name = arguments.connection_name.as_deref();
    Ok(name.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name))))
}

/// The user matches the user list that `[whitelist source=user_list] name` names.
pub(super) fn user_list(context: &Context<'_>, username: &Person) -> Result<Option<Evidence>, Stop> {
    let Some(list) = context.settings.text(&USER_LIST)? else {
        context.log.explain(format_args!("authenticate: no whitelist is a user list"));
        return Ok(None);
    };
    let aliases = identity::aliases(context)?;
    let matched = user_list::matches(context.settings, context.appliance, &list, username, aliases)?;
    let how = if matched { "lets in" } else { "does not let in" };
    context.log.explain(format_args!("authenticate: the user list {list} {how} {username} without a factor"));
    Ok(matched.then(|| Evidence::user_list(&list)))
}

/// The user is in one of the groups of `[whitelist source=ldap_server_group]`. A directory that does not know the
/// user, or does not answer, whitelists nobody.
pub(super) fn ldap_group(context: &Context<'_>, username: &Person) -> Result<Option<Evidence>, Stop> {
    let settings = context.settings;
    let allow = settings.optional_choice(&GROUP_ALLOW, &Allow::WORDS)?.map(Allow::from_word);
    let (except, server) = (settings.text(&GROUP_EXCEPT)?, settings.text(&LDAP_SERVER)?);
    let (Some(allow), Some(except), Some(server)) = (allow, except, server) else {
        context.log.explain(format_args!("authenticate: no whitelist is an LDAP group"));
        return Ok(None);
    };
    let mut groups = settings.list(&GROUP_EXCEPT)?;
    if groups.is_empty() || list::has_gap(&except) {
        if allow == Allow::AllUsers {
            context.log.warning(format_args!(
                "the group whitelist is not checked: its option except has an empty entry, so it is not known who is excluded"
            ));
            return Ok(None);
        }
        // The directory has no such group.
        groups.push(String::new());
    }
    let aliases = identity::aliases(context)?;
    let found = context.directories().find(&server);
    let member = found.and_then(|directory| match allow {
        Allow::NoUser => directory.in_one_of(username.as_str(), &groups),
        Allow::AllUsers => {
            may_be_member(directory.as_ref(), username, aliases.names_of(username.count_key()), &groups)
        }
    });
    match member {
        Err(LdapError::Setting(error)) => Err(error.into()),
        Ok(member) => {
            let matched = allow.matches(member);
            let (is, how) =
                (if member { "is" } else { "is not" }, if matched { "lets in" } else { "does not let in" });
            context.log.explain(format_args!(
                "authenticate: {username} {is} in one of the groups of the whitelist, which {how} without a factor"
            ));
            Ok(matched.then(Evidence::ldap_group))
        }
        Err(error) => {
            context.log.warning(format_args!("the group whitelist is not checked: {}", Chain(&error)));
            Ok(None)
        }
    }
}

/// Tells whether the user may be in one of the groups, by any spelling of their name or by an alias that the directory has.
/// An alias never whitelists a user; with allow=all_users it excludes one.
fn may_be_member(
    directory: &dyn Directory,
    username: &Person,
    aliases: &[CountKey],
    groups: &[String],
) -> Result<bool, LdapError> {
    if directory.may_be_in_one_of(username, groups)? {
        return Ok(true);
    }
    for alias in aliases.iter().filter(|alias| *alias != username.count_key()) {
        match directory.in_one_of(alias.as_str(), groups) {
            Ok(false) | Err(LdapError::UserNotFound(_)) => {}
            found => return found,
        }
    }
    Ok(false)
}

/// The user authenticated a moment ago: from the same address, with the same provider, under the same connection policy or
/// one that shares with it.
pub(super) fn recent_authentication(
    context: &Context<'_>,
    arguments: &Arguments,
    username: &Person,
) -> Result<Option<Evidence>, Stop> {
    let Some(limits) = cache_limits(context)? else {
        context.log.explain(format_args!("authenticate: no authentication is remembered"));
        return Ok(None);
    };
    let provider = Selection::from_settings(context.settings)?.words();
    let client_ip = client_address(arguments);
    let key = cache_key(context, arguments, username, &client_ip, &provider)?;
    // Sessions whose address is not known are not from one address.
    let used = !client_ip.is_empty() && context.store.use_authentication(&key, limits)?;
    let is = if used { "an" } else { "no" };
    context.log.explain(format_args!("authenticate: {is} authentication of a moment ago counts once more"));
    Ok(used.then(Evidence::cache))
}

/// Remembers an authentication for [`recent_authentication`], if it is one that may be remembered.
pub(super) fn remember(
    context: &Context<'_>,
    arguments: &Arguments,
    username: &Person,
    identity: &str,
    evidence: &Evidence,
) -> Result<(), Stop> {
    if !evidence.is_rememberable() || client_address(arguments).is_empty() {
        return Ok(());
    }
    let Some(limits) = cache_limits(context)? else { return Ok(()) };
    let provider = Selection::from_settings(context.settings)?.words();
    let client_ip = client_address(arguments);
    let key = cache_key(context, arguments, username, &client_ip, &provider)?;
    context.store.remember_authentication(&key, &CountKey::of(identity), limits)?;
    Ok(())
}

/// Returns the client's address in its one form; a text that is not an address as it is.
pub(super) fn client_address(arguments: &Arguments) -> String {
    let text = arguments.client_ip.as_deref().unwrap_or_default();
    names::address(text).map_or_else(|| text.to_owned(), |address| address.to_string())
}

fn cache_key<'a>(
    context: &Context<'_>,
    arguments: &Arguments,
    username: &'a Person,
    client_ip: &'a str,
    provider: &'a str,
) -> Result<CacheKey<'a>, Stop> {
    let shared = context.settings.patterns(&SHARE_CONNECTIONS)?;
    let scope = match arguments.connection_name.as_deref() {
        None => CacheScope::Unnamed,
        Some(name) if shared.iter().any(|pattern| pattern.matches(name)) => CacheScope::Shared,
        Some(name) => CacheScope::Policy(name.to_owned()),
    };
    Ok(CacheKey { user: username.permit_key(), client_ip, scope, provider })
}

/// Reads `[authentication_cache]`; `None` where it is off.
pub(super) fn cache_limits(context: &Context<'_>) -> Result<Option<CacheLimits>, Stop> {
    let limits = CacheLimits {
        soft_timeout: context.settings.number(&SOFT_TIMEOUT)?,
        hard_timeout: context.settings.number(&HARD_TIMEOUT)?,
        reuse_limit: context.settings.integer(&REUSE_LIMIT, i64::MIN, i64::MAX)?,
    };
    Ok((limits.reuse_limit != 0).then_some(limits))
}
