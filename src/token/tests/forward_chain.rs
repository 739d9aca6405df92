//! Forward tokens: challenges that are passed on, forwards to forwards, and targets that are not there.

use super::*;

fn forwarded() -> Site {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    site.forward("F1", "carol", "fpin", "H1");
    site
}

// linotp 20
#[test]
fn a_forward_pin_alone_starts_a_challenge_unless_there_are_none() {
    let mut site = forwarded();
    let id = challenge_id(site.login("carol", "fpin"));
    assert_eq!((site.fails("F1"), site.fails("H1")), (0, 0));
    assert_eq!(site.answer("carol", &id, &site.code("H1", 0)), accepted(&["F1", "H1"]));
    site.config = "[local]\nchallenge_response=no\n".to_owned();
    assert_eq!(site.login("carol", "fpin"), Outcome::Denied);
    assert_eq!((site.fails("F1"), site.fails("H1")), (1, 0));
}

// linotp 21
#[test]
fn the_question_says_nothing_of_the_target() {
    let site = forwarded();
    let (_, through) = challenge(site.login("carol", "fpin"));
    let (_, direct) = challenge(site.login("alice", "hpin"));
    assert_eq!(through, direct);
}

// linotp 22
#[test]
fn only_the_forwards_owner_answers_and_with_the_code_alone() {
    let site = forwarded();
    let id = challenge_id(site.login("carol", "fpin"));
    for wrong in ["fpin", "hpin", "x"] {
        let text = format!("{wrong}{}", site.code("H1", 0));
        assert_eq!(site.answer("carol", &id, &text), Outcome::Denied, "{wrong}");
    }
    assert_eq!((site.fails("F1"), site.fails("H1")), (3, 3));
    assert_eq!(site.answer("alice", &id, &site.code("H1", 0)), Outcome::Denied);
    assert_eq!((site.counter("H1"), site.fails("H1")), (0, 3));
    assert_eq!(site.answer("carol", &id, &site.code("H1", 0)), accepted(&["F1", "H1"]));
}

// linotp 23
#[test]
fn a_wrong_answer_is_charged_to_both_and_a_used_code_is_wrong() {
    let site = forwarded();
    let id = challenge_id(site.login("carol", "fpin"));
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 0))), accepted(&["H1"]));
    assert_eq!(site.answer("carol", &id, &site.code("H1", 0)), Outcome::Denied);
    assert_eq!((site.fails("F1"), site.fails("H1")), (1, 1));
}

// linotp 23
#[test]
fn a_locked_target_gets_no_challenge_and_answers_none() {
    let site = forwarded();
    let id = challenge_id(site.login("carol", "fpin"));
    site.change("H1", |token| token.fail_counter = 10);
    assert_eq!(site.login("carol", "fpin"), Outcome::Denied);
    assert_eq!(site.answer("carol", &id, &site.code("H1", 0)), Outcome::Denied);
    assert_eq!((site.counter("H1"), site.fails("H1")), (0, 10));
}

// linotp 24
#[test]
fn a_challenge_answered_through_a_forward_never_lowers_the_counter() {
    let site = forwarded();
    site.change("H1", |token| token.counter = 46);
    let id = challenge_id(site.login("carol", "fpin"));
    assert_eq!(site.answer("carol", &id, &site.code("H1", 46)), accepted(&["F1", "H1"]));
    assert_eq!(site.counter("H1"), 47);
    for used in [0, 1, 4, 45, 46] {
        let id = challenge_id(site.login("carol", "fpin"));
        assert_eq!(site.answer("carol", &id, &site.code("H1", used)), Outcome::Denied, "{used}");
    }
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 47))), accepted(&["H1"]));
}

// linotp 24
#[test]
fn a_time_based_code_answers_one_challenge_through_a_forward() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "tpin", |_| {});
    site.forward("F1", "carol", "fpin", "T1");
    let (first, second) =
        (challenge_id(site.login("carol", "fpin")), challenge_id(site.login("carol", "fpin")));
    assert_eq!(site.answer("carol", &first, &site.code("T1", STEP)), accepted(&["F1", "T1"]));
    assert_eq!(site.answer("carol", &second, &site.code("T1", STEP)), Outcome::Denied);
    assert_eq!(site.counter("T1"), STEP + 1);
}

// linotp 26
#[test]
fn a_forward_and_an_own_token_with_one_pin_share_a_challenge_that_either_answers() {
    for (device, serials) in [("H1", &["F1", "H1"][..]), ("H3", &["H3"][..])] {
        let site = forwarded();
        site.hotp("H3", "carol", "fpin");
        let id = challenge_id(site.login("carol", "fpin"));
        assert_eq!(site.answer("carol", &id, &site.code(device, 2)), accepted(serials));
        assert_eq!(site.answer("carol", &id, &site.code("H3", 3)), Outcome::Denied);
    }
}

