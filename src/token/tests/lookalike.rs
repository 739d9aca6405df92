//! Denials look alike: the same words, the same number of argon2id computations, one durable write.

use super::super::pin::COMPUTATIONS;
use super::*;
use crate::store::SETTLED;

/// Does something and returns what came of it, with the computations and the writes that it took.
fn cost(attempt: impl FnOnce() -> Outcome) -> (Outcome, u32, u32) {
    let before = (COMPUTATIONS.get(), SETTLED.get());
    let outcome = attempt();
    (outcome, COMPUTATIONS.get() - before.0, SETTLED.get() - before.1)
}

/// One user for each state that a token can be in; each has the PIN `wpin`, or none.
fn site(crowd: u32, with_pins: bool) -> Site {
    let site = Site::new();
    let pin = if with_pins { "wpin" } else { "" };
    site.crowd(crowd, pin);
    let past = Some(UnixTime::from_secs(NOW));
    site.hotp("W", "well", pin);
    site.enrol(TokenType::Hotp, "L", "locked", pin, |token| token.fail_counter = 10);
    site.enrol(TokenType::Hotp, "D", "disabled", pin, |token| token.enabled = false);
    site.enrol(TokenType::Hotp, "X", "expired", pin, |token| token.valid_until = past);
    site.enrol(TokenType::Totp, "T", "timed", pin, |_| {});
    site.enrol(TokenType::Paper, "P", "paper", pin, |_| {});
    site.forward("M", "missing", pin, "NOBODY");
    site.forward("F", "forward", pin, "W");
    site.forward("FL", "tolocked", pin, "L");
    site.forward("FF", "toforward", pin, "F");
    site
}

const USERS: [&str; 12] = [
    "unknown",
    "unknown@nowhere",
    "user0",
    "well",
    "locked",
    "disabled",
    "expired",
    "timed",
    "paper",
    "missing",
    "forward",
    "toforward",
];

#[test]
fn a_denied_login_is_one_computation_and_one_write_whoever_and_whatever_it_was() {
    for (crowd, with_pins) in [(0, true), (300, true), (0, false), (300, false)] {
        let site = site(crowd, with_pins);
        let pin = if with_pins { "wpin" } else { "" };
        let computations = u32::from(with_pins);
        for user in USERS {
            for text in [format!("{pin}000000"), "nope000000".to_owned(), "x".to_owned(), String::new()] {
                let found = cost(|| site.login(user, &text));
                assert_eq!(found, (Outcome::Denied, computations, 1), "{user} {text} {crowd} {with_pins}");
            }
        }
        // The code is right, and something else is not.
        let right = |user: &str, pin: &str, serial: &str| {
            let code = site.code(serial, 3);
            let found = cost(|| site.login(user, &format!("{pin}{code}")));
            assert_eq!(found, (Outcome::Denied, computations, 1), "{user} {pin} {crowd} {with_pins}");
        };
        for (user, serial) in [
            ("locked", "L"),
            ("disabled", "D"),
            ("expired", "X"),
            ("tolocked", "L"),
            ("missing", "W"),
            ("unknown", "W"),
        ] {
            right(user, pin, serial);
            right(user, "nope", serial);
        }
        right("well", "nope", "W");
        right("forward", "nope", "W");
        right("toforward", "nope", "W");
        right("paper", "nope", "P");
    }
}

#[test]
fn a_pin_alone_that_starts_nothing_costs_as_much_as_any_denial() {
    let mut site = site(0, true);
    site.enrol(TokenType::Spass, "S", "spass", "spin", |_| {});
    site.forward("FS", "tospass", "wpin", "S");
    for user in ["locked", "disabled", "expired", "missing", "tolocked", "tospass", "unknown"] {
        assert_eq!(cost(|| site.login(user, "wpin")), (Outcome::Denied, 1, 1), "{user}");
    }
    site.config = "[local]\nchallenge_response=no\n".to_owned();
    assert_eq!(cost(|| site.login("well", "wpin")), (Outcome::Denied, 1, 1));
}

#[test]
fn success_costs_one_computation_and_one_write_as_well() {
    for (with_pins, computations) in [(true, 1), (false, 0)] {
        let site = site(300, with_pins);
        let pin = if with_pins { "wpin" } else { "" };
        let text = format!("{pin}{}", site.code("W", 0));
        assert_eq!(cost(|| site.login("well", &text)), (accepted(&["W"]), computations, 1));
        let text = format!("{pin}{}", site.code("W", 1));
        assert_eq!(cost(|| site.login("forward", &text)), (accepted(&["F", "W"]), computations, 1));
    }
}

