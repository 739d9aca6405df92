//! Several servers of one service: the next is tried when one is down, and only then.
//!
//! A denial is an answer and ends the search. A request that contains a code is never sent again once a server may have
//! taken it. That a server is down is not inferred from such a request: it is asked a second, harmless question first
//! ([`ConfirmedOutage`]).
//!
//! A server that is down is not asked for `[mfa] retry_after` seconds, and longer the longer it is down where another
//! server answers. After that it is asked the harmless question, and the user's code only where it answered that. Where
//! all servers are down, that question is asked at once, unless `[mfa] fallback` has the local tokens to ask.

use std::time::Duration;

use secrecy::SecretString;

use super::outage::{self, ConfirmedOutage, Life};
use super::{MfaError, RETRY_AFTER, Tools};
use crate::config::settings::{At, SettingError};
use crate::logging::Chain;
use crate::net::{self, Body, HttpClient, NetError, Progress, Reply, Request, Url};
use crate::store::StoreError;

const MAX_RETRY_AFTER: f64 = 86_400.0;
/// The longest time in seconds for which a server is not asked because it was down for long.
const MAX_REST: f64 = 3600.0;

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
    all: Vec<(Url, HttpClient<'a>)>,
    harmless: Harmless,
    timeout: Duration,
}

/// Whether a request may be sent to a second server though the first may have taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It contains a code, or begins something that must not begin twice.
    Never,
    /// It only asks.
    Freely,
}

impl<'a> Servers<'a> {
    /// Reads a comma-separated list of addresses. `is_ignored` is whether an outage lets everybody in.
    ///
    /// # Errors
    /// No address, or one that is none; TLS or proxy options that are unusable.
    pub(super) fn from_settings(
        tools: Tools<'a>,
        option: At<'_>,
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
        Ok(Self { turns: Turns::from_settings(tools, is_ignored)?, all, harmless, timeout })
    }

    /// Returns each server with its client, for questions that are for all of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Url, &HttpClient<'a>)> {
        self.all.iter().map(|(url, client)| (url, client))
    }

    /// Returns what the clients may use.
    pub(super) fn tools(&self) -> Tools<'a> {
        self.turns.tools
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
        let budget = self.turns.tools.budget;
        let ask = |(url, client): &(Url, HttpClient<'a>)| {
            let longest = if self.turns.is_confirming(repeat, self.all.len()) {
                outage::first(budget)
            } else {
                budget.remaining()
            };
            let missed = |error, progress| {
                let may_be_taken = repeat == Repeat::Never && progress != Progress::NothingSent;
                Err(Missed { error, may_be_taken })
            };
            match client.send_within(&request(url), longest) {
                Ok(reply) if net::is_outage(reply.status) => {
                    let reason = format!("the server answered with status {}", reply.status);
                    missed(MfaError::ServiceUnreachable { reason, source: None }, Progress::Sent)
                }
                Ok(reply) => Ok(reply),
                Err(error) => {
                    let progress = match error {
                        NetError::Unreachable { progress, .. } => progress,
                        NetError::Refused { .. } | NetError::Garbled { .. } => Progress::Sent,
                        NetError::NoTime(_) => Progress::NothingSent,
                    };
                    missed(sort(error), progress)
                }
            }
        };
        self.turns.ask(repeat, &self.all, |(url, _)| url.as_str(), ask, |server| self.life(server))
    }

    /// Tells whether every server is down, whatever came of a request; each is asked the harmless question.
    pub(super) fn all_down(&self) -> Option<ConfirmedOutage> {
        let life = || {
            let is_up = self.all.iter().any(|server| self.life(server) != Life::Down);
            if is_up { Life::Up } else { Life::Down }
        };
        ConfirmedOutage::find("no answer", life)
    }

    /// Asks the second question.
    fn life(&self, (url, client): &(Url, HttpClient<'a>)) -> Life {
        let path = self.harmless.path;
        let request = Request {
            url: if path.is_empty() { url.as_str().to_owned() } else { url.join(path) },
            headers: self.harmless.headers.clone(),
            body: self.harmless.body,
        };
        let longest = outage::second(self.turns.tools.budget, self.timeout).remaining();
        match client.send_within(&request, longest) {
            Ok(reply) if net::is_outage(reply.status) => Life::Down,
            // Half an answer is an answer.
            Ok(_)
            | Err(NetError::Garbled { .. } | NetError::Unreachable { progress: Progress::Answered, .. }) => {
                Life::Up
            }
            Err(NetError::Unreachable { progress: Progress::NothingSent | Progress::Sent, .. }) => Life::Down,
            Err(NetError::Refused { .. } | NetError::NoTime(_)) => Life::Unknown,
        }
    }
}

/// Why one server gave no answer.
pub(super) struct Missed {
    /// What is said where it was the last.
    pub(super) error: MfaError,
    /// Whether the server may have taken a code, or started a push: then no other is asked.
    pub(super) may_be_taken: bool,
}

