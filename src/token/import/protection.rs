//! Encrypted values of PSKC (RFC 6030 section 6): AES in CBC mode with a MAC, under a pre-shared key or one that is made of a password.

use aes::cipher::block_padding::Iso10126;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use zeroize::Zeroizing;

use super::xml::{Element, Space};

const IV: usize = 16;
/// How many iterations a file may ask for.
const MAX_ROUNDS: u32 = 1_000_000;

/// Says why an encrypted value cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProtectionError {
    /// Another cipher.
    #[error("the encryption has to be aes128-cbc, aes192-cbc or aes256-cbc")]
    Cipher,
    /// Another MAC.
    #[error("the MAC has to be hmac-sha1, hmac-sha256, hmac-sha384 or hmac-sha512")]
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
    #[error("the value cannot be decrypted with the given key or password")]
    Closed,
    /// Another way to make a key of a password, or values that no such key has.
    #[error("the key derivation has to be PBKDF2 with hmac-sha1 or hmac-sha2 and at most 1000000 iterations")]
    Derivation,
    /// Base64 that is none, or an element that lacks it.
    #[error("an encrypted value is not complete")]
    Incomplete,
}

/// What every secret of an encrypted file is opened and checked with.
pub(super) struct Protection {
    encryption_key: Zeroizing<Vec<u8>>,
    mac: MacMethod,
    mac_key: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum MacMethod {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Protection {
    /// Takes the MAC's key out of the `MACMethod` element.
    pub(super) fn new(encryption_key: Zeroizing<Vec<u8>>, method: &Element) -> Result<Self, ProtectionError> {
        let mac = match method.attribute("Algorithm") {
            Some("http://www.w3.org/2000/09/xmldsig#hmac-sha1") => MacMethod::Sha1,
            Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256") => MacMethod::Sha256,
            Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha384") => MacMethod::Sha384,
            Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha512") => MacMethod::Sha512,
            Some(_) | None => return Err(ProtectionError::MacMethod),
        };
        let key = method.child(Space::Pskc, "MACKey").ok_or(ProtectionError::NoMac)?;
        let (cipher, value) = encrypted(key)?;
        let mac_key = cipher.open(&encryption_key, &value)?;
        Ok(Self { encryption_key, mac, mac_key })
    }

    /// Checks the MAC of a `Secret` element's encrypted value, and then decrypts it.
    pub(super) fn open(
        &self,
        secret: &Element,
        value: &Element,
    ) -> Result<Zeroizing<Vec<u8>>, ProtectionError> {
        let mac = secret.child(Space::Pskc, "ValueMAC").ok_or(ProtectionError::NoMac)?;
        let (cipher, value) = encrypted(value)?;
        self.check(mac, &value)?;
        cipher.open(&self.encryption_key, &value)
    }

    /// Decrypts a number; its MAC is checked where there is one. A number may as well stand in plain beside encrypted secrets.
    pub(super) fn open_number(
        &self,
        element: &Element,
        value: &Element,
    ) -> Result<Zeroizing<Vec<u8>>, ProtectionError> {
        let (cipher, value) = encrypted(value)?;
        if let Some(mac) = element.child(Space::Pskc, "ValueMAC") {
            self.check(mac, &value)?;
        }
        cipher.open(&self.encryption_key, &value)
    }

    fn check(&self, mac: &Element, value: &[u8]) -> Result<(), ProtectionError> {
        let mac = base64(mac.text()).ok_or(ProtectionError::Incomplete)?;
        let key = &self.mac_key;
        let is_right = match self.mac {
            MacMethod::Sha1 => verify(Hmac::<sha1::Sha1>::new_from_slice(key).ok(), value, &mac),
            MacMethod::Sha256 => verify(Hmac::<sha2::Sha256>::new_from_slice(key).ok(), value, &mac),
            MacMethod::Sha384 => verify(Hmac::<sha2::Sha384>::new_from_slice(key).ok(), value, &mac),
            MacMethod::Sha512 => verify(Hmac::<sha2::Sha512>::new_from_slice(key).ok(), value, &mac),
        };
        if is_right { Ok(()) } else { Err(ProtectionError::WrongMac) }
    }
}

fn verify<M: Mac>(mac: Option<M>, value: &[u8], expected: &[u8]) -> bool {
    mac.is_some_and(|mac| mac.chain_update(value).verify_slice(expected).is_ok())
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
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
            Self::Aes192 => {
                let key = key.try_into().map_err(|_| ProtectionError::KeyLength(48))?;
                let cipher = cbc::Decryptor::<aes::Aes192>::new(key, iv.into());
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
        Some("http://www.w3.org/2001/04/xmlenc#aes192-cbc") => Cipher::Aes192,
        Some("http://www.w3.org/2001/04/xmlenc#aes256-cbc") => Cipher::Aes256,
        Some(_) | None => return Err(ProtectionError::Cipher),
    };
    let data = element.child(Space::Encryption, "CipherData");
    let value = data.and_then(|data| data.child(Space::Encryption, "CipherValue"));
    let value = value.and_then(|value| base64(value.text())).ok_or(ProtectionError::Incomplete)?;
    Ok((cipher, value))
}

/// Makes the key of a `DerivedKey` element: PBKDF2 (RFC 8018 section 5.2) with the parameters that the file names, in whatever
/// namespace they stand.
pub(super) fn derive(element: &Element, password: &str) -> Result<Zeroizing<Vec<u8>>, ProtectionError> {
    let wrong = || ProtectionError::Derivation;
    let method = element.child_anywhere("KeyDerivationMethod").ok_or_else(wrong)?;
    let algorithm = method.attribute("Algorithm").unwrap_or_default().trim().to_ascii_lowercase();
    if !algorithm.ends_with("#pbkdf2") {
        return Err(wrong());
    }
    let parameters = method.child_anywhere("PBKDF2-params").ok_or_else(wrong)?;
    let of = |name| parameters.child_anywhere(name);
    let number = |name| of(name).and_then(|element| element.text().parse::<u32>().ok());
    let salt = of("Salt").map(|salt| salt.child_anywhere("Specified").unwrap_or(salt));
    let salt = salt.and_then(|salt| base64(salt.text())).ok_or_else(wrong)?;
    let rounds =
        number("IterationCount").filter(|rounds| (1..=MAX_ROUNDS).contains(rounds)).ok_or_else(wrong)?;
    let length = number("KeyLength").unwrap_or(16);
    if !matches!(length, 16 | 24 | 32) {
        return Err(wrong());
    }
    let mut key = Zeroizing::new(vec![0_u8; usize::try_from(length).map_err(|_| wrong())?]);
    let password = password.as_bytes();
    // RFC 8018 has an attribute here, python-pskc a text.
    let named = of("PRF").map(|prf| prf.attribute("Algorithm").unwrap_or(prf.text()).to_ascii_lowercase());
    match named.as_deref().map(|uri| uri.rsplit('#').next().unwrap_or(uri).trim()) {
        None | Some("" | "hmac-sha1") => pbkdf2::pbkdf2_hmac::<sha1::Sha1>(password, &salt, rounds, &mut key),
        Some("hmac-sha256") => pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, &salt, rounds, &mut key),
        Some("hmac-sha384") => pbkdf2::pbkdf2_hmac::<sha2::Sha384>(password, &salt, rounds, &mut key),
        Some("hmac-sha512") => pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password, &salt, rounds, &mut key),
        Some(_) => return Err(wrong()),
    }
    Ok(key)
}

/// Reads base64 with blanks and line ends in it, as XML has them.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let plain: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    BASE64.decode(plain.as_bytes()).ok()
}
