//! Four eyes, all passwords at once.

use super::*;

#[test]
fn the_right_passwords_in_any_order_are_accepted_once() {
    for order in [["A", "B"], ["B", "A"], ["C", "A"]] {
        let site = Site::asking("realm1:2");
        let text = site.votes(&order);
        assert_eq!(site.login("erin", &text), accepted(&[order[0], order[1], "4E"]));
        assert_eq!(site.login("erin", &text), Outcome::Denied);
        assert_eq!(order.map(|serial| site.counter(serial)), [1, 1]);
        assert_eq!((site.counter("4E"), site.fails("4E")), (1, 0), "what was right once is no guess");
        assert!(site.logged().contains(&format!("{}, {}, 4E", order[0], order[1])), "{}", site.logged());
    }
}

#[test]
fn several_realms_each_give_their_number() {
    let site = Site::asking("realm1:2,realm2:1");
    assert_eq!(site.login("erin", &site.votes(&["A", "B", "C"])), Outcome::Denied);
    assert_eq!(site.login("erin", &site.votes(&["A", "D"])), Outcome::Denied);
    assert_eq!(site.login("erin", &site.votes(&["D", "A", "C"])), accepted(&["D", "A", "C", "4E"]));
}

// edumfa 5
#[test]
fn another_separator_parts_passwords_and_double_ones_count_as_one() {
    let site = Site::asking("realm1:2");
    let (a, b) = (site.vote("A", 0), site.vote("B", 0));
    assert_eq!(site.login("erin", &format!("  {a}   {b} ")), accepted(&["A", "B", "4E"]));
    site.change("4E", |token| token.separator = Some("|".to_owned()));
    let (a, b) = (site.vote("A", 1), site.vote("B", 1));
    assert_eq!(site.login("erin", &format!("{a} {b}")), Outcome::Denied);
    assert_eq!(site.login("erin", &format!("|{a}||{b}|")), accepted(&["A", "B", "4E"]));
}

// edumfa 5
#[test]
fn junk_among_right_passwords_is_a_denial_that_uses_up_nothing() {
    let mut site = Site::asking("realm1:2");
    site.config = "[four_eyes]\nmax_fail_per_approver=10\n".to_owned();
    let (a, b) = (site.vote("A", 0), site.vote("B", 0));
    let texts = [
        format!("{a} junk {b}"),
        format!("{a} {b} junk"),
        format!("junk {a} {b}"),
        format!("{a} {b} 000000"),
        format!("{a},{b}"),
        format!("{a}{b}"),
        format!("{a}\t{b}"),
    ];
    for text in &texts {
        assert_eq!(site.login("erin", text), Outcome::Denied, "{text}");
    }
    assert_eq!(site.members(), ([0; 4], [0; 4]));
    assert_eq!(site.fails("4E"), 7);
    assert_eq!(site.login("erin", &format!("{a} {b}")), accepted(&["A", "B", "4E"]));
}

#[test]
fn more_passwords_than_are_needed_are_a_denial_that_uses_up_nothing() {
    let site = Site::asking("realm1:2");
    assert_eq!(site.login("erin", &site.votes(&["A", "B", "C"])), Outcome::Denied);
    let many = vec![site.vote("A", 0); 300].join(" ");
    assert_eq!(site.login("erin", &many), Outcome::Denied);
    assert_eq!((site.members(), site.fails("4E")), (([0; 4], [0; 4]), 2));
}

// edumfa 5
#[test]
fn persons_are_counted_and_not_their_tokens_unless_distinct_is_tokens() {
    let mut site = Site::asking("realm1:2");
    site.enrol(TokenType::Totp, "T", "bob", "tpin", |_| {});
    let text = format!("{} tpin{}", site.vote("B", 0), site.code("T", STEP));
    assert_eq!(site.login("erin", &text), Outcome::Denied);
    assert_eq!((site.counter("B"), site.counter("T")), (0, 0));
    site.config = "[four_eyes]\ndistinct=tokens\n".to_owned();
    assert_eq!(site.login("erin", &text), accepted(&["B", "T", "4E"]));
}

