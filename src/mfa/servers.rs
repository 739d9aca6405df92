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

/// The servers of one service.
pub(super) struct Servers<'a> {
    tools: Tools<'a>,
    all: Vec<(Url, HttpClient<'a>)>,
    retry_after: f64,
    has_fallback: bool,
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
        for text in settings.required(option)?.split(',') {
            let url = Url::parse(text).ok_or_else(|| {
                settings.invalid(
                    option,
                    "addresses such as https://mfa.example.org, separated by commas".to_owned(),
                )
            })?;
            let client = HttpClient::new(settings, tools.http_proxy, tools.log, tools.budget, &url, timeout)?;
            all.push((url, client));
        }
        let retry_after = settings.seconds(&RETRY_AFTER, MAX_RETRY_AFTER)?.as_secs_f64();
        Ok(Self { tools, all, retry_after, has_fallback: super::fallback(settings)? })
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
        let mut last = None;
        for (url, client) in self.in_turn()? {
            match client.send(&request(url)) {
                Ok(reply) => return Ok(reply),
                Err(error) => {
                    let next = matches!(
                        error,
                        NetError::Unreachable { may_have_arrived, .. }
                            if repeat == Repeat::Freely || !may_have_arrived
                    );
                    if matches!(error, NetError::Unreachable { .. }) && self.is_remembering() {
                        self.tools.log.warning(format_args!("{}", Chain(&error)));
                        self.tools.store.mark_server_down(url.host())?;
                    }
                    if !next {
                        return Err(sort(error));
                    }
                    last = Some(error);
                }
            }
        }
        Err(last.map_or(
            MfaError::ServiceUnreachable {
                reason: "all servers were down a moment ago".to_owned(),
                source: None,
            },
            sort,
        ))
    }

    /// Whether it matters to the next hook that a server is down; if not, no state is kept.
    fn is_remembering(&self) -> bool {
        self.all.len() > 1 || self.has_fallback
    }

    /// The servers that are not known to be down; where all are, all or, with a fallback, none.
    fn in_turn(&self) -> Result<Vec<&(Url, HttpClient<'a>)>, MfaError> {
        if !self.is_remembering() {
            return Ok(self.all.iter().collect());
        }
        let mut up = Vec::new();
        for server in &self.all {
            if !self.tools.store.is_server_down(server.0.host(), self.retry_after)? {
                up.push(server);
            }
        }
        Ok(if up.is_empty() && !self.has_fallback { self.all.iter().collect() } else { up })
    }
}

/// Sorts a fault of the network into the two kinds that a provider has.
pub(super) fn sort(error: NetError) -> MfaError {
    match error {
        NetError::Garbled { .. } => MfaError::CommunicationError {
            reason: "no usable HTTP".to_owned(),
            source: Some(Box::new(error)),
        },
        NetError::Unreachable { .. } | NetError::NoTime(_) => {
            MfaError::ServiceUnreachable { reason: "no answer".to_owned(), source: Some(Box::new(error)) }
        }
    }
}
