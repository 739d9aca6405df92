//! Every road in: what it takes, and that with one thing less, or another, it is a denial.
//!
//! A road is a constructor of `src/pipeline/evidence.rs`, the ACCEPT that a cookie remembers while questions are
//! open, or a connection policy that is left alone. Behind each road stands a factor that refuses everybody, so
//! that whoever leaves the road is denied.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

#[path = "roads_in/approvals.rs"]
mod approvals;
#[path = "roads_in/demands.rs"]
mod demands;
#[path = "roads_in/factors.rs"]
mod factors;
#[path = "roads_in/ldap.rs"]
mod ldap;
#[path = "roads_in/matrix.rs"]
mod matrix;
#[path = "roads_in/people.rs"]
mod people;
#[path = "roads_in/remembered.rs"]
mod remembered;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
#[path = "roads_in/table.rs"]
mod table;
#[path = "roads_in/ways.rs"]
mod ways;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use support::radius::RadiusServer;
use support::service::{Service, reply};
use support::{Ended, Place};
use table::{ROADS, Road};

/// What is given to the hook; a variation takes something away or alters it.
struct Given {
    place: Place,
    hook: &'static str,
    configuration: String,
    arguments: Value,
    appliance: Value,
    clock: &'static str,
    /// Knows one identity, one password and one token, and refuses everybody else; speaks every provider's language.
    service: Service,
    /// Stands there for roads that ask it.
    radius: Option<RadiusServer>,
    /// A directory, where one is asked.
    directory: Option<Service>,
}

/// All roads.
fn roads() -> impl Iterator<Item = &'static Road> {
    ROADS.iter().chain(&ldap::ROADS)
}

impl Given {
    fn new(configuration: &str) -> Self {
        let service = Service::plain(|connection| {
            while let Some(request) = connection.request() {
                connection.send(reply(200, "application/json", factors::answer(&request)));
            }
        });
        let arguments = json!({
            "cookie": {}, "session_cookie": {}, "session_id": "s1", "protocol": "ssh", "client_ip": "10.1.2.3",
            "connection_name": "legacy_db", "gateway_user": "alice", "key_value_pairs": {"otp": "000000"},
        });
        Self {
            configuration: configuration.replace("SERVICE", &service.address.to_string()),
            place: Place::new(),
            hook: "authenticate",
            arguments,
            appliance: json!({}),
            clock: "1000",
            service,
            radius: None,
            directory: None,
        }
    }

    fn ask(&self) -> Ended {
        let invocation = json!({"hook": self.hook, "type": "aa", "configuration": self.configuration,
            "arguments": self.arguments, "appliance": self.appliance});
        self.place.run(&["--clock", self.clock], invocation.to_string())
    }

    /// Runs `sps-plugin token` with words that are separated by blanks.
    fn token(&self, command: &str) {
        let words: Vec<&str> = std::iter::once("token").chain(command.split(' ')).collect();
        let ended = self.place.run(&words, "");
        assert_eq!(ended.status, Some(0), "{command}: {ended:?}");
    }

    /// Replaces a piece of the configuration, which has to be there.
    fn instead(&mut self, piece: &str, other: &str) {
        assert!(self.configuration.contains(piece), "{piece} is not in {}", self.configuration);
        self.configuration = self.configuration.replace(piece, other);
    }

    /// Puts a service in the place of the one that knows alice.
    fn replies(&mut self, status: u16, body: &'static str) {
        let service = Service::plain(move |connection| {
            connection.request();
            connection.send(reply(status, "application/json", body));
        });
        let address = self.service.address.to_string();
        self.instead(&address, &service.address.to_string());
        self.service = service;
    }

    fn argument(&mut self, name: &str, value: Value) {
        self.arguments[name] = value;
    }

