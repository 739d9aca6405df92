//! How a session ends that does not go well, and what the exit status says.

use serde_json::json;

use super::{LOCAL, Stage};
use crate::support::{PROGRAM, Place, run};

const LIMIT: &str =
    "[connection_limit by=client_ip_gateway_user]\nlimit = 1\n[question_1]\nprompt = Ticket\nkey = ticket\n";

#[test]
fn the_end_of_stdin_gives_the_session_up_and_ends_it() {
    let stage = Stage::with_tokens(LOCAL);
    let played = stage.play("--gateway-user alice", "");
    assert_eq!(played.status(), Some(1), "{played:?}");
    assert_eq!(
        played.story()[2..],
        ["session_ended of the AA plugin: done", "the session was given up, and ended: stdin has ended"]
    );
    // Before the first hook there is nothing to end.
    let played = stage.play("--gateway-user alice --key-value otp", "");
    assert_eq!(played.story()[1..], ["the session was given up, and ended: stdin has ended"]);
    assert_eq!(played.status(), Some(1));
}

#[test]
fn a_line_that_is_no_answer_gives_the_session_up() {
    let stage = Stage::with_tokens(LOCAL);
    let config = stage.config();
    let words = ["scenario", "--config", &config, "--gateway-user", "alice"];
    for (line, told) in [(b"\xff\n".to_vec(), "not UTF-8"), (b"x".repeat(9000), "too long")] {
        let ended = stage.place.run(&words, line);
        assert_eq!(ended.status, Some(1), "{ended:?}");
        let stdout = String::from_utf8(ended.stdout.clone()).unwrap();
        assert!(stdout.contains(told) && stdout.contains("session_ended"), "{ended:?}");
    }
}

#[test]
fn a_connection_that_was_counted_is_given_back() {
    let stage = Stage::new(&format!("[mfa]\nprovider = none\n{LIMIT}"));
    for _ in 0..3 {
        assert_eq!(stage.play("--gateway-user alice", "\nT-1\n").status(), Some(0));
    }
    // And a real session that is still open counts.
    let open = json!({"hook": "authorize", "arguments": {"session_id": "real", "client_ip": "192.0.2.11",
        "gateway_user": "alice"}});
    let config = stage.config();
    assert_eq!(stage.place.run(&["--config", &config], open.to_string()).verdict(), "ACCEPT");
    let played = stage.play("--gateway-user alice", "\nT-1\n");
    assert_eq!(played.status(), Some(1));
    assert!(played.stdout().contains("reason: Connection limit reached"), "{played:?}");
}

#[test]
fn whoever_reads_the_story_may_go_away_and_the_session_is_ended_all_the_same() {
    let stage = Stage::new("[credentials]\nprovider = local\n");
    stage.set_exclusive();
    let mut command = stage.place.command("/bin/bash");
    // The reader takes two lines and goes; sooner or later nobody is told any more.
    let script = "\"$0\" scenario --config \"$1\" --type credentialstore --server-user alice > >(head -n 2)";
    command.args(["-c", script, PROGRAM, &stage.config()]);
    let ended = run(command, "");
    ended.assert_logged(&["checked out account alice"]);
    ended.assert_logged(&["check-in of account alice", "the session is over"]);
    stage.assert_nothing_is_held();
}

#[test]
fn where_nobody_reads_from_the_beginning_no_hook_is_called() {
    let stage = Stage::new("[credentials]\nprovider = local\n");
    stage.set_exclusive();
    let mut command = stage.place.command("/bin/bash");
    let script = "\"$0\" scenario --config \"$1\" --type credentialstore --server-user alice >/dev/full";
    command.args(["-c", script, PROGRAM, &stage.config()]);
    let ended = run(command, "");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
}

#[test]
fn a_hook_that_cannot_work_is_status_1() {
    let stage = Stage::new("[mfa]\nprovider = none\n[authentication_cache]\nreuse_limit = 3\n");
    stage.place.file("state", "a file in the place of the directory");
    let played = stage.play("--gateway-user alice", "\n");
    assert_eq!(played.status(), Some(1), "{played:?}");
    assert!(
        played.story().contains(&"authenticate: the hook ended with status 1; the log says why"),
        "{played:?}"
    );
    played.0.assert_logged(&["error", "state"]);
}

