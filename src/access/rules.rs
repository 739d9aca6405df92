//! `[access] provider=rules`: the sections `[rule NAME]` in the order in which they stand; the first that matches
//! decides, and where none does, nobody may.
//!
//! A rule speaks of facts that may be unknown: a target without a name, for example. A rule that accepts does not match
//! then; one that denies does, because the unknown may be just what it denies.

use glob::Pattern;

use super::hours::{Hours, Wrong};
use super::networks::Network;
use super::pattern::{self, HostPattern, Name, Reading};
use super::{Access, AccessProvider, Requirement, Ruling};
use crate::config::list::Entries;
use crate::config::settings::{At, Opt, SettingError, Settings};
use crate::names::{self, Address};

const PREFIX: &str = "rule ";
const USERS: Opt = Opt::new("rule <name>", "users", "").with_entries(Entries::Patterns);
const GROUPS: Opt = Opt::new("rule <name>", "groups", "").with_entries(Entries::GroupPatterns);
const HOSTS: Opt = Opt::new("rule <name>", "hosts", "").with_entries(Entries::Parsed);
const NETWORKS: Opt = Opt::new("rule <name>", "networks", "").with_entries(Entries::Parsed);
const PROTOCOLS: Opt = Opt::new("rule <name>", "protocols", "").with_entries(Entries::Parsed);
const ACCOUNTS: Opt = Opt::new("rule <name>", "accounts", "").with_entries(Entries::Patterns);
const DAYS: Opt = Opt::new("rule <name>", "days", "").with_entries(Entries::Phrases);
const HOURS: Opt = Opt::new("rule <name>", "hours", "").with_entries(Entries::Phrases);
const TIME_ZONE: Opt = Opt::new("rule <name>", "time_zone", "UTC");
const REQUIRE: Opt = Opt::new("rule <name>", "require", "none");
const ACTION: Opt = Opt::new("rule <name>", "action", "");
pub(super) const OPTIONS: &[Opt] =
    &[USERS, GROUPS, HOSTS, NETWORKS, PROTOCOLS, ACCOUNTS, DAYS, HOURS, TIME_ZONE, REQUIRE, ACTION];

/// What a rule does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// They may.
    Accept,
    /// They may not.
    Deny,
}

/// What a condition of a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The user's name.
    User,
    /// The user's groups.
    Groups,
    /// The target's name.
    Host,
    /// The target's address.
    Network,
    /// The protocol.
    Protocol,
    /// The account on the target.
    Account,
    /// Day and hour.
    Time,
}

impl Fact {
    fn name(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Groups => "groups",
            Self::Host => "hosts",
            Self::Network => "networks",
            Self::Protocol => "protocols",
            Self::Account => "accounts",
            Self::Time => "days and hours",
        }
    }
}

/// Whether a rule is about an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is.
    Yes,
    /// It is not, because of this.
    No(Fact),
    /// Everything known fits, but this is not known.
    Perhaps(Fact),
}

/// One section `[rule NAME]`. What is `None` is not looked at.
pub struct Rule {
    name: String,
    users: Option<Vec<Name>>,
    groups: Option<Vec<Name>>,
    hosts: Option<Vec<HostPattern>>,
    networks: Option<Vec<Network>>,
    protocols: Option<Vec<Pattern>>,
    accounts: Option<Vec<Name>>,
    time: Option<Hours>,
    requirement: Requirement,
    action: Action,
}

