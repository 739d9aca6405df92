//! Where the configuration comes from.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Ended, PROGRAM, Place, run, skipped};

/// A configuration whose prompt tells it from others.
fn prompting(word: &str) -> String {
    format!("[mfa]\nprovider=none\n[auth]\nprompt={word}\n")
}

fn invocation(configuration: Option<&str>) -> String {
    let arguments = json!({"session_id": "s", "protocol": "ssh", "gateway_user": "alice"});
    match configuration {
        None => json!({"hook": "authenticate", "arguments": arguments}),
        Some(text) => json!({"hook": "authenticate", "arguments": arguments, "configuration": text}),
    }
    .to_string()
}

fn prompt(ended: &Ended) -> Value {
    ended.response()["question"][1].clone()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Copies the binary into a folder of its own.
fn copied(place: &Place) -> std::path::PathBuf {
    let folder = place.path("plugin folder");
    fs::create_dir(&folder).unwrap();
    let copy = folder.join("main");
    // Not by this process: a child forked meanwhile by another test would hold the copy open for writing, and
    // then nobody can run it.
    assert!(Command::new("cp").args([Path::new(PROGRAM), &copy]).status().unwrap().success());
    copy
}

#[test]
fn without_a_configuration_anywhere_it_is_status_2_and_says_where_to_put_one() {
    let place = Place::new();
    let ended = run(place.command(copied(&place)), invocation(None));
    ended.assert_denied("Plugin configuration error", 2);
    ended.assert_logged(&["error", "no configuration", "--config FILE", "SPS_PLUGIN_CONFIG", "plugin.ini"]);
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_executables_folder() {
    let place = Place::new();
    let copy = copied(&place);
    fs::write(copy.with_file_name("plugin.ini"), prompting("beside")).unwrap();
    let named = place.file("named.ini", prompting("named"));
    let from_environment = place.file("environment.ini", prompting("environment"));

    let beside = run(place.command(&copy), invocation(None));
    assert_eq!(prompt(&beside), "beside ");
    let mut command = place.command(&copy);
    command.env("SPS_PLUGIN_CONFIG", "");
    assert_eq!(prompt(&run(command, invocation(None))), "beside ", "an empty variable is none");
    let mut command = place.command(&copy);
    command.env("SPS_PLUGIN_CONFIG", &from_environment);
    assert_eq!(prompt(&run(command, invocation(None))), "environment ");
    let mut command = place.command(&copy);
    command.env("SPS_PLUGIN_CONFIG", &from_environment).args(["--config", text(&named)]);
    assert_eq!(prompt(&run(command, invocation(None))), "named ");
}

#[test]
fn a_link_to_the_executable_finds_the_configuration_beside_the_executable_itself() {
    let place = Place::new();
    let copy = copied(&place);
    fs::write(copy.with_file_name("plugin.ini"), prompting("beside")).unwrap();
    let link = place.path("link");
    std::os::unix::fs::symlink(&copy, &link).unwrap();
    assert_eq!(prompt(&run(place.command(&link), invocation(None))), "beside ");
}

#[test]
fn the_text_is_laid_over_the_file_option_by_option() {
    let place = Place::new();
    let file = place.file("c.ini", format!("{}disable_echo=yes\n", prompting("file")));
    let over = place.run(&["--config", text(&file)], invocation(Some("[auth]\nprompt=text\n")));
    assert_eq!(over.response()["question"], json!(["otp", "text ", true]));
    let under = place.run(&["--config", text(&file)], invocation(Some("")));
    assert_eq!(under.response()["question"], json!(["otp", "file ", true]));
}

#[test]
fn a_named_file_may_be_missing_only_where_there_is_a_text() {
    let place = Place::new();
    let missing = place.path("missing.ini");
    let with = place.run(&["--config", text(&missing)], invocation(Some(&prompting("text"))));
    assert_eq!(prompt(&with), "text ");
    let without = place.run(&["--config", text(&missing)], invocation(None));
    without.assert_denied("Plugin configuration error", 2);
    without.assert_logged(&["error", "cannot read the configuration file", "missing.ini"]);
    let mut command = place.command(PROGRAM);
    command.env("SPS_PLUGIN_CONFIG", &missing);
    run(command, invocation(None)).assert_denied("Plugin configuration error", 2);
}

#[test]
fn a_file_that_cannot_be_used_is_status_2_even_where_a_text_would_do() {
    let place = Place::new();
    fs::create_dir(place.path("folder.ini")).unwrap();
    place.file("latin1.ini", b"[auth]\nprompt=gr\xfc\xdfe\n");
    place.file("long.ini", format!("[auth]\n{}", "# comment\n".repeat(120_000)));
    place.file("broken.ini", "[auth]\nprompt=a\nprompt=b\n");
    std::os::unix::fs::symlink("loop.ini", place.path("loop.ini")).unwrap();
    for (file, piece) in [
        ("folder.ini", "cannot read the configuration file"),
        ("loop.ini", "cannot read the configuration file"),
        ("latin1.ini", "not UTF-8"),
        ("long.ini", "longer than 1 MiB"),
        ("broken.ini", "line 3"),
    ] {
        let path = place.path(file);
        for given in [None, Some(prompting("text"))] {
            let ended = place.run(&["--config", text(&path)], invocation(given.as_deref()));
            ended.assert_denied("Plugin configuration error", 2);
            ended.assert_logged(&["error", file, piece]);
        }
    }
}

#[test]
fn a_file_from_windows_is_read() {
    let place = Place::new();
    let windows = prompting("windows").replace('\n', "\r\n");
    let file = place.file("c.ini", format!("\u{feff}{windows}"));
    let ended = place.run(&["--config", text(&file)], invocation(None));
    assert_eq!(prompt(&ended), "windows ");
}

#[test]
fn an_option_that_nobody_knows_is_a_warning_with_the_nearest_name() {
    let ended = Place::new().run(&[], invocation(Some(&format!("{}promt=x\n[auht]\n", prompting("a")))));
    assert_eq!(prompt(&ended), "a ");
    ended.assert_logged(&["warning", "[auth] promt is unknown; is prompt meant?"]);
    ended.assert_logged(&["warning", "[auht] is unknown; is [auth] meant?"]);
}

#[test]
fn an_error_names_file_line_section_and_option_and_no_value() {
    let place = Place::new();
    let file = place.file("c.ini", "[mfa]\nprovider=none\n\n[auth]\ndisable_echo = geheim\n");
    let ended = place.run(&["--config", text(&file)], invocation(None));
    ended.assert_denied("Plugin configuration error", 2);
    ended.assert_logged(&["error", "c.ini", "line 5", "[auth] disable_echo", "expected one of yes, no"]);
    assert!(!ended.stderr.contains("geheim"), "{}", ended.stderr);
}

#[test]
fn a_reference_to_environment_or_file_is_followed_and_a_file_for_all_to_read_is_refused() {
    let place = Place::new();
    let secret = place.file("secret", "from file\n");
    let by = |value: &str| {
        let configuration = prompting(value);
        let mut command = place.command(PROGRAM);
        command.env("WORD", OsStr::new("from environment"));
        run(command, invocation(Some(&configuration)))
    };
    assert_eq!(prompt(&by("${env:WORD}")), "from environment ");
    assert_eq!(prompt(&by(&format!("${{file:{}}}", text(&secret)))), "from file ");
    assert_eq!(prompt(&by("$$")), "$ ");

    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (value, piece) in [
        (format!("${{file:{}}}", text(&secret)), "chmod 600"),
        (format!("${{file:{}}}", text(&place.path("missing"))), "missing"),
        ("${env:NO_SUCH_VARIABLE}".to_owned(), "NO_SUCH_VARIABLE"),
        ("$".to_owned(), "[credential_store] name"),
    ] {
        let ended = by(&value);
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&["error", "[auth] prompt", piece]);
    }
}

#[test]
fn interpolation_is_bounded() {
    let mut bomb = String::from("[auth]\nprompt=%(a9)s\na0=0123456789\n");
    for level in 1..10 {
        let inner = format!("%(a{})s", level - 1).repeat(20);
        bomb.push_str(&format!("a{level}={inner}\n"));
    }
    let ended = Place::new().run(&[], invocation(Some(&format!("{bomb}[mfa]\nprovider=none\n"))));
    ended.assert_denied("Plugin configuration error", 2);
    ended.assert_logged(&["error", "becomes too large"]);
}

#[test]
fn a_pipe_that_nobody_writes_to_is_no_configuration_and_not_waited_for_without_end() {
    let place = Place::new();
    let pipe = place.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let ended = place.run(&["--config", text(&pipe)], invocation(None));
            ended.assert_denied("Plugin configuration error", 2);
            ended.assert_logged(&["cannot read the configuration file", "nobody writes to this pipe"]);
        });
        for command in ["check-config", "doctor"] {
            let (place, pipe) = (&place, &pipe);
            scope.spawn(move || {
                let ended = place.run(&[command, "--config", text(pipe)], "");
                assert_eq!(ended.status, Some(1), "{ended:?}");
            });
        }
    });
}

