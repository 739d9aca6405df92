//! The forward token: a PIN of its own, and another token's codes.

use super::*;

/// Alice's device with her own PIN, and carol's way to it.
fn forwarded() -> Site {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    site.forward("F1", "carol", "fpin", "H1");
    site
}

fn charged(site: &Site) -> (u32, u32) {
    (site.fails("F1"), site.fails("H1"))
}

// linotp 1
#[test]
fn the_forwards_own_pin_and_the_targets_code_hold_and_nothing_else() {
    let site = forwarded();
    let code = site.code("H1", 0);
    for wrong in ["hpin", "fpinhpin", "hpinfpin", ""] {
        assert_eq!(site.login("carol", &format!("{wrong}{code}")), Outcome::Denied, "{wrong}");
    }
    assert_eq!(site.counter("H1"), 0);
    assert_eq!(site.login("carol", &format!("fpin{code}")), accepted(&["F1", "H1"]));
}

// linotp 2
#[test]
fn a_forward_without_pin_takes_the_code_alone_and_no_prefix() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    site.forward("F1", "carol", "", "H1");
    assert_eq!(site.login("carol", &format!("x{}", site.code("H1", 0))), Outcome::Denied);
    assert_eq!(site.login("carol", &site.code("H1", 0)), accepted(&["F1", "H1"]));
}

// linotp 3
#[test]
fn the_length_of_a_code_is_the_targets_as_it_is_now() {
    let site = forwarded();
    site.change("H1", |token| token.digits = 8);
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 0))), accepted(&["F1", "H1"]));
    site.change("H1", |token| token.digits = 6);
    let code = site.code("H1", 1);
    assert_eq!(code.len(), 6);
    assert_eq!(site.login("carol", &format!("fpin{code}")), accepted(&["F1", "H1"]));
}

// linotp 4
#[test]
fn a_code_is_looked_for_in_the_targets_window_whatever_the_forwards_own() {
    let site = forwarded();
    site.change("F1", |token| (token.counter, token.window, token.digits) = (500, 1, 8));
    site.change("H1", |token| token.counter = 20);
    for outside in [19, 30] {
        assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", outside))), Outcome::Denied);
    }
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 29))), accepted(&["F1", "H1"]));
    assert_eq!(site.counter("H1"), 30);
}

// linotp 4
#[test]
fn a_time_based_target_guards_its_own_steps() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "tpin", |token| token.algorithm = Algorithm::Sha512);
    site.forward("F1", "carol", "fpin", "T1");
    for outside in [STEP - 2, STEP + 2] {
        assert_eq!(site.login("carol", &format!("fpin{}", site.code("T1", outside))), Outcome::Denied);
    }
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("T1", STEP))), accepted(&["F1", "T1"]));
    for used in [STEP, STEP - 1] {
        assert_eq!(site.login("carol", &format!("fpin{}", site.code("T1", used))), Outcome::Denied);
        assert_eq!(site.login("alice", &format!("tpin{}", site.code("T1", used))), Outcome::Denied);
    }
    assert_eq!(site.counter("T1"), STEP + 1);
}

// linotp 5
#[test]
fn two_codes_beyond_the_window_are_two_failures_and_resynchronise_nothing() {
    let site = forwarded();
    for beyond in [20, 21, 22] {
        assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", beyond))), Outcome::Denied);
    }
    assert_eq!((site.counter("H1"), charged(&site)), (0, (3, 3)));
}

// linotp 6
#[test]
fn a_forward_to_a_password_a_pin_a_registration_or_approvals_never_holds() {
    let site = Site::new();
    site.password("P1", "alice", "ppin", "secret");
    site.password("P2", "alice", "", "secret");
    site.enrol(TokenType::Spass, "S1", "alice", "spin", |_| {});
    site.registration("R1", "alice", "", "A1b2C3d4E5f6");
    site.four_eyes("4E", "alice", "", "realm1:1");
    for target in ["P1", "P2", "S1", "R1", "4E"] {
        let owner = format!("carol-{target}");
        site.forward(&format!("F-{target}"), &owner, "fpin", target);
        for text in ["secret", "ppinsecret", "", "spin", "A1b2C3d4E5f6", "000000"] {
            let text = format!("fpin{text}");
            assert_eq!(site.login(&owner, &text), Outcome::Denied, "{target} {text}");
        }
        let charged = site.fails(&format!("F-{target}"));
        assert_eq!((charged, site.fails(target)), (6, 0), "{target}");
    }
    assert_eq!(site.count("SELECT count(*) FROM challenges"), 0);
    assert!(site.store().used_codes("R1").unwrap().is_empty());
}

