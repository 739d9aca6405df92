//! Four eyes, one approval after the other.

use super::*;

/// The chain after `serials` have approved with their first codes.
fn begun(site: &Site, serials: &[&str]) -> String {
    let id = challenge_id(site.login("erin", ""));
    for serial in serials {
        assert_eq!(challenge_id(site.answer("erin", &id, &site.vote(serial, 0))), id);
    }
    id
}

fn open_chains(site: &Site) -> i64 {
    site.count("SELECT count(*) FROM challenges")
}

// edumfa 8
#[test]
fn enter_starts_the_chain_of_a_token_without_pin_and_the_pin_that_of_one_with_pin() {
    let site = Site::asking("realm1:2");
    challenge_id(site.login("erin", ""));
    site.set_pin("4E", "4pin");
    assert_eq!(site.login("erin", ""), Outcome::Denied);
    assert_eq!(site.login("erin", "5pin"), Outcome::Denied);
    let id = challenge_id(site.login("erin", "4pin"));
    assert_eq!((site.members(), site.fails("4E")), (([0; 4], [0; 4]), 1));
    assert_eq!(challenge_id(site.answer("erin", &id, &site.vote("A", 0))), id);
    assert_eq!(site.answer("erin", &id, &site.vote("B", 0)), accepted(&["A", "B", "4E"]));
}

// edumfa 9
#[test]
fn each_right_answer_brings_the_question_that_is_left_under_the_same_id() {
    let site = Site::asking("realm1:2,realm2:1");
    let (id, prompt) = challenge(site.login("erin", &site.vote("B", 0)));
    assert_eq!(prompt, "Approval is still missing from: realm1 (1), realm2 (1). Enter user:PIN+code: ");
    assert_eq!((site.counter("B"), site.counter("4E")), (1, 0));
    let (again, prompt) = challenge(site.answer("erin", &id, &site.vote("D", 0)));
    assert_eq!(again, id);
    assert_eq!(prompt, "Approval is still missing from: realm1 (1). Enter user:PIN+code: ");
    assert_eq!(
        site.answer("erin", &id, &format!("alice:{}", site.vote("A", 0))),
        accepted(&["B", "D", "A", "4E"])
    );
    assert_eq!((site.counter("4E"), open_chains(&site)), (1, 0));
    assert!(site.logged().contains("all approvals are there: B, D, A, 4E"), "{}", site.logged());
}

#[test]
fn what_is_finished_is_over() {
    let site = Site::asking("realm1:2");
    let id = begun(&site, &["A"]);
    assert_eq!(site.answer("erin", &id, &site.vote("B", 0)), accepted(&["A", "B", "4E"]));
    for text in [site.vote("B", 0), site.vote("C", 0), site.vote("A", 1), String::new()] {
        assert_eq!(site.answer("erin", &id, &text), Outcome::Denied);
    }
    assert_eq!(site.members(), ([0; 4], [1, 1, 0, 0]));
}

// edumfa 9
#[test]
fn a_wrong_answer_may_be_repeated_until_the_asking_token_is_locked() {
    let site = Site::asking("realm1:2");
    site.change("4E", |token| token.max_fail = 4);
    let id = begun(&site, &["A"]);
    for wrong in ["bpin000000", "", &site.vote("D", 0)] {
        let (again, prompt) = challenge(site.answer("erin", &id, wrong));
        assert_eq!(again, id);
        assert_eq!(prompt, "Approval is still missing from: realm1 (1). Enter user:PIN+code: ");
    }
    assert_eq!(site.fails("4E"), 3);
    assert_eq!(site.answer("erin", &id, "junk"), Outcome::Denied);
    assert_eq!(site.answer("erin", &id, &site.vote("B", 0)), Outcome::Denied);
    assert_eq!((site.members(), site.fails("4E")), (([0; 4], [1, 0, 0, 0]), 4));
}

#[test]
fn a_right_answer_after_a_wrong_one_counts_and_success_resets_the_asking_token() {
    let site = Site::asking("realm1:2");
    let id = begun(&site, &[]);
    challenge_id(site.answer("erin", &id, "junk"));
    challenge_id(site.answer("erin", &id, &site.vote("A", 0)));
    assert_eq!(site.fails("4E"), 1, "an approval on the way resets nothing");
    challenge_id(site.answer("erin", &id, "junk"));
    assert_eq!(site.answer("erin", &id, &site.vote("B", 0)), accepted(&["A", "B", "4E"]));
    assert_eq!(site.fails("4E"), 0);
}

