//! Logins with local tokens, from the outside of this layer: tokens in a store, texts in, outcomes out.

mod login;

use std::cell::Cell;
use std::time::Duration;

use tempfile::TempDir;

use super::oath::CodeMaker;
use super::pin::{Purpose, Stretched};
use super::verify::{Rules, Verifier};
use super::{Outcome, Owner, Session};
use crate::clock::{Budget, Clock, UnixTime};
use crate::logging::Log;
use crate::store::{Algorithm, KeySource, Places, Store, Token, TokenType};

/// The secret of RFC 4226 appendix D.
const SECRET: &[u8] = b"12345678901234567890";

/// A clock that a test sets.
struct TestClock(Cell<i64>);

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.get())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// A store of its own, and a log that is thrown away.
struct Site {
    clock: TestClock,
    directory: TempDir,
    log: Log,
    rules: Rules,
}

impl Site {
    fn new() -> Self {
        Self {
            clock: TestClock(Cell::new(1_000_000_000)),
            directory: tempfile::tempdir().unwrap(),
            log: Log::new(Box::new(std::io::sink())),
            rules: Rules { challenge_response: true, forward_failcounter: true },
        }
    }

    fn store(&self) -> Store<'_> {
        let places = Places::at(self.directory.path());
        Store::new(
            places,
            || Ok(KeySource::File),
            &self.clock,
            Budget::new(&self.clock, Duration::from_secs(60)),
        )
    }

    /// Adds a token after a change to its defaults; the PIN is empty for none.
    fn enrol(
        &self,
        token_type: TokenType,
        serial: &str,
        owner: &str,
        pin: &str,
        change: impl FnOnce(&mut Token),
    ) {
        let store = self.store();
        let owner = Owner::parse(owner, "realm1");
        let window = if token_type == TokenType::Totp { 1 } else { 10 };
        let mut token = Token {
            serial: serial.to_owned(),
            token_type,
            user: owner.user,
            realm: owner.realm,
            description: String::new(),
            enabled: true,
            algorithm: Algorithm::Sha1,
            digits: 6,
            period: 30,
            window,
            counter: 0,
            skew: 0,
            fail_counter: 0,
            max_fail: 10,
            failed_at: UnixTime::from_secs(0),
            unlock_after: 0,
            valid_from: None,
            valid_until: None,
            target: None,
            realms: None,
            separator: None,
            sealed_secret: Vec::new(),
            sealed_pin: None,
        };
        change(&mut token);
        let sealer = store.sealer_or_create().unwrap();
        token.seal_secret(sealer, SECRET).unwrap();
        if !pin.is_empty() {
            let kept = Stretched::compute(&store, pin).unwrap().verifier(Purpose::Pin, serial, pin);
            token.seal_pin(sealer, Some(&kept)).unwrap();
        }
        store.add_tokens([(&token, &[][..])]).unwrap();
    }

    /// One login of a user with their own tokens.
    fn login(&self, identity: &str, text: &str) -> Outcome {
        let store = self.store();
        let owner = Owner::parse(identity, "realm1");
        let session = Session { id: "s", owner: &owner, challenge_validity: 120.0 };
        let verifier = Verifier { store: &store, log: &self.log, rules: self.rules };
        let tokens = store.tokens_of(&owner.user, &owner.realm).unwrap();
        match verifier.with_code(&tokens, text).unwrap() {
            Some(outcome) => outcome,
            None => verifier.without_code(session, &tokens, text, None, |_| Ok(None::<()>)).unwrap().unwrap(),
        }
    }

    /// The answer to a challenge.
    fn answer(&self, identity: &str, id: &str, text: &str) -> Outcome {
        let store = self.store();
        let owner = Owner::parse(identity, "realm1");
        let session = Session { id: "s", owner: &owner, challenge_validity: 120.0 };
        let verifier = Verifier { store: &store, log: &self.log, rules: self.rules };
        match session.find(&store, id).unwrap() {
            Some(challenge) => verifier.answer(&challenge, text).unwrap(),
            None => verifier.deny(Vec::new(), "no such challenge").unwrap(),
        }
    }

    fn token(&self, serial: &str) -> Token {
        self.store().token(serial).unwrap().unwrap()
    }
}

/// The code of RFC 4226's secret.
fn code(counter: u64) -> String {
    CodeMaker::new(Algorithm::Sha1, SECRET, 6).unwrap().code(counter)
}

fn accepted(serials: &[&str]) -> Outcome {
    Outcome::Accepted(serials.iter().map(|serial| (*serial).to_owned()).collect())
}

fn challenge_id(outcome: Outcome) -> String {
    match outcome {
        Outcome::Challenge { id, .. } => id,
        Outcome::Accepted(_) | Outcome::Denied => panic!("no challenge: {outcome:?}"),
    }
}

#[test]
fn an_identity_brings_its_realm_or_gets_the_default() {
    let owner = |identity: &str| Owner::parse(identity, "default");
    assert_eq!(owner("alice"), Owner { user: "alice".to_owned(), realm: "default".to_owned() });
    assert_eq!(owner("alice@x@realm2"), Owner { user: "alice@x".to_owned(), realm: "realm2".to_owned() });
}
