//! When a service counts as down.
//!
//! One request without an answer is only a suspicion: the request may have been too long for a proxy, or about a realm
//! whose home server is down. So the server is asked a second question, which contains nothing that the user typed and
//! changes nothing. A server that does not answer it either is [`Down`]. That is enough to ask another server of the same
//! service.
//!
//! It is not enough to ignore the outage or to fall back, because a user can keep a server busy: with many logins behind a
//! limit of requests or connections, or with push notifications that are left open. For these a [`ConfirmedOutage`] is
//! needed: each server of the service has been down for `[mfa] outage_after` seconds in which no user's request was sent to
//! its endpoint, and the plugin itself sent only a few second questions. Requests that had no answer make this time longer,
//! because the server may be working on them one after the other. A refused connection counts at once if no request was
//! sent for so long before it. For silence, the server must also have answered that question before: a gateway that always
//! answers it with 503 proves nothing.

use std::fmt;
use std::time::Duration;

use super::client::Tools;
use super::error::{MfaError, garbled};
use super::fallback;
use super::turns::{Missed, Repeat};
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError};
use crate::logging::Chain;
use crate::store::{RequestEnd, ServerFinding, ServerHealth, ServerId, ServerLoad, StoreError};

/// The longest wait for the answer to a second question.
const LONGEST: Duration = Duration::from_secs(5);
/// The part of what is left of the hook's time that is kept for the second question: one in so many.
const SHARE: u32 = 4;
/// The shortest time in seconds between two questions to a server that may be down.
const PAUSE: f64 = 2.0;
/// The longest such time is this part of `outage_after`, so that the questions alone exceed no limit.
const MOST_QUESTIONS: f64 = 6.0;
/// The longest time in seconds for which requests without an answer delay an outage.
const LONGEST_DELAY: f64 = 3600.0;
/// After how many seconds a server that answers logins is asked again whether it answers the second question.
const PROOF_AGE: f64 = 86_400.0;

const OUTAGE_AFTER: Opt = Opt::new("mfa", "outage_after", "120");
pub(super) const OPTIONS: &[Opt] = &[OUTAGE_AFTER];
const MIN_OUTAGE_AFTER: f64 = 10.0;
const MAX_OUTAGE_AFTER: f64 = 86_400.0;

/// What the second question showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The server answers, whatever it says.
    Up,
    /// No connection: it was refused, or there is no route.
    Refused,
    /// No answer in time, or a gateway that does not reach the server.
    Silent,
    /// Not known: no time was left, or the connection is refused in a way that is a mistake and no outage.
    Unknown,
}

impl Life {
    /// Sums up several addresses of one service: it is down only if each of them is.
    pub(super) fn of_all(each: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::Refused;
        for life in each {
            match life {
                Self::Up | Self::Unknown => return life,
                Self::Silent => all = Self::Silent,
                Self::Refused => {}
            }
        }
        all
    }

    fn doubt(self) -> Option<ServerFinding> {
        match self {
            Self::Up | Self::Unknown => None,
            Self::Refused => Some(ServerFinding::Refused),
            Self::Silent => Some(ServerFinding::Silent),
        }
    }
}

/// A server that did not answer the second question.
#[derive(Debug)]
pub(super) struct Down {
    reason: String,
    source: Option<Box<dyn std::error::Error>>,
    is_outage: bool,
}

impl Down {
    /// Makes the error of a request that a server may have taken, or of a dialogue that has begun. It must never be
    /// ignored: the code may be used up, or a push may have been started.
    pub(super) fn into_error(self) -> MfaError {
        MfaError::ServiceUnreachable { reason: self.reason, source: self.source }
    }
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service unreachable: {}", self.reason)
    }
}

impl std::error::Error for Down {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref()
    }
}

/// A service all of whose servers are down, for a reason that no user can bring about by logging in. Its field is
/// private, and `of` is the only way to make one.
#[derive(Debug)]
pub struct ConfirmedOutage {
    last: Down,
}

