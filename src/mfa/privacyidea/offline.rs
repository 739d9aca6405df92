//! Codes that the server gave out for use without it: the offline application of a HOTP token.
//!
//! The server answers a login with the hashes of the token's next codes, each with the PIN in front, and moves its own
//! counter behind them. From then on it takes none of these codes itself. So a password is first held against the
//! codes. Where one matches and a server answers, `/validate/offlinerefill` is asked, which has to agree and gives a
//! new code for each that was used; where none answers, the code is used up here. Either way it is used up, on the
//! disk, before it lets anybody in.
//!
//! A challenge's answer has no PIN, and then the codes have none either: such codes only answer challenges.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::PrivacyIdea;
use super::passlib::Hash;
use super::wire::{self, OfflineItem};
use crate::mfa::client::Tools;
use crate::mfa::dialogue::{Accepted, User, Verdict};
use crate::mfa::envelope;
use crate::mfa::error::{MfaError, garbled};
use crate::store::{OfflineChange, OfflineCodes, OfflineKey, StoreError};
use crate::token::elsewhere::CodeKind;

/// How many of the next codes are taken, as a server's own window does; each costs one PBKDF2.
const WINDOW: usize = 20;
/// The most codes of one list. The servers give 100 unless told otherwise.
const MAX_CODES: usize = 1000;
/// After how many wrong passwords the codes rest until a server has answered; the servers' own limit.
const MAX_FAILURES: u32 = 10;

/// The codes of the users of one provider.
pub(super) struct Offline<'a> {
    pub(super) tools: Tools<'a>,
    pub(super) provider: &'static str,
}

/// What there is for a password.
pub(super) enum Hand {
    /// No codes that could be meant.
    Empty,
    /// Codes, and none of them.
    Miss(Vec<OfflineKey>),
    /// One of the codes.
    Match(Found),
}

/// A code that matches.
pub(super) struct Found {
    key: OfflineKey,
    counter: u64,
    refilltoken: SecretString,
}

/// What is kept of a token, sealed.
#[derive(Serialize, Deserialize)]
struct List<'a> {
    refilltoken: &'a str,
    /// Whether the codes have no PIN in front, though the token may have one.
    answers_only: bool,
    #[serde(borrow)]
    codes: BTreeMap<u64, &'a str>,
}

#[derive(Serialize)]
struct Refill<'a> {
    serial: &'a str,
    refilltoken: &'a str,
    pass: &'a str,
}

