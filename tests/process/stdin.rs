//! What comes in: nothing, too much, too slowly, in pieces, or something else.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{PROGRAM, Place, Running, authenticate, run};

const MIB: usize = 1024 * 1024;
const INVALID: &str = "Invalid plugin invocation";

fn question() -> Value {
    authenticate("[mfa]\nprovider=none\n", json!({}))
}

/// Fills an invocation up to a length with blanks inside the JSON.
fn of_length(length: usize) -> String {
    let text = question().to_string();
    format!("{}{}}}", text.strip_suffix('}').unwrap(), " ".repeat(length.saturating_sub(text.len())))
}

#[test]
fn exactly_1_mib_is_read_and_one_byte_more_is_refused() {
    let place = Place::new();
    let whole = of_length(MIB);
    assert_eq!(whole.len(), MIB);
    assert_eq!(place.run(&[], whole).verdict(), "NEEDINFO");
    let more = of_length(MIB + 1);
    assert_eq!(more.len(), MIB + 1);
    let ended = place.run(&[], more);
    ended.assert_denied(INVALID, 2);
    ended.assert_logged(&["error", "longer than 1 MiB"]);
}

#[test]
fn an_invocation_without_end_is_refused_before_it_ends() {
    let mut child = Place::new().command(PROGRAM).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The pipe breaks when the process has ended; 64 MiB are the bound if it never does.
    let writer = thread::spawn(move || (0..1024).all(|_| stdin.write_all(&[b' '; 64 * 1024]).is_ok()));
    let ended = Running::of(child, Vec::new()).end();
    ended.assert_denied(INVALID, 2);
    ended.assert_logged(&["error", "longer than 1 MiB"]);
    assert!(!writer.join().unwrap(), "all of it was read");
}