// linotp 7
#[test]
fn success_moves_the_targets_counter_and_counts_the_uses_of_the_forward() {
    let site = forwarded();
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 4))), accepted(&["F1", "H1"]));
    assert_eq!((site.counter("F1"), site.counter("H1")), (1, 5));
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 5))), accepted(&["H1"]));
    assert_eq!((site.counter("F1"), site.counter("H1")), (1, 6));
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 6))), accepted(&["F1", "H1"]));
    assert_eq!((site.counter("F1"), site.counter("H1")), (2, 7));
}

// linotp 8
#[test]
fn a_code_is_used_up_on_every_way_to_its_device() {
    let ways = [("alice", "hpin"), ("carol", "fpin"), ("dave", "gpin")];
    for (first, first_pin) in ways {
        let site = forwarded();
        site.forward("F2", "dave", "gpin", "H1");
        let code = site.code("H1", 0);
        assert!(matches!(site.login(first, &format!("{first_pin}{code}")), Outcome::Accepted(_)));
        for (again, pin) in ways {
            assert_eq!(site.login(again, &format!("{pin}{code}")), Outcome::Denied, "{first} then {again}");
            let id = challenge_id(site.login(again, pin));
            assert_eq!(site.answer(again, &id, &code), Outcome::Denied, "{first} then {again}");
        }
        assert_eq!(site.counter("H1"), 1);
    }
}

// linotp 8
#[test]
fn a_paper_code_is_used_up_on_every_way_to_its_list() {
    let site = Site::new();
    site.enrol(TokenType::Paper, "PP", "alice", "ppin", |_| {});
    site.forward("F1", "carol", "fpin", "PP");
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("PP", 7))), accepted(&["F1", "PP"]));
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("PP", 7))), Outcome::Denied);
    assert_eq!(site.login("alice", &format!("ppin{}", site.code("PP", 7))), Outcome::Denied);
    assert_eq!(site.login("alice", &format!("ppin{}", site.code("PP", 2))), accepted(&["PP"]));
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("PP", 2))), Outcome::Denied);
}

// linotp 9
#[test]
fn success_resets_the_fail_counters_of_both() {
    let site = forwarded();
    for _ in 0..3 {
        assert_eq!(site.login("carol", "fpin000000"), Outcome::Denied);
        assert_eq!(site.login("alice", "hpin000000"), Outcome::Denied);
    }
    assert_eq!(charged(&site), (3, 6));
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 0))), accepted(&["F1", "H1"]));
    assert_eq!(charged(&site), (0, 0));
}

// linotp 10
#[test]
fn a_wrong_forward_pin_never_charges_the_target() {
    let site = forwarded();
    for number in 0..12 {
        let code = if number % 2 == 0 { site.code("H1", 0) } else { "000000".to_owned() };
        assert_eq!(site.login("carol", &format!("nope{code}")), Outcome::Denied);
        assert_eq!(site.login("carol", "nope"), Outcome::Denied);
        assert_eq!(site.login("carol", "of another length"), Outcome::Denied);
    }
    assert_eq!(charged(&site), (10, 0));
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 0))), accepted(&["H1"]));
}

// linotp 10
#[test]
fn a_wrong_code_behind_the_right_forward_pin_charges_both() {
    let site = forwarded();
    assert_eq!(site.login("carol", "fpin000000"), Outcome::Denied);
    assert_eq!(charged(&site), (1, 1));
    site.forward("F2", "dave", "", "H1");
    assert_eq!(site.login("dave", "000000"), Outcome::Denied);
    assert_eq!((site.fails("F2"), site.fails("H1")), (1, 2));
    // What cannot be a code is none of the target's business.
    assert_eq!(site.login("dave", "x"), Outcome::Denied);
    assert_eq!((site.fails("F2"), site.fails("H1")), (2, 2));
}

// linotp 11
#[test]
fn what_happens_at_the_target_never_changes_the_forwards_fail_counter() {
    let site = forwarded();
    assert_eq!(site.login("carol", "fpin000000"), Outcome::Denied);
    assert_eq!(site.login("alice", "hpin000000"), Outcome::Denied);
    assert_eq!(charged(&site), (1, 2));
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 0))), accepted(&["H1"]));
    assert_eq!(charged(&site), (1, 0));
}

