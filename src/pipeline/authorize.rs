//! May they go there?

use super::evidence::Evidence;
use super::progress::AaProgress;
use super::{Context, Stop, bypass, connection_limit, identity};
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;

/// Runs the hook.
///
/// # Errors
/// [`Stop`]: a denial or a fault.
pub fn run(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
) -> Result<Evidence, Stop> {
    let username = identity::username(context, arguments, cookie)?;
    if !cookie.has("mfa_identity") {
        cookie.set_text("mfa_identity", username.as_ref().map(crate::names::Username::as_str));
    }
    match &username {
        Some(username) => connection_limit::take(context, arguments, username, cookie)?,
        // A connection that authenticate leaves alone may have no user name at all.
        None if bypass::is_skipped(context, arguments)? => {}
        None => return Err(Stop::deny("No username identified", "")),
    }
    Ok(Evidence::authorized())
}
