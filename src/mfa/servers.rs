//! The servers of one service that speaks HTTP.

use std::time::Duration;

use secrecy::SecretString;

use super::client::Tools;
use super::error::MfaError;
use super::outage::{self, Life};
use super::turns::{Missed, Repeat, Turns};
use crate::config::settings::{Opt, SettingError};
use crate::net::{self, Body, HttpClient, NetError, Progress, Reply, Request, Url};
use crate::store::{RequestEnd, ServerId};

/// A question that changes nothing at a server and contains nothing that the user typed.
pub(super) struct Harmless {
    /// What lies below the server's address; empty for the address itself.
    pub(super) path: &'static str,
    /// The credentials that the server requires, never the user's.
    pub(super) headers: Vec<(&'static str, SecretString)>,
    /// The method, and the body.
    pub(super) body: Body<'static>,
}

impl Harmless {
    /// A GET that shows nothing.
    pub(super) fn get(path: &'static str) -> Self {
        Self { path, headers: Vec::new(), body: Body::Get }
    }
}

/// The servers of one service that speaks HTTP.
pub(super) struct Servers<'a> {
    turns: Turns<'a>,
    /// The section that describes them.
    section: &'static str,
    all: Vec<(Url, HttpClient<'a>)>,
    harmless: Harmless,
    timeout: Duration,
}

impl<'a> Servers<'a> {
    /// Reads a comma-separated list of addresses. `is_ignored` is whether an outage lets everybody in.
    ///
    /// # Errors
    /// No address, or one that is none; TLS or proxy options that are unusable.
    pub(super) fn from_settings(
        tools: Tools<'a>,
        option: &Opt,
        timeout: Duration,
        harmless: Harmless,
        is_ignored: bool,
    ) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let mut all = Vec::new();
        let entries = settings.required_list_of(option, "addresses such as https://mfa.example.org")?;
        for text in entries {
            let url = Url::parse(&text).ok_or_else(|| {
                settings.invalid(
                    option,
                    "addresses such as https://mfa.example.org, separated by commas".to_owned(),
                )
            })?;
            let client = HttpClient::new(settings, tools.http_proxy, tools.log, tools.budget, &url, timeout)?;
            all.push((url, client));
        }
        Ok(Self {
            turns: Turns::from_settings(tools, is_ignored)?,
            section: option.section,
            all,
            harmless,
            timeout,
        })
    }

    /// Returns each server with its client, for questions that are for all of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Url, &HttpClient<'a>)> {
        self.all.iter().map(|(url, client)| (url, client))
    }

    /// Returns what the clients may use.
    pub(super) fn tools(&self) -> Tools<'a> {
        self.turns.tools()
    }

    /// Asks the servers in turn; `request` is made for each anew.
    ///
    /// # Errors
    /// [`MfaError::Outage`] where each is down, and none may have taken the request;
    /// [`MfaError::ServiceUnreachable`] where one gave no answer and more is not known.
    pub(super) fn ask<'r>(
        &self,
        repeat: Repeat,
        request: impl Fn(&Url) -> Request<'r>,
    ) -> Result<Reply, MfaError> {
        let budget = self.turns.tools().budget;
        let ask = |(url, client): &(Url, HttpClient<'a>)| {
            let longest = if self.turns.is_confirming(repeat, self.all.len()) {
                outage::first(budget)
            } else {
                budget.remaining()
            };
            let missed = |error, end| {
                let may_be_taken = repeat == Repeat::Never && end != RequestEnd::NothingSent;
                Err(Missed { error, may_be_taken, end })
            };
            match client.send_within(&request(url), longest) {
                Ok(reply) if net::is_outage(reply.status) => {
                    let reason = format!("the server answered with status {}", reply.status);
                    let error = MfaError::ServiceUnreachable { reason, source: None };
                    // A gateway that has waited in vain; the server may still be working.
                    let is_late = reply.status == net::GATEWAY_TIMEOUT;
                    missed(error, if is_late { RequestEnd::Unanswered } else { RequestEnd::TurnedAway })
                }
                Ok(reply) => Ok(reply),
                Err(error) => {
                    let end = end_of(&error);
                    missed(sort(error), end)
                }
            }
        };
        self.turns.ask(repeat, &self.all, |(url, _)| self.id(url), ask, |server| self.life(server))
    }

    /// After an accepted login: finds out whether it would be seen that the server that answered is down.
    pub(super) fn check_health(&self) {
        self.turns.check_health(&self.all, |(url, _)| self.id(url), |server| self.life(server));
    }

    /// Tells whether each server leaves the harmless question without an answer, whatever came of a request.
    pub(super) fn are_down(&self) -> bool {
        match Life::of_all(self.all.iter().map(|server| self.life(server))) {
            Life::Refused | Life::Silent => true,
            Life::Up | Life::Unknown => false,
        }
    }

    fn id(&self, url: &Url) -> ServerId {
        ServerId { kind: self.section, address: url.as_str().to_owned(), endpoint: url.endpoint() }
    }

    /// Asks the second question.
    fn life(&self, (url, client): &(Url, HttpClient<'a>)) -> Life {
        let path = self.harmless.path;
        let request = Request {
            url: if path.is_empty() { url.as_str().to_owned() } else { url.join(path) },
            headers: self.harmless.headers.clone(),
            body: self.harmless.body,
        };
        let longest = outage::second(self.turns.tools().budget, self.timeout).remaining();
        match client.send_within(&request, longest) {
            Ok(reply) if net::is_outage(reply.status) => Life::Silent,
            // Half an answer is an answer.
            Ok(_)
            | Err(NetError::Garbled { .. } | NetError::Unreachable { progress: Progress::Answered, .. }) => {
                Life::Up
            }
            Err(error) if error.is_refusal() => {
                let time = outage::second(self.turns.tools().budget, self.timeout);
                if client.is_refused_everywhere(time) { Life::Refused } else { Life::Silent }
            }
            Err(NetError::Unreachable { progress: Progress::NothingSent | Progress::Sent, .. }) => {
                Life::Silent
            }
            Err(NetError::Refused { .. } | NetError::NoTime(_)) => Life::Unknown,
        }
    }
}

/// Tells how a request ended that met a fault of the network.
fn end_of(error: &NetError) -> RequestEnd {
    match error {
        NetError::Unreachable { progress: Progress::NothingSent, .. } | NetError::NoTime(_) => {
            RequestEnd::NothingSent
        }
        NetError::Unreachable { progress: Progress::Sent, .. } => RequestEnd::Unanswered,
        NetError::Unreachable { progress: Progress::Answered, .. }
        | NetError::Refused { .. }
        | NetError::Garbled { .. } => RequestEnd::TurnedAway,
    }
}

/// Sorts a fault of the network into the kinds that a provider has.
pub(super) fn sort(error: NetError) -> MfaError {
    let reason = match &error {
        NetError::Unreachable { .. } | NetError::NoTime(_) => {
            let source = Some(error.into());
            return MfaError::ServiceUnreachable { reason: "no answer".to_owned(), source };
        }
        NetError::Garbled { .. } => "no valid HTTP response",
        NetError::Refused { .. } if error.is_tls() => "TLS with the server failed",
        NetError::Refused { via: None, .. } => "the server ended the TLS connection",
        NetError::Refused { via: Some(_), .. } => "the proxy or the server refuses the connection",
    };
    MfaError::CommunicationError { reason: reason.into(), source: Some(error.into()) }
}
