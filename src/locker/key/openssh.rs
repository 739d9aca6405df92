//! OpenSSH's form of private keys (`PROTOCOL.key` in OpenSSH's sources): `openssh-key-v1`, a public and a private
//! part, the latter encrypted with AES in counter mode or CBC under bcrypt.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

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
}

/// Reads a key: its type, and, where it was encrypted, the label and the bytes of the same key without encryption.
pub(super) fn read<'p>(
    bytes: &[u8],
    passphrase: impl FnOnce() -> Result<&'p str, KeyError>,
) -> Result<(&'static str, Rewritten), KeyError> {
    let mut rest = Rest(bytes.strip_prefix(MAGIC).ok_or(KeyError::Damaged)?);
    let (cipher, kdf, options) = (rest.string()?, rest.string()?, rest.string()?);
    if rest.number()? != 1 {
        return Err(KeyError::Damaged);
    }
    let public = rest.string()?;
    let private = rest.string()?;
    if !rest.0.is_empty() {
        // chacha20-poly1305 and AES-GCM have their tag here.
        return Err(unknown_cipher());
    }
    if cipher == b"none" && kdf == b"none" {
        return Ok((check(public, private)?, None));
    }
    let plain = decrypt(cipher, kdf, options, private, passphrase()?)?;
    let mut body = Zeroizing::new(plain.to_vec());
    let kind = check(public, &body)?;
    repad(&mut body)?;
    Ok((kind, Some((LABEL, unencrypted(public, &body)))))
}

fn unencrypted(public: &[u8], private: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = public.len().saturating_add(private.len()).saturating_add(128);
    let mut written = Zeroizing::new(Vec::with_capacity(length));
    written.extend_from_slice(MAGIC);
    for string in [&b"none"[..], b"none", b""] {
        put(&mut written, string);
    }
    written.extend_from_slice(&1_u32.to_be_bytes());
    put(&mut written, public);
    put(&mut written, private);
    written
}

/// Writes an Ed25519 key, without a comment.
pub(super) fn ed25519(seed: &[u8], key: &[u8]) -> (&'static str, Zeroizing<Vec<u8>>) {
    let mut public = Vec::with_capacity(64);
    put(&mut public, b"ssh-ed25519");
    put(&mut public, key);
    let mut private = Zeroizing::new(Vec::with_capacity(256));
    // Two equal numbers, by which a reader tells a right passphrase from a wrong one; here is none.
    private.extend_from_slice(&[0; 8]);
    private.extend_from_slice(&public);
    put(&mut private, &[seed, key].concat());
    put(&mut private, b"");
    let missing = private.len().next_multiple_of(PLAIN_BLOCK).saturating_sub(private.len());
    private.extend((1_u8..).take(missing));
    (LABEL, unencrypted(&public, &private))
}

fn put(bytes: &mut Vec<u8>, string: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(string);
}

fn unknown_cipher() -> KeyError {
    KeyError::Unsupported(
        "of OpenSSH's ciphers only AES (ctr or cbc) is read; encrypt the key anew: ssh-keygen -p -Z aes256-ctr -f FILE",
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
            "a key with more than 10000 rounds of bcrypt is not read; ssh-keygen -p -a 24 -f FILE makes fewer",
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

/// Checks that public and private part are of one key, and returns its type.
fn check(public: &[u8], private: &[u8]) -> Result<&'static str, KeyError> {
    let mut rest = Rest(private);
    if rest.number()? != rest.number()? {
        return Err(KeyError::Damaged);
    }
    let name = rest.string()?;
    let mut public = Rest(public);
    if public.string()? != name {
        return Err(KeyError::Damaged);
    }
    let kind = match name {
        b"ssh-rsa" => "ssh-rsa",
        b"ssh-ed25519" => "ssh-ed25519",
        b"ecdsa-sha2-nistp256" => "ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384" => "ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521" => "ecdsa-sha2-nistp521",
        _ => return Err(KeyError::Type),
    };
    let is_one_key = match kind {
        "ssh-rsa" => {
            // Private: n, e, d, iqmp, p, q. Public: e, n.
            let (n, e) = (rest.string()?, rest.string()?);
            for _ in 0..4 {
                rest.string()?;
            }
            (e, n) == (public.string()?, public.string()?)
        }
        "ssh-ed25519" => {
            let key = rest.string()?;
            let private = rest.string()?;
            key.len() == 32 && private.len() == 64 && private.ends_with(key) && public.string()? == key
        }
        _ => {
            let (curve, point) = (rest.string()?, rest.string()?);
            rest.string()?;
            kind.as_bytes().ends_with(curve) && (curve, point) == (public.string()?, public.string()?)
        }
    };
    rest.string()?;
    let padding = rest.0;
    let is_padding = padding.len() < 256 && padding.iter().zip(1_u8..).all(|(byte, number)| *byte == number);
    if is_one_key && is_padding && public.0.is_empty() { Ok(kind) } else { Err(KeyError::Damaged) }
}

/// Pads the private part, which was padded to the cipher's blocks, to those of no cipher.
fn repad(body: &mut Zeroizing<Vec<u8>>) -> Result<(), KeyError> {
    let padding = {
        let mut rest = Rest(body.get(8..).ok_or(KeyError::Damaged)?);
        let strings = match rest.string()? {
            b"ssh-rsa" => 6,
            b"ssh-ed25519" => 2,
            _ => 3,
        };
        // And the comment.
        for _ in 0..=strings {
            rest.string()?;
        }
        rest.0.len()
    };
    let length = body.len().saturating_sub(padding);
    body.truncate(length);
    let missing = body.len().next_multiple_of(PLAIN_BLOCK).saturating_sub(body.len());
    body.extend((1_u8..).take(missing));
    Ok(())
}