#[test]
fn a_configuration_comes_out_of_a_pipe_whoever_is_there_first() {
    const WAIT: std::time::Duration = std::time::Duration::from_millis(200);
    let place = Place::new();
    let whole = prompting("piped");
    let (first, second) = whole.split_at(20);
    // A reader that is there first has to wait for the writer, and the other way round; both for what is still to come.
    for writer_waits in [WAIT, std::time::Duration::ZERO] {
        let pipe = place.path(if writer_waits.is_zero() { "early" } else { "late" });
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(writer_waits);
                let mut writer = fs::File::options().write(true).open(&pipe).unwrap();
                std::thread::sleep(WAIT);
                writer.write_all(first.as_bytes()).unwrap();
                std::thread::sleep(WAIT);
                writer.write_all(second.as_bytes()).unwrap();
            });
            std::thread::sleep(WAIT.saturating_sub(writer_waits));
            let ended = place.run(&["--config", text(&pipe)], invocation(None));
            assert_eq!(prompt(&ended), "piped ", "{ended:?}");
        });
    }
    let named = place.file("named.ini", &whole);
    let mut command = place.command("/bin/bash");
    command.args(["-c", "\"$0\" --config <(/bin/sleep 0.2; /bin/cat \"$1\")", PROGRAM, text(&named)]);
    assert_eq!(prompt(&run(command, invocation(None))), "piped ");
    let unknown = format!("{whole}[nobody]\nknows=this\n");
    let checked = place.run(&["check-config", "--config", "/dev/stdin"], unknown);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(told.contains("nobody") && !told.contains("cannot read"), "{told}");
}

