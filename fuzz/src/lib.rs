//! The whole program in one process, with a world around it that has nothing in it: no environment, no
//! configuration file, nowhere to keep state, and no time left, so that no server is ever asked.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sps_plugin::Edge;
use sps_plugin::clock::{Clock, UnixTime};
use sps_plugin::config::ini::Ini;
use sps_plugin::store::{Environment, TokenType};
use sps_plugin::terminal::NoTerminal;
use sps_plugin::token::enroll::{Draft, SECRET_BYTES};
use sps_plugin::token::import::{Batch, Defaults, Format, MAX_TOKENS};
use zeroize::Zeroizing;

/// A clock by which every hook's time is used up before it begins.
struct NoTimeLeft;

impl Clock for NoTimeLeft {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_769_860_800)
    }

    fn elapsed(&self) -> Duration {
        Duration::MAX
    }
}

struct NoEnvironment;

impl Environment for NoEnvironment {
    fn get(&self, _: &str) -> Option<OsString> {
        None
    }
}

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

/// What came out.
pub struct Answered {
    /// The bytes on stdout.
    pub stdout: Vec<u8>,
    /// The same, read as JSON.
    pub response: Value,
    /// The exit status.
    pub status: u8,
    /// What was logged.
    pub log: String,
}

/// Runs the program, and checks what holds for every response: one line of JSON, a known status, a log of whole lines,
/// and nothing given away where the status says that something went wrong.
pub fn answer(arguments: &[&str], stdin: &[u8]) -> Answered {
    let log = Written::default();
    let outcome = sps_plugin::run(Edge {
        arguments: arguments.iter().map(OsString::from).collect(),
        stdin: &mut &*stdin,
        stderr: Box::new(log.clone()),
        environment: &NoEnvironment,
        clock: &NoTimeLeft,
        terminal: &NoTerminal,
        executable_folder: &|| None,
    });
    let stdout = outcome.stdout.to_vec();
    let line = stdout.strip_suffix(b"\n").expect("a response ends with a newline");
    assert!(!line.contains(&b'\n'), "a response is one line");
    let response: Value = serde_json::from_slice(line).expect("a response is JSON");
    let log = String::from_utf8(log.0.borrow().clone()).expect("the log is text");
    assert!(log.is_empty() || log.ends_with('\n'));
    assert!(log.lines().all(|line| line.starts_with("sps-plugin: ")), "{log}");
    assert!(outcome.status <= 2);
    assert!(outcome.status == 0 || !log.is_empty(), "a fault is logged");
    check_shape(&response);
    assert!(outcome.status == 0 || is_closed(&response), "a fault lets somebody in: {response}");
    Answered { stdout, response, status: outcome.status, log }
}

/// The verdict, if the response is one.
pub fn verdict(response: &Value) -> Option<&str> {
    response["verdict"].as_str()
}

/// Whether a response lets nobody in and gives nothing away.
fn is_closed(response: &Value) -> bool {
    let nothing_in = |member: &str| response[member].as_array().is_none_or(Vec::is_empty);
    !matches!(verdict(response), Some("ACCEPT" | "NONE" | "NEEDINFO"))
        && ["passwords", "private_keys", "totp_codes"].into_iter().all(nothing_in)
}

/// Holds a response to the contract's form.
fn check_shape(response: &Value) {
    if response.is_null() {
        return;
    }
    assert!(response["cookie"].is_object() && response["session_cookie"].is_object(), "{response}");
    let reason = || {
        let metadata = response["additional_metadata"].as_str().expect("metadata is a string");
        let metadata: Value = serde_json::from_str(metadata).expect("metadata is JSON");
        assert!(metadata["reason"].is_string());
    };
    match verdict(response) {
        None => assert!(response.get("verdict").is_none(), "{response}"),
        Some("ACCEPT") => {
            reason();
            // Groups that are not known are left out, for an empty list would override those that SPS finds itself.
            let gateway = (response.get("gateway_user"), response.get("gateway_groups"));
            assert!(
                matches!(gateway, (None, None) | (Some(Value::String(_)), None | Some(Value::Array(_)))),
                "{response}"
            );
        }
        Some("DENY") => {
            reason();
            assert!(response["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
        }
        Some("NONE") => reason(),
        Some("NEEDINFO") => {
            let question = response["question"].as_array().expect("a question is an array");
            assert!(matches!(question.as_slice(), [Value::String(_), Value::String(_), Value::Bool(_)]));
        }
        Some(other) => panic!("there is no verdict {other}"),
    }
}

/// Whether a configuration would reach out of this process; such an input is not run.
pub fn reaches_out(ini: &Ini) -> bool {
    let asks_for_names = says(ini, "access", "provider", "fqdn");
    asks_for_names || ini.has_option("state", "directory") || ini.has_option("logging", "destination")
}

/// Whether an option is this word, or a reference that may lead to it.
pub fn says(ini: &Ini, section: &str, option: &str, word: &str) -> bool {
    let value = ini.get(section, option).ok().flatten();
    value.is_some_and(|value| value.to_lowercase() == word || value.starts_with('$'))
}

/// Whether an option is a list with this word in it, or a reference that may lead to one.
pub fn names(ini: &Ini, section: &str, option: &str, word: &str) -> bool {
    let value = ini.get(section, option).ok().flatten();
    value.is_some_and(|value| {
        value.starts_with('$') || value.to_lowercase().split(',').any(|entry| entry.trim() == word)
    })
}

/// Reads a file of tokens. Whatever is in it: no panic, and what is taken is a token that could have been enrolled.
pub fn import(data: &[u8], format: Format) -> Option<Batch> {
    let key = Zeroizing::new(b"\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12".to_vec());
    let is_encrypted = format == Format::Pskc && data.first() != Some(&b' ');
    let defaults = Defaults {
        realm: "default",
        pre_shared_key: is_encrypted.then_some(key),
        password: is_encrypted.then(|| Zeroizing::new("qwerty".to_owned())),
        ..Defaults::default()
    };
    let batch = match Batch::read(data, Some(format), &defaults) {
        Ok(batch) => batch,
        Err(error) => {
            assert!(error.to_string().len() < 1000, "{error}");
            return None;
        }
    };
    assert!(batch.len() + batch.refused().len() <= MAX_TOKENS);
    assert!(!batch.is_empty() || !batch.refused().is_empty());
    for refused in batch.refused() {
        let told = format!("{}: {}", refused.place, refused.reason);
        assert!(told.len() < 1000 && !told.contains('\n'), "{told}");
    }
    let mut serials = HashSet::new();
    for Draft { token, secret, used } in batch.drafts() {
        assert!(matches!(token.token_type, TokenType::Hotp | TokenType::Totp));
        assert!(token.serial.is_empty() || serials.insert(&token.serial), "{} twice", token.serial);
        assert!(token.serial.len() <= 64 && !token.serial.contains(|c: char| c.is_control() || c == ' '));
        assert!(matches!(token.digits, 6 | 8) && SECRET_BYTES.contains(&secret.len()));
        assert_eq!(matches!(token.period, 30 | 60), token.token_type == TokenType::Totp);
        assert_eq!(token.user.is_empty(), token.realm.is_empty());
        assert!(!token.realm.contains('@') && token.enabled && used.is_empty());
        for text in [&token.user, &token.realm, &token.description] {
            assert!(!text.chars().any(char::is_control));
        }
    }
    Some(batch)
}
