//! ASN.1: PKCS#8 (RFC 5958) with its encryption (RFC 8018), PKCS#1 (RFC 8017), SEC1 (RFC 5915).

use pkcs8::der::asn1::{AnyRef, BitStringRef, Null, OctetStringRef};
use pkcs8::der::{Decode, Encode, Reader};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use super::ec::Curve;
use super::rsa::{Exponents, Numbers};
use super::{CIPHER, KeyError, LEGACY_CIPHER, Rewritten, openssh};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// PKCS#5's first scheme: DES and RC2 under MD2, MD5 and SHA-1 (RFC 8018 appendix A.3).
const PBES1: [&str; 6] = [
    "1.2.840.113549.1.5.1",
    "1.2.840.113549.1.5.3",
    "1.2.840.113549.1.5.4",
    "1.2.840.113549.1.5.6",
    "1.2.840.113549.1.5.10",
    "1.2.840.113549.1.5.11",
];
/// PKCS#12's schemes with RC4 and RC2 (RFC 7292 appendix C).
const RC: [&str; 4] = [
    "1.2.840.113549.1.12.1.1",
    "1.2.840.113549.1.12.1.2",
    "1.2.840.113549.1.12.1.5",
    "1.2.840.113549.1.12.1.6",
];
/// The most work that a passphrase may cost: rounds of PBKDF2, bytes of scrypt.
const MAX_ROUNDS: u32 = 10_000_000;
const MAX_SCRYPT: u64 = 256 * 1024 * 1024;

fn damaged<E>(_: E) -> KeyError {
    KeyError::Damaged
}

