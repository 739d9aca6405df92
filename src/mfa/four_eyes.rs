//! `[four_eyes]`: read here and nowhere else, for every provider.

use super::registry::PROVIDERS;
use crate::config::list::Entries;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::token::four_eyes::{Asking, Budgets, Demand, Distinct, RequesterRule, Rules};
use crate::token::realms::Realms;

pub(crate) const REALMS: Opt = Opt::new("four_eyes", "realms", "").with_entries(Entries::Phrases);
const CONNECTIONS: Opt = Opt::new("four_eyes", "connections", "").with_entries(Entries::Patterns);
const EXCEPT_WHITELISTED: Opt = Opt::new("four_eyes", "except_whitelisted", "no");
const SEPARATOR: Opt = Opt::new("four_eyes", "separator", "");
const DISTINCT: Opt = Opt::new("four_eyes", "distinct", "users");
const REQUESTER: Opt = Opt::new("four_eyes", "requester", "any");
const PINLESS: Opt = Opt::new("four_eyes", "pinless", "no");
const UNKNOWN_TOKEN_TYPES: Opt = Opt::new("four_eyes", "unknown_token_types", "no");
const MAX_FAIL: Opt = Opt::new("four_eyes", "max_fail", "10");
const MAX_FAIL_PER_APPROVER: Opt = Opt::new("four_eyes", "max_fail_per_approver", "6");
const MAX_FAIL_UNNAMED: Opt = Opt::new("four_eyes", "max_fail_unnamed", "2");
const MAX_FAIL_PER_CLIENT: Opt = Opt::new("four_eyes", "max_fail_per_client", "20");
const MAX_FAIL_PER_DEMAND: Opt = Opt::new("four_eyes", "max_fail_per_demand", "50");
const UNLOCK_AFTER: Opt = Opt::new("four_eyes", "unlock_after", "900");
pub(super) const OPTIONS: &[Opt] = &[
    REALMS,
    CONNECTIONS,
    EXCEPT_WHITELISTED,
    SEPARATOR,
    DISTINCT,
    REQUESTER,
    PINLESS,
    UNKNOWN_TOKEN_TYPES,
    MAX_FAIL,
    MAX_FAIL_PER_APPROVER,
    MAX_FAIL_UNNAMED,
    MAX_FAIL_PER_CLIENT,
    MAX_FAIL_PER_DEMAND,
    UNLOCK_AFTER,
];

/// The longest time for which wrong approvals may count, in seconds.
const MAX_UNLOCK_AFTER: f64 = 86_400.0;
/// The highest limit of wrong approvals.
const MOST: i64 = 1000;

/// Reads how approvals are counted.
///
/// # Errors
/// An option that is unusable.
pub(super) fn rules(settings: &Settings<'_>) -> Result<Rules, SettingError> {
    let limit = |option: &Opt| -> Result<u32, SettingError> {
        Ok(u32::try_from(settings.integer(option, 1, MOST)?).unwrap_or(1))
    };
    Ok(Rules {
        requester: match settings.choice(&REQUESTER, &["any", "required", "excluded"])? {
            "required" => RequesterRule::Required,
            "excluded" => RequesterRule::Excluded,
            _ => RequesterRule::Any,
        },
        distinct: match settings.choice(&DISTINCT, &["tokens", "users"])? {
            "tokens" => Distinct::Tokens,
            _ => Distinct::Users,
        },
        pinless: settings.boolean(&PINLESS)?,
        unknown_token_types: settings.boolean(&UNKNOWN_TOKEN_TYPES)?,
        budgets: Budgets {
            per_name: limit(&MAX_FAIL)?,
            per_approver: limit(&MAX_FAIL_PER_APPROVER)?,
            unnamed: limit(&MAX_FAIL_UNNAMED)?,
            per_client: limit(&MAX_FAIL_PER_CLIENT)?,
            per_demand: limit(&MAX_FAIL_PER_DEMAND)?,
            forget_after: settings.seconds(&UNLOCK_AFTER, MAX_UNLOCK_AFTER)?.as_secs_f64(),
        },
    })
}

/// Returns the approvals that `[four_eyes]` demands for a connection policy, whatever the provider.
///
/// A connection without a name is one of those that demand them: it could be any. `realms` alone is what access rules
/// require; without such rules it is half a demand, and an error, as `connections` alone is.
///
/// # Errors
/// Options that are unusable, or half of a demand.
pub fn approvals_of_connection(
    settings: &Settings<'_>,
    connection: Option<&str>,
    has_rules: bool,
) -> Result<Option<Demand>, SettingError> {
    let (text, patterns) = (settings.text(&REALMS)?, settings.patterns(&CONNECTIONS)?);
    if patterns.is_empty() {
        return match text {
            Some(_) if !has_rules => {
                Err(settings.invalid(&CONNECTIONS, "shell patterns, because realms is set".to_owned()))
            }
            Some(_) | None => Ok(None),
        };
    }
    let demand = approvals_of_rule(settings)?;
    let is_named =
        connection.is_none_or(|name| name.is_empty() || patterns.iter().any(|pattern| pattern.matches(name)));
    Ok(is_named.then_some(demand))
}

/// Returns the approvals that an access rule demands: those of `[four_eyes] realms`.
///
/// # Errors
/// Options that are missing or unusable.
pub fn approvals_of_rule(settings: &Settings<'_>) -> Result<Demand, SettingError> {
    let realms = Realms::from_entries(&settings.list(&REALMS)?)
        .map_err(|_| settings.invalid(&REALMS, "realms and counts such as realm1:2,realm2:1".to_owned()))?;
    if let Some(unknown) = realms.services().find(|name| PROVIDERS.service(name).is_none()) {
        let known = PROVIDERS.service_words();
        return Err(settings.invalid(&REALMS, format!("after an @ one of {known}, not {unknown}")));
    }
    let separator = settings.text(&SEPARATOR)?.unwrap_or_default();
    let mut characters = separator.chars();
    let separator = match (characters.next(), characters.next()) {
        (None, None) => ' ',
        (Some(separator), None) => separator,
        _ => return Err(settings.invalid(&SEPARATOR, "one character".to_owned())),
    };
    Ok(Demand { realms, separator, asking: Asking::Policy })
}

/// Tells whether users of a whitelist need no approvals.
///
/// # Errors
/// A value that is neither yes nor no.
pub fn except_whitelisted(settings: &Settings<'_>) -> Result<bool, SettingError> {
    settings.boolean(&EXCEPT_WHITELISTED)
}

/// Returns the patterns of the connections that demand approvals as they are written, and the realms; for people.
///
/// # Errors
/// A reference that leads nowhere.
pub fn approvals_as_written(settings: &Settings<'_>) -> Result<Option<(Vec<String>, String)>, SettingError> {
    let (connections, realms) = (settings.list(&CONNECTIONS)?, settings.list(&REALMS)?.join(", "));
    Ok((!connections.is_empty() && !realms.is_empty()).then_some((connections, realms)))
}
