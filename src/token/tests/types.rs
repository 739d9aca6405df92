//! Each type of token that has codes or texts of its own.

use super::*;

#[test]
fn time_based_codes_of_every_hash_length_and_period_hold_once() {
    let site = Site::new();
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        for digits in [6, 7, 8] {
            for period in [30, 60] {
                let serial = format!("T{algorithm}-{digits}-{period}");
                site.enrol(TokenType::Totp, &serial, "alice", "", |token| {
                    (token.algorithm, token.digits, token.period) = (algorithm, digits, period);
                });
                let code = site.code(&serial, 1_000_000_000 / u64::from(period));
                assert_eq!(code.len(), usize::from(digits));
                assert_eq!(site.login("alice", &code), accepted(&[serial.as_str()]));
                assert_eq!(site.login("alice", &code), Outcome::Denied, "{serial}");
            }
        }
    }
}

#[test]
fn a_step_is_taken_within_the_window_on_either_side() {
    for (distance, holds) in [(-3, false), (-2, true), (0, true), (2, true), (3, false)] {
        let site = Site::new();
        site.enrol(TokenType::Totp, "T1", "alice", "", |token| token.window = 2);
        let code = site.code("T1", STEP.saturating_add_signed(distance));
        let expected = if holds { accepted(&["T1"]) } else { Outcome::Denied };
        assert_eq!(site.login("alice", &code), expected, "{distance}");
    }
}

#[test]
fn the_same_step_or_an_earlier_one_is_never_taken_again() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "", |token| token.window = 3);
    assert_eq!(site.login("alice", &site.code("T1", STEP + 1)), accepted(&["T1"]));
    for step in STEP - 3..=STEP + 1 {
        assert_eq!(site.login("alice", &site.code("T1", step)), Outcome::Denied, "{step}");
    }
    assert_eq!(site.counter("T1"), STEP + 2);
    assert_eq!(site.login("alice", &site.code("T1", STEP + 2)), accepted(&["T1"]));
    // A clock that goes back opens nothing again.
    site.wait(-60);
    assert_eq!(site.login("alice", &site.code("T1", STEP)), Outcome::Denied);
}

#[test]
fn a_device_that_is_ahead_or_behind_is_known_by_its_skew() {
    for skew in [-100, -7, 7, 100] {
        let site = Site::new();
        site.enrol(TokenType::Totp, "T1", "alice", "", |token| token.skew = skew);
        assert_eq!(site.login("alice", &site.code("T1", STEP)), Outcome::Denied);
        let shown = STEP.saturating_add_signed(skew);
        assert_eq!(site.login("alice", &site.code("T1", shown)), accepted(&["T1"]), "{skew}");
    }
}

#[test]
fn a_paper_list_takes_its_codes_in_any_order_each_once() {
    let site = Site::new();
    site.enrol(TokenType::Paper, "PP", "alice", "ppin", |token| token.window = 8);
    for place in [5, 0, 7, 3] {
        let text = format!("ppin{}", site.code("PP", place));
        assert_eq!(site.login("alice", &text), accepted(&["PP"]), "{place}");
        assert_eq!(site.login("alice", &text), Outcome::Denied, "{place}");
    }
    assert_eq!(site.login("alice", &format!("ppin{}", site.code("PP", 8))), Outcome::Denied);
    assert_eq!(site.login("alice", &format!("pipn{}", site.code("PP", 1))), Outcome::Denied);
    assert_eq!(site.store().used_codes("PP").unwrap(), [0, 3, 5, 7]);
    assert_eq!(site.counter("PP"), 4);
}

