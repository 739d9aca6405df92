//! PEM (RFC 7468), read generously: a label, headers where the key is encrypted as OpenSSL did long ago (RFC 1421), base64.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use data_encoding::{BASE64, HEXUPPER_PERMISSIVE};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::{CIPHER, KeyError, LEGACY_CIPHER};

/// Characters in a line: of OpenSSL, and of OpenSSH in its own form.
const WIDTH: usize = 64;
const OPENSSH_WIDTH: usize = 70;

/// One block of PEM.
pub(super) struct Pem<'t> {
    /// What stands behind BEGIN.
    pub(super) label: &'t str,
    /// How the bytes are encrypted, if headers say so.
    pub(super) encryption: Option<Encryption>,
    /// What is in it.
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// Makes line ends LF and every other white space a blank, leaves out what has no width, and takes `\n` written as two
/// characters, as in JSON and in environment variables, for the line end that it stands for.
pub(super) fn plain(text: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => plain.push('\n'),
            '\\' if characters.next_if(|next| matches!(next, 'n' | 'r')).is_some() => plain.push('\n'),
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => {}
            white if white.is_whitespace() => plain.push(' '),
            other => plain.push(other),
        }
    }
    plain
}

impl<'t> Pem<'t> {
    /// Reads the one private key of a [`plain`] text. Other blocks beside it, such as certificates and `EC PARAMETERS`, and
    /// text around the blocks, such as "Bag Attributes", say nothing about the key.
    pub(super) fn read(text: &'t str) -> Result<Self, KeyError> {
        let mut rest = text;
        let mut found = None;
        let mut is_pem = false;
        while let Some((_, behind)) = rest.split_once("-----BEGIN ") {
            is_pem = true;
            let (label, behind) = behind.split_once("-----").ok_or(KeyError::Damaged)?;
            let (body, behind) =
                behind.split_once(&format!("-----END {label}-----")).ok_or(KeyError::Damaged)?;
            if label.ends_with("PRIVATE KEY") && found.replace((label, body)).is_some() {
                return Err(KeyError::Unsupported(
                    "this contains more than one private key; put each into its own file",
                ));
            }
            rest = behind;
        }
        let (label, body) = found.ok_or(if is_pem { KeyError::Other } else { KeyError::NoKey })?;
        Self::block(label, body)
    }

    fn block(label: &'t str, body: &str) -> Result<Self, KeyError> {
        let mut encoded = Zeroizing::new(String::with_capacity(body.len()));
        let mut headers = Vec::new();
        for line in body.split('\n') {
            match line.split_once(':') {
                Some((name, value)) if encoded.is_empty() => headers.push((name.trim(), value.trim())),
                _ => encoded.extend(line.split(' ')),
            }
        }
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| KeyError::Damaged)?;
        let encryption = Encryption::find(&headers)?;
        Ok(Self { label, encryption, bytes: Zeroizing::new(bytes) })
    }
}

/// Writes one block.
pub(super) fn write(label: &str, bytes: &[u8]) -> Zeroizing<String> {
    let width = if label.starts_with("OPENSSH") { OPENSSH_WIDTH } else { WIDTH };
    let encoded = Zeroizing::new(BASE64.encode(bytes));
    let mut text = Zeroizing::new(String::with_capacity(encoded.len().saturating_mul(2).saturating_add(128)));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(width).unwrap_or((rest, ""));
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
            "DES-CBC" | "RC2-CBC" | "RC2-64-CBC" | "RC2-40-CBC" => return Err(LEGACY_CIPHER),
            _ => return Err(CIPHER),
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
