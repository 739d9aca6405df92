//! What a provider accepted, and who proved it.

use crate::token::elsewhere::CodeKind;

/// Which factor was accepted, and what it proves.
pub struct Factor {
    /// The provider's name in the configuration, and `push` or `otp`.
    pub name: String,
    /// The serials of the tokens, where the provider knows them.
    pub serials: Vec<String>,
    /// What was accepted.
    pub code: CodeKind,
    /// Who proved it.
    pub by: ProvedBy,
}

/// Who proved it. Approvals of others never replace a factor of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvedBy {
    /// The user, with a factor of their own.
    User,
    /// The user, with a local token instead of a service that cannot be reached.
    UserByFallback,
    /// Others: the realms of the approvals that were given, each as often as it gave one.
    Others(Vec<String>),
}

impl Factor {
    /// Makes a factor of the user's own. `code` has no default: each provider has to pass what it knows.
    pub(super) fn new(name: impl Into<String>, serials: Vec<String>, code: CodeKind) -> Self {
        Self { name: name.into(), serials, code, by: ProvedBy::User }
    }
}
