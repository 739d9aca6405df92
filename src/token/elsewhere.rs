//! What only a server elsewhere can tell: where a forward token leads out of the store, and whom a four-eyes realm of
//! a server means.
//!
//! This layer knows no network. It hands out an [`Enquiry`]; whoever called asks, and brings the [`Reply`] to the next
//! step. A server that does not answer has none: then there is no next step, and nothing is changed or charged.

use std::fmt;

use serde_json::Value;

use crate::names::MAX_NAME;

/// A name that a server knows, behind the section of the configuration that describes it: `edumfa:TOTP0001`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The section.
    pub service: String,
    /// A serial or a user.
    pub name: String,
}

impl Target {
    /// Parses a target; `None` for a text without a colon, which is a serial in the store, and for an invalid one. A name
    /// without a user, such as `@realm1`, is rejected, because a server may take it for any user; `alice@` is a user of the
    /// default realm.
    pub fn parse(text: &str) -> Option<Self> {
        let (service, name) = text.split_once(':')?;
        let is_name = !name.is_empty()
            && text.len() <= MAX_NAME
            && !name.chars().any(char::is_control)
            && !name.starts_with('@')
            && name == name.trim();
        (is_service(service) && is_name).then(|| Self { service: service.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.name)
    }
}

/// Tells whether a text could name a section that describes a server. Which ones there are is not known here.
pub fn is_service(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// What a server has to be asked.
pub struct Enquiry<'p> {
    /// The server and the name.
    pub target: Target,
    /// Whether the name may be that of a token. If not, it is a person's.
    pub may_be_serial: bool,
    /// What is sent; where it is empty, the server is to ask the user's device, or for a code.
    pub password: &'p str,
    /// What the server's last question left behind.
    pub state: Option<Value>,
}

/// What was accepted, as far as the one who accepted it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// A code that is good once, or a confirmation on a device.
    OneTime,
    /// What is good more than once: a password, a PIN alone, a registration code.
    Static,
    /// It is not said.
    Unknown,
}

/// What a server accepted.
#[derive(Debug)]
pub struct Given {
    /// The tokens, as far as it says which.
    pub serials: Vec<String>,
    /// What was accepted.
    pub code: CodeKind,
}

/// What a server answered.
pub enum Reply {
    /// Yes.
    Yes(Given),
    /// No.
    No,
    /// It has a question; this is to come back to it with the answer.
    Asks(Option<Value>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_elsewhere_has_a_section_and_a_name_and_a_serial_has_no_colon() {
        for (text, service, name) in [
            ("edumfa:TOTP0001", "edumfa", "TOTP0001"),
            ("privacyidea:alice@realm1", "privacyidea", "alice@realm1"),
            ("http:alice:b", "http", "alice:b"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.service.as_str(), target.name.as_str()), (service, name));
            assert_eq!(target.to_string(), text);
        }
        let long = format!("edumfa:{}", "x".repeat(MAX_NAME));
        for text in [
            "TOTP0001",
            "",
            ":",
            "edumfa:",
            ":TOTP0001",
            "EDUMFA:A",
            "a b:A",
            "edumfa:A\n",
            "edumfa: A",
            "edumfa:@",
            "privacyidea:@realm1",
            &long,
        ] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }
}
