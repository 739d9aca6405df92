//! What people type.

use serde_json::json;

use crate::support::{Place, authenticate};

const NONE: &str = "[mfa]\nprovider=none\n";

#[test]
fn help_and_version_go_to_stdout_and_answer_no_hook() {
    let place = Place::new();
    for (words, piece) in [
        (vec!["--help"], "--config <FILE>"),
        (vec!["-h"], "--type"),
        (vec!["hook", "--help"], "such as authenticate"),
        (vec!["--version"], concat!("sps-plugin ", env!("CARGO_PKG_VERSION"))),
    ] {
        let ended = place.run(&words, authenticate(NONE, json!({})).to_string());
        let text = String::from_utf8(ended.stdout.clone()).unwrap();
        assert!(text.contains(piece) && !text.contains("verdict"), "{words:?}: {text}");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_a_denial_with_status_2() {
    let place = Place::new();
    for words in [
        vec!["--no-such-option"],
        vec!["no-such-command"],
        vec!["--type", "other"],
        vec!["--type"],
        vec!["--config"],
        vec!["--clock", "yesterday"],
        vec!["hook", "open_sesame"],
        vec!["hook", "authenticate", "authorize"],
        vec!["hook", "authenticate", "extra", "--clock"],
        vec![""],
    ] {
        let ended = place.run(&words, authenticate(NONE, json!({})).to_string());
        ended.assert_denied("Invalid plugin invocation", 2);
        assert!(ended.stderr.contains("error:"), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn an_option_before_a_command_of_people_is_one_sentence_and_no_response() {
    for (words, option) in [
        (&["--config", "x.ini", "token", "list"][..], "--config"),
        (&["--config=x.ini", "check-config"], "--config"),
        (&["--config", "x.ini", "scenario", "--gateway-user", "a"], "--config"),
        (&["--json", "token", "list"], "--json"),
        (&["--clock", "0", "state", "backup", "x"], "--clock"),
    ] {
        let ended = Place::new().run(words, "");
        assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]), "{words:?}");
        let told = format!("sps-plugin: error: write {option} after the command; see --help\n");
        assert_eq!(ended.stderr, told, "{words:?}");
    }
    // A hook may have such a word for a value, and SPS waits for a response.
    for words in
        [&["--config", "token", "hook", "open_sesame"][..], &["hook", "token"], &["hook", "--tpye", "state"]]
    {
        Place::new().run(words, "").assert_denied("Invalid plugin invocation", 2);
    }
}

#[test]
fn a_word_that_is_not_utf_8_is_a_denial_with_status_2() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let mut command = Place::new().command(crate::support::PROGRAM);
    command.arg(OsStr::from_bytes(b"--type=\xff"));
    let ended = crate::support::run(command, authenticate(NONE, json!({})).to_string());
    ended.assert_denied("Invalid plugin invocation", 2);
}

#[test]
fn the_hook_on_the_command_line_takes_bare_arguments_and_whole_invocations() {
    let place = Place::new();
    place.file("c.ini", NONE);
    let config = place.path("c.ini");
    let words = ["hook", "authenticate", "--config", config.to_str().unwrap()];
    let bare = place.run(&words, r#"{"gateway_user":"alice","session_id":"s"}"#);
    assert_eq!((bare.verdict().as_str(), bare.status), ("ACCEPT", Some(0)));
    let whole = place.run(&words, authenticate(NONE, json!({"protocol": "ftp"})).to_string());
    assert_eq!(whole.verdict(), "ACCEPT");
    let other = place.run(&["hook", "authorize"], authenticate(NONE, json!({})).to_string());
    other.assert_denied("Invalid plugin invocation", 2);
    other.assert_logged(&["error", "is not the hook in the invocation"]);
}

#[test]
fn session_ended_takes_its_type_from_three_places_and_is_refused_without() {
    let place = Place::new();
    let of =
        |configuration: &str| json!({"hook": "session_ended", "configuration": configuration}).to_string();
    let without = place.run(&[], of(""));
    assert_eq!((without.response(), without.status), (json!(null), Some(2)));
    without.assert_logged(&["error", "session_ended is a hook of both plugins", "--type, or [plugin] type"]);
    for plugin in ["aa", "credentialstore"] {
        assert_eq!(place.run(&["--type", plugin], of("")).status, Some(0));
        assert_eq!(
            place.run(&["hook", "session_ended", "--type", plugin], "{\"configuration\":\"\"}").status,
            Some(0)
        );
        assert_eq!(place.run(&[], of(&format!("[plugin]\ntype={plugin}\n"))).status, Some(0));
    }
    assert_eq!(place.run(&[], of("[plugin]\ntype=other\n")).status, Some(2));
}

#[test]
fn the_invocations_type_wins_over_the_command_lines() {
    let place = Place::new();
    // A cookie of the aa plugin tells which of the two was asked.
    let cookie = place.hook(&authenticate(NONE, json!({}))).response()["cookie"].clone();
    let ended = |plugin: &str, word: &str| {
        let invocation = json!({"hook": "session_ended", "type": plugin, "configuration": "",
            "arguments": {"cookie": cookie, "session_id": "svc/abc:1"}});
        place.run(&["--type", word], invocation.to_string()).status
    };
    assert_eq!(ended("aa", "credentialstore"), Some(0));
    assert_eq!(ended("credentialstore", "aa"), Some(2));
}

#[test]
fn a_fixed_clock_gives_the_same_bytes_and_a_warning() {
    let cached = format!("{NONE}[authentication_cache]\nreuse_limit=5\n");
    let invocation = authenticate(&cached, json!({"key_value_pairs": {"otp": "1"}})).to_string();
    let run = || Place::new().run(&["--clock", "2026-01-31T12:00:00Z"], invocation.clone());
    let (first, second) = (run(), run());
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(first.verdict(), "ACCEPT");
    first.assert_logged(&["warning", "--clock", "2026-01-31T12:00:00Z"]);
    let without = Place::new().run(&[], invocation.clone());
    assert!(!without.stderr.contains("--clock"), "{}", without.stderr);
}

#[test]
fn the_fixed_clock_decides_what_is_recent() {
    let place = Place::new();
    let cached = "[mfa]\nprovider=none\n[authentication_cache]\nreuse_limit=5\n";
    let invocation = authenticate(cached, json!({"key_value_pairs": {"otp": "1"}})).to_string();
    let by = |time: &str| {
        let ended = place.run(&["--clock", time], invocation.clone());
        ended.response()["additional_metadata"].as_str().unwrap().contains("authentication_cache")
    };
    assert!(!by("1000"));
    assert!(by("1015"));
    assert!(!by("1030.000001"), "the last use is more than soft_timeout ago");
}

#[test]
fn explain_says_which_steps_decided_and_no_secret() {
    let place = Place::new();
    place.file(
        "c.ini",
        "[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=no_user\nexcept=root\n\
         [authentication_cache]\nreuse_limit=2\n[mfa]\nprovider=http\n[http]\nserver_url=http://127.0.0.1:9\ntoken=s3cret-token\n",
    );
    let config = place.path("c.ini");
    let words = ["hook", "authenticate", "--explain", "--config", config.to_str().unwrap()];
    let arguments = json!({
        "session_id": "s", "protocol": "ssh", "client_ip": "10.1.2.3", "gateway_user": "alice",
        "gateway_password": "gateway-passw0rd", "key_value_pairs": {"otp": "typed-passw0rd"},
    });
    let ended = place.run(&words, arguments.to_string());
    let explained: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("explain: ")).collect();
    assert_eq!(
        explained,
        [
            "explain: authenticate: the user list vip does not let in alice without a factor",
            "explain: authenticate: no whitelist is an LDAP group",
            "explain: authenticate: no authentication of a moment ago counts once more",
            "explain: http is asked about alice",
        ]
    );
    for secret in ["typed-passw0rd", "gateway-passw0rd", "s3cret-token"] {
        assert!(!ended.stderr.contains(secret), "{secret}: {}", ended.stderr);
    }
    let without =
        place.run(&["hook", "authenticate", "--config", config.to_str().unwrap()], arguments.to_string());
    assert!(!without.stderr.contains("explain") && without.stdout == ended.stdout, "{without:?}");
}
