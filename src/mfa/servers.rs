//! Several servers of one service: the next is tried when one cannot be reached, and only then.
//!
//! A denial is an answer and ends the search. A request that carries a code is never sent again once it may have
//! arrived, because the first server may have used the code up. A server that did not answer is left alone for
//! `[mfa] retry_after` seconds, so that the next hook does not wait for it. Where all are left alone, they are asked
//! all the same, unless `[mfa] fallback` has somebody else to ask.

use std::time::Duration;

use super::{MfaError, RETRY_AFTER, Tools};
use crate::config::settings::{At, SettingError};
use crate::logging::Chain;
use crate::net::{HttpClient, NetError, Reply, Request, Url};

const MAX_RETRY_AFTER: f64 = 86_400.0;

/// The servers of one service that speaks HTTP.
pub(super) struct Servers<'a> {
    turns: Turns<'a>,
    all: Vec<(Url, HttpClient<'a>)>,
}

/// Whether a request may be sent to a second server though the first may have got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It carries a code, or begins something that must not begin twice.
    Never,
    /// It only asks.
    Freely,
}

impl<'a> Servers<'a> {
    /// Reads a comma-separated list of addresses.
    ///
    /// # Errors
    /// No address, or one that is none; TLS or proxy options that are unusable.
    pub(super) fn from_settings(
        tools: Tools<'a>,
        option: At<'_>,
        timeout: Duration,
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
        Ok(Self { turns: Turns::from_settings(tools)?, all })
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
    /// [`MfaError::ServiceUnreachable`] where none answered, or the one that may have got the request did not.
    pub(super) fn ask<'r>(
        &self,
        repeat: Repeat,
        request: impl Fn(&Url) -> Request<'r>,
    ) -> Result<Reply, MfaError> {
        self.turns.ask(
            &self.all,
            |(url, _)| url.host(),
            |(url, client)| {
                client.send(&request(url)).map_err(|error| Missed {
                    is_down: matches!(error, NetError::Unreachable { .. }),
                    may_ask_next: matches!(
                        error,
                        NetError::Unreachable { may_have_arrived, .. }
                            if repeat == Repeat::Freely || !may_have_arrived
                    ),
                    error: sort(error),
                })
            },
        )
    }
}

/// Why one server gave no answer, and what follows from it.
pub(super) struct Missed {
    /// What is said where it was the last.
    pub(super) error: MfaError,
    /// Whether the next hook should not wait for it.
    pub(super) is_down: bool,
    /// Whether another may be asked the same.
    pub(super) may_ask_next: bool,
}

/// Who is asked after whom, whatever they speak.
pub(super) struct Turns<'a> {
    tools: Tools<'a>,
    retry_after: f64,
    has_fallback: bool,
}

impl<'a> Turns<'a> {
    /// # Errors
    /// Options of `[mfa]` that are unusable.
    pub(super) fn from_settings(tools: Tools<'a>) -> Result<Self, SettingError> {
        let retry_after = tools.settings.seconds(&RETRY_AFTER, MAX_RETRY_AFTER)?.as_secs_f64();
        Ok(Self { tools, retry_after, has_fallback: super::fallback(tools.settings)? })
    }

    /// Asks one after the other until one answers, or the next must not be asked.
    ///
    /// # Errors
    /// That of the last that was asked.
    pub(super) fn ask<S, T>(
        &self,
        all: &[S],
        name: impl Fn(&S) -> &str,
        ask: impl Fn(&S) -> Result<T, Missed>,
    ) -> Result<T, MfaError> {
        // Whether it matters to the next hook that a server is down; if not, no state is kept.
        let is_remembering = all.len() > 1 || self.has_fallback;
        let mut last = None;
        for server in self.in_turn(all, &name, is_remembering)? {
            match ask(server) {
                Ok(answer) => return Ok(answer),
                Err(Missed { error, is_down, may_ask_next }) => {
                    if is_down && is_remembering {
                        self.tools.log.warning(format_args!("{}", Chain(&error)));
                        self.tools.store.mark_server_down(name(server))?;
                    }
                    if !may_ask_next {
                        return Err(error);
                    }
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or(MfaError::ServiceUnreachable {
            reason: "all servers were down a moment ago".to_owned(),
            source: None,
        }))
    }

    /// The servers that are not known to be down; where all are, all or, with a fallback, none.
    fn in_turn<'s, S>(
        &self,
        all: &'s [S],
        name: impl Fn(&S) -> &str,
        is_remembering: bool,
    ) -> Result<Vec<&'s S>, MfaError> {
        if !is_remembering {
            return Ok(all.iter().collect());
        }
        let mut up = Vec::new();
        for server in all {
            if !self.tools.store.is_server_down(name(server), self.retry_after)? {
                up.push(server);
            }
        }
        Ok(if up.is_empty() && !self.has_fallback { all.iter().collect() } else { up })
    }
}

/// Sorts a fault of the network into the two kinds that a provider has.
pub(super) fn sort(error: NetError) -> MfaError {
    match error {
        NetError::Garbled { .. } => {
            MfaError::CommunicationError { reason: "no usable HTTP".into(), source: Some(Box::new(error)) }
        }
        NetError::Unreachable { .. } | NetError::NoTime(_) => {
            MfaError::ServiceUnreachable { reason: "no answer".to_owned(), source: Some(Box::new(error)) }
        }
    }
}
