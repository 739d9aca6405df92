//! The session is over: give back what it held. Both plugins have this hook.

use super::checkout::{self, CheckoutProgress};
use super::progress::AaProgress;
use super::{Context, Stop, connection_limit};
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;

/// Gives the connection back.
///
/// # Errors
/// [`Stop::Fault`].
pub fn of_aa(context: &Context<'_>, arguments: &Arguments, cookie: &Cookie<AaProgress>) -> Result<(), Stop> {
    connection_limit::give_back(context, arguments, cookie)
}

/// Checks in what is still checked out.
///
/// # Errors
/// [`Stop::Fault`].
pub fn of_credential_store(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<CheckoutProgress>,
) -> Result<(), Stop> {
    checkout::check_in(context, arguments, cookie, "the session is over")
}
