//! May they go there: `[access] provider`, asked by `authorize`. A provider decides; it asks nobody but the resolver.

mod fqdn;
mod hours;
mod networks;
mod pattern;
mod rules;

pub use fqdn::{Resolver, SystemResolver};
pub use rules::{Action, Fact, Match, Rule, Rules};

use crate::clock::UnixTime;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::names::{Address, CountKey, Person};

const PROVIDER: Opt = Opt::new("access", "provider", "none");
const PROVIDERS: [&str; 3] = ["fqdn", "rules", "none"];
/// The options that this module and its providers read.
pub const OPTIONS: [&[Opt]; 3] = [&[PROVIDER], fqdn::OPTIONS, rules::OPTIONS];

/// Who wants to go where. What is not known is `None`.
pub struct Access<'a> {
    /// The user at the gateway.
    pub user: Option<&'a Person>,
    /// All names of that person, where the configuration has several.
    pub names: &'a [CountKey],
    /// The groups of that user.
    pub groups: Option<&'a [String]>,
    /// The target's name, as the user gave it.
    pub host: Option<&'a str>,
    /// The target's address.
    pub address: Option<Address>,
    /// `ssh`, `rdp`, …
    pub protocol: Option<&'a str>,
    /// The account on the target.
    pub account: Option<&'a str>,
    /// When.
    pub now: UnixTime,
}

/// What more an access takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing.
    #[default]
    Nothing,
    /// That this session was authenticated with a second factor, and not let in without one.
    Factor,
    /// The approval of others.
    FourEyes,
}

/// What a provider decides, and what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// They may, if they have what is required.
    Accept {
        /// The rule or table.
        by: String,
        /// What more it takes.
        requirement: Requirement,
    },
    /// They may not.
    Deny {
        /// The rule, or that there is none.
        by: String,
    },
}

/// Decides about accesses; why, goes to `explain`, line by line and without secrets.
pub trait AccessProvider {
    /// Tells whether it looks at the user's groups at all.
    fn looks_at_groups(&self) -> bool {
        true
    }

    /// Decides. In every doubt they may not.
    fn decide(&self, access: &Access<'_>, explain: &mut dyn FnMut(String)) -> Ruling;
}

/// Tells whether rules decide, which may require more than what `authenticate` takes.
///
/// # Errors
/// An unknown provider.
pub fn has_rules(settings: &Settings<'_>) -> Result<bool, SettingError> {
    Ok(settings.choice(&PROVIDER, &PROVIDERS)? == "rules")
}

/// Lists the sections of providers that are not the one that is written, and so have no effect.
///
/// # Errors
/// An unknown provider.
pub fn idle_sections(settings: &Settings<'_>) -> Result<Vec<String>, SettingError> {
    let chosen = settings.choice(&PROVIDER, &PROVIDERS)?;
    Ok(if is_written(settings) { unread(settings, chosen) } else { Vec::new() })
}

fn is_written(settings: &Settings<'_>) -> bool {
    settings.ini().has_option(PROVIDER.section, PROVIDER.option)
}

/// Lists the sections of other providers than one. A header with nothing below it, as a commented example leaves it, is
/// none.
fn unread(settings: &Settings<'_>, chosen: &str) -> Vec<String> {
    let ini = settings.ini();
    let is_idle = |section: &&str| {
        let of = |opts: &[Opt]| opts.iter().any(|opt| opt.matches_section(section));
        // What a rule says may also come from [DEFAULT].
        let says = || rules::OPTIONS.iter().any(|opt| ini.has_option(section, opt.option));
        let is_rule = chosen != "rules" && of(rules::OPTIONS) && says();
        is_rule || (chosen != "fqdn" && of(fqdn::OPTIONS) && ini.has_own_options(section))
    };
    ini.sections().filter(is_idle).map(str::to_owned).collect()
}

/// Makes the provider that `[access] provider` names; `None` for `none`.
///
/// # Errors
/// A provider that is none, or whose tables or rules are unusable. Tables or rules for which none is written at all:
/// whoever wrote them meant them to keep somebody out.
pub fn provider<'a>(
    settings: &Settings<'_>,
    resolver: &'a dyn Resolver,
) -> Result<Option<Box<dyn AccessProvider + 'a>>, SettingError> {
    Ok(match settings.choice(&PROVIDER, &PROVIDERS)? {
        "fqdn" => Some(Box::new(fqdn::Fqdn::from_settings(settings, resolver)?)),
        "rules" => Some(Box::new(Rules::from_settings(settings)?)),
        // Whoever wrote them meant them to be read.
        none if !is_written(settings) => match unread(settings, none).first() {
            Some(section) => {
                let expected = format!("rules, fqdn or, if [{section}] is to have no effect, none");
                return Err(settings.invalid(&PROVIDER, expected));
            }
            None => None,
        },
        _ => None,
    })
}
