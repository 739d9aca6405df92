//! `[mfa] provider=privacyidea` and its fork `provider=edumfa`: one client, two sections.
//!
//! Only `/validate/check` says yes, with `status` true and `value` true. What `/validate/triggerchallenge` and
//! `/validate/polltransaction` call ACCEPT is a count of challenges and an answer that came in, right or wrong
//! (eduMFA 2.9.5 says ACCEPT of a wrong four-eyes answer). Bodies are JSON with texts as values: the servers decode
//! a form's values twice, and answer a number with status 500.

mod offline;
mod passlib;
mod push;
mod wire;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use self::offline::{Hand, Offline};
use self::wire::{Challenge, Verdict};
use super::servers::{Repeat, Servers};
use super::{Answer, Factor, MfaClient, MfaError, Subject, Tools};
use crate::config::settings::{Opt, SettingError};
use crate::json;
use crate::names::MfaIdentity;
use crate::net::{Body, Reply, Request};
use crate::secret;
use crate::terms::Question;

/// The options of one section.
pub(super) type Options = [Opt; 9];

const fn options(section: &'static str) -> Options {
    [
        Opt::new(section, "server_url", ""),
        Opt::new(section, "realm", ""),
        Opt::new(section, "api_key", ""),
        Opt::new(section, "timeout", "30"),
        Opt::new(section, "ignore_connection_error", "no"),
        Opt::new(section, "poll_interval", "1"),
        Opt::new(section, "trigger", "never"),
        Opt::new(section, "trigger_token", ""),
        Opt::new(section, "offline", "yes"),
    ]
}

pub(super) const EDUMFA: Options = options("edumfa");
pub(super) const PRIVACYIDEA: Options = options("privacyidea");

/// The longest pause between two questions whether a push is confirmed, in seconds.
const MAX_POLL_INTERVAL: f64 = 60.0;
/// How many challenges of one login may follow each other; a four-eyes chain has one for each approval.
const MAX_ROUNDS: u32 = 20;
/// What is asked where the server gives no text.
const PROMPT: &str = "Please enter the one-time password: ";

/// A server of this kind.
pub(super) struct PrivacyIdea<'a> {
    name: &'static str,
    tools: Tools<'a>,
    servers: Servers<'a>,
    realm: Option<String>,
    api_key: Option<SecretString>,
    /// The administrator's token for `/validate/triggerchallenge`, where an empty password triggers.
    trigger: Option<SecretString>,
    poll_interval: Duration,
    offline: Option<Offline<'a>>,
    ignore_connection_error: bool,
    disable_echo: bool,
}

/// Whom the server is asked about.
#[derive(Clone, Copy)]
struct User<'a> {
    name: &'a str,
    realm: Option<&'a str>,
    /// Whether the name is a token's serial, and no person's.
    is_serial: bool,
}

impl<'a> User<'a> {
    /// Takes `erin@realm2` apart; without a realm in it, the configured one holds.
    fn parse(identity: &'a MfaIdentity, realm: Option<&'a str>) -> Self {
        match identity.as_str().rsplit_once('@') {
            Some((name, own)) if !name.is_empty() && !own.is_empty() => {
                Self { name, realm: Some(own), is_serial: false }
            }
            Some(_) | None => Self { name: identity.as_str(), realm, is_serial: false },
        }
    }

    /// Takes where a forward token leads: a serial, which has no `@`, or a person: `erin@realm2`, or `erin@` where the
    /// configured realm holds.
    fn of_target(identity: &'a MfaIdentity, realm: Option<&'a str>) -> Self {
        match identity.as_str().strip_suffix('@') {
            Some(name) => Self { name, realm, is_serial: false },
            None if identity.as_str().contains('@') => Self::parse(identity, realm),
            None => Self { name: identity.as_str(), realm: None, is_serial: true },
        }
    }
}

/// What the cookie keeps of a challenge that the user has to answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    /// A text: twenty digits, of which the first may be zeros.
    transaction_id: String,
    /// Whether Enter waits for a confirmation on the device.
    poll: bool,
    /// How many challenges of this login there were.
    round: u32,
}

impl Open {
    fn read(state: &Value) -> Option<Self> {
        let json::Object(open): json::Object<Self> = json::Object::deserialize(state).ok()?;
        wire::is_transaction_id(&open.transaction_id).then_some(open)
    }
}

#[derive(Serialize)]
struct Query<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn about(user: User<'a>, pass: Option<&'a str>, transaction_id: Option<&'a str>) -> Self {
        let User { name, realm, is_serial } = user;
        let (user, serial) = if is_serial { (None, Some(name)) } else { (Some(name), None) };
        Self { user, serial, realm, pass, transaction_id }
    }
}

