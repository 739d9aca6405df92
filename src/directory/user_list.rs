//! User list policies: the appliance's, else `[user_list NAME]` of the configuration.

use crate::appliance::{Allow, Appliance, UserListPolicy};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::names::Username;

const ALLOW: Opt = Opt::new("user_list <name>", "allow", "");
const EXCEPT: Opt = Opt::new("user_list <name>", "except", "");
/// The options that this module reads.
pub const OPTIONS: &[Opt] = &[ALLOW, EXCEPT];

/// Says why a user list cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum UserListError {
    /// Named, but nowhere.
    #[error("there is no user list '{0}', neither on the appliance nor as [user_list {0}]")]
    NotFound(String),
    /// `[user_list NAME]` is unusable.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// Tells whether a user matches the named list: an exception of a list that allows nobody, or no exception of one
/// that allows everybody. Names are compared exactly (SDK: `UserList.check_user`).
///
/// # Errors
/// [`UserListError`].
pub fn matches(
    settings: &Settings<'_>,
    appliance: &Appliance,
    list: &str,
    user: &Username,
) -> Result<bool, UserListError> {
    let configured;
    let policy = match appliance.user_lists.get(list) {
        Some(policy) => policy,
        None => {
            configured = from_settings(settings, list)?;
            &configured
        }
    };
    Ok(policy.allow.matches(policy.except.iter().any(|name| name == user.as_str())))
}

fn from_settings(settings: &Settings<'_>, list: &str) -> Result<UserListPolicy, UserListError> {
    let section = format!("user_list {list}");
    if !settings.ini().has_section(&section) {
        return Err(UserListError::NotFound(list.to_owned()));
    }
    let allow = ALLOW.of(&section);
    let word = settings.optional_choice(allow, &Allow::WORDS)?;
    let word = word.ok_or_else(|| settings.invalid(allow, "no_user or all_users".to_owned()))?;
    Ok(UserListPolicy { allow: Allow::from_word(word), except: settings.list(EXCEPT.of(&section))? })
}