#[test]
fn each_code_that_matched_behind_another_pin_is_one_computation() {
    let site = Site::new();
    site.hotp("H6", "alice", "pin6");
    site.enrol(TokenType::Hotp, "H8", "alice", "pin8", |token| token.digits = 8);
    let six = site.code("H6", 0);
    // A token of eight digits whose code ends in the same six.
    let serial = (0..)
        .map(|number| format!("G{number}"))
        .find(|serial| {
            let maker = CodeMaker::new(Algorithm::Sha1, &secret(serial), 8).unwrap();
            (0..10).any(|counter| maker.code(counter).ends_with(&six))
        })
        .unwrap();
    site.enrol(TokenType::Hotp, &serial, "alice", "ping", |token| token.digits = 8);
    let eight = (0..10).map(|counter| site.code(&serial, counter)).find(|code| code.ends_with(&six)).unwrap();
    assert_eq!(cost(|| site.login("alice", &format!("nope{eight}"))), (Outcome::Denied, 2, 1));
    let text = format!("ping{eight}");
    assert_eq!(cost(|| site.login("alice", &text)), (accepted(&[serial.as_str()]), 2, 1));
    assert_eq!(site.counter("H6"), 0);
}

#[test]
fn an_answer_that_is_denied_is_one_computation_and_one_write_whatever_was_wrong() {
    let site = Site::new();
    site.hotp("H", "alice", "hpin");
    site.password("P", "bob", "ppin", "secret");
    site.hotp("L", "carol", "lpin");
    let ids = [("alice", "hpin"), ("bob", "ppin"), ("carol", "lpin")]
        .map(|(user, pin)| challenge_id(site.login(user, pin)));
    for serial in ["L", "P"] {
        site.change(serial, |token| token.fail_counter = 10);
    }
    let code = site.code("L", 0);
    for (user, id, text) in [
        ("alice", &ids[0], "000000"),
        ("alice", &ids[0], ""),
        ("bob", &ids[1], "wrong"),
        ("bob", &ids[1], "secret"),
        ("carol", &ids[2], code.as_str()),
        ("carol", &ids[0], code.as_str()),
        ("nobody", &"0".repeat(32), "000000"),
    ] {
        assert_eq!(cost(|| site.answer(user, id, text)), (Outcome::Denied, 1, 1), "{user} {text}");
    }
    let elsewhere = cost(|| site.at("other", "plain").answer("alice", &ids[0], &site.code("H", 0)));
    assert_eq!(elsewhere, (Outcome::Denied, 1, 1));
    site.wait(120);
    assert_eq!(cost(|| site.answer("alice", &ids[0], &site.code("H", 0))), (Outcome::Denied, 1, 1));
}

#[test]
fn an_approval_that_is_denied_is_one_computation_for_each_code_that_matched_and_at_least_one() {
    for (crowd, with_pins) in [(0, true), (300, true), (300, false)] {
        let site =
            Site::with("[four_eyes]\npinless=yes\nmax_fail_per_approver=1000\nmax_fail_unnamed=1000\n");
        let pin = if with_pins { "wpin" } else { "" };
        site.crowd(crowd, pin);
        site.four_eyes("4E", "erin", "", "realm1:2");
        site.four_eyes("4L", "frank", "", "realm1:2");
        site.change("4L", |token| token.fail_counter = 10);
        site.change("4E", |token| token.max_fail = 0);
        site.hotp("A", "alice", pin);
        site.hotp("B", "bob", pin);
        let (a, b) = (site.code("A", 0), site.code("B", 0));
        let first = |user: &str, text: &str, matched: u32| {
            let computations = if with_pins { matched.max(1) } else { 0 };
            let found = cost(|| site.login(user, text));
            assert_eq!(found, (Outcome::Denied, computations, 1), "{user} {text} {crowd} {with_pins}");
        };
        first("erin", "junk", 0);
        first("erin", "nope000000", 0);
        first("erin", "alice:nope000000", 0);
        first("erin", "nobody:nope000000", 0);
        first("erin", "nope000000 nope000001", 0);
        first("frank", &format!("{pin}{a}"), 0);
        first("frank", &format!("{pin}{a} {pin}{b}"), 0);
        if with_pins {
            first("erin", &format!("nope{a}"), 1);
            first("erin", &format!("alice:nope{a}"), 1);
            first("erin", &format!("nope000000 nope{a}"), 1);
            first("erin", &format!("nope{a} nope000000"), 1);
            first("erin", &format!("wpin{a} junk"), 1);
            first("erin", &format!("nope{a} nape{b}"), 2);
            first("erin", &format!("wpin{a} nope{b}"), 2);
            first("erin", &format!("nope{a} wpin{b}"), 2);
        }
        let id = challenge_id(site.login("erin", &format!("alice:{pin}{a}")));
        let step = |text: &str| {
            let (outcome, computations, writes) = cost(|| site.answer("erin", &id, text));
            assert_eq!(challenge_id(outcome), id);
            assert_eq!((computations, writes), (u32::from(with_pins), 1), "{text} {crowd} {with_pins}");
        };
        for text in ["", "junk", "nope000000", "bob:nope000000", "nobody:nope000000"] {
            step(text);
        }
        step(&format!("nope{b}"));
        step(&format!("alice:{pin}{}", site.code("A", 1)));
        site.change("4E", |token| token.enabled = false);
        let locked = cost(|| site.answer("erin", &id, &format!("{pin}{b}")));
        assert_eq!(locked, (Outcome::Denied, u32::from(with_pins), 1));
    }
}

