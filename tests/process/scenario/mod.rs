//! `scenario`: a whole session with its questions, what is told of it, and how it ends.

mod dialogue;
mod ending;
mod hooks;
mod secrecy;

use serde_json::Value;

use crate::support::{Ended, Place};

/// The key under which the state of these tests is sealed.
const KEY: &str = "[state]\nkey = 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
/// The secret of RFC 4226 appendix D, whose first codes are these.
const SECRET: &str = "3132333435363738393031323334353637383930";
const CODES: [&str; 3] = ["755224", "287082", "359152"];

/// A local token for alice and one for bob, who may approve.
const LOCAL: &str = "[mfa]\nprovider = local\n[local]\nrealm = realm1\n";
/// Lets alice in by a list, and hands out what the appliance keeps.
const LISTED: &str = "
[whitelist source=user_list]
name = vip
[user_list vip]
allow = no_user
except = alice
[credentials]
provider = appliance
store = local
";
/// Credentials for alice on the default server.
const APPLIANCE: &str = r#"{"credential_stores": {"local": [{"host": "192.0.2.22", "user": "alice", "credentials":
    ["appliance-pw", {"type": "ssh-ed25519", "key": "appliance-key"}]}]}}"#;

/// A place with a configuration, in which scenarios are played.
struct Stage {
    place: Place,
}

impl Stage {
    fn new(configuration: &str) -> Self {
        let stage = Self { place: Place::new() };
        stage.file("c.ini", &format!("{configuration}{KEY}"));
        stage
    }

    /// Makes alice's and bob's tokens.
    fn with_tokens(configuration: &str) -> Self {
        let stage = Self::new(configuration);
        for (user, serial, pin) in
            [("alice@realm1", "ALICE1", "alicepin"), ("bob@managers", "BOB1", "bobpin")]
        {
            let words =
                ["token", "enroll", "--type", "hotp", "--user", user, "--serial", serial, "--pin", pin];
            stage.ok(&[&words[..], &["--secret-hex", SECRET]].concat(), "");
        }
        stage
    }

    fn file(&self, name: &str, content: &str) -> String {
        self.place.file(name, content).to_str().unwrap().to_owned()
    }

    fn config(&self) -> String {
        self.place.path("c.ini").to_str().unwrap().to_owned()
    }

    /// Runs another command with the configuration.
    fn ok(&self, words: &[&str], stdin: &str) -> Ended {
        let config = self.config();
        let ended = self.place.run(&[words, &["--config", &config]].concat(), stdin);
        assert_eq!(ended.status, Some(0), "{words:?}: {ended:?}");
        ended
    }

    /// Makes an entry for alice that one session holds at once.
    fn set_exclusive(&self) {
        let words = "credential set --account alice --asset 192.0.2.22 --password-stdin --checkout exclusive";
        self.ok(&words.split(' ').collect::<Vec<_>>(), "pa55word\n");
    }

    /// Asserts that no session holds the entry.
    fn assert_nothing_is_held(&self) {
        let listed = self.ok(&["credential", "list", "--json"], "");
        let entries: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(
            (&entries[0]["account"], &entries[0]["held_by"]),
            (&"alice".into(), &Value::Null),
            "{entries}"
        );
    }

    /// Plays a session; each line of `answers` is one.
    fn play(&self, words: &str, answers: &str) -> Played {
        let config = self.config();
        let mut all = vec!["scenario", "--config", &config, "--session-id", "s1"];
        all.extend(words.split_whitespace());
        Played(self.place.run(&all, answers))
    }
}

/// A session that was played.
#[derive(Debug)]
struct Played(Ended);

impl Played {
    fn stdout(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).unwrap()
    }

    /// The story without its first line, which says who goes where.
    fn story(&self) -> Vec<&str> {
        self.stdout().lines().skip(1).collect()
    }

    fn status(&self) -> Option<i32> {
        self.0.status
    }

    /// The invocations and responses of `--json`.
    fn lines(&self) -> Vec<(Value, Value)> {
        let values: Vec<Value> =
            self.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(values.len() % 2, 0, "{self:?}");
        values.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    }

    /// The names of the hooks, those of `session_ended` with their plugin.
    fn hooks(&self) -> Vec<String> {
        let name = |invocation: &Value| match invocation["hook"].as_str().unwrap() {
            "session_ended" => format!("session_ended {}", invocation["type"].as_str().unwrap()),
            name => name.to_owned(),
        };
        self.lines().iter().map(|(invocation, _)| name(invocation)).collect()
    }

    /// The arguments of the first call of a hook.
    fn arguments(&self, hook: &str) -> Value {
        let lines = self.lines();
        let found = lines.iter().find(|(invocation, _)| invocation["hook"] == hook);
        found.unwrap_or_else(|| panic!("no {hook}: {self:?}")).0["arguments"].clone()
    }
}
