//! What happens where the output cannot be written, and what a terminal and a log are never given.

use std::fs::{self, File};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Ended, PROGRAM, Place, authenticate, credential_hook, run};

const SECRET: &str = "3132333435363738393031323334353637383930";
/// What steers a terminal, turns the direction of writing, or is not seen.
const NASTY: &str = "a\u{1b}[2Jb\u{7}c\u{9b}31md\u{202e}e\u{200b}f\u{2066}g\u{feff}h";

/// Runs a command whose stdout is on a disk that is full.
fn to_a_full_disk(place: &Place, words: &[&str]) -> Ended {
    let mut command = place.command(PROGRAM);
    command.args(words).stdout(Stdio::from(File::options().write(true).open("/dev/full").unwrap()));
    run(command, "")
}

fn enroll(place: &Place, serial: &str) -> Ended {
    place.run(
        &["token", "enroll", "--type", "hotp", "--user", "alice", "--serial", serial, "--secret-hex", SECRET],
        "",
    )
}

#[test]
fn output_that_cannot_be_written_is_said_on_stderr_with_a_status() {
    let place = Place::new();
    assert_eq!(enroll(&place, "T1").status, Some(0));
    let configuration = place.file("plugin.ini", "[mfa]\nprovider=none\n");
    let configuration = configuration.to_str().unwrap();
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/session_ended");
    for words in [
        &["token", "export", "--secrets"][..],
        &["token", "list"],
        &["token", "show", "T1"],
        &["doctor"],
        &["check-config", "--config", configuration],
        &["golden", cases],
        &["--help"],
        &["token", "--help"],
        &["--version"],
        &["completions", "bash"],
    ] {
        let ended = to_a_full_disk(&place, words);
        assert!(matches!(ended.status, Some(1 | 2)), "{words:?}: {ended:?}");
        ended.assert_logged(&["sps-plugin: error: cannot write to stdout: No space left on device"]);
    }
}

#[test]
fn a_token_whose_secret_could_not_be_shown_is_not_enrolled() {
    let place = Place::new();
    let words = ["token", "enroll", "--type", "totp", "--user", "alice", "--serial", "T1"];
    let ended = to_a_full_disk(&place, &words);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    ended.assert_logged(&["cannot write to stdout; the token T1 is not enrolled"]);
    assert_eq!(place.run(&["token", "list", "--json"], "").response(), json!([]));
    assert_eq!(enroll(&place, "T1").status, Some(0));
}

#[test]
fn a_limit_on_the_size_of_files_ends_in_a_closed_response() {
    let cache = "[mfa]\nprovider=none\n[authentication_cache]\nreuse_limit=1\n";
    let invocation = authenticate(cache, json!({"key_value_pairs": {"otp": "1"}}));
    for blocks in ["0", "1", "8"] {
        let place = Place::new();
        let mut command = place.command("/bin/sh");
        // A pipe has no size, so the response is not in the way of the limit.
        command.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\""), PROGRAM]);
        let ended = run(command, invocation.to_string());
        ended.assert_denied("Internal plugin error", 1);
        ended.assert_logged(&["error", "state"]);
    }
}

/// Asserts that nothing of a stream steers or hides, and that something of it was there.
fn assert_tame(what: &str, text: &str) {
    let bad = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    assert_eq!(text.chars().find(bad), None, "{what}: {text:?}");
}

fn assert_all_tame(what: &str, ended: &Ended) {
    assert_tame(what, std::str::from_utf8(&ended.stdout).unwrap());
    assert_tame(what, &ended.stderr);
}

#[test]
fn no_name_steers_the_terminal_or_the_log_of_an_administrator() {
    let place = Place::new();
    assert_eq!(
        place
            .run(
                &[
                    "credential",
                    "set",
                    "--account",
                    "root",
                    "--asset",
                    "db1",
                    "--checkout",
                    "exclusive",
                    "--password-stdin"
                ],
                "secret\n"
            )
            .status,
        Some(0)
    );
    let session = format!("{NASTY}\nroot forged");
    let held = place.hook(&credential_hook(
        "get_password_list",
        "[credentials]\nprovider=local\n",
        json!({"session_id": session}),
    ));
    assert_eq!(held.response()["passwords"], json!(["secret"]));
    assert_all_tame("the hook", &held);
    for words in [&["credential", "list"][..], &["credential", "show", "--account", "root", "--asset", "db1"]]
    {
        let ended = place.run(words, "");
        assert_all_tame(&words.join(" "), &ended);
        let text = String::from_utf8(ended.stdout).unwrap();
        assert!(text.contains("\\u001b[2J") && text.contains("\\u202e"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("root forged")), "{text}");
        let json = place.run(&[words, &["--json"]].concat(), "");
        assert_all_tame("json", &json);
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        let entry = json.get(0).unwrap_or(&json);
        assert_eq!(entry["held_by"], session);
    }
}

#[test]
fn no_name_in_a_file_or_folder_steers_the_terminal() {
    let place = Place::new();
    let configuration = format!(
        "[mfa]\nprovider=none\n[{NASTY}]\n{NASTY}=1\n[user_list {NASTY}]\nallow=no_user\n[whitelist source=user_list]\nname={NASTY}\n"
    );
    let file = place.file("plugin.ini", configuration);
    for words in [&["check-config"][..], &["check-config", "--json"], &["doctor"]] {
        let mut words = words.to_vec();
        words.extend(["--config", file.to_str().unwrap()]);
        assert_all_tame(&words.join(" "), &place.run(&words, ""));
    }
    let case = place.path(&format!("cases/{NASTY}\nforged"));
    fs::create_dir_all(&case).unwrap();
    fs::write(case.join("config.ini"), "[mfa]\nprovider=none\n").unwrap();
    fs::write(case.join("1-invocation.json"), authenticate("", json!({})).to_string()).unwrap();
    fs::write(case.join("1-response.json"), "{}").unwrap();
    let played = place.run(&["golden", place.path("cases").to_str().unwrap()], "");
    assert_all_tame("golden", &played);
    let text = String::from_utf8(played.stdout.clone()).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("forged")), "{played:?}");
    for words in
        [["token", "show", NASTY], ["token", "list", NASTY], ["golden", NASTY, "x"], [NASTY, "a", "b"]]
    {
        assert_all_tame("a mistake", &place.run(&words, ""));
    }
}
