//! Names that come from outside, parsed once: a name inside the program is not empty, not huge, and prints on one line.

use std::fmt;

/// The longest name, in bytes, that any of these types holds.
pub const MAX_NAME: usize = 1024;

/// Says why a text is no name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// Over [`MAX_NAME`] bytes.
    #[error("{0} is longer than {MAX_NAME} bytes")]
    TooLong(&'static str),
    /// NUL, line ends and their like.
    #[error("{0} holds a control character")]
    Control(&'static str),
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
            /// [`NameError`] for a text that is too long or holds control characters.
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
    /// The user at the gateway, as the SDK's `username`.
    Username, "the user name";
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
    fn a_name_may_hold_anything_that_prints() {
        for name in ["alice", "DOMAIN\\alice", "../../etc/passwd", "a b", "jöhn", "用户", ""] {
            assert_eq!(Username::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn control_characters_and_huge_names_are_refused() {
        for name in ["a\0b", "a\nb", "\u{1b}[31m", "\u{85}"] {
            assert_eq!(Username::parse(name), Err(NameError::Control("the user name")));
        }
        assert_eq!(Asset::parse("x".repeat(100_000)), Err(NameError::TooLong("the asset")));
    }
}