/// Who is asked after whom, whatever they speak.
pub(super) struct Turns<'a> {
    tools: Tools<'a>,
    retry_after: f64,
    has_fallback: bool,
    is_ignored: bool,
}

/// What is remembered of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// Nothing.
    Good,
    /// It was down, and the time for which it is not asked is over.
    Doubtful,
    /// It was down a moment ago.
    Down,
}

impl<'a> Turns<'a> {
    /// # Errors
    /// Options of `[mfa]` that are unusable.
    pub(super) fn from_settings(tools: Tools<'a>, is_ignored: bool) -> Result<Self, SettingError> {
        let retry_after = tools.settings.seconds(&RETRY_AFTER, MAX_RETRY_AFTER)?.as_secs_f64();
        Ok(Self { tools, retry_after, has_fallback: super::fallback(tools.settings)?, is_ignored })
    }

    /// Whether anything depends on it that a server is down. If not, no second question is asked and no state is kept.
    ///
    /// What may be asked freely is part of a dialogue that has begun, at which no outage is ignored.
    pub(super) fn is_confirming(&self, repeat: Repeat, servers: usize) -> bool {
        servers > 1 || (repeat == Repeat::Never && (self.has_fallback || self.is_ignored))
    }

    /// Asks one after the other until one answers, or the next must not be asked.
    ///
    /// # Errors
    /// That of the last that was asked.
    pub(super) fn ask<S, T>(
        &self,
        repeat: Repeat,
        all: &[S],
        name: impl Fn(&S) -> &str,
        ask: impl Fn(&S) -> Result<T, Missed>,
        life: impl Fn(&S) -> Life,
    ) -> Result<T, MfaError> {
        let is_confirming = self.is_confirming(repeat, all.len());
        let mut last = None;
        for (server, memory) in self.in_turn(is_confirming, all, &name)? {
            if memory != Memory::Good {
                // Before a code is sent that would be lost.
                let reason = "the server was down a moment ago, and still is";
                if let Some(confirmed) = ConfirmedOutage::find(reason, || life(server)) {
                    self.remember(&confirmed, name(server))?;
                    last = Some(confirmed);
                    continue;
                }
                self.forget(name(server))?;
            }
            let Missed { error, may_be_taken } = match ask(server) {
                Ok(answer) => return Ok(answer),
                Err(missed) => missed,
            };
            if !is_confirming {
                return Err(error);
            }
            let confirmed = ConfirmedOutage::confirm(error, || life(server))?;
            self.tools.log.warning(format_args!("{}", Chain(&confirmed)));
            self.remember(&confirmed, name(server))?;
            if may_be_taken {
                return Err(confirmed.into_error());
            }
            last = Some(confirmed);
        }
        let recent: Vec<_> = all.iter().map(&name).collect();
        match last.or_else(|| ConfirmedOutage::recall(&recent)) {
            Some(confirmed) => Err(MfaError::Outage(confirmed)),
            None => Err(super::garbled("no server is configured")),
        }
    }

    fn remember(&self, confirmed: &ConfirmedOutage, server: &str) -> Result<(), MfaError> {
        self.optional(confirmed.remember(self.tools.store, server))
    }

    fn forget(&self, server: &str) -> Result<(), MfaError> {
        self.optional(self.tools.store.forget_server_down(server))
    }

    /// Where nothing but `ignore_connection_error` depends on the memory, a hook does without it.
    fn optional(&self, result: Result<(), StoreError>) -> Result<(), MfaError> {
        match result {
            Err(StoreError::NoDirectory) if self.is_ignored && !self.has_fallback => Ok(()),
            result => Ok(result?),
        }
    }

    /// The servers in their order with what is remembered of them, without those that are not to be asked now. Where
    /// that leaves none, all or, with a fallback, none.
    fn in_turn<'s, S>(
        &self,
        is_confirming: bool,
        all: &'s [S],
        name: impl Fn(&S) -> &str,
    ) -> Result<Vec<(&'s S, Memory)>, MfaError> {
        let mut found = Vec::new();
        for server in all {
            let memory = if is_confirming { self.memory(name(server), all.len())? } else { Memory::Good };
            found.push((server, memory));
        }
        if self.has_fallback || found.iter().any(|(_, memory)| *memory != Memory::Down) {
            found.retain(|(_, memory)| *memory != Memory::Down);
        }
        Ok(found)
    }

    fn memory(&self, server: &str, servers: usize) -> Result<Memory, MfaError> {
        let known = match self.tools.store.server_down(server) {
            Err(StoreError::NoDirectory) if self.is_ignored && !self.has_fallback => None,
            known => known?,
        };
        let Some(down) = known else { return Ok(Memory::Good) };
        // A server that was down for long is asked more seldom, where another answers.
        let rest =
            if servers > 1 { self.retry_after.max(down.lasted.min(MAX_REST)) } else { self.retry_after };
        Ok(if down.ago < rest { Memory::Down } else { Memory::Doubtful })
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
