//! `[mfa] provider = ldap + local`: several factors, asked one after the other in one dialogue; all have to accept.
//!
//! An outage of one is an outage of all: nothing is ignored here, because what is left would be less than was asked for.
//! How far the dialogue has come is in the cookie, as an ACCEPT is that waits for the answer to a question.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::carried::Carried;
use super::client::{Answer, MAX_ANSWER, MfaClient, Subject, failed};
use super::error::MfaError;
use super::factor::{Factor, ProvedBy};
use crate::json;
use crate::terms::Question;

/// The key of the passwords that the chain asks for.
const KEY: &str = "otp";

/// One factor of several.
pub(super) struct Link<'a> {
    pub(super) client: Box<dyn MfaClient + 'a>,
    /// What the user reads before this one's password.
    pub(super) prompt: String,
    pub(super) disable_echo: bool,
}

/// Factors in their order, at least two.
pub(super) struct Chain<'a> {
    pub(super) name: String,
    pub(super) links: Vec<Link<'a>>,
}

/// How far a dialogue has come.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// The names of the factors that were accepted; there are as many as links are done.
    held: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    serials: Vec<String>,
    /// The realms of the approvals of others by which links were accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    approvals: Vec<String>,
    /// What the provider of the next link keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<Value>,
}

impl Chain<'_> {
    fn ask(
        &self,
        subject: Subject<'_>,
        ask: impl Fn(&dyn MfaClient, Subject<'_>) -> Result<Answer, MfaError>,
    ) -> Result<Answer, MfaError> {
        let foreign = || failed("the cookie's state is no chain's");
        let Some(mut progress) = progress(subject) else { return Ok(foreign()) };
        let Some((link, rest)) = self.links.get(progress.held.len()..).and_then(<[_]>::split_first) else {
            return Ok(foreign());
        };
        // Each factor is the user's own; approvals that are demanded are asked for after the last one.
        let subject = Subject { state: progress.state.as_ref(), approvals: None, ..subject };
        match ask(link.client.as_ref(), subject)? {
            Answer::Accepted(Factor { name, serials, code, by }) => {
                progress.held.push(name);
                progress.serials.extend(serials);
                progress.state = None;
                match by {
                    // A chain has no fallback.
                    ProvedBy::User | ProvedBy::UserByFallback => {}
                    ProvedBy::Others(realms) => progress.approvals.extend(realms),
                }
                let Some(next) = rest.first() else {
                    let Progress { held, serials, approvals, .. } = progress;
                    // A chain is the user's own proof only if each link is.
                    let by = if approvals.is_empty() { ProvedBy::User } else { ProvedBy::Others(approvals) };
                    return Ok(Answer::Accepted(Factor { name: held.join(" + "), serials, code, by }));
                };
                let question = Question {
                    key: KEY.to_owned(),
                    prompt: format!("{} ", next.prompt),
                    disable_echo: next.disable_echo,
                };
                Ok(Answer::NeedInfo { question, state: Some(kept(&progress)) })
            }
            Answer::NeedInfo { question, state } => {
                // Without a new state the old one holds.
                progress.state = state.or(progress.state);
                Ok(Answer::NeedInfo { question, state: Some(kept(&progress)) })
            }
            refused @ (Answer::Rejected | Answer::AuthenticationFailure { .. }) => Ok(refused),
        }
    }
}

/// Reads how far a dialogue has come; `None` where the state is not a chain's.
fn progress(subject: Subject<'_>) -> Option<Progress> {
    match subject.state.map(json::Object::<Progress>::deserialize) {
        None => Some(Progress::default()),
        Some(Ok(json::Object(progress))) => Some(progress),
        Some(Err(_)) => None,
    }
}

/// What the cookie keeps. It is made of texts and JSON, which always have a form; a null would be refused.
fn kept(progress: &Progress) -> Value {
    serde_json::to_value(progress).unwrap_or(Value::Null)
}

impl MfaClient for Chain<'_> {
    fn branded_name(&self) -> &str {
        &self.name
    }

    fn ignore_connection_error(&self) -> bool {
        false
    }

    /// One link is asked at a time; the others carry nothing.
    fn carried(&self) -> Carried {
        let all = self.links.iter().map(|link| link.client.carried());
        all.reduce(Carried::or).unwrap_or_default()
    }

    /// That of the factor whose turn it is.
    fn longest_answer(&self, subject: Subject<'_>) -> usize {
        let Some(progress) = progress(subject) else { return MAX_ANSWER };
        match self.links.get(progress.held.len()) {
            Some(link) => link.client.longest_answer(Subject { state: progress.state.as_ref(), ..subject }),
            None => MAX_ANSWER,
        }
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.ask(subject, |client, subject| client.push_authenticate(subject))
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.ask(subject, |client, subject| client.otp_authenticate(subject, otp))
    }
}
