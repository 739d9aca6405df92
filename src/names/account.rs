//! Accounts on targets. One account has several spellings; denying one of them denies all.

use super::text::{fold, is_mark, readable};

/// Characters that account names contain on Linux and Windows, besides letters and digits. Targets treat others differently:
/// some cut the name off there.
const IN_ACCOUNTS: [char; 6] = ['.', '_', '-', '$', '\'', ' '];
/// Characters that are followed by a name.
const BEFORE_NAME: [char; 2] = ['\\', '/'];
/// Characters that are followed by a domain, an instance or a tag; in winbind and Samba some follow a domain.
const BEHIND_NAME: [char; 3] = ['@', '%', '+'];

/// The names that an account text may stand for: as it is written, and without its domain or machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNames {
    /// In lower case and Unicode's compatibility form.
    written: String,
    /// Without `HOST\`, `.\` and `@domain`, where it has one.
    bare: Vec<String>,
}

/// Removes what targets ignore at the ends of a name, in whatever order it stands there.
fn bare(part: &str) -> String {
    part.trim_start().trim_end_matches(|c: char| c == '.' || c.is_whitespace()).to_owned()
}

impl AccountNames {
    /// Reads an account as it came in; `None` where it cannot be read, so that it may be any account: with a character
    /// that accounts do not have, or with a separator at its end.
    pub fn read(text: &str) -> Option<Self> {
        let written = fold(&readable("the account", text).ok()?);
        let is_known = |c: char| {
            let is_separator = BEFORE_NAME.contains(&c) || BEHIND_NAME.contains(&c);
            c.is_alphanumeric() || is_mark(c) || IN_ACCOUNTS.contains(&c) || is_separator
        };
        let is_repeated = ['\\', '@'].iter().any(|c| written.matches(*c).count() > 1);
        if written.is_empty() || is_repeated || !written.chars().all(is_known) {
            return None;
        }
        let name = written.rsplit_once('\\').map_or(written.as_str(), |(_, name)| name);
        let name = name.split('@').next().unwrap_or_default();
        // Systems disagree on which of these parts is the name.
        let parts = std::iter::once(name).chain(name.split(['/', '%', '+']));
        let mut bare: Vec<_> = parts.map(bare).collect();
        // What is only a domain may be any account of it.
        if bare.iter().any(String::is_empty) {
            return None;
        }
        bare.retain(|name| *name != written);
        Some(Self { written, bare })
    }

    /// The account as it was written, in lower case.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Goes through all names that the account may be known by.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.written.as_str()).chain(self.bare.iter().map(String::as_str))
    }
}
