//! Datagrams on connected sockets, within the time of a hook.
//!
//! A connected socket takes datagrams of its peer alone, and hears that nobody listens there.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::thread;

use crate::clock::Budget;

/// How many addresses of one name are tried.
const MAX_ADDRESSES: usize = 4;
/// How often a call that a signal interrupts is made again.
const MAX_INTERRUPTIONS: u32 = 100;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    host: String,
    port: u16,
    name: String,
}

impl Peer {
    /// Takes `host`, `host:port`, an address of either kind, or `[address]:port`; returns `None` for others.
    pub fn parse(text: &str, default_port: u16) -> Option<Self> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::new(&address.to_string(), default_port));
        }
        if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if rest.is_empty() { default_port } else { port(rest.strip_prefix(':')?)? };
            return Some(Self::new(&address.to_string(), port));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, digits)) => (host, port(digits)?),
            None => (text, default_port),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        (!host.is_empty() && host.len() <= 253 && host.chars().all(fits)).then(|| Self::new(host, port))
    }

    fn new(host: &str, port: u16) -> Self {
        let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Self { host: host.to_owned(), port, name }
    }

    /// Returns the host, an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns host and port as one would write them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the addresses of the host. The system's resolver has no time-out, so it is asked by a thread of its
    /// own, which is left behind if it takes too long.
    ///
    /// # Errors
    /// No such host, or no answer in time.
    pub fn addresses(&self, time: Budget<'_>) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let (host, port) = (self.host.clone(), self.port);
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new().spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            // Nobody listens any more where it took too long.
            let _ = sender.send(found.map(|found| found.take(MAX_ADDRESSES).collect::<Vec<_>>()));
        })?;
        let late = |_| io::Error::new(ErrorKind::TimedOut, "the name was not resolved in time");
        let found = receiver.recv_timeout(time.remaining()).map_err(late)??;
        if found.is_empty() { Err(io::Error::new(ErrorKind::NotFound, "no address")) } else { Ok(found) }
    }
}

fn port(digits: &str) -> Option<u16> {
    digits.parse().ok().filter(|port| *port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A socket that is connected to one address.
pub struct Link {
    socket: UdpSocket,
}

impl Link {
    /// Opens a socket on a port of the system's choice.
    ///
    /// # Errors
    /// What the system says, such as that there is no way there.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(address)?;
        Ok(Self { socket })
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// What the system says; also what it has heard of an earlier one.
    pub fn send(&self, bytes: &[u8], time: Budget<'_>) -> io::Result<()> {
        self.socket.set_write_timeout(Some(time.remaining()))?;
        uninterrupted(|| self.socket.send(bytes)).map(|_| ())
    }

    /// Waits for one datagram and returns its length; what does not fit into `room` is lost. `None`: the time is over.
    ///
    /// # Errors
    /// What the system has heard of what was sent, such as that nobody listens.
    pub fn receive(&self, room: &mut [u8], time: Budget<'_>) -> io::Result<Option<usize>> {
        let left = time.remaining();
        if left.is_zero() {
            return Ok(None);
        }
        self.socket.set_read_timeout(Some(left))?;
        match uninterrupted(|| self.socket.recv(room)) {
            Ok(length) => Ok(Some(length)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    for _ in 0..MAX_INTERRUPTIONS {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
    Err(ErrorKind::Interrupted.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, UnixTime};

    struct Started;

    impl Clock for Started {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(0)
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn a_peer_is_a_host_or_an_address_with_or_without_a_port() {
        for (text, name) in [
            ("radius.example.org", "radius.example.org:1812"),
            (" radius.example.org:1645 ", "radius.example.org:1645"),
            ("10.0.0.1", "10.0.0.1:1812"),
            ("10.0.0.1:65535", "10.0.0.1:65535"),
            ("::1", "[::1]:1812"),
            ("[::1]", "[::1]:1812"),
            ("[2001:DB8::1]:1645", "[2001:db8::1]:1645"),
        ] {
            assert_eq!(Peer::parse(text, 1812).unwrap().name(), name);
        }
        for bad in [
            "",
            ":1812",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1:2",
            "[::1",
            "[::1]1812",
            "[10.0.0.1]:1",
            "[a]:1",
            "a b",
            "http://a",
            "a/b",
            "user@a",
            "ä",
            "fe80::1%eth0",
        ] {
            assert_eq!(Peer::parse(bad, 1812), None, "{bad}");
        }
    }

    #[test]
    fn datagrams_of_others_are_not_heard_and_an_empty_port_is() {
        let clock = Started;
        let budget = Budget::new(&clock, Duration::from_secs(20));
        let (peer, stranger) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let link = Link::open(peer.local_addr().unwrap()).unwrap();
        link.send(b"?", budget).unwrap();
        let mut room = [0; 8];
        let (_, own) = peer.recv_from(&mut room).unwrap();
        stranger.send_to(b"stranger", own).unwrap();
        peer.send_to(b"peer", own).unwrap();
        assert_eq!(link.receive(&mut room, budget).unwrap(), Some(4));
        assert_eq!(room.first_chunk(), Some(b"peer"));
        assert_eq!(link.receive(&mut room, budget.at_most(Duration::from_millis(10))).unwrap(), None);
        drop(peer);
        link.send(b"?", budget).unwrap();
        let refused = link.receive(&mut room, budget).unwrap_err();
        assert!(crate::net::is_refused(&refused), "{refused}");
    }

    #[test]
    fn a_name_that_is_none_has_no_address_and_an_address_is_its_own() {
        let clock = Started;
        let budget = Budget::new(&clock, Duration::from_secs(20));
        let address = Peer::parse("[::1]:7", 1).unwrap().addresses(budget).unwrap();
        assert_eq!(address, ["[::1]:7".parse().unwrap()]);
        assert!(Peer::parse("no-such-host.invalid", 1).unwrap().addresses(budget).is_err());
    }
}
