//! The members of the cookie and the session cookie that this program reads. They can be read only through [`Member`], and each
//! of them is reserved: a service that answers a hook cannot set it.

use serde_json::{Map, Value};

use crate::words::words;

words! {
    /// A public member that a hook reads.
    Member {
        /// The gateway user (cookie, SDK).
        Username = "username",
        /// The identity at the provider (cookie, SDK).
        MfaIdentity = "mfa_identity",
        /// What the provider remembers (cookie).
        State = "state",
        /// The account whose credential is handed out (both cookies, SDK).
        Account = "account",
        /// The host whose credential is handed out (both cookies, SDK).
        Asset = "asset",
        /// The account of the remote application (cookie, SDK).
        RemoteAppAccount = "remote_app_account",
        /// The host of the remote application (cookie, SDK).
        RemoteAppAsset = "remote_app_asset",
        /// The answers to `[question_<n>]`, also the path in Vault that the user types (session cookie, SDK).
        Questions = "questions",
    }
}

/// Whether a service must not set this member: this program reads it, or its name begins with `_`.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with('_') || Member::from_word(name).is_some()
}

/// Merges members from a service into these. Reserved members are not changed.
pub(super) fn lay_over(members: &mut Map<String, Value>, written: Map<String, Value>) {
    members.extend(written.into_iter().filter(|(name, _)| !is_reserved(name)));
}

/// The session cookie: members that all plugins of a session share.
#[derive(Clone, Debug, Default)]
pub struct SessionCookie(Map<String, Value>);

impl SessionCookie {
    /// Takes the members that came in.
    pub fn open(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// Returns a member.
    pub fn get(&self, member: Member) -> Option<&Value> {
        self.0.get(member.word())
    }

    /// Returns a member that is an object, and creates it if it is missing; `None` for another type.
    pub fn object(&mut self, member: Member) -> Option<&mut Map<String, Value>> {
        self.0.entry(member.word()).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
    }

    /// Merges members from a service into these. Reserved members are not changed.
    pub fn lay_over(&mut self, written: Map<String, Value>) {
        lay_over(&mut self.0, written);
    }

    /// Sets a member that this program does not read, unless it exists.
    pub fn set_missing(&mut self, name: &str, value: Value) {
        self.0.entry(name).or_insert(value);
    }

    /// Returns the members for the response.
    pub fn close(self) -> Map<String, Value> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_never_laid_over() {
        for name in Member::WORDS {
            assert!(is_reserved(name), "{name}");
            let member = Member::from_word(name).unwrap();
            let mut cookie = SessionCookie::open(Map::from_iter([((*name).to_owned(), Value::from("own"))]));
            cookie.lay_over(Map::from_iter([
                ((*name).to_owned(), Value::from("service")),
                ("other".to_owned(), Value::from(1)),
            ]));
            assert_eq!(cookie.get(member), Some(&Value::from("own")));
            assert_eq!(cookie.close().get("other"), Some(&Value::from(1)));
        }
        assert!(is_reserved("__sps_plugin") && !is_reserved("IdentityProvider"));
    }
}
