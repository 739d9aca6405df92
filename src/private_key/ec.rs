//! The curves that SSH has for ECDSA (RFC 5656 section 10.1), and the public point of a private number.

use pkcs8::ObjectIdentifier;
use zeroize::Zeroizing;

use super::KeyError;

/// One of the curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(super) fn from_oid(oid: ObjectIdentifier) -> Result<Self, KeyError> {
        Self::ALL.into_iter().find(|curve| curve.oid() == oid).ok_or(KeyError::Type)
    }

    pub(super) fn from_kind(kind: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.kind().as_bytes() == kind)
    }

    pub(super) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => const { ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7") },
            Self::P384 => const { ObjectIdentifier::new_unwrap("1.3.132.0.34") },
            Self::P521 => const { ObjectIdentifier::new_unwrap("1.3.132.0.35") },
        }
    }

    /// Returns the SSH name of the key's type.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::P256 => "ecdsa-sha2-nistp256",
            Self::P384 => "ecdsa-sha2-nistp384",
            Self::P521 => "ecdsa-sha2-nistp521",
        }
    }

    /// Returns the SSH name of the curve.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
            Self::P521 => "nistp521",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Reads a private number, whose leading zero bytes may be missing, and returns it in full length with its public
    /// point, not compressed. Where a point is given, it has to be that one.
    pub(super) fn key(self, number: &[u8], given: Option<&[u8]>) -> Result<Pair, KeyError> {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        let number = number.get(start..).unwrap_or_default();
        // OpenSSH refuses numbers of half the curve's length or less.
        if number.len() > self.length() || number.len() <= self.length().div_euclid(2) {
            return Err(KeyError::Damaged);
        }
        let mut private = Zeroizing::new(vec![0; self.length().saturating_sub(number.len())]);
        private.extend_from_slice(number);
        macro_rules! public {
            ($curve:ident) => {
                $curve::SecretKey::from_slice(&private).map(|key| {
                    let key = key.public_key();
                    let is_given = given.is_none_or(|given| {
                        $curve::PublicKey::from_sec1_bytes(given).is_ok_and(|given| given == key)
                    });
                    (key.to_sec1_bytes().into_vec(), is_given)
                })
            };
        }
        let made = match self {
            Self::P256 => public!(p256),
            Self::P384 => public!(p384),
            Self::P521 => public!(p521),
        };
        match made {
            Ok((public, true)) => Ok(Pair { private, public }),
            Ok((_, false)) | Err(_) => Err(KeyError::Damaged),
        }
    }
}

/// A private number and its public point.
pub(super) struct Pair {
    pub(super) private: Zeroizing<Vec<u8>>,
    pub(super) public: Vec<u8>,
}
