//! Addresses in the canonical form in which they are compared, and the IPv4 addresses embedded in an IPv6 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The prefix that NAT64 puts before an IPv4 address (RFC 6052), `64:ff9b::/96`.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// An address, and all addresses to which its traffic may go.
///
/// What **permits** compares [`Address::canonical`], what **forbids** all of [`Address::readings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    canonical: IpAddr,
    readings: Vec<IpAddr>,
}

impl Address {
    /// Reads an address, with or without brackets; `None` for anything else, such as one with a zone.
    pub fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        inner.parse::<IpAddr>().ok().map(Self::from)
    }

    /// The one form: what is mapped into IPv6, or translated by NAT64, is that IPv4 address.
    pub fn canonical(&self) -> IpAddr {
        self.canonical
    }

    /// The one form, the address as it was written, and the IPv4 addresses that tunnels and translators read from it.
    pub fn readings(&self) -> impl Iterator<Item = IpAddr> {
        self.readings.iter().copied()
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let canonical = canonical(address);
        let mut readings = vec![canonical];
        // An IPv4-mapped address is only another spelling of an IPv4 address.
        if let IpAddr::V6(written) = address.to_canonical() {
            readings.push(written.into());
            readings.extend(embedded(written).into_iter().map(IpAddr::from));
        }
        Self { canonical, readings }
    }
}

/// Reads an address, with or without brackets, in its one form.
pub fn address(text: &str) -> Option<IpAddr> {
    Address::parse(text).map(|address| address.canonical)
}

/// Returns an address in its one form: an IPv4 address that is mapped into IPv6, or translated by NAT64, is that
/// address.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => match address.segments() {
            [a, b, c, d, e, f, high, low] if [a, b, c, d, e, f] == NAT64 => joined(high, low).into(),
            _ => address.into(),
        },
        address => address,
    }
}

/// Returns the IPv4 addresses embedded in an IPv6 address, in every standard layout; prefixes of the site are not known here.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [_, _, _, _, _, _, o6, o7, _, o9, o10, o11, o12, o13, o14, o15] = address.octets();
    let last = Ipv4Addr::new(o12, o13, o14, o15);
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // IPv4-compatible (RFC 4291, 2.5.5.1), IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => vec![last],
        // NAT64 with a local prefix, which may be of any length (RFC 8215; RFC 6052, 2.2).
        [0x64, 0xff9b, 1, _, _, _, _, _] => vec![
            last,
            Ipv4Addr::new(o9, o10, o11, o12),
            Ipv4Addr::new(o7, o9, o10, o11),
            Ipv4Addr::new(o6, o7, o9, o10),
        ],
        // 6to4 (RFC 3056).
        [0x2002, high, low, _, _, _, _, _] => vec![joined(high, low)],
        // Teredo, its server and its client (RFC 4380).
        [0x2001, 0, high, low, _, _, one, other] => vec![joined(high, low), joined(!one, !other)],
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => vec![last],
        _ => Vec::new(),
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_of_an_ipv4_address_in_ipv6_is_read() {
        for text in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "::10.1.2.3",
            "::ffff:0:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::10.1.2.3",
            "64:ff9b:1:2:3:4:10.1.2.3",
            "64:ff9b:1:0:a:102:300:0",
            "64:ff9b:1:a:1:203::",
            "64:ff9b:1:a01:2:300::",
            "2002:a01:203::",
            "2002:a01:203:4::5",
            "2001:0:4136:e378:8000:63bf:f5fe:fdfc",
            "2001:0:a01:203:8000:63bf:3fff:fdd2",
            "fe80::5efe:10.1.2.3",
            "2001:db8::200:5efe:10.1.2.3",
        ] {
            let address = Address::parse(text).unwrap();
            assert!(address.readings().any(|one| one == IpAddr::from([10, 1, 2, 3])), "{text} {address:?}");
        }
        for text in ["::", "::1", "2001:db8::a01:203", "fd00::10.1.2.3", "2003:a01:203::", "10.1.2.4"] {
            let address = Address::parse(text).unwrap();
            let all: Vec<_> = address.readings().collect();
            assert!(
                !all.contains(&IpAddr::from([10, 1, 2, 3])) && all.contains(&address.canonical()),
                "{text}"
            );
        }
        assert_eq!(Address::parse("fe80::1%eth0"), None);
    }
}