impl ConfirmedOutage {
    /// Makes an outage of the servers of a service, or the error that is no outage.
    pub(super) fn of(servers: Vec<Down>) -> Result<Self, MfaError> {
        let is_outage = servers.iter().all(|server| server.is_outage);
        match servers.into_iter().last() {
            Some(last) if is_outage => Ok(Self { last }),
            Some(last) => Err(last.into_error()),
            None => Err(garbled("no server is configured")),
        }
    }

    /// Makes the error of a dialogue that has begun; see [`Down::into_error`].
    pub(super) fn into_error(self) -> MfaError {
        self.last.into_error()
    }

    /// Returns what is said of it, for the operator.
    pub fn reason(&self) -> &str {
        &self.last.reason
    }
}

impl fmt::Display for ConfirmedOutage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last.fmt(f)
    }
}

impl std::error::Error for ConfirmedOutage {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.last.source.as_deref()
    }
}

/// What is known of the servers of one service.
pub(super) struct Health<'a> {
    tools: Tools<'a>,
    outage_after: f64,
    /// Whether an outage of the service is ignored or leads to a fallback.
    is_needed: bool,
    /// Whether a configuration without state is served. Then nothing is an outage.
    does_without_state: bool,
}

impl<'a> Health<'a> {
    /// # Errors
    /// `[mfa] outage_after` or `[mfa] fallback` is unusable.
    pub(super) fn from_settings(tools: Tools<'a>, is_ignored: bool) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let outage_after = settings.seconds(&OUTAGE_AFTER, MAX_OUTAGE_AFTER)?.as_secs_f64();
        if outage_after < MIN_OUTAGE_AFTER {
            let expected = format!("seconds, at least {MIN_OUTAGE_AFTER} and at most {MAX_OUTAGE_AFTER}");
            return Err(settings.invalid(&OUTAGE_AFTER, expected));
        }
        let has_fallback = fallback::is_set(settings)?;
        Ok(Self {
            tools,
            outage_after,
            is_needed: has_fallback || is_ignored,
            does_without_state: is_ignored && !has_fallback,
        })
    }

    /// Whether an outage of the service is ignored or leads to a fallback.
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// Returns what is remembered of a server that may be down; `None` for any other.
    pub(super) fn doubt(&self, server: &ServerId) -> Result<Option<ServerHealth>, MfaError> {
        let known = self.unless_stateless(self.tools.store.server_health(server), None)?;
        Ok(known.filter(|health| health.finding.is_doubt()))
    }

    /// Asks a server that may be down the second question before it gets a code, which would be lost. `None`: it is not
    /// known to be down. If another hook is asking at the same time, this one waits for its finding.
    ///
    /// A server that never answered the second question gets the code itself, because nothing else can show that it is back.
    pub(super) fn ask_again(
        &self,
        server: &ServerId,
        known: ServerHealth,
        life: impl FnOnce() -> Life,
    ) -> Result<Option<Down>, MfaError> {
        if known.finding == ServerFinding::Silent && !known.is_proven {
            return Ok(None);
        }
        let store = self.tools.store;
        if !store.claim_server_question(server, self.pause(&known))? {
            return self.finding_of_another(server);
        }
        let life = life();
        let Some(doubt) = life.doubt() else {
            if life == Life::Up {
                store.note_server(server, ServerFinding::Answers, self.gap())?;
            }
            return Ok(None);
        };
        store.note_server(server, doubt, self.gap())?;
        let now = store.server_health(server)?.unwrap_or(known);
        self.still_down(server, &now).map(Some)
    }

    /// Waits for the finding of another hook. An old finding does not count, because the server may be back.
    fn finding_of_another(&self, server: &ServerId) -> Result<Option<Down>, MfaError> {
        let (time, steps) = (second(self.tools.budget, LONGEST), 60_u32);
        for _ in 0..steps {
            match self.doubt(server)? {
                None => return Ok(None),
                Some(known) if known.asked <= self.pause(&known) => {
                    return self.still_down(server, &known).map(Some);
                }
                Some(_) if time.remaining().is_zero() => break,
                Some(_) => std::thread::sleep(LONGEST.checked_div(steps).unwrap_or_default()),
            }
        }
        let reason = "the server is being asked whether it is back".to_owned();
        Ok(Some(Down { reason, source: None, is_outage: false }))
    }

