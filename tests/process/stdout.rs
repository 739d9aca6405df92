//! What stands on stdout and with which status the process ends.

use std::fs::File;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{PROGRAM, Place, Running, authenticate, authorize, credential_hook, run};

const NONE: &str = "[mfa]\nprovider=none\n";
const STORE: &str = "[credentials]\nprovider=appliance\nstore=local\n";

fn session_ended(plugin: &str, configuration: &str) -> Value {
    json!({"hook": "session_ended", "type": plugin, "arguments": {"cookie": {}}, "configuration": configuration})
}

/// Every kind of response that a hook gives when it did its work.
fn responses() -> Vec<(&'static str, Value, &'static str)> {
    let otp = json!({"key_value_pairs": {"otp": "1"}});
    vec![
        ("an ACCEPT", authenticate(NONE, otp), r#"{"verdict":"ACCEPT","#),
        (
            "a DENY",
            authenticate(NONE, json!({"gateway_user": null})),
            r#"{"verdict":"DENY","reason":"N/A","additional_metadata":"{\"reason\": \"No username identified\"}","#,
        ),
        (
            "a NEEDINFO",
            authenticate(&format!("{NONE}[auth]\nprompt=Code:\n"), json!({})),
            r#"{"verdict":"NEEDINFO","question":["otp","Code: ",false],"#,
        ),
        (
            "a NONE",
            authenticate("[auth]\nskip_connections=ssh_*\n", json!({})),
            r#"{"verdict":"NONE","additional_metadata":"#,
        ),
        ("an authorisation", authorize("", json!({})), r#"{"verdict":"ACCEPT","#),
        (
            "passwords",
            credential_hook("get_password_list", STORE, json!({})),
            r#"{"passwords":["pw1"],"cookie":{"#,
        ),
        (
            "private keys",
            credential_hook("get_private_key_list", STORE, json!({})),
            r#"{"private_keys":[["ssh-ed25519","key1"]],"cookie":{"#,
        ),
        (
            "a remote application",
            credential_hook("get_remote_app_credentials", STORE, json!({})),
            r#"{"account":"root","asset":"db1","passwords":["pw1"],"need_info":false,"#,
        ),
        (
            "codes of a provider that knows none",
            credential_hook("get_totp_codes", STORE, json!({})),
            r#"{"cookie":{"#,
        ),
        (
            "a completed authentication",
            credential_hook("authentication_completed", STORE, json!({})),
            r#"{"cookie":{"#,
        ),
        ("the end of an aa session", session_ended("aa", ""), "null\n"),
        ("the end of a credential store's session", session_ended("credentialstore", STORE), "null\n"),
    ]
}

#[test]
fn each_hook_answers_with_one_line_of_json_and_status_0() {
    for (name, invocation, begins) in responses() {
        let ended = Place::new().hook(&invocation);
        assert_eq!(ended.status, Some(0), "{name}: {ended:?}");
        ended.response();
        let text = String::from_utf8(ended.stdout).unwrap();
        assert!(text.starts_with(begins), "{name}: {text}");
    }
}

#[test]
fn the_log_level_changes_stderr_and_not_a_byte_of_stdout() {
    for (name, mut invocation, _) in responses() {
        let configuration = invocation["configuration"].as_str().unwrap().to_owned();
        let mut at = |level: &str| {
            invocation["configuration"] =
                Value::from(format!("{configuration}[logging]\nlog_level={level}\n[no such section]\n"));
            Place::new().run(&["--clock", "1769860800"], invocation.to_string())
        };
        let (debug, critical) = (at("debug"), at("critical"));
        assert_eq!(debug.stdout, critical.stdout, "{name}");
        assert!(debug.stderr.contains("[no such section] is unknown"), "{name}: {}", debug.stderr);
        assert!(!critical.stderr.contains("[no such section] is unknown"), "{name}: {}", critical.stderr);
        assert_eq!((debug.status, critical.status), (Some(0), Some(0)), "{name}");
    }
}

const AA_CLOSED: &str = r#"{"verdict":"DENY","reason":"REASON","additional_metadata":"{\"reason\": \"REASON\"}","cookie":{"a":1},"session_cookie":{"b":2}}"#;

/// The closed response of every hook, where the cookies came in as `{"a":1}` and `{"b":2}`.
const CLOSED: [(&str, &str, &str); 9] = [
    ("authenticate", "aa", AA_CLOSED),
    ("authorize", "aa", AA_CLOSED),
    ("session_ended", "aa", "null"),
    ("session_ended", "credentialstore", "null"),
    ("get_password_list", "credentialstore", r#"{"passwords":[],"cookie":{"a":1},"session_cookie":{"b":2}}"#),
    (
        "get_private_key_list",
        "credentialstore",
        r#"{"private_keys":[],"cookie":{"a":1},"session_cookie":{"b":2}}"#,
    ),
    ("authentication_completed", "credentialstore", r#"{"cookie":{"a":1},"session_cookie":{"b":2}}"#),
    (
        "get_remote_app_credentials",
        "credentialstore",
        r#"{"account":"","asset":"","passwords":[],"need_info":false,"launch_information":[],"additional_information":{},"cookie":{"a":1},"session_cookie":{"b":2}}"#,
    ),
    ("get_totp_codes", "credentialstore", r#"{"totp_codes":[],"cookie":{"a":1},"session_cookie":{"b":2}}"#),
];

#[test]
fn a_configuration_that_does_not_parse_gives_each_hooks_closed_response_and_status_2() {
    for (hook, plugin, closed) in CLOSED {
        let invocation = json!({"hook": hook, "type": plugin, "configuration": "no section here\n",
            "arguments": {"cookie": {"a": 1}, "session_cookie": {"b": 2}}});
        let ended = Place::new().hook(&invocation);
        let text = String::from_utf8(ended.stdout.clone()).unwrap();
        assert_eq!(text, format!("{}\n", closed.replace("REASON", "Plugin configuration error")), "{hook}");
        assert_eq!(ended.status, Some(2), "{hook}");
        ended.assert_logged(&["error", "configuration, line 1", "expected a '[section]' header"]);
    }
}

#[test]
fn a_foreign_cookie_gives_each_hooks_closed_response_and_status_2() {
    for (hook, plugin, closed) in CLOSED {
        let invocation = json!({"hook": hook, "type": plugin, "configuration": NONE,
            "arguments": {"cookie": {"a": 1}, "session_cookie": {"b": 2}}});
        let ended = Place::new().hook(&invocation);
        let text = String::from_utf8(ended.stdout.clone()).unwrap();
        assert_eq!(text, format!("{}\n", closed.replace("REASON", "Invalid plugin invocation")), "{hook}");
        assert_eq!(ended.status, Some(2), "{hook}");
        ended.assert_logged(&["error", "the cookie is not this plugin's"]);
    }
}

#[test]
fn work_that_cannot_be_done_is_status_1_with_a_sentence() {
    let nowhere = "[state]\ndirectory=/dev/null/state\n";
    let cache = format!("{NONE}{nowhere}[authentication_cache]\nreuse_limit=1\n");
    let ended = Place::new().hook(&authenticate(&cache, json!({"key_value_pairs": {"otp": "1"}})));
    ended.assert_denied("Internal plugin error", 1);
    ended.assert_logged(&["error", "cannot use the state directory", "it has to exist"]);

    let mut command = Place::new().command(PROGRAM);
    command.env("EPHEMERAL_PLUGIN_STATE_DIRECTORY", "/dev/null/state");
    let limit = "[connection_limit by=client_ip_gateway_user]\nlimit=1\n";
    let ended = run(command, authorize(limit, json!({})).to_string());
    ended.assert_denied("Internal plugin error", 1);
    ended.assert_logged(&["error", "cannot use the state directory"]);

    for hook in ["get_password_list", "get_private_key_list", "get_remote_app_credentials"] {
        let elsewhere = "[credentials]\nprovider=appliance\nstore=elsewhere\n";
        let ended = Place::new().hook(&credential_hook(hook, elsewhere, json!({})));
        let response = ended.response();
        let (_, list) = response.as_object().unwrap().iter().find(|(_, value)| value.is_array()).unwrap();
        assert_eq!(list, &json!([]), "{hook}: {ended:?}");
        assert_eq!(ended.status, Some(1), "{hook}");
        ended.assert_logged(&["error", "there is no credential store 'elsewhere'"]);
    }
}

#[test]
fn what_only_another_configuration_or_invocation_can_mend_is_status_2() {
    for (name, invocation, piece) in [
        (
            "an unknown provider",
            authenticate("[mfa]\nprovider=nothing\n", json!({})),
            "expected one of http, none",
        ),
        (
            "a boolean that is none",
            authenticate(&format!("{NONE}[auth]\ndisable_echo=true\n"), json!({})),
            "one of yes, no",
        ),
        (
            "a number that is none",
            authenticate("[authentication_cache]\nreuse_limit=many\n", json!({})),
            "a whole number",
        ),
        (
            "a user list that is nowhere",
            authenticate("[whitelist source=user_list]\nname=vip\n", json!({})),
            "user list",
        ),
        (
            "a log level that is none",
            authenticate("[logging]\nlog_level=loud\n", json!({})),
            "one of debug, info",
        ),
        (
            "a time budget that is none",
            authenticate("[plugin]\ntime_budget=0\n", json!({})),
            "seconds above 0",
        ),
        (
            "a stray percent sign",
            authenticate("[auth]\nprompt=100%\n[mfa]\nprovider=none\n", json!({})),
            "'%%'",
        ),
        (
            "a store that is not named",
            credential_hook("get_password_list", "[credentials]\nprovider=appliance\n", json!({})),
            "[credentials] store is required",
        ),
        (
            "a huge user name",
            authenticate(NONE, json!({"gateway_user": "x".repeat(100_000)})),
            "longer than 1024 bytes",
        ),
        ("NUL in a user name", authenticate(NONE, json!({"gateway_user": "a\0b"})), "control character"),
        (
            "an escape sequence in a user name",
            authenticate(NONE, json!({"gateway_user": "\u{1b}[2J"})),
            "control character",
        ),
    ] {
        let prompted = invocation["hook"] == "authenticate" && name != "a stray percent sign";
        let mut invocation = invocation;
        if prompted {
            invocation["arguments"]["key_value_pairs"] = json!({"otp": "123456"});
        }
        let ended = Place::new().hook(&invocation);
        assert_eq!(ended.status, Some(2), "{name}: {ended:?}");
        let response = ended.response();
        assert!(response["verdict"] == "DENY" || response["passwords"] == json!([]), "{name}: {ended:?}");
        ended.assert_logged(&["error", piece]);
    }
}

#[test]
fn a_reader_who_has_gone_makes_it_status_1_without_a_panic() {
    let place = Place::new();
    for (invocation, status) in [(authenticate(NONE, json!({})), 1), (json!("no invocation"), 2)] {
        let mut child = place.command(PROGRAM).spawn().unwrap();
        drop(child.stdout.take());
        let ended = Running::of(child, invocation.to_string().into_bytes()).end();
        assert_eq!(ended.status, Some(status), "{ended:?}");
        assert!(!ended.stderr.contains("panic") && !ended.stderr.contains("internal"), "{ended:?}");
    }
}

#[test]
fn a_full_disk_behind_stdout_makes_it_status_1() {
    let mut command = Place::new().command(PROGRAM);
    command.stdout(Stdio::from(File::options().write(true).open("/dev/full").unwrap()));
    let ended = run(command, authenticate(NONE, json!({})).to_string());
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("internal"), "{ended:?}");
}

#[test]
fn a_log_that_cannot_be_written_decides_nothing() {
    let place = Place::new();
    let invocation = authenticate(NONE, json!({"key_value_pairs": {"otp": "1"}}));
    let expected = place.hook(&invocation);
    assert_eq!((expected.verdict().as_str(), expected.stderr.is_empty()), ("ACCEPT", false));

    let mut command = place.command(PROGRAM);
    command.stderr(Stdio::from(File::options().write(true).open("/dev/full").unwrap()));
    let full = run(command, invocation.to_string());
    assert_eq!((&full.stdout, full.status), (&expected.stdout, Some(0)));

    let mut child = place.command(PROGRAM).spawn().unwrap();
    drop(child.stderr.take());
    let gone = Running::of(child, invocation.to_string().into_bytes()).end();
    assert_eq!((&gone.stdout, gone.status), (&expected.stdout, Some(0)));

    let mut command = place.command("/bin/sh");
    command.args(["-c", "exec \"$0\" 2>&-", PROGRAM]);
    let closed = run(command, invocation.to_string());
    assert_eq!((&closed.stdout, closed.status), (&expected.stdout, Some(0)));
}

#[test]
fn without_any_of_the_three_streams_the_process_still_ends_quietly() {
    let mut command = Place::new().command("/bin/sh");
    command.args(["-c", "exec \"$0\" <&- >&- 2>&-", PROGRAM]);
    let ended = run(command, "");
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
}
