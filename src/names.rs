//! Names that come from outside, parsed once: what is compared has one form, whoever wrote it and however.
//!
//! A [`Person`] is whoever asks or approves, a [`Host`] a machine, by name or address, [`Address`] the
//! addresses that an address contains, [`AccountNames`] the ways to read
//! an account. [`MfaIdentity`], [`Account`] and [`Asset`] are texts as servers and targets are asked about them.

mod account;
mod address;
mod aliases;
mod host;
mod person;
mod text;

use std::fmt;

pub use account::AccountNames;
pub use address::{Address, address, canonical};
pub use aliases::Aliases;
pub use host::{Host, HostError};
pub use person::{CountKey, Mapping, OTHER_SEPARATORS, PermitKey, Person, Requester, Rules};
pub(crate) use text::nfkc;
pub use text::{check_readable, fold};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 1024;

/// Says why a text is rejected as a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Over [`MAX_NAME`] bytes.
    #[error("{0} is longer than {MAX_NAME} bytes")]
    TooLong(&'static str),
    /// NUL, line ends and their like.
    #[error("{0} contains a control character")]
    Control(&'static str),
    /// White space at the begin or end, of any kind.
    #[error("{0} begins or ends with white space")]
    OuterBlank(&'static str),
    /// A character that is not displayed, changes the direction of the text, or is not assigned in Unicode.
    #[error("{0} contains a character that is invisible or not assigned")]
    Hidden(&'static str),
    /// More than one domain, an empty name or domain, or a dot at the end.
    #[error("{0} is ambiguous: expected one name with at most one domain")]
    Ambiguous(&'static str),
}

pub(crate) fn check(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong(what));
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control(what));
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a text as a name.
            ///
            /// # Errors
            /// [`NameError`] for a text that is too long or contains control characters.
            pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check($what, &text)?;
                Ok(Self(text))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name under which the second factor knows the user, as the SDK's `mfa_identity`.
    MfaIdentity, "the MFA identity";
    /// The account on the target, as the SDK's `account`.
    Account, "the account";
    /// The target as the credential store names it, as the SDK's `asset`.
    Asset, "the asset";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_a_server_may_contain_anything_that_prints() {
        for name in ["alice", "DOMAIN\\alice", "../../etc/passwd", "a b", "jöhn", "用户", ""] {
            assert_eq!(MfaIdentity::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn control_characters_and_huge_names_are_rejected() {
        for name in ["a\0b", "a\nb", "\u{1b}[31m", "\u{85}"] {
            assert_eq!(Account::parse(name), Err(NameError::Control("the account")));
        }
        assert_eq!(Asset::parse("x".repeat(100_000)), Err(NameError::TooLong("the asset")));
    }
}