    /// Confirms by the second question that a server is down that did not answer a request, or gives the error back. An
    /// error that is no suspicion is not asked about.
    pub(super) fn confirm(
        &self,
        server: &ServerId,
        suspicion: MfaError,
        life: impl FnOnce() -> Life,
    ) -> Result<Down, MfaError> {
        let (reason, source) = match suspicion {
            MfaError::ServiceUnreachable { reason, source } => (reason, source),
            error @ (MfaError::Outage(_)
            | MfaError::CommunicationError { .. }
            | MfaError::Store(_)
            | MfaError::Setting(_)) => return Err(error),
        };
        let Some(doubt) = life().doubt() else { return Err(MfaError::ServiceUnreachable { reason, source }) };
        let store = self.tools.store;
        self.unless_stateless(store.note_server(server, doubt, self.gap()), ())?;
        let known = self.doubt(server)?;
        let verdict = known.map(|known| self.still_down(server, &known)).transpose()?;
        Ok(Down { reason, source, is_outage: verdict.is_some_and(|down| down.is_outage) })
    }

    /// Asks a server that has just answered a login the second question, once a day. If it does not answer now, its silence
    /// later does not prove an outage.
    pub(super) fn prove(&self, server: &ServerId, life: impl FnOnce() -> Life) {
        if let Err(error) = self.try_prove(server, life) {
            // The login was answered, so this is no reason to deny it.
            self.tools.log.warning(format_args!("{}", Chain(&error)));
        }
    }

    fn try_prove(&self, server: &ServerId, life: impl FnOnce() -> Life) -> Result<(), StoreError> {
        let store = self.tools.store;
        let known = match store.server_health(server) {
            Err(StoreError::NoDirectory) if self.does_without_state => return Ok(()),
            known => known?,
        };
        if known.is_some_and(|known| !known.finding.is_doubt() && known.asked < PROOF_AGE) {
            return Ok(());
        }
        let finding = match life() {
            Life::Unknown => return Ok(()),
            Life::Up => ServerFinding::Answers,
            Life::Refused | Life::Silent => {
                self.tools.log.warning(format_args!(
                    "{} answers logins, but not the harmless question; an outage of it is not recognised",
                    server.address
                ));
                ServerFinding::Mute
            }
        };
        store.note_server(server, finding, self.gap())
    }

    /// Sends a user's request, and remembers it while the server may be working on it. Where this configuration does not
    /// depend on outages, another one with the same state may, so it is noted there too.
    pub(super) fn note<T>(
        &self,
        server: &ServerId,
        repeat: Repeat,
        send: impl FnOnce() -> Result<T, Missed>,
    ) -> Result<Result<T, Missed>, MfaError> {
        let store = self.tools.store;
        if !self.is_needed && !store.remembers_servers() {
            return Ok(send());
        }
        let longest = self.tools.budget.remaining().as_secs_f64();
        let begun = store.begin_request(server, longest).map(Some);
        let request = self.unless_unneeded(begun, None)?;
        let sent = send();
        if let Some(request) = request {
            // What only asks, such as a poll, is answered beside the requests that wait.
            let answered =
                if repeat == Repeat::Never { RequestEnd::Answered } else { RequestEnd::TurnedAway };
            let end = sent.as_ref().map_or_else(|missed| missed.end, |_| answered);
            self.unless_unneeded(store.end_request(&request, end), ())?;
        }
        Ok(sent)
    }

    /// As [`Health::unless_stateless`]; where this configuration does not depend on outages, an error is only logged.
    fn unless_unneeded<T>(&self, result: Result<T, StoreError>, without: T) -> Result<T, MfaError> {
        match result {
            Err(error) if !self.is_needed => {
                self.tools.log.warning(format_args!("{}", Chain(&error)));
                Ok(without)
            }
            result => self.unless_stateless(result, without),
        }
    }

    /// How many seconds have to lie between two questions to a server that may be down: as long as it has been down, within
    /// bounds, so that it is soon seen that a short interruption is over.
    fn pause(&self, known: &ServerHealth) -> f64 {
        known.lasted.clamp(PAUSE, PAUSE.max(self.outage_after / MOST_QUESTIONS))
    }

