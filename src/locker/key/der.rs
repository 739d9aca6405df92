//! ASN.1: PKCS#8 (RFC 5958) with its encryption (RFC 8018), PKCS#1 (RFC 8017), SEC1 (RFC 5915).

use pkcs8::der::Decode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::{KeyError, Rewritten, openssh};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// The curves that SSH has (RFC 5656 section 10.1), with the length of their numbers in bytes.
const CURVES: [(ObjectIdentifier, &str, usize); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), "ecdsa-sha2-nistp256", 32),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "ecdsa-sha2-nistp384", 48),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "ecdsa-sha2-nistp521", 66),
];
/// The most work that a passphrase may cost: rounds of PBKDF2, bytes of scrypt.
const MAX_ROUNDS: u32 = 10_000_000;
const MAX_SCRYPT: u64 = 256 * 1024 * 1024;

/// Returns the SSH type of a `PrivateKeyInfo`; one with Ed25519 is written as OpenSSH does.
pub(super) fn pkcs8(bytes: &[u8]) -> Result<(&'static str, Rewritten), KeyError> {
    let info = PrivateKeyInfoRef::try_from(bytes).map_err(|_| KeyError::Damaged)?;
    let key = info.private_key.as_bytes();
    match info.algorithm.oid {
        RSA => Ok((pkcs1(key)?, None)),
        EC => {
            let curve = info.algorithm.parameters_oid().map_err(|_| KeyError::Type)?;
            Ok((ec(key, Some(curve))?, None))
        }
        ED25519 => {
            let seed = <&OctetStringRef>::from_der(key).map_err(|_| KeyError::Damaged)?.as_bytes();
            let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Damaged)?;
            Ok(("ssh-ed25519", Some(openssh::ed25519(seed, pair.public_key().as_ref()))))
        }
        _ => Err(KeyError::Type),
    }
}

/// Returns the SSH type of an `RSAPrivateKey`.
pub(super) fn pkcs1(bytes: &[u8]) -> Result<&'static str, KeyError> {
    let key = pkcs1::RsaPrivateKeyRef::try_from(bytes).map_err(|_| KeyError::Damaged)?;
    // Below this no SSH server takes a key, and a number this short is none.
    if key.modulus.as_bytes().len() < 128 { Err(KeyError::Type) } else { Ok("ssh-rsa") }
}

/// Returns the SSH type of an `ECPrivateKey`.
pub(super) fn sec1(bytes: &[u8]) -> Result<&'static str, KeyError> {
    ec(bytes, None)
}

fn ec(bytes: &[u8], curve: Option<ObjectIdentifier>) -> Result<&'static str, KeyError> {
    let key = sec1::EcPrivateKey::try_from(bytes).map_err(|_| KeyError::Damaged)?;
    let own = key.parameters.and_then(|parameters| parameters.named_curve());
    let curve = curve.or(own).ok_or(KeyError::Type)?;
    if own.is_some_and(|own| own != curve) {
        return Err(KeyError::Damaged);
    }
    let (_, name, length) = CURVES.iter().find(|(oid, ..)| *oid == curve).ok_or(KeyError::Type)?;
    if key.private_key.len() == *length { Ok(name) } else { Err(KeyError::Damaged) }
}

/// Decrypts an `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(bytes: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(bytes).map_err(|_| KeyError::Damaged)?;
    let unsupported = KeyError::Unsupported("the encryption of this PKCS#8 file is not read");
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else { return Err(unsupported) };
    let is_bounded = match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => kdf.iteration_count <= MAX_ROUNDS,
        Kdf::Scrypt(kdf) => {
            let memory = kdf.cost_parameter.saturating_mul(u64::from(kdf.block_size)).saturating_mul(128);
            memory <= MAX_SCRYPT && kdf.parallelization <= 16
        }
        _ => false,
    };
    if !is_bounded {
        return Err(unsupported);
    }
    match info.encryption_algorithm.decrypt(passphrase, info.encrypted_data.as_bytes()) {
        Ok(plain) => Ok(Zeroizing::new(plain)),
        Err(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => Err(unsupported),
        Err(_) => Err(KeyError::Passphrase),
    }
}
