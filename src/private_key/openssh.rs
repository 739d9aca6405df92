//! OpenSSH's form of private keys (`PROTOCOL.key` in OpenSSH's sources): `openssh-key-v1`, a public and a private
//! part, the latter encrypted with AES in counter mode or CBC under bcrypt.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, KeyIvInit, StreamCipher};
use ring::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

use super::ec::Curve;
use super::rsa::Numbers;
use super::{KeyError, Rewritten};

const LABEL: &str = "OPENSSH PRIVATE KEY";
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Rounds of bcrypt; `ssh-keygen -a` sets them, and 24 is usual. These take some minutes.
const MAX_ROUNDS: u32 = 10_000;
/// Blocks that the private part of a key which is not encrypted is padded to.
const PLAIN_BLOCK: usize = 8;

/// What is left of a key's bytes.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn number(&mut self) -> Result<u32, KeyError> {
        let (bytes, rest) = self.0.split_first_chunk::<4>().ok_or(KeyError::Damaged)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    fn string(&mut self) -> Result<&'b [u8], KeyError> {
        let length = usize::try_from(self.number()?).map_err(|_| KeyError::Damaged)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(KeyError::Damaged)?;
        self.0 = rest;
        Ok(string)
    }

    /// Reads a number that is not negative, and returns it without the zeros before it.
    fn unsigned(&mut self) -> Result<&'b [u8], KeyError> {
        let number = self.string()?;
        if number.first().is_some_and(|byte| *byte >= 0x80) {
            return Err(KeyError::Damaged);
        }
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        Ok(number.get(start..).unwrap_or_default())
    }
}

/// Reads a key, and writes it anew without encryption. Its comment comes along.
pub(super) fn read<'p>(
    bytes: &[u8],
    passphrase: impl FnOnce() -> Result<&'p str, KeyError>,
) -> Result<Rewritten, KeyError> {
    let mut rest = Rest(bytes.strip_prefix(MAGIC).ok_or(KeyError::Damaged)?);
    let (cipher, kdf, options) = (rest.string()?, rest.string()?, rest.string()?);
    if rest.number()? != 1 {
        return Err(KeyError::Unsupported(
            "this contains more than one private key, which OpenSSH does not support",
        ));
    }
    let public = rest.string()?;
    let private = rest.string()?;
    if !rest.0.is_empty() {
        // chacha20-poly1305 and AES-GCM have their tag here.
        return Err(unknown_cipher());
    }
    if cipher == b"none" && kdf == b"none" {
        return parts(public, private);
    }
    let plain = decrypt(cipher, kdf, options, private, passphrase()?)?;
    parts(public, &plain)
}

/// Reads both parts of a key, checks that they are of one key, and writes it.
fn parts(public: &[u8], private: &[u8]) -> Result<Rewritten, KeyError> {
    let mut rest = Rest(private);
    let check = rest.number()?;
    if check != rest.number()? {
        return Err(KeyError::Damaged);
    }
    let (kind, numbers) = numbers(&mut rest)?;
    let comment = rest.string()?;
    let padding = rest.0;
    let is_padding = padding.len() < 256 && padding.iter().zip(1_u8..).all(|(byte, number)| *byte == number);
    if !is_padding || public != numbers.public.as_slice() {
        return Err(KeyError::Damaged);
    }
    // OpenSSH refuses one with a NUL in it; others are shown on terminals.
    let is_plain = std::str::from_utf8(comment).is_ok_and(|comment| !comment.chars().any(char::is_control));
    Ok(written(kind, check, &numbers, if is_plain { comment } else { b"" }))
}

/// The numbers of a key as its public and its private part have them, each with the type's name before them.
struct Written {
    public: Vec<u8>,
    private: Zeroizing<Vec<u8>>,
}

impl Written {
    fn new(kind: &str, public: &[&[u8]], private: &[&[u8]]) -> Self {
        // Large enough for every key, so that growing leaves no unwiped copy behind.
        let length = private.iter().map(|part| part.len().saturating_add(8)).sum::<usize>();
        let mut written = Self {
            public: Vec::new(),
            private: Zeroizing::new(Vec::with_capacity(length.saturating_add(kind.len()).saturating_add(8))),
        };
        put(&mut written.public, kind.as_bytes());
        put(&mut written.private, kind.as_bytes());
        public.iter().for_each(|part| put(&mut written.public, part));
        private.iter().for_each(|part| put(&mut written.private, part));
        written
    }
}

fn numbers(rest: &mut Rest<'_>) -> Result<(&'static str, Written), KeyError> {
    let name = rest.string()?;
    if name == b"ssh-rsa" {
        let (n, e, d) = (rest.unsigned()?, rest.unsigned()?, rest.unsigned()?);
        let (coefficient, p, q) = (rest.unsigned()?, rest.unsigned()?, rest.unsigned()?);
        Numbers { n, e, d, p, q, coefficient }.check(None)?;
        let [n, e, d, coefficient, p, q] = [n, e, d, coefficient, p, q].map(signed);
        let written = Written::new("ssh-rsa", &[&e, &n], &[&n, &e, &d, &coefficient, &p, &q]);
        return Ok(("ssh-rsa", written));
    }
    if name == b"ssh-ed25519" {
        let (public, private) = (rest.string()?, rest.string()?);
        let (seed, again) = private.split_at_checked(32).ok_or(KeyError::Damaged)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public);
        if pair.is_err() || again != public {
            return Err(KeyError::Damaged);
        }
        return Ok(("ssh-ed25519", Written::new("ssh-ed25519", &[public], &[public, private])));
    }
    if let Some(curve) = Curve::from_kind(name) {
        let (curve_name, point, number) = (rest.string()?, rest.string()?, rest.unsigned()?);
        if curve_name != curve.name().as_bytes() {
            return Err(KeyError::Damaged);
        }
        let pair = curve.key(number, Some(point))?;
        let number = signed(number);
        let written =
            Written::new(curve.kind(), &[curve_name, &pair.public], &[curve_name, &pair.public, &number]);
        return Ok((curve.kind(), written));
    }
    if name.starts_with(b"sk-") {
        return Err(KeyError::Unsupported(
            "a FIDO key (sk-ssh-ed25519, sk-ecdsa) needs its device at each login, and cannot be handed out",
        ));
    }
    if name.ends_with(b"-cert-v01@openssh.com") {
        return Err(KeyError::Unsupported("a certificate is not supported; give the private key without it"));
    }
    Err(KeyError::Type)
}

