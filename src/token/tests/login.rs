//! One's own tokens: PINs, codes, fail counters, and texts of every kind.

use super::*;

#[test]
fn a_pin_and_a_code_are_accepted_once() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    let first = format!("hpin{}", site.code("H1", 0));
    assert_eq!(site.login("alice", &first), accepted(&["H1"]));
    assert_eq!(site.login("alice", &first), Outcome::Denied);
    assert_eq!((site.counter("H1"), site.fails("H1")), (1, 1));
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 1))), accepted(&["H1"]));
    assert_eq!((site.counter("H1"), site.fails("H1")), (2, 0));
}

#[test]
fn a_right_code_with_a_wrong_pin_is_not_used_up() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    let code = site.code("H1", 0);
    for wrong in ["", "hpi", "hpin ", "HPIN", "nipn", "hpinhpin"] {
        assert_eq!(site.login("alice", &format!("{wrong}{code}")), Outcome::Denied, "{wrong}");
    }
    assert_eq!((site.counter("H1"), site.fails("H1")), (0, 6));
    assert_eq!(site.login("alice", &format!("hpin{code}")), accepted(&["H1"]));
}

#[test]
fn any_token_of_a_user_may_answer_and_only_the_one_that_was_meant_is_charged() {
    let site = Site::new();
    site.hotp("H1", "alice", "one1");
    site.hotp("H2", "alice", "two2");
    site.hotp("H3", "alice", "three3");
    assert_eq!(site.login("alice", "one1000000"), Outcome::Denied);
    assert_eq!((site.fails("H1"), site.fails("H2"), site.fails("H3")), (1, 0, 0));
    assert_eq!(site.login("alice", &format!("three3{}", site.code("H3", 4))), accepted(&["H3"]));
    assert_eq!((site.counter("H1"), site.counter("H2"), site.counter("H3")), (0, 0, 5));
    // A PIN of nobody's: the length says which tokens could have been meant.
    assert_eq!(site.login("alice", "nobody000000"), Outcome::Denied);
    assert_eq!((site.fails("H1"), site.fails("H2"), site.fails("H3")), (1, 0, 1));
    // A length of nobody's: any of them.
    assert_eq!(site.login("alice", "x"), Outcome::Denied);
    assert_eq!((site.fails("H1"), site.fails("H2"), site.fails("H3")), (2, 1, 2));
}

#[test]
fn two_tokens_with_one_pin_are_told_apart_by_the_code_and_both_pay_for_a_wrong_one() {
    let site = Site::new();
    site.hotp("H1", "alice", "same");
    site.hotp("H2", "alice", "same");
    assert_eq!(site.login("alice", &format!("same{}", site.code("H2", 3))), accepted(&["H2"]));
    assert_eq!((site.counter("H1"), site.counter("H2")), (0, 4));
    assert_eq!(site.login("alice", "same000000"), Outcome::Denied);
    assert_eq!((site.fails("H1"), site.fails("H2")), (1, 1));
}

#[test]
fn a_token_whose_codes_are_longer_does_not_pay_for_a_shorter_one() {
    let site = Site::new();
    site.hotp("H6", "alice", "same");
    site.enrol(TokenType::Hotp, "H8", "alice", "same", |token| token.digits = 8);
    assert_eq!(site.login("alice", "same000000"), Outcome::Denied);
    assert_eq!((site.fails("H6"), site.fails("H8")), (1, 0));
    assert_eq!(site.login("alice", "same00000000"), Outcome::Denied);
    assert_eq!((site.fails("H6"), site.fails("H8")), (1, 1));
    assert_eq!(site.login("alice", &format!("same{}", site.code("H8", 0))), accepted(&["H8"]));
}

