//! Four eyes for whole connection policies: `[four_eyes] realms, connections`.

use super::*;

const POLICY: &str = "[four_eyes]\nrealms=realm1:1,realm2:1\nconnections=prod-*, db\nmax_fail=3\n";

/// Erin has a device of her own; the members are those of [`Site::asking`].
fn site() -> Site {
    let site = Site::with(POLICY);
    site.enrol_members();
    site.hotp("E", "erin", "epin");
    site
}

fn guesses(site: &Site) -> i64 {
    site.guesses("name", "erin")
}

#[test]
fn approvals_are_demanded_where_the_patterns_say_so_and_nowhere_else() {
    let site = site();
    for (number, connection) in (0..).zip(["plain", "prod", "PROD-1", "dbs", "xprod-1"]) {
        let own = site.vote("E", number);
        assert_eq!(site.at("s", connection).login("erin", &own), accepted(&["E"]), "{connection}");
    }
    for (number, connection) in (5..).zip(["prod-1", "prod-", "db"]) {
        challenge_id(site.at("s", connection).login("erin", &site.vote("E", number)));
    }
    // Where nobody says which connection it is, nobody can say that it is none of these.
    let nameless = Place { connection: None, ..site.here() };
    assert_eq!(nameless.login("greta", &site.votes(&["D", "D"])), Outcome::Denied);
    assert_eq!(nameless.login("erin", &site.votes(&["A", "D"])), accepted(&["A", "D"]));
}

#[test]
fn ones_own_token_is_one_approval_and_never_enough() {
    let site = site();
    let place = site.at("s", "db");
    let (id, prompt) = challenge(place.login("erin", &site.vote("E", 0)));
    assert_eq!(prompt, "Approval is still missing from: realm2 (1). Enter user:PIN+code: ");
    assert_eq!(challenge_id(place.answer("erin", &id, &site.vote("E", 1))), id);
    assert_eq!(place.answer("erin", &id, &site.vote("D", 0)), accepted(&["E", "D"]));
    assert_eq!(place.answer("erin", &id, &site.vote("D", 1)), Outcome::Denied);
}

#[test]
fn enter_asks_for_the_approvals_whoever_asks() {
    let site = site();
    let place = site.at("s", "db");
    let (id, prompt) = challenge(place.login("unknown@nowhere", ""));
    assert_eq!(prompt, "Approval is still missing from: realm1 (1), realm2 (1). Enter user:PIN+code: ");
    challenge_id(place.answer("unknown@nowhere", &id, &site.vote("D", 0)));
    assert_eq!(place.answer("unknown@nowhere", &id, &site.vote("A", 0)), accepted(&["D", "A"]));
}

#[test]
fn a_four_eyes_token_of_ones_own_does_not_replace_the_connections_demand() {
    let site = site();
    site.four_eyes("4E", "erin", "", "realm1:1");
    let place = site.at("s", "db");
    let (_, prompt) = challenge(place.login("erin", &site.vote("A", 0)));
    assert_eq!(prompt, "Approval is still missing from: realm2 (1). Enter user:PIN+code: ");
    assert_eq!(site.login("erin", &site.vote("B", 0)), accepted(&["B", "4E"]));
}

#[test]
fn the_separator_is_one_character_of_the_configuration() {
    let mut site = site();
    site.config.push_str("separator=|\n");
    let text = site.votes(&["A", "D"]).replace(' ', "|");
    assert_eq!(site.at("s", "db").login("erin", &text), accepted(&["A", "D"]));
    site.config = format!("{POLICY}separator=||\n");
    assert!(site.at("s", "db").ask("erin", None, &text).is_err());
}

#[test]
fn wrong_answers_of_a_user_are_bounded_over_all_sessions() {
    let site = site();
    let id = challenge_id(site.at("one", "db").login("erin", &site.vote("A", 0)));
    challenge_id(site.at("one", "db").answer("erin", &id, "dpin000000"));
    assert_eq!(site.at("two", "prod-1").login("erin", "junk"), Outcome::Denied);
    assert_eq!(site.at("one", "db").answer("erin", &id, "junk"), Outcome::Denied);
    assert_eq!(guesses(&site), 3);
    for (session, connection) in [("one", "db"), ("three", "prod-2")] {
        let place = site.at(session, connection);
        assert_eq!(place.answer("erin", &id, &site.vote("D", 0)), Outcome::Denied);
        assert_eq!(place.login("erin", &site.votes(&["B", "D"])), Outcome::Denied);
        assert_eq!(place.login("erin", ""), Outcome::Denied);
    }
    assert_eq!(site.members(), ([0; 4], [1, 0, 0, 0]));
    // Others are not held back, nor is erin where no approvals are demanded.
    assert_eq!(site.at("s", "db").login("frank", &site.votes(&["B", "D"])), accepted(&["B", "D"]));
    assert_eq!(site.login("erin", &site.vote("E", 0)), accepted(&["E"]));
}

#[test]
fn nobody_gets_more_guesses_by_writing_the_name_in_another_way() {
    let site = site();
    for name in ["erin", "ERIN", "Erin@realm1"] {
        assert_eq!(site.at("s", "db").login(name, "junk"), Outcome::Denied);
    }
    for name in ["erin", "eRiN", "erin@REALM1"] {
        assert_eq!(site.at("s", "db").login(name, &site.votes(&["A", "D"])), Outcome::Denied, "{name}");
    }
    assert_eq!(site.members(), ([0; 4], [0; 4]));
}