// linotp 12
#[test]
fn a_wrong_code_is_charged_to_every_token_with_its_pin_and_each_of_their_targets_once() {
    let site = forwarded();
    site.hotp("H2", "carol", "fpin");
    site.forward("F2", "carol", "fpin", "H1");
    site.hotp("H3", "carol", "other");
    assert_eq!(site.login("carol", "fpin000000"), Outcome::Denied);
    let all = ["F1", "F2", "H1", "H2", "H3"].map(|serial| site.fails(serial));
    assert_eq!(all, [1, 1, 1, 1, 0]);
}

// linotp 13, 14
#[test]
fn without_forward_failcounter_a_failure_is_charged_to_the_forward_only() {
    let mut site = forwarded();
    site.config = "[local]\nforward_failcounter=no\n".to_owned();
    assert_eq!(site.login("carol", "fpin000000"), Outcome::Denied);
    let id = challenge_id(site.login("carol", "fpin"));
    assert_eq!(site.answer("carol", &id, "000000"), Outcome::Denied);
    assert_eq!(charged(&site), (2, 0));
    // The target's own logins are the target's, whatever the option says.
    assert_eq!(site.login("alice", "hpin000000"), Outcome::Denied);
    assert_eq!(charged(&site), (2, 1));
}

// linotp 15
#[test]
fn without_forward_failcounter_success_moves_the_target_and_a_locked_one_stays_locked() {
    let mut site = forwarded();
    site.config = "[local]\nforward_failcounter=no\n".to_owned();
    site.change("H1", |token| token.fail_counter = 3);
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 0))), accepted(&["F1", "H1"]));
    assert_eq!((site.counter("H1"), charged(&site)), (1, (0, 0)));
    site.change("H1", |token| token.fail_counter = 10);
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 1))), Outcome::Denied);
    assert_eq!((site.counter("H1"), site.fails("H1")), (1, 10));
}

// linotp 16, 17
#[test]
fn a_locked_target_refuses_through_its_forward_and_is_not_unlocked_by_it() {
    let site = forwarded();
    site.change("H1", |token| token.fail_counter = 10);
    assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 0))), Outcome::Denied);
    assert_eq!((site.counter("H1"), charged(&site)), (0, (1, 10)));
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 0))), Outcome::Denied);
}

// linotp 16, 18
#[test]
fn a_disabled_expired_or_exhausted_target_refuses_through_its_forward_and_is_not_changed() {
    let at = |seconds| Some(UnixTime::from_secs(NOW + seconds));
    let states: [&dyn Fn(&mut Token); 4] = [
        &|token| token.enabled = false,
        &|token| token.valid_until = at(0),
        &|token| token.valid_from = at(1),
        &|token| (token.token_type, token.window) = (TokenType::Paper, 0),
    ];
    for (number, state) in states.iter().enumerate() {
        let site = forwarded();
        site.change("H1", |token| {
            state(token);
            token.fail_counter = 4;
        });
        assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 0))), Outcome::Denied, "{number}");
        let target = site.token("H1");
        assert_eq!(target.counter, 0);
        assert!(target.fail_counter >= 4, "{number}");
        assert_eq!(site.fails("F1"), 1);
    }
}

// linotp 19
#[test]
fn the_forwards_own_state_counts_and_its_refusal_leaves_the_target_alone() {
    let past = Some(UnixTime::from_secs(NOW));
    let states: [&dyn Fn(&mut Token); 3] =
        [&|token| token.fail_counter = 10, &|token| token.enabled = false, &|token| token.valid_until = past];
    for (number, state) in states.iter().enumerate() {
        let site = forwarded();
        site.change("F1", state);
        assert_eq!(site.login("carol", &format!("fpin{}", site.code("H1", 0))), Outcome::Denied, "{number}");
        assert_eq!((site.counter("H1"), site.fails("H1")), (0, 0), "{number}");
        assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 0))), accepted(&["H1"]));
    }
    let site = forwarded();
    site.change("F1", |token| token.fail_counter = 10);
    assert_eq!(site.login("carol", "fpin000000"), Outcome::Denied);
    assert_eq!(site.fails("F1"), 10, "a locked token is not charged");
}
