//! Secrets as types: no `Debug`, no `Display`, wiped when dropped.
//!
//! A log line is made of `Display`; a [`SecretString`] has none, so it cannot get into one. Whoever calls
//! [`ExposeSecret::expose_secret`] stands on a short list: a request body, a comparison, `protocol::response`.

pub use secrecy::{ExposeSecret, SecretString};

/// Tells whether a secret is the empty string.
pub fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}