impl Offline<'_> {
    /// Holds a password against the user's codes; changes nothing.
    pub(super) fn hand(&self, user: User<'_>, is_answer: bool, password: &str) -> Result<Hand, MfaError> {
        let realm = user.realm.unwrap_or_default();
        let mut missed = Vec::new();
        for OfflineCodes { key, plain } in self.tools.store.offline_codes(self.provider, realm, user.name)? {
            let list = read(&key, &plain)?;
            if list.answers_only && !is_answer {
                continue;
            }
            for (counter, hash) in list.codes.iter().take(WINDOW) {
                if self.tools.budget.remaining().is_zero() {
                    break;
                }
                if Hash::parse(hash).is_some_and(|hash| hash.matches(password)) {
                    let refilltoken = SecretString::from(list.refilltoken);
                    return Ok(Hand::Match(Found { key, counter: *counter, refilltoken }));
                }
            }
            missed.push(key);
        }
        Ok(if missed.is_empty() { Hand::Empty } else { Hand::Miss(missed) })
    }

    /// Keeps what the server gave out with a yes, in the place of what it gave out before.
    pub(super) fn keep(
        &self,
        user: User<'_>,
        answers_only: bool,
        accepted: &Accepted,
        items: Vec<OfflineItem>,
    ) -> Result<(), MfaError> {
        for item in items {
            let serial = item.serial.clone().or_else(|| accepted.serial.clone()).map(envelope::serial_of);
            let Some(serial) = serial.transpose()? else {
                return Err(garbled("the server's codes are of no token"));
            };
            if item.response.keys().any(|counter| counter.parse::<u64>().is_err()) {
                self.tools.log.info(format_args!("{serial} is of a type that gives no codes to keep"));
                continue;
            }
            let realm = user.realm.unwrap_or_default().to_owned();
            let key = OfflineKey { provider: self.provider, realm, user: user.name.to_owned(), serial };
            let plain = write(&List {
                refilltoken: item.refilltoken.expose_secret(),
                answers_only,
                codes: codes(&item)?,
            })?;
            let kept = self.tools.store.change_offline_codes(&key, |_| (OfflineChange::Replace(plain), ()));
            match kept {
                Ok(()) => self.tools.log.info(format_args!(
                    "{} codes of {} are kept for when no server answers",
                    item.response.len(),
                    key.serial
                )),
                // The server's yes does not hang on it. What it gave out is lost.
                Err(StoreError::NoDirectory) => self.tools.log.warning(format_args!(
                    "the codes of {} for when no server answers are lost: there is nowhere to keep state",
                    key.serial
                )),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Uses a code up because no server answers.
    fn spend(&self, found: &Found) -> Result<Verdict, MfaError> {
        let spent = self.tools.store.change_offline_codes(&found.key, |kept| {
            match kept.filter(|(_, failures)| *failures < MAX_FAILURES) {
                Some((plain, _)) => without(&found.key, plain, found.counter, None),
                None => (OfflineChange::Keep, Ok(false)),
            }
        })??;
        if !spent {
            return Ok(Verdict::Rejected(
                "the offline code is used up, or there were too many wrong ones".into(),
            ));
        }
        self.tools
            .log
            .warning(format_args!("a code of {} is used because no server answers", found.key.serial));
        Ok(accepted(found, "offline"))
    }

    /// Uses a code up that the server agreed to, and keeps the new ones.
    fn renew(&self, found: &Found, items: &[OfflineItem]) -> Result<Verdict, MfaError> {
        let of_token =
            |item: &&OfflineItem| item.serial.as_ref().is_none_or(|serial| *serial == found.key.serial);
        let item = items.iter().find(of_token);
        let item = item.ok_or_else(|| garbled("the server's refill has no codes of the token"))?;
        let new =
            List { refilltoken: item.refilltoken.expose_secret(), answers_only: false, codes: codes(item)? };
        let used = self.tools.store.change_offline_codes(&found.key, |kept| match kept {
            Some((plain, _)) => without(&found.key, plain, found.counter, Some(&new)),
            None => (OfflineChange::Keep, Ok(false)),
        })??;
        if used {
            return Ok(accepted(found, "otp, refilled"));
        }
        Ok(Verdict::Rejected("the offline code was used a moment ago".into()))
    }

    /// Forgets the codes that the server does not stand behind any more.
    fn withdraw(&self, found: &Found) -> Result<(), MfaError> {
        let sent = found.refilltoken.expose_secret();
        self.tools.store.change_offline_codes(&found.key, |kept| match kept {
            // Another process may have got new ones in the meantime.
            Some((plain, _)) if read(&found.key, plain).is_ok_and(|list| list.refilltoken != sent) => {
                (OfflineChange::Keep, ())
            }
            Some(_) => (OfflineChange::Forget, ()),
            None => (OfflineChange::Keep, ()),
        })?;
        self.tools.log.warning(format_args!("the offline codes of {} are withdrawn", found.key.serial));
        Ok(())
    }

    /// Counts a wrong password that no server saw.
    pub(super) fn charge(&self, keys: &[OfflineKey]) -> Result<Verdict, MfaError> {
        for key in keys {
            self.tools.store.change_offline_codes(key, |_| (OfflineChange::Charge, ()))?;
        }
        Ok(Verdict::Rejected("no server answers, and it is no offline code".into()))
    }
}

impl PrivacyIdea<'_> {
    /// Uses a code that the server gave out: with its consent where it answers, on our own where it does not.
    pub(super) fn use_offline(
        &self,
        offline: &Offline<'_>,
        found: &Found,
        password: &str,
    ) -> Result<Verdict, MfaError> {
        let query = Refill {
            serial: &found.key.serial,
            refilltoken: found.refilltoken.expose_secret(),
            pass: password,
        };
        let reply = self.post("validate/offlinerefill", &query, self.api_key.as_ref());
        match reply.and_then(|reply| wire::refilled(&reply)) {
            Ok(Ok(items)) => offline.renew(found, &items),
            Ok(Err(reason)) => {
                offline.withdraw(found)?;
                Ok(Verdict::Rejected(reason))
            }
            Err(MfaError::Outage(_)) => offline.spend(found),
            // The code is right whatever the server says, and it is used up before it counts. So it does not matter
            // whether the server took the request, but it does whether it answers: it may have withdrawn the code.
            Err(MfaError::ServiceUnreachable { .. }) if self.servers.are_down() => offline.spend(found),
            Err(error) => Err(error),
        }
    }
}

fn accepted(found: &Found, way: &'static str) -> Verdict {
    let serial = Some(found.key.serial.clone());
    // The codes that a server hands out for use without it are those of HOTP tokens.
    Verdict::Accepted(Accepted { serial, way: Some(way), code: CodeKind::OneTime })
}

fn read<'p>(key: &OfflineKey, plain: &'p [u8]) -> Result<List<'p>, StoreError> {
    let damaged = |_| StoreError::Unknown { column: "offline codes", row: key.serial.clone() };
    crate::json::from_slice(plain).map_err(damaged)
}

