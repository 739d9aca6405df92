//! Secrets as types: no `Debug`, no `Display`, wiped when dropped.
//!
//! A log line is made of `Display`; a [`SecretString`] has none, so it cannot get into one. Whoever calls
//! [`ExposeSecret::expose_secret`] stands on a short list: a request body, a comparison, `protocol::response`.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
pub use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The shortest secret, in bytes, that [`masked`] takes out: a shorter one is a word or number like any other.
const SHORTEST_MASKED: usize = 4;

/// Takes a secret out of a text that somebody else wrote, such as the reason that a service gives: as it is, in one case,
/// percent-encoded, in base64 and in hexadecimal digits.
pub fn masked(text: &str, secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    if secret.len() < SHORTEST_MASKED {
        return text.to_owned();
    }
    let spellings = [
        Zeroizing::new(secret.to_owned()),
        Zeroizing::new(secret.to_lowercase()),
        Zeroizing::new(secret.to_uppercase()),
        Zeroizing::new(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string()),
        Zeroizing::new(BASE64_NOPAD.encode(secret.as_bytes())),
        Zeroizing::new(BASE64URL_NOPAD.encode(secret.as_bytes())),
        Zeroizing::new(HEXLOWER.encode(secret.as_bytes())),
        Zeroizing::new(HEXUPPER.encode(secret.as_bytes())),
    ];
    spellings.iter().fold(text.to_owned(), |text, spelling| {
        if text.contains(spelling.as_str()) { text.replace(spelling.as_str(), "***") } else { text }
    })
}

/// Tells whether a secret has more than so many bytes.
pub fn is_longer_than(secret: &SecretString, bytes: usize) -> bool {
    secret.expose_secret().len() > bytes
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

    #[test]
    fn a_secret_in_another_spelling_is_masked_too() {
        let secret = SecretString::from("Pa ss/42");
        for text in
            ["pa ss/42", "PA SS/42", "Pa%20ss%2F42", "UGEgc3MvNDI", "50612073732f3432", "50612073732F3432"]
        {
            assert_eq!(masked(text, &secret), "***", "{text}");
        }
    }
}