#[test]
fn a_connection_that_demands_approvals_denies_at_the_same_cost() {
    let site = Site::with("[four_eyes]\nrealms=realm1:1,realm2:1\nconnections=*\nmax_fail=4\n");
    site.crowd(300, "wpin");
    site.enrol_members();
    let id = challenge_id(site.login("erin", ""));
    let text = format!("nope{}", site.code("A", 0));
    assert_eq!(cost(|| site.login("erin", "junk")), (Outcome::Denied, 1, 1));
    assert_eq!(cost(|| site.login("erin", &text)), (Outcome::Denied, 1, 1));
    assert_eq!(cost(|| site.login("unknown", &text)), (Outcome::Denied, 1, 1));
    let (again, computations, writes) = cost(|| site.answer("erin", &id, &text));
    assert_eq!((challenge_id(again), computations, writes), (id.clone(), 1, 1));
    // The fourth guess, and then everything that is one guess too many.
    assert_eq!(cost(|| site.answer("erin", &id, "junk")), (Outcome::Denied, 1, 1));
    for attempt in ["junk", &text, &site.votes(&["A", "D"])] {
        assert_eq!(cost(|| site.login("erin", attempt)), (Outcome::Denied, 1, 1), "{attempt}");
        assert_eq!(cost(|| site.answer("erin", &id, attempt)), (Outcome::Denied, 1, 1), "{attempt}");
    }
}

#[test]
fn a_denial_before_a_server_is_asked_is_one_computation_and_one_write_too() {
    let site = site(0, true);
    site.forward("S", "served", "wpin", "edumfa:THERE1");
    site.forward("SL", "servedlocked", "wpin", "edumfa:THERE1");
    site.change("SL", |token| token.fail_counter = 10);
    site.forward("SS", "servedtwice", "wpin", "S");
    site.forward("FS", "twoforwards", "wpin", "edumfa:THERE1");
    site.forward("FT", "twoforwards", "wpin", "privacyidea:THERE1");
    for user in ["served", "servedlocked", "servedtwice", "twoforwards"] {
        for text in ["nope000000", "x", "nope", "nöpe000000", ""] {
            let found = cost(|| site.login(user, text));
            assert_eq!(found, (Outcome::Denied, 1, 1), "{user} {text}");
        }
    }
    assert_eq!(cost(|| site.login("servedlocked", "wpin000000")), (Outcome::Denied, 1, 1));
    // Behind the right PIN the server is asked, which is not configured here; that too is one computation.
    let before = COMPUTATIONS.get();
    assert!(matches!(site.here().ask("served", None, "wpin000000"), Err(MfaError::Setting(_))));
    assert_eq!(COMPUTATIONS.get() - before, 1);
    assert_eq!((site.fails("S"), site.fails("SS"), site.fails("W")), (4, 4, 0));
}

#[test]
fn a_denial_costs_one_computation_where_a_device_here_stands_beside_a_forward_elsewhere() {
    let site = site(0, true);
    site.hotp("H", "both", "a longer pin");
    site.forward("S", "both", "wpin", "edumfa:THERE1");
    for text in ["nope000000", "a longer pim000000", "a longer pin000000", "wpim000000", "x", ""] {
        assert_eq!(cost(|| site.login("both", text)), (Outcome::Denied, 1, 1), "{text}");
    }
    // A text in the length of the PIN here may be that, or the other's PIN and a code: both have to be looked at.
    assert_eq!(cost(|| site.login("both", "a longer pim")), (Outcome::Denied, 2, 1));
    // The device here comes first, and what may have been meant for either is charged to both.
    let (fails, right) = (site.fails("S"), format!("a longer pin{}", site.code("H", 0)));
    assert_eq!(cost(|| site.login("both", &right)), (accepted(&["H"]), 1, 1));
    assert_eq!(site.login("both", "a longer pin000000"), Outcome::Denied);
    assert_eq!((site.fails("H"), site.fails("S")), (1, fails + 1));
}
