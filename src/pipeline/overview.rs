//! A configuration as the hooks will read it, without a hook: what is wrong with it, and which roads in it opens.

mod deciding;
mod overlap;
mod sections;

use std::path::Path;
use std::time::Duration;

use super::{
    Context, Stop, authenticate, bypass, checkout, connection_limit, factor, gateway, identity, questions,
};
use crate::access::{self, Requirement, Rules, SystemResolver};
use crate::appliance::Allow;
use crate::config::list;
use crate::config::reference::ReferenceError;
use crate::config::settings::SettingError;
use crate::credentials::{self, Providers};
use crate::directory::ldap::LdapError;
use crate::directory::user_list;
use crate::logging::Chain;
use crate::mfa::{self, Selection};
use crate::store::{self, KeySource};

/// What there is to say of a configuration.
#[derive(Default)]
pub struct Overview {
    /// What closes hooks.
    pub errors: Vec<String>,
    /// What is to be thought about.
    pub warnings: Vec<String>,
    /// What cannot be told without the appliance.
    pub unknown: Vec<String>,
    /// Who gets past `authenticate`, in the order of the steps.
    pub authenticate: Vec<String>,
    /// Who gets past `authorize`, in the order of the rules.
    pub authorize: Vec<String>,
    /// Who hands out credentials, in their order.
    pub credentials: Vec<String>,
}

impl Overview {
    /// Takes what a step reads of its options, or notes why it could not.
    fn take<T, E: Into<Stop>>(&mut self, read: Result<T, E>) -> Option<T> {
        match read.map_err(Into::into) {
            Ok(value) => Some(value),
            Err(Stop::Fault(fault)) => {
                let text = Chain(&fault).to_string();
                let list = if is_of_the_appliance(&fault) { &mut self.unknown } else { &mut self.errors };
                if !list.contains(&text) {
                    list.push(text);
                }
                None
            }
            Err(Stop::Ask(_) | Stop::Deny(_) | Stop::NotOurs) => None,
        }
    }
}

/// Tells whether a fault is only that a policy of the appliance is not there.
fn is_of_the_appliance(fault: &super::Fault) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(fault);
    while let Some(error) = cause {
        if let Some(SettingError::Reference { source, .. }) = error.downcast_ref() {
            return matches!(source, ReferenceError::NoStore(_) | ReferenceError::NoCaList(_));
        }
        cause = error.source();
    }
    false
}

/// Reads what the AA plugin reads.
pub fn of_aa(context: &Context<'_>) -> Overview {
    let mut overview = of_both(context);
    overview.take(credentials::check_servers(checkout::tools_without_session(context), false));
    let demands = demands(context, &mut overview);
    roads_without_a_factor(context, &mut overview, &demands);
    deciding::names(context.settings, &mut overview);
    overview.warnings.extend(sections::idle(context.settings));
    roads_with_a_factor(context, &mut overview);
    if !demands.is_empty()
        && !Selection::from_settings(context.settings).is_ok_and(|selection| selection.is_local())
    {
        overview.authenticate.push(format!(
            "on connection policies {}, and on those without a name: approvals in addition",
            demands.join(", ")
        ));
    }
    rules(context, &mut overview, &demands);
    overview
}

/// Reads what both plugins read.
fn of_both(context: &Context<'_>) -> Overview {
    let mut overview = Overview::default();
    state_directory(context, &mut overview);
    overview.take(KeySource::check(context.settings));
    overview
}

/// A relative directory is another one wherever the program is called.
fn state_directory(context: &Context<'_>, overview: &mut Overview) {
    let directory = overview.take(context.settings.text(&store::DIRECTORY)).flatten();
    overview.take(directory.as_deref().map_or(Ok(()), |directory| store::check_own(Path::new(directory))));
    if directory.is_some_and(|directory| !directory.starts_with('/')) {
        let text =
            "[state] directory is relative to the folder in which the plugin is called; write the whole path";
        overview.warnings.push(text.to_owned());
    }
}

