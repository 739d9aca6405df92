//! Private keys as people have them: OpenSSH's own form, or PEM with PKCS#1, PKCS#8 or SEC1 in it.
//!
//! A key is read when it is taken in, never when it is handed out: its SSH type name is found, and an encrypted one is
//! decrypted, because SPS takes no passphrase; the store seals it instead. What is not encrypted keeps its bytes, but for
//! Ed25519 in PKCS#8, which OpenSSH does not read: that becomes OpenSSH's own form. No
//! number in a key is computed with: whether a key opens an account is for the account's server to say.

mod der;
mod openssh;
mod pem;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::terms::PrivateKey;
use pem::Pem;

/// The longest key, in bytes; RSA with 16384 bits has 12 KiB.
pub const MAX_KEY: usize = 64 * 1024;

/// Says why a text is no private key. Holds nothing of the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Longer than [`MAX_KEY`].
    #[error("a private key has at most 64 KiB")]
    TooLong,
    /// Neither PEM nor OpenSSH.
    #[error("this is no private key in PEM or OpenSSH form")]
    NoKey,
    /// PEM with something else in it.
    #[error("this is PEM, but not a private key")]
    Other,
    /// A form that nobody reads any more, or that is not SSH's.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It begins like a key, and does not go on like one.
    #[error("the private key is damaged")]
    Damaged,
    /// Of a type that is not RSA, ECDSA or Ed25519.
    #[error("the private key has to be RSA, ECDSA (nistp256, nistp384, nistp521) or Ed25519")]
    Type,
    /// It is encrypted, and nobody gave a passphrase.
    #[error("the private key is encrypted; its passphrase is needed")]
    Encrypted,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the private key")]
    Passphrase,
}

/// A key that does not keep its text: the label and the bytes that it gets.
type Rewritten = Option<(&'static str, Zeroizing<Vec<u8>>)>;

/// Reads a private key, and decrypts it if it is encrypted.
///
/// # Errors
/// [`KeyError`].
pub fn read(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, KeyError> {
    if text.len() > MAX_KEY {
        return Err(KeyError::TooLong);
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with("PuTTY-User-Key-File") {
        return Err(KeyError::Unsupported(
            "a key of PuTTY is not read; let PuTTYgen export it in OpenSSH's form",
        ));
    }
    let pem = Pem::read(text)?;
    let passphrase = || passphrase.ok_or(KeyError::Encrypted);
    let (kind, rewritten) = match pem.label {
        "OPENSSH PRIVATE KEY" => openssh::read(&pem.bytes, passphrase)?,
        "PRIVATE KEY" => der::pkcs8(&pem.bytes)?,
        "ENCRYPTED PRIVATE KEY" => {
            let plain = der::decrypt(&pem.bytes, passphrase()?)?;
            let (kind, converted) = der::pkcs8(&plain).map_err(|error| wrong_passphrase(&error))?;
            (kind, converted.or(Some(("PRIVATE KEY", plain))))
        }
        label @ ("RSA PRIVATE KEY" | "EC PRIVATE KEY") => {
            let kind = if label.starts_with("RSA") { der::pkcs1 } else { der::sec1 };
            match &pem.encryption {
                Some(encryption) => {
                    let plain = encryption.open(&pem.bytes, passphrase()?)?;
                    let kind = kind(&plain).map_err(|error| wrong_passphrase(&error))?;
                    (kind, Some((label, plain)))
                }
                None => (kind(&pem.bytes)?, None),
            }
        }
        "DSA PRIVATE KEY" => return Err(KeyError::Type),
        _ => return Err(KeyError::Other),
    };
    let key = match rewritten {
        Some((label, bytes)) => pem::write(label, &bytes),
        None => Zeroizing::new(format!("{text}\n")),
    };
    Ok(PrivateKey { kind: kind.to_owned(), key: SecretString::from(key.as_str()) })
}

/// Tells a key that came out of a wrong passphrase, whose padding was right by chance, from one of another type.
fn wrong_passphrase(error: &KeyError) -> KeyError {
    if *error == KeyError::Type { KeyError::Type } else { KeyError::Passphrase }
}

#[cfg(test)]
mod tests;
