//! Where a directory keeps users and groups: what differs between Active Directory, posix and rfc2307bis.

use super::filter::{Filter, NoFilter, is_attribute};
use crate::config::settings::{At, Opt, SettingError, Settings};

const SCHEMA: Opt = Opt::new("ldap_server <name>", "schema", "ad");
const USER_FILTER: Opt = Opt::new("ldap_server <name>", "user_filter", "");
const USER_NAME: Opt = Opt::new("ldap_server <name>", "user_name_attribute", "");
const GROUP_FILTER: Opt = Opt::new("ldap_server <name>", "group_filter", "");
const GROUP_NAME: Opt = Opt::new("ldap_server <name>", "group_name_attribute", "");
const MEMBER: Opt = Opt::new("ldap_server <name>", "member_attribute", "");
const MEMBER_NAME: Opt = Opt::new("ldap_server <name>", "member_name_attribute", "");
const NESTED: Opt = Opt::new("ldap_server <name>", "nested_groups", "");
/// The options that this module reads.
pub(super) const OPTIONS: &[Opt] =
    &[SCHEMA, USER_FILTER, USER_NAME, GROUP_FILTER, GROUP_NAME, MEMBER, MEMBER_NAME, NESTED];

/// What stands for the name in the filters.
const USER: &str = "{user}";
const GROUP: &str = "{group}";

/// How groups in groups are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// Not at all.
    No,
    /// Step by step, by the groups that a group is in.
    Steps,
    /// By the server (`LDAP_MATCHING_RULE_IN_CHAIN`).
    Chain,
}

/// Which group a user is in without being among its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primary {
    /// None is known.
    No,
    /// That of the user's `gidNumber`.
    GidNumber,
    /// That of the user's `primaryGroupID`, in the domain of the user's `objectSid`.
    Sid,
}

/// What is called how.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    user_filter: String,
    /// One of these has to be the name that was looked for.
    pub(super) user_names: Vec<String>,
    group_filter: String,
    pub(super) group_names: Vec<String>,
    /// Hold members by DN.
    pub(super) members: Vec<String>,
    /// Hold members by name.
    pub(super) member_names: Vec<String>,
    pub(super) nested: Nested,
    pub(super) primary: Primary,
}

impl Schema {
    /// Reads what `[ldap_server NAME]` says. Every option goes before what the schema has.
    ///
    /// # Errors
    /// Options that are unusable; with `custom` also filters that are missing.
    pub(super) fn from_settings(settings: &Settings<'_>, section: &str) -> Result<Self, SettingError> {
        let names = ["posix", "rfc2307bis", "custom", "ad"];
        let mut schema = match settings.choice(SCHEMA.of(section), &names)? {
            "posix" => Self::posix(),
            "rfc2307bis" => Self::rfc2307bis(),
            "custom" => {
                settings.required(USER_FILTER.of(section))?;
                settings.required(GROUP_FILTER.of(section))?;
                Self::custom()
            }
            _ => Self::active_directory(),
        };
        for (at, filter, placeholder) in [
            (USER_FILTER.of(section), &mut schema.user_filter, USER),
            (GROUP_FILTER.of(section), &mut schema.group_filter, GROUP),
        ] {
            if let Some(text) = settings.text(at)? {
                Filter::parse(&text, placeholder, "x")
                    .map_err(|wrong| settings.invalid(at, wrong.to_string()))?;
                if !text.contains(placeholder) {
                    return Err(settings.invalid(at, format!("a filter with {placeholder} in it")));
                }
                *filter = text;
            }
        }
        for (at, attributes) in [
            (USER_NAME.of(section), &mut schema.user_names),
            (GROUP_NAME.of(section), &mut schema.group_names),
            (MEMBER.of(section), &mut schema.members),
            (MEMBER_NAME.of(section), &mut schema.member_names),
        ] {
            attributes_from(settings, at, attributes)?;
        }
        let nested = NESTED.of(section);
        match settings.optional_choice(nested, &["yes", "no", "chain"])? {
            None => {}
            Some("yes") => schema.nested = Nested::Steps,
            Some("chain") => schema.nested = Nested::Chain,
            Some(_) => schema.nested = Nested::No,
        }
        Ok(schema)
    }

    fn active_directory() -> Self {
        Self {
            user_filter:
                "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={user})(userPrincipalName={user})))"
                    .to_owned(),
            user_names: owned(&["sAMAccountName", "userPrincipalName"]),
            // Not cn, which is unique in one folder only: whoever may make groups in another could make one of this name.
            group_filter: "(&(objectClass=group)(sAMAccountName={group}))".to_owned(),
            group_names: owned(&["sAMAccountName"]),
            members: owned(&["member"]),
            member_names: Vec::new(),
            nested: Nested::Chain,
            primary: Primary::Sid,
        }
    }

    fn posix() -> Self {
        Self {
            user_filter: "(&(objectClass=posixAccount)(uid={user}))".to_owned(),
            user_names: owned(&["uid"]),
            group_filter: "(&(objectClass=posixGroup)(cn={group}))".to_owned(),
            group_names: owned(&["cn"]),
            members: Vec::new(),
            member_names: owned(&["memberUid"]),
            nested: Nested::No,
            primary: Primary::GidNumber,
        }
    }

    fn rfc2307bis() -> Self {
        Self {
            user_filter: "(&(|(objectClass=posixAccount)(objectClass=inetOrgPerson))(uid={user}))".to_owned(),
            group_filter: "(&(|(objectClass=posixGroup)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))(cn={group}))"
                .to_owned(),
            members: owned(&["member", "uniqueMember"]),
            member_names: Vec::new(),
            nested: Nested::Steps,
            ..Self::posix()
        }
    }

    fn custom() -> Self {
        Self { members: owned(&["member"]), nested: Nested::No, primary: Primary::No, ..Self::rfc2307bis() }
    }

    /// Makes the filter that finds a user.
    pub(super) fn user(&self, name: &str) -> Result<Filter, NoFilter> {
        Filter::parse(&self.user_filter, USER, name)
    }

    /// Makes the filter that finds a group by its name.
    pub(super) fn group(&self, name: &str) -> Result<Filter, NoFilter> {
        Filter::parse(&self.group_filter, GROUP, name)
    }

    /// Makes the filter for groups that one of these is a member of, by DN.
    pub(super) fn has_member<'d>(&self, dns: impl Iterator<Item = &'d str> + Clone) -> Filter {
        let of = |attribute: &String| {
            let attribute = attribute.clone();
            dns.clone().map(move |dn| Filter::equal(&attribute, dn))
        };
        Filter::Or(self.members.iter().flat_map(of).collect())
    }

    /// Makes the filter for groups that one of these is a member of, by name.
    pub(super) fn has_member_named(&self, names: &[String]) -> Filter {
        let of = |attribute: &String| {
            let attribute = attribute.clone();
            names.iter().map(move |name| Filter::equal(&attribute, name.as_str()))
        };
        Filter::Or(self.member_names.iter().flat_map(of).collect())
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Reads a list of attributes, where there is one.
fn attributes_from(
    settings: &Settings<'_>,
    at: At<'_>,
    attributes: &mut Vec<String>,
) -> Result<(), SettingError> {
    let named = settings.list(at)?;
    if named.is_empty() {
        return Ok(());
    }
    if named.len() > 8 || !named.iter().all(|name| is_attribute(name)) {
        return Err(settings.invalid(at, "at most 8 names of attributes, separated by commas".to_owned()));
    }
    *attributes = named;
    Ok(())
}