#[test]
fn pins_may_end_in_digits_begin_alike_and_be_written_in_any_script() {
    let site = Site::new();
    for (serial, pin) in [
        ("A", "pin"),
        ("B", "pin1"),
        ("C", "pin123456"),
        ("D", "1"),
        ("E", "señor"),
        ("F", "パスワード"),
        ("G", "pin "),
        ("H", "🔑🔑"),
    ] {
        site.hotp(serial, "alice", pin);
        assert_eq!(site.login("alice", &format!("{pin}{}", site.code(serial, 0))), accepted(&[serial]));
        let id = challenge_id(site.login("alice", pin));
        assert_eq!(site.answer("alice", &id, &site.code(serial, 1)), accepted(&[serial]), "{pin}");
    }
    // Another token's code behind a PIN is nothing.
    assert_eq!(site.login("alice", &format!("pin1{}", site.code("A", 2))), Outcome::Denied);
}

#[test]
fn a_code_is_ascii_digits_and_what_separates_groups_of_them() {
    let site = Site::new();
    site.hotp("H1", "alice", "");
    let code = site.code("H1", 0);
    let wide: String = code.chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap()).collect();
    for bad in
        [wide, format!("+{}", &code[1..]), format!("{code}x"), format!("{}.{}", &code[..3], &code[3..])]
    {
        assert_eq!(site.login("alice", &bad), Outcome::Denied, "{bad:?}");
    }
    assert_eq!(site.counter("H1"), 0);
    for (counter, gap) in [(0, " "), (1, "-"), (2, "\u{a0}")] {
        let code = site.code("H1", counter);
        let typed = format!(" {}{gap}{} ", &code[..3], &code[3..]);
        assert_eq!(site.login("alice", &typed), accepted(&["H1"]), "{typed:?}");
    }
}

#[test]
fn a_pin_with_separators_is_compared_as_it_was_typed() {
    let site = Site::new();
    site.hotp("H1", "alice", "a b-");
    let code = site.code("H1", 0);
    let typed = format!("{} {}", &code[..3], &code[3..]);
    for bad in [format!("ab{typed}"), format!("a-b {typed}"), format!("a b{typed}")] {
        assert_eq!(site.login("alice", &bad), Outcome::Denied, "{bad:?}");
    }
    assert_eq!(site.login("alice", &format!("a b-{typed}")), accepted(&["H1"]));
    let id = challenge_id(site.login("alice", "a b-"));
    let code = site.code("H1", 1);
    assert_eq!(site.answer("alice", &id, &format!(" {}-{}", &code[..3], &code[3..])), accepted(&["H1"]));
}

#[test]
fn the_look_ahead_window_ends_where_it_says() {
    let site = Site::new();
    site.hotp("H1", "alice", "");
    assert_eq!(site.login("alice", &site.code("H1", 10)), Outcome::Denied);
    assert_eq!(site.login("alice", &site.code("H1", 9)), accepted(&["H1"]));
    assert_eq!(site.counter("H1"), 10);
    for used in 0..10 {
        assert_eq!(site.login("alice", &site.code("H1", used)), Outcome::Denied, "{used}");
    }
}

#[test]
fn an_empty_text_is_a_denial_that_charges_nobody() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    site.hotp("H2", "alice", "");
    site.password("P1", "alice", "", "secret");
    site.enrol(TokenType::Spass, "S1", "alice", "", |_| {});
    assert_eq!(site.login("alice", ""), Outcome::Denied);
    assert_eq!((site.fails("H1"), site.fails("H2"), site.fails("P1"), site.fails("S1")), (0, 0, 0, 0));
}

#[test]
fn nobody_logs_in_with_the_token_of_another_user_or_realm() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    let text = format!("hpin{}", site.code("H1", 0));
    for other in ["bob", "alice@realm2", "álice", "alice ", "", "@realm1", "%", "alice@realm1@"] {
        assert_eq!(site.login(other, &text), Outcome::Denied, "{other:?}");
    }
    assert_eq!((site.counter("H1"), site.fails("H1")), (0, 0));
    assert_eq!(site.login("Alice@REALM1", &text), accepted(&["H1"]));
}

#[test]
fn a_token_that_nobody_owns_lets_nobody_in() {
    let site = Site::new();
    site.hotp("H1", "@realm1", "");
    site.enrol(TokenType::Spass, "S1", "@realm1", "spin", |_| {});
    for nobody in ["", "@realm1"] {
        assert_eq!(site.login(nobody, &site.code("H1", 0)), Outcome::Denied);
        assert_eq!(site.login(nobody, "spin"), Outcome::Denied);
    }
    assert_eq!((site.counter("H1"), site.fails("H1"), site.fails("S1")), (0, 0, 0));
}

