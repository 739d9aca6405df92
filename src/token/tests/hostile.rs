//! Rows that no enrolment writes: nobody gets in by them, nobody else is held up by them, no search goes on for ever.

use super::*;

fn logged_in(site: &Site, user: &str, text: &str) -> bool {
    // A row that cannot be used may be a denial or a fault; both are closed.
    matches!(site.here().ask(user, None, text), Ok(Outcome::Accepted(_)))
}

#[test]
fn codes_of_impossible_lengths_match_nothing() {
    for digits in [0, 1, 5, 9, 200, 255] {
        let site = Site::new();
        for (token_type, serial) in [(TokenType::Hotp, "H"), (TokenType::Totp, "T"), (TokenType::Paper, "P")]
        {
            site.enrol(token_type, serial, "alice", "", |token| token.digits = digits);
        }
        for text in ["", "0", "00000", "000000", &"0".repeat(usize::from(digits))] {
            assert_eq!(site.login("alice", text), Outcome::Denied, "{digits} {text}");
        }
    }
}

#[test]
fn a_period_of_zero_has_no_steps() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T", "alice", "", |token| token.period = 0);
    for step in 0..3 {
        assert_eq!(site.login("alice", &site.code("T", step)), Outcome::Denied);
    }
}

#[test]
fn a_secret_of_no_bytes_has_no_codes() {
    let site = Site::new();
    for (token_type, serial) in [(TokenType::Hotp, "H"), (TokenType::Paper, "P"), (TokenType::Pw, "W")] {
        site.add(Site::blank(token_type, serial, "alice"), "", b"");
    }
    // RFC 4226 with the empty key, which everybody knows.
    for code in ["328482", "812658", "073348", ""] {
        assert_eq!(site.login("alice", code), Outcome::Denied, "{code}");
    }
    site.registration("R", "alice", "", "");
    assert_eq!(site.login("alice", ""), Outcome::Denied);
}

#[test]
fn a_huge_window_is_cut_to_what_can_be_searched() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H", "alice", "", |token| token.window = u32::MAX);
    site.enrol(TokenType::Totp, "T", "bob", "", |token| token.window = u32::MAX);
    site.enrol(TokenType::Paper, "P", "carol", "", |token| token.window = u32::MAX);
    site.four_eyes("4E", "erin", "", "realm1:1");
    for user in ["alice", "bob", "carol", "erin"] {
        assert_eq!(site.login(user, "nope"), Outcome::Denied);
        assert_eq!(site.login(user, "x000000"), Outcome::Denied);
        site.change(["H", "T", "P", "4E"]["abce".find(&user[..1]).unwrap()], |token| token.fail_counter = 0);
    }
    assert_eq!(site.login("alice", &site.code("H", 0)), accepted(&["H"]));
    assert_eq!(site.login("bob", &site.code("T", STEP)), accepted(&["T"]));
    assert_eq!(site.login("carol", &site.code("P", 0)), accepted(&["P"]));
}

#[test]
fn the_last_counters_are_refused_without_a_fault() {
    let last = u64::try_from(i64::MAX).unwrap();
    for (counter, next) in [(last - 1, Some(last)), (last, None), (u64::MAX, None)] {
        let site = Site::new();
        site.enrol(TokenType::Hotp, "H", "alice", "", |token| token.counter = counter);
        let codes = [counter, counter.saturating_add(1)].map(|counter| site.code("H", counter));
        match next {
            Some(next) => {
                assert_eq!(site.login("alice", &codes[1]), Outcome::Denied);
                assert_eq!(site.login("alice", &codes[0]), accepted(&["H"]));
                assert_eq!(site.counter("H"), next);
            }
            None => assert_eq!(site.login("alice", &codes[0]), Outcome::Denied, "{counter}"),
        }
    }
    let site = Site::new();
    site.enrol(TokenType::Spass, "S", "alice", "spin", |token| token.counter = last);
    assert_eq!(site.login("alice", "spin"), accepted(&["S"]));
    assert_eq!(site.counter("S"), last);
}

#[test]
fn a_negative_counter_has_no_codes() {
    let site = Site::new();
    site.hotp("H", "alice", "");
    assert_eq!(site.sql("UPDATE tokens SET counter = -1"), 1);
    let maker = CodeMaker::new(Algorithm::Sha1, &secret("H"), 6).unwrap();
    for counter in [0, 1, u64::MAX] {
        assert!(!logged_in(&site, "alice", &maker.code(counter)), "{counter}");
    }
}

#[test]
fn a_fail_counter_at_its_end_stays_there() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H", "alice", "", |token| {
        (token.max_fail, token.fail_counter) = (0, u32::MAX);
    });
    assert_eq!(site.login("alice", "000000"), Outcome::Denied);
    assert_eq!(site.fails("H"), u32::MAX);
    assert_eq!(site.login("alice", &site.code("H", 0)), accepted(&["H"]));
}