/// Reads what connections demand, and whether it can be proved; returns the patterns of those that demand approvals.
fn demands(context: &Context<'_>, overview: &mut Overview) -> Vec<String> {
    let settings = context.settings;
    let has_rules = access::has_rules(settings).unwrap_or_default();
    let demanded = overview.take(mfa::approvals_of_connection(settings, None, has_rules)).flatten();
    let is_excepted = overview.take(mfa::except_whitelisted(settings)).unwrap_or_default();
    let written = overview.take(mfa::approvals_as_written(settings)).flatten();
    let requires = |requirement| {
        let rules = has_rules.then(|| Rules::from_settings(settings).ok()).flatten();
        rules.is_some_and(|rules| rules.in_order().iter().any(|rule| rule.requirement() == requirement))
    };
    let by_rule =
        requires(Requirement::FourEyes).then(|| overview.take(mfa::approvals_of_rule(settings))).flatten();
    let tools = factor::tools(context);
    let mut seen: Vec<String> = Vec::new();
    for service in demanded.iter().chain(&by_rule).flat_map(|demand| demand.realms.services()) {
        if !seen.iter().any(|name| name == service) {
            seen.push(service.to_owned());
            // Without the server's section its realms approve nothing, and the connection is closed.
            overview.take(mfa::check_service(service, tools));
        }
    }
    if requires(Requirement::Factor)
        && Selection::from_settings(settings).is_ok_and(|selection| !selection.asks_for_a_factor())
    {
        overview.errors.push(
            "[mfa] provider is none, and an access rule has require = mfa: it denies everybody".to_owned(),
        );
    }
    if is_excepted && (demanded.is_some() || by_rule.is_some()) {
        overview.warnings.push(
            "[four_eyes] except_whitelisted = yes: whitelisted users need no approvals, even where they are required"
                .to_owned(),
        );
    }
    let Some((connections, realms)) = written.filter(|_| demanded.is_some()) else { return Vec::new() };
    let required =
        match overview.take(Selection::from_settings(settings)).map(|selection| selection.is_local()) {
            Some(true) => "required instead of a factor of the user's own",
            Some(false) | None => "required",
        };
    let whitelists = if is_excepted { "" } else { ", and whitelists do not apply" };
    overview.authenticate.push(format!(
        "connection policies {}, and those without a name: approvals of {realms} {required}{whitelists}; authentications are not cached and outages not ignored",
        connections.join(", ")
    ));
    connections
}

fn roads_without_a_factor(context: &Context<'_>, overview: &mut Overview, demands: &[String]) {
    let settings = context.settings;
    let skipped = overview.take(settings.patterns(&bypass::SKIP_CONNECTIONS)).unwrap_or_default();
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped.iter().map(glob::Pattern::as_str).collect();
        let names = names.join(", ");
        overview.authenticate.push(format!("connection policies {names}: left alone, without any factor"));
        let skipped = settings.list(&bypass::SKIP_CONNECTIONS).unwrap_or_default();
        for (skipped, demanding) in overlap::overlaps(&skipped, demands) {
            overview.errors.push(format!(
                "[auth] skip_connections = {skipped}: [four_eyes] connections = {demanding} requires approvals there, so those connections are denied; remove them from one of the two"
            ));
        }
    }
    if let Some(Some(list)) = overview.take(settings.text(&bypass::USER_LIST)) {
        let is_here = settings.ini().has_section(&format!("user_list {list}"));
        if is_here {
            overview.take(user_list::find(settings, context.appliance, &list));
        }
        let place = if is_here { "" } else { ", which has to be on the appliance" };
        overview.authenticate.push(format!("users allowed by the user list {list}{place}: without a factor"));
    }
    let allow = overview.take(settings.optional_choice(&bypass::GROUP_ALLOW, &Allow::WORDS)).flatten();
    let groups = overview.take(settings.list(&bypass::GROUP_EXCEPT)).unwrap_or_default();
    let is_gap = |text: &String| groups.is_empty() || list::has_gap(text);
    let has_gap =
        overview.take(settings.text(&bypass::GROUP_EXCEPT)).flatten().is_some_and(|text| is_gap(&text));
    let server = overview.take(settings.text(&identity::LDAP_SERVER)).flatten();
    if let Some(Err(LdapError::Setting(error))) = server.as_ref().map(|name| context.directories().find(name))
    {
        overview.take::<(), _>(Err(error));
    }
    if has_gap && allow == Some("all_users") {
        overview.warnings.push(
            "[whitelist source=ldap_server_group] except: a group is missing, so that all_users whitelists no user"
                .to_owned(),
        );
    } else if let (Some(allow), false, Some(server)) = (allow, groups.is_empty(), server) {
        let who = if allow == "all_users" { "everybody but the members" } else { "the members" };
        overview
            .authenticate
            .push(format!("{who} of {} in the directory {server}: without a factor", groups.join(", ")));
    }
    if let Some(Some(limits)) = overview.take(bypass::cache_limits(context)) {
        let times = match limits.reuse_limit {
            limit if limit < 0 => "any number of times".to_owned(),
            limit => format!("at most {limit} times"),
        };
        let shared = overview.take(settings.text(&bypass::SHARE_CONNECTIONS)).flatten().unwrap_or_default();
        let policies = match shared.as_str() {
            "" => "under the same connection policy".to_owned(),
            shared => format!("under the same connection policy, or under any two of {shared}"),
        };
        let except = match demands {
            [] => String::new(),
            names => format!(", except on {}", names.join(", ")),
        };
        overview.authenticate.push(format!(
            "users who authenticated with the same provider from the same address {policies} in the last {} s, {times}: without a factor{except}",
            limits.hard_timeout
        ));
    }
}