fn write(list: &List<'_>) -> Result<Zeroizing<Vec<u8>>, MfaError> {
    let written = serde_json::to_vec(list).map(Zeroizing::new);
    written.map_err(|_| garbled("the codes cannot be written"))
}

/// Takes a code and all before it out of a list, and puts new ones in; tells whether the code was there.
fn without(
    key: &OfflineKey,
    plain: &[u8],
    counter: u64,
    new: Option<&List<'_>>,
) -> (OfflineChange, Result<bool, MfaError>) {
    let mut list = match read(key, plain) {
        Ok(list) => list,
        Err(error) => return (OfflineChange::Keep, Err(error.into())),
    };
    let is_there = list.codes.contains_key(&counter);
    if is_there {
        list.codes.retain(|known, _| *known > counter);
    } else if new.is_none() {
        return (OfflineChange::Keep, Ok(false));
    }
    if let Some(new) = new {
        list.refilltoken = new.refilltoken;
        list.codes.extend(&new.codes);
    }
    if list.codes.is_empty() {
        return (OfflineChange::Forget, Ok(is_there));
    }
    match write(&list) {
        Ok(plain) => (OfflineChange::Replace(plain), Ok(is_there)),
        Err(error) => (OfflineChange::Keep, Err(error)),
    }
}

/// Takes the codes of an answer; all of them have to be usable.
fn codes(item: &OfflineItem) -> Result<BTreeMap<u64, &str>, MfaError> {
    let codes: Option<BTreeMap<u64, &str>> = item
        .response
        .iter()
        .map(|(counter, hash)| {
            let hash = hash.expose_secret();
            Some((counter.parse().ok()?, Hash::parse(hash).map(|_| hash)?))
        })
        .collect();
    codes
        .filter(|codes| codes.len() <= MAX_CODES)
        .ok_or_else(|| garbled("the server's offline codes are not of the known form"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> OfflineKey {
        OfflineKey {
            provider: "edumfa",
            realm: String::new(),
            user: "alice".to_owned(),
            serial: "HOTP0001".to_owned(),
        }
    }

    fn counters(change: OfflineChange) -> Vec<u64> {
        let OfflineChange::Replace(plain) = change else { return Vec::new() };
        read(&key(), &plain).unwrap().codes.into_keys().collect()
    }

    #[test]
    fn a_code_takes_those_before_it_along() {
        let list = List {
            refilltoken: "old",
            answers_only: false,
            codes: BTreeMap::from([(7, "a"), (8, "b"), (9, "c"), (10, "d")]),
        };
        let plain = write(&list).unwrap();
        let (change, used) = without(&key(), &plain, 8, None);
        assert_eq!((counters(change), used.unwrap()), (vec![9, 10], true));
        let (change, used) = without(&key(), &plain, 6, None);
        assert!(matches!(change, OfflineChange::Keep));
        assert!(!used.unwrap());
        let (change, used) = without(&key(), &plain, 10, None);
        assert!(matches!(change, OfflineChange::Forget));
        assert!(used.unwrap());
    }

    #[test]
    fn a_refill_is_kept_even_where_another_process_used_the_code() {
        let list = List { refilltoken: "old", answers_only: true, codes: BTreeMap::from([(9, "c")]) };
        let plain = write(&list).unwrap();
        let new = List { refilltoken: "new", answers_only: false, codes: BTreeMap::from([(11, "e")]) };
        let (change, used) = without(&key(), &plain, 8, Some(&new));
        let OfflineChange::Replace(plain) = change else { panic!("nothing is kept") };
        let kept = read(&key(), &plain).unwrap();
        assert_eq!((kept.refilltoken, kept.answers_only), ("new", true));
        assert_eq!(kept.codes, BTreeMap::from([(9, "c"), (11, "e")]));
        assert!(!used.unwrap());
    }
}
