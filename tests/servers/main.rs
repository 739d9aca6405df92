//! Servers that are away or come back, and what local tokens leave to a server: who is asked, when, and what it costs whom.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

mod busy;
mod failover;
mod forward;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};

use support::service::{Service, reply};
use support::{Ended, Place, authenticate};

const UNREACHABLE: &str = "Backend service unreachable";

/// Somebody who logs in with one configuration and one state.
struct Site {
    place: Place,
    configuration: String,
}

impl Site {
    /// An outage takes a minute here, and not two as it does by default.
    fn new(configuration: &str) -> Self {
        let option = "outage_after=60\n";
        let is_there = configuration.contains(option);
        let shorter = configuration.replace("[mfa]\n", &format!("[mfa]\n{option}"));
        Self { place: Place::new(), configuration: if is_there { configuration.to_owned() } else { shorter } }
    }

    /// Runs `sps-plugin token` with words that are separated by blanks.
    fn token(&self, command: &str) -> String {
        let words: Vec<&str> = std::iter::once("token").chain(command.split(' ')).collect();
        let ended = self.place.run(&words, "");
        assert_eq!(ended.status, Some(0), "{command}: {ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    }

    /// Returns the counters of a token: of its uses or codes, and of its failures.
    fn counters(&self, serial: &str) -> (u64, u64) {
        let shown: Value = serde_json::from_str(&self.token(&format!("show {serial} --json"))).unwrap();
        (shown["counter"].as_u64().unwrap(), shown["fail_counter"].as_u64().unwrap())
    }

    fn say(&self, user: &str, otp: &str) -> Ended {
        self.go_on(user, otp, &json!({}), "1000")
    }

    fn say_at(&self, clock: &str, otp: &str) -> Ended {
        self.go_on("alice", otp, &json!({}), clock)
    }

    fn go_on(&self, user: &str, otp: &str, cookie: &Value, clock: &str) -> Ended {
        let more = json!({"gateway_user": user, "key_value_pairs": {"otp": otp}, "cookie": cookie});
        self.place.run(&["--clock", clock], authenticate(&self.configuration, more).to_string())
    }
}

fn by(ended: &Ended) -> String {
    let metadata = ended.response()["additional_metadata"].as_str().unwrap_or("{}").to_owned();
    serde_json::from_str::<Value>(&metadata).unwrap()["by"].as_str().unwrap_or_default().to_owned()
}

/// A server of the family that takes one code, whoever is asked about; a PIN alone and nothing are a challenge.
fn family(code: &'static str) -> Service {
    Service::plain(move |connection| {
        while let Some(request) = connection.request() {
            let pass = request.json()["pass"].as_str().unwrap_or_default().to_owned();
            let (value, authentication) = match pass.as_str() {
                "" => (false, "CHALLENGE"),
                pass => (pass == code, if pass == code { "ACCEPT" } else { "REJECT" }),
            };
            let answer = json!({
                "result": {"status": true, "value": value, "authentication": authentication},
                "detail": {"message": "your code?", "serial": "THERE1", "type": "hotp", "transaction_id": "0123"},
            });
            connection.send(reply(200, "application/json", answer.to_string()));
        }
    })
}

/// A service of the `http` provider that takes one code.
fn service(code: &'static str) -> Service {
    Service::plain(move |connection| {
        while let Some(request) = connection.request() {
            let result = if request.json()["otp"] == code { "ACCEPT" } else { "DENY" };
            connection.send(reply(200, "application/json", json!({"result": result}).to_string()));
        }
    })
}

/// Counts the requests that contain a code.
fn codes(service: &Service) -> usize {
    service.requests().iter().filter(|request| request.line.starts_with("POST")).count()
}

/// A service that takes a request and ends the connection without an answer.
fn hangs_up() -> Service {
    Service::plain(|connection| drop(connection.request()))
}
