//! Who somebody is, and whether two names are the same person's.
//!
//! There are two questions, and each has its answer. What **permits** (a remembered authentication, a token's owner, an
//! approval that is required) asks [`Person::is_same_person`]. What **forbids or counts** (an exclusion, a limit, a
//! budget of guesses, a rule that denies) asks [`Person::may_be_same_person`]. In the store the two are a [`PermitKey`]
//! and a [`CountKey`], which cannot be mixed up.

use std::fmt;

use super::text::{DOTS, fold, is_mark, readable, remains};
use super::{Aliases, MfaIdentity, NameError};
use crate::config::settings::{Opt, SettingError, Settings};

const WHAT: &str = "the user name";
const DOMAINS: Opt = Opt::new("names", "domains", "");
const CASE_SENSITIVE: Opt = Opt::new("local", "case_sensitive", "no");

/// How names of people are read.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether what permits tells capitals from small letters.
    pub case_sensitive: bool,
    /// The domains of the site's own people: a name in one of them is the name without a domain.
    domains: Vec<String>,
}

impl Rules {
    /// The options that this reads.
    pub const OPTIONS: &'static [Opt] = &[DOMAINS, CASE_SENSITIVE];

    /// Reads `[names] domains` and `[local] case_sensitive`.
    ///
    /// # Errors
    /// A value of the wrong form.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, SettingError> {
        let mut domains = Vec::new();
        for domain in settings.list(&DOMAINS)? {
            let read = readable("the domain", &domain);
            let is_one = !domain.is_empty() && !domain.contains(['@', '\\', ' ', '"', '\'', ';', '#', '*']);
            match read {
                Ok(read) if is_one && !read.ends_with('.') => domains.push(fold(&read)),
                Ok(_) | Err(_) => {
                    let expected = "domains such as CORP, corp.example.org, separated by commas".to_owned();
                    return Err(settings.invalid(&DOMAINS, expected));
                }
            }
        }
        Ok(Self { case_sensitive: settings.boolean(&CASE_SENSITIVE)?, domains })
    }

    /// Returns a text as what permits compares it.
    pub fn key(&self, text: &str) -> String {
        if self.case_sensitive { super::text::nfkc(text) } else { fold(text) }
    }

    /// Tells whether a domain is one of the site's own.
    pub fn is_own(&self, domain: &str) -> bool {
        let domain = fold(domain);
        self.domains.contains(&domain)
    }
}

/// Characters that separate a name from a domain or an instance in other systems: winbind, Kerberos, Samba.
pub const OTHER_SEPARATORS: [char; 3] = ['/', '+', '%'];
/// Characters that names of people contain, besides letters, digits and marks; the last two separate a domain. Systems
/// read all others in different ways: as a separator, a quote, a comment or a part of the name.
const IN_NAMES: [char; 8] = ['.', '_', '-', '$', '\'', ' ', '@', '\\'];
/// Letters that look like accents or punctuation, such as the modifier letter apostrophe.
const MODIFIERS: std::ops::RangeInclusive<char> = '\u{2b0}'..='\u{2ff}';

/// A person, by the name that came in.
#[derive(Clone, Debug)]
pub struct Person {
    shown: String,
    permit: PermitKey,
    count: CountKey,
}

/// A person as what permits compares them: the name and the domain, where the domain is not one of the site's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PermitKey(String);

/// A person as what forbids or counts compares them: the name alone, without regard to case and accents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CountKey(String);

impl Person {
    /// Reads `name`, `name@domain` or `DOMAIN\name`.
    ///
    /// # Errors
    /// [`NameError`] for what different systems would read as different people.
    pub fn parse(text: &str, rules: &Rules) -> Result<Self, NameError> {
        let read = readable(WHAT, text)?;
        let (name, domain) = match (read.split_once('\\'), read.split_once('@')) {
            (None, None) => (read.as_str(), None),
            (Some((domain, name)), None) => (name, Some(domain)),
            (None, Some((name, domain))) => (name, Some(domain)),
            (Some(_), Some(_)) => return Err(NameError::Ambiguous(WHAT)),
        };
        let is_clear = |part: &str| {
            let is_trimmed = !part.starts_with(char::is_whitespace) && !part.ends_with(char::is_whitespace);
            !part.is_empty() && !part.contains(['\\', '@']) && !part.ends_with(DOTS) && is_trimmed
        };
        if !is_clear(name) || !domain.is_none_or(is_clear) {
            return Err(NameError::Ambiguous(WHAT));
        }
        let domain = domain.filter(|domain| !rules.is_own(domain));
        Ok(Self {
            shown: text.to_owned(),
            permit: PermitKey(permit(rules, name, domain)),
            count: CountKey::of(name),
        })
    }

