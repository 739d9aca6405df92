//! The dialogue with a server that may answer a password with a challenge: asked of the user, or waited for while it is
//! confirmed on the user's device. What a server says is its own ([`Server`]); what comes of it is the same for all.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{Answer, Naming, Subject, Tools, failed};
use super::envelope;
use super::error::{MfaError, garbled};
use super::factor::Factor;
use super::reason::Reason;
use super::text;
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::json;
use crate::logging::{Chain, Level, Log};
use crate::names::MfaIdentity;
use crate::secret;
use crate::terms::Question;
use crate::token::elsewhere::CodeKind;

/// The longest pause between two questions whether a push is confirmed, in seconds.
const MAX_POLL_INTERVAL: f64 = 60.0;
/// How many challenges of one login may follow each other; a four-eyes chain has one for each approval.
const MAX_ROUNDS: u32 = 20;
/// How often is asked at most whether a push is confirmed, whatever the clock says.
const MAX_POLLS: u32 = 36_000;
/// What is asked where the server gives no text.
pub(super) const PROMPT: &str = "Please enter the one-time password: ";

/// A server, asked one thing at a time.
pub(super) trait Server {
    /// Returns the name in the configuration.
    fn name(&self) -> &'static str;

    /// Returns what the server is shown, and may repeat.
    fn secrets(&self) -> Vec<&SecretString>;

    /// Tells whom an identity means.
    fn whom<'u>(&'u self, identity: &'u MfaIdentity, naming: Naming) -> User<'u>;

    /// Begins a login with what the user typed, which may be nothing.
    fn begin(&self, user: User<'_>, password: &str) -> Result<Verdict, MfaError>;

    /// Answers a challenge with a code.
    fn answer(&self, user: User<'_>, id: &str, code: &str) -> Result<Verdict, MfaError>;

    /// Asks how far a push has come. `password` is what began the login, where that was in this hook.
    fn poll(&self, user: User<'_>, id: &str, password: &str) -> Result<Push, MfaError>;

    /// Has the server say what the answer of the user's device is worth, where [`Server::poll`] does not: after
    /// [`Push::Answered`].
    fn finish(&self, _user: User<'_>, _id: &str) -> Result<Verdict, MfaError> {
        Err(garbled("the server does not say whether it accepts the device's answer"))
    }
}

/// What a server says about a login.
pub(super) enum Verdict {
    Accepted(Accepted),
    /// Why, for the operator.
    Rejected(Reason),
    Challenge(Challenge),
}

/// A yes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) serial: Option<String>,
    /// How it came about, where that is not what the user did.
    pub(super) way: Option<&'static str>,
    /// What was accepted.
    pub(super) code: CodeKind,
}

/// Something that the user, or the user's device, has to answer.
pub(super) struct Challenge {
    pub(super) transaction_id: String,
    /// What the user reads; `None` where there is nothing to read.
    pub(super) message: Option<String>,
    /// Whether a code answers it.
    pub(super) interactive: bool,
    /// Whether a confirmation on a device answers it.
    pub(super) poll: bool,
}

/// How far a push has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Push {
    Pending,
    /// Somebody answered. What that is worth is for [`Server::finish`] to say.
    Answered,
    /// The device accepted, and the server vouches for it.
    Accepted(Accepted),
    Declined,
    /// The server no longer knows of it, or not for this password.
    Gone,
}

/// Whom the server is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User<'a> {
    pub(super) name: &'a str,
    pub(super) realm: Option<&'a str>,
    /// Whether the name is a token's serial, and no person's.
    pub(super) is_serial: bool,
}

impl<'a> User<'a> {
    /// Reads an identity; without a realm in it, the configured one counts. Whether a user's own name is taken apart at
    /// its last `@` is what [`splits`] says; the names of targets and approvers always are.
    pub(super) fn read(
        identity: &'a MfaIdentity,
        naming: Naming,
        realm: Option<&'a str>,
        splits: bool,
    ) -> Self {
        match naming {
            Naming::Target => Self::of_target(identity, realm),
            Naming::User if !splits => Self { name: identity.as_str(), realm, is_serial: false },
            Naming::User | Naming::Person => Self::parse(identity, realm),
        }
    }

