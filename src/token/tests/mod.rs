//! Logins with local tokens as the pipeline asks for them: tokens in a store, texts in, answers out.
//!
//! A comment such as `linotp 10` or `edumfa 7` names the statement about another server that a test answers; the
//! whole list is in docs/differences-tokens.md.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "in a test an overflow or a cut letter is a failure, and a type that it does not name is not meant"
)]

mod ahead;
mod at_once;
mod chain;
mod challenge;
mod forward;
mod forward_chain;
mod guesses;
mod hostile;
mod login;
mod lookalike;
mod model;
mod policy;
mod races;
mod types;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;

use super::oath::CodeMaker;
use super::pin::{Purpose, Stretched};
use super::{Outcome, Owner};
use crate::clock::{Budget, Clock, UnixTime};
use crate::config::ini::Ini;
use crate::config::reference::NothingElse;
use crate::config::settings::Settings;
use crate::logging::Log;
use crate::mfa::{self, Answer, MfaError, Subject, Tools};
use crate::names::{Aliases, Mapping, MfaIdentity, Person, Requester};
use crate::store::{Algorithm, KeySource, Places, Store, StoreError, Token, TokenType};

/// When every test begins.
const NOW: i64 = 1_000_000_000;

/// A clock that a test sets.
struct TestClock(Cell<i64>);

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.get())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// What the log was told.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Where a site's store is.
enum Directory {
    Own(TempDir),
    Of(PathBuf),
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Self::Own(directory) => directory.path(),
            Self::Of(path) => path,
        }
    }
}

/// A store of its own, a configuration, and a log that can be read.
struct Site {
    clock: TestClock,
    directory: Directory,
    log: Log,
    written: Written,
    /// Laid over `[local] realm=realm1`.
    config: String,
}

/// A session on a connection policy.
#[derive(Clone, Copy)]
struct Place<'a> {
    site: &'a Site,
    session: &'a str,
    connection: Option<&'a str>,
    client_ip: Option<&'a str>,
}

impl Site {
    fn new() -> Self {
        Self::with("")
    }

    fn with(config: &str) -> Self {
        let written = Written::default();
        Self {
            clock: TestClock(Cell::new(NOW)),
            directory: Directory::Own(tempfile::tempdir().unwrap()),
            log: Log::new(Box::new(written.clone())),
            written,
            config: config.to_owned(),
        }
    }

