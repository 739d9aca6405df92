//! A stream to one server, plain or over TLS, within the time of a hook, for protocols that are not HTTP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::tls::{self, Trust};
use super::udp::Peer;
use super::{MAX_CONNECT, cause};
use crate::clock::Budget;
use crate::config::settings::{SettingError, Settings};
use crate::logging::Log;

/// What TLS needs: whom to believe and what to show.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads `[tls]`; `why` says why there has to be TLS.
    ///
    /// # Errors
    /// Options that are unusable, or TLS that is switched off.
    pub fn from_settings(settings: &Settings<'_>, log: &Log, why: &str) -> Result<Self, SettingError> {
        Trust::from_settings(settings, log, why)?.for_stream(settings).map(Self)
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    peer: Peer,
    /// The scheme without TLS.
    plain: &'static str,
    /// Whether TLS comes first, because the scheme is the second one.
    pub is_tls: bool,
}

impl Endpoint {
    /// Takes `plain://host`, `tls://host` and the same with a port, by the names and default ports of two schemes;
    /// returns `None` for others, also for those with a user, a path or a query.
    pub fn parse(text: &str, plain: (&'static str, u16), tls: (&str, u16)) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let is_tls = scheme == tls.0;
        if !is_tls && scheme != plain.0 {
            return None;
        }
        let peer = Peer::parse(rest.strip_suffix('/').unwrap_or(rest), if is_tls { tls.1 } else { plain.1 })?;
        Some(Self { peer, plain: plain.0, is_tls })
    }

    /// Returns host and port as one would write them.
    pub fn name(&self) -> &str {
        self.peer.name()
    }
}

fn is_silence(error: &io::Error) -> bool {
    !super::is_refused(error)
}

/// Tells whether each address of a host refuses connections. Waits at most one second for each address.
pub fn is_refused_everywhere(peer: &Peer, time: Budget<'_>) -> bool {
    let Ok(addresses) = peer.addresses(time) else { return false };
    addresses.iter().all(|address| {
        let left = time.remaining().min(Duration::from_secs(1));
        !left.is_zero() && TcpStream::connect_timeout(address, left).is_err_and(|e| super::is_refused(&e))
    })
}

/// How long may be waited for what comes next.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    hook: Budget<'a>,
    longest: Duration,
    until: Budget<'a>,
}

impl<'a> Wait<'a> {
    /// Begins a wait of `longest`, which is what an option says, or of what is left of the hook's time.
    pub fn new(hook: Budget<'a>, longest: Duration) -> Self {
        Self { hook, longest, until: hook.at_most(longest) }
    }

    fn late(&self) -> io::Error {
        io::Error::new(ErrorKind::TimedOut, cause::late(self.hook.remaining().is_zero(), self.longest))
    }
}

/// Says how TLS did not come about, where it is not rustls that says it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoHandshake {
    /// The server took the connection, and said nothing.
    #[error("{0}, in TLS's handshake")]
    Late(io::Error),
    /// Another protocol, on a port that should begin with TLS.
    #[error("no TLS is spoken on this port; is {0}:// meant?")]
    AnotherProtocol(&'static str),
    /// As many servers do that wait for something in plain text.
    #[error("the server hangs up in TLS's handshake; is {0}:// meant?")]
    HungUp(&'static str),
    /// Another protocol, though the server agreed.
    #[error("what comes after StartTLS is no TLS")]
    NotAfterStart,
}

/// An open stream. Every read and write ends with the time that was last set.
pub struct Stream<'a> {
    kind: Kind<'a>,
}