#[test]
fn a_mebibyte_of_nesting_is_refused_where_it_is_read_and_ignored_where_it_is_not() {
    let half = MIB / 2 - 1000;
    let nested = format!("{}{}", "[".repeat(half), "]".repeat(half));
    for member in ["cookie", "session_cookie", "key_value_pairs", "gateway_groups"] {
        let ended = Place::new()
            .run(&[], format!(r#"{{"hook":"authenticate","arguments":{{"{member}":{nested}}}}}"#));
        ended.assert_denied(INVALID, 2);
        ended.assert_logged(&["error", "not a JSON object of the documented form"]);
    }
    let deep_cookie = format!(r#"{{"a":{nested}}}"#);
    let ended =
        Place::new().run(&[], format!(r#"{{"hook":"authenticate","arguments":{{"cookie":{deep_cookie}}}}}"#));
    ended.assert_denied(INVALID, 2);
    ended.assert_logged(&["error", "nested more than 128 levels deep"]);
    let text = question().to_string();
    let ignored = format!(r#"{},"more":{nested}}}"#, text.strip_suffix('}').unwrap());
    assert_eq!(Place::new().run(&[], ignored).verdict(), "NEEDINFO");
}

#[test]
fn an_empty_stdin_is_refused_with_a_hint() {
    for text in ["", "\n", " \r\n\t"] {
        let ended = Place::new().run(&[], text);
        ended.assert_denied(INVALID, 2);
        ended.assert_logged(&["error", "stdin is empty", "sps-plugin --help"]);
    }
}

#[test]
fn every_beginning_of_an_invocation_is_refused_and_the_whole_is_not() {
    let text =
        r#"{"hook":"authenticate","configuration":"[mfa]\nprovider=none","arguments":{"gateway_user":"a"}}"#;
    let place = Place::new();
    for length in (0..text.len()).step_by(3) {
        let ended = place.run(&[], &text.as_bytes()[..length]);
        ended.assert_denied(INVALID, 2);
        ended.assert_logged(&["error", "unexpected end"]);
    }
    let whole = place.run(&[], text);
    assert_eq!((whole.verdict().as_str(), whole.status), ("ACCEPT", Some(0)));
}

#[test]
fn what_is_not_an_invocation_is_refused_with_a_sentence() {
    let hook = |rest: &str| format!(r#"{{"hook":"authenticate",{rest}}}"#).into_bytes();
    let mut utf8 = hook(r#""arguments":{"gateway_user":"X"}"#);
    let position = utf8.iter().position(|byte| *byte == b'X').unwrap();
    utf8[position] = 0xff;
    for (name, stdin, piece) in [
        ("nothing", Vec::new(), "unexpected end"),
        ("blanks", b" \n\n".to_vec(), "unexpected end"),
        ("no JSON", b"hello".to_vec(), "not JSON"),
        ("invalid UTF-8", utf8, "not JSON"),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec(), "not JSON"),
        ("a byte order mark", "\u{feff}{}".as_bytes().to_vec(), "not JSON"),
        ("NUL", vec![0; 100], "not JSON"),
        ("an array", b"[]".to_vec(), "a member has the wrong type"),
        ("null", b"null".to_vec(), "a member has the wrong type"),
        ("two objects", b"{}{}".to_vec(), "extra data after its end"),
        (
            "all lines of a scenario",
            b"{\"hook\":\"authenticate\"}\n{\"verdict\":\"DENY\"}\n".to_vec(),
            "(line 2, column 1): extra data after its end",
        ),
        ("an empty object", b"{}".to_vec(), "no hook given"),
        (
            "an unknown hook",
            br#"{"hook":"open_sesame"}"#.to_vec(),
            "unknown hook; expected one of authenticate",
        ),
        ("a hook in capitals", br#"{"hook":"Authenticate"}"#.to_vec(), "unknown hook"),
        ("a hook twice", br#"{"hook":"authorize","hook":"authenticate"}"#.to_vec(), "appears twice"),
        ("a type that is not the hook's", hook(r#""type":"credentialstore""#), "\"type\" must be"),
        ("arguments that are a list", hook(r#""arguments":[]"#), "wrong type"),
        ("a number for a name", hook(r#""arguments":{"gateway_user":1}"#), "wrong type"),
        ("a port that is too large", hook(r#""arguments":{"client_port":65536}"#), "wrong type"),
        (
            "an argument twice",
            hook(r#""arguments":{"gateway_user":"a","gateway_user":"b"}"#),
            "appears twice",
        ),
        ("a cookie that is text", hook(r#""arguments":{"cookie":"{}"}"#), "wrong type"),
        ("an answer that is a number", hook(r#""arguments":{"key_value_pairs":{"otp":1}}"#), "wrong type"),
        ("a configuration that is an object", hook(r#""configuration":{}"#), "wrong type"),
        ("an appliance that is a list", hook(r#""appliance":[]"#), "wrong type"),
        ("a user list of another form", hook(r#""appliance":{"user_lists":{"vip":["root"]}}"#), "wrong type"),
        (
            "a user list that allows some",
            hook(r#""appliance":{"user_lists":{"vip":{"allow":"some"}}}"#),
            "wrong type",
        ),
    ] {
        let ended = Place::new().run(&[], stdin);
        assert_eq!(ended.verdict(), "DENY", "{name}");
        ended.assert_denied(INVALID, 2);
        ended.assert_logged(&["error", piece]);
    }
}

#[test]
fn a_credential_hook_that_can_still_be_told_gets_its_own_closed_response() {
    let ended =
        Place::new().run(&[], r#"{"hook":"get_password_list","arguments":{"server_username":["root"]}}"#);
    assert_eq!(ended.response(), json!({"passwords": [], "cookie": {}, "session_cookie": {}}));
    assert_eq!(ended.status, Some(2));
}

#[test]
fn a_stdin_that_is_closed_or_cannot_be_read_is_refused() {
    let place = Place::new();
    let mut command = place.command("/bin/sh");
    command.args(["-c", "exec \"$0\" <&-", PROGRAM]);
    let closed = run(command, "");
    closed.assert_denied(INVALID, 2);

    let mut command = place.command(PROGRAM);
    command.stdin(Stdio::from(File::open("/").unwrap()));
    let folder = run(command, "");
    folder.assert_denied(INVALID, 2);
    folder.assert_logged(&["error", "stdin cannot be read; the invocation is expected as JSON on stdin"]);
}

#[test]
fn an_invocation_that_comes_in_single_bytes_is_the_same_invocation() {
    let place = Place::new();
    let text = question().to_string();
    let at_once = place.run(&[], text.clone());
    let mut child = place.command(PROGRAM).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        for byte in text.into_bytes() {
            stdin.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let slowly = Running::of(child, Vec::new()).end();
    writer.join().unwrap();
    assert_eq!((slowly.stdout, slowly.status), (at_once.stdout, at_once.status));
}

#[test]
fn a_user_name_of_path_pieces_stays_a_name() {
    let place = Place::new();
    let configuration = "[mfa]\nprovider=none\n[authentication_cache]\nreuse_limit=3\n";
    for name in ["../../../../tmp/x", "/etc/passwd", "..a", "a/b\\c", "%2e%2e%2f", "'; DROP TABLE x; --"] {
        let more = json!({"gateway_user": name, "client_ip": name, "key_value_pairs": {"otp": ""}});
        let first = place.hook(&authenticate(configuration, more.clone()));
        assert_eq!(
            first.response()["additional_metadata"],
            r#"{"reason": "N/A", "by": "none"}"#,
            "{first:?}"
        );
        let second = place.hook(&authenticate(configuration, more));
        assert!(second.stderr.contains("authentication_cache"), "{second:?}");
        assert_eq!(second.verdict(), "ACCEPT");
    }
    let names: Vec<_> = place.files();
    assert!(!names.is_empty());
    assert!(names.iter().all(|path| path.parent() == Some(place.state().as_path())), "{names:?}");
}