// edumfa 9
#[test]
fn the_same_token_or_person_again_is_a_wrong_answer_that_uses_up_nothing() {
    let site = Site::asking("realm1:2");
    site.hotp("B2", "bob", "b2pin");
    site.forward("F", "carol", "fpin", "B");
    let id = begun(&site, &["B"]);
    let forwarded = format!("carol:fpin{}", site.code("B", 1));
    for again in [site.vote("B", 0), site.vote("B", 1), site.vote("B2", 0), forwarded] {
        assert_eq!(challenge_id(site.answer("erin", &id, &again)), id, "{again}");
    }
    // The very approval that was counted is no guess; the three others are.
    assert_eq!((site.counter("B"), site.counter("B2"), site.fails("4E")), (1, 0, 3));
    assert_eq!(site.answer("erin", &id, &site.vote("C", 0)), accepted(&["B", "C", "4E"]));
}

// edumfa 9
#[test]
fn two_passwords_in_one_answer_are_a_wrong_one() {
    let site = Site::asking("realm1:2");
    let id = begun(&site, &[]);
    assert_eq!(challenge_id(site.answer("erin", &id, &site.votes(&["A", "B"]))), id);
    assert_eq!((site.members(), site.fails("4E")), (([0; 4], [0; 4]), 1));
}

// edumfa 10
#[test]
fn a_pin_with_the_separator_in_it_is_typed_in_a_chain() {
    let site = Site::asking("realm1:2");
    site.hotp("X", "xeno", "my x pin");
    let id = begun(&site, &["A"]);
    let text = format!("my x pin{}", site.code("X", 0));
    assert_eq!(site.answer("erin", &id, &text), accepted(&["A", "X", "4E"]));
}

#[test]
fn a_chain_ends_with_its_time_which_a_right_answer_prolongs_and_a_wrong_one_does_not() {
    let site = Site::asking("realm1:3");
    let id = begun(&site, &[]);
    site.wait(119);
    challenge_id(site.answer("erin", &id, &site.vote("A", 0)));
    site.wait(119);
    challenge_id(site.answer("erin", &id, "junk"));
    site.wait(1);
    assert_eq!(site.answer("erin", &id, &site.vote("B", 0)), Outcome::Denied);
    assert_eq!(site.members(), ([0; 4], [1, 0, 0, 0]));
}

#[test]
fn a_chain_is_one_session_of_one_user() {
    let site = Site::asking("realm1:2");
    site.four_eyes("4F", "frank", "", "realm1:2");
    let id = begun(&site, &["A"]);
    let b = site.vote("B", 0);
    assert_eq!(site.at("other", "plain").answer("erin", &id, &b), Outcome::Denied);
    for other in ["frank", "erin@realm2", "Erin", "bob"] {
        assert_eq!(site.answer(other, &id, &b), Outcome::Denied, "{other}");
    }
    assert_eq!((site.counter("B"), site.fails("4E"), site.fails("4F")), (0, 0, 0));
    assert_eq!(site.answer("erin", &id, &b), accepted(&["A", "B", "4E"]));
}

#[test]
fn approvals_given_in_one_chain_count_in_no_other() {
    let site = Site::asking("realm1:2");
    let first = begun(&site, &["A"]);
    site.wait(1);
    let second = begun(&site, &["B"]);
    challenge_id(site.answer("erin", &second, &site.vote("A", 0)));
    challenge_id(site.answer("erin", &first, &site.vote("B", 0)));
    assert_eq!(site.members(), ([0; 4], [1, 1, 0, 0]));
    assert_eq!(site.answer("erin", &first, &site.vote("C", 0)), accepted(&["A", "C", "4E"]));
    assert_eq!(site.answer("erin", &second, &site.vote("C", 0)), challenge_again(&second));
}

fn challenge_again(id: &str) -> Outcome {
    let prompt = "Approval is still missing from: realm1 (1). Enter user:PIN+code: ".to_owned();
    Outcome::Challenge { id: id.to_owned(), prompt }
}

#[test]
fn ones_own_code_is_no_answer_to_a_chain_unless_it_is_an_approval() {
    let site = Site::asking("realm2:1");
    site.hotp("E", "erin", "epin");
    let id = challenge_id(site.login("erin", ""));
    challenge_id(site.answer("erin", &id, &site.vote("E", 0)));
    challenge_id(site.answer("erin", &id, &site.code("E", 0)));
    assert_eq!((site.counter("E"), site.fails("E")), (0, 0));
}

/// Has a chain that one approval is missing from, does something, and gives the approval.
fn after(change: impl FnOnce(&Site)) -> Outcome {
    let site = Site::asking("realm1:2");
    let id = begun(&site, &["A"]);
    let last = site.vote("B", 0);
    change(&site);
    site.answer("erin", &id, &last)
}

