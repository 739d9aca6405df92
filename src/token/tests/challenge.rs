//! Challenges: what a PIN alone starts, who may answer it, and what voids it.

use super::*;

#[test]
fn a_pin_alone_starts_a_challenge_that_the_code_alone_answers_once() {
    let site = Site::new();
    site.enrol(TokenType::Totp, "T1", "alice", "tpin", |_| {});
    let (id, prompt) = challenge(site.login("alice", "tpin"));
    assert_eq!((id.len(), prompt.as_str()), (32, "Please enter the one-time password: "));
    assert_eq!(site.answer("alice", &id, &format!("tpin{}", site.code("T1", STEP))), Outcome::Denied);
    assert_eq!(site.fails("T1"), 1);
    assert_eq!(site.answer("alice", &id, &site.code("T1", STEP)), accepted(&["T1"]));
    assert_eq!(site.answer("alice", &id, &site.code("T1", STEP + 1)), Outcome::Denied);
    assert_eq!(site.fails("T1"), 0);
}

#[test]
fn without_challenge_response_a_pin_alone_is_a_wrong_password() {
    let site = Site::with("[local]\nchallenge_response=no\n");
    site.hotp("H1", "alice", "hpin");
    assert_eq!(site.login("alice", "hpin"), Outcome::Denied);
    assert_eq!(site.fails("H1"), 1);
    assert_eq!(site.login("alice", &format!("hpin{}", site.code("H1", 0))), accepted(&["H1"]));
}

#[test]
fn a_challenge_ends_with_its_time() {
    let site = Site::with("[local]\nchallenge_validity=90\n");
    site.hotp("H1", "alice", "hpin");
    let id = challenge_id(site.login("alice", "hpin"));
    site.wait(89);
    let other = challenge_id(site.login("alice", "hpin"));
    site.wait(1);
    assert_eq!(site.answer("alice", &id, &site.code("H1", 0)), Outcome::Denied);
    assert_eq!(site.counter("H1"), 0);
    assert_eq!(site.answer("alice", &other, &site.code("H1", 0)), accepted(&["H1"]));
}

#[test]
fn a_challenge_is_good_for_one_session_of_one_user() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    site.hotp("H2", "bob", "hpin");
    site.hotp("H3", "alice@realm2", "hpin");
    let id = challenge_id(site.login("alice", "hpin"));
    assert_eq!(site.at("other", "plain").answer("alice", &id, &site.code("H1", 0)), Outcome::Denied);
    for other in ["bob", "alice@realm2", "ALICE"] {
        assert_eq!(site.answer(other, &id, &site.code("H1", 0)), Outcome::Denied, "{other}");
    }
    assert_eq!(site.answer("alice", &id, &site.code("H2", 0)), Outcome::Denied);
    assert_eq!((site.fails("H1"), site.fails("H2"), site.fails("H3")), (1, 0, 0));
    assert_eq!(site.answer("alice@realm1", &id, &site.code("H1", 0)), accepted(&["H1"]));
}

#[test]
fn a_state_that_names_no_challenge_is_a_denial() {
    let site = Site::new();
    site.hotp("H1", "alice", "");
    let code = site.code("H1", 0);
    for state in ["\"\"", "\"0\"", "\"' OR 1=1 --\"", "1", "{}", "[]", "true", "null"] {
        let state: Value = serde_json::from_str(state).unwrap();
        assert_eq!(site.here().ask("alice", Some(&state), &code).unwrap(), Outcome::Denied, "{state}");
    }
    assert_eq!((site.counter("H1"), site.fails("H1")), (0, 0));
}

#[test]
fn wrong_answers_are_charged_until_the_tokens_are_locked() {
    let site = Site::new();
    site.enrol(TokenType::Hotp, "H1", "alice", "same", |token| token.max_fail = 3);
    site.enrol(TokenType::Hotp, "H2", "alice", "same", |token| token.max_fail = 2);
    site.hotp("H3", "alice", "other");
    let id = challenge_id(site.login("alice", "same"));
    for _ in 0..2 {
        assert_eq!(site.answer("alice", &id, "000000"), Outcome::Denied);
    }
    assert_eq!((site.fails("H1"), site.fails("H2"), site.fails("H3")), (2, 2, 0));
    assert_eq!(site.answer("alice", &id, &site.code("H2", 0)), Outcome::Denied);
    assert_eq!(site.fails("H1"), 3);
    assert_eq!(site.answer("alice", &id, &site.code("H1", 0)), Outcome::Denied);
    assert_eq!((site.counter("H1"), site.counter("H2")), (0, 0));
}

