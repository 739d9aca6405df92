//! Networks in CIDR notation (RFC 4632, RFC 4291).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::names::{Address, canonical};

/// A network. An IPv4 address that is mapped into IPv6 is that IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    bits: u128,
    length: u32,
    is_v4: bool,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or an address alone. The bits behind the prefix have to be zero: a network
    /// written as `10.1.2.3/8` may have been meant otherwise. `::ffff:10.0.0.0/104` and `64:ff9b::10.0.0.0/104` are
    /// `10.0.0.0/8`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(length.parse::<u32>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let written: IpAddr = inner.parse().ok()?;
        let (bits, length, is_v4) = match (written, canonical(written)) {
            (IpAddr::V4(address), _) => (of_v4(address), length.unwrap_or(32), true),
            // Of the prefix, 96 bits say that the rest is an IPv4 address.
            (IpAddr::V6(_), IpAddr::V4(address)) if length.is_none_or(|length| length >= 96) => {
                (of_v4(address), length.unwrap_or(128).checked_sub(96)?, true)
            }
            (IpAddr::V6(address), _) => (address.to_bits(), length.unwrap_or(128), false),
        };
        let width = if is_v4 { 32 } else { 128 };
        let network = Self { bits, length, is_v4 };
        (length <= width && bits & !network.mask() == 0).then_some(network)
    }

    /// Tells whether the canonical form of an address is in this network.
    pub(super) fn contains(&self, address: &Address) -> bool {
        self.has(address.canonical())
    }

    /// Tells whether an address, or an IPv4 address embedded in it, is in this network or in the IPv4 network embedded in it.
    pub(super) fn may_contain(&self, address: &Address) -> bool {
        let embedded = self.embedded();
        address.readings().any(|one| self.has(one) || embedded.is_some_and(|network| network.has(one)))
    }

    /// Returns the IPv4 network whose addresses this IPv6 network embeds; `None` if it covers the whole prefix of a layout.
    fn embedded(&self) -> Option<Self> {
        let (shift, prefix) = match Ipv6Addr::from_bits(self.bits).segments() {
            _ if self.is_v4 => return None,
            [0x2002, ..] => (80_u32, 16_u32),
            [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 1, 0, 0, 0, ..] => (0, 96),
            _ => return None,
        };
        let length = self.length.checked_sub(prefix).filter(|length| *length > 0)?.min(32);
        let bits = (self.bits >> shift) & u128::from(u32::MAX);
        Some(Self { bits, length, is_v4: true })
    }

    fn has(&self, address: IpAddr) -> bool {
        let (bits, is_v4) = match address {
            IpAddr::V4(address) => (of_v4(address), true),
            IpAddr::V6(address) => (address.to_bits(), false),
        };
        is_v4 == self.is_v4 && bits & self.mask() == self.bits
    }

    fn mask(&self) -> u128 {
        let width: u32 = if self.is_v4 { 32 } else { 128 };
        let behind = width.saturating_sub(self.length);
        let all = if self.is_v4 { u128::from(u32::MAX) } else { u128::MAX };
        all & u128::MAX.checked_shl(behind).unwrap_or(0)
    }
}

fn of_v4(address: Ipv4Addr) -> u128 {
    u128::from(address.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_in_its_network_and_in_no_other() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3/32", "::ffff:10.1.2.3", "::ffff:10.1.2.4"),
            ("0.0.0.0/0", "192.0.2.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("fe80::1", "fe80::1", "fe80::2"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "64:ff9b::11.1.2.3"),
            ("10.1.0.0/16", "64:ff9b::10.1.2.3", "64:ff9b::10.2.2.3"),
            ("64:ff9b::a01:0/112", "10.1.2.3", "10.2.2.3"),
            ("[2001:db8::]/32", "2001:db8:0::1", "2001:db9::1"),
        ] {
            let network = Network::parse(network).unwrap();
            let (inside, outside) = (Address::parse(inside).unwrap(), Address::parse(outside).unwrap());
            assert!(network.contains(&inside), "{network:?} {inside:?}");
            assert!(!network.contains(&outside), "{network:?} {outside:?}");
        }
    }

    #[test]
    fn an_address_may_lie_in_the_networks_of_all_addresses_that_it_contains() {
        for (network, address, certain, perhaps) in [
            ("10.1.0.0/16", "10.1.2.3", true, true),
            ("10.1.0.0/16", "::10.1.2.3", false, true),
            ("10.1.0.0/16", "2002:a01:203::1", false, true),
            ("10.1.0.0/16", "64:ff9b:1::10.1.2.3", false, true),
            ("10.1.0.0/16", "2001:0:4136:e378:8000:63bf:f5fe:fdfc", false, true),
            ("10.1.0.0/16", "2002:a02:203::1", false, false),
            ("10.1.0.0/16", "2001:db8::10.1.2.3", false, false),
            ("64:ff9b::/32", "64:ff9b::10.1.2.3", false, true),
            ("2002:a01::/32", "10.1.2.3", false, true),
            ("2002:a01::/32", "::10.1.2.3", false, true),
            ("2002:a01:203:4::/64", "10.1.2.3", false, true),
            ("::10.0.0.0/104", "10.1.2.3", false, true),
            ("64:ff9b:1::10.0.0.0/104", "10.1.2.3", false, true),
            ("2002:a01::/32", "10.2.2.3", false, false),
            ("2002::/16", "10.1.2.3", false, false),
            ("::/96", "10.1.2.3", false, false),
            ("::/0", "10.1.2.3", false, false),
            ("::/0", "::ffff:10.1.2.3", false, false),
        ] {
            let (network, address) = (Network::parse(network).unwrap(), Address::parse(address).unwrap());
            assert_eq!(network.contains(&address), certain, "{network:?} {address:?}");
            assert_eq!(network.may_contain(&address), perhaps, "{network:?} {address:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.1.2.3/8",
            "10.0.0/8",
            "::1/129",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "a/8",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
