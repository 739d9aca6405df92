//! `[access] provider=rules`: the sections `[rule NAME]` in the order in which they stand; the first that matches
//! decides, and where none does, nobody may.
//!
//! A rule speaks of facts that may be unknown: a target without a name, for example. A rule that accepts does not match
//! then; one that denies does, because the unknown may be just what it denies.

use glob::Pattern;

use super::hours::{Hours, Wrong};
use super::networks::Network;
use super::{Access, AccessProvider, Requirement, Ruling};
use crate::config::settings::{At, Opt, SettingError, Settings};

const PREFIX: &str = "rule ";
const USERS: Opt = Opt::new("rule <name>", "users", "");
const GROUPS: Opt = Opt::new("rule <name>", "groups", "");
const HOSTS: Opt = Opt::new("rule <name>", "hosts", "");
const NETWORKS: Opt = Opt::new("rule <name>", "networks", "");
const PROTOCOLS: Opt = Opt::new("rule <name>", "protocols", "");
const ACCOUNTS: Opt = Opt::new("rule <name>", "accounts", "");
const DAYS: Opt = Opt::new("rule <name>", "days", "");
const HOURS: Opt = Opt::new("rule <name>", "hours", "");
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
    users: Option<Vec<Pattern>>,
    groups: Option<Vec<Pattern>>,
    hosts: Option<Vec<Pattern>>,
    networks: Option<Vec<Network>>,
    protocols: Option<Vec<Pattern>>,
    accounts: Option<Vec<Pattern>>,
    time: Option<Hours>,
    requirement: Requirement,
    action: Action,
}

