//! Accounts on targets. One account has several spellings; denying one of them denies all.

use super::text::{fold, readable};

/// The names that an account text may stand for: as it is written, and without its domain or machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountNames {
    /// In lower case and Unicode's compatibility form.
    written: String,
    /// Without `HOST\`, `.\` and `@domain`, where it has one.
    bare: Option<String>,
}

impl AccountNames {
    /// Reads an account as it came in; `None` where it cannot be read, so that it may be any account.
    pub fn read(text: &str) -> Option<Self> {
        let written = fold(&readable("the account", text).ok()?);
        let name = written.rsplit_once(['\\', '/']).map_or(written.as_str(), |(_, name)| name);
        let name = name.split(['@', '%']).next().unwrap_or_default().trim_end_matches('.').trim();
        let bare = (name != written).then(|| name.to_owned());
        // What is only a domain may be any account of it.
        (!written.is_empty() && bare.as_deref() != Some("")).then_some(Self { written, bare })
    }

    /// The account as it was written, in lower case.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Goes through all names that the account may be known by.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.written.as_str()).chain(self.bare.as_deref())
    }
}
