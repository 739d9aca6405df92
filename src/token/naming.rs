//! What tokens are called and whose they are, and texts that a person types from paper.

use super::Owner;
use crate::names::{self, NameError, Rules};
use crate::store::{StoreError, TokenType};

/// The longest serial, in characters.
pub const MAX_SERIAL: usize = 64;
/// The characters of what is generated: without 0, O, 1 and I, which look alike. There are 32, so that five random
/// bits make one.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const GENERATED_SERIAL: usize = 8;

/// Says why a text does not name a token or its owner.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NamingError {
    /// A serial of other characters, or of too many.
    #[error("a serial has 1 to {MAX_SERIAL} letters, digits, '-', '_' or '.'")]
    Serial,
    /// Control characters, or too long.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nobody.
    #[error("the user is empty")]
    NoUser,
    /// No realm, or one that could not be told from the user.
    #[error("a realm is not empty and has no '@'")]
    Realm,
}

/// Checks a serial that somebody chose.
///
/// # Errors
/// [`NamingError::Serial`].
pub fn check_serial(text: &str) -> Result<(), NamingError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_one = !text.is_empty() && text.len() <= MAX_SERIAL && text.bytes().all(fits);
    if is_one { Ok(()) } else { Err(NamingError::Serial) }
}

/// Makes a serial such as `HOTP-7F3K2M9Q`; whether it is taken, the store knows.
///
/// # Errors
/// [`StoreError::NoRandomness`].
pub fn random_serial(token_type: TokenType) -> Result<String, StoreError> {
    Ok(format!("{}-{}", token_type.word().to_ascii_uppercase(), random_text(GENERATED_SERIAL)?))
}

/// Makes a random text of `length` characters, each of five bits.
///
/// # Errors
/// [`StoreError::NoRandomness`].
pub fn random_text(length: usize) -> Result<String, StoreError> {
    let mut bytes = vec![0_u8; length];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::NoRandomness)?;
    let character = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().map_or('A', char::from);
    Ok(bytes.iter().map(character).collect())
}

/// Takes the owner of a token: with a realm, the user is the whole text; without one, it is read as at a login.
///
/// # Errors
/// [`NamingError`].
pub fn owner(
    user: &str,
    realm: Option<&str>,
    default_realm: &str,
    people: &Rules,
) -> Result<Owner, NamingError> {
    let owner = match realm {
        Some(realm) => Owner { user: user.to_owned(), realm: realm.to_owned() },
        None => Owner::of_login(user, default_realm, people),
    };
    names::check_readable("the user", user)?;
    names::check_readable("the user", &owner.user)?;
    names::check_readable("the realm", &owner.realm)?;
    if owner.user.is_empty() {
        return Err(NamingError::NoUser);
    }
    if owner.realm.is_empty() || owner.realm.contains('@') {
        return Err(NamingError::Realm);
    }
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_letters_digits_and_three_signs() {
        for good in ["A", "HOTP-7F3K2M9Q", "ubhe_1.2", &"x".repeat(64)] {
            check_serial(good).unwrap();
        }
        for bad in ["", "a b", "a/b", "ä", "a\n", "a'b", &"x".repeat(65)] {
            assert_eq!(check_serial(bad), Err(NamingError::Serial), "{bad}");
        }
    }

    #[test]
    fn what_is_generated_has_no_characters_that_look_alike() {
        let text = random_text(1000).unwrap();
        assert_eq!(text.len(), 1000);
        assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)));
        for look_alike in ['0', 'O', '1', 'I'] {
            assert!(!text.contains(look_alike));
        }
        let serial = random_serial(TokenType::FourEyes).unwrap();
        assert!(serial.starts_with("4EYES-") && serial.len() == 14, "{serial}");
        check_serial(&serial).unwrap();
    }

    #[test]
    fn an_owner_without_a_realm_is_read_as_at_a_login() {
        let owner = |user: &str, realm, default_realm| owner(user, realm, default_realm, &Rules::default());
        let named = |user: &str, realm: &str| Ok(Owner { user: user.to_owned(), realm: realm.to_owned() });
        assert_eq!(owner("alice", None, "default"), named("alice", "default"));
        assert_eq!(owner("alice@realm1", None, "default"), named("alice", "realm1"));
        assert_eq!(owner("alice@x", Some("realm1"), "default"), named("alice@x", "realm1"));
        assert_eq!(owner("", None, "default"), Err(NamingError::NoUser));
        assert_eq!(owner("@realm1", None, "default"), Err(NamingError::NoUser));
        for realm in ["", "a@b"] {
            assert_eq!(owner("alice", Some(realm), "default"), Err(NamingError::Realm));
        }
        assert!(matches!(owner("a\nb", None, "default"), Err(NamingError::Name(_))));
        assert!(matches!(owner("a", Some("b\u{1b}"), "default"), Err(NamingError::Name(_))));
    }
}
