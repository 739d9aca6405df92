//! A RADIUS server on the loopback interface that does what a script says, with a codec of its own.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

pub(crate) const SECRET: &str = "s3cret-of-the-radius-tests";
pub(crate) const ACCEPT: u8 = 2;
pub(crate) const REJECT: u8 = 3;
pub(crate) const CHALLENGE: u8 = 11;

/// Where a reply has its Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mac80 {
    First,
    Last,
    Absent,
    Wrong,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) bytes: Vec<u8>,
    pub(crate) attributes: Vec<(u8, Vec<u8>)>,
    pub(crate) from: SocketAddr,
}

fn md5(pieces: &[&[u8]]) -> [u8; 16] {
    Md5::digest(pieces.concat()).into()
}

fn hmac(pieces: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&pieces.concat());
    mac.finalize().into_bytes().into()
}

/// Writes an attribute.
pub(crate) fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, u8::try_from(value.len().saturating_add(2)).unwrap()], value].concat()
}

impl Asked {
    fn read(bytes: &[u8], from: SocketAddr) -> Self {
        let mut attributes = Vec::new();
        let mut rest = &bytes[20..];
        while let [kind, length, ..] = *rest {
            attributes.push((kind, rest[2..usize::from(length)].to_vec()));
            rest = &rest[usize::from(length)..];
        }
        Self { bytes: bytes.to_vec(), attributes, from }
    }

    pub(crate) fn authenticator(&self) -> &[u8] {
        &self.bytes[4..20]
    }

    /// The value of an attribute that stands there once.
    pub(crate) fn value(&self, kind: u8) -> Option<&[u8]> {
        let mut found = self.attributes.iter().filter(|(known, _)| *known == kind);
        let first = found.next().map(|(_, value)| value.as_slice());
        assert!(found.next().is_none(), "attribute {kind} twice");
        first
    }

    pub(crate) fn text(&self, kind: u8) -> String {
        String::from_utf8(self.value(kind).unwrap_or_default().to_vec()).unwrap()
    }

    /// Whether the first attribute is the Message-Authenticator and holds.
    pub(crate) fn is_signed(&self) -> bool {
        let mut zeroed = self.bytes.clone();
        zeroed[22..38].fill(0);
        self.attributes[0] == (80, hmac(&[&zeroed]).to_vec())
    }

    /// The password that was hidden.
    pub(crate) fn password(&self) -> String {
        let mut before = self.authenticator().to_vec();
        let mut clear = Vec::new();
        for block in self.value(2).unwrap().chunks(16) {
            let mask = md5(&[SECRET.as_bytes(), &before]);
            clear.extend(block.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            before = block.to_vec();
        }
        while clear.last() == Some(&0) {
            clear.pop();
        }
        String::from_utf8_lossy(&clear).into_owned()
    }

    /// Whether the CHAP hash is that of a password.
    pub(crate) fn is_chap_of(&self, password: &str) -> bool {
        let value = self.value(3).unwrap();
        md5(&[&value[..1], password.as_bytes(), self.authenticator()]) == value[1..]
    }

    /// Makes a reply whose Response Authenticator holds.
    pub(crate) fn reply(&self, code: u8, attributes: &[u8], place: Mac80) -> Vec<u8> {
        let before = if place == Mac80::Absent { 20_usize } else { 38 };
        let length = before.saturating_add(attributes.len());
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        let head = [code, self.bytes[1], high, low];
        let empty = attribute(80, &[0; 16]);
        let with = |mac: &[u8]| match place {
            Mac80::Absent => attributes.to_vec(),
            Mac80::Last => [attributes, mac].concat(),
            Mac80::First | Mac80::Wrong => [mac, attributes].concat(),
        };
        let mut mac = hmac(&[&head, self.authenticator(), &with(&empty)]);
        if place == Mac80::Wrong {
            mac[0] ^= 1;
        }
        let attributes = with(&attribute(80, &mac));
        self.signed(head, &attributes)
    }

    /// Signs whatever stands behind a header.
    pub(crate) fn signed(&self, head: [u8; 4], attributes: &[u8]) -> Vec<u8> {
        let authenticator = md5(&[&head, self.authenticator(), attributes, SECRET.as_bytes()]);
        [&head[..], &authenticator, attributes].concat()
    }

    /// The usual reply.
    pub(crate) fn answer(&self, code: u8, attributes: &[u8]) -> Vec<u8> {
        self.reply(code, attributes, Mac80::First)
    }
}

/// A server that listens until it is dropped.
pub(crate) struct RadiusServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
}

impl RadiusServer {
    /// Answers each request with the datagrams that the script returns; the number counts the requests from 0.
    pub(crate) fn answering(script: impl Fn(usize, &Asked) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::with(UdpSocket::bind("127.0.0.1:0").unwrap(), move |socket, number, asked| {
            for datagram in script(number, asked) {
                let _ = socket.send_to(&datagram, asked.from);
            }
        })
    }

    /// Lets the script do the sending.
    pub(crate) fn with(
        socket: UdpSocket,
        script: impl Fn(&UdpSocket, usize, &Asked) + Send + 'static,
    ) -> Self {
        let server =
            Self { address: socket.local_addr().unwrap(), asked: Arc::default(), over: Arc::default() };
        let (asked, over) = (Arc::clone(&server.asked), Arc::clone(&server.over));
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        thread::spawn(move || {
            let mut room = [0; 5000];
            while !over.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut room) else { continue };
                let request = Asked::read(&room[..length], from);
                let number = {
                    let mut asked = asked.lock().unwrap();
                    asked.push(request.clone());
                    asked.len().saturating_sub(1)
                };
                script(&socket, number, &request);
            }
        });
        server
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for RadiusServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}
