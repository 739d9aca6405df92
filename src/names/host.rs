//! Machines, by name or address, in the one form in which they are compared.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::MAX_NAME;
use super::address::{address, canonical};
use super::text::{is_hidden, nfkc};

/// A machine: an address, or a name in lower case, with A-labels and without the dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// By address; one that contains an IPv4 address is that address.
    Address(IpAddr),
    /// By name.
    Name(String),
}

/// Says why a text is rejected as a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing, or only dots.
    #[error("it is empty")]
    Empty,
    /// Over [`MAX_NAME`] bytes.
    #[error("it is longer than {MAX_NAME} bytes")]
    TooLong,
    /// White space, control characters, or characters that are not displayed.
    #[error("it contains white space or a character that is not printable")]
    Characters,
    /// A label that has no form in DNS, a port, a zone, or brackets without an address in them.
    #[error("it contains an empty label, a port, a zone or a character that host names do not have")]
    Form,
    /// Numbers that `inet_aton` reads as a different address, such as `10.1` and `010.0.0.1`.
    #[error("it ends in a number, but is not an address of four decimal numbers")]
    Number,
}

impl Host {
    /// Reads a host name or an address.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.len() > MAX_NAME {
            return Err(HostError::TooLong);
        }
        if text
            .chars()
            .any(|character| character.is_whitespace() || character.is_control() || is_hidden(character))
        {
            return Err(HostError::Characters);
        }
        let plain = if text.is_ascii() { text.to_ascii_lowercase() } else { nfkc(text) };
        let plain = plain.replace('\u{3002}', ".");
        let plain = plain.trim_end_matches('.');
        if plain.is_empty() {
            return Err(HostError::Empty);
        }
        if plain.starts_with('[') || plain.ends_with(']') {
            let inner = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let address = inner.and_then(|inner| inner.parse::<Ipv6Addr>().ok()).ok_or(HostError::Form)?;
            return Ok(Self::Address(canonical(address.into())));
        }
        if let Some(address) = address(plain) {
            return Ok(Self::Address(address));
        }
        let name = if plain.is_ascii() {
            plain.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(plain).map_err(|_| HostError::Form)?
        };
        if let Some(address) = address(&name) {
            return Ok(Self::Address(address));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = name.bytes().all(allowed) && !name.starts_with('.') && !name.contains("..");
        if !is_name {
            return Err(HostError::Form);
        }
        if ends_in_number(&name) { Err(HostError::Number) } else { Ok(Self::Name(name)) }
    }

    /// Returns the address, where it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(_) => None,
        }
    }
}

/// Tells whether resolvers may read a name as an IPv4 address, because its last label is a number (WHATWG URL, "ends in
/// a number"; POSIX `inet_addr`).
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    last.bytes().all(|byte| byte.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(is_hexadecimal)
}

/// Writes the one form.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}