#[test]
fn an_option_that_makes_no_sense_is_status_2_when_a_hook_meets_it() {
    let stage =
        Stage::new("[mfa]\nprovider = none\n[connection_limit by=client_ip_gateway_user]\nlimit = many\n");
    let played = stage.play("--gateway-user alice", "\n");
    assert_eq!(played.status(), Some(2), "{played:?}");
    assert!(
        played.story().contains(&"authorize: the hook ended with status 2; the log says why"),
        "{played:?}"
    );
    played.0.assert_logged(&["error", "limit"]);
}

#[test]
fn what_cannot_even_begin_is_one_sentence_and_status_2() {
    let stage = Stage::new(LOCAL);
    let list = stage.file("list.json", "[1]");
    let broken = stage.file("broken.ini", "[mfa\n");
    for (words, told) in [
        ("", "nobody is named"),
        ("--server-user a --protocol vnc", "expected one of ssh, rdp, telnet"),
        ("--server-user a --server-port 0x16", "see --help"),
        ("--server-user a --gateway-group g", "see --help"),
        ("--server-user a --key-value =x", "the key is missing"),
        ("--server-user a --appliance /no/such/file", "cannot read the file /no/such/file"),
        (&format!("--server-user a --appliance {list}"), "has to be a JSON object"),
        ("--server-user a --credentials-config /no/such/file", "cannot read the configuration file"),
        (&format!("--server-user a --credentials-config {broken}"), "broken.ini"),
        ("--server-user a more", "see --help"),
        ("--server-user a --server-ip db1", "an IP address such as 192.0.2.22 is needed"),
        ("--server-user a --client-ip 999.1.1.1", "an IP address such as 192.0.2.22 is needed"),
        ("--server-user a --gateway-user=", "it must not be empty"),
        ("--server-user=", "it must not be empty"),
        ("--server-user a --server-host=", "it must not be empty"),
        ("--server-user a --connection=", "it must not be empty"),
        ("--gateway-user a --gateway-group=", "it must not be empty"),
    ] {
        let played = stage.play(words, "");
        assert_eq!((played.status(), played.stdout()), (Some(2), ""), "{words}: {played:?}");
        assert_eq!(played.0.stderr.lines().count(), 1, "{words}: {played:?}");
        assert!(played.0.stderr.contains(told), "{words}: {played:?}");
    }
    let place = Place::new();
    let ended = place.run(&["scenario", "--server-user", "a", "--session-id", ""], "");
    assert_eq!((ended.status, ended.stdout.is_empty()), (Some(2), true), "{ended:?}");
    assert!(ended.stderr.contains("it must not be empty"), "{ended:?}");
    let ended = place.run(&["scenario", "--server-user", "a"], "");
    assert_eq!((ended.status, ended.stdout.is_empty()), (Some(2), true), "{ended:?}");
    ended.assert_logged(&["no configuration"]);
}

#[test]
fn policies_of_the_wrong_form_are_told_by_the_hook_that_gets_them() {
    let stage = Stage::new(LOCAL);
    let appliance = stage.file("appliance.json", r#"{"user_lists": 7}"#);
    let played = stage.play(&format!("--server-user a --appliance {appliance}"), "");
    assert_eq!(played.status(), Some(2), "{played:?}");
    assert!(played.stdout().contains("DENY; the user reads: Invalid plugin invocation"), "{played:?}");
}

#[test]
fn help_says_the_protocols_the_defaults_and_the_exit_statuses() {
    let ended = Place::new().run(&["scenario", "--help"], "");
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    for told in
        ["ssh, rdp or telnet", "[default: ssh]", "[default: 192.0.2.22]", "Exit status: 0 the session"]
    {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert_eq!(ended.status, Some(0));
}

#[test]
fn a_warning_about_the_configuration_stands_in_the_log_once() {
    let stage = Stage::new("[mfa]\nprovider = none\nprovdier = x\n");
    let played = stage.play("--server-user a", "\n");
    assert_eq!(played.0.stderr.matches("provdier is unknown").count(), 1, "{played:?}");
    assert_eq!(played.status(), Some(0));
}