impl Rule {
    fn from_settings(settings: &Settings<'_>, section: &str) -> Result<Self, SettingError> {
        let patterns = |opt: &Opt| patterns(settings, opt.of(section));
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
        Ok(Self {
            name: section.strip_prefix(PREFIX).unwrap_or(section).to_owned(),
            users: patterns(&USERS)?,
            groups: patterns(&GROUPS)?,
            hosts: patterns(&HOSTS)?,
            networks: networks(settings, NETWORKS.of(section))?,
            protocols: patterns(&PROTOCOLS)?,
            accounts: patterns(&ACCOUNTS)?,
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
        let some = |text: Option<&'_ str>| text.filter(|text| !text.is_empty()).map(str::to_lowercase);
        let one = |patterns: &[Pattern], text: Option<&'_ str>| {
            some(text).map(|text| patterns.iter().any(|pattern| pattern.matches(&text)))
        };
        let address = access.address.map(|address| address.to_canonical());
        let in_groups = |patterns: &Vec<Pattern>| {
            Some(access.groups.iter().any(|group| one(patterns, Some(group)) == Some(true)))
        };
        // The address is a name of the target as well; the one that the user gave may be another.
        let on_host = |patterns: &Vec<Pattern>| match address.map(|address| address.to_string()) {
            Some(address) if one(patterns, Some(&address)) == Some(true) => Some(true),
            Some(_) | None => one(patterns, access.host),
        };
        let in_networks = |networks: &Vec<Network>| {
            address.map(|address| networks.iter().any(|network| network.contains(address)))
        };
        let found = [
            (Fact::User, self.users.as_ref().map(|patterns| one(patterns, Some(access.user)))),
            (Fact::Groups, self.groups.as_ref().map(in_groups)),
            (Fact::Host, self.hosts.as_ref().map(on_host)),
            (Fact::Network, self.networks.as_ref().map(in_networks)),
            (Fact::Protocol, self.protocols.as_ref().map(|patterns| one(patterns, access.protocol))),
            (Fact::Account, self.accounts.as_ref().map(|patterns| one(patterns, access.account))),
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

/// Reads shell patterns in lower case; `None` where the option is not there.
fn patterns(settings: &Settings<'_>, at: At<'_>) -> Result<Option<Vec<Pattern>>, SettingError> {
    let Some(text) = settings.text(at)? else { return Ok(None) };
    let expected = || "shell patterns (*, ?, [a-z]) separated by commas, none of them empty".to_owned();
    let entries = text.split(',').map(str::trim);
    let patterns: Result<Vec<_>, _> = entries
        .map(|entry| match entry {
            "" => Err(settings.invalid(at, expected())),
            entry => Pattern::new(&entry.to_lowercase()).map_err(|_| settings.invalid(at, expected())),
        })
        .collect();
    patterns.map(Some)
}

fn networks(settings: &Settings<'_>, at: At<'_>) -> Result<Option<Vec<Network>>, SettingError> {
    let Some(text) = settings.text(at)? else { return Ok(None) };
    let networks: Option<Vec<_>> = text.split(',').map(|entry| Network::parse(entry.trim())).collect();
    let expected =
        || "networks such as 10.0.0.0/8, separated by commas, with no bits behind the prefix".to_owned();
    networks.map(Some).ok_or_else(|| settings.invalid(at, expected()))
}

fn time(settings: &Settings<'_>, section: &str) -> Result<Option<Hours>, SettingError> {
    let (days, hours) = (settings.text(DAYS.of(section))?, settings.text(HOURS.of(section))?);
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
mod tests {
    use super::*;
    use crate::clock::UnixTime;
    use crate::config::ini::Ini;
    use crate::config::reference::{Lookup, ReferenceError};

    /// Refers to nothing.
    struct Nowhere;

    impl Lookup for Nowhere {
        fn credential(
            &self,
            _: &str,
            _: &str,
            _: &str,
        ) -> Result<Option<secrecy::SecretString>, ReferenceError> {
            Ok(None)
        }
        fn certificate(
            &self,
            _: &str,
            _: &str,
            _: &str,
        ) -> Result<Option<(String, secrecy::SecretString)>, ReferenceError> {
            Ok(None)
        }
        fn trusted_ca_list(&self, _: &str) -> Option<Vec<String>> {
            None
        }
        fn environment(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn rules(text: &str) -> Result<Rules, String> {
        let mut ini = Ini::new();
        ini.read_str("test", text).unwrap();
        Rules::from_settings(&Settings::new(ini, &Nowhere)).map_err(|error| error.to_string())
    }

    fn access<'a>(groups: &'a [String]) -> Access<'a> {
        Access {
            user: "alice",
            groups,
            host: Some("db1.example.org"),
            address: Some("10.1.2.3".parse().unwrap()),
            protocol: Some("ssh"),
            account: Some("root"),
            now: UnixTime::parse("2026-01-05T12:00:00Z").unwrap(),
        }
    }

    fn decide(text: &str, change: impl FnOnce(&mut Access<'_>)) -> Ruling {
        let groups = ["dba".to_owned(), "Staff".to_owned()];
        let mut access = access(&groups);
        change(&mut access);
        rules(text).unwrap().decide(&access, &mut |_| {})
    }

    fn accepted(by: &str) -> Ruling {
        Ruling::Accept { by: by.to_owned(), requirement: Requirement::Nothing }
    }

    fn denied(by: &str) -> Ruling {
        Ruling::Deny { by: by.to_owned() }
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_without_one_nobody_may() {
        let text =
            "[rule a]\nusers=bob\naction=accept\n[rule b]\nusers=a*\naction=deny\n[rule c]\naction=accept\n";
        assert_eq!(decide(text, |_| {}), denied("rule b"));
        assert_eq!(decide(text, |access| access.user = "bob"), accepted("rule a"));
        assert_eq!(decide(text, |access| access.user = "carol"), accepted("rule c"));
        assert_eq!(decide("[rule a]\nusers=bob\naction=accept\n", |_| {}), denied("no rule matches"));
    }

    #[test]
    fn every_condition_of_a_rule_has_to_hold() {
        let whole = "[rule a]\nusers=ALICE\ngroups=x, staff\nhosts=db?.example.org\nnetworks=10.0.0.0/8\n\
                     protocols=SSH\naccounts=root\ndays=mon\nhours=08:00-17:00\naction=accept\n";
        assert_eq!(decide(whole, |_| {}), accepted("rule a"));
        let other: [fn(&mut Access<'_>); 7] = [
            |access| access.user = "bob",
            |access| access.groups = &[],
            |access| access.host = Some("db10.example.org"),
            |access| access.address = Some("11.0.0.1".parse().unwrap()),
            |access| access.protocol = Some("rdp"),
            |access| access.account = Some("toor"),
            |access| access.now = UnixTime::parse("2026-01-05T17:00:00Z").unwrap(),
        ];
        for (number, change) in other.into_iter().enumerate() {
            assert_eq!(decide(whole, change), denied("no rule matches"), "{number}");
        }
    }

    #[test]
    fn what_is_not_known_accepts_nobody_and_denies() {
        let unknown: [(&str, fn(&mut Access<'_>)); 4] = [
            ("hosts=db1*", |access| access.host = None),
            ("networks=10.0.0.0/8", |access| access.address = None),
            ("protocols=ssh", |access| access.protocol = None),
            ("accounts=root", |access| access.account = Some("")),
        ];
        for (condition, change) in unknown {
            let accepting = format!("[rule a]\n{condition}\naction=accept\n");
            assert_eq!(decide(&accepting, |_| {}), accepted("rule a"), "{condition}");
            assert_eq!(decide(&accepting, change), denied("no rule matches"), "{condition}");
            let denying = format!("[rule a]\n{condition}\naction=deny\n[rule b]\naction=accept\n");
            assert_eq!(decide(&denying, change), denied("rule a"), "{condition}");
            // A rule that does not fit in what is known denies nothing.
            let elsewhere =
                format!("[rule a]\n{condition}\nusers=bob\naction=deny\n[rule b]\naction=accept\n");
            assert_eq!(decide(&elsewhere, change), accepted("rule b"), "{condition}");
        }
    }

    #[test]
    fn a_target_that_was_given_by_its_address_is_also_a_host() {
        let text = "[rule a]\nhosts=10.1.*\naction=accept\n";
        assert_eq!(decide(text, |access| access.host = None), accepted("rule a"));
        assert_eq!(decide(text, |_| {}), accepted("rule a"));
    }

    #[test]
    fn what_is_required_comes_with_the_rule() {
        for (word, requirement) in [
            ("none", Requirement::Nothing),
            ("mfa", Requirement::Factor),
            ("four_eyes", Requirement::FourEyes),
        ] {
            let text = format!("[rule a]\nrequire={word}\naction=accept\n");
            assert_eq!(decide(&text, |_| {}), Ruling::Accept { by: "rule a".to_owned(), requirement });
        }
    }

    #[test]
    fn a_rule_with_a_slip_of_the_pen_is_an_error_and_not_a_rule_without_it() {
        for (bad, option) in [
            ("users=\naction=accept", "users"),
            ("users=a,,b\naction=accept", "users"),
            ("hosts=[\naction=accept", "hosts"),
            ("networks=10.1.2.3/8\naction=accept", "networks"),
            ("networks=\naction=accept", "networks"),
            ("days=monday\naction=accept", "days"),
            ("hours=8-17\naction=accept", "hours"),
            ("hours=08:00-17:00\ntime_zone=Mars/Olympus\naction=accept", "time_zone"),
            ("require=both\naction=accept", "require"),
            ("require=mfa\naction=deny", "require"),
            ("action=allow", "action"),
            ("users=alice", "action"),
        ] {
            let error = rules(&format!("[rule a]\n{bad}\n")).err().unwrap();
            assert!(error.contains(&format!("[rule a] {option}")), "{bad}: {error}");
        }
        assert!(rules("[mfa]\n").err().unwrap().contains("[access] provider"));
    }
}
