//! One's own tokens: codes, PINs, challenges, fail counters.

use super::*;

#[test]
fn a_pin_and_a_code_are_accepted_once() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "hpin", |_| {});
    assert_eq!(site.login("alice", &format!("hpin{}", code(0))), accepted(&["H1"]));
    assert_eq!(site.login("alice", &format!("hpin{}", code(0))), Outcome::Denied);
    assert_eq!((site.token("H1").counter, site.token("H1").fail_counter), (1, 1));
    assert_eq!(site.login("alice", &format!("hpin{}", code(1))), accepted(&["H1"]));
    assert_eq!((site.token("H1").counter, site.token("H1").fail_counter), (2, 0));
}

#[test]
fn the_look_ahead_window_ends_where_it_says() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "", |_| {});
    assert_eq!(site.login("alice", &code(10)), Outcome::Denied);
    assert_eq!(site.login("alice", &code(9)), accepted(&["H1"]));
    assert_eq!(site.token("H1").counter, 10);
}

#[test]
fn a_pin_alone_starts_a_challenge_that_the_code_alone_answers_once() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "tpin", |_| {});
    let id = challenge_id(site.login("alice", "tpin"));
    let step = 1_000_000_000 / 30;
    assert_eq!(site.answer("alice", &id, &format!("tpin{}", code(step))), Outcome::Denied);
    assert_eq!(site.token("T1").fail_counter, 1);
    assert_eq!(site.answer("alice", &id, &code(step)), accepted(&["T1"]));
    assert_eq!(site.answer("alice", &id, &code(step + 1)), Outcome::Denied);
    assert_eq!(site.token("T1").fail_counter, 0);
}

#[test]
fn a_challenge_ends_with_its_time() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "hpin", |_| {});
    let id = challenge_id(site.login("alice", "hpin"));
    site.clock.0.set(1_000_000_120);
    assert_eq!(site.answer("alice", &id, &code(0)), Outcome::Denied);
    assert_eq!(site.token("H1").counter, 0);
}

#[test]
fn only_the_token_that_was_meant_is_charged() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "one1", |_| {});
    site.enrol(TokenType::Hotp, "H2", "alice", "two2", |token| token.counter = 100);
    assert_eq!(site.login("alice", "one1000000"), Outcome::Denied);
    assert_eq!((site.token("H1").fail_counter, site.token("H2").fail_counter), (1, 0));
}
