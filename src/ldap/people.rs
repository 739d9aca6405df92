//! Users and their groups. No list of members is read: the server is asked whether somebody is on it.

use super::filter::Filter;
use super::message::{Entry, Scope};
use super::name::same;
use super::schema::{Nested, Primary};
use super::server::Server;
use super::{ServerError, filter};

/// Asks for no attribute (RFC 4511 section 4.5.1.8).
const NOTHING: &str = "1.1";
/// Active Directory's matching rule for members of members (LDAP_MATCHING_RULE_IN_CHAIN).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// How deep groups may be nested, and how many one user may be in.
const MAX_DEPTH: usize = 16;
const MAX_GROUPS: usize = 2000;
/// How many DNs are put into one filter.
const CHUNK: usize = 50;

/// The attributes of a user that lead to a group.
const GID_NUMBER: &str = "gidNumber";
const PRIMARY_GROUP: &str = "primaryGroupID";
const SID: &str = "objectSid";

impl Server<'_> {
    /// Finds a user by name, with some attributes.
    ///
    /// # Errors
    /// [`ServerError::UserNotFound`], also for a name that the directory finds alike but that is another text;
    /// [`ServerError::SeveralUsers`]; what else [`ServerError`] has.
    pub fn user(&self, name: &str, attributes: &[&str]) -> Result<Entry, ServerError> {
        let mut wanted: Vec<&str> = self.schema.user_names.iter().map(String::as_str).collect();
        wanted.extend(attributes);
        let filter = self.schema.user(name).map_err(|_| ServerError::UserNotFound)?;
        if name.is_empty() {
            return Err(ServerError::UserNotFound);
        }
        let found = self.search(&self.user_base, Scope::Subtree, &filter, &wanted, 2)?;
        let user = only_one(found.entries, found.has_more, ServerError::SeveralUsers)?;
        let user = user.filter(|user| !user.dn.is_empty() && is_called(user, &self.schema.user_names, name));
        user.ok_or(ServerError::UserNotFound)
    }

    /// Returns the values of a user's attribute; none if the user has none.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn attribute(&self, user: &str, attribute: &str) -> Result<Vec<String>, ServerError> {
        if !filter::is_attribute(attribute) {
            return Err(ServerError::NoText(attribute.to_owned()));
        }
        let user = self.user(user, &[attribute])?;
        user.texts(attribute).ok_or_else(|| ServerError::NoText(attribute.to_owned()))
    }

    /// Tells whether a user is in one of these groups.
    ///
    /// # Errors
    /// [`ServerError`]; also where the user is in none of them but one of them is not there, because then nobody knows
    /// who was meant to be in it.
    pub fn in_one_of(&self, user: &str, groups: &[String]) -> Result<bool, ServerError> {
        let user = self.user(user, &[GID_NUMBER, PRIMARY_GROUP, SID])?;
        let mut missing = None;
        let mut above = None;
        for name in groups {
            match self.group(name) {
                Ok(group) if self.is_in(&user, &group, &mut above)? => return Ok(true),
                Ok(_) => {}
                Err(error @ (ServerError::NoSuchGroup(_) | ServerError::SeveralGroups(_))) => {
                    missing = Some(error)
                }
                Err(error) => return Err(error),
            }
        }
        missing.map_or(Ok(false), Err)
    }

    /// Returns the names of all groups that a user is in.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn groups_of(&self, user: &str) -> Result<Vec<String>, ServerError> {
        let user = self.user(user, &[GID_NUMBER, PRIMARY_GROUP, SID])?;
        let mut names = Vec::new();
        for group in self.groups_above(&user)? {
            for attribute in &self.schema.group_names {
                let texts = group.texts(attribute).ok_or_else(|| ServerError::NoText(attribute.clone()))?;
                for name in texts {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
        }
        Ok(names)
    }

    fn group(&self, name: &str) -> Result<Entry, ServerError> {
        let none = || ServerError::NoSuchGroup(name.to_owned());
        if name.is_empty() {
            return Err(none());
        }
        let filter = self.schema.group(name).map_err(|_| none())?;
        let mut wanted: Vec<&str> = self.schema.group_names.iter().map(String::as_str).collect();
        wanted.extend([GID_NUMBER, SID]);
        let found = self.search(&self.group_base()?, Scope::Subtree, &filter, &wanted, 2)?;
        let several = ServerError::SeveralGroups(name.to_owned());
        let group = only_one(found.entries, found.has_more, several)?;
        let group =
            group.filter(|group| !group.dn.is_empty() && is_called(group, &self.schema.group_names, name));
        group.ok_or_else(none)
    }

    /// Tells whether a user is in a group. `above` keeps what is found out once for all groups.
    fn is_in(
        &self,
        user: &Entry,
        group: &Entry,
        above: &mut Option<Vec<Entry>>,
    ) -> Result<bool, ServerError> {
        if self.is_primary(user, group) || self.is_listed(user, group)? {
            return Ok(true);
        }
        match self.schema.nested {
            Nested::No => Ok(false),
            Nested::Chain => {
                let mut starts = vec![user.dn.clone()];
                starts.extend(self.primary_group(user)?.map(|primary| primary.dn));
                let chain: Vec<_> = starts.iter().flat_map(|dn| self.in_chain(dn)).collect();
                self.fits(&group.dn, &Filter::Or(chain))
            }
            Nested::Steps => {
                if above.is_none() {
                    *above = Some(self.groups_above(user)?);
                }
                let all = above.as_deref().unwrap_or_default();
                for some in all.chunks(CHUNK) {
                    let filter = self.schema.has_member(some.iter().map(|entry| entry.dn.as_str()));
                    if self.fits(&group.dn, &filter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Whether the user's own entry says that this is the user's first group.
    fn is_primary(&self, user: &Entry, group: &Entry) -> bool {
        match self.schema.primary {
            Primary::No => false,
            Primary::GidNumber => {
                let number = user.values(GID_NUMBER).first();
                number.is_some_and(|number| group.values(GID_NUMBER).contains(number))
            }
            Primary::Sid => primary_sid(user).is_some_and(|sid| group.values(SID).contains(&sid)),
        }
    }

    /// Whether the user is among the members of the group itself.
    fn is_listed(&self, user: &Entry, group: &Entry) -> Result<bool, ServerError> {
        let filter = self.listing(user)?;
        filter.map_or(Ok(false), |filter| self.fits(&group.dn, &filter))
    }

    /// Makes the filter for groups that have the user among their members.
    fn listing(&self, user: &Entry) -> Result<Option<Filter>, ServerError> {
        let mut all = Vec::new();
        if !self.schema.members.is_empty() {
            all.push(self.schema.has_member(std::iter::once(user.dn.as_str())));
        }
        if !self.schema.member_names.is_empty() {
            // As the entry writes it: memberUid is compared exactly.
            let attribute = self.schema.user_names.first().map(String::as_str).unwrap_or_default();
            let names = user.texts(attribute).ok_or_else(|| ServerError::NoText(attribute.to_owned()))?;
            if !names.is_empty() && names.len() <= CHUNK {
                all.push(self.schema.has_member_named(&names));
            }
        }
        Ok((!all.is_empty()).then_some(Filter::Or(all)))
    }

    fn in_chain(&self, dn: &str) -> impl Iterator<Item = Filter> {
        self.schema.members.iter().map(move |attribute| Filter::Rule {
            rule: Some(IN_CHAIN.to_owned()),
            attribute: Some(attribute.clone()),
            dn: false,
            value: dn.as_bytes().to_vec(),
        })
    }

    /// Asks whether one entry fits a filter.
    fn fits(&self, dn: &str, filter: &Filter) -> Result<bool, ServerError> {
        Ok(!self.search(dn, Scope::Base, filter, &[NOTHING], 1)?.entries.is_empty())
    }

    /// Finds the entry of a user's first group, which may be in other groups.
    fn primary_group(&self, user: &Entry) -> Result<Option<Entry>, ServerError> {
        let filter = match self.schema.primary {
            Primary::No => None,
            Primary::GidNumber => user.values(GID_NUMBER).first().map(|number| {
                // Users have such a number too, and may be below the same base.
                let class = Filter::equal("objectClass", "posixGroup");
                Filter::And(vec![class, Filter::equal(GID_NUMBER, number.clone())])
            }),
            Primary::Sid => primary_sid(user).map(|sid| Filter::equal(SID, sid)),
        };
        let Some(filter) = filter else { return Ok(None) };
        let wanted = self.group_attributes();
        let found = self.search(&self.group_base()?, Scope::Subtree, &filter, &wanted, 2)?;
        only_one(found.entries, found.has_more, ServerError::TooManyGroups)
    }

    fn group_attributes(&self) -> Vec<&str> {
        self.schema.group_names.iter().map(String::as_str).collect()
    }

    /// Lists all groups that a user is in, also by way of other groups.
    fn groups_above(&self, user: &Entry) -> Result<Vec<Entry>, ServerError> {
        let base = self.group_base()?;
        let wanted = self.group_attributes();
        let primary = self.primary_group(user)?;
        let mut level = match self.listing(user)? {
            Some(filter) => self.list(&base, &filter, &wanted)?,
            None => Vec::new(),
        };
        if self.schema.nested == Nested::Chain {
            let starts = std::iter::once(&user.dn).chain(primary.iter().map(|primary| &primary.dn));
            let chain: Vec<_> = starts.flat_map(|dn| self.in_chain(dn)).collect();
            level.extend(self.list(&base, &Filter::Or(chain), &wanted)?);
        }
        level.extend(primary);
        let mut all: Vec<Entry> = Vec::new();
        for _ in 0..MAX_DEPTH {
            // What was met before is in it already; groups may well be members of each other.
            let mut new = Vec::new();
            for group in level {
                let known = |other: &Entry| other.dn.eq_ignore_ascii_case(&group.dn);
                if !all.iter().chain(&new).any(known) {
                    new.push(group);
                }
            }
            if new.is_empty() || self.schema.nested != Nested::Steps {
                all.extend(new);
                return if all.len() <= MAX_GROUPS { Ok(all) } else { Err(ServerError::TooManyGroups) };
            }
            if all.len().saturating_add(new.len()) > MAX_GROUPS {
                return Err(ServerError::TooManyGroups);
            }
            level = Vec::new();
            for some in new.chunks(CHUNK) {
                let filter = self.schema.has_member(some.iter().map(|group| group.dn.as_str()));
                level.extend(self.list(&base, &filter, &wanted)?);
            }
            all.extend(new);
        }
        Err(ServerError::TooManyGroups)
    }
}

/// Returns the only entry, if there is one. What a server holds back counts as another one.
fn only_one(entries: Vec<Entry>, has_more: bool, several: ServerError) -> Result<Option<Entry>, ServerError> {
    let mut entries = entries.into_iter();
    let first = entries.next();
    if has_more || entries.next().is_some() { Err(several) } else { Ok(first) }
}

/// Whether an entry has this name in one of these attributes.
fn is_called(entry: &Entry, attributes: &[String], name: &str) -> bool {
    let has = |attribute: &String| {
        entry
            .values(attribute)
            .iter()
            .any(|value| std::str::from_utf8(value).is_ok_and(|text| same(text, name)))
    };
    attributes.iter().any(has)
}

/// Returns the SID of a user's first group: that of the user with another last number ([MS-DTYP] section 2.4.2.2).
fn primary_sid(user: &Entry) -> Option<Vec<u8>> {
    let number: u32 = user.texts(PRIMARY_GROUP)?.first()?.parse().ok()?;
    let sid = user.values(SID).first()?;
    let (domain, last) = sid.split_at_checked(sid.len().checked_sub(4)?)?;
    // Revision, count and authority take eight bytes, each of the numbers four.
    let count = usize::from(*sid.get(1)?);
    let whole =
        sid.first() == Some(&1) && sid.len() == count.saturating_mul(4).saturating_add(8) && count > 1;
    (whole && last.len() == 4).then(|| [domain, &number.to_le_bytes()].concat())
}