impl<'a> PrivacyIdea<'a> {
    pub(super) fn from_settings(
        tools: Tools<'a>,
        options: &Options,
        disable_echo: bool,
    ) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let [
            server_url,
            realm,
            api_key,
            timeout,
            ignore_connection_error,
            poll_interval,
            trigger,
            trigger_token,
            offline,
        ] = options;
        let timeout = super::timeout(settings, timeout)?;
        let trigger = match settings.choice(trigger, &["on_empty", "never"])? {
            "on_empty" => Some(settings.required_secret(trigger_token)?),
            _ => None,
        };
        let name = server_url.section;
        Ok(Self {
            name,
            tools,
            servers: Servers::from_settings(tools, server_url.into(), timeout)?,
            realm: settings.text(realm)?.filter(|realm| !realm.is_empty()),
            api_key: settings.secret(api_key)?,
            trigger,
            poll_interval: settings.seconds(poll_interval, MAX_POLL_INTERVAL)?,
            offline: settings.boolean(offline)?.then_some(Offline { tools, provider: name }),
            ignore_connection_error: settings.boolean(ignore_connection_error)?,
            disable_echo,
        })
    }

    /// Takes a step of the dialogue. Where the server gives a reason, it may repeat what it was told.
    fn converse(&self, subject: Subject<'_>, password: &SecretString) -> Result<Answer, MfaError> {
        let without_secrets = |reason: String| {
            let secrets = [Some(password), self.api_key.as_ref(), self.trigger.as_ref()];
            secrets.into_iter().flatten().fold(reason, |reason, known| secret::masked(&reason, known))
        };
        match self.step(subject, password.expose_secret()) {
            Ok(Answer::AuthenticationFailure { reason }) => {
                Ok(Answer::AuthenticationFailure { reason: without_secrets(reason) })
            }
            Err(MfaError::CommunicationError { reason, source }) => {
                Err(MfaError::CommunicationError { reason: without_secrets(reason), source })
            }
            result => result,
        }
    }

    fn step(&self, subject: Subject<'_>, password: &str) -> Result<Answer, MfaError> {
        let parse = if subject.may_be_serial { User::of_target } else { User::parse };
        let user = parse(subject.identity, self.realm.as_deref());
        let open = match subject.state.map(Open::read) {
            None => None,
            Some(Some(open)) => Some(open),
            Some(None) => return Ok(rejected("the cookie's state is no challenge")),
        };
        let round = open.as_ref().map_or(0, |open| open.round);
        let verdict = match (&open, &self.trigger) {
            (None, Some(token)) if password.is_empty() => self.trigger(user, token)?,
            (None, _) => self.check(user, None, password)?,
            (Some(open), _) if !password.is_empty() => {
                self.check(user, Some(&open.transaction_id), password)?
            }
            (Some(open), _) if open.poll => self.wait(user, &open.transaction_id)?,
            // The server would count it as a wrong answer.
            (Some(_), _) => return Ok(rejected("the challenge was answered with nothing")),
        };
        self.conclude(user, verdict, round, if password.is_empty() { "push" } else { "otp" })
    }

    /// Makes an answer of a verdict; a challenge that only a device can answer is waited for.
    fn conclude(
        &self,
        user: User<'_>,
        mut verdict: Verdict,
        round: u32,
        mut way: &'static str,
    ) -> Result<Answer, MfaError> {
        for round in round..=MAX_ROUNDS {
            let challenge = match verdict {
                Verdict::Accepted(accepted) => {
                    let name = format!("{} {}", self.name, accepted.way.unwrap_or(way));
                    let serials = accepted.serial.into_iter().collect();
                    return Ok(Answer::Accepted(Factor { name, serials }));
                }
                Verdict::Rejected(reason) => return Ok(rejected(&reason)),
                Verdict::Challenge(_) if round == MAX_ROUNDS => break,
                Verdict::Challenge(challenge) => challenge,
            };
            if challenge.interactive {
                return Ok(self.question(challenge, round.saturating_add(1)));
            }
            if !challenge.poll {
                return Ok(rejected("the user's token can be used in a browser only"));
            }
            way = "push";
            verdict = self.wait(user, &challenge.transaction_id)?;
        }
        Err(wire::garbled("one challenge follows the other without end"))
    }

    fn question(&self, challenge: Challenge, round: u32) -> Answer {
        let Challenge { transaction_id, message, poll, .. } = challenge;
        Answer::NeedInfo {
            question: Question {
                key: "otp".to_owned(),
                prompt: message.unwrap_or_else(|| PROMPT.to_owned()),
                disable_echo: self.disable_echo,
            },
            state: serde_json::to_value(Open { transaction_id, poll, round }).ok(),
        }
    }

    /// Asks whether a password holds: by a code that was given out for use without a server, else by the server.
    fn check(&self, user: User<'_>, id: Option<&str>, password: &str) -> Result<Verdict, MfaError> {
        let Some(offline) = self.offline.as_ref().filter(|_| !password.is_empty() && !user.is_serial) else {
            return self.ask(user, id, password);
        };
        match offline.hand(user, id.is_some(), password)? {
            Hand::Empty => self.ask(user, id, password),
            Hand::Match(found) => self.use_offline(offline, &found, password),
            Hand::Miss(keys) => match self.ask(user, id, password) {
                Err(MfaError::ServiceUnreachable { .. }) => offline.charge(&keys),
                result => result,
            },
        }
    }

    /// `/validate/check`, the one request whose answer can be a yes.
    fn ask(&self, user: User<'_>, id: Option<&str>, password: &str) -> Result<Verdict, MfaError> {
        let query = Query::about(user, Some(password), id);
        let reply = self.post("validate/check", &query, self.api_key.as_ref())?;
        let (verdict, items) = wire::verdict(&reply)?;
        // Codes are kept for a person, who then types them with the PIN of the server.
        match (&verdict, self.offline.as_ref().filter(|_| !user.is_serial)) {
            (Verdict::Accepted(_), _) if items.is_empty() => {}
            (Verdict::Accepted(accepted), Some(offline)) => {
                offline.keep(user, id.is_some(), accepted, items)?;
            }
            (Verdict::Accepted(_), None) if user.is_serial => self.tools.log.warning(format_args!(
                "{} gives out codes of {} for use without it, which is not for forward tokens; detach the token",
                self.name, user.name
            )),
            (Verdict::Accepted(_), None) => self.tools.log.warning(format_args!(
                "{0} gives out codes for use without it; set [{0}] offline=yes, or detach the token",
                self.name
            )),
            (Verdict::Rejected(_) | Verdict::Challenge(_), _) => {}
        }
        Ok(verdict)
    }

    /// Has the server send its challenges. Its answer is never a yes.
    fn trigger(&self, user: User<'_>, token: &SecretString) -> Result<Verdict, MfaError> {
        let query = Query::about(user, None, None);
        wire::triggered(&self.post("validate/triggerchallenge", &query, Some(token))?)
    }

    fn post(
        &self,
        path: &str,
        query: &impl Serialize,
        token: Option<&SecretString>,
    ) -> Result<Reply, MfaError> {
        let body = serde_json::to_vec(query)
            .map(Zeroizing::new)
            .map_err(|_| wire::garbled("the request cannot be written"))?;
        self.servers.ask(Repeat::Never, |server| Request {
            url: server.join(path),
            headers: token.map(authorization).into_iter().collect(),
            body: Body::Json(&body),
        })
    }
}