#[test]
fn one_token_never_counts_twice_whatever_distinct_says() {
    for distinct in ["users", "tokens"] {
        let mut site = Site::asking("realm1:2");
        site.config = format!("[four_eyes]\ndistinct={distinct}\n");
        let (first, second) = (site.vote("B", 0), site.vote("B", 1));
        for text in [
            format!("{first} {second}"),
            format!("{second} {first}"),
            format!("{first} {first}"),
            format!("bob:{first} {second}"),
        ] {
            assert_eq!(site.login("erin", &text), Outcome::Denied, "{text}");
        }
        assert_eq!(site.counter("B"), 0);
    }
}

#[test]
fn a_forward_and_its_target_are_one_device() {
    for distinct in ["users", "tokens"] {
        let mut site = Site::asking("realm1:2");
        site.config = format!("[four_eyes]\ndistinct={distinct}\n");
        site.forward("F1", "bob", "fpin", "A");
        site.forward("F2", "carol", "gpin", "F1");
        let (first, second) = (site.code("A", 0), site.code("A", 1));
        for text in [
            format!("apin{first} bob:fpin{second}"),
            format!("bob:fpin{first} apin{second}"),
            format!("bob:fpin{first} carol:gpin{second}"),
        ] {
            assert_eq!(site.login("erin", &text), Outcome::Denied, "{text}");
        }
        assert_eq!(site.counter("A"), 0);
        let text = format!("bob:fpin{first} {}", site.vote("C", 0));
        assert_eq!(site.login("erin", &text), accepted(&["F1", "C", "4E"]));
        assert_eq!((site.counter("A"), site.counter("F1")), (1, 1));
    }
}

#[test]
fn whoever_holds_a_device_is_among_the_persons_of_an_approval_with_it() {
    let mut site = Site::asking("realm1:2");
    site.hotp("E", "erin", "epin");
    site.hotp("A2", "alice", "a2pin");
    site.forward("F", "bob", "fpin", "A");
    site.forward("G", "bob", "gpin", "E");
    // Alice has both devices in hand, and bob's PIN was typed on her terminal once.
    let forwarded = format!("bob:fpin{}", site.code("A", 0));
    let text = format!("{} {forwarded}", site.vote("A2", 0));
    assert_eq!(site.login("erin", &text), Outcome::Denied);
    assert_eq!((site.counter("A"), site.counter("A2")), (0, 0));
    let text = format!("{} {forwarded}", site.vote("C", 0));
    assert_eq!(site.login("erin", &text), accepted(&["C", "F", "4E"]));
    site.config = "[four_eyes]\nrequester=excluded\n".to_owned();
    let text = format!("{} bob:gpin{}", site.vote("C", 1), site.code("E", 0));
    assert_eq!(site.login("erin", &text), Outcome::Denied);
    // A device that nobody owns is held by those who have a way to it.
    site.change("E", |token| token.user = String::new());
    assert_eq!(site.login("erin", &text), accepted(&["C", "G", "4E"]));
}

#[test]
fn the_same_user_name_in_two_realms_is_one_person() {
    let mut site = Site::asking("realm1:1,realm2:1");
    site.hotp("A2", "alice@realm2", "a2pin");
    site.hotp("A3", "Alice@realm2", "a3pin");
    let a = site.vote("A", 0);
    for other in [site.vote("A2", 0), site.vote("A3", 0)] {
        assert_eq!(site.login("erin", &format!("{a} {other}")), Outcome::Denied, "{other}");
    }
    assert_eq!(site.counter("A"), 0);
    site.config = "[four_eyes]\ndistinct=tokens\n".to_owned();
    assert_eq!(site.login("erin", &format!("{a} {}", site.vote("A2", 0))), accepted(&["A", "A2", "4E"]));
}

// edumfa 5, 8
#[test]
fn static_passwords_and_pins_are_no_approvals() {
    let site = Site::asking("realm1:2");
    site.password("P", "bob", "", "secret123456");
    site.enrol(TokenType::Spass, "S", "bob", "spin123456", |_| {});
    site.four_eyes("4F", "bob", "", "realm1:1");
    let a = site.vote("A", 0);
    for other in
        ["secret123456", "spin123456", "bob:secret123456", "bob:spin123456", "bpin", "bob:bpin", "bob:", ":"]
    {
        assert_eq!(site.login("erin", &format!("{a} {other}")), Outcome::Denied, "{other}");
    }
    assert_eq!((site.counter("A"), site.counter("P"), site.counter("S")), (0, 0, 0));
    assert_eq!(site.count("SELECT count(*) FROM challenges"), 0, "a member's PIN starts nothing");
}

