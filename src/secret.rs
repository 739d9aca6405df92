//! Secrets as types: no `Debug`, no `Display`, wiped when dropped.
//!
//! A log line is made of `Display`; a [`SecretString`] has none, so it cannot get into one. Whoever calls
//! [`ExposeSecret::expose_secret`] stands on a short list: a request body, a comparison, `protocol::response`.

pub use secrecy::{ExposeSecret, SecretString};

/// The shortest secret, in bytes, that [`masked`] takes out: a shorter one is a word or number like any other.
const SHORTEST_MASKED: usize = 4;

/// Takes a secret out of a text that somebody else wrote, such as the reason that a service gives.
pub fn masked(text: &str, secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    if secret.len() < SHORTEST_MASKED { text.to_owned() } else { text.replace(secret, "***") }
}

/// Tells whether a secret is the empty string.
pub fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_it_stands_and_a_short_one_is_left() {
        let masked = |text, secret: &str| masked(text, &SecretString::from(secret));
        assert_eq!(masked("123456: wrong code 123456", "123456"), "***: wrong code ***");
        assert_eq!(masked("a wrong code", "a"), "a wrong code");
        assert_eq!(masked("a wrong code", ""), "a wrong code");
    }
}
