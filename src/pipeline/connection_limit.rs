//! How many sessions a user may have open from one address.

use super::bypass::client_address;
use super::progress::AaProgress;
use super::{Context, Fault, Stop, identity};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::names::{CountKey, Person};
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;
use crate::store::ConnectionKey;

pub(super) const LIMIT: Opt = Opt::new("connection_limit by=client_ip_gateway_user", "limit", "0");
pub(super) const MAX_SESSION_AGE: Opt =
    Opt::new("connection_limit by=client_ip_gateway_user", "max_session_age", "86400");
pub(super) const OPTIONS: &[Opt] = &[LIMIT, MAX_SESSION_AGE];

/// Counts this session as open, or refuses it at the limit.
pub(super) fn take(
    context: &Context<'_>,
    arguments: &Arguments,
    username: &Person,
    cookie: &mut Cookie<AaProgress>,
) -> Result<(), Stop> {
    // A negative limit refuses everybody, as in the SDK.
    let limit = context.settings.integer(&LIMIT, i64::MIN, i64::MAX)?;
    if limit == 0 || cookie.progress.counted {
        return Ok(());
    }
    let max_age = max_session_age(context.settings)?;
    if arguments.client_ip.is_none() {
        return Err(Fault::Missing("client_ip").into());
    }
    // A limit counts everyone who may be the same person, from addresses that may be the same.
    let names = identity::aliases(context)?.names_of(username.count_key());
    let first = names.iter().map(CountKey::as_str).min().unwrap_or(username.count_key().as_str());
    let key = ConnectionKey { client_ip: client_address(arguments), username: first.to_owned() };
    let session_id = arguments.session_id.as_deref().unwrap_or_default();
    if !context.store.open_connection(&key, session_id, limit, max_age)? {
        context.log.info(format_args!("user {username} has reached the connection limit of {limit}"));
        return Err(Stop::deny("Connection limit reached", ""));
    }
    cookie.progress.counted_as = Some(key);
    cookie.progress.counted = true;
    Ok(())
}

/// Reads how long a session is counted, in seconds; `None` for as long as it is open.
///
/// # Errors
/// A value that is no number.
pub fn max_session_age(settings: &Settings<'_>) -> Result<Option<f64>, SettingError> {
    let age = settings.number(&MAX_SESSION_AGE)?;
    Ok((age > 0.0).then_some(age))
}

/// Gives this session's connection back, if it was counted.
pub(super) fn give_back(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &Cookie<AaProgress>,
) -> Result<(), Stop> {
    let Some(key) = &cookie.progress.counted_as else { return Ok(()) };
    context.store.close_connection(key, arguments.session_id.as_deref().unwrap_or_default())?;
    Ok(())
}
