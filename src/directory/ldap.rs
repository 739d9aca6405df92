//! What a directory says: attributes and groups of a user.

use serde_json::Value;

use crate::appliance::{Appliance, LdapDirectory};

/// Says why a directory gave no answer. Neither ever whitelists anybody.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// The directory does not know the user.
    #[error("the user is not in the directory '{0}'")]
    UserNotFound(String),
    /// The directory did not answer, or not with something usable.
    #[error("the directory '{policy}' cannot be used: {reason}")]
    Operation {
        /// The policy's name.
        policy: String,
        /// What is wrong.
        reason: &'static str,
    },
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
}

/// Finds a directory by the name of its policy.
///
/// # Errors
/// [`LdapError::Operation`] where there is none of that name.
pub fn find<'a>(appliance: &'a Appliance, policy: &str) -> Result<Box<dyn Directory + 'a>, LdapError> {
    match appliance.ldap_servers.get(policy) {
        Some(found) => Ok(Box::new(FromAppliance { policy: policy.to_owned(), found })),
        None => Err(LdapError::Operation {
            policy: policy.to_owned(),
            reason: "the caller has passed none of that name",
        }),
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
        self.user(user)?;
        let member = |group: &String| {
            self.found.groups.get(group).is_some_and(|all| all.iter().any(|name| name == user))
        };
        Ok(groups.iter().any(member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appliance() -> Appliance {
        serde_json::from_str(
            r#"{"ldap_servers": {"empty": {}, "ad": {"users": {"alice": {"Mail": ["a@x", "b@x"], "uid": 7, "odd": true}},
                "groups": {"dba": ["alice", "ghost"]}}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn an_attribute_is_found_in_any_case_and_may_have_several_values() {
        let appliance = appliance();
        let ad = find(&appliance, "ad").unwrap();
        assert_eq!(ad.attribute("alice", "MAIL").unwrap(), ["a@x", "b@x"]);
        assert_eq!(ad.attribute("alice", "uid").unwrap(), ["7"]);
        assert!(ad.attribute("alice", "nothing").unwrap().is_empty());
        assert!(matches!(ad.attribute("alice", "odd"), Err(LdapError::Operation { .. })));
    }

    #[test]
    fn a_user_who_is_not_found_is_in_no_group() {
        let appliance = appliance();
        let ad = find(&appliance, "ad").unwrap();
        assert!(ad.in_one_of("alice", &["x".to_owned(), "dba".to_owned()]).unwrap());
        assert!(!ad.in_one_of("alice", &["x".to_owned()]).unwrap());
        assert!(matches!(ad.in_one_of("ghost", &["dba".to_owned()]), Err(LdapError::UserNotFound(_))));
        assert!(matches!(
            find(&appliance, "empty").unwrap().attribute("alice", "mail"),
            Err(LdapError::Operation { .. })
        ));
        assert!(matches!(find(&appliance, "other").err(), Some(LdapError::Operation { .. })));
    }
}