/// Writes a number as `mpint` has it (RFC 4251 section 5): positive ones begin with a bit that is not set.
fn signed(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut signed = Zeroizing::new(Vec::with_capacity(number.len().saturating_add(1)));
    if number.first().is_some_and(|byte| *byte >= 0x80) {
        signed.push(0);
    }
    signed.extend_from_slice(number);
    signed
}

fn written(kind: &'static str, check: u32, numbers: &Written, comment: &[u8]) -> Rewritten {
    let Written { public, private } = numbers;
    let length = private.len().saturating_add(comment.len()).saturating_add(32);
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    // Two equal numbers, by which a reader tells a right passphrase from a wrong one.
    body.extend_from_slice(&check.to_be_bytes());
    body.extend_from_slice(&check.to_be_bytes());
    body.extend_from_slice(private);
    put(&mut body, comment);
    let missing = body.len().next_multiple_of(PLAIN_BLOCK).saturating_sub(body.len());
    body.extend((1_u8..).take(missing));

    let length = public.len().saturating_add(body.len()).saturating_add(128);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(MAGIC);
    for string in [&b"none"[..], b"none", b""] {
        put(&mut bytes, string);
    }
    bytes.extend_from_slice(&1_u32.to_be_bytes());
    put(&mut bytes, public);
    put(&mut bytes, &body);
    Rewritten { kind, label: LABEL, bytes }
}

/// Writes an Ed25519 key, without a comment.
pub(super) fn ed25519(seed: &[u8], public: &[u8]) -> Rewritten {
    let private = Zeroizing::new([seed, public].concat());
    written("ssh-ed25519", 0, &Written::new("ssh-ed25519", &[public], &[public, &private]), b"")
}

fn put(bytes: &mut Vec<u8>, string: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(string);
}

fn unknown_cipher() -> KeyError {
    KeyError::Unsupported(
        "of OpenSSH's ciphers only AES (ctr or cbc) is supported; encrypt the key again: ssh-keygen -p -Z aes256-ctr -f FILE",
    )
}

fn decrypt(
    cipher: &[u8],
    kdf: &[u8],
    options: &[u8],
    private: &[u8],
    passphrase: &str,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let key_length = match cipher {
        b"aes128-ctr" | b"aes128-cbc" => 16,
        b"aes192-ctr" | b"aes192-cbc" => 24,
        b"aes256-ctr" | b"aes256-cbc" => 32,
        _ => return Err(unknown_cipher()),
    };
    if kdf != b"bcrypt" {
        return Err(unknown_cipher());
    }
    let mut options = Rest(options);
    let (salt, rounds) = (options.string()?, options.number()?);
    if rounds > MAX_ROUNDS {
        return Err(KeyError::Unsupported(
            "a key with more than 10000 rounds of bcrypt is not supported; use fewer: ssh-keygen -p -a 24 -f FILE",
        ));
    }
    let mut derived = Zeroizing::new([0_u8; 48]);
    let (derived, _) = derived.split_at_mut(usize::min(16_usize.saturating_add(key_length), 48));
    bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, rounds, derived).map_err(|_| KeyError::Passphrase)?;
    let (key, iv) = derived.split_at(key_length);
    let mut buffer = Zeroizing::new(private.to_vec());
    macro_rules! counter {
        ($cipher:ty) => {
            ctr::Ctr128BE::<$cipher>::new_from_slices(key, iv)
                .map(|mut cipher| cipher.apply_keystream(&mut buffer))
                .map_err(|_| KeyError::Damaged)
        };
    }
    macro_rules! chained {
        ($cipher:ty) => {
            cbc::Decryptor::<$cipher>::new_from_slices(key, iv).map_err(|_| KeyError::Damaged).and_then(
                |cipher| {
                    let opened = cipher.decrypt_padded::<NoPadding>(&mut buffer);
                    opened.map(drop).map_err(|_| KeyError::Damaged)
                },
            )
        };
    }
    match cipher {
        b"aes128-ctr" => counter!(aes::Aes128),
        b"aes192-ctr" => counter!(aes::Aes192),
        b"aes256-ctr" => counter!(aes::Aes256),
        b"aes128-cbc" => chained!(aes::Aes128),
        b"aes192-cbc" => chained!(aes::Aes192),
        _ => chained!(aes::Aes256),
    }?;
    let (first, second) = {
        let mut rest = Rest(&buffer);
        (rest.number()?, rest.number()?)
    };
    if first == second { Ok(buffer) } else { Err(KeyError::Passphrase) }
}
