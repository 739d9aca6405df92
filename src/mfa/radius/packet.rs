//! The packets of RADIUS (RFC 2865) with Message-Authenticator (RFC 2869 section 5.14, RFC 3579 section 3.2).
//!
//! A reply is taken apart only after its Response Authenticator has proved that whoever made it knows the secret and
//! the request. MD5 alone does not prove that any more (CVE-2024-3596: a man in the middle who can put text into the
//! request makes an Access-Accept of an Access-Reject, unless an HMAC covers the packet).

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The longest packet, in bytes.
pub const MAX_PACKET: usize = 4096;
/// The longest value of an attribute, in bytes.
pub const MAX_VALUE: usize = 253;
/// The longest password that User-Password carries, in bytes.
pub const MAX_PASSWORD: usize = 128;

const HEADER: usize = 20;
const BLOCK: usize = 16;
const HMAC_BLOCK: usize = 64;
const ACCESS_REQUEST: u8 = 1;
const STATUS_SERVER: u8 = 12;

/// The types of the attributes that are spoken of here.
pub mod kind {
    /// Who logs in.
    pub const USER_NAME: u8 = 1;
    /// The hidden password.
    pub const USER_PASSWORD: u8 = 2;
    /// A number, and the hash of the password and the authenticator.
    pub const CHAP_PASSWORD: u8 = 3;
    /// Text for the user.
    pub const REPLY_MESSAGE: u8 = 18;
    /// What a server wants to have back with the answer.
    pub const STATE: u8 = 24;
    /// The client's address.
    pub const CALLING_STATION_ID: u8 = 31;
    /// Who asks the server.
    pub const NAS_IDENTIFIER: u8 = 32;
    /// What proxies add.
    pub const PROXY_STATE: u8 = 33;
    /// What the user is connected by.
    pub const NAS_PORT_TYPE: u8 = 61;
    /// Whether the answer may be seen (RFC 2869 section 5.10).
    pub const PROMPT: u8 = 76;
    /// The HMAC of the packet.
    pub const MESSAGE_AUTHENTICATOR: u8 = 80;
}

/// Sixteen random bytes of a request, or what a reply makes of them.
pub type Authenticator = [u8; BLOCK];

/// Says what a packet cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// An attribute without a value.
    #[error("an attribute is empty")]
    Empty,
    /// Over [`MAX_VALUE`].
    #[error("an attribute is longer than {MAX_VALUE} bytes")]
    Value,
    /// Over [`MAX_PACKET`].
    #[error("the packet is longer than {MAX_PACKET} bytes")]
    Packet,
    /// Over [`MAX_PASSWORD`].
    #[error("the password is longer than the {MAX_PASSWORD} bytes that RADIUS carries")]
    Password,
    /// A password is filled up with NULs, so the server would take one with a NUL at its end for a shorter one.
    #[error("the password holds a NUL, which RADIUS does not carry")]
    Nul,
}

/// An Access-Request in the making. Its Message-Authenticator stands first.
pub struct Request {
    identifier: u8,
    authenticator: Authenticator,
    attributes: Zeroizing<Vec<u8>>,
}

/// An Access-Request as it is sent, once or several times.
pub struct Sent {
    /// The packet.
    pub bytes: Zeroizing<Vec<u8>>,
    identifier: u8,
    authenticator: Authenticator,
}

impl Request {
    /// Begins a request; the authenticator has to be random.
    pub fn new(identifier: u8, authenticator: Authenticator) -> Self {
        let mut attributes = Zeroizing::new(Vec::with_capacity(512));
        attributes.extend_from_slice(&[kind::MESSAGE_AUTHENTICATOR, 18]);
        attributes.extend_from_slice(&[0; BLOCK]);
        Self { identifier, authenticator, attributes }
    }

    /// Adds an attribute.
    ///
    /// # Errors
    /// [`Unfit`]: the value is empty or too long, or the packet would be.
    pub fn add(&mut self, kind: u8, value: &[u8]) -> Result<(), Unfit> {
        let length = u8::try_from(value.len()).ok().and_then(|length| length.checked_add(2));
        let Some(length) = length else { return Err(Unfit::Value) };
        if value.is_empty() {
            return Err(Unfit::Empty);
        }
        let total = HEADER.saturating_add(self.attributes.len()).saturating_add(usize::from(length));
        if total > MAX_PACKET {
            return Err(Unfit::Packet);
        }
        self.attributes.extend_from_slice(&[kind, length]);
        self.attributes.extend_from_slice(value);
        Ok(())
    }