    /// Takes `erin@realm2` apart.
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
            None => Self::serial(identity.as_str()),
        }
    }

    /// Names a token.
    pub(super) fn serial(name: &'a str) -> Self {
        Self { name, realm: None, is_serial: true }
    }
}

/// Reads `split_at_sign`, named as privacyIDEA names it: whether `erin@realm2` is the user `erin` of the realm `realm2`.
/// Without it names are taken apart only where no realm is configured; a realm that is goes first, and the server knows
/// such users by their whole name (privacyIDEA, "Realms").
///
/// # Errors
/// Neither yes nor no.
pub(super) fn splits(
    settings: &Settings<'_>,
    option: &Opt,
    realm: Option<&str>,
) -> Result<bool, SettingError> {
    match settings.text(option)?.filter(|text| !text.is_empty()) {
        Some(_) => settings.boolean(option),
        None => Ok(realm.is_none()),
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
        envelope::is_transaction_id(&open.transaction_id).then_some(open)
    }
}

/// Leads the dialogue.
pub(super) struct Dialogue<'a> {
    log: &'a Log,
    budget: Budget<'a>,
    poll_interval: Duration,
    disable_echo: bool,
}

impl<'a> Dialogue<'a> {
    pub(super) fn from_settings(
        tools: Tools<'a>,
        poll_interval: &Opt,
        disable_echo: bool,
    ) -> Result<Self, SettingError> {
        let poll_interval = tools.settings.seconds(poll_interval, MAX_POLL_INTERVAL)?;
        Ok(Self { log: tools.log, budget: tools.budget, poll_interval, disable_echo })
    }

    /// Takes a step of the dialogue. Where the server gives a reason, it may repeat what it was told.
    pub(super) fn converse(
        &self,
        server: &impl Server,
        subject: Subject<'_>,
        password: &SecretString,
    ) -> Result<Answer, MfaError> {
        let without_secrets =
            |reason: Reason| [password].into_iter().chain(server.secrets()).fold(reason, Reason::without);
        match self.step(server, subject, password.expose_secret()) {
            Ok(Answer::AuthenticationFailure { reason }) => {
                Ok(Answer::AuthenticationFailure { reason: without_secrets(reason) })
            }
            Err(MfaError::CommunicationError { reason, source }) => {
                Err(MfaError::CommunicationError { reason: without_secrets(reason), source })
            }
            Ok(Answer::NeedInfo { mut question, state }) => {
                for secret in server.secrets() {
                    question.prompt = secret::masked(&question.prompt, secret);
                }
                Ok(Answer::NeedInfo { question, state })
            }
            result => result,
        }
    }

    fn step(&self, server: &impl Server, subject: Subject<'_>, password: &str) -> Result<Answer, MfaError> {
        let user = server.whom(subject.identity, subject.naming);
        let open = match subject.state.map(Open::read) {
            None => None,
            Some(Some(open)) => Some(open),
            Some(None) => return Ok(failed("the cookie's state is not a challenge")),
        };
        let round = open.as_ref().map_or(0, |open| open.round);
        // What answers a challenge says nothing to the next one.
        let way = if password.is_empty() { "push" } else { "otp" };
        let (verdict, began_with) = match &open {
            // The one request at which an outage may be ignored. After it, a push was started or a password was taken.
            None => (server.begin(user, password)?, password),
            Some(open) if !password.is_empty() => {
                let verdict = server.answer(user, &open.transaction_id, password);
                (verdict.map_err(MfaError::not_ignored)?, "")
            }
            Some(open) if open.poll => (self.wait(server, user, &open.transaction_id, "")?, ""),
            // The server would count it as a wrong answer.
            Some(_) => return Ok(failed("the challenge was answered with nothing")),
        };
        self.conclude(server, user, verdict, round, (way, began_with))
    }