#[test]
fn what_happens_to_the_asking_token_before_the_last_answer_counts() {
    assert_eq!(after(|_| {}), accepted(&["A", "B", "4E"]));
    let of = |change: &dyn Fn(&mut Token)| after(|site| site.change("4E", change));
    let past = Some(UnixTime::from_secs(NOW));
    assert_eq!(after(|site| assert!(site.store().delete_token("4E").unwrap())), Outcome::Denied);
    assert_eq!(of(&|token| token.enabled = false), Outcome::Denied);
    assert_eq!(of(&|token| token.fail_counter = 10), Outcome::Denied);
    assert_eq!(of(&|token| token.valid_until = past), Outcome::Denied);
    assert_eq!(of(&|token| token.user = "frank".to_owned()), Outcome::Denied);
    assert_eq!(of(&|token| token.realm = "realm2".to_owned()), Outcome::Denied);
    assert_eq!(of(&|token| token.token_type = TokenType::Hotp), Outcome::Denied);
    for damaged in [None, Some(""), Some("realm1"), Some("realm1:0"), Some("realm1:-1"), Some("a:1,a:1")] {
        let damaged = damaged.map(str::to_owned);
        assert_eq!(of(&|token| token.realms = damaged.clone()), Outcome::Denied);
    }
}

#[test]
fn a_demand_that_changed_holds_as_it_is_now() {
    let of = |realms: &str| after(|site| site.change("4E", |token| token.realms = Some(realms.to_owned())));
    let (_, prompt) = challenge(of("realm1:2,realm2:1"));
    assert_eq!(prompt, "Approval is still missing from: realm2 (1). Enter user:PIN+code: ");
    challenge_id(of("realm2:1"));
    challenge_id(of("realm1:20,realm2:20"));
}

#[test]
fn an_approval_counts_only_while_its_token_is_still_its_owners_and_enabled() {
    let of = |change: &dyn Fn(&mut Token)| after(|site| site.change("A", change));
    assert_eq!(of(&|token| token.fail_counter = 10), accepted(&["A", "B", "4E"]));
    challenge_id(of(&|token| token.enabled = false));
    challenge_id(of(&|token| token.user = "anna".to_owned()));
    challenge_id(of(&|token| token.realm = "realm2".to_owned()));
    challenge_id(after(|site| assert!(site.store().delete_token("A").unwrap())));
}

#[test]
fn a_rule_that_became_stricter_holds_for_approvals_that_were_given_before() {
    let mut site = Site::asking("realm1:3");
    site.config = "[four_eyes]\ndistinct=tokens\n".to_owned();
    site.hotp("A2", "alice", "a2pin");
    let id = begun(&site, &["A", "A2"]);
    site.config = String::new();
    challenge_id(site.answer("erin", &id, &site.vote("B", 0)));
    assert_eq!(site.answer("erin", &id, &site.vote("C", 0)), accepted(&["A", "B", "C", "4E"]));
}

#[test]
fn a_requester_who_must_not_approve_does_not_though_it_was_allowed_before() {
    let mut site = Site::asking("realm1:2");
    site.hotp("E", "erin", "epin");
    let id = begun(&site, &["E"]);
    site.config = "[four_eyes]\nrequester=excluded\n".to_owned();
    challenge_id(site.answer("erin", &id, &site.vote("A", 0)));
    assert_eq!(site.answer("erin", &id, &site.vote("B", 0)), accepted(&["A", "B", "4E"]));
}

#[test]
fn a_requester_who_must_approve_is_waited_for() {
    let mut site = Site::asking("realm1:2");
    site.config = "[four_eyes]\nrequester=required\n".to_owned();
    site.hotp("E", "erin", "epin");
    let id = begun(&site, &["A"]);
    assert_eq!(site.answer("erin", &id, &site.vote("B", 0)), challenge_again(&id));
    assert_eq!((site.counter("B"), site.fails("4E")), (0, 1));
    assert_eq!(site.answer("erin", &id, &site.vote("E", 0)), accepted(&["A", "E", "4E"]));
}

#[test]
fn a_chain_whose_data_were_damaged_is_a_denial() {
    for data in ["", "{}", "null", r#"{"serials":["B"]}"#, r#"{"asking":"4E","votes":[],"more":1}"#] {
        let damage = |site: &Site| assert_eq!(site.sql(&format!("UPDATE challenges SET data = '{data}'")), 1);
        assert_eq!(after(damage), Outcome::Denied, "{data}");
    }
    let damage = |site: &Site| assert_eq!(site.sql("UPDATE challenges SET kind = 'otp'"), 1);
    assert_eq!(after(damage), Outcome::Denied);
}

#[test]
fn a_chain_of_the_configuration_is_none_where_the_configuration_demands_nothing() {
    let data = r#"{"asking":null,"votes":[]}"#;
    let damage = |site: &Site| assert_eq!(site.sql(&format!("UPDATE challenges SET data = '{data}'")), 1);
    assert_eq!(after(damage), Outcome::Denied);
}
