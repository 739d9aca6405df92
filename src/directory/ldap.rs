//! What a directory says: attributes and groups of a user.
//!
//! A directory is the appliance's, where the caller has looked up what the session needs, else `[ldap_server NAME]` of the
//! configuration, which is asked over LDAP.

use serde_json::Value;

use crate::appliance::{Appliance, LdapDirectory};
use crate::clock::Budget;
use crate::config::settings::{SettingError, Settings};
use crate::ldap::{Server, ServerError};
use crate::logging::Log;
use crate::names::{CountKey, Person};

/// Says why a directory gave no answer. None of these ever whitelists anybody.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// The directory does not know the user, or knows several of this name.
    #[error("the user is not in the directory '{0}', or there several times")]
    UserNotFound(String),
    /// The directory did not answer, or not with something usable.
    #[error("the directory '{policy}' cannot be used: {reason}")]
    Operation {
        /// The policy's name.
        policy: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The same of a directory that was asked over LDAP.
    #[error("the directory '{policy}' cannot be used")]
    Server {
        /// The name of its section.
        policy: String,
        /// What is wrong.
        source: ServerError,
    },
    /// Its section is unusable.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

/// Answers for the users of one directory.
pub trait Directory {
    /// Returns the values of a user's attribute, whose name is taken in any case; none if the user has none.
    ///
    /// # Errors
    /// [`LdapError`].
    fn attribute(&self, user: &str, attribute: &str) -> Result<Vec<String>, LdapError>;

    /// Tells whether the user is a member of one of the groups.
    ///
    /// # Errors
    /// [`LdapError`].
    fn in_one_of(&self, user: &str, groups: &[String]) -> Result<bool, LdapError>;

    /// Tells whether the user may be a member of one of the groups, for what forbids: also by a member's name that may be
    /// another spelling of the user's. A server compares names itself.
    ///
    /// # Errors
    /// [`LdapError`].
    fn may_be_in_one_of(&self, user: &Person, groups: &[String]) -> Result<bool, LdapError> {
        self.in_one_of(user.as_str(), groups)
    }

    /// Returns the names of the groups that the user is in, for rules that speak of groups.
    ///
    /// # Errors
    /// [`LdapError`].
    fn groups_of(&self, user: &str) -> Result<Vec<String>, LdapError>;
}

/// Where directories are looked for, and what asking them takes.
#[derive(Clone, Copy)]
pub struct Directories<'a> {
    /// The configuration.
    pub settings: &'a Settings<'a>,
    /// The appliance's policies, which go first.
    pub appliance: &'a Appliance,
    /// The log.
    pub log: &'a Log,
    /// The time of this hook.
    pub budget: Budget<'a>,
}

impl<'a> Directories<'a> {
    /// Finds a directory by the name of its policy. Nothing is connected before it is asked.
    ///
    /// # Errors
    /// [`LdapError::Operation`] where there is none of that name, [`LdapError::Setting`] where its section is unusable.
    pub fn find(self, policy: &str) -> Result<Box<dyn Directory + 'a>, LdapError> {
        let policy = policy.to_owned();
        if let Some(found) = self.appliance.ldap_servers.get(&policy) {
            return Ok(Box::new(FromAppliance { policy, found }));
        }
        match Server::from_settings(self.settings, self.log, self.budget, &policy)? {
            Some(server) => Ok(Box::new(OverLdap { policy, server })),
            None => Err(LdapError::Operation {
                policy,
                reason: "the caller has passed none of that name, and the configuration has no such section",
            }),
        }
    }
}

/// A directory that is asked.
struct OverLdap<'a> {
    policy: String,
    server: Server<'a>,
}

impl OverLdap<'_> {
    fn sort(&self, error: ServerError) -> LdapError {
        let policy = self.policy.clone();
        match error {
            ServerError::UserNotFound | ServerError::SeveralUsers => LdapError::UserNotFound(policy),
            ServerError::Setting(error) => error.into(),
            source @ (ServerError::Unreachable { .. }
            | ServerError::NoTime(_)
            | ServerError::Garbled { .. }
            | ServerError::TooMuch(_)
            | ServerError::Refused { .. }
            | ServerError::NothingToBindWith
            | ServerError::NoSuchGroup(_)
            | ServerError::SeveralGroups(_)
            | ServerError::TooManyGroups
            | ServerError::NoText(_)) => LdapError::Server { policy, source },
        }
    }
}

impl Directory for OverLdap<'_> {
    fn attribute(&self, user: &str, attribute: &str) -> Result<Vec<String>, LdapError> {
        self.server.attribute(user, attribute).map_err(|error| self.sort(error))
    }

    fn in_one_of(&self, user: &str, groups: &[String]) -> Result<bool, LdapError> {
        self.server.in_one_of(user, groups).map_err(|error| self.sort(error))
    }

    fn groups_of(&self, user: &str) -> Result<Vec<String>, LdapError> {
        self.server.groups_of(user).map_err(|error| self.sort(error))
    }
}

/// What the caller has looked up already.
struct FromAppliance<'a> {
    policy: String,
    found: &'a LdapDirectory,
}

