//! What takes a dynamic secret back, and its form in the state.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::login::{LoggedIn, Token};

/// What ends a dynamic secret.
pub(super) enum Lease {
    /// The token of the login that took it out; with its end the lease ends.
    Token(SecretString),
    /// The lease's id, where the token is not ours to end.
    Id(String),
}

impl Lease {
    /// Says what ends a lease that a login took out.
    pub(super) fn of(login: &LoggedIn, id: String) -> Self {
        match login.whose {
            Token::OfThisHook => Self::Token(login.token.clone()),
            // The one must not be ended, and the other cannot be (Vault, "Batch tokens").
            Token::Configured | Token::Batch => Self::Id(id),
        }
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (kind, text) = match self {
            Self::Token(token) => (b't', token.expose_secret()),
            Self::Id(id) => (b'i', id.as_str()),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len().saturating_add(1)));
        bytes.push(kind);
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, text) = bytes.split_first()?;
        let text = std::str::from_utf8(text).ok()?;
        match kind {
            b't' => Some(Self::Token(SecretString::from(text))),
            b'i' => Some(Self::Id(text.to_owned())),
            _ => None,
        }
    }
}
