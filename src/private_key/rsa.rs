//! The numbers of an RSA key (RFC 8017 section 3.2), as unsigned big-endian bytes, and whether they belong together.

use crypto_bigint::{BoxedUint, ConcatenatingMul, NonZero};

use super::KeyError;

/// What OpenSSH takes: it refuses a shorter modulus, and OpenSSL a longer one.
const MODULUS_BITS: std::ops::RangeInclusive<u32> = 1024..=16_384;

/// The numbers that every form of a key has.
pub(super) struct Numbers<'b> {
    pub(super) n: &'b [u8],
    pub(super) e: &'b [u8],
    pub(super) d: &'b [u8],
    pub(super) p: &'b [u8],
    pub(super) q: &'b [u8],
    /// The inverse of q modulo p.
    pub(super) coefficient: &'b [u8],
}

/// The numbers that only PKCS#1 has: d modulo p-1, and d modulo q-1.
pub(super) struct Exponents<'b>(pub(super) &'b [u8], pub(super) &'b [u8]);

impl Numbers<'_> {
    /// Checks that these are one key, of a length that OpenSSH takes.
    pub(super) fn check(&self, exponents: Option<&Exponents<'_>>) -> Result<(), KeyError> {
        let longest = [self.n, self.e, self.d, self.p, self.q, self.coefficient].map(<[u8]>::len);
        if longest.iter().any(|length| *length > 2048) {
            return Err(KeyError::Type);
        }
        let n = number(self.n);
        if !MODULUS_BITS.contains(&n.bit_width_vartime()) {
            return Err(KeyError::Unsupported(
                "an RSA key must have 1024 to 16384 bits, or OpenSSH refuses it",
            ));
        }
        if self.is_one_key(&n, exponents) { Ok(()) } else { Err(KeyError::Damaged) }
    }

    fn is_one_key(&self, n: &BoxedUint, exponents: Option<&Exponents<'_>>) -> bool {
        let (e, d, p, q) = (number(self.e), number(self.d), number(self.p), number(self.q));
        let one = BoxedUint::one();
        let is_odd = |number: &BoxedUint| number.bit_vartime(0);
        if !(is_odd(&e) && e > one && is_odd(&p) && p > one && is_odd(&q) && q > one && d < *n) {
            return false;
        }
        let (below_p, below_q) = (p.wrapping_sub(&one), q.wrapping_sub(&one));
        let inverse = |of: &BoxedUint, modulus: &BoxedUint| {
            rest(&of.concatenating_mul(&d), modulus).is_some_and(|x| x == one)
        };
        let exponent =
            |given: &[u8], modulus: &BoxedUint| rest(&d, modulus).is_some_and(|x| x == number(given));
        p.concatenating_mul(&q) == *n
            && inverse(&e, &below_p)
            && inverse(&e, &below_q)
            && rest(&q.concatenating_mul(number(self.coefficient)), &p).is_some_and(|x| x == one)
            && exponents
                .is_none_or(|Exponents(one, other)| exponent(one, &below_p) && exponent(other, &below_q))
    }
}

fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(bytes)
}

fn rest(number: &BoxedUint, modulus: &BoxedUint) -> Option<BoxedUint> {
    let modulus: Option<NonZero<BoxedUint>> = NonZero::new(modulus.clone()).into_option();
    Some(number.rem_vartime(&modulus?))
}