    /// Reads the name that a configuration or directory gave a person, in which an `@` may be part of the name: what
    /// stands before the first one is the name.
    ///
    /// # Errors
    /// [`NameError`] for characters that cannot be read.
    pub fn of_identity(identity: &MfaIdentity, rules: &Rules) -> Result<Self, NameError> {
        match Self::parse(identity.as_str(), rules) {
            Err(NameError::Ambiguous(_)) => {
                let read = readable(WHAT, identity.as_str())?;
                let (permit, count) = (PermitKey(rules.key(&read)), CountKey::of(&read));
                if count.0.is_empty() {
                    return Err(NameError::Ambiguous(WHAT));
                }
                Ok(Self { shown: identity.as_str().to_owned(), permit, count })
            }
            read => read,
        }
    }

    /// The name as it came in.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// What permits is stored under this.
    pub fn permit_key(&self) -> &PermitKey {
        &self.permit
    }

    /// What forbids or counts is stored under this.
    pub fn count_key(&self) -> &CountKey {
        &self.count
    }

    /// Tells whether the name is ambiguous, as it came in or in the form in which it is compared, so that it may mean
    /// another person.
    pub fn is_ambiguous(&self) -> bool {
        let is_clear = |character: char| {
            let is_letter = character.is_alphanumeric() && !MODIFIERS.contains(&character);
            is_letter || is_mark(character) || IN_NAMES.contains(&character)
        };
        let compared = super::text::nfkc(&self.shown);
        !self.shown.chars().chain(compared.chars()).all(is_clear)
    }

    /// Tells whether the two are one person, for what permits: name and domain are the same.
    pub fn is_same_person(&self, other: &Self) -> bool {
        self.permit == other.permit
    }

    /// Tells whether the owner of a token is this person. As at a login, a person with a domain owns tokens in the realm of
    /// that name, and a person without a domain owns tokens in any realm.
    pub fn is_owner(&self, user: &str, realm: &str, rules: &Rules) -> bool {
        let Ok(owner) = Self::parse(user, rules) else { return false };
        let scoped = || format!("{}@{}", owner.permit.0, fold(realm));
        owner.permit == self.permit || (!owner.permit.0.contains('@') && scoped() == self.permit.0)
    }

    /// Tells whether the two may be one person, for what forbids or counts: the names are the same, whatever the domain.
    pub fn may_be_same_person(&self, other: &Self) -> bool {
        self.count.may_be(&other.count)
    }
}

fn permit(rules: &Rules, name: &str, domain: Option<&str>) -> String {
    let name = rules.key(name);
    // Directories have no domains in capitals.
    domain.map_or_else(|| name.clone(), |domain| format!("{name}@{}", fold(domain)))
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PermitKey {
    /// The text, for a column of the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CountKey {
    /// Reads a name that was accepted before, such as the owner of a stored token. Nothing is rejected: what cannot be
    /// read clearly may be more people, not fewer.
    pub fn of(name: &str) -> Self {
        let name = super::text::nfkc(name);
        let name = name.rsplit_once('\\').map_or(name.as_str(), |(_, name)| name);
        let before_at = name.trim_start_matches('@').split('@').next().unwrap_or_default();
        Self(remains(before_at))
    }

    /// The text, for a column of the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether two names may belong to one person. The empty name belongs to nobody.
    pub fn may_be(&self, other: &Self) -> bool {
        !self.0.is_empty() && self == other
    }
}

/// Who asks, once for a whole session: the name at the gateway and the identity that it is mapped to.
#[derive(Clone, Debug)]
pub struct Requester {
    /// The name at the gateway.
    pub gateway: Person,
    /// The identity.
    pub mapping: Mapping,
    /// The aliases that the configuration defines, of all people.
    pub aliases: Aliases,
}

/// What came of mapping the name at the gateway to an identity.
#[derive(Clone, Debug)]
pub enum Mapping {
    /// This is who they are; the name at the gateway where no mapping is configured.
    Known(Person),
    /// A mapping is configured and did not lead to an identity. The name is used as the SDK does, but where it matters
    /// who asks, this is a denial.
    Failed {
        /// The name that is used.
        unmapped: Person,
        /// Why.
        why: String,
    },
}

impl Requester {
    /// The person as the second factor knows them.
    pub fn identity(&self) -> &Person {
        match &self.mapping {
            Mapping::Known(person) | Mapping::Failed { unmapped: person, .. } => person,
        }
    }

    /// Why the mapping failed, if it did: then approvals, exclusions and limits that depend on who asks deny.
    pub fn unknown(&self) -> Option<&str> {
        match &self.mapping {
            Mapping::Known(_) => None,
            Mapping::Failed { why, .. } => Some(why),
        }
    }

    /// Tells whether this name may be the requester's: one of both names, or an alias of one.
    pub fn may_be(&self, name: &CountKey) -> bool {
        [&self.gateway, self.identity()].iter().any(|own| self.aliases.may_be(&own.count, name))
    }

    /// Tells whether the owner of a token is the requester. If both names have a domain, the owner has to be in one of the
    /// two.
    pub fn is_owner(&self, user: &str, realm: &str, rules: &Rules) -> bool {
        [&self.gateway, self.identity()].iter().any(|own| own.is_owner(user, realm, rules))
    }
}
