//! PINs and static passwords: argon2id (RFC 9106), one computation for an attempt, whoever is meant.
//!
//! The salt is the store's, so that one computation serves every token that a text could belong to; what is kept of
//! a token is `HMAC-SHA-256(argon2id(text, salt), purpose ‖ serial)`, sealed, so that equal PINs do not look alike.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::store::{Store, StoreError};

/// The memory of one computation in KiB.
///
/// OWASP's password storage cheat sheet lists this with four passes and one lane among settings that defend equally
/// well, beside 19 MiB with two passes. Much of the time of the latter goes into fetching and clearing memory, which
/// a process that lives for one login does anew.
pub const MEMORY: u32 = 9 * 1024;
/// How often the memory is gone over; see [`MEMORY`].
pub const PASSES: u32 = 4;
const SALT: &str = "pin_salt";
const VERIFIER: usize = 32;
/// How many bytes are kept of a PIN or password: the verifier and the length of the text.
pub const KEPT: usize = VERIFIER + 4;

/// What a stored verifier is for. A verifier for one thing is no verifier for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A token's PIN.
    Pin,
    /// A static password alone.
    Password,
    /// A PIN and the static password right after it.
    PinAndPassword,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Pin => b"pin\0",
            Self::Password => b"password\0",
            Self::PinAndPassword => b"pin+password\0",
        }
    }
}

#[cfg(test)]
thread_local! {
    /// How many computations a test's thread has done.
    pub(super) static COMPUTATIONS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// A text after argon2id, ready to be compared with any token of the store.
pub struct Stretched(Zeroizing<[u8; 32]>);

impl Stretched {
    /// Does the computation.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::NoRandomness`] also where there is no memory for it.
    pub fn compute(store: &Store<'_>, text: &str) -> Result<Self, StoreError> {
        #[cfg(test)]
        COMPUTATIONS.with(|count| count.set(count.get().saturating_add(1)));
        let salt = salt(store)?;
        let params = Params::new(MEMORY, PASSES, 1, Some(VERIFIER)).map_err(|_| StoreError::NoRandomness)?;
        let mut output = Zeroizing::new([0_u8; VERIFIER]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(text.as_bytes(), &salt, output.as_mut_slice())
            .map_err(|_| StoreError::NoRandomness)?;
        Ok(Self(output))
    }

    /// Returns what is kept for a token: the verifier, then the text's length in characters.
    pub fn verifier(&self, purpose: Purpose, serial: &str, text: &str) -> Zeroizing<Vec<u8>> {
        let mut kept = Zeroizing::new(Vec::with_capacity(KEPT));
        kept.extend_from_slice(&self.bind(purpose, serial));
        let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        kept.extend_from_slice(&length.to_be_bytes());
        kept
    }

    /// Compares with what was kept, in constant time.
    pub fn matches(&self, purpose: Purpose, serial: &str, kept: &[u8]) -> bool {
        let Some(verifier) = kept.first_chunk::<VERIFIER>() else { return false };
        self.bind(purpose, serial).ct_eq(verifier).into()
    }

    fn bind(&self, purpose: Purpose, serial: &str) -> [u8; VERIFIER] {
        // HMAC fills a short key up with zeros (RFC 2104 section 2); done here, the key always has the right length.
        let mut key = Zeroizing::new([0_u8; 64]);
        key.iter_mut().zip(self.0.iter()).for_each(|(to, from)| *to = *from);
        let mac = Hmac::<Sha256>::new((&*key).into());
        mac.chain_update(purpose.label()).chain_update(serial).finalize().into_bytes().into()
    }
}

/// Does the computations of one attempt: each text once, none in a store without PINs, at least one for a denial.
pub struct Hashing<'a> {
    store: &'a Store<'a>,
    needed: OnceCell<bool>,
    done: RefCell<Vec<(Zeroizing<String>, Rc<Stretched>)>>,
}

impl<'a> Hashing<'a> {
    /// Begins an attempt.
    pub fn new(store: &'a Store<'a>) -> Self {
        Self { store, needed: OnceCell::new(), done: RefCell::default() }
    }

    /// Stretches a text; `None` in a store without PINs and passwords.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn of(&self, text: &str) -> Result<Option<Rc<Stretched>>, StoreError> {
        if !self.needed()? {
            return Ok(None);
        }
        let mut done = self.done.borrow_mut();
        if let Some((_, stretched)) = done.iter().find(|(known, _)| known.as_str() == text) {
            return Ok(Some(Rc::clone(stretched)));
        }
        let stretched = Rc::new(Stretched::compute(self.store, text)?);
        done.push((Zeroizing::new(text.to_owned()), Rc::clone(&stretched)));
        Ok(Some(stretched))
    }

    /// Tells whether a text costs nothing more: it was stretched, or nothing was yet, so that this is the one computation.
    pub fn is_free(&self, text: &str) -> bool {
        let done = self.done.borrow();
        done.is_empty() || done.iter().any(|(known, _)| known.as_str() == text)
    }

    /// Does what a denial costs, unless that was done already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn at_least_one(&self) -> Result<(), StoreError> {
        let none = self.done.borrow().is_empty();
        if none { self.of("").map(|_| ()) } else { Ok(()) }
    }

    fn needed(&self) -> Result<bool, StoreError> {
        if let Some(needed) = self.needed.get() {
            return Ok(*needed);
        }
        let needed = self.store.has_pins()?;
        Ok(*self.needed.get_or_init(|| needed))
    }
}

/// Returns the length in characters of the text that a verifier was made of.
pub fn kept_length(kept: &[u8]) -> Option<usize> {
    let (_, length) = kept.split_first_chunk::<VERIFIER>()?;
    let length = u32::from_be_bytes(*length.first_chunk::<4>()?);
    usize::try_from(length).ok()
}

fn salt(store: &Store<'_>) -> Result<Vec<u8>, StoreError> {
    if let Some(salt) = store.meta(SALT)? {
        return Ok(salt);
    }
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|_| StoreError::NoRandomness)?;
    store.meta_or_set(SALT, &salt)
}