#[test]
fn a_registration_code_approves_once_behind_its_owners_name() {
    let site = Site::asking("realm1:2");
    site.registration("R", "rosa", "", "kX8h2pQ77");
    assert_eq!(site.login("erin", &format!("{} kX8h2pQ77", site.vote("A", 0))), Outcome::Denied);
    let text = format!("{} rosa:kX8h2pQ77", site.vote("A", 0));
    assert_eq!(site.login("erin", &text), accepted(&["A", "R", "4E"]));
    let text = format!("{} rosa:kX8h2pQ77", site.vote("A", 1));
    assert_eq!(site.login("erin", &text), Outcome::Denied);
}

// edumfa 6
#[test]
fn a_failed_attempt_uses_up_no_code() {
    let site = Site::asking("realm1:2");
    let a = site.vote("A", 0);
    for text in [format!("{a} bpin000000"), format!("{a} {}", site.vote("D", 0)), format!("{a} {a}")] {
        assert_eq!(site.login("erin", &text), Outcome::Denied, "{text}");
    }
    assert_eq!(site.members(), ([0; 4], [0; 4]));
    assert_eq!(site.login("alice", &a), accepted(&["A"]));
}

// edumfa 7
#[test]
fn wrong_attempts_charge_the_token_that_asks_and_lock_nobody_else() {
    let site = Site::asking("realm1:2");
    for _ in 0..12 {
        assert_eq!(site.login("erin", "foo bar"), Outcome::Denied);
        assert_eq!(site.login("erin", "apin000000 bpin000000"), Outcome::Denied);
    }
    assert_eq!((site.members(), site.fails("4E")), (([0; 4], [0; 4]), 10));
    assert_eq!(site.login("erin", &site.votes(&["A", "B"])), Outcome::Denied);
    assert_eq!((site.members(), site.fails("4E")), (([0; 4], [0; 4]), 10));
    assert_eq!(site.login("carol", &site.vote("C", 0)), accepted(&["C"]));
}

#[test]
fn a_wrong_password_behind_a_name_counts_for_that_approver_and_charges_no_token_of_theirs() {
    let site = Site::asking("realm1:2");
    site.enrol(TokenType::Hotp, "B8", "bob", "bpin", |token| token.digits = 8);
    assert_eq!(site.login("erin", "apin000000 bob:bpin000000"), Outcome::Denied);
    assert_eq!((site.fails("B"), site.fails("B8")), (0, 0), "no code matched, nobody's approval was tried");
    let text = format!("{} bob:bpin000000", site.vote("A", 0));
    assert_eq!(site.login("erin", &text), Outcome::Denied);
    assert_eq!((site.guesses("approver", "bob"), site.fails("4E")), (1, 2));
    assert_eq!(site.login("erin", "bob:bpin00000000"), Outcome::Denied);
    assert_eq!((site.guesses("approver", "bob"), site.fails("4E")), (2, 3));
    assert_eq!(["A", "B", "B8"].map(|serial| site.fails(serial)), [0; 3]);
    assert_eq!(site.guesses("approver", "alice"), 0);
}

// edumfa 13
#[test]
fn a_locked_disabled_or_expired_voter_is_refused_like_any_other() {
    let past = Some(UnixTime::from_secs(NOW));
    let states: [&dyn Fn(&mut Token); 3] =
        [&|token| token.fail_counter = 10, &|token| token.enabled = false, &|token| token.valid_until = past];
    for (number, state) in states.iter().enumerate() {
        let site = Site::asking("realm1:2");
        site.change("B", state);
        for name in ["", "bob:"] {
            let text = format!("{} {name}{}", site.vote("A", 0), site.vote("B", 0));
            assert_eq!(site.login("erin", &text), Outcome::Denied, "{number} {name}");
        }
        assert_eq!((site.counter("A"), site.counter("B")), (0, 0));
        assert_eq!(site.login("erin", &site.votes(&["A", "C"])), accepted(&["A", "C", "4E"]));
    }
}