enum Kind<'a> {
    Plain(Timed<'a>),
    Tls(Box<StreamOwned<ClientConnection, Timed<'a>>>),
}

impl<'a> Stream<'a> {
    /// Connects to the first address of the host that takes it, in plain text.
    ///
    /// # Errors
    /// What the system says of the last address; no time is left.
    pub fn connect(endpoint: &Endpoint, wait: Wait<'a>) -> io::Result<Self> {
        let mut last = None;
        for address in endpoint.peer.addresses(wait.until)? {
            let left = wait.until.remaining().min(MAX_CONNECT);
            if left.is_zero() {
                return Err(wait.late());
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(socket) => {
                    // Small messages, each of which is waited for.
                    socket.set_nodelay(true)?;
                    return Ok(Self { kind: Kind::Plain(Timed { socket, wait }) });
                }
                // A time-out of one address outweighs a refusal of another.
                Err(error) if super::is_refused(&error) && last.as_ref().is_some_and(is_silence) => {}
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| wait.late()))
    }

    /// Goes on over TLS, after a handshake in which the server's certificate is checked for the endpoint's host.
    ///
    /// # Errors
    /// The certificate is not believed, the handshake fails, or the time is over.
    pub fn secured(self, tls: &Tls, endpoint: &Endpoint) -> io::Result<Self> {
        let Kind::Plain(mut socket) = self.kind else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "TLS is there already"));
        };
        let name = ServerName::try_from(endpoint.peer.host().to_owned()).map_err(|_| {
            io::Error::new(ErrorKind::InvalidInput, "the host has a name that no certificate has")
        })?;
        let mut connection = ClientConnection::new(Arc::clone(&tls.0), name)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(|error| no_handshake(error, endpoint))?;
        }
        Ok(Self { kind: Kind::Tls(Box::new(StreamOwned::new(connection, socket))) })
    }

    /// Sets the time within which the following has to be done.
    pub fn set_time(&mut self, wait: Wait<'a>) {
        match &mut self.kind {
            Kind::Plain(timed) => timed.wait = wait,
            Kind::Tls(stream) => stream.sock.wait = wait,
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Plain(timed) => timed.read(buffer),
            Kind::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Plain(timed) => timed.write(buffer),
            Kind::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Plain(timed) => timed.flush(),
            Kind::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket each of whose waits is cut from what is left, so that a byte now and then does not prolong it.
struct Timed<'a> {
    socket: TcpStream,
    wait: Wait<'a>,
}

impl Timed<'_> {
    fn within<T>(
        &mut self,
        set: impl Fn(&TcpStream, Option<Duration>) -> io::Result<()>,
        call: impl FnOnce(&mut TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        let wait = self.wait;
        let left = wait.until.remaining();
        if left.is_zero() {
            return Err(wait.late());
        }
        set(&self.socket, Some(left))?;
        // What the system calls a time-out depends on the system; TLS would go on after WouldBlock.
        call(&mut self.socket)
            .map_err(|error| if error.kind() == ErrorKind::WouldBlock { wait.late() } else { error })
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.within(TcpStream::set_read_timeout, |socket| socket.read(buffer))
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.within(TcpStream::set_write_timeout, |socket| socket.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

fn no_handshake(error: io::Error, endpoint: &Endpoint) -> io::Error {
    let kind = error.kind();
    let has_gone = matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
    let why = if kind == ErrorKind::TimedOut {
        NoHandshake::Late(error)
    } else if has_gone && endpoint.is_tls {
        NoHandshake::HungUp(endpoint.plain)
    } else if !tls::is_another_protocol(&error) {
        return error;
    } else if endpoint.is_tls {
        NoHandshake::AnotherProtocol(endpoint.plain)
    } else {
        NoHandshake::NotAfterStart
    };
    io::Error::new(kind, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Endpoint> {
        Endpoint::parse(text, ("ldap", 389), ("ldaps", 636))
    }

    #[test]
    fn an_address_is_a_scheme_a_host_and_perhaps_a_port() {
        for (text, name, is_tls) in [
            ("ldap://dc1.example.org", "dc1.example.org:389", false),
            (" LDAPS://dc1/ ", "dc1:636", true),
            ("ldaps://127.0.0.1:1636", "127.0.0.1:1636", true),
            ("ldap://[::1]:1389", "[::1]:1389", false),
            ("ldaps://[fe80::1]", "[fe80::1]:636", true),
        ] {
            let endpoint = parse(text).unwrap();
            assert_eq!((endpoint.name(), endpoint.is_tls), (name, is_tls), "{text}");
        }
        for bad in [
            "",
            "dc1",
            "http://dc1",
            "ldap://",
            "ldap:///",
            "ldap://dc1:0",
            "ldap://dc1:99999",
            "ldap://dc1:+1",
            "ldap://user:pw@dc1",
            "ldap://dc1/dc=example",
            "ldap://dc1?x",
            "ldap://[x]",
            "ldap://[::1]x",
            "ldapi:///",
            "ldap://a b",
            "ldap://dc1:389:389",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
