//! PEM: a label, headers where the key is encrypted as OpenSSL did long ago (RFC 1421), and base64.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use data_encoding::{BASE64, HEXUPPER_PERMISSIVE};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::KeyError;

const WIDTH: usize = 64;

/// One block of PEM.
pub(super) struct Pem<'t> {
    /// What stands behind BEGIN.
    pub(super) label: &'t str,
    /// How the bytes are encrypted, if headers say so.
    pub(super) encryption: Option<Encryption>,
    /// What is in it.
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl<'t> Pem<'t> {
    /// Reads a text that is one block and nothing else, or `EC PARAMETERS` before it, as OpenSSL writes them.
    pub(super) fn read(text: &'t str) -> Result<Self, KeyError> {
        let mut lines = text.lines().map(str::trim);
        let mut label = begin(lines.next()).ok_or(KeyError::NoKey)?;
        if label == "EC PARAMETERS" {
            lines.find(|line| *line == "-----END EC PARAMETERS-----").ok_or(KeyError::Damaged)?;
            label = begin(lines.find(|line| !line.is_empty())).ok_or(KeyError::Other)?;
        }
        let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
        let mut headers = Vec::new();
        let mut is_complete = false;
        for line in lines.by_ref() {
            if let Some(end) = line.strip_prefix("-----END ") {
                is_complete = end.strip_suffix("-----") == Some(label);
                break;
            }
            match line.split_once(": ") {
                Some(header) if encoded.is_empty() => headers.push(header),
                _ => encoded.push_str(line),
            }
        }
        if !is_complete || lines.any(|line| !line.is_empty()) {
            return Err(KeyError::Damaged);
        }
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| KeyError::Damaged)?;
        let encryption = Encryption::find(&headers)?;
        Ok(Self { label, encryption, bytes: Zeroizing::new(bytes) })
    }
}

fn begin(line: Option<&str>) -> Option<&str> {
    line?.strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

/// Writes one block.
pub(super) fn write(label: &str, bytes: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(BASE64.encode(bytes));
    let mut text = Zeroizing::new(String::with_capacity(encoded.len().saturating_mul(2).saturating_add(128)));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(WIDTH).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// AES in CBC mode under a key that is MD5 of the passphrase (`EVP_BytesToKey`).
pub(super) struct Encryption {
    key_length: usize,
    iv: [u8; 16],
}

impl Encryption {
    fn find(headers: &[(&str, &str)]) -> Result<Option<Self>, KeyError> {
        let header = |wanted: &str| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        if header("Proc-Type").is_none_or(|value| !value.contains("ENCRYPTED")) {
            return Ok(None);
        }
        let (cipher, iv) =
            header("DEK-Info").and_then(|info| info.split_once(',')).ok_or(KeyError::Damaged)?;
        let key_length = match cipher {
            "AES-128-CBC" => 16,
            "AES-192-CBC" => 24,
            "AES-256-CBC" => 32,
            _ => {
                return Err(KeyError::Unsupported(
                    "of the ciphers of old PEM files only AES is read; encrypt the key anew: ssh-keygen -p -f FILE",
                ));
            }
        };
        let iv = HEXUPPER_PERMISSIVE.decode(iv.trim().as_bytes()).map_err(|_| KeyError::Damaged)?;
        Ok(Some(Self { key_length, iv: iv.try_into().map_err(|_| KeyError::Damaged)? }))
    }

    /// Decrypts.
    pub(super) fn open(&self, bytes: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let salt = self.iv.first_chunk::<8>().ok_or(KeyError::Damaged)?;
        let mut key = Zeroizing::new(Vec::with_capacity(48));
        while key.len() < self.key_length {
            let last = key.len().saturating_sub(16);
            let digest = Md5::new()
                .chain_update(key.get(last..).unwrap_or_default())
                .chain_update(passphrase.as_bytes())
                .chain_update(salt)
                .finalize();
            key.extend_from_slice(&digest);
        }
        key.truncate(self.key_length);
        let mut buffer = Zeroizing::new(bytes.to_vec());
        let iv = &self.iv;
        let opened = match self.key_length {
            16 => cbc::Decryptor::<aes::Aes128>::new_from_slices(&key, iv)
                .map(|cipher| cipher.decrypt_padded::<Pkcs7>(&mut buffer).map(<[u8]>::len)),
            24 => cbc::Decryptor::<aes::Aes192>::new_from_slices(&key, iv)
                .map(|cipher| cipher.decrypt_padded::<Pkcs7>(&mut buffer).map(<[u8]>::len)),
            _ => cbc::Decryptor::<aes::Aes256>::new_from_slices(&key, iv)
                .map(|cipher| cipher.decrypt_padded::<Pkcs7>(&mut buffer).map(<[u8]>::len)),
        };
        let length = opened.map_err(|_| KeyError::Damaged)?.map_err(|_| KeyError::Passphrase)?;
        buffer.truncate(length);
        Ok(buffer)
    }
}