/// The servers take the bare token, and refuse `Bearer`.
fn authorization(token: &SecretString) -> (&'static str, SecretString) {
    ("Authorization", token.clone())
}

fn rejected(reason: &str) -> Answer {
    Answer::AuthenticationFailure { reason: reason.to_owned() }
}

impl MfaClient for PrivacyIdea<'_> {
    fn branded_name(&self) -> &str {
        self.name
    }

    fn ignore_connection_error(&self) -> bool {
        self.ignore_connection_error
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.converse(subject, &SecretString::default())
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.converse(subject, otp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(identity: &'a MfaIdentity, realm: Option<&'a str>) -> (&'a str, Option<&'a str>) {
        let User { name, realm, .. } = User::parse(identity, realm);
        (name, realm)
    }

    #[test]
    fn an_identity_may_bring_its_realm() {
        for (identity, realm, expected) in [
            ("erin", None, ("erin", None)),
            ("erin", Some("realm1"), ("erin", Some("realm1"))),
            ("erin@realm2", Some("realm1"), ("erin", Some("realm2"))),
            ("erin@example.org@realm2", None, ("erin@example.org", Some("realm2"))),
            ("erin@", Some("realm1"), ("erin@", Some("realm1"))),
            ("@realm2", Some("realm1"), ("@realm2", Some("realm1"))),
        ] {
            let identity = MfaIdentity::parse(identity).unwrap();
            assert_eq!(parsed(&identity, realm), expected, "{identity}");
        }
    }

    #[test]
    fn a_target_is_a_serial_or_has_an_at_sign() {
        for (identity, expected) in [
            ("TOTP0001", ("TOTP0001", None, true)),
            ("erin@realm2", ("erin", Some("realm2"), false)),
            ("erin@", ("erin", Some("realm1"), false)),
            ("erin@example.org@", ("erin@example.org", Some("realm1"), false)),
        ] {
            let identity = MfaIdentity::parse(identity).unwrap();
            let User { name, realm, is_serial } = User::of_target(&identity, Some("realm1"));
            assert_eq!((name, realm, is_serial), expected, "{identity}");
        }
    }

    #[test]
    fn a_state_that_this_client_did_not_write_is_none() {
        let good = serde_json::json!({"transaction_id": "05409508947459938508", "poll": false, "round": 1});
        assert_eq!(Open::read(&good).unwrap().transaction_id, "05409508947459938508");
        for bad in [
            r#""05409508947459938508""#,
            "null",
            "[\"1\", false, 1]",
            "{}",
            r#"{"transaction_id": 5409508947459938508, "poll": false, "round": 1}"#,
            r#"{"transaction_id": "", "poll": false, "round": 1}"#,
            r#"{"transaction_id": "../check", "poll": false, "round": 1}"#,
            r#"{"transaction_id": "1", "poll": false, "round": -1}"#,
            r#"{"transaction_id": "1", "poll": false, "round": 1, "user": "root"}"#,
        ] {
            assert!(Open::read(&serde_json::from_str(bad).unwrap()).is_none(), "{bad}");
        }
    }
}