    /// Adds the password, hidden (RFC 2865 section 5.2).
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn add_password(&mut self, password: &[u8], secret: &[u8]) -> Result<(), Unfit> {
        check_password(password)?;
        let mut padded =
            Zeroizing::new(vec![0_u8; password.len().div_ceil(BLOCK).max(1).saturating_mul(BLOCK)]);
        padded.iter_mut().zip(password).for_each(|(to, from)| *to = *from);
        let mut before = self.authenticator;
        for block in padded.chunks_mut(BLOCK) {
            let mask = md5(&[secret, &before]);
            block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
            before.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
        }
        self.add(kind::USER_PASSWORD, &padded)
    }

    /// Adds the hash of the password and this request's authenticator (RFC 2865 section 5.3).
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn add_chap(&mut self, number: u8, password: &[u8]) -> Result<(), Unfit> {
        check_password(password)?;
        let mut value = [number; 1 + BLOCK];
        let hash = md5(&[&[number], password, &self.authenticator]);
        value.iter_mut().skip(1).zip(hash).for_each(|(to, from)| *to = from);
        self.add(kind::CHAP_PASSWORD, &value)
    }

    /// Signs the request.
    pub fn sign(self, secret: &[u8]) -> Sent {
        self.sign_as(ACCESS_REQUEST, secret)
    }

    /// Makes of it a question whether the server is there (RFC 5997), and signs that.
    pub fn sign_status(self, secret: &[u8]) -> Sent {
        self.sign_as(STATUS_SERVER, secret)
    }

    fn sign_as(self, code: u8, secret: &[u8]) -> Sent {
        let Self { identifier, authenticator, attributes } = self;
        let length = HEADER.saturating_add(attributes.len());
        // add() has kept it below MAX_PACKET.
        let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(&[code, identifier, high, low]);
        bytes.extend_from_slice(&authenticator);
        bytes.extend_from_slice(&attributes);
        let mac = hmac(secret, &[&bytes]);
        let place = bytes.iter_mut().skip(HEADER.saturating_add(2)).zip(mac);
        place.for_each(|(to, from)| *to = from);
        Sent { bytes, identifier, authenticator }
    }
}

/// Tells whether RADIUS carries a password.
///
/// # Errors
/// [`Unfit::Password`], [`Unfit::Nul`].
pub fn check_password(password: &[u8]) -> Result<(), Unfit> {
    match password {
        _ if password.len() > MAX_PASSWORD => Err(Unfit::Password),
        _ if password.contains(&0) => Err(Unfit::Nul),
        _ => Ok(()),
    }
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Yes.
    Accept,
    /// No.
    Reject,
    /// The user has to answer first.
    Challenge,
}

impl Code {
    fn read(byte: u8) -> Option<Self> {
        match byte {
            2 => Some(Self::Accept),
            3 => Some(Self::Reject),
            11 => Some(Self::Challenge),
            _ => None,
        }
    }
}

/// Says why a datagram is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Too short, too long, or of another length than it says.
    #[error("the server sends what is no RADIUS packet")]
    NoPacket,
    /// To another identifier.
    #[error("the server answers another request")]
    OtherRequest,
    /// Neither accept nor reject nor challenge.
    #[error("the server's reply has an unknown code")]
    Code,
    /// The Response Authenticator is another.
    #[error("the server's reply is not signed with the configured secret")]
    NotSigned,
    /// Signed, but its attributes are none.
    #[error("the attributes of the server's reply are damaged")]
    Attributes,
    /// Signed, but an attribute that may stand there once stands there twice.
    #[error("an attribute of the server's reply appears twice")]
    Twice,
    /// Signed, but with something that a proxy adds to a request, and no request of ours has (CVE-2024-3596).
    #[error("the server's reply has a Proxy-State that no request had")]
    ProxyState,
    /// Signed, but with a Message-Authenticator of another secret or packet.
    #[error("the Message-Authenticator of the server's reply is wrong")]
    WrongMessageAuthenticator,
    /// Signed, but without the one signature that holds (CVE-2024-3596).
    #[error(
        "the server's reply has no Message-Authenticator; update the server, or set require_message_authenticator"
    )]
    NoMessageAuthenticator,
}

impl Unusable {
    /// Whether it comes from somebody who knows the secret, as far as MD5 can tell. All else may be anybody's.
    pub fn is_signed(self) -> bool {
        match self {
            Self::NoPacket | Self::OtherRequest | Self::Code | Self::NotSigned => false,
            Self::Attributes
            | Self::Twice
            | Self::ProxyState
            | Self::WrongMessageAuthenticator
            | Self::NoMessageAuthenticator => true,
        }
    }
}