    /// The longest time in seconds between two questions of one outage. So an outage takes at least three.
    fn gap(&self) -> f64 {
        self.outage_after / 2.0
    }

    /// For how many seconds a server has to be down without a request: once for each that it may be working on.
    fn wanted(&self, load: &ServerLoad) -> f64 {
        let all = self.outage_after * f64::from(load.unanswered.max(1));
        all.min(LONGEST_DELAY.max(self.outage_after))
    }

    /// Judges a server whose last question was not answered.
    fn still_down(&self, server: &ServerId, health: &ServerHealth) -> Result<Down, MfaError> {
        if !self.is_needed {
            let reason = "the server was down a moment ago, and still is".to_owned();
            return Ok(Down { reason, source: None, is_outage: false });
        }
        let (reason, is_outage) = match self
            .unless_stateless(self.tools.store.server_load(server).map(Some), None)?
        {
            Some(load) => self.judge(health, &load),
            None => ("no answer, and no state directory to tell whether this is an outage".to_owned(), false),
        };
        Ok(Down { reason, source: None, is_outage })
    }

    fn judge(&self, health: &ServerHealth, load: &ServerLoad) -> (String, bool) {
        let wanted = self.wanted(load);
        // At the time of the last question.
        let quiet = load.quiet.map_or(f64::INFINITY, |quiet| (quiet - health.asked).max(0.0));
        if health.finding == ServerFinding::Refused {
            let is_outage = quiet >= wanted;
            let reason = match is_outage {
                true => "connections are refused".to_owned(),
                false => format!(
                    "connections are refused; this counts as an outage {wanted} s after the last login that was sent there"
                ),
            };
            return (reason, is_outage);
        }
        let lasted = health.lasted.min(quiet).floor();
        if !health.is_proven {
            ("the server does not answer, and never answered the harmless question before".to_owned(), false)
        } else if lasted < wanted {
            (format!("no answer for {lasted} s; this counts as an outage after {wanted} s"), false)
        } else {
            (format!("no answer for {lasted} s"), true)
        }
    }

    /// Replaces the error of a missing state directory if only `ignore_connection_error` needs the state.
    fn unless_stateless<T>(&self, result: Result<T, StoreError>, without: T) -> Result<T, MfaError> {
        match result {
            Err(StoreError::NoDirectory) if self.does_without_state => Ok(without),
            result => Ok(result?),
        }
    }
}

/// Returns how long the first question may take, so that time is left for the second.
pub(super) fn first(budget: Budget<'_>) -> Duration {
    let left = budget.remaining();
    left.saturating_sub(LONGEST.min(left.checked_div(SHARE).unwrap_or_default()))
}

/// Returns the time of a second question.
pub(super) fn second<'a>(budget: Budget<'a>, timeout: Duration) -> Budget<'a> {
    budget.at_most(LONGEST.min(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(is_outage: bool) -> Down {
        Down { reason: "no answer".to_owned(), source: None, is_outage }
    }

    #[test]
    fn a_service_is_down_only_if_each_of_its_servers_is() {
        assert!(ConfirmedOutage::of(vec![down(true), down(true)]).is_ok());
        for servers in [vec![down(true), down(false)], vec![down(false), down(true)], vec![down(false)]] {
            assert!(matches!(ConfirmedOutage::of(servers), Err(MfaError::ServiceUnreachable { .. })));
        }
        assert!(matches!(ConfirmedOutage::of(Vec::new()), Err(MfaError::CommunicationError { .. })));
    }

    #[test]
    fn several_addresses_refuse_only_if_each_does() {
        let all = |each: &[Life]| Life::of_all(each.iter().copied());
        assert_eq!(all(&[Life::Refused, Life::Refused]), Life::Refused);
        assert_eq!(all(&[Life::Refused, Life::Silent]), Life::Silent);
        assert_eq!(all(&[Life::Silent, Life::Up]), Life::Up);
        assert_eq!(all(&[Life::Silent, Life::Unknown, Life::Refused]), Life::Unknown);
    }
}