#[test]
fn guesses_are_forgotten_after_their_time_which_a_refused_attempt_does_not_prolong() {
    let mut site = site();
    site.config.push_str("unlock_after=60\n");
    let place = |site: &Site, text: &str| site.at("s", "db").login("erin", text);
    for _ in 0..3 {
        assert_eq!(place(&site, "junk"), Outcome::Denied);
    }
    site.wait(59);
    assert_eq!(place(&site, &site.votes(&["A", "D"])), Outcome::Denied);
    assert_eq!(guesses(&site), 3);
    site.wait(1);
    assert_eq!(place(&site, &site.votes(&["A", "D"])), accepted(&["A", "D"]));
}

#[test]
fn all_approvals_together_clear_the_guesses_of_the_one_who_asked() {
    let site = site();
    let place = site.at("s", "db");
    assert_eq!(place.login("frank", "junk"), Outcome::Denied);
    for round in 0..3 {
        for _ in 0..2 {
            assert_eq!(place.login("erin", "junk"), Outcome::Denied);
        }
        let text = format!("{} {}", site.vote("A", round), site.vote("D", round));
        assert_eq!(place.login("erin", &text), accepted(&["A", "D"]), "{round}");
        assert_eq!((guesses(&site), site.guesses("name", "frank")), (0, 1));
    }
}

#[test]
fn wrong_answers_charge_no_token_and_count_for_the_approver_that_is_named() {
    let site = site();
    let place = site.at("s", "db");
    let id = challenge_id(place.login("erin", ""));
    challenge_id(place.answer("erin", &id, "apin000000"));
    challenge_id(place.answer("erin", &id, "alice:apin000000"));
    assert_eq!((site.members(), site.fails("E")), (([0; 4], [0; 4]), 0));
    assert_eq!((site.guesses("approver", "alice"), guesses(&site)), (1, 2));
}

#[test]
fn the_requester_is_known_however_the_name_is_written() {
    let mut site = site();
    site.config.push_str("requester=excluded\n");
    for name in ["erin", "Erin", "ERIN@realm9"] {
        let text = format!("{} {}", site.vote("E", 0), site.vote("D", 0));
        assert_eq!(site.at("s", "db").login(name, &text), Outcome::Denied, "{name}");
    }
    assert_eq!((site.counter("E"), site.counter("D")), (0, 0));
    // However the name was written, those were wrong answers of one person.
    assert_eq!(site.store().forget_guesses(None).unwrap(), 2);
    // The other way round it is not the same person for sure, and a namesake elsewhere is another.
    site.config = format!("{POLICY}requester=required\n");
    let text = format!("{} {}", site.vote("E", 0), site.vote("D", 0));
    for name in ["Erina", "erin@realm2", "realm2\\erin", "erin@realm1.example"] {
        assert_eq!(site.at("s", "db").login(name, &text), Outcome::Denied, "{name}");
    }
    site.store().forget_guesses(None).unwrap();
    assert_eq!(site.at("s", "db").login("ERIN@realm1", &text), accepted(&["E", "D"]));
}

#[test]
fn a_challenge_of_ones_own_token_does_not_get_past_a_demand_that_came_after_it() {
    let mut site = site();
    site.config = String::new();
    let own = challenge_id(site.at("s", "db").login("erin", "epin"));
    site.four_eyes("4E", "erin", "", "realm1:1");
    let asked = challenge_id(site.at("s", "db").login("erin", ""));
    site.config = POLICY.to_owned();
    let place = site.at("s", "db");
    assert_eq!(place.answer("erin", &own, &site.code("E", 0)), Outcome::Denied);
    assert_eq!(place.answer("erin", &asked, &site.vote("A", 0)), Outcome::Denied);
    assert_eq!((site.counter("E"), site.counter("A"), site.counter("4E")), (0, 0, 0));
}

#[test]
fn a_chain_is_over_when_the_configuration_demands_it_no_more() {
    let mut site = site();
    let id = challenge_id(site.at("s", "db").login("erin", &site.vote("A", 0)));
    site.config = String::new();
    assert_eq!(site.at("s", "db").answer("erin", &id, &site.vote("D", 0)), Outcome::Denied);
    assert_eq!(site.counter("D"), 0);
}

#[test]
fn half_a_demand_is_an_error_and_not_an_open_door() {
    for half in [
        "[four_eyes]\nconnections=db\n",
        "[four_eyes]\nrealms=realm1:1\n",
        "[four_eyes]\nrealms=\nconnections=db\n",
        "[four_eyes]\nrealms=realm1\nconnections=db\n",
        "[four_eyes]\nrealms=realm1:0\nconnections=db\n",
        "[four_eyes]\nrealms=realm1:1\nconnections=,\n",
        "[four_eyes]\nrealms=realm1:1\nconnections=[\n",
    ] {
        let mut site = site();
        site.config = half.to_owned();
        assert!(site.at("s", "db").ask("erin", None, &site.vote("E", 0)).is_err(), "{half}");
        assert_eq!(site.counter("E"), 0);
    }
}

#[test]
fn too_many_wrong_answers_at_the_same_time_leave_no_right_one() {
    let site = site();
    let place = site.at("s", "db");
    let id = challenge_id(place.login("erin", &site.vote("A", 0)));
    // The others were counted between the reading and the settling of this one.
    assert_eq!(
        site.sql(
            "CREATE TRIGGER late AFTER UPDATE OF counter ON tokens WHEN NEW.serial = 'D'
             BEGIN INSERT INTO guesses VALUES ('name', 'erin', 3, 1000000000000000, 1, 2000000000000000); END"
        ),
        0
    );
    assert_eq!(place.answer("erin", &id, &site.vote("D", 0)), Outcome::Denied);
    assert_eq!(site.counter("D"), 0);
}
