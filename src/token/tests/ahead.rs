//! What was done while the clock was ahead, once the clock is right again.

use super::super::resync::{ResyncError, resync};
use super::*;

/// Four hundred days.
const AHEAD: i64 = 400 * 86_400;
const STEPS_AHEAD: u64 = 400 * 2880;

/// Resynchronises with the codes of two steps; returns whether the token went back behind its last use.
fn resynced(site: &Site, serial: &str, steps: [u64; 2]) -> Result<bool, ResyncError> {
    let codes = steps.map(|step| site.code(serial, step));
    let resynced = resync(&site.store(), serial, [&codes[0], &codes[1]])?.unwrap();
    Ok(resynced.went_back_behind.is_some())
}

#[test]
fn a_totp_token_that_was_used_while_the_clock_was_ahead_is_taken_back_and_used_codes_stay_used() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "", |_| {});
    assert_eq!(site.login("alice", &site.code("T1", STEP)), accepted(&["T1"]));
    site.wait(AHEAD);
    let future = STEP + STEPS_AHEAD;
    for step in [future, future + 2] {
        assert_eq!(site.login("alice", &site.code("T1", step)), accepted(&["T1"]));
        site.wait(60);
    }
    site.wait(-AHEAD);
    let now = STEP + 4;
    assert_eq!(site.login("alice", &site.code("T1", now)), Outcome::Denied);
    assert!(resynced(&site, "T1", [now - 1, now]).unwrap());
    assert_eq!(site.login("alice", &site.code("T1", now)), Outcome::Denied);
    site.wait(60);
    assert_eq!(site.login("alice", &site.code("T1", now + 2)), accepted(&["T1"]));
    // The day comes on which these codes are shown again.
    site.wait(AHEAD - 150);
    assert_eq!(site.login("alice", &site.code("T1", future)), Outcome::Denied);
    site.wait(60);
    assert_eq!(site.login("alice", &site.code("T1", future + 2)), Outcome::Denied);
    assert_eq!(site.login("alice", &site.code("T1", future + 3)), accepted(&["T1"]));
}

#[test]
fn both_codes_of_a_resynchronisation_stay_used_when_a_later_one_goes_back_behind_them() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "", |_| {});
    assert!(!resynced(&site, "T1", [STEP, STEP + 1]).unwrap());
    site.wait(AHEAD);
    let future = STEP + STEPS_AHEAD;
    for step in [future, future + 1, future + 2] {
        assert_eq!(site.login("alice", &site.code("T1", step)), accepted(&["T1"]));
        site.wait(30);
    }
    site.wait(-AHEAD - 90);
    for replayed in [[STEP, STEP + 1], [STEP + 1, STEP + 2]] {
        assert!(matches!(resynced(&site, "T1", replayed), Err(ResyncError::NotFound(_))), "{replayed:?}");
    }
    assert!(resynced(&site, "T1", [STEP + 2, STEP + 3]).unwrap());
    for step in [STEP, STEP + 1, STEP + 2, STEP + 3] {
        assert_eq!(site.login("alice", &site.code("T1", step)), Outcome::Denied, "{step}");
    }
}

#[test]
fn the_second_code_of_a_resynchronisation_is_not_taken_again() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "", |_| {});
    site.enrol(TokenType::Hotp, "H1", "alice", "", |_| {});
    assert!(!resynced(&site, "T1", [STEP - 1, STEP]).unwrap());
    assert!(!resynced(&site, "H1", [300, 301]).unwrap());
    for code in [site.code("T1", STEP), site.code("T1", STEP - 1), site.code("H1", 301), site.code("H1", 300)]
    {
        assert_eq!(site.login("alice", &code), Outcome::Denied);
    }
}

#[test]
fn the_last_code_of_a_token_that_kept_no_steps_stays_used_too() {
    let site = Site::new();
    let future = STEP + STEPS_AHEAD;
    site.enrol(TokenType::Totp, "T1", "alice", "", |token| token.counter = future + 1);
    assert!(resynced(&site, "T1", [STEP, STEP + 1]).unwrap());
    site.wait(AHEAD);
    assert_eq!(site.login("alice", &site.code("T1", future)), Outcome::Denied);
    assert_eq!(site.login("alice", &site.code("T1", future + 1)), accepted(&["T1"]));
}

