//! Two at once, in one process: what was read is not what is there any more when it is settled.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use super::*;
use crate::store::{Advance, Settlement, Use};

/// One login in a thread of its own, with a store of its own.
fn login_at(directory: &Path, barrier: &Barrier, identity: &str, text: &str) -> Outcome {
    let mut site = Site::new();
    let own = std::mem::replace(&mut site.directory, Directory::Of(directory.to_owned()));
    barrier.wait();
    let outcome = site.login(identity, text);
    drop(own);
    outcome
}

/// Logs in many times at once and returns how many were accepted.
fn at_once(site: &Site, logins: &[(&str, String)]) -> usize {
    let barrier = Arc::new(Barrier::new(logins.len()));
    let threads: Vec<_> = logins
        .iter()
        .map(|(identity, text)| {
            let (identity, text) = ((*identity).to_owned(), text.clone());
            let (directory, barrier) = (site.directory.path().to_owned(), Arc::clone(&barrier));
            thread::spawn(move || login_at(&directory, &barrier, &identity, &text))
        })
        .collect();
    let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
    outcomes.filter(|outcome| matches!(outcome, Outcome::Accepted(_))).count()
}

// linotp 31
#[test]
fn of_many_logins_at_once_with_one_code_one_is_accepted_on_whatever_way() {
    let site = Site::new();
    site.hotp("H1", "alice", "");
    site.forward("F1", "carol", "", "H1");
    site.forward("F2", "dave", "", "H1");
    for round in 0..5 {
        let code = site.code("H1", round);
        let logins: Vec<_> =
            ["alice", "carol", "dave", "carol", "dave", "alice"].map(|user| (user, code.clone())).into();
        assert_eq!(at_once(&site, &logins), 1, "round {round}");
        assert_eq!(site.counter("H1"), round + 1);
    }
}

// linotp 31
#[test]
fn of_many_wrong_logins_at_once_every_one_is_counted_up_to_the_maximum() {
    let site = Site::new();
    site.hotp("H1", "alice", "");
    let logins: Vec<_> = (0..8).map(|_| ("alice", "000000".to_owned())).collect();
    assert_eq!(at_once(&site, &logins), 0);
    assert_eq!(site.fails("H1"), 8);
    assert_eq!(at_once(&site, &logins), 0);
    assert_eq!(site.fails("H1"), 10);
}

#[test]
fn of_many_last_approvals_at_once_one_completes_the_chain_and_the_others_use_up_nothing() {
    let site = Site::asking("realm1:2");
    let id = challenge_id(site.login("erin", &site.vote("A", 0)));
    let answers = [site.vote("B", 0), site.vote("C", 0), site.vote("B", 0)];
    let barrier = Arc::new(Barrier::new(answers.len()));
    let threads: Vec<_> = answers
        .into_iter()
        .map(|text| {
            let (directory, barrier) = (site.directory.path().to_owned(), Arc::clone(&barrier));
            let id = id.clone();
            thread::spawn(move || {
                let mut site = Site::new();
                site.directory = Directory::Of(directory);
                barrier.wait();
                site.answer("erin", &id, &text)
            })
        })
        .collect();
    let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
    assert_eq!(outcomes.filter(|outcome| matches!(outcome, Outcome::Accepted(_))).count(), 1);
    assert_eq!((site.counter("B") + site.counter("C"), site.counter("4E")), (1, 1));
}

/// Settles the use of one counter after something happened to the token.
fn settled_after(change: impl FnOnce(&mut Token)) -> bool {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "", |token| token.counter = 5);
    site.change("H1", change);
    let uses = vec![Use { serial: "H1".to_owned(), advance: Advance::Counter(7) }];
    let settled = site.store().settle(&Settlement { uses, ..Settlement::default() }).unwrap();
    if settled {
        assert_eq!(site.counter("H1"), 8);
    }
    settled
}

#[test]
fn what_was_locked_disabled_expired_or_used_between_reading_and_settling_is_refused() {
    assert!(settled_after(|_| {}));
    assert!(settled_after(|token| token.counter = 7));
    assert!(!settled_after(|token| token.counter = 8));
    assert!(!settled_after(|token| token.fail_counter = 10));
    assert!(!settled_after(|token| token.enabled = false));
    assert!(!settled_after(|token| token.valid_until = Some(UnixTime::from_secs(NOW))));
    assert!(!settled_after(|token| token.valid_from = Some(UnixTime::from_secs(NOW + 1))));
}

#[test]
fn a_settlement_that_fails_in_its_last_part_changes_nothing() {
    let site = Site::new();
    site.hotp("H1", "alice", "");
    site.hotp("H2", "bob", "");
    let one = |serial: &str, advance| Use { serial: serial.to_owned(), advance };
    let uses =
        vec![one("H1", Advance::Counter(0)), one("H2", Advance::Position(3)), one("NOBODY", Advance::Count)];
    let settlement =
        Settlement { uses, charges: vec![crate::store::Charge::own("H2")], ..Settlement::default() };
    assert!(!site.store().settle(&settlement).unwrap());
    assert_eq!((site.counter("H1"), site.counter("H2"), site.fails("H2")), (0, 0, 0));
    assert!(site.store().used_codes("H2").unwrap().is_empty());
}
