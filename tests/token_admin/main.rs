//! `sps-plugin token`, typed at the real binary: what it says, what it refuses, what it leaves on the disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

mod changes;
mod enrolment;
mod files;
mod import;
mod keys;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod transfer;

use serde_json::{Value, json};

use support::{Ended, Place, authenticate};

/// The secret of RFC 4226 appendix D, whose codes begin with 755224, 287082, 359152.
const SECRET: &str = "3132333435363738393031323334353637383930";
/// The same in base32.
const SECRET_BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// Somebody who administers the tokens of one store.
struct Desk {
    place: Place,
}

impl Desk {
    fn new() -> Self {
        Self { place: Place::new() }
    }

    /// Runs `sps-plugin token` with words that are separated by blanks.
    fn run(&self, command: &str, stdin: &str) -> Ended {
        let words: Vec<&str> = std::iter::once("token").chain(command.split(' ')).collect();
        self.place.run(&words, stdin)
    }

    /// Runs a command that works and says nothing on stderr; returns its stdout.
    fn ok_with(&self, command: &str, stdin: &str) -> String {
        let ended = self.run(command, stdin);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{command}: {ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    }

    fn ok(&self, command: &str) -> String {
        self.ok_with(command, "")
    }

    fn json(&self, command: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{command} --json"))).unwrap()
    }

    /// Asserts that a command is refused with one sentence, status 2 and an empty stdout.
    fn refused_with(&self, command: &str, stdin: &str, sentence: &str) {
        self.failed(command, stdin, sentence, 2);
    }

    fn refused(&self, command: &str, sentence: &str) {
        self.refused_with(command, "", sentence);
    }

    fn failed(&self, command: &str, stdin: &str, sentence: &str, status: i32) {
        let ended = self.run(command, stdin);
        assert_eq!(ended.stderr, format!("sps-plugin: error: {sentence}\n"), "{command}");
        assert_eq!((ended.status, ended.stdout.as_slice()), (Some(status), &b""[..]), "{command}");
    }

    /// Enrols RFC 4226's token.
    fn enrol_hotp(&self, serial: &str, user: &str) {
        self.ok(&format!("enroll --type hotp --user {user} --serial {serial} --secret-hex {SECRET}"));
    }

    /// The verdict of a login with a password.
    fn login(&self, user: &str, password: &str) -> String {
        let more = json!({"gateway_user": user, "key_value_pairs": {"otp": password}});
        self.place.hook(&authenticate("[mfa]\nprovider=local\n", more)).verdict()
    }

    fn serials(&self) -> Vec<String> {
        let tokens = self.json("list");
        let serial = |token: &Value| token["serial"].as_str().unwrap().to_owned();
        tokens.as_array().unwrap().iter().map(serial).collect()
    }

    /// Every file of the state directory with its bytes.
    fn files(&self) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let mut files: Vec<_> =
            self.place.files().into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        files.sort();
        files
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_in_one_sentence() {
    let desk = Desk::new();
    for (command, sentence) in [
        ("frobnicate", "unrecognized subcommand 'frobnicate'; see --help"),
        (
            "enroll",
            "the following required arguments were not provided: --type <TYPE> --user <USER>; see --help",
        ),
        ("show", "the following required arguments were not provided: <SERIAL>; see --help"),
        ("list --frobnicate", "unexpected argument '--frobnicate' found; see --help"),
        (
            "enroll --type hotp --user alice --secret-hex 00 --secret-base32 AA",
            "the argument '--secret-hex <HEX>' cannot be used with '--secret-base32 <BASE32>'; see --help",
        ),
        (
            "enroll --type sms --user alice",
            "invalid value 'sms' for '--type <TYPE>': expected one of hotp, totp, pw, spass, registration, paper, \
             forward, 4eyes; see --help",
        ),
        ("resync H1 123456", "2 values required for '[CODE1] [CODE2]...' but 1 was provided; see --help"),
        (
            "list --clock soon",
            "invalid value 'soon' for '--clock <TIME>': expected a time such as 2026-01-31T12:00:00Z or Unix seconds such as 1769860800; see --help",
        ),
    ] {
        desk.refused(command, sentence);
    }
    let without = desk.place.run(&["token"], "");
    assert_eq!(without.stderr, "sps-plugin: error: the command is missing; see --help\n");
    assert_eq!((without.status, without.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(!desk.place.state().exists(), "nothing of this opens the store");
}

#[test]
fn help_says_what_there_is() {
    let help = Desk::new().ok("--help");
    for command in [
        "enroll", "list", "show", "set-pin", "enable", "disable", "unlock", "resync", "assign", "delete",
        "import", "export", "rekey", "--json", "--config",
    ] {
        assert!(help.contains(command), "{command}: {help}");
    }
}

#[test]
fn configuration_and_state_are_found_as_the_hooks_find_them() {
    let desk = Desk::new();
    let state = desk.place.path("elsewhere");
    let config = desk.place.file(
        "plugin.ini",
        format!("[state]\ndirectory={}\n[local]\nrealm=corp\nrealms=typo\n", state.display()),
    );
    let enrol =
        format!("enroll --type spass --user alice --pin 1234 --serial S1 --config {}", config.display());
    let ended = desk.run(&enrol, "");
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(0), &b"S1\n"[..]), "{ended:?}");
    assert!(ended.stderr.starts_with("sps-plugin: warning: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("realms is unknown"), "{}", ended.stderr);
    assert!(state.join("state.sqlite3").exists() && !desk.place.state().exists());
    let mut command = desk.place.command(support::PROGRAM);
    command.args(["token", "show", "S1", "--json"]).env("SPS_PLUGIN_CONFIG", &config);
    let shown: Value = serde_json::from_slice(&support::run(command, "").stdout).unwrap();
    assert_eq!(shown["realm"], "corp");
    desk.refused(
        &format!("list --config {}", desk.place.path("nowhere").display()),
        &format!(
            "cannot read the configuration file {}: No such file or directory (os error 2)",
            desk.place.path("nowhere").display()
        ),
    );
    let broken = desk.place.file("broken.ini", "[state\n");
    let ended = desk.run(&format!("list --config {}", broken.display()), "");
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]), "{ended:?}");
    ended.assert_logged(&["broken.ini", "line 1"]);
}

#[test]
fn an_empty_store_lists_nothing() {
    let desk = Desk::new();
    assert_eq!(desk.ok("list"), "SERIAL  TYPE  USER  REALM  STATE  DESCRIPTION\n");
    assert_eq!(desk.ok("list --json"), "[]\n");
}

#[test]
fn a_list_is_a_table_or_json_with_one_token_a_line() {
    let desk = Desk::new();
    desk.ok("enroll --type spass --user bob --realm realm2 --serial B --pin 1234 --description Bob's");
    desk.ok("enroll --type spass --user alice --realm realm1 --serial A1 --pin 1234");
    desk.ok(
        "enroll --type spass --user alice@realm2 --serial A2 --pin 1234 --valid-until 2026-01-01T00:00:00Z",
    );
    desk.ok("disable A1");
    let clock = "--clock 2026-02-01T00:00:00Z";
    let listed = desk.run(&format!("list {clock}"), "");
    assert_eq!(
        String::from_utf8(listed.stdout).unwrap(),
        "SERIAL  TYPE   USER   REALM   STATE      DESCRIPTION\n\
         A1      spass  alice  realm1  disabled\n\
         A2      spass  alice  realm2  not valid\n\
         B       spass  bob    realm2  usable     Bob's\n"
    );
    assert_eq!(desk.ok("list --json").lines().count(), 5);
    for (filter, serials) in [
        ("", vec!["A1", "A2", "B"]),
        (" --user alice", vec!["A1", "A2"]),
        (" --realm realm2", vec!["A2", "B"]),
        (" --user alice --realm realm2", vec!["A2"]),
        (" --user alice@realm1", vec!["A1"]),
        (" --user nobody", vec![]),
    ] {
        let listed = desk.json(&format!("list{filter}"));
        let found: Vec<&str> =
            listed.as_array().unwrap().iter().map(|token| token["serial"].as_str().unwrap()).collect();
        assert_eq!(found, serials, "{filter}");
    }
}

#[test]
fn no_secret_and_no_pin_is_listed_shown_or_logged() {
    let desk = Desk::new();
    let (pin, password) = ("gEhEim-PIN", "gEhEim-Password");
    desk.enrol_hotp("H1", "alice");
    desk.ok("enroll --type totp --user alice --serial T1 --secret-base32 GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    desk.ok_with(
        "enroll --type pw --user alice --serial P1 --password-stdin --pin-stdin",
        "gEhEim-Password\ngEhEim-PIN\n",
    );
    desk.ok_with("enroll --type spass --user alice --serial S1 --pin-stdin", "gEhEim-PIN\n");
    let code = desk.json("enroll --type registration --user alice --serial R1")["code"].clone();
    let paper = desk.json("enroll --type paper --user alice --serial L1")["codes"][0].clone();
    let secrets = [
        SECRET,
        SECRET_BASE32,
        pin,
        password,
        code.as_str().unwrap(),
        paper.as_str().unwrap(),
        "1234567890123456",
    ];
    let mut said = Vec::new();
    for command in ["list", "list --json", "export", "disable H1", "set-pin P1 --pin gEhEim-PIN", "import -"]
    {
        let ended = desk.run(command, &format!("serial,secret\nX,{SECRET}{SECRET_BASE32}\n"));
        said.push(String::from_utf8(ended.stdout).unwrap() + &ended.stderr);
    }
    for serial in desk.serials() {
        said.push(desk.ok(&format!("show {serial}")));
        said.push(desk.ok(&format!("show {serial} --json")));
    }
    for bad in [
        "enroll --type hotp --user a --secret-base32 gEhEim-PIN1",
        "enroll --type hotp --user a --secret-hex gEhEim-PIN1",
        "enroll --type spass --user a --pin gEhEim-PIN --period 30",
    ] {
        let ended = desk.run(bad, "");
        assert_eq!(ended.status, Some(2), "{bad}: {ended:?}");
        said.push(ended.stderr);
    }
    for (path, bytes) in desk.files() {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {}", path.display());
        }
    }
    for text in said {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}
