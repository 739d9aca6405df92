//! The `radius` provider against servers that answer well, badly, slowly or not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]
#![expect(clippy::arithmetic_side_effects, reason = "lengths of a few bytes do not overflow")]

mod challenge;
mod contract;
mod hostile;
mod servers;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};

use support::radius::{RadiusServer, SECRET};
use support::{Ended, Place, authenticate};

const FAILED: &str = "Authentication failed";
const UNREACHABLE: &str = "Backend service unreachable";
const COMMUNICATION_ERROR: &str = "Communication Error";
/// Time-outs of servers that never answer.
const SHORT: &str = "conn_timeout=0.2\nconn_retries=2\n";

/// Makes the configuration for servers; `more` may go on in `[radius]` and begin other sections.
fn asking(servers: &str, more: &str) -> String {
    format!("[mfa]\noutage_after=60\nprovider=radius\n[radius]\nserver={servers}\nsecret={SECRET}\n{more}")
}

/// One session at the gateway: its state, and the cookies as SPS hands them on.
struct Session {
    place: Place,
    configuration: String,
    cookie: Value,
    arguments: Value,
}

impl Session {
    fn new(servers: &str, more: &str) -> Self {
        Self {
            place: Place::new(),
            configuration: asking(servers, more),
            cookie: json!({}),
            arguments: json!({}),
        }
    }

    fn of(server: &RadiusServer, more: &str) -> Self {
        Self::new(&server.address.to_string(), more)
    }

    fn invocation(&self, pairs: &Value) -> Value {
        let mut arguments = self.arguments.clone();
        arguments["cookie"] = self.cookie.clone();
        arguments["key_value_pairs"] = pairs.clone();
        authenticate(&self.configuration, arguments)
    }

    /// Calls the hook with what the user typed.
    fn say(&mut self, pairs: Value) -> Ended {
        let ended = self.place.hook(&self.invocation(&pairs));
        self.cookie = ended.response()["cookie"].clone();
        ended
    }

    fn otp(&mut self, otp: &str) -> Ended {
        self.say(json!({"otp": otp}))
    }

    /// Answers a challenge.
    fn answer(&mut self, text: &str) -> Ended {
        self.say(json!({"radius_password": text}))
    }
}

fn metadata(ended: &Ended) -> Value {
    serde_json::from_str(ended.response()["additional_metadata"].as_str().unwrap()).unwrap()
}

fn assert_accepted(ended: &Ended, by: &str) {
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    assert_eq!(metadata(ended)["by"], by, "{ended:?}");
}

/// Asserts a denial with the sentence for the user and a piece of the reason for the operator.
fn assert_denied(ended: &Ended, shown: &str, piece: &str) {
    ended.assert_denied(shown, 0);
    let reason = metadata(ended)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(piece), "{piece:?} is not in {ended:?}");
}

fn assert_asked(ended: &Ended, question: Value) {
    assert_eq!(ended.verdict(), "NEEDINFO", "{ended:?}");
    assert_eq!(ended.response()["question"], question, "{ended:?}");
}