    fn store(&self) -> Store<'_> {
        let places = Places::at(self.directory.path());
        Store::new(
            places,
            || Ok(KeySource::File),
            &self.clock,
            Budget::new(&self.clock, Duration::from_secs(60)),
        )
    }

    fn wait(&self, seconds: i64) {
        self.clock.0.set(self.clock.0.get() + seconds);
    }

    /// A token with the defaults of its type and a secret made of its serial.
    fn blank(token_type: TokenType, serial: &str, owner: &str) -> Token {
        let owner = Owner::parse(owner, "realm1");
        Token {
            serial: serial.to_owned(),
            token_type,
            user: owner.user,
            realm: owner.realm,
            description: String::new(),
            enabled: true,
            algorithm: Algorithm::Sha1,
            digits: 6,
            period: 30,
            window: if token_type == TokenType::Totp { 1 } else { 10 },
            counter: 0,
            skew: 0,
            fail_counter: 0,
            max_fail: 10,
            failed_at: UnixTime::from_secs(0),
            unlock_after: 0,
            valid_from: None,
            valid_until: None,
            target: None,
            realms: None,
            separator: None,
            sealed_secret: Vec::new(),
            sealed_pin: None,
        }
    }

    /// Adds a token; the PIN is empty for none.
    fn add(&self, mut token: Token, pin: &str, secret: &[u8]) {
        let store = self.store();
        let sealer = store.sealer_or_create().unwrap();
        token.seal_secret(sealer, secret).unwrap();
        if !pin.is_empty() {
            let kept = Stretched::compute(&store, pin).unwrap().verifier(Purpose::Pin, &token.serial, pin);
            token.seal_pin(sealer, Some(&kept)).unwrap();
        }
        store.add_tokens([(&token, &[][..])]).unwrap();
    }

    /// Adds a token after a change to its defaults.
    fn enrol(
        &self,
        token_type: TokenType,
        serial: &str,
        owner: &str,
        pin: &str,
        change: impl FnOnce(&mut Token),
    ) {
        let mut token = Self::blank(token_type, serial, owner);
        change(&mut token);
        self.add(token, pin, &secret(serial));
    }

    fn hotp(&self, serial: &str, owner: &str, pin: &str) {
        self.enrol(TokenType::Hotp, serial, owner, pin, |_| {});
    }

    fn forward(&self, serial: &str, owner: &str, pin: &str, target: &str) {
        let target = Some(target.to_owned());
        self.enrol(TokenType::Forward, serial, owner, pin, |token| token.target = target);
    }

    fn four_eyes(&self, serial: &str, owner: &str, pin: &str, realms: &str) {
        let realms = Some(realms.to_owned());
        self.enrol(TokenType::FourEyes, serial, owner, pin, |token| token.realms = realms);
    }

    /// Erin's token `4E` asks for approvals. Alice, bob and carol are in realm1, dave is in realm2; their devices are
    /// A, B, C and D with the PINs `apin`, `bpin`, ….
    fn asking(realms: &str) -> Self {
        let site = Self::new();
        site.four_eyes("4E", "erin", "", realms);
        site.enrol_members();
        site
    }

    fn enrol_members(&self) {
        for name in ["alice", "bob", "carol", "dave@realm2"] {
            let initial = &name[..1];
            self.hotp(&initial.to_uppercase(), name, &format!("{initial}pin"));
        }
    }

    /// A member's PIN and the code at a counter: `vote("A", 0)`.
    fn vote(&self, serial: &str, counter: u64) -> String {
        format!("{}pin{}", serial.to_lowercase(), self.code(serial, counter))
    }

    /// Several of them, each with its first code.
    fn votes(&self, serials: &[&str]) -> String {
        serials.iter().map(|serial| self.vote(serial, 0)).collect::<Vec<_>>().join(" ")
    }

    /// Adds a crowd of HOTP tokens to realm1, all with the same PIN (none if it is empty).
    fn crowd(&self, size: u32, pin: &str) {
        let store = self.store();
        let sealer = store.sealer_or_create().unwrap();
        let stretched = (!pin.is_empty()).then(|| Stretched::compute(&store, pin).unwrap());
        let tokens: Vec<_> = (0..size)
            .map(|number| {
                let serial = format!("CROWD{number:05}");
                let mut token = Self::blank(TokenType::Hotp, &serial, &format!("user{number}"));
                token.seal_secret(sealer, &secret(&serial)).unwrap();
                if let Some(stretched) = &stretched {
                    let kept = stretched.verifier(Purpose::Pin, &serial, pin);
                    token.seal_pin(sealer, Some(&kept)).unwrap();
                }
                token
            })
            .collect();
        store.add_tokens(tokens.iter().map(|token| (token, &[][..]))).unwrap();
    }

    /// What the four members have paid and used up: fail counters, counters.
    fn members(&self) -> ([u32; 4], [u64; 4]) {
        let serials = ["A", "B", "C", "D"];
        (serials.map(|serial| self.fails(serial)), serials.map(|serial| self.counter(serial)))
    }

    fn password(&self, serial: &str, owner: &str, pin: &str, password: &str) {
        let store = self.store();
        let full = format!("{pin}{password}");
        let verifier = |purpose, text: &str| {
            Stretched::compute(&store, text).unwrap().verifier(purpose, serial, text).to_vec()
        };
        let secret = [verifier(Purpose::Password, password), verifier(Purpose::PinAndPassword, &full)];
        self.add(Self::blank(TokenType::Pw, serial, owner), pin, &secret.concat());
    }

    fn registration(&self, serial: &str, owner: &str, pin: &str, code: &str) {
        let mut token = Self::blank(TokenType::Registration, serial, owner);
        token.digits = u8::try_from(code.len()).unwrap();
        self.add(token, pin, code.as_bytes());
    }

    /// The session `s` on a connection that demands nothing.
    fn here(&self) -> Place<'_> {
        self.at("s", "plain")
    }

    fn at<'a>(&'a self, session: &'a str, connection: &'a str) -> Place<'a> {
        Place { site: self, session, connection: Some(connection), client_ip: None }
    }

    fn login(&self, identity: &str, text: &str) -> Outcome {
        self.here().login(identity, text)
    }

    fn answer(&self, identity: &str, id: &str, text: &str) -> Outcome {
        self.here().answer(identity, id, text)
    }

    fn token(&self, serial: &str) -> Token {
        self.store().token(serial).unwrap().unwrap()
    }

    /// How many wrong approvals are counted.
    fn guesses(&self, kind: &str, subject: &str) -> i64 {
        self.count(&format!(
            "SELECT coalesce(sum(failures), 0) FROM guesses WHERE kind = '{kind}' AND subject = '{subject}'"
        ))
    }

    fn fails(&self, serial: &str) -> u32 {
        self.token(serial).fail_counter
    }

    fn counter(&self, serial: &str) -> u64 {
        self.token(serial).counter
    }

    fn change(&self, serial: &str, change: impl FnOnce(&mut Token)) {
        let change = |token: &mut Token| {
            change(token);
            Ok::<_, StoreError>(())
        };
        assert!(self.store().change_token(serial, change).unwrap().is_some());
    }

    fn set_pin(&self, serial: &str, pin: &str) {
        let store = self.store();
        let kept = Stretched::compute(&store, pin).unwrap().verifier(Purpose::Pin, serial, pin);
        let sealer = store.sealer_or_create().unwrap();
        let change = |token: &mut Token| token.seal_pin(sealer, Some(&kept));
        store.change_token::<StoreError>(serial, change).unwrap().unwrap();
    }

    /// Does to the file what only somebody with the file can do.
    fn sql(&self, sql: &str) -> usize {
        let path = self.directory.path().join("state.sqlite3");
        rusqlite::Connection::open(path).unwrap().execute(sql, []).unwrap()
    }

    fn count(&self, sql: &str) -> i64 {
        let path = self.directory.path().join("state.sqlite3");
        rusqlite::Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn logged(&self) -> String {
        String::from_utf8(self.written.0.borrow().clone()).unwrap()
    }

    /// The code that a device shows at a counter, time step or place of its list.
    fn code(&self, serial: &str, counter: u64) -> String {
        let token = self.token(serial);
        CodeMaker::new(token.algorithm, &secret(serial), token.digits).unwrap().code(counter)
    }
}