#[test]
fn a_locked_disabled_or_expired_token_asks_for_nothing() {
    let past = Some(UnixTime::from_secs(NOW));
    let states: [&dyn Fn(&mut Token); 4] = [
        &|token| token.fail_counter = 10,
        &|token| token.enabled = false,
        &|token| token.valid_until = past,
        &|token| token.realms = Some("realm1".to_owned()),
    ];
    for (number, state) in states.iter().enumerate() {
        let site = Site::asking("realm1:2");
        site.change("4E", state);
        for text in [site.votes(&["A", "B"]), site.vote("A", 0), String::new()] {
            assert_eq!(site.login("erin", &text), Outcome::Denied, "{number}: {text}");
        }
        assert_eq!(site.members(), ([0; 4], [0; 4]));
    }
}

#[test]
fn the_requester_may_must_or_must_not_approve() {
    for (requester, with, without) in
        [("any", true, true), ("required", true, false), ("excluded", false, true)]
    {
        let mut site = Site::asking("realm1:2");
        site.config = format!("[four_eyes]\nrequester={requester}\n");
        site.hotp("E", "erin", "epin");
        let outcome = |holds, serials: [&str; 2]| match holds {
            true => accepted(&[serials[0], serials[1], "4E"]),
            false => Outcome::Denied,
        };
        let own_last = site.votes(&["A", "E"]);
        assert_eq!(site.login("erin", &own_last), outcome(with, ["A", "E"]), "{requester}");
        let own_first = format!("{} {}", site.vote("E", 1), site.vote("B", 0));
        assert_eq!(site.login("erin", &own_first), outcome(with, ["E", "B"]), "{requester}");
        let others = format!("{} {}", site.vote("C", 0), site.vote("A", 1));
        assert_eq!(site.login("erin", &others), outcome(without, ["C", "A"]), "{requester}");
        if !with {
            assert_eq!((site.counter("E"), site.counter("B")), (0, 0));
        }
    }
}

#[test]
fn a_token_without_pin_counts_behind_its_owners_name_only_unless_pinless_is_yes() {
    let mut site = Site::asking("realm1:2");
    site.hotp("N", "nina", "");
    let (a, code) = (site.vote("A", 0), site.code("N", 0));
    assert_eq!(site.login("erin", &format!("{a} {code}")), Outcome::Denied);
    assert_eq!(site.login("erin", &format!("{a} bob:{code}")), Outcome::Denied);
    assert_eq!((site.counter("A"), site.counter("N")), (0, 0));
    assert_eq!(site.login("erin", &format!("{a} nina:{code}")), accepted(&["A", "N", "4E"]));
    site.config = "[four_eyes]\npinless=yes\n".to_owned();
    let (a, code) = (site.vote("A", 1), site.code("N", 1));
    assert_eq!(site.login("erin", &format!("{a} x{code}")), Outcome::Denied);
    assert_eq!(site.login("erin", &format!("{code} {a}")), accepted(&["N", "A", "4E"]));
}

#[test]
fn a_name_may_bring_its_realm_and_a_name_of_nobodys_is_part_of_the_pin() {
    let mut site = Site::asking("realm1:2,realm2:1");
    site.config = "[four_eyes]\nmax_fail_per_approver=10\n".to_owned();
    site.hotp("X", "xeno", "x:pin");
    site.hotp("D3", "dave@realm3", "dpin");
    let (a, b, d) = (site.vote("A", 0), site.vote("B", 0), site.vote("D", 0));
    let wrong = ["alice@realm2", "alice@realm3", "alice@", "bob", "@realm1", "alice@realm1@realm1"];
    for name in wrong {
        assert_eq!(site.login("erin", &format!("{name}:{a} {b} {d}")), Outcome::Denied, "{name}");
        site.change("4E", |token| token.fail_counter = 0);
    }
    let d3 = format!("dave@realm3:dpin{}", site.code("D3", 0));
    assert_eq!(site.login("erin", &format!("{a} {b} {d3}")), Outcome::Denied);
    let x = format!("x:pin{}", site.code("X", 0));
    let text = format!("alice@realm1:{a} {x} dave@realm2:{d}");
    assert_eq!(site.login("erin", &text), accepted(&["A", "X", "D", "4E"]));
    let x = format!("xeno:x:pin{}", site.code("X", 1));
    let text = format!("{x} bob:{b} dave:{}", site.vote("D", 1));
    assert_eq!(site.login("erin", &text), accepted(&["X", "B", "D", "4E"]));
}