    /// Makes an answer of a verdict; a challenge that only a device can answer is waited for.
    fn conclude(
        &self,
        server: &impl Server,
        user: User<'_>,
        mut verdict: Verdict,
        round: u32,
        (mut way, began_with): (&'static str, &str),
    ) -> Result<Answer, MfaError> {
        for round in round..=MAX_ROUNDS {
            let challenge = match verdict {
                Verdict::Accepted(accepted) => {
                    let name = format!("{} {}", server.name(), accepted.way.unwrap_or(way));
                    let serials = accepted.serial.into_iter().collect();
                    return Ok(Answer::Accepted(Factor::new(name, serials, accepted.code)));
                }
                Verdict::Rejected(reason) => return Ok(failed(reason)),
                Verdict::Challenge(_) if round == MAX_ROUNDS => break,
                Verdict::Challenge(challenge) => challenge,
            };
            if challenge.interactive {
                return Ok(self.question(challenge, round.saturating_add(1)));
            }
            if !challenge.poll {
                return Ok(failed("the user's token can be used in a browser only"));
            }
            way = "push";
            verdict = self.wait(server, user, &challenge.transaction_id, began_with)?;
        }
        Err(garbled("one challenge follows the other without end"))
    }

    fn question(&self, challenge: Challenge, round: u32) -> Answer {
        let Challenge { transaction_id, message, poll, .. } = challenge;
        Answer::NeedInfo {
            question: Question {
                key: "otp".to_owned(),
                prompt: message.map_or_else(|| PROMPT.to_owned(), |text| text::prompt_of_server(&text)),
                disable_echo: self.disable_echo,
            },
            state: serde_json::to_value(Open { transaction_id, poll, round }).ok(),
        }
    }

    /// Waits until the device has answered, and then has the server say what the answer is worth.
    ///
    /// Some servers call an unknown or expired transaction pending for ever, so the end of the hook's time is the end.
    /// A question that is not answered is asked again until then: a push is not lost because of one 502. None of it is an
    /// outage that could be ignored.
    fn wait(
        &self,
        server: &impl Server,
        user: User<'_>,
        id: &str,
        password: &str,
    ) -> Result<Verdict, MfaError> {
        let mut missed = None;
        for _ in 0..MAX_POLLS {
            match server.poll(user, id, password).map_err(MfaError::not_ignored) {
                Ok(Push::Answered) => return server.finish(user, id).map_err(MfaError::not_ignored),
                Ok(Push::Accepted(accepted)) => return Ok(Verdict::Accepted(accepted)),
                Ok(Push::Declined) => {
                    return Ok(Verdict::Rejected("it was declined on the user's device".into()));
                }
                Ok(Push::Gone) => {
                    return Ok(Verdict::Rejected("the server does not know of the challenge".into()));
                }
                Ok(Push::Pending) => missed = None,
                Err(error @ MfaError::ServiceUnreachable { .. }) => {
                    self.log.write(
                        Level::Debug,
                        format_args!("{}: {}; asking again about the push", server.name(), Chain(&error)),
                    );
                    // It may have been cut off by the time budget of the hook, which says nothing about the server.
                    if !self.budget.remaining().is_zero() {
                        missed = Some(error);
                    }
                }
                Err(error) => return Err(error),
            }
            if !self.budget.sleep(self.poll_interval) {
                break;
            }
        }
        missed.map_or_else(|| Ok(too_late()), Err)
    }
}

fn too_late() -> Verdict {
    Verdict::Rejected("nobody confirmed it on the user's device in time".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(identity: &'a MfaIdentity, realm: Option<&'a str>) -> (&'a str, Option<&'a str>) {
        let User { name, realm, is_serial } = User::read(identity, Naming::User, realm, true);
        assert!(!is_serial);
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
    fn a_name_that_is_not_split_is_one_of_the_configured_realm() {
        let identity = MfaIdentity::parse("erin@example.org").unwrap();
        let read = |naming| User::read(&identity, naming, Some("upn"), false);
        assert_eq!((read(Naming::User).name, read(Naming::User).realm), ("erin@example.org", Some("upn")));
        for named in [Naming::Person, Naming::Target] {
            assert_eq!((read(named).name, read(named).realm), ("erin", Some("example.org")), "{named:?}");
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
            let User { name, realm, is_serial } =
                User::read(&identity, Naming::Target, Some("realm1"), false);
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
