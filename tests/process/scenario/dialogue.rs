//! Questions and answers.

use serde_json::json;

use super::{CODES, LOCAL, Stage};
use crate::support::service::Service;

#[test]
fn a_question_an_acceptance_and_everything_after_it_are_told_as_they_happen() {
    let stage = Stage::with_tokens(LOCAL);
    let played = stage.play("--gateway-user alice --server-user root", &format!("alicepin{}\n", CODES[0]));
    assert_eq!(
        played.stdout().lines().collect::<Vec<_>>(),
        [
            "session s1: ssh from 192.0.2.11 to root@192.0.2.22:22, with gateway authentication of alice",
            "authenticate: NEEDINFO; key: otp",
            "Press Enter for push notification or type one-time password: (answer from stdin)",
            "authenticate: ACCEPT; reason: N/A; by: local; serial: ALICE1",
            "authorize: ACCEPT; reason: N/A; by: authorize",
            "session_ended of the AA plugin: done",
            "the session was let in, and ended",
        ]
    );
    assert_eq!(played.status(), Some(0));
}

#[test]
fn a_wrong_code_is_a_denial_after_which_the_session_is_ended() {
    let stage = Stage::with_tokens(LOCAL);
    for answer in ["alicepin000000", "755224", ""] {
        let played = stage.play("--gateway-user alice", &format!("{answer}\n"));
        assert_eq!(played.status(), Some(1), "{played:?}");
        let story = played.story();
        assert!(story[2].starts_with("authenticate: DENY; the user reads: Authentication failed; reason: "));
        assert_eq!(
            story[3..],
            ["session_ended of the AA plugin: done", "the session was denied by authenticate, and ended"]
        );
    }
}

#[test]
fn a_code_that_was_typed_is_used_up() {
    let stage = Stage::with_tokens(LOCAL);
    let answer = format!("alicepin{}\n", CODES[0]);
    assert_eq!(stage.play("--gateway-user alice", &answer).status(), Some(0));
    assert_eq!(stage.play("--gateway-user alice", &answer).status(), Some(1));
    assert_eq!(stage.play("--gateway-user alice", &format!("alicepin{}\n", CODES[1])).status(), Some(0));
}

#[test]
fn whoever_may_not_go_there_is_denied_by_authorize() {
    let stage = Stage::with_tokens(
        "[mfa]\nprovider = none\n[access]\nprovider = rules\n[rule no]\nprotocols = telnet\naction = deny\n[rule yes]\naction = accept\n",
    );
    let played = stage.play("--gateway-user alice --protocol telnet", "\n");
    assert_eq!(played.status(), Some(1), "{played:?}");
    assert!(
        played
            .story()
            .contains(&"authorize: DENY; the user reads: Access denied; reason: Access denied: rule no")
    );
    assert_eq!(*played.story().last().unwrap(), "the session was denied by authorize, and ended");
    assert_eq!(stage.play("--gateway-user alice", "\n").status(), Some(0));
}

#[test]
fn several_people_and_several_questions_are_asked_in_turn() {
    let stage = Stage::with_tokens(&format!(
        "{LOCAL}[access]\nprovider = rules\n[rule all]\nrequire = four_eyes\naction = accept\n[four_eyes]\nrealms = managers:1\n[question_1]\nprompt = Ticket\nkey = ticket\ndisable_echo = no\n[question_2]\nprompt = Why\nkey = why\n"
    ));
    let answers = format!("alicepin{}\nT-1\nbecause\nnonsense\nbob:bobpin{}\n", CODES[0], CODES[0]);
    let played = stage.play("--gateway-user alice", &answers);
    assert_eq!(played.status(), Some(0), "{played:?}");
    let asked: Vec<_> = played.story().into_iter().filter(|line| line.contains("from stdin")).collect();
    assert_eq!(
        asked,
        [
            "Press Enter for push notification or type one-time password: (answer from stdin)",
            "Ticket (answer from stdin)",
            "Why (hidden answer from stdin)",
            "Approval is still missing from: managers (1). Enter user:PIN+code: (answer from stdin)",
            "Approval is still missing from: managers (1). Enter user:PIN+code: (answer from stdin)",
        ]
    );
    assert!(played.story().iter().any(|line| line.contains("rule all, local; serial: BOB1")), "{played:?}");
}

#[test]
fn a_service_that_asks_for_ever_is_given_up() {
    let service = Service::answering(&json!({"result": "NEEDINFO", "question": "More?", "state": 1}));
    let stage =
        Stage::new(&format!("[mfa]\nprovider = http\n[http]\nserver_url = http://{}\n", service.address));
    let played = stage.play("--server-user alice", &"x\n".repeat(200));
    assert_eq!(played.status(), Some(1));
    assert_eq!(
        *played.story().last().unwrap(),
        "the session was given up, and ended: authenticate asked more than 50 questions"
    );
    assert!(played.story().contains(&"session_ended of the AA plugin: done"));
    assert_eq!(played.story().iter().filter(|line| line.contains("from stdin")).count(), 50);
}

#[test]
fn lines_of_windows_and_a_last_line_without_an_end_are_answers() {
    let stage = Stage::with_tokens(&format!("{LOCAL}[question_1]\nprompt = Ticket\nkey = ticket\n"));
    let played =
        stage.play("--gateway-user alice --json --show-secrets", &format!("alicepin{}\r\nT-1", CODES[0]));
    assert_eq!(played.status(), Some(0), "{played:?}");
    assert_eq!(played.arguments("authorize")["key_value_pairs"]["ticket"], "T-1");
}
