//! Several servers of one service, whatever they speak: the next is tried when one is down, and only then.
//!
//! A denial is an answer and ends the search. A request that contains a code is never sent again once a server may have
//! taken it. That a server is down is not inferred from such a request: it is asked a second, harmless question first.
//!
//! Of several servers, one that is down is asked last for `[mfa] retry_after` seconds, and longer the longer it is down.
//! It gets a user's code only after it has answered the harmless question.

use std::cell::RefCell;

use super::client::Tools;
use super::error::MfaError;
use super::outage::{ConfirmedOutage, Health, Life};
use crate::config::settings::{Opt, SettingError};
use crate::logging::Chain;
use crate::store::{RequestEnd, ServerFinding, ServerHealth, ServerId};

const RETRY_AFTER: Opt = Opt::new("mfa", "retry_after", "30");
pub(super) const OPTIONS: &[Opt] = &[RETRY_AFTER];
const MAX_RETRY_AFTER: f64 = 86_400.0;
/// The longest time in seconds for which a server is asked last because it was down for long.
const MAX_REST: f64 = 3600.0;

/// Whether a request may be sent to a second server though the first may have taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It contains a code, or begins something that must not begin twice.
    Never,
    /// It only asks.
    Freely,
}

/// Why one server gave no answer.
pub(super) struct Missed {
    /// What is said where it was the last.
    pub(super) error: MfaError,
    /// Whether the server may have taken a code, or started a push: then no other is asked.
    pub(super) may_be_taken: bool,
    /// How the request ended; never with an answer.
    pub(super) end: RequestEnd,
}

/// The order in which servers are asked.
pub(super) struct Turns<'a> {
    tools: Tools<'a>,
    retry_after: f64,
    health: Health<'a>,
    /// The server that answered last.
    answered: RefCell<Option<String>>,
}

impl<'a> Turns<'a> {
    /// `is_ignored` is whether an outage lets everybody in.
    ///
    /// # Errors
    /// Options of `[mfa]` that are unusable.
    pub(super) fn from_settings(tools: Tools<'a>, is_ignored: bool) -> Result<Self, SettingError> {
        let retry_after = tools.settings.seconds(&RETRY_AFTER, MAX_RETRY_AFTER)?.as_secs_f64();
        Ok(Self {
            tools,
            retry_after,
            health: Health::from_settings(tools, is_ignored)?,
            answered: RefCell::default(),
        })
    }

    pub(super) fn tools(&self) -> Tools<'a> {
        self.tools
    }

    /// Whether anything depends on it that a server is down. If not, no second question is asked and no state is kept.
    ///
    /// What may be asked freely is part of a dialogue that has begun, at which no outage is ignored.
    pub(super) fn is_confirming(&self, repeat: Repeat, servers: usize) -> bool {
        servers > 1 || (repeat == Repeat::Never && self.health.is_needed())
    }

    /// Asks one after the other until one answers, or the next must not be asked.
    ///
    /// # Errors
    /// [`MfaError::Outage`] if each server is down in a way that a user cannot cause, and none may have taken the request;
    /// otherwise the error of the last server that was asked.
    pub(super) fn ask<S, T>(
        &self,
        repeat: Repeat,
        all: &[S],
        id: impl Fn(&S) -> ServerId,
        ask: impl Fn(&S) -> Result<T, Missed>,
        life: impl Fn(&S) -> Life,
    ) -> Result<T, MfaError> {
        let is_confirming = self.is_confirming(repeat, all.len());
        let mut down = Vec::new();
        for (server, doubt) in self.in_turn(is_confirming, all, &id)? {
            let named = id(server);
            if let Some(doubt) = doubt
                && let Some(still) = self.health.ask_again(&named, doubt, || life(server))?
            {
                down.push(still);
                continue;
            }
            let asked = self.note(&named, repeat, || ask(server))?;
            if !is_confirming {
                return asked.map_err(|missed| missed.error);
            }
            let Missed { error, may_be_taken, end: _ } = match asked {
                Ok(answer) => {
                    self.answered.replace(Some(named.address));
                    return Ok(answer);
                }
                Err(missed) => missed,
            };
            let confirmed = self.health.confirm(&named, error, || life(server))?;
            self.tools.log.warning(format_args!("{}", Chain(&confirmed)));
            if may_be_taken {
                return Err(confirmed.into_error());
            }
            down.push(confirmed);
        }
        Err(ConfirmedOutage::of(down).map_or_else(|error| error, MfaError::Outage))
    }

    /// After an accepted login: asks the server that answered the harmless question, unless it was asked lately.
    pub(super) fn check_health<S>(&self, all: &[S], id: impl Fn(&S) -> ServerId, life: impl Fn(&S) -> Life) {
        let answered = self.answered.borrow();
        let mut named = all.iter().map(|server| (server, id(server)));
        if let Some((server, id)) = named.find(|(_, id)| Some(&id.address) == answered.as_ref()) {
            self.health.prove(&id, || life(server));
        }
    }

    /// Sends a user's request, and remembers it while the server may be working on it.
    pub(super) fn note<T>(
        &self,
        server: &ServerId,
        repeat: Repeat,
        send: impl FnOnce() -> Result<T, Missed>,
    ) -> Result<Result<T, Missed>, MfaError> {
        self.health.note(server, repeat, send)
    }

    /// Returns the servers in the order in which they are asked, with what is known of those that may be down.
    fn in_turn<'s, S>(
        &self,
        is_confirming: bool,
        all: &'s [S],
        id: impl Fn(&S) -> ServerId,
    ) -> Result<Vec<(&'s S, Option<ServerHealth>)>, MfaError> {
        let mut found = Vec::new();
        for server in all {
            let doubt = if is_confirming { self.health.doubt(&id(server))? } else { None };
            found.push((server, doubt));
        }
        found.sort_by_key(|(_, doubt)| doubt.is_some_and(|doubt| self.is_last(doubt)));
        Ok(found)
    }

    /// Whether a server is asked after the others: for a while after it was down, and if only a user's code can show
    /// whether it is back.
    fn is_last(&self, doubt: ServerHealth) -> bool {
        let rests = doubt.asked < self.retry_after.max(doubt.lasted.min(MAX_REST));
        rests || (doubt.finding == ServerFinding::Silent && !doubt.is_proven)
    }
}