#[test]
fn either_of_two_tokens_with_one_pin_answers_the_challenge() {
    for serial in ["H1", "H2"] {
        let site = Site::new();
        site.hotp("H1", "alice", "same");
        site.hotp("H2", "alice", "same");
        let id = challenge_id(site.login("alice", "same"));
        assert_eq!(site.answer("alice", &id, &site.code(serial, 0)), accepted(&[serial]));
        assert_eq!(site.answer("alice", &id, &site.code("H1", 1)), Outcome::Denied);
    }
}

/// Asks for a challenge, does something to the token, and answers rightly.
fn after(change: impl FnOnce(&Site)) -> Outcome {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    let id = challenge_id(site.login("alice", "hpin"));
    change(&site);
    let code = CodeMaker::new(Algorithm::Sha1, &secret("H1"), 6).unwrap().code(0);
    site.answer("alice", &id, &code)
}

#[test]
fn what_happens_to_a_token_before_the_answer_counts() {
    assert_eq!(after(|_| {}), accepted(&["H1"]));
    assert_eq!(
        after(|site| site.change("H1", |token| token.description = "new".to_owned())),
        accepted(&["H1"])
    );
    assert_eq!(after(|site| site.change("H1", |token| token.enabled = false)), Outcome::Denied);
    assert_eq!(after(|site| site.change("H1", |token| token.fail_counter = 10)), Outcome::Denied);
    assert_eq!(after(|site| site.change("H1", |token| token.counter = 1)), Outcome::Denied);
    let past = Some(UnixTime::from_secs(NOW));
    assert_eq!(after(|site| site.change("H1", |token| token.valid_until = past)), Outcome::Denied);
    assert_eq!(after(|site| assert!(site.store().delete_token("H1").unwrap())), Outcome::Denied);
}

#[test]
fn a_token_that_changed_hands_answers_no_challenge_of_its_former_owner() {
    assert_eq!(after(|site| site.change("H1", |token| token.user = "bob".to_owned())), Outcome::Denied);
    assert_eq!(after(|site| site.change("H1", |token| token.realm = "realm2".to_owned())), Outcome::Denied);
}

#[test]
fn a_pin_that_was_changed_opens_no_challenge_any_more() {
    assert_eq!(after(|site| site.set_pin("H1", "newpin")), Outcome::Denied);
    assert_eq!(after(|site| site.change("H1", |token| token.sealed_pin = None)), Outcome::Denied);
}

#[test]
fn a_token_enrolled_anew_under_its_serial_answers_no_old_challenge() {
    let again = |site: &Site| {
        assert!(site.store().delete_token("H1").unwrap());
        site.hotp("H1", "alice", "hpin");
    };
    assert_eq!(after(again), Outcome::Denied);
}

#[test]
fn a_challenge_whose_data_were_damaged_is_a_denial() {
    for data in ["", "{}", "null", r#"{"serials":1}"#, r#"{"asking":null,"votes":[]}"#] {
        let damage = |site: &Site| assert_eq!(site.sql(&format!("UPDATE challenges SET data = '{data}'")), 1);
        assert_eq!(after(damage), Outcome::Denied, "{data}");
    }
    for kind in ["4eyes", "", "OTP"] {
        let damage = |site: &Site| assert_eq!(site.sql(&format!("UPDATE challenges SET kind = '{kind}'")), 1);
        assert_eq!(after(damage), Outcome::Denied, "{kind}");
    }
}

#[test]
fn challenges_whose_time_is_over_are_swept_away() {
    let site = Site::new();
    site.hotp("H1", "alice", "hpin");
    for _ in 0..5 {
        challenge_id(site.login("alice", "hpin"));
        site.wait(1);
    }
    assert_eq!(site.count("SELECT count(*) FROM challenges"), 5);
    site.wait(120);
    challenge_id(site.login("alice", "hpin"));
    assert_eq!(site.count("SELECT count(*) FROM challenges"), 1);
}