fn roads_with_a_factor(context: &Context<'_>, overview: &mut Overview) {
    let settings = context.settings;
    overview.take(mfa::first_prompt(settings));
    overview.take(authenticate::interactive_protocols(context));
    overview.take(mfa::check_tables(settings));
    overview.take(gateway::check(context));
    let disable_echo = overview.take(settings.boolean(&authenticate::DISABLE_ECHO)).unwrap_or_default();
    let faults = overview.errors.len();
    let client = overview.take(mfa::client(factor::tools(context), disable_echo));
    if client.is_none() {
        overview.authenticate.push(if overview.errors.len() > faults {
            "nobody else, because of the error".to_owned()
        } else {
            "users who pass the second factor; whether an outage is ignored cannot be told without the appliance"
                .to_owned()
        });
    }
    if let Some(client) = client {
        let brand = client.branded_name();
        let is_local = Selection::from_settings(settings).is_ok_and(|selection| selection.is_local());
        overview.authenticate.push(match client.proves() {
            true => format!("users who pass {brand}"),
            false => format!("everybody: the provider {brand} asks for nothing"),
        });
        if overview.take(mfa::has_fallback(settings)) == Some(true) && !is_local {
            overview
                .authenticate
                .push(format!("while {brand} cannot be reached: users who pass with a local token"));
        }
        if client.ignore_connection_error() {
            overview.authenticate.push(format!("while {brand} cannot be reached: everybody"));
        }
    }
    if let Some(count) = overview.take(questions::count(context)) {
        for section in questions::unasked(settings.ini(), count) {
            overview.warnings.push(format!(
                "[{section}] is not asked: questions are numbered from [question_1] without a gap, and each has prompt and key"
            ));
        }
    }
}

fn rules(context: &Context<'_>, overview: &mut Overview, demands: &[String]) {
    let settings = context.settings;
    for section in overview.take(access::idle_sections(settings)).into_iter().flatten() {
        overview
            .warnings
            .push(format!("[{section}] has no effect, because [access] provider is another one"));
    }
    let limit = overview.take(settings.integer(&connection_limit::LIMIT, i64::MIN, i64::MAX));
    overview.take(settings.number(&connection_limit::MAX_SESSION_AGE));
    let resolver = SystemResolver { patience: Duration::ZERO };
    let provider = overview.take(access::provider(settings, &resolver));
    match provider.map(|provider| provider.is_some()) {
        None => overview.authorize.push("nobody, because of the error".to_owned()),
        Some(false) => {
            let except = match demands {
                [] => String::new(),
                names => format!(", except on {}", names.join(", ")),
            };
            overview.authorize.push(format!(
                "all users accepted by authenticate, and sessions without a cookie of this plugin's authenticate{except}"
            ));
        }
        Some(true) if overview.take(access::has_rules(settings)) == Some(true) => {
            if let Some(all) = overview.take(Rules::from_settings(settings)) {
                deciding::rules(settings, all.in_order(), overview);
            }
        }
        Some(true) => {
            overview.authorize.push("users allowed by [hosts_for_groups] or [groups_for_hosts]".to_owned())
        }
    }
    if limit.is_some_and(|limit| limit < 0) {
        overview.warnings.push(
            "[connection_limit by=client_ip_gateway_user] limit is below 0: all sessions are denied"
                .to_owned(),
        );
    }
    if let Some(limit) = limit.filter(|limit| *limit != 0) {
        overview
            .authorize
            .push(format!("each of them with at most {} sessions from one address", limit.max(0)));
    }
}

/// Reads what the credential store plugin reads.
pub fn of_credential_store(context: &Context<'_>) -> Overview {
    let mut overview = of_both(context);
    let tools = checkout::tools_without_session(context);
    overview.take(checkout::check(context));
    overview.take(credentials::check_servers(tools, true));
    if let Some(providers) = overview.take(Providers::from_settings(tools)) {
        let goes_on = if providers.goes_on() { "asked" } else { "not asked" };
        overview.credentials = providers.words().map(str::to_owned).collect();
        if overview.credentials.len() > 1 {
            overview.credentials.push(format!("where one fails, the next is {goes_on}"));
        }
    }
    overview
}