#[test]
fn a_code_that_stands_twice_on_a_paper_list_works_twice() {
    let site = Site::new();
    // The first list in which two of 500 codes are equal.
    let twice = |serial: &str| {
        let maker = CodeMaker::new(Algorithm::Sha1, &secret(serial), 6).unwrap();
        let codes: Vec<_> = (0..500).map(|place| maker.code(place)).collect();
        codes.iter().enumerate().find(|(at, code)| codes[..*at].contains(code)).map(|(_, code)| code.clone())
    };
    let (serial, code) = (0..1000)
        .map(|n| format!("PP{n}"))
        .find_map(|serial| Some((serial.clone(), twice(&serial)?)))
        .unwrap();
    site.enrol(TokenType::Paper, &serial, "alice", "", |token| token.window = 500);
    assert_eq!(site.login("alice", &code), accepted(&[serial.as_str()]));
    assert_eq!(site.login("alice", &code), accepted(&[serial.as_str()]));
    assert_eq!(site.login("alice", &code), Outcome::Denied);
}

#[test]
fn a_registration_code_works_once() {
    let site = Site::new();
    site.registration("R1", "alice", "", "kX8-h2pQ-77");
    site.registration("R2", "bob", "rpin", "kX8-h2pQ-77");
    for wrong in ["kX8-h2pQ-7", "kX8-h2pQ-78", "KX8-H2PQ-77", "xkX8-h2pQ-77"] {
        assert_eq!(site.login("alice", wrong), Outcome::Denied, "{wrong}");
    }
    assert_eq!(site.login("alice", "kX8-h2pQ-77"), accepted(&["R1"]));
    assert_eq!(site.login("alice", "kX8-h2pQ-77"), Outcome::Denied);
    assert_eq!(site.login("bob", "kX8-h2pQ-77"), Outcome::Denied);
    let id = challenge_id(site.login("bob", "rpin"));
    assert_eq!(site.answer("bob", &id, "kX8-h2pQ-77"), accepted(&["R2"]));
    assert_eq!(site.login("bob", "rpinkX8-h2pQ-77"), Outcome::Denied);
}

#[test]
fn a_static_password_holds_behind_its_pin() {
    let site = Site::new();
    site.password("P1", "alice", "ppin", "secret");
    site.password("P2", "bob", "", "Geheimnis ß");
    for _ in 0..2 {
        assert_eq!(site.login("alice", "ppinsecret"), accepted(&["P1"]));
        assert_eq!(site.login("bob", "Geheimnis ß"), accepted(&["P2"]));
    }
    for wrong in ["secret", "secretppin", "ppinsecre", "ppinsecret ", "ppinSecret", "xxxxsecret"] {
        assert_eq!(site.login("alice", wrong), Outcome::Denied, "{wrong}");
    }
    let id = challenge_id(site.login("alice", "ppin"));
    assert_eq!(site.answer("alice", &id, "ppinsecret"), Outcome::Denied);
    assert_eq!(site.answer("alice", &id, "secret"), accepted(&["P1"]));
    assert_eq!(site.answer("alice", &id, "secret"), Outcome::Denied);
    // A password without PIN is no PIN: it starts nothing that could be answered.
    assert_eq!(site.login("bob", "Geheimnis"), Outcome::Denied);
}

#[test]
fn a_pin_only_token_holds_with_its_pin_and_asks_for_no_code() {
    let site = Site::new();
    site.enrol(TokenType::Spass, "S1", "alice", "spin", |_| {});
    site.enrol(TokenType::Spass, "S2", "bob", "", |_| {});
    assert_eq!(site.login("alice", "spin"), accepted(&["S1"]));
    assert_eq!(site.counter("S1"), 1);
    for wrong in ["spi", "spinn", "SPIN", "spin000000", "000000"] {
        assert_eq!(site.login("alice", wrong), Outcome::Denied, "{wrong}");
    }
    // Without a PIN it would let everybody in.
    for wrong in ["", " ", "000000"] {
        assert_eq!(site.login("bob", wrong), Outcome::Denied, "{wrong:?}");
    }
}

#[test]
fn a_pin_that_two_types_share_lets_the_pin_only_token_in_at_once() {
    let site = Site::new();
    site.hotp("H1", "alice", "same");
    site.enrol(TokenType::Spass, "S1", "alice", "same", |_| {});
    assert_eq!(site.login("alice", "same"), accepted(&["S1"]));
    assert_eq!(site.login("alice", &format!("same{}", site.code("H1", 0))), accepted(&["H1"]));
}