/// Reads a `PrivateKeyInfo`; one with Ed25519 is written as OpenSSH does.
pub(super) fn pkcs8(bytes: &[u8]) -> Result<Rewritten, KeyError> {
    let info = PrivateKeyInfoRef::try_from(bytes).map_err(damaged)?;
    let key = info.private_key.as_bytes();
    let (kind, parameters, inner) = match info.algorithm.oid {
        RSA => ("ssh-rsa", AnyRef::from(Null), pkcs1(key)?.bytes),
        EC => {
            let oid = info.algorithm.parameters_oid().map_err(|_| curve_is_written_out())?;
            let curve = Curve::from_oid(oid)?;
            let outer = info.public_key.as_ref().and_then(BitStringRef::as_bytes);
            let inner = ec(key, Some(curve), outer)?;
            return wrapped(curve.kind(), EC, AnyRef::from(&curve.oid()), &inner.bytes);
        }
        ED25519 => {
            let seed = <&OctetStringRef>::from_der(key).map_err(damaged)?.as_bytes();
            let pair = match info.public_key.as_ref().and_then(BitStringRef::as_bytes) {
                Some(public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                None => Ed25519KeyPair::from_seed_unchecked(seed),
            };
            let pair = pair.map_err(damaged)?;
            return Ok(openssh::ed25519(seed, pair.public_key().as_ref()));
        }
        _ => return Err(KeyError::Type),
    };
    wrapped(kind, RSA, parameters, &inner)
}

fn wrapped(
    kind: &'static str,
    oid: ObjectIdentifier,
    parameters: AnyRef<'_>,
    key: &[u8],
) -> Result<Rewritten, KeyError> {
    let algorithm = AlgorithmIdentifierRef { oid, parameters: Some(parameters) };
    let key = OctetStringRef::new(key).map_err(damaged)?;
    let bytes = PrivateKeyInfoRef::new(algorithm, key).to_der().map_err(damaged)?;
    Ok(Rewritten { kind, label: "PRIVATE KEY", bytes: Zeroizing::new(bytes) })
}

/// Reads an `RSAPrivateKey`.
pub(super) fn pkcs1(bytes: &[u8]) -> Result<Rewritten, KeyError> {
    let key = pkcs1::RsaPrivateKeyRef::try_from(bytes).map_err(damaged)?;
    if key.other_prime_infos.is_some() {
        return Err(KeyError::Unsupported("an RSA key of more than two primes is not supported by OpenSSH"));
    }
    let numbers = Numbers {
        n: key.modulus.as_bytes(),
        e: key.public_exponent.as_bytes(),
        d: key.private_exponent.as_bytes(),
        p: key.prime1.as_bytes(),
        q: key.prime2.as_bytes(),
        coefficient: key.coefficient.as_bytes(),
    };
    numbers.check(Some(&Exponents(key.exponent1.as_bytes(), key.exponent2.as_bytes())))?;
    let bytes = Zeroizing::new(key.to_der().map_err(damaged)?);
    Ok(Rewritten { kind: "ssh-rsa", label: "RSA PRIVATE KEY", bytes })
}

/// Reads an `ECPrivateKey`.
pub(super) fn sec1(bytes: &[u8]) -> Result<Rewritten, KeyError> {
    ec(bytes, None, None)
}

/// Reads an `ECPrivateKey`, whose curve may stand around it, and its public point too.
fn ec(bytes: &[u8], outer: Option<Curve>, outer_public: Option<&[u8]>) -> Result<Rewritten, KeyError> {
    let key = EcPrivateKey::try_from(bytes)
        .map_err(|_| if has_curve_written_out(bytes) { curve_is_written_out() } else { KeyError::Damaged })?;
    let named = key.parameters.and_then(EcParameters::named_curve).map(Curve::from_oid).transpose()?;
    let curve = outer.or(named).ok_or(KeyError::Type)?;
    if named.is_some_and(|named| named != curve) {
        return Err(KeyError::Damaged);
    }
    let pair = curve.key(key.private_key, key.public_key.or(outer_public))?;
    let written = EcPrivateKey {
        private_key: &pair.private,
        // Inside PKCS#8 the curve stands around it.
        parameters: outer.is_none().then_some(EcParameters::NamedCurve(curve.oid())),
        public_key: Some(&pair.public),
    };
    let bytes = Zeroizing::new(written.to_der().map_err(damaged)?);
    Ok(Rewritten { kind: curve.kind(), label: "EC PRIVATE KEY", bytes })
}

fn curve_is_written_out() -> KeyError {
    KeyError::Unsupported(
        "the private key has explicit curve parameters, which are not supported; convert it: openssl ec -param_enc named_curve -in FILE -out NEW",
    )
}

/// Tells whether an `ECPrivateKey` has parameters that are a sequence instead of a name.
fn has_curve_written_out(bytes: &[u8]) -> bool {
    let Ok(any) = AnyRef::from_der(bytes) else { return false };
    let found = any.sequence(|reader| {
        u8::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        let parameters = AnyRef::decode(reader)?;
        while !reader.is_finished() {
            AnyRef::decode(reader)?;
        }
        Ok::<_, pkcs8::der::Error>(parameters.value().first() == Some(&0x30))
    });
    found.unwrap_or(false)
}

/// Decrypts an `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(bytes: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(bytes).map_err(|_| unknown_scheme(bytes))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else { return Err(LEGACY_CIPHER) };
    let is_bounded = match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => kdf.iteration_count <= MAX_ROUNDS,
        Kdf::Scrypt(kdf) => {
            let memory = kdf.cost_parameter.saturating_mul(u64::from(kdf.block_size)).saturating_mul(128);
            memory <= MAX_SCRYPT && kdf.parallelization <= 16
        }
        _ => false,
    };
    if !is_bounded {
        return Err(CIPHER);
    }
    match info.encryption_algorithm.decrypt(passphrase, info.encrypted_data.as_bytes()) {
        Ok(plain) => Ok(Zeroizing::new(plain)),
        Err(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => Err(CIPHER),
        Err(_) => Err(KeyError::Passphrase),
    }
}

/// Tells an encryption that is not read from bytes that are no `EncryptedPrivateKeyInfo`.
fn unknown_scheme(bytes: &[u8]) -> KeyError {
    let Ok(any) = AnyRef::from_der(bytes) else { return KeyError::Damaged };
    let scheme = any.sequence(|reader| {
        let scheme = AlgorithmIdentifierRef::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        Ok::<_, pkcs8::der::Error>(scheme.oid.to_string())
    });
    match scheme {
        Err(_) => KeyError::Damaged,
        Ok(oid) if PBES1.contains(&oid.as_str()) || RC.contains(&oid.as_str()) => LEGACY_CIPHER,
        Ok(_) => CIPHER,
    }
}
