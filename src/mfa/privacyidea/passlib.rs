//! PBKDF2 with SHA-512, written as Python's passlib does.

use data_encoding::BASE64_NOPAD;
use sha2::Sha512;
use subtle::ConstantTimeEq;

/// The most rounds. The servers use 6549 unless told otherwise.
const MAX_ROUNDS: u32 = 200_000;
/// The longest salt, in bytes. The servers use 10.
const MAX_SALT: usize = 64;

/// A hash as passlib writes it: `$pbkdf2-sha512$ROUNDS$SALT$HASH`, in base64 with `.` for `+` and without padding.
pub(super) struct Hash {
    rounds: u32,
    salt: Vec<u8>,
    hash: [u8; 64],
}

impl Hash {
    /// Reads a hash that is affordable to compute; `None` for all others.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$pbkdf2-sha512$")?.split('$');
        let (rounds, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !rounds.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let rounds = rounds.parse().ok().filter(|rounds| (1..=MAX_ROUNDS).contains(rounds))?;
        let salt = decode(salt).filter(|salt| salt.len() <= MAX_SALT)?;
        Some(Self { rounds, salt, hash: decode(hash)?.try_into().ok()? })
    }

    /// Tells whether it is this password's.
    pub(super) fn matches(&self, password: &str) -> bool {
        let computed: [u8; 64] =
            pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(password.as_bytes(), &self.salt, self.rounds);
        computed.ct_eq(&self.hash).into()
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.contains('+') {
        return None;
    }
    BASE64_NOPAD.decode(text.replace('.', "+").as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `passlib.hash.pbkdf2_sha512.using(rounds=10, salt=b"0123456789").hash("alicepin755224")`
    const HASH: &str = "$pbkdf2-sha512$10$MDEyMzQ1Njc4OQ$MLgPwL/GtDbxgKYCuAE.kcWqp4qTfc.yPPz9IW.pCIGcdQ1bRIjNg6NE.Gm/KYvJYQOB8213SRzBfzaDwd3Yug";

    #[test]
    fn a_hash_of_passlib_is_understood() {
        let hash = Hash::parse(HASH).unwrap();
        assert!(hash.matches("alicepin755224"));
        assert!(!hash.matches("alicepin755225"));
        assert!(!hash.matches(""));
    }

    #[test]
    fn a_hash_of_another_form_is_none() {
        let (head, tail) = HASH.split_at(HASH.len() - 1);
        for bad in [
            String::new(),
            HASH.replace("sha512", "sha256"),
            HASH.replace("$10$", "$0$"),
            HASH.replace("$10$", "$+10$"),
            HASH.replace("$10$", "$200001$"),
            HASH.replace("$10$", "$99999999999$"),
            HASH.replace('.', "+"),
            head.to_owned(),
            format!("{HASH}$"),
            format!("{HASH}A"),
            format!("{head}${tail}"),
            format!("{HASH}=="),
        ] {
            assert!(Hash::parse(&bad).is_none(), "{bad}");
        }
    }
}