    fn by(&self, ended: &Ended) -> String {
        let metadata = ended.response()["additional_metadata"].as_str().unwrap_or("{}").to_owned();
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        metadata["by"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn every_road_in_is_open_to_whoever_has_what_it_takes() {
    for road in roads() {
        let given = (road.given)();
        let ended = given.ask();
        let place = format!("{}: {}: {ended:?}", road.name, road.what_it_takes);
        assert_eq!((ended.verdict().as_str(), ended.status), (road.verdict, Some(0)), "{place}");
        assert_eq!(given.by(&ended), road.by, "{place}");
    }
}

#[test]
fn every_road_in_is_closed_to_whoever_lacks_one_thing() {
    for road in roads() {
        for (less, take) in road.with_one_thing_less {
            let mut given = (road.given)();
            take(&mut given);
            let ended = given.ask();
            assert_eq!(ended.verdict(), "DENY", "{} with {less}: {ended:?}", road.name);
            assert!(matches!(ended.status, Some(0..=2)), "{} with {less}: {ended:?}", road.name);
        }
    }
}

#[test]
fn a_question_that_is_not_answered_keeps_the_door_closed() {
    let remembered = roads().find(|road| road.name == "remembered in the cookie").unwrap();
    let mut given = (remembered.given)();
    given.argument("key_value_pairs", json!({"otp": "123456", "Ticket": "T1"}));
    assert_eq!(given.ask().verdict(), "NEEDINFO");
}

#[test]
fn roads_without_a_factor_are_logged_as_such() {
    for (name, piece) in [
        ("user_list", "is authenticated by user_list vip"),
        ("ldap_group", "is authenticated by ldap_server_group"),
        ("cache", "is authenticated by authentication_cache"),
        ("connection_error_ignored", "accepted without a second factor"),
        ("skip_connections", "no authentication by this plugin: [auth] skip_connections"),
    ] {
        let road = roads().find(|road| road.name == name).unwrap();
        (road.given)().ask().assert_logged(&["[s1]", piece]);
    }
}

fn source(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap()
}

#[test]
fn every_constructor_of_evidence_has_a_road_here_and_every_road_its_constructor() {
    let text = source("pipeline/evidence.rs");
    // A line that makes evidence: `fn name(…) -> Self`; what returns something else makes none.
    let constructors: BTreeSet<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("fn ") && (line.contains("-> Self") || line.contains("-> Evidence")))
        .filter_map(|line| line.split_once("fn ")?.1.split_once('('))
        .map(|(name, _)| name)
        .filter(|name| *name != "new")
        .collect();
    let elsewhere = ["remembered in the cookie", "skip_connections"];
    let roads: BTreeSet<_> = roads().map(|road| road.name).filter(|name| !elsewhere.contains(name)).collect();
    assert_eq!(constructors, roads);
    assert!(
        !text.contains("pub fn new") && !text.contains("pub(super) fn new"),
        "evidence is made by name only"
    );
    assert!(!text.contains("    pub reason") && !text.contains("    pub road"), "its fields stay its own");
}

#[test]
fn evidence_comes_out_of_a_cookie_in_one_place_and_becomes_an_accept_in_one_place() {
    let mut holders = Vec::new();
    let mut accepts = Vec::new();
    for file in support::sources() {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if text.contains("accepted: Option<Evidence>") {
            holders.push(name.clone());
        }
        if text.contains("Verdict::Accept {") && !text.contains("pub enum Verdict") {
            accepts.push(name);
        }
    }
    assert_eq!(holders, ["progress.rs"]);
    assert_eq!(accepts, ["answer.rs"]);
    assert_eq!(source("answer.rs").matches("Verdict::Accept {").count(), 1);
    assert_eq!(source("answer.rs").matches("Verdict::None {").count(), 1);
}

#[test]
fn the_security_model_has_a_row_for_every_road_and_no_other() {
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let table =
        document.split("## Who could make this say yes?").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let told: BTreeSet<&str> =
        rows.filter(|row| !row.starts_with("---") && *row != "what it takes").collect();
    let there: BTreeSet<&str> = roads().map(|road| road.what_it_takes).collect();
    assert_eq!(told, there);
}
