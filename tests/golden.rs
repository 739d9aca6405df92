//! The recorded cases below `tests/cases`, and `sps-plugin golden` itself: that it notices what it is there for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_sps-plugin");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");

struct Run {
    stdout: String,
    stderr: String,
    status: Option<i32>,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            status: output.status.code(),
        }
    }
}

fn golden(directory: &Path, options: &[&str]) -> Run {
    Command::new(BINARY).arg("golden").arg(directory).args(options).output().unwrap().into()
}

/// Asserts that exactly one case was played and failed, and that each of the texts is in the report.
fn assert_fails(run: &Run, texts: &[&str]) {
    assert_eq!(run.status, Some(1), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.ends_with("\n0 passed, 1 failed\n"), "{}", run.stdout);
    for text in texts {
        assert!(run.stdout.contains(text), "no {text:?} in\n{}", run.stdout);
    }
}

fn assert_passes(run: &Run) {
    assert_eq!((run.status, run.stdout.as_str()), (Some(0), "1 passed, 0 failed\n"), "{}", run.stderr);
}

const ASK: &str = r#"{"hook": "authenticate", "arguments": {"session_id": "s", "protocol": "ssh", "gateway_user": "alice"}}"#;
const TELL: &str = r#"{"hook": "authenticate", "arguments": {"session_id": "s", "protocol": "ssh", "gateway_user": "alice", "key_value_pairs": {"otp": "1"}}}"#;
const QUESTION: &str = concat!(
    r#"{"verdict":"NEEDINFO","question":["otp","Press Enter for push notification or type one-time password: ",false],"#,
    r#""cookie":{"username":"alice","mfa_identity":"alice","__sps_plugin":{"version":1,"plugin":"aa","session_id":"s","#,
    r#""progress":{"stage":"identified","questions_answered":0,"counted":false}}},"session_cookie":{}}"#,
    "\n"
);
const YES: &str = concat!(
    r#"{"verdict":"ACCEPT","additional_metadata":"{\"reason\": \"N/A\", \"by\": \"http otp\"}","#,
    r#""cookie":{"username":"alice","mfa_identity":"alice","__sps_plugin":{"version":1,"plugin":"aa","session_id":"s","#,
    r#""progress":{"stage":"complete","questions_answered":0,"counted":false}}},"session_cookie":{}}"#,
    "\n"
);

/// A case that passes: the password is asked for, sent to the service, and accepted.
fn good_case() -> BTreeMap<&'static str, String> {
    let http = r#"[{"expect": {"method": "POST", "path": "/otp", "headers": {"Content-Type": "application/json"},
                    "body": {"otp": "1", "identity": "alice"}}, "status": 200, "body": {"result": "ACCEPT"}}]"#;
    BTreeMap::from([
        ("config.ini", "[mfa]\nprovider=http\n[http]\nserver_url={server}\n".to_owned()),
        ("1-invocation.json", ASK.to_owned()),
        ("1-response.json", QUESTION.to_owned()),
        ("2-invocation.json", TELL.to_owned()),
        ("2-response.json", YES.to_owned()),
        ("http.json", http.to_owned()),
        ("stderr", "authenticating user alice as alice with one-time password by http\n".to_owned()),
    ])
}