#[test]
fn a_skew_without_end_leads_to_no_step_that_anybody_knows() {
    for skew in [i64::MIN, i64::MIN + 1, -40_000_000, i64::MAX] {
        let site = Site::new();
        site.enrol(TokenType::Totp, "T", "alice", "", |token| token.skew = skew);
        for step in [0, 1, STEP, u64::MAX, STEP.saturating_add(u64::try_from(i64::MAX).unwrap())] {
            assert_eq!(site.login("alice", &site.code("T", step)), Outcome::Denied, "{skew} {step}");
        }
    }
}

#[test]
fn a_clock_before_1970_lets_nobody_in() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T", "alice", "", |_| {});
    site.clock.0.set(-31);
    for step in 0..3 {
        assert_eq!(site.login("alice", &site.code("T", step)), Outcome::Denied, "{step}");
    }
}

#[test]
fn a_sealed_text_from_another_row_or_column_opens_nothing() {
    for swap in [
        "UPDATE tokens SET sealed_secret = (SELECT sealed_secret FROM tokens WHERE serial = 'M') WHERE serial = 'A'",
        "UPDATE tokens SET sealed_pin = (SELECT sealed_pin FROM tokens WHERE serial = 'M') WHERE serial = 'A'",
        "UPDATE tokens SET sealed_pin = sealed_secret WHERE serial = 'A'",
        "UPDATE tokens SET sealed_secret = sealed_pin WHERE serial = 'A'",
        "UPDATE tokens SET sealed_secret = x'' WHERE serial = 'A'",
    ] {
        let site = Site::new();
        site.hotp("A", "alice", "apin");
        site.hotp("M", "mallory", "mpin");
        let (own, others) = (site.vote("A", 0), site.vote("M", 0));
        let mixed = [format!("apin{}", site.code("M", 0)), format!("mpin{}", site.code("A", 0))];
        assert_eq!(site.sql(swap), 1);
        for text in [own, others].iter().chain(&mixed) {
            assert!(!logged_in(&site, "alice", text), "{swap}");
        }
        assert_eq!(site.login("mallory", &site.vote("M", 0)), accepted(&["M"]), "{swap}");
    }
}

#[test]
fn a_row_that_does_not_open_holds_up_nobody_else_in_a_realm() {
    for damage in [
        "UPDATE tokens SET sealed_secret = x'00' WHERE serial = 'C'",
        "UPDATE tokens SET sealed_pin = x'00' WHERE serial = 'C'",
        "UPDATE tokens SET digits = 300 WHERE serial = 'C'",
        "UPDATE tokens SET window = -1 WHERE serial = 'C'",
        "UPDATE tokens SET type = 'hotp2' WHERE serial = 'C'",
        "UPDATE tokens SET algorithm = 'md5' WHERE serial = 'C'",
        "UPDATE tokens SET period = 99999999999 WHERE serial = 'C'",
    ] {
        let site = Site::asking("realm1:2");
        let carol = site.vote("C", 0);
        assert_eq!(site.sql(damage), 1);
        assert!(!logged_in(&site, "carol", &carol), "{damage}");
        let mixed = format!("{} {carol}", site.vote("A", 0));
        assert!(!logged_in(&site, "erin", &mixed), "{damage}");
        assert_eq!(site.login("erin", &site.votes(&["A", "B"])), accepted(&["A", "B", "4E"]), "{damage}");
    }
}

#[test]
fn a_realms_text_that_no_enrolment_writes_asks_for_nothing() {
    for realms in
        ["realm1:4294967295,realm2:2", "realm1:21", "realm1:1,realm1:1", "realm1:0", "{\"realm1\": 1}"]
    {
        let site = Site::asking(realms);
        for text in [String::new(), site.vote("A", 0), site.votes(&["A", "B"])] {
            assert_eq!(site.login("erin", &text), Outcome::Denied, "{realms}");
        }
        assert_eq!(site.members(), ([0; 4], [0; 4]));
    }
}

#[test]
fn a_password_token_with_half_a_verifier_lets_nobody_in() {
    let site = Site::new();
    site.password("P", "alice", "", "secret");
    let whole = {
        let store = site.store();
        let sealer = store.sealer_or_create().unwrap();
        store.token("P").unwrap().unwrap().secret(sealer).unwrap().to_vec()
    };
    for length in [0, 1, 35, 36, 71] {
        let kept = whole[..length].to_vec();
        let store = site.store();
        let sealer = store.sealer_or_create().unwrap();
        site.change("P", |token| token.seal_secret(sealer, &kept).unwrap());
        for text in ["secret", ""] {
            assert_eq!(site.login("alice", text), Outcome::Denied, "{length}");
        }
        site.change("P", |token| token.fail_counter = 0);
    }
}
