//! A panic anywhere is a closed response without a word of what was at hand.
//!
//! No invocation is known that makes the binary panic, so the library is run here with an edge that does.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use sps_plugin::clock::{Clock, UnixTime};
use sps_plugin::store::Environment;
use sps_plugin::terminal::NoTerminal;
use sps_plugin::{Edge, Outcome};

use crate::support::{Place, authenticate, credential_hook};
use crate::{assert_clean, mark};

/// Where to panic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Stdin,
    Clock,
    Environment,
    Nowhere,
}

struct World {
    at: At,
    stdin: io::Cursor<Vec<u8>>,
    state: OsString,
}

impl World {
    fn maybe(&self, here: At) {
        assert!(self.at != here, "{}", mark("panic"));
    }
}

impl Clock for World {
    fn now(&self) -> UnixTime {
        self.maybe(At::Clock);
        UnixTime::from_secs(1000)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl Environment for World {
    fn get(&self, name: &str) -> Option<OsString> {
        self.maybe(At::Environment);
        (name == "SCB_PLUGIN_STATE_DIRECTORY").then(|| self.state.clone())
    }
}

struct Stdin<'a>(&'a World, io::Cursor<Vec<u8>>);

impl Read for Stdin<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.maybe(At::Stdin);
        self.1.read(buffer)
    }
}

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(at: At, invocation: &Value) -> (Outcome, Vec<u8>) {
    let place = Place::new();
    let world = World {
        at,
        stdin: io::Cursor::new(invocation.to_string().into_bytes()),
        state: place.state().into(),
    };
    let log = Log::default();
    let outcome = sps_plugin::run(Edge {
        arguments: Vec::new(),
        stdin: &mut Stdin(&world, world.stdin.clone()),
        stderr: Box::new(log.clone()),
        environment: &world,
        clock: &world,
        terminal: &NoTerminal,
        executable_folder: &|| None,
    });
    let logged = log.0.borrow().clone();
    (outcome, logged)
}

fn hook() -> Value {
    let configuration = format!(
        "[mfa]\nprovider=none\n[authentication_cache]\nreuse_limit=1\n[http]\ntoken={}\n",
        mark("token")
    );
    authenticate(&configuration, json!({"key_value_pairs": {"otp": mark("otp")}}))
}

#[test]
fn the_edge_of_this_test_works() {
    let (outcome, _) = run(At::Nowhere, &hook());
    let response: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((response["verdict"].as_str(), outcome.status), (Some("ACCEPT"), 0));
}

#[test]
fn a_panic_in_a_hook_is_its_closed_response_with_status_1() {
    for at in [At::Clock, At::Environment] {
        let (outcome, log) = run(at, &hook());
        let response: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        assert_eq!(response["verdict"], "DENY");
        assert_eq!((response["reason"].as_str(), outcome.status), (Some("Internal plugin error"), 1));
        assert_clean("stdout", &outcome.stdout);
        assert_clean("the log", &log);
    }
    let store = "[credentials]\nprovider=appliance\nstore=local\n";
    let (outcome, log) = run(At::Environment, &credential_hook("get_password_list", store, json!({})));
    let response: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((response["passwords"].clone(), outcome.status), (json!([]), 1));
    assert_clean("the log", &log);
}

#[test]
fn a_panic_before_the_hook_is_known_is_a_denial_with_status_1() {
    let (outcome, log) = run(At::Stdin, &hook());
    let response: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((response["verdict"].as_str(), outcome.status), (Some("DENY"), 1));
    assert!(outcome.stdout.ends_with(b"\n"));
    assert_clean("the log", &log);
}

#[test]
fn the_panic_hook_of_the_binary_tells_the_place_and_not_the_message() {
    let main = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/main.rs")).unwrap();
    assert!(main.contains("set_hook") && main.contains(".location()"), "main.rs sets no hook");
    assert!(!main.contains("payload") && !main.contains("{panic"), "main.rs shows the message");
}
