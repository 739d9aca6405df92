//! Private keys for SSH: OpenSSH's own form, or PEM with PKCS#1, PKCS#8 or SEC1 in it.
//!
//! A [`PrivateKey`] is read and written anew: parsed down to its numbers, which are checked against each other, and written
//! in the same form, without encryption, because SPS takes no passphrase. Line ends, indentation and text around the key
//! therefore never reach a session. Ed25519 in PKCS#8, which OpenSSH before 9.6 does not read, is written in OpenSSH's form.

mod der;
mod ec;
mod openssh;
mod pem;
mod rsa;

use secrecy::SecretString;
use zeroize::Zeroizing;

use pem::Pem;

/// The longest key, in bytes; RSA with 16384 bits has 12 KiB.
pub const MAX_KEY: usize = 64 * 1024;

/// A private key for the target, in a form that OpenSSH reads.
pub struct PrivateKey {
    kind: String,
    text: SecretString,
}

/// Says why a text is not a private key. Contains nothing of the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Longer than [`MAX_KEY`].
    #[error("a private key may have at most 64 KiB")]
    TooLong,
    /// Neither PEM nor OpenSSH.
    #[error("this is not a private key in PEM or OpenSSH format")]
    NoKey,
    /// PEM with something else in it.
    #[error("this is PEM, but not a private key")]
    Other,
    /// A form or cipher that is not read, with the command that converts it.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It begins like a key, and does not go on like one; or its numbers do not belong together.
    #[error("the private key is damaged")]
    Damaged,
    /// Of a type that is not RSA, ECDSA or Ed25519.
    #[error("the private key has to be RSA, ECDSA (nistp256, nistp384, nistp521) or Ed25519")]
    Type,
    /// It is encrypted, and no passphrase was given.
    #[error("the private key is encrypted; its passphrase is needed")]
    Encrypted,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the private key")]
    Passphrase,
}

/// Encryption of PKCS#8 and old PEM files that is not read.
const CIPHER: KeyError = KeyError::Unsupported(
    "the encryption of the private key is not supported; encrypt it with AES: \
     openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW",
);
/// The same for DES, RC2 and MD5, which OpenSSL 3 keeps in a module of its own.
const LEGACY_CIPHER: KeyError = KeyError::Unsupported(
    "the encryption of the private key is not supported; encrypt it with AES: \
     openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW -provider legacy -provider default",
);

/// A key as its parser writes it anew.
struct Rewritten {
    kind: &'static str,
    label: &'static str,
    bytes: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    /// Reads a private key, decrypts it if it is encrypted, and writes it anew.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(text: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY {
            return Err(KeyError::TooLong);
        }
        let plain = pem::plain(text);
        let pem = match Pem::read(&plain) {
            Err(KeyError::NoKey) => return Err(other_form(&plain)),
            pem => pem?,
        };
        let passphrase = || passphrase.ok_or(KeyError::Encrypted);
        let Rewritten { kind, label, bytes } = match pem.label {
            "OPENSSH PRIVATE KEY" => openssh::read(&pem.bytes, passphrase)?,
            "PRIVATE KEY" => der::pkcs8(&pem.bytes)?,
            "ENCRYPTED PRIVATE KEY" => {
                let plain = der::decrypt(&pem.bytes, passphrase()?)?;
                der::pkcs8(&plain).map_err(wrong_passphrase)?
            }
            label @ ("RSA PRIVATE KEY" | "EC PRIVATE KEY") => {
                let read = if label.starts_with("RSA") { der::pkcs1 } else { der::sec1 };
                match &pem.encryption {
                    Some(encryption) => {
                        let plain = encryption.open(&pem.bytes, passphrase()?)?;
                        read(&plain).map_err(wrong_passphrase)?
                    }
                    None => read(&pem.bytes)?,
                }
            }
            "DSA PRIVATE KEY" => return Err(KeyError::Type),
            _ => return Err(KeyError::Other),
        };
        Ok(Self::written(kind, &pem::write(label, &bytes)))
    }

    /// Reads a file, which may be another that somebody took for a private key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_file(bytes: &[u8], passphrase: Option<&str>) -> Result<Self, KeyError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::read(text, passphrase),
            Err(_) if bytes.len() > MAX_KEY => Err(KeyError::TooLong),
            Err(_) => Err(binary_form(bytes)),
        }
    }

    /// Takes a key of the appliance's own store. SPS checked it when it was stored, and hands it out itself; what is not
    /// read here is passed on as the SDK passes it on.
    pub fn of_appliance(kind: &str, key: &str) -> Self {
        Self::read(key, None).unwrap_or_else(|_| Self::written(kind, key))
    }

    fn written(kind: &str, text: &str) -> Self {
        Self { kind: kind.to_owned(), text: SecretString::from(text) }
    }

    /// Returns the SSH name of its type, such as `ssh-rsa`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns it as PEM or in OpenSSH's form.
    pub fn text(&self) -> &SecretString {
        &self.text
    }
}

/// Names the format of a text that is not PEM, by its beginning.
fn other_form(text: &str) -> KeyError {
    let text = text.trim_start();
    if text.starts_with("PuTTY-User-Key-File") {
        return KeyError::Unsupported(
            "the PuTTY format of a private key is not supported; convert it: puttygen FILE -O private-openssh -o NEW",
        );
    }
    if text.starts_with("---- BEGIN SSH2 ") {
        return KeyError::Unsupported(
            "the SSH2 format of a private key is not supported; convert it: ssh-keygen -i -f FILE > NEW",
        );
    }
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_public = ["ssh-", "ecdsa-sha2-", "sk-"].iter().any(|begin| first.starts_with(begin));
    if is_public {
        return KeyError::Unsupported("this is a public key or a certificate; the private key is needed");
    }
    KeyError::NoKey
}

/// Names the format of bytes that are not text.
fn binary_form(bytes: &[u8]) -> KeyError {
    match bytes {
        // A sequence of ASN.1.
        [0x30, ..] => KeyError::Unsupported(
            "this is DER, not PEM; convert it: openssl pkey -inform DER -in FILE -out NEW, \
             and for PKCS#12: openssl pkcs12 -nodes -nocerts -in FILE -out NEW",
        ),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            KeyError::Unsupported("this is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW")
        }
        _ => KeyError::NoKey,
    }
}

/// Tells a key that came out of a wrong passphrase, whose padding was right by chance, from one of another type.
fn wrong_passphrase(error: KeyError) -> KeyError {
    if error == KeyError::Damaged { KeyError::Passphrase } else { error }
}

#[cfg(test)]
mod tests;