#[test]
fn a_configuration_file_that_others_may_change_is_refused_by_hooks_and_named_by_the_commands() {
    let place = Place::new();
    let file = place.file("c.ini", prompting("mine"));
    let refused = |pieces: &[&str]| {
        for ended in [
            place.run(&["--config", text(&file)], invocation(None)),
            place.hook_with(
                &[("SPS_PLUGIN_CONFIG", file.as_os_str())],
                &serde_json::from_str(&invocation(Some("[auth]\n"))).unwrap(),
            ),
        ] {
            ended.assert_denied("Plugin configuration error", 2);
            ended.assert_logged(&[&["cannot read the configuration file", text(&file)], pieces].concat());
        }
        for command in ["check-config", "doctor"] {
            let ended = place.run(&[command, "--config", text(&file)], "");
            assert_eq!(ended.status, Some(1), "{ended:?}");
            let told = String::from_utf8(ended.stdout).unwrap();
            assert!(pieces.iter().all(|piece| told.contains(piece)), "{told}");
        }
    };
    for mode in [0o666, 0o660, 0o602] {
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        refused(&[&format!("is writable by others (mode 0{mode:o}); chmod go-w it")]);
    }
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(prompt(&place.run(&["--config", text(&file)], invocation(None))), "mine ");
    if !rustix::process::geteuid().is_root() {
        return skipped("a configuration of another user's (only root can give one away)");
    }
    std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
    refused(&["belongs to another user (uid 65534); chown it to uid 0"]);
}
