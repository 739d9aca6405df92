//! Secrets at rest: XChaCha20-Poly1305 under the master key, bound to the row that they stand in.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::StoreError;
use super::key::MasterKey;

const NONCE: usize = 24;

/// Seals and opens secrets.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    naming: Hmac<Sha256>,
}

/// What a sealed secret is and which row it stands in; a secret that was moved elsewhere does not open.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// The column, such as `token.secret`.
    pub column: &'static str,
    /// The row's key.
    pub row: &'a str,
}

impl Binding<'_> {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(self.column.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.row.as_bytes());
        bytes
    }
}

impl Sealer {
    /// Prepares a key.
    pub fn new(key: &MasterKey) -> Self {
        let mut padded = Zeroizing::new([0_u8; 64]);
        padded.iter_mut().zip(key.iter()).for_each(|(to, from)| *to = *from);
        let naming = Hmac::<Sha256>::new((&*padded).into()).chain_update(b"sps-plugin name\0");
        Self { cipher: XChaCha20Poly1305::new(<&Key>::from(&**key)), naming }
    }

    /// Returns a name of 128 bits for something described by `pieces`: nobody without the key can guess it, and the
    /// same pieces always have the same name.
    pub fn name(&self, pieces: &[&[u8]]) -> String {
        let mut mac = self.naming.clone();
        for piece in pieces {
            mac.update(&u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(piece);
        }
        let bytes = mac.finalize().into_bytes();
        HEXLOWER.encode(bytes.first_chunk::<16>().map_or(&[][..], |name| name))
    }

    /// Seals a secret: a random nonce, then the ciphertext.
    ///
    /// # Errors
    /// [`StoreError::NoRandomness`].
    pub fn seal(&self, binding: Binding<'_>, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0_u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| StoreError::NoRandomness)?;
        let payload = Payload { msg: secret, aad: &binding.bytes() };
        // The only error is a secret of more than 256 GiB.
        let sealed =
            self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| StoreError::NoRandomness)?;
        let mut bytes = Vec::with_capacity(NONCE.saturating_add(sealed.len()));
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens a sealed secret.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] for another key, another row, or damage.
    pub fn open(&self, binding: Binding<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let damaged = || StoreError::Sealed { column: binding.column, row: binding.row.to_owned() };
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
        let payload = Payload { msg: ciphertext, aad: &binding.bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_depends_on_every_piece_and_on_the_key() {
        let sealer = Sealer::new(&MasterKey::new([1; 32]));
        let name = sealer.name(&[b"a", b"bc"]);
        assert_eq!((name.len(), &name), (32, &sealer.name(&[b"a", b"bc"])));
        assert_ne!(name, sealer.name(&[b"ab", b"c"]));
        assert_ne!(name, Sealer::new(&MasterKey::new([2; 32])).name(&[b"a", b"bc"]));
    }

    #[test]
    fn a_secret_opens_under_its_key_in_its_row_only() {
        let sealer = Sealer::new(&MasterKey::new([1; 32]));
        let here = Binding { column: "token.secret", row: "A" };
        let sealed = sealer.seal(here, b"s3cret").unwrap();
        assert_eq!(sealer.open(here, &sealed).unwrap().as_slice(), b"s3cret");
        assert_ne!(sealer.seal(here, b"s3cret").unwrap(), sealed);
        assert!(sealer.open(Binding { column: "token.secret", row: "B" }, &sealed).is_err());
        assert!(sealer.open(Binding { column: "token.pin", row: "A" }, &sealed).is_err());
        assert!(Sealer::new(&MasterKey::new([2; 32])).open(here, &sealed).is_err());
        for cut in [0, 10, NONCE, sealed.len() - 1] {
            assert!(sealer.open(here, &sealed[..cut]).is_err());
        }
    }
}