impl Rule {
    fn from_settings(settings: &Settings<'_>, section: &str) -> Result<Self, SettingError> {
        let action = ACTION.of(section);
        let action = match settings.optional_choice(action, &["accept", "deny"])? {
            Some("accept") => Action::Accept,
            Some(_) => Action::Deny,
            None => return Err(settings.invalid(action, "accept or deny".to_owned())),
        };
        let requirement = match settings.choice(REQUIRE.of(section), &["mfa", "four_eyes", "none"])? {
            "mfa" => Requirement::Factor,
            "four_eyes" => Requirement::FourEyes,
            _ => Requirement::Nothing,
        };
        if action == Action::Deny && requirement != Requirement::Nothing {
            let expected = "none, because the rule denies".to_owned();
            return Err(settings.invalid(REQUIRE.of(section), expected));
        }
        let reading = match action {
            Action::Accept => Reading::Exact,
            Action::Deny => Reading::Every,
        };
        let people = names::Rules::from_settings(settings)?;
        let names = |opt: &Opt| {
            let expected = "names or shell patterns of them (*, ?, [a-z])";
            patterns(settings, opt.of(section), expected, |entry| Name::parse(entry, reading, &people))
        };
        let hosts = "host names, addresses or shell patterns of them (*, ?, [a-z]) without scheme and port";
        let protocols = "protocols of SPS such as ssh, rdp, telnet, vnc, ica, http or shell patterns of them";
        Ok(Self {
            name: section.strip_prefix(PREFIX).unwrap_or(section).to_owned(),
            users: names(&USERS)?,
            groups: names(&GROUPS)?,
            hosts: patterns(settings, HOSTS.of(section), hosts, HostPattern::parse)?,
            networks: networks(settings, NETWORKS.of(section))?,
            protocols: patterns(settings, PROTOCOLS.of(section), protocols, pattern::protocol)?,
            accounts: names(&ACCOUNTS)?,
            time: time(settings, section)?,
            requirement,
            action,
        })
    }

    /// The name in `[rule NAME]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn action(&self) -> Action {
        self.action
    }

    /// What it takes besides.
    pub fn requirement(&self) -> Requirement {
        self.requirement
    }

    /// Tells whether the rule is about an access.
    pub fn matches(&self, access: &Access<'_>) -> Match {
        let mut result = Match::Yes;
        for (fact, holds) in self.conditions(access) {
            match holds {
                Some(true) => {}
                Some(false) => return Match::No(fact),
                None if result == Match::Yes => result = Match::Perhaps(fact),
                None => {}
            }
        }
        result
    }

    /// Returns for each condition whether it holds; `None` where that cannot be known.
    fn conditions(&self, access: &Access<'_>) -> Vec<(Fact, Option<bool>)> {
        let reading = match self.action {
            Action::Accept => Reading::Exact,
            Action::Deny => Reading::Every,
        };
        let address = access.address.as_ref();
        let within = |network: &Network, address: &Address| match reading {
            Reading::Exact => network.contains(address),
            Reading::Every => network.may_contain(address),
        };
        let is_user = |all: &[Name]| {
            let is_alias = self.action == Action::Deny && pattern::alias(all, access.names);
            if is_alias { Some(true) } else { pattern::user(all, access.user?, reading) }
        };
        let protocol = access.protocol.filter(|text| !text.is_empty()).map(str::to_lowercase);
        let found = [
            (Fact::User, self.users.as_ref().map(|all| is_user(all))),
            (Fact::Groups, self.groups.as_ref().map(|all| pattern::groups(all, access.groups))),
            (Fact::Host, self.hosts.as_ref().map(|all| pattern::host(all, access.host, address, reading))),
            (
                Fact::Network,
                self.networks
                    .as_ref()
                    .map(|all| address.map(|address| all.iter().any(|network| within(network, address)))),
            ),
            (
                Fact::Protocol,
                self.protocols
                    .as_ref()
                    .map(|all| protocol.as_ref().map(|text| all.iter().any(|pattern| pattern.matches(text)))),
            ),
            (Fact::Account, self.accounts.as_ref().map(|all| pattern::account(all, access.account, reading))),
            (Fact::Time, self.time.as_ref().map(|hours| Some(hours.contain(access.now)))),
        ];
        found.into_iter().filter_map(|(fact, holds)| Some((fact, holds?))).collect()
    }
}

/// All rules, in their order.
pub struct Rules {
    all: Vec<Rule>,
}

