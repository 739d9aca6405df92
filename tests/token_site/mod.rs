//! A state directory with tokens in it, what a session of theirs looks like, and what has become of them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use sps_plugin::clock::{Budget, Clock, UnixTime};
use sps_plugin::store::{Algorithm, KeySource, Places, Store};
use sps_plugin::token::oath::CodeMaker;

use crate::seed;
use crate::support::{PATIENCE, PROGRAM, Place, authenticate, run};

/// The secret of RFC 4226 appendix D, which every token here has.
const SECRET: &[u8] = b"12345678901234567890";
/// What it is always to the processes and to the store.
const NOW: i64 = 1_800_000_000;
/// Few options, as each of the many processes reads them anew.
const CONFIGURATION: &str = "[mfa]\nprovider=local\n";

struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(NOW)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// What changes of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) counter: u64,
    pub(crate) fail_counter: u32,
    pub(crate) used: Vec<u64>,
}

/// A place with tokens.
pub(crate) struct Site {
    pub(crate) place: Place,
}

impl Site {
    /// Makes the tokens; what a description leaves out is as in `examples/seed_tokens/seed.rs`.
    pub(crate) fn new(tokens: impl IntoIterator<Item = Value>) -> Self {
        let site = Self { place: Place::new() };
        let secret: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
        let with_secret = |mut token: Value| {
            if token["secret"].is_null() {
                token["secret"] = json!(secret);
            }
            serde_json::from_value(token).unwrap()
        };
        let seeds: Vec<seed::Seed> = tokens.into_iter().map(with_secret).collect();
        seed::add(&site.store(), &seeds).unwrap();
        site
    }

    pub(crate) fn store(&self) -> Store<'static> {
        Store::new(
            Places::at(&self.place.state()),
            || Ok(KeySource::File),
            &Frozen,
            Budget::new(&Frozen, PATIENCE),
        )
    }

    /// Makes the command, at the time at which everything happens here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.place.command(program);
        command.args(["--clock", &NOW.to_string()]);
        command
    }

    /// Answers one invocation with a process of its own, which has to do its work.
    pub(crate) fn hook(&self, invocation: &Value) -> Value {
        let ended = run(self.command(PROGRAM), invocation.to_string());
        assert_eq!(ended.status, Some(0), "{ended:?}");
        ended.response()
    }

    /// Returns what has become of every token, by serial.
    pub(crate) fn states(&self) -> BTreeMap<String, State> {
        let store = self.store();
        let tokens = store.tokens(None, None).unwrap();
        tokens
            .into_iter()
            .map(|token| {
                let used = store.used_codes(&token.serial).unwrap();
                (token.serial, State { counter: token.counter, fail_counter: token.fail_counter, used })
            })
            .collect()
    }

    /// Returns what has become of one token.
    pub(crate) fn state(&self, serial: &str) -> State {
        self.states().remove(serial).unwrap()
    }
}

/// The secret of an approver beside one who has [`SECRET`]: one secret in two tokens approves once.
const OTHER_SECRET: &[u8] = b"98765432109876543210";

/// Returns that secret as it is enrolled.
pub(crate) fn other_secret() -> String {
    OTHER_SECRET.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a code of it for a counter.
pub(crate) fn other_code(counter: u64) -> String {
    CodeMaker::new(Algorithm::Sha1, OTHER_SECRET, 6).unwrap().code(counter)
}

/// Returns the code for a counter or position.
pub(crate) fn code(counter: u64) -> String {
    CodeMaker::new(Algorithm::Sha1, SECRET, 6).unwrap().code(counter)
}

/// Returns the code of the time at which everything happens here, and its step.
pub(crate) fn code_of_now() -> (String, u64) {
    let step = u64::try_from(NOW / 30).unwrap();
    (code(step), step)
}

/// Returns the secret of a `registration` token with this code.
pub(crate) fn secret_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the first invocation of a session.
pub(crate) fn login(session: &str, user: &str, password: &str) -> Value {
    answer(session, user, &json!({}), password)
}

/// Makes the next invocation of a session, with the cookie that the last one left.
pub(crate) fn answer(session: &str, user: &str, cookie: &Value, password: &str) -> Value {
    let more = json!({"gateway_user": user, "session_id": session, "cookie": cookie,
        "key_value_pairs": {"otp": password}});
    authenticate(CONFIGURATION, more)
}

/// Returns a number from the environment of the test, else `default`.
pub(crate) fn number_from(variable: &str, default: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "this is where a test run says how long it may take")]
    let text = std::env::var(variable).unwrap_or_default();
    if text.is_empty() { default } else { text.parse().unwrap() }
}