#[test]
fn a_disabled_token_or_one_out_of_its_time_holds_never() {
    let site = Site::new();
    let at = |seconds| Some(UnixTime::from_secs(NOW + seconds));
    site.enrol(TokenType::Hotp, "DISABLED", "alice", "", |token| token.enabled = false);
    site.enrol(TokenType::Hotp, "OVER", "alice", "", |token| token.valid_until = at(0));
    site.enrol(TokenType::Hotp, "LATER", "alice", "", |token| token.valid_from = at(1));
    site.enrol(TokenType::Hotp, "NOW", "alice", "", |token| {
        (token.valid_from, token.valid_until) = (at(0), at(1));
    });
    for serial in ["DISABLED", "OVER", "LATER"] {
        assert_eq!(site.login("alice", &site.code(serial, 0)), Outcome::Denied, "{serial}");
        assert_eq!(site.counter(serial), 0);
    }
    assert_eq!(site.login("alice", &site.code("NOW", 0)), accepted(&["NOW"]));
    site.wait(1);
    assert_eq!(site.login("alice", &site.code("NOW", 1)), Outcome::Denied);
    assert_eq!(site.login("alice", &site.code("LATER", 0)), accepted(&["LATER"]));
    assert_eq!(site.fails("DISABLED"), 0);
}

#[test]
fn the_last_failure_locks_and_a_locked_token_takes_nothing_and_is_not_charged() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "hpin", |token| token.max_fail = 3);
    for failures in 1..=3 {
        assert_eq!(site.login("alice", "hpin000000"), Outcome::Denied);
        assert_eq!(site.fails("H1"), failures);
    }
    for text in [format!("hpin{}", site.code("H1", 0)), "hpin".to_owned(), "hpin000000".to_owned()] {
        assert_eq!(site.login("alice", &text), Outcome::Denied, "{text}");
    }
    assert_eq!((site.counter("H1"), site.fails("H1")), (0, 3));
}

#[test]
fn the_unlock_time_unlocks_and_counting_begins_anew() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "", |token| (token.max_fail, token.unlock_after) = (2, 60));
    for _ in 0..2 {
        assert_eq!(site.login("alice", "000000"), Outcome::Denied);
    }
    site.wait(59);
    assert_eq!(site.login("alice", &site.code("H1", 0)), Outcome::Denied);
    site.wait(1);
    assert_eq!(site.login("alice", "000000"), Outcome::Denied);
    assert_eq!(site.fails("H1"), 1);
    assert_eq!(site.login("alice", &site.code("H1", 0)), accepted(&["H1"]));
    assert_eq!(site.fails("H1"), 0);
}

#[test]
fn a_maximum_of_zero_never_locks() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "", |token| {
        (token.max_fail, token.fail_counter) = (0, 4_000_000_000);
    });
    assert_eq!(site.login("alice", "000000"), Outcome::Denied);
    assert_eq!(site.fails("H1"), 4_000_000_001);
    assert_eq!(site.login("alice", &site.code("H1", 0)), accepted(&["H1"]));
}

#[test]
fn a_store_without_tokens_lets_nobody_in() {
    let site = Site::new();
    for text in ["", "123456", "pin123456"] {
        assert_eq!(site.login("alice", text), Outcome::Denied);
    }
}

#[test]
fn the_log_names_serials_and_never_what_was_typed() {
    let site = Site::new();
    site.hotp("H1", "alice", "s3cretpin");
    let code = site.code("H1", 0);
    assert_eq!(site.login("alice", "s3cretpin000000"), Outcome::Denied);
    assert_eq!(site.login("alice", &format!("s3cretpin{code}")), accepted(&["H1"]));
    let logged = site.logged();
    assert!(
        logged.contains("failure counted for: H1") && logged.contains("the hotp token H1 accepted"),
        "{logged}"
    );
    assert!(!logged.contains("s3cret") && !logged.contains(&code), "{logged}");
}