#[test]
fn a_resynchronisation_goes_back_behind_nothing_else() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "", |_| {});
    assert_eq!(site.login("alice", &site.code("T1", STEP + 1)), accepted(&["T1"]));
    // A code ahead by the window is no clock that was ahead; neither is what a restored state refuses.
    for counter in [STEP + 2, STEP + 3] {
        site.change("T1", |token| token.counter = counter.max(token.counter));
        assert!(
            matches!(resynced(&site, "T1", [STEP, STEP + 1]), Err(ResyncError::NotFound(_))),
            "{counter}"
        );
    }
    // And of a clock that was ahead, codes from before now stay out of reach.
    site.change("T1", |token| token.counter = STEP + STEPS_AHEAD);
    for before in [[STEP - 3, STEP - 2], [STEP - 900, STEP - 899], [STEP, STEP + 1]] {
        assert!(matches!(resynced(&site, "T1", before), Err(ResyncError::NotFound(_))), "{before:?}");
    }
    assert!(resynced(&site, "T1", [STEP + 2, STEP + 3]).unwrap());
}

#[test]
fn a_hotp_token_never_goes_back() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "", |token| token.counter = STEP + STEPS_AHEAD);
    assert!(matches!(resynced(&site, "H1", [5, 6]), Err(ResyncError::NotFound(_))));
}

#[test]
fn failures_of_a_clock_that_was_ahead_lock_a_token_for_its_unlock_time_from_now() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "", |token| (token.max_fail, token.unlock_after) = (2, 60));
    site.wait(AHEAD);
    for _ in 0..2 {
        assert_eq!(site.login("alice", "000000"), Outcome::Denied);
    }
    site.wait(-AHEAD);
    assert_eq!(site.login("alice", &site.code("H1", 0)), Outcome::Denied);
    site.wait(59);
    assert_eq!(site.login("alice", &site.code("H1", 0)), Outcome::Denied);
    site.wait(1);
    assert_eq!(site.login("alice", &site.code("H1", 0)), accepted(&["H1"]));
}

#[test]
fn a_question_of_a_clock_that_was_ahead_is_over() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    site.wait(AHEAD);
    let id = challenge_id(site.login("alice", "hpin"));
    site.wait(-AHEAD);
    assert_eq!(site.answer("alice", &id, &site.code("H1", 0)), Outcome::Denied);
    let id = challenge_id(site.login("alice", "hpin"));
    assert_eq!(site.count("SELECT count(*) FROM challenges"), 1, "the other one is deleted");
    assert_eq!(site.answer("alice", &id, &site.code("H1", 0)), accepted(&["H1"]));
}

#[test]
fn sessions_of_a_clock_that_was_ahead_are_counted_from_now() {
    let site = Site::new();
    let key = crate::store::ConnectionKey { client_ip: "10.0.0.1".to_owned(), username: "alice".to_owned() };
    let open = |session: &str| site.store().open_connection(&key, session, 1, Some(60.0)).unwrap();
    site.wait(AHEAD);
    assert!(open("one"));
    site.wait(-AHEAD);
    assert!(!open("two"));
    site.wait(61);
    assert!(open("two"));
}

#[test]
fn a_lock_of_approvals_by_a_clock_that_was_ahead_ends_in_its_time_from_now() {
    let site = Site::with("[four_eyes]\nrealms=realm1:1\nconnections=db\n");
    site.enrol_members();
    site.wait(AHEAD);
    for _ in 0..6 {
        assert_eq!(site.at("s", "db").login("erin", "bob:bpin000000"), Outcome::Denied);
    }
    site.wait(-AHEAD);
    assert_eq!(site.at("s", "db").login("erin", &site.vote("B", 0)), Outcome::Denied);
    site.wait(900);
    assert_eq!(site.at("s", "db").login("erin", &site.vote("B", 0)), accepted(&["B"]));
}

#[test]
fn an_authentication_and_an_outage_of_a_clock_that_was_ahead_count_for_nothing() {
    let site = Site::new();
    let limits = crate::store::CacheLimits {
        soft_timeout: f64::INFINITY,
        hard_timeout: f64::INFINITY,
        reuse_limit: -1,
    };
    let person = crate::names::Person::parse("alice", &crate::names::Rules::default()).unwrap();
    let key = crate::store::CacheKey {
        user: person.permit_key(),
        client_ip: "10.0.0.1",
        scope: crate::store::CacheScope::Unnamed,
        provider: "http",
    };
    site.wait(AHEAD);
    site.store().remember_authentication(&key, person.count_key(), limits).unwrap();
    let server =
        crate::store::ServerId { kind: "http", address: "http://a".to_owned(), endpoint: "a:80".to_owned() };
    site.store().note_server(&server, crate::store::ServerFinding::Silent, 30.0).unwrap();
    site.wait(-AHEAD);
    assert!(!site.store().use_authentication(&key, limits).unwrap());
    assert_eq!(site.store().server_health(&server).unwrap(), None);
}