impl FromAppliance<'_> {
    fn failed(&self, reason: &'static str) -> LdapError {
        LdapError::Operation { policy: self.policy.clone(), reason }
    }

    fn user(&self, user: &str) -> Result<&std::collections::BTreeMap<String, Value>, LdapError> {
        let users = self.found.users.as_ref().ok_or_else(|| self.failed("the caller has passed no users"))?;
        users.get(user).ok_or_else(|| LdapError::UserNotFound(self.policy.clone()))
    }

    /// Tells whether one of the groups has a member who is the user.
    fn has_member(
        &self,
        user: &str,
        groups: &[String],
        is_user: &dyn Fn(&str) -> bool,
    ) -> Result<bool, LdapError> {
        self.user(user)?;
        let member = |group: &String| {
            self.found.groups.get(group).is_some_and(|all| all.iter().any(|name| is_user(name)))
        };
        if groups.iter().any(member) {
            return Ok(true);
        }
        // With allow=all_users, a group that does not exist would keep out no one.
        if groups.iter().any(|group| !self.found.groups.contains_key(group)) {
            return Err(self.failed("the appliance has not passed all groups that are configured"));
        }
        Ok(false)
    }
}

impl Directory for FromAppliance<'_> {
    fn attribute(&self, user: &str, attribute: &str) -> Result<Vec<String>, LdapError> {
        let wanted = attribute.to_lowercase();
        let found = self.user(user)?.iter().find(|(name, _)| name.to_lowercase() == wanted);
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.failed("an attribute is neither text nor number"))
            }
        };
        match found {
            None => Ok(Vec::new()),
            Some((_, Value::Array(values))) => values.iter().map(text).collect(),
            Some((_, value)) => text(value).map(|value| vec![value]),
        }
    }

    fn in_one_of(&self, user: &str, groups: &[String]) -> Result<bool, LdapError> {
        self.has_member(user, groups, &|name| name == user)
    }

    fn may_be_in_one_of(&self, user: &Person, groups: &[String]) -> Result<bool, LdapError> {
        self.has_member(user.as_str(), groups, &|name| user.count_key().may_be(&CountKey::of(name)))
    }

    fn groups_of(&self, user: &str) -> Result<Vec<String>, LdapError> {
        self.user(user)?;
        let of = self.found.groups.iter().filter(|(_, all)| all.iter().any(|name| name == user));
        Ok(of.map(|(group, _)| group.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, UnixTime};
    use crate::config::ini::Ini;
    use crate::config::reference::NothingElse;

    fn appliance() -> Appliance {
        serde_json::from_str(
            r#"{"ldap_servers": {"empty": {}, "ad": {"users": {"alice": {"Mail": ["a@x", "b@x"], "uid": 7, "odd": true}},
                "groups": {"dba": ["alice", "ghost"]}}}}"#,
        )
        .unwrap()
    }

    struct NoTime;

    impl Clock for NoTime {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(0)
        }

        fn elapsed(&self) -> Duration {
            Duration::MAX
        }
    }

    /// Looks for a directory of the appliance above, or of a configuration.
    fn with<T>(configuration: &str, work: impl FnOnce(Directories<'_>) -> T) -> T {
        let mut ini = Ini::new();
        ini.read_str("plugin.ini", configuration).unwrap();
        let (appliance, log) = (appliance(), Log::new(Box::new(std::io::sink())));
        let (settings, budget) = (Settings::new(ini, &NothingElse), Budget::new(&NoTime, Duration::ZERO));
        work(Directories { settings: &settings, appliance: &appliance, log: &log, budget })
    }

    #[test]
    fn an_attribute_is_found_in_any_case_and_may_have_several_values() {
        with("", |directories| {
            let ad = directories.find("ad").unwrap();
            assert_eq!(ad.attribute("alice", "MAIL").unwrap(), ["a@x", "b@x"]);
            assert_eq!(ad.attribute("alice", "uid").unwrap(), ["7"]);
            assert!(ad.attribute("alice", "nothing").unwrap().is_empty());
            assert!(matches!(ad.attribute("alice", "odd"), Err(LdapError::Operation { .. })));
        });
    }

    #[test]
    fn a_user_who_is_not_found_is_in_no_group() {
        with("", |directories| {
            let ad = directories.find("ad").unwrap();
            assert!(ad.in_one_of("alice", &["x".to_owned(), "dba".to_owned()]).unwrap());
            assert!(matches!(ad.in_one_of("alice", &["x".to_owned()]), Err(LdapError::Operation { .. })));
            assert!(matches!(ad.in_one_of("ghost", &["dba".to_owned()]), Err(LdapError::UserNotFound(_))));
            assert_eq!(ad.groups_of("alice").unwrap(), ["dba"]);
            assert!(matches!(ad.groups_of("ghost"), Err(LdapError::UserNotFound(_))));
            let empty = directories.find("empty").unwrap();
            assert!(matches!(empty.attribute("alice", "mail"), Err(LdapError::Operation { .. })));
            assert!(matches!(directories.find("other").err(), Some(LdapError::Operation { .. })));
        });
    }

    #[test]
    fn the_appliances_directory_goes_before_the_configurations() {
        const SERVER: &str = "url=ldap://127.0.0.1:9\nuser_base_dn=dc=x\n";
        with(
            &format!("[ldap_server ad]\n{SERVER}[ldap_server own]\n{SERVER}[ldap_server bad]\n"),
            |directories| {
                assert_eq!(directories.find("ad").unwrap().groups_of("alice").unwrap(), ["dba"]);
                // No time is left, so nobody is asked.
                let own = directories.find("own").unwrap().attribute("alice", "mail");
                assert!(matches!(own, Err(LdapError::Server { source: ServerError::NoTime(_), .. })));
                assert!(matches!(directories.find("bad").err(), Some(LdapError::Setting(_))));
            },
        );
    }
}
