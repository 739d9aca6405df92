//! Encrypted values of PSKC (RFC 6030 section 6.1): AES in CBC mode under a pre-shared key, with a MAC.

use aes::cipher::block_padding::Iso10126;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use zeroize::Zeroizing;

use super::xml::{Element, Space};

const IV: usize = 16;

/// Says why an encrypted value cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProtectionError {
    /// Another cipher.
    #[error("the encryption has to be aes128-cbc or aes256-cbc")]
    Cipher,
    /// Another MAC.
    #[error("the MAC has to be hmac-sha1 or hmac-sha256")]
    MacMethod,
    /// RFC 6030 section 6.1.1 demands a MAC beside CBC mode.
    #[error("the encrypted secret has no MAC")]
    NoMac,
    /// The file was changed, or the key is another one.
    #[error("the MAC of the secret is wrong: the file was changed, or the pre-shared key is another one")]
    WrongMac,
    /// A key of the wrong length for the cipher.
    #[error("the pre-shared key has to be of {0} hexadecimal digits")]
    KeyLength(usize),
    /// Another key, or damage.
    #[error("the value does not open under the pre-shared key")]
    Closed,
    /// Base64 that is none, or an element that lacks it.
    #[error("an encrypted value is not complete")]
    Incomplete,
}

/// What every secret of an encrypted file is opened and checked with.
pub(super) struct Protection {
    pre_shared_key: Zeroizing<Vec<u8>>,
    mac: MacMethod,
    mac_key: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum MacMethod {
    Sha1,
    Sha256,
}

impl Protection {
    /// Takes the MAC's key out of the `MACMethod` element.
    pub(super) fn new(pre_shared_key: Zeroizing<Vec<u8>>, method: &Element) -> Result<Self, ProtectionError> {
        let mac = match method.attribute("Algorithm") {
            Some("http://www.w3.org/2000/09/xmldsig#hmac-sha1") => MacMethod::Sha1,
            Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256") => MacMethod::Sha256,
            Some(_) | None => return Err(ProtectionError::MacMethod),
        };
        let key = method.child(Space::Pskc, "MACKey").ok_or(ProtectionError::NoMac)?;
        let (cipher, value) = encrypted(key)?;
        let mac_key = cipher.open(&pre_shared_key, &value)?;
        Ok(Self { pre_shared_key, mac, mac_key })
    }

    /// Checks the MAC of a `Secret` element's encrypted value, and then decrypts it.
    pub(super) fn open(
        &self,
        secret: &Element,
        value: &Element,
    ) -> Result<Zeroizing<Vec<u8>>, ProtectionError> {
        let (cipher, value) = encrypted(value)?;
        let mac = secret.child(Space::Pskc, "ValueMAC").ok_or(ProtectionError::NoMac)?;
        let mac = base64(mac.text()).ok_or(ProtectionError::Incomplete)?;
        let holds = match self.mac {
            MacMethod::Sha1 => verify(Hmac::<sha1::Sha1>::new_from_slice(&self.mac_key).ok(), &value, &mac),
            MacMethod::Sha256 => {
                verify(Hmac::<sha2::Sha256>::new_from_slice(&self.mac_key).ok(), &value, &mac)
            }
        };
        if holds { cipher.open(&self.pre_shared_key, &value) } else { Err(ProtectionError::WrongMac) }
    }
}

fn verify<M: Mac>(mac: Option<M>, value: &[u8], expected: &[u8]) -> bool {
    mac.is_some_and(|mac| mac.chain_update(value).verify_slice(expected).is_ok())
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes256,
}

impl Cipher {
    /// Decrypts an initialisation vector and what follows it.
    fn open(self, key: &[u8], value: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProtectionError> {
        let (iv, rest) = value.split_first_chunk::<IV>().ok_or(ProtectionError::Incomplete)?;
        let mut buffer = Zeroizing::new(rest.to_vec());
        // XML encryption pads with anything and the length at the end, PKCS#5 with the length everywhere.
        let length = match self {
            Self::Aes128 => {
                let key = key.try_into().map_err(|_| ProtectionError::KeyLength(32))?;
                let cipher = cbc::Decryptor::<aes::Aes128>::new(key, iv.into());
                cipher.decrypt_padded::<Iso10126>(&mut buffer).map(<[u8]>::len)
            }
            Self::Aes256 => {
                let key = key.try_into().map_err(|_| ProtectionError::KeyLength(64))?;
                let cipher = cbc::Decryptor::<aes::Aes256>::new(key, iv.into());
                cipher.decrypt_padded::<Iso10126>(&mut buffer).map(<[u8]>::len)
            }
        };
        let length = length.map_err(|_| ProtectionError::Closed)?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// Reads an element with `EncryptionMethod` and `CipherData`.
fn encrypted(element: &Element) -> Result<(Cipher, Vec<u8>), ProtectionError> {
    let method = element.child(Space::Encryption, "EncryptionMethod").ok_or(ProtectionError::Incomplete)?;
    let cipher = match method.attribute("Algorithm") {
        Some("http://www.w3.org/2001/04/xmlenc#aes128-cbc") => Cipher::Aes128,
        Some("http://www.w3.org/2001/04/xmlenc#aes256-cbc") => Cipher::Aes256,
        Some(_) | None => return Err(ProtectionError::Cipher),
    };
    let data = element.child(Space::Encryption, "CipherData");
    let value = data.and_then(|data| data.child(Space::Encryption, "CipherValue"));
    let value = value.and_then(|value| base64(value.text())).ok_or(ProtectionError::Incomplete)?;
    Ok((cipher, value))
}

/// Reads base64 with blanks and line ends in it, as XML has them.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let plain: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    BASE64.decode(plain.as_bytes()).ok()
}