#[test]
fn a_pin_and_code_that_are_right_for_two_people_count_only_with_a_name() {
    let site = Site::asking("realm1:2");
    let mut twin = Site::blank(TokenType::Hotp, "B2", "bert");
    twin.counter = 0;
    site.add(twin, "bpin", &secret("B"));
    assert_eq!(site.login("erin", &site.votes(&["A", "B"])), Outcome::Denied);
    assert_eq!((site.counter("A"), site.counter("B"), site.counter("B2")), (0, 0, 0));
    let text = format!("{} bert:{}", site.vote("A", 0), site.vote("B", 0));
    assert_eq!(site.login("erin", &text), accepted(&["A", "B2", "4E"]));
}

#[test]
fn a_code_that_is_right_for_two_tokens_of_one_person_counts_once() {
    let site = Site::asking("realm1:2");
    site.forward("F", "bob", "bpin", "B");
    let text = format!("{} bob:{}", site.vote("A", 0), site.vote("B", 0));
    assert_eq!(site.login("erin", &text), accepted(&["A", "B", "4E"]));
    assert_eq!((site.counter("B"), site.counter("F")), (1, 0));
}

#[test]
fn tokens_that_nobody_owns_approve_nothing() {
    let mut site = Site::asking("realm1:2");
    site.config = "[four_eyes]\npinless=yes\ndistinct=tokens\n".to_owned();
    site.hotp("U", "@realm1", "upin");
    site.hotp("V", "@realm1", "");
    let (a, u, v) = (site.vote("A", 0), site.vote("U", 0), site.code("V", 0));
    for other in [u.clone(), v.clone(), format!(":{u}"), format!(":{v}"), format!("@realm1:{v}")] {
        assert_eq!(site.login("erin", &format!("{a} {other}")), Outcome::Denied, "{other}");
    }
    assert_eq!((site.counter("A"), site.counter("U"), site.counter("V")), (0, 0, 0));
}

#[test]
fn one_approval_that_is_enough_is_accepted_at_once() {
    let site = Site::asking("realm2:1");
    assert_eq!(site.login("erin", &site.vote("A", 0)), Outcome::Denied);
    assert_eq!(site.login("erin", &site.vote("D", 0)), accepted(&["D", "4E"]));
}

#[test]
fn ones_own_token_still_holds_beside_a_four_eyes_token() {
    let site = Site::asking("realm1:2");
    site.hotp("E", "erin", "epin");
    site.password("P", "erin", "", "static12345678");
    assert_eq!(site.login("erin", &site.vote("E", 0)), accepted(&["E"]));
    assert_eq!(site.login("erin", "static12345678"), accepted(&["P"]));
    assert_eq!(site.login("erin", "epin000000"), Outcome::Denied);
    assert_eq!((site.fails("E"), site.fails("4E")), (1, 1));
    let own_named = format!("{} erin:{}", site.vote("A", 0), site.vote("E", 1));
    assert_eq!(site.login("erin", &own_named), accepted(&["A", "E", "4E"]));
    assert_eq!(site.fails("E"), 0);
}

#[test]
fn a_password_whose_end_is_some_members_code_by_chance_still_holds() {
    let site = Site::asking("realm1:2");
    let chance = format!("static{}", site.code("A", 3));
    site.password("P", "erin", "", &chance);
    assert_eq!(site.login("erin", &chance), accepted(&["P"]));
    let pin = format!("four{}", site.code("B", 4));
    site.set_pin("4E", &pin);
    challenge_id(site.login("erin", &pin));
    assert_eq!((site.members(), site.fails("4E")), (([0; 4], [0; 4]), 0));
}

#[test]
fn of_two_four_eyes_tokens_either_may_be_meant() {
    let site = Site::asking("realm1:2");
    site.four_eyes("4F", "erin", "", "realm2:1");
    assert_eq!(site.login("erin", &site.vote("D", 0)), accepted(&["D", "4F"]));
    assert_eq!(site.login("erin", &site.votes(&["A", "B"])), accepted(&["A", "B", "4E"]));
}