impl Rules {
    /// Reads the sections `[rule NAME]`.
    ///
    /// # Errors
    /// No rule, or one that is unusable: its slip of the pen may be what was to keep somebody out.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, SettingError> {
        let sections: Vec<String> =
            settings.ini().sections().filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect();
        if sections.is_empty() {
            let expected = "sections [rule NAME] where provider is rules; without one nobody may".to_owned();
            return Err(settings.invalid(&super::PROVIDER, expected));
        }
        let all = sections.iter().map(|section| Rule::from_settings(settings, section));
        Ok(Self { all: all.collect::<Result<_, _>>()? })
    }

    /// The rules in the order in which they are tried.
    pub fn in_order(&self) -> &[Rule] {
        &self.all
    }
}

impl AccessProvider for Rules {
    fn looks_at_groups(&self) -> bool {
        self.all.iter().any(|rule| rule.groups.is_some())
    }

    fn decide(&self, access: &Access<'_>, explain: &mut dyn FnMut(String)) -> Ruling {
        for rule in &self.all {
            let by = format!("rule {}", rule.name);
            match (rule.matches(access), rule.action) {
                (Match::Yes, Action::Accept) => {
                    explain(format!("{by} accepts"));
                    return Ruling::Accept { by, requirement: rule.requirement };
                }
                (Match::Yes, Action::Deny) => {
                    explain(format!("{by} denies"));
                    return Ruling::Deny { by };
                }
                (Match::Perhaps(fact), Action::Deny) => {
                    explain(format!("{by} denies: whether its {} fit is not known", fact.name()));
                    return Ruling::Deny { by };
                }
                (Match::Perhaps(fact), Action::Accept) => {
                    explain(format!("{by} does not match: whether its {} fit is not known", fact.name()));
                }
                (Match::No(fact), _) => {
                    explain(format!("{by} does not match: its {} do not fit", fact.name()));
                }
            }
        }
        explain("no rule matches, so nobody may".to_owned());
        Ruling::Deny { by: "no rule matches".to_owned() }
    }
}

/// Reads patterns; `None` if the option is not set. A pattern that can never match is an
/// error: it may have been meant to keep somebody out.
fn patterns<T>(
    settings: &Settings<'_>,
    at: At<'_>,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, SettingError> {
    if settings.text(at)?.is_none() {
        return Ok(None);
    }
    let pattern = |entry: &String| {
        let why = || format!("can never match; expected are {expected}");
        parse(entry).ok_or_else(|| settings.bad_entry(at, entry, &why()))
    };
    settings.required_list(at)?.iter().map(pattern).collect::<Result<_, _>>().map(Some)
}

fn networks(settings: &Settings<'_>, at: At<'_>) -> Result<Option<Vec<Network>>, SettingError> {
    if settings.text(at)?.is_none() {
        return Ok(None);
    }
    let network = |entry: &String| {
        let why = "is not a network such as 10.0.0.0/8 with all host bits zero";
        Network::parse(entry).ok_or_else(|| settings.bad_entry(at, entry, why))
    };
    settings.required_list(at)?.iter().map(network).collect::<Result<_, _>>().map(Some)
}

fn time(settings: &Settings<'_>, section: &str) -> Result<Option<Hours>, SettingError> {
    let entries = |opt: &Opt| -> Result<Option<Vec<String>>, SettingError> {
        let at = opt.of(section);
        settings.text(at)?.map(|_| settings.required_list(at)).transpose()
    };
    let (days, hours) = (entries(&DAYS)?, entries(&HOURS)?);
    if days.is_none() && hours.is_none() {
        return Ok(None);
    }
    let name = settings.required(TIME_ZONE.of(section))?;
    let zone = Hours::zone(&name).ok_or_else(|| {
        let expected =
            "a time zone of the IANA database such as Europe/Berlin, which this system has".to_owned();
        settings.invalid(TIME_ZONE.of(section), expected)
    })?;
    match Hours::parse(zone, days.as_deref(), hours.as_deref()) {
        Ok(hours) => Ok(Some(hours)),
        Err(Wrong::Days) => Err(settings.invalid(DAYS.of(section), "days such as mon-fri, sun".to_owned())),
        Err(Wrong::Hours) => {
            let expected = "hours such as 08:00-12:00, 22:00-06:00".to_owned();
            Err(settings.invalid(HOURS.of(section), expected))
        }
    }
}

#[cfg(test)]
mod tests;
