//! `[mfa] provider=http`: the contract at the end of `docs/protocol.md`, for a service of one's own.

use std::cell::RefCell;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::carried::{Carried, Written};
use super::client::{self, Answer, MfaClient, Subject, Tools};
use super::error::{MfaError, garbled};
use super::factor::Factor;
use super::probe;
use super::provider::{Kind, MfaProvider};
use super::reason::Reason;
use super::servers::{Harmless, Servers};
use super::text;
use super::turns::Repeat;
use crate::config::settings::{Opt, SettingError};
use crate::finding::{Finding, Grade};
use crate::json;
use crate::net::{self, Body, Reply, Request};
use crate::secret;
use crate::terms::Question;
use crate::token::elsewhere::CodeKind;

const SERVER_URL: Opt = Opt::new("http", "server_url", "");
const TOKEN: Opt = Opt::secret("http", "token");
const IGNORE_CONNECTION_ERROR: Opt = Opt::new("http", "ignore_connection_error", "no");
const TIMEOUT: Opt = Opt::new("http", "timeout", "30");
const OPTIONS: &[Opt] = &[SERVER_URL, TOKEN, IGNORE_CONNECTION_ERROR, TIMEOUT];

/// The provider.
pub(super) const PROVIDER: MfaProvider = MfaProvider {
    sections: &["http"],
    prompt: Some(Opt::new("http", "prompt", "")),
    ..MfaProvider::new("http", Kind::Service, OPTIONS, |tools, disable_echo| {
        Ok(Box::new(Http::from_settings(tools, disable_echo)?))
    })
};

/// A service that speaks the `http` provider's contract.
pub(super) struct Http<'a> {
    servers: Servers<'a>,
    token: Option<SecretString>,
    ignore_connection_error: bool,
    disable_echo: bool,
    /// What the last answer carried.
    carried: RefCell<Carried>,
}

#[derive(Serialize)]
struct Query<'a> {
    identity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    otp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a Value>,
}

#[derive(Deserialize)]
struct ServiceAnswer {
    result: String,
    reason: Option<String>,
    question: Option<String>,
    key: Option<String>,
    disable_echo: Option<bool>,
    state: Option<Value>,
}

impl<'a> Http<'a> {
    pub(super) fn from_settings(tools: Tools<'a>, disable_echo: bool) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let timeout = client::timeout(settings, &TIMEOUT)?;
        let ignore_connection_error = settings.boolean(&IGNORE_CONNECTION_ERROR)?;
        let token = settings.secret(&TOKEN)?.filter(|token| !secret::is_empty(token));
        let harmless = Harmless { headers: token.iter().map(net::bearer).collect(), ..Harmless::get("") };
        let url = &SERVER_URL;
        Ok(Self {
            servers: Servers::from_settings(tools, url, timeout, harmless, ignore_connection_error)?,
            token,
            ignore_connection_error,
            disable_echo,
            carried: RefCell::default(),
        })
    }

    fn ask(&self, path: &str, subject: Subject<'_>, otp: Option<&SecretString>) -> Result<Answer, MfaError> {
        self.carried.replace(Carried::default());
        let request = Query {
            identity: subject.identity.as_str(),
            otp: otp.map(ExposeSecret::expose_secret),
            state: subject.state,
        };
        let body = serde_json::to_vec(&request)
            .map(Zeroizing::new)
            .map_err(|error| unreadable("the request", error))?;
        let reply = self.servers.ask(Repeat::Never, |server| Request {
            url: server.join(path),
            headers: self.token.iter().map(net::bearer).collect(),
            body: Body::Json(&body),
        });
        // The service asked something, so it was there and may have begun something.
        let reply = if subject.has_begun { reply.map_err(MfaError::not_ignored) } else { reply };
        self.read(&reply?, path)
    }

    fn read(&self, reply: &Reply, path: &str) -> Result<Answer, MfaError> {
        match reply.status {
            200 => {}
            status => {
                return Err(garbled(Reason::ours(format!("the service answered with status {status}"))));
            }
        }
        let mut written: Written =
            json::from_slice(&reply.body).map_err(|error| unreadable("the service's answer", error))?;
        let answer: ServiceAnswer =
            json::from_slice(&reply.body).map_err(|error| unreadable("the service's answer", error))?;
        let state = answer.state.or_else(|| written.take_state());
        let carried = written.taken()?;
        self.carried.replace(match &self.token {
            Some(token) => carried.without(token),
            None => carried,
        });
        let masked = |text: &str| match &self.token {
            Some(token) => secret::masked(text, token),
            None => text.to_owned(),
        };
        let reason =
            answer.reason.map(|reason| Reason::of_server(&reason)).filter(|reason| !reason.is_empty());
        match (answer.result.as_str(), reason, answer.question) {
            ("ACCEPT", _, _) => {
                Ok(Answer::Accepted(Factor::new(format!("http {path}"), Vec::new(), CodeKind::Unknown)))
            }
            ("DENY", None, _) => Ok(Answer::Rejected),
            ("DENY", Some(reason), _) => Ok(Answer::AuthenticationFailure {
                reason: match &self.token {
                    Some(token) => reason.without(token),
                    None => reason,
                },
            }),
            ("NEEDINFO", _, Some(prompt)) => Ok(Answer::NeedInfo {
                question: Question {
                    key: answer.key.unwrap_or_else(|| "otp".to_owned()),
                    prompt: masked(&text::prompt_of_server(&prompt)),
                    disable_echo: answer.disable_echo.unwrap_or(self.disable_echo),
                },
                state,
            }),
            _ => Err(garbled("the service's answer is none of ACCEPT, DENY and NEEDINFO with a question")),
        }
    }
}

impl MfaClient for Http<'_> {
    fn branded_name(&self) -> &str {
        "http"
    }

    fn ignore_connection_error(&self) -> bool {
        self.ignore_connection_error
    }

    fn check_health(&self) {
        self.servers.check_health();
    }

    /// The contract has no question that only looks, so the address itself is read.
    fn probe(&self) -> Vec<Finding> {
        probe::visit(&self.servers, "http", |visit| {
            let headers = self.token.iter().map(net::bearer).collect();
            let Some(Reply { status, .. }) = visit.get("", headers) else { return };
            let (grade, detail) = match status {
                401 | 403 => (Grade::Warning, "it does not take [http] token, or answers no GET to anybody"),
                502..=504 => (Grade::Error, "this is an outage"),
                500..=599 => (Grade::Error, "this is an error of the service"),
                _ => (Grade::Ok, "whether it takes [http] token, only a question about somebody shows"),
            };
            visit.note("GET", grade, &format!("the service answered with status {status}; {detail}"));
        })
    }

    fn carried(&self) -> Carried {
        self.carried.take()
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.ask("push", subject, None)
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.ask("otp", subject, Some(otp))
    }
}

/// Tells where a JSON text went wrong, without serde's message, which may quote it.
fn unreadable(what: &str, error: serde_json::Error) -> MfaError {
    garbled(Reason::ours(format!(
        "{what} is not of the documented form (line {}, column {})",
        error.line(),
        error.column()
    )))
}