/// Writes the good case with some of its files replaced; an empty text takes a file away.
fn case_with(changes: &[(&'static str, &str)]) -> (TempDir, PathBuf) {
    let mut files = good_case();
    for (name, text) in changes {
        if text.is_empty() {
            files.remove(name)
        } else {
            files.insert(name, (*text).to_owned())
        };
    }
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("one/case");
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in &files {
        fs::write(folder.join(name), text).unwrap();
    }
    (root, folder)
}

fn play_with(changes: &[(&'static str, &str)]) -> Run {
    golden(case_with(changes).0.path(), &[])
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says so in the environment")]
fn every_recorded_case_is_as_recorded() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let run = golden(Path::new(CASES), if update { &["--update"] } else { &[] });
    assert_eq!(run.status, Some(0), "{}{}", run.stdout, run.stderr);
    let passed: usize =
        run.stdout.lines().last().unwrap().strip_suffix(" passed, 0 failed").unwrap().parse().unwrap();
    assert!(passed >= 250, "only {passed} cases");
}

/// Tells whether a response gives somebody something: a way in, a password or a key.
fn gives_something(response: &[u8]) -> bool {
    let response: Value = serde_json::from_slice(response).unwrap();
    let list = |name| response.get(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    response.get("verdict").is_some_and(|verdict| verdict == "ACCEPT" || verdict == "NONE")
        || list("passwords")
        || list("private_keys")
        || list("totp_codes")
}

/// Collects the folders of cases, which may be nested to share a configuration.
fn collect(folder: &Path, cases: &mut Vec<PathBuf>) {
    if folder.join("1-response.json").exists() {
        cases.push(folder.to_owned());
        return;
    }
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        collect(&entry, cases);
    }
}

#[test]
fn more_than_half_of_the_recorded_cases_end_with_nothing_given() {
    let (mut all, mut closed) = (0, 0);
    for hook in fs::read_dir(CASES).unwrap() {
        let mut folders = Vec::new();
        collect(&hook.unwrap().path(), &mut folders);
        assert!(folders.len() >= 5, "{:?}", folders.first());
        for folder in folders {
            let last = (1..)
                .map(|n| folder.join(format!("{n}-response.json")))
                .take_while(|path| path.exists())
                .last();
            all += 1;
            closed += i32::from(!gives_something(&fs::read(last.unwrap()).unwrap()));
        }
    }
    assert!(closed * 2 > all, "{closed} of {all}");
}

#[test]
fn every_hook_has_cases() {
    let mut found: Vec<_> =
        fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    let mut hooks = [
        "authenticate",
        "authorize",
        "session_ended",
        "get_password_list",
        "get_private_key_list",
        "authentication_completed",
        "get_remote_app_credentials",
        "get_totp_codes",
    ];
    hooks.sort_unstable();
    assert_eq!(found, hooks);
}

#[test]
fn a_case_that_is_as_recorded_passes() {
    assert_passes(&play_with(&[]));
}

#[test]
fn a_changed_response_is_noticed_and_shown_by_its_members() {
    let run = play_with(&[("1-response.json", &QUESTION.replace("NEEDINFO", "ACCEPT"))]);
    assert_fails(
        &run,
        &[
            "failed: one/case: step 1: the response differs\n    verdict:\n        expected \"ACCEPT\"\n        got      \"NEEDINFO\"\n0 passed",
        ],
    );
}

#[test]
fn only_the_first_step_that_differs_is_shown() {
    let run = play_with(&[("1-response.json", "null\n"), ("2-response.json", "null\n")]);
    assert_fails(&run, &["step 1: the response differs"]);
    assert!(!run.stdout.contains("step 2") && !run.stdout.contains("left over"), "{}", run.stdout);
}

#[test]
fn other_bytes_of_the_same_json_are_noticed() {
    let spaced = QUESTION.replace(":", ": ");
    let reordered =
        QUESTION.replace(r#","session_cookie":{}}"#, "}").replacen('{', r#"{"session_cookie":{},"#, 1);
    for other in [spaced.as_str(), reordered.as_str(), QUESTION.trim_end()] {
        let run = play_with(&[("1-response.json", other)]);
        assert_fails(&run, &["step 1: the response differs"]);
    }
    assert_fails(
        &play_with(&[("1-response.json", &reordered)]),
        &["the members are equal, but not the bytes"],
    );
}

#[test]
fn a_response_that_is_laid_out_is_compared_as_json() {
    let laid_out =
        |text: &str| serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).unwrap()).unwrap();
    assert_passes(&play_with(&[("1-response.json", &laid_out(QUESTION))]));
    let wrong = laid_out(QUESTION).replace("false", "true");
    assert_fails(&play_with(&[("1-response.json", &wrong)]), &["step 1: the response differs\n    "]);
}

#[test]
fn a_missing_response_is_noticed() {
    let run = play_with(&[("2-response.json", "")]);
    assert_fails(&run, &["failed: one/case: step 2: 2-response.json is missing", "\"verdict\":\"ACCEPT\""]);
}

#[test]
fn a_request_that_nobody_expects_is_noticed() {
    assert_fails(&play_with(&[("http.json", "[]")]), &["step 2: request 1 is not in http.json", "POST /otp"]);
}

#[test]
fn a_request_that_differs_is_noticed() {
    let http = good_case()["http.json"].clone();
    for (old, new, shown) in [
        ("/otp", "/push", "path:"),
        ("POST", "GET", "method:"),
        ("\"1\"", "\"2\"", "body:"),
        ("\"application/json\"", "\"text/plain\"", "Content-Type:"),
        ("\"Content-Type\"", "\"X-Missing\"", "got      nothing"),
    ] {
        let run = play_with(&[("http.json", &http.replace(old, new))]);
        assert_fails(&run, &["step 2: request 1 differs from http.json", shown]);
    }
}

#[test]
fn an_answer_that_nobody_asks_for_is_noticed() {
    let twice = good_case()["http.json"].replace("}]", "}, {\"close\": true}]");
    assert_fails(&play_with(&[("http.json", &twice)]), &["1 answers of http.json are left over", "1 of 2"]);
}

#[test]
fn another_exit_status_is_noticed() {
    assert_fails(&play_with(&[("status", "0\n2\n")]), &["step 2: expected exit status 2, got 0"]);
    let broken = [("config.ini", "[mfa]\n[mfa]\n"), ("http.json", "")];
    assert_fails(&play_with(&broken), &["step 1: expected exit status 0, got 2"]);
}

#[test]
fn the_log_of_the_step_that_differs_is_shown_and_not_without_end() {
    let broken = [("config.ini", "[mfa]\nprovider=none\n[auth]\ndisable_echo=perhaps\n"), ("http.json", "")];
    let mistake = "[auth] disable_echo: expected one of yes, no";
    let (root, _) = case_with(&broken);
    let report = root.path().join("report.xml");
    let run = golden(root.path(), &["--junit", report.to_str().unwrap()]);
    assert_fails(&run, &["    log      sps-plugin: error: ", mistake]);
    assert!(fs::read_to_string(&report).unwrap().contains(mistake));
    // The first step is as recorded, and its log explains nothing.
    let run = play_with(&[("2-response.json", "null\n")]);
    assert_fails(
        &run,
        &["step 2: the response differs", "log      sps-plugin: info: [s] user alice is authenticated"],
    );
    assert_eq!(run.stdout.matches("user alice is authenticated").count(), 1, "{}", run.stdout);
    let options: String = (0..100).map(|number| format!("nothing{number}=1\n")).collect();
    let noisy =
        play_with(&[("config.ini", &format!("[mfa]\nprovider=none\n[auth]\n{options}")), ("http.json", "")]);
    assert_fails(&noisy, &["    log      … "]);
    assert!(noisy.stdout.matches("log      ").count() <= 21, "{}", noisy.stdout);
}

#[test]
fn a_line_that_the_log_lacks_is_noticed() {
    assert_fails(
        &play_with(&[("stderr", "is authenticated by http push\n")]),
        &["the log lacks a line", "expected is authenticated by http push", "is authenticated by http otp"],
    );
}

#[test]
fn a_folder_that_is_unusable_is_told_from_a_difference() {
    let unusable: &[(&[(&'static str, &str)], &str)] = &[
        (&[("1-respones.json", "x")], "1-respones.json is no file of a case"),
        (&[("1-invocation.json", "")], "but no 1-invocation.json"),
        (&[("4-invocation.json", ASK)], "4-invocation.json belongs to a step without an invocation"),
        (&[("3-response.json", YES)], "3-response.json belongs to a step without an invocation"),
        (&[("1-invocation.raw", ASK)], "two invocations number 1"),
        (&[("http.json", "")], "there is no http.json"),
        (&[("http.json", "{}")], "http.json"),
        (
            &[("http.json", r#"[{"status": 200, "close": true}]"#)],
            "exactly one of status, raw, hang and close",
        ),
        (&[("http.json", r#"[{"expect": {"methd": "GET"}, "status": 200}]"#)], "http.json"),
        (&[("clock", "noon")], "clock: expected a time"),
        (&[("2-clock", "noon")], "2-clock: expected a time"),
        (&[("status", "ok\n")], "status: expected one number a line"),
        (&[("status", "0\n0\n0\n")], "status has more lines"),
        (&[("environment", "NAME\n")], "environment: expected NAME=value"),
        (&[("command", "golden\n.\n")], "command: expected 'hook'"),
        (&[("command", "--type\ngolden\n")], "command: expected 'hook'"),
    ];
    for (changes, message) in unusable {
        let run = play_with(changes);
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{message}: {}", run.stderr);
        assert!(run.stderr.contains(message), "no {message:?} in {}", run.stderr);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_unusable() {
    let (root, folder) = case_with(&[("http.json", "")]);
    std::os::unix::fs::symlink("nowhere", folder.join("http.json")).unwrap();
    let run = golden(root.path(), &[]);
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("http.json: No such file"), "{}", run.stderr);
}

#[test]
fn a_file_that_is_too_long_is_unusable() {
    let run = play_with(&[("1-invocation.json", &"x".repeat(2 * 1024 * 1024 + 1))]);
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("is longer than 2097152 bytes"), "{}", run.stderr);
}

#[test]
fn nothing_to_play_is_no_success() {
    let root = tempfile::tempdir().unwrap();
    let refused = |directory: &Path, message: &str| {
        let run = golden(directory, &[]);
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""));
        assert!(run.stderr.contains(message), "{}", run.stderr);
    };
    refused(root.path(), "is empty");
    refused(&root.path().join("missing"), "cannot read the folder");
    fs::write(root.path().join("README"), "").unwrap();
    refused(root.path(), "there is no case below");
    let (good, _) = case_with(&[]);
    fs::create_dir(good.path().join("two")).unwrap();
    refused(good.path(), "two is empty");
    // A misspelt case is no case, and would never be played.
    for (name, message) in [
        ("1-invocaton.json", "two has 1-invocaton.json, but no 1-invocation.json"),
        ("2-response.json", "two has 2-response.json, but no 1-invocation.json"),
        ("config.ini", "two has config.ini, but no 1-invocation.json"),
    ] {
        let file = good.path().join("two").join(name);
        fs::write(&file, ASK).unwrap();
        refused(good.path(), message);
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn folders_may_be_nested_but_not_without_end() {
    let root = tempfile::tempdir().unwrap();
    let deep = (0..20).fold(root.path().to_owned(), |path, _| path.join("d"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("1-invocation.json"), ASK).unwrap();
    let run = golden(root.path(), &[]);
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("folders deep"), "{}", run.stderr);
}

#[test]
fn update_writes_what_came_out_and_says_so() {
    let (root, folder) = case_with(&[("1-response.json", ""), ("2-response.json", "null\n")]);
    let run = golden(root.path(), &["--update"]);
    assert_eq!(run.status, Some(0), "{}", run.stdout);
    assert_eq!(
        run.stdout,
        "updated: one/case: 1-response.json\nupdated: one/case: 2-response.json\n1 passed, 0 failed\n"
    );
    assert_eq!(fs::read_to_string(folder.join("1-response.json")).unwrap(), QUESTION);
    assert_eq!(fs::read_to_string(folder.join("2-response.json")).unwrap(), YES);
    assert_passes(&golden(root.path(), &[]));
    assert_passes(&golden(root.path(), &["--update"]));
}

#[test]
fn update_does_not_take_another_status_for_right() {
    let (root, _) = case_with(&[("status", "1\n"), ("2-response.json", "null\n")]);
    assert_fails(
        &golden(root.path(), &["--update"]),
        &["updated: one/case: 2-response.json", "step 1: expected exit status 1, got 0"],
    );
}

#[test]
fn the_report_for_ci_is_well_formed_xml() {
    let (root, _) = case_with(&[("1-response.json", "\"<&>\u{1b}\"\n")]);
    let report = root.path().join("report.xml");
    let cases = root.path().join("one");
    assert_fails(&golden(&cases, &["--junit", report.to_str().unwrap()]), &[]);
    let read = "import sys, xml.etree.ElementTree as tree\n\
                root = tree.parse(sys.argv[1]).getroot()\n\
                case = root.find('testsuite/testcase')\n\
                print(root.attrib['tests'], root.attrib['failures'], case.attrib['name'], case.find('failure').attrib['message'])";
    let output = Command::new("python3").args(["-c", read]).arg(&report).output();
    let run =
        Run::from(output.unwrap_or_else(|error| panic!("this test needs python3 to read XML: {error}")));
    assert_eq!(run.stdout, "1 1 case step 1: the response differs\n", "{}", run.stderr);
    let run = golden(&cases, &["--junit", "/nowhere/report.xml"]);
    assert_eq!(run.status, Some(2), "{}", run.stderr);
}

#[test]
fn a_configuration_above_the_case_is_taken_unless_it_has_its_own() {
    let (root, folder) = case_with(&[]);
    fs::rename(folder.join("config.ini"), root.path().join("config.ini")).unwrap();
    assert_passes(&golden(root.path(), &[]));
    fs::write(root.path().join("one/config.ini"), "[mfa]\n[mfa]\n").unwrap();
    assert_fails(&golden(root.path(), &[]), &["expected exit status 0, got 2"]);
}

#[test]
fn a_case_keeps_its_state_to_itself_and_leaves_none() {
    let temporary = tempfile::tempdir().unwrap();
    let state = temporary.path().join("the state of the real plugin");
    let config = format!(
        "[state]\ndirectory={}\n[authentication_cache]\nreuse_limit=-1\n[mfa]\nprovider=http\n[http]\nserver_url={{server}}\n",
        state.display()
    );
    let (root, _) = case_with(&[("config.ini", &config)]);
    let command = |variable: &str, value: &Path| {
        Command::new(BINARY).arg("golden").arg(root.path()).env(variable, value).output().unwrap()
    };
    // Twice: what the first run remembered would be used by the second.
    assert_passes(&command("TMPDIR", temporary.path()).into());
    assert_passes(&command("TMPDIR", temporary.path()).into());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    let run = Run::from(command("TMPDIR", &state));
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("one/case: cannot make a directory in"), "{}", run.stderr);
}

#[test]
fn a_case_does_not_see_the_environment_of_whoever_runs_it() {
    let config = "[mfa]\nprovider=http\n[http]\nserver_url={server}\ntoken=${env:MFA_TOKEN}\n";
    let http = good_case()["http.json"]
        .replace("\"headers\": {", "\"headers\": {\"Authorization\": \"Bearer mine\", ");
    let play = |environment: &str| -> Run {
        let (root, _) =
            case_with(&[("config.ini", config), ("http.json", &http), ("environment", environment)]);
        let mut command = Command::new(BINARY);
        command.arg("golden").arg(root.path()).env("MFA_TOKEN", "mine").env("SPS_PLUGIN_CONFIG", "/nowhere");
        command.output().unwrap().into()
    };
    assert_fails(&play("OTHER=1"), &["step 2: expected exit status 0, got 2"]);
    assert_passes(&play("MFA_TOKEN=mine"));
}

#[test]
fn many_cases_are_counted() {
    let (root, folder) = case_with(&[]);
    for name in ["b", "c"] {
        let other = root.path().join(name);
        fs::create_dir(&other).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), other.join(entry.file_name())).unwrap();
        }
    }
    fs::write(root.path().join("b/2-response.json"), "null\n").unwrap();
    let run = golden(root.path(), &[]);
    assert_eq!(run.status, Some(1));
    assert!(run.stdout.starts_with("failed: b: step 2: ") && run.stdout.ends_with("\n2 passed, 1 failed\n"));
}

/// Returns the fenced blocks of a Markdown text, each with the word behind its fence.
fn blocks(markdown: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

#[test]
fn the_commands_of_the_documentation_do_what_it_says() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/golden.md")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let (mut output, mut compared) = (String::new(), 0);
    for (kind, text) in blocks(&page) {
        match kind.as_str() {
            "sh" => {
                let script = format!(
                    "set -eu\nsps_plugin='{BINARY}'\nsps() {{ \"$sps_plugin\" \"$@\"; }}\n{}",
                    text.replace("sps-plugin ", "sps ")
                );
                let run =
                    Run::from(Command::new("sh").args(["-c", &script]).current_dir(&place).output().unwrap());
                assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{text}");
                output = run.stdout;
            }
            "text" => {
                assert_eq!(output, text);
                compared += 1;
            }
            other => panic!("nobody runs a block of kind {other:?}"),
        }
    }
    assert_eq!(compared, 3);
}