// linotp 26
#[test]
fn a_code_that_is_right_for_two_tokens_is_taken_by_one_and_used_up() {
    let site = Site::new();
    site.hotp("H1", "carol", "same");
    site.forward("F1", "carol", "same", "H1");
    let text = format!("same{}", site.code("H1", 0));
    assert_eq!(site.login("carol", &text), accepted(&["F1", "H1"]));
    assert_eq!(site.login("carol", &text), Outcome::Denied);
    assert_eq!(site.counter("H1"), 1);
}

/// A device and forwards F1 to it, F2 to F1, and so on; each is its own user's, with its own PIN.
fn chain(length: usize) -> Site {
    let site = Site::new();
    site.hotp("F0", "user0", "pin0");
    for number in 1..=length {
        let target = format!("F{}", number - 1);
        site.forward(&format!("F{number}"), &format!("user{number}"), &format!("pin{number}"), &target);
    }
    site
}

// linotp 27
#[test]
fn five_forwards_in_a_row_hold_with_the_pin_of_the_first() {
    let site = chain(5);
    let path = ["F5", "F4", "F3", "F2", "F1", "F0"];
    assert_eq!(site.login("user5", &format!("pin5{}", site.code("F0", 0))), accepted(&path));
    let id = challenge_id(site.login("user5", "pin5"));
    assert_eq!(site.answer("user5", &id, &site.code("F0", 1)), accepted(&path));
    assert_eq!(path.map(|serial| site.counter(serial)), [2, 2, 2, 2, 2, 2]);
    for wrong in ["pin4", "pin0", ""] {
        assert_eq!(site.login("user5", &format!("{wrong}{}", site.code("F0", 2))), Outcome::Denied);
    }
    assert_eq!(site.login("user5", "pin5000000"), Outcome::Denied);
    assert_eq!(path.map(|serial| site.fails(serial)), [4, 1, 1, 1, 1, 1]);
}

// linotp 27
#[test]
fn six_forwards_in_a_row_are_too_many() {
    let site = chain(6);
    assert_eq!(site.login("user6", &format!("pin6{}", site.code("F0", 0))), Outcome::Denied);
    assert_eq!(site.login("user6", "pin6"), Outcome::Denied);
    assert_eq!((site.counter("F0"), site.fails("F0"), site.fails("F6")), (0, 0, 2));
}

// linotp 27
#[test]
fn every_forward_on_the_way_has_to_be_usable() {
    for between in ["F1", "F2", "F3"] {
        let site = chain(3);
        site.change(between, |token| token.enabled = false);
        assert_eq!(site.login("user3", &format!("pin3{}", site.code("F0", 0))), Outcome::Denied, "{between}");
        assert_eq!(site.counter("F0"), 0);
    }
}

// linotp 28
#[test]
fn a_forward_to_itself_or_round_in_a_circle_is_a_denial() {
    for (circle, target) in [(1, "F1"), (2, "F2"), (5, "F5"), (9, "F9")] {
        let site = chain(circle);
        site.change("F1", |token| token.target = Some(target.to_owned()));
        let user = format!("user{circle}");
        for text in [format!("pin{circle}000000"), format!("pin{circle}")] {
            assert_eq!(site.login(&user, &text), Outcome::Denied, "{circle}");
        }
        assert_eq!(site.fails(&format!("F{circle}")), 2);
    }
}

// linotp 28
#[test]
fn a_forward_with_another_target_takes_the_other_targets_codes() {
    let site = forwarded();
    site.hotp("H2", "bob", "bpin");
    site.change("F1", |token| token.target = Some("H2".to_owned()));
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 0))), Outcome::Denied);
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H2", 0))), accepted(&["F1", "H2"]));
}

// linotp 29
#[test]
fn a_missing_target_is_a_denial_like_any_other_and_is_charged() {
    let site = forwarded();
    let id = challenge_id(site.login("carol", "fpin"));
    let code = site.code("H1", 0);
    assert!(site.store().delete_token("H1").unwrap());
    let texts = [format!("fpin{code}"), format!("nope{code}"), "fpin".to_owned(), "nope".to_owned()];
    for (number, text) in (1..).zip(texts) {
        assert_eq!(site.login("carol", &text), Outcome::Denied, "{text}");
        assert_eq!(site.fails("F1"), number);
    }
    // A new token of that serial is another one, also for a question that is still open.
    site.hotp("H1", "alice", "hpin");
    assert_eq!(site.answer("carol", &id, &code), Outcome::Denied);
    assert_eq!(site.login("carol", &format!("fpin{code}")), Outcome::Denied);
    site.change("F1", |token| token.target = Some("H1".to_owned()));
    assert_eq!(site.login("carol", &format!("fpin{code}")), accepted(&["F1", "H1"]));
}