/// A reply whose signatures hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the server says.
    pub code: Code,
    attributes: Vec<(u8, Vec<u8>)>,
}

impl Reply {
    /// Returns the values of an attribute in their order.
    pub fn all(&self, kind: u8) -> impl Iterator<Item = &[u8]> {
        self.attributes.iter().filter(move |(known, _)| *known == kind).map(|(_, value)| value.as_slice())
    }

    /// Returns the value of an attribute that stands there at most once.
    pub fn one(&self, kind: u8) -> Option<&[u8]> {
        self.all(kind).next()
    }

    /// Reads a datagram as the reply to a request.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(
        datagram: &[u8],
        sent: &Sent,
        secret: &[u8],
        require_message_authenticator: bool,
    ) -> Result<Self, Unusable> {
        let Some((&[code, identifier, high, low], rest)) = datagram.split_first_chunk::<4>() else {
            return Err(Unusable::NoPacket);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if datagram.len() > MAX_PACKET || length > datagram.len() {
            return Err(Unusable::NoPacket);
        }
        // What stands behind the packet's end is padding (RFC 2865 section 3).
        let body = length.checked_sub(4).and_then(|length| rest.get(..length));
        let Some((authenticator, attributes)) = body.and_then(|body| body.split_first_chunk::<BLOCK>())
        else {
            return Err(Unusable::NoPacket);
        };
        if identifier != sent.identifier {
            return Err(Unusable::OtherRequest);
        }
        let head = [code, identifier, high, low];
        let code = Code::read(code).ok_or(Unusable::Code)?;
        let expected = md5(&[&head, &sent.authenticator, attributes, secret]);
        if !bool::from(expected.ct_eq(authenticator)) {
            return Err(Unusable::NotSigned);
        }
        let attributes = split(attributes).ok_or(Unusable::Attributes)?;
        let count = |kind| attributes.iter().filter(|(known, _)| *known == kind).count();
        if [kind::STATE, kind::PROMPT, kind::MESSAGE_AUTHENTICATOR].into_iter().any(|kind| count(kind) > 1) {
            return Err(Unusable::Twice);
        }
        if count(kind::PROXY_STATE) > 0 {
            return Err(Unusable::ProxyState);
        }
        check_mac(&attributes, &head, &sent.authenticator, secret, require_message_authenticator)?;
        Ok(Self {
            code,
            attributes: attributes.into_iter().map(|(kind, value)| (kind, value.to_vec())).collect(),
        })
    }
}

/// Holds the Message-Authenticator against the packet with the request's authenticator in it and sixteen NULs in the
/// place of the Message-Authenticator.
fn check_mac(
    attributes: &[(u8, &[u8])],
    head: &[u8; 4],
    authenticator: &Authenticator,
    secret: &[u8],
    is_required: bool,
) -> Result<(), Unusable> {
    let mut found = None;
    let mut signed = [&head[..], &authenticator[..]].concat();
    for (kind, value) in attributes {
        // split() has taken the value out of one whose length is a byte.
        signed.extend([*kind, u8::try_from(value.len().saturating_add(2)).unwrap_or(u8::MAX)]);
        if *kind == kind::MESSAGE_AUTHENTICATOR {
            found = Some(*value);
            signed.extend([0; BLOCK]);
        } else {
            signed.extend_from_slice(value);
        }
    }
    match found {
        Some(mac) if bool::from(hmac(secret, &[&signed]).as_slice().ct_eq(mac)) => Ok(()),
        Some(_) => Err(Unusable::WrongMessageAuthenticator),
        None if is_required => Err(Unusable::NoMessageAuthenticator),
        None => Ok(()),
    }
}

fn split(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while let [kind, length, rest @ ..] = bytes {
        let (value, after) = rest.split_at_checked(usize::from(*length).checked_sub(2)?)?;
        found.push((*kind, value));
        bytes = after;
    }
    bytes.is_empty().then_some(found)
}

fn md5(pieces: &[&[u8]]) -> Authenticator {
    let mut hash = Md5::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    hash.finalize().into()
}

fn hmac(secret: &[u8], pieces: &[&[u8]]) -> Authenticator {
    // A key that is longer than a block is hashed first (RFC 2104).
    let hashed = md5(&[secret]);
    let key = if secret.len() > HMAC_BLOCK { &hashed[..] } else { secret };
    let mut padded = Zeroizing::new([0_u8; HMAC_BLOCK]);
    padded.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Md5>::new((&*padded).into());
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