impl Place<'_> {
    fn login(&self, identity: &str, text: &str) -> Outcome {
        self.ask(identity, None, text).unwrap()
    }

    fn answer(&self, identity: &str, id: &str, text: &str) -> Outcome {
        self.ask(identity, Some(&Value::from(id)), text).unwrap()
    }

    fn ask(&self, identity: &str, state: Option<&Value>, text: &str) -> Result<Outcome, MfaError> {
        let site = self.site;
        let mut ini = Ini::new();
        ini.read_str("base", "[local]\nrealm=realm1\n").unwrap();
        ini.read_str("test", &site.config).unwrap();
        let settings = Settings::new(ini, &NothingElse);
        let store = site.store();
        let budget = Budget::new(&site.clock, Duration::from_secs(60));
        let tools = Tools {
            settings: &settings,
            http_proxy: None,
            log: &site.log,
            budget,
            store: &store,
            providers: crate::mfa::PROVIDERS,
        };
        let client = mfa::client(tools, false)?;
        let identity = MfaIdentity::parse(identity).unwrap();
        let rules = crate::names::Rules::from_settings(&settings).unwrap();
        let person = Person::of_identity(&identity, &rules)
            .unwrap_or_else(|_| Person::parse("nobody", &rules).unwrap());
        let requester = Requester {
            gateway: person.clone(),
            mapping: Mapping::Known(person),
            aliases: Aliases::default(),
        };
        let demand = mfa::approvals_of_connection(&settings, self.connection, false)?;
        let subject = Subject {
            requester: &requester,
            naming: crate::mfa::Naming::User,
            approvals: demand.as_ref(),
            identity: &identity,
            state,
            has_begun: false,
            session_id: Some(self.session),
            connection_name: self.connection,
            client_ip: self.client_ip,
            typed: &std::collections::BTreeMap::new(),
        };
        let answer = match text {
            "" => client.push_authenticate(subject),
            text => client.otp_authenticate(subject, &SecretString::from(text.to_owned())),
        };
        Ok(match answer? {
            Answer::Accepted(factor) => {
                assert_eq!(factor.name, "local");
                Outcome::Accepted(factor.serials)
            }
            Answer::NeedInfo { question, state } => Outcome::Challenge {
                id: state.unwrap().as_str().unwrap().to_owned(),
                prompt: question.prompt,
            },
            Answer::AuthenticationFailure { reason } => {
                assert_eq!(reason.to_string(), "no local token matched", "all denials look alike");
                Outcome::Denied
            }
            Answer::Rejected => panic!("a denial without a reason"),
        })
    }
}

/// A device's secret: its serial, filled up.
fn secret(serial: &str) -> Vec<u8> {
    format!("{serial:*<20}").into_bytes()
}

/// The time step of a token with a period of 30 seconds at the beginning of a test.
const STEP: u64 = 33_333_333;

fn accepted(serials: &[&str]) -> Outcome {
    Outcome::Accepted(serials.iter().map(|serial| (*serial).to_owned()).collect())
}

fn challenge(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Challenge { id, prompt } => (id, prompt),
        Outcome::Accepted(_) | Outcome::Approved { .. } | Outcome::Denied => {
            panic!("no challenge: {outcome:?}")
        }
    }
}

fn challenge_id(outcome: Outcome) -> String {
    challenge(outcome).0
}

#[test]
fn an_identity_brings_its_realm_or_gets_the_default() {
    let owner = |identity: &str| Owner::parse(identity, "default");
    assert_eq!(owner("alice"), Owner { user: "alice".to_owned(), realm: "default".to_owned() });
    assert_eq!(owner("alice@x@realm2"), Owner { user: "alice@x".to_owned(), realm: "realm2".to_owned() });
}
