//! `sps-plugin credential`, typed at the real binary: what it says, what it refuses, what it hands out afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]
#![expect(clippy::arithmetic_side_effects, reason = "the numbers are a test's own, and small")]

mod commands;
mod imports;
mod leases;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};

use support::{Ended, Place};

const LOCAL: &str = "[credentials]\nprovider = local\n";

/// Somebody who administers the credentials of one store.
struct Desk {
    place: Place,
}

impl Desk {
    fn new() -> Self {
        Self { place: Place::new() }
    }

    /// Runs `sps-plugin credential` with words that are separated by blanks.
    fn run(&self, command: &str, stdin: &str) -> Ended {
        let words: Vec<&str> = std::iter::once("credential").chain(command.split(' ')).collect();
        self.place.run(&words, stdin)
    }

    /// Runs a command that works and says nothing on stderr; returns its stdout.
    fn ok(&self, command: &str, stdin: &str) -> String {
        let ended = self.run(command, stdin);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{command}: {ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    }

    fn json(&self, command: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{command} --json"), "")).unwrap()
    }

    /// Asserts that a command ends with one sentence and nothing on stdout.
    fn refused(&self, command: &str, stdin: &str, sentence: &str, status: i32) {
        let ended = self.run(command, stdin);
        assert_eq!(ended.stderr, format!("sps-plugin: error: {sentence}\n"), "{command}");
        assert_eq!((ended.status, ended.stdout.as_slice()), (Some(status), &b""[..]), "{command}");
    }

    fn set_password(&self, account: &str, asset: &str, password: &str) {
        self.ok(
            &format!("set --account {account} --asset {asset} --password-stdin"),
            &format!("{password}\n"),
        );
    }

    fn hook(&self, hook: &str, arguments: Value) -> Ended {
        self.place.hook(
            &json!({"hook": hook, "type": "credentialstore", "arguments": arguments, "configuration": LOCAL}),
        )
    }

    /// What a session gets for an account on an asset.
    fn passwords(&self, session: &str, account: &str, asset: &str) -> Value {
        let arguments = json!({"session_id": session, "server_username": account, "server_hostname": asset});
        self.hook("get_password_list", arguments).response()["passwords"].clone()
    }
}
