//! What decides besides the roads: under which name the second factor is asked, whose approvals are demanded, and what
//! each rule looks at.

use super::Overview;
use crate::access::{Action, Requirement, Rule};
use crate::config::ini::Ini;
use crate::config::reference;
use crate::config::settings::Settings;

/// The conditions of a rule, in the order in which they are looked at.
const CONDITIONS: [&str; 9] =
    ["users", "groups", "hosts", "networks", "protocols", "accounts", "days", "hours", "time_zone"];
const MAPPING: &str = "usermapping source=explicit";

/// Says under which name the second factor is asked about a user.
pub(super) fn names(settings: &Settings<'_>, overview: &mut Overview) {
    let ini = settings.ini();
    let written = |section: &str, option: &str| raw(ini, section, option).filter(|text| !text.is_empty());
    let mapped = ini.options(MAPPING).into_iter().filter(|user| ini.has_own_option(MAPPING, user));
    let mapped: Vec<_> =
        mapped.filter_map(|user| Some(format!("{user} as {}", written(MAPPING, user)?))).collect();
    if !mapped.is_empty() {
        overview.authenticate.push(format!("the second factor is asked about {}", mapped.join(", ")));
    }
    let attribute = written("usermapping source=ldap_server", "user_attribute");
    if let (Some(attribute), Some(server)) = (attribute, written("ldap_server", "name")) {
        overview.authenticate.push(format!(
            "the second factor is asked about the attribute {attribute} in the directory {server}, or about the name itself if there is none or no answer"
        ));
    }
    if let Some(domain) = written("username_transform", "append_domain") {
        overview
            .authenticate
            .push(format!("the second factor is asked about names without an @ with @{domain} appended"));
    }
}

/// Describes the rules in their order, and warns of those that are never reached.
pub(super) fn rules(settings: &Settings<'_>, rules: &[Rule], overview: &mut Overview) {
    let mut decides_all: Option<&str> = None;
    for rule in rules {
        let requires = match rule.requirement() {
            Requirement::Nothing => "",
            Requirement::Factor => ", with a second factor",
            Requirement::FourEyes => ", with the approval of others",
        };
        let does = match rule.action() {
            Action::Accept => "allow",
            Action::Deny => "deny",
        };
        let section = format!("rule {}", rule.name());
        let conditions: Vec<_> = CONDITIONS
            .iter()
            .filter_map(|option| Some(format!("{option} {}", raw(settings.ini(), &section, option)?)))
            .collect();
        // A time zone alone is no condition.
        let is_unconditional = conditions.iter().all(|condition| condition.starts_with("time_zone "));
        let who = match is_unconditional {
            true => format!("rule {} (all users)", rule.name()),
            false => format!("rule {} ({})", rule.name(), conditions.join("; ")),
        };
        match decides_all {
            Some(first) => overview.warnings.push(format!(
                "[{section}] is never reached, because [rule {first}] before it has no condition"
            )),
            None => overview.authorize.push(format!("{who}: {does}{requires}")),
        }
        if is_unconditional && decides_all.is_none() {
            decides_all = Some(rule.name());
        }
    }
    if decides_all.is_none() {
        overview.authorize.push("all others: deny".to_owned());
    }
}

/// Returns an option as it is written, on one line; what it refers to may be a secret.
fn raw(ini: &Ini, section: &str, option: &str) -> Option<String> {
    let entry = ini.entry(section, option)?;
    if !reference::is_literal(entry.value) {
        return Some("(from a reference)".to_owned());
    }
    let lines = entry.value.lines().map(str::trim).filter(|line| !line.is_empty());
    Some(lines.collect::<Vec<_>>().join(", "))
}
