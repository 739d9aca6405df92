//! One request to one server after the other, each sent a few times, until a reply comes whose signatures hold.
//!
//! Anybody can send datagrams that look like the server's, so one that is not signed ends nothing: it is dropped (RFC
//! 2865 section 4), and remembered as the reason in case nothing better comes. Somebody answers then, which is no
//! outage, and nothing that `fallback` and `ignore_connection_error` are about.
//!
//! A request that was sent and not refused by the network may have arrived. It may have used a one-time code up, or
//! started a push, so no other server gets it. Whether the server is down, a second question shows ([`Manner::life`]):
//! a server may as well be silent because the home server of the user's realm is. One that is down is remembered, and the
//! user's next attempt, with a new code, begins with another. A request is sent again to the same server only, with the same identifier
//! and authenticator, so that the server knows it as the same (RFC 5080 section 2.2.2).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::packet::{MAX_PACKET, Reply, Sent, Unusable};
use crate::clock::Budget;
use crate::logging::{Level, Log};
use crate::mfa::error::MfaError;
use crate::mfa::outage::Life;
use crate::mfa::reason::Reason;
use crate::mfa::turns::Missed;
use crate::net;
use crate::net::udp::{Link, Peer};
use crate::store::RequestEnd;

/// Says what became of a request. The server's name is for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the RADIUS server {0} cannot be reached")]
    Unreachable(String, #[source] io::Error),
    #[error(
        "the RADIUS server {0} does not answer: it is down, it does not know this client, or its secret for this client is another, which it must not say"
    )]
    Silent(String),
    #[error("the RADIUS server {0} is lost")]
    Broken(String, #[source] io::Error),
    #[error("no time is left to ask the RADIUS server {0}; see [plugin] time_budget")]
    NoTime(String),
    #[error("the RADIUS server {0}")]
    Unusable(String, #[source] Unusable),
}

/// How servers are asked.
pub(super) struct Manner<'a> {
    pub(super) log: &'a Log,
    pub(super) budget: Budget<'a>,
    pub(super) secret: SecretString,
    /// How often a request is sent, with the first time.
    pub(super) retries: u32,
    /// How long a reply is waited for each time.
    pub(super) timeout: Duration,
    pub(super) require_message_authenticator: bool,
}

impl Manner<'_> {
    /// Asks one server, on the first of its addresses that does not refuse.
    ///
    /// It takes at most `longest`, so that time is left for a second question.
    pub(super) fn ask(&self, peer: &Peer, sent: &Sent, longest: Duration) -> Result<Reply, Missed> {
        self.try_ask(peer, sent, self.budget.at_most(longest)).map_err(missed)
    }

    /// As [`Manner::ask`], and says what became of the request.
    pub(super) fn try_ask(&self, peer: &Peer, sent: &Sent, time: Budget<'_>) -> Result<Reply, Lost> {
        let name = || peer.name().to_owned();
        let addresses =
            peer.addresses(time.at_most(self.timeout)).map_err(|error| Lost::Unreachable(name(), error))?;
        let mut last = Lost::NoTime(name());
        for address in addresses {
            let result = match Link::open(address) {
                Ok(link) => self.converse(peer, &link, sent, time),
                Err(error) => Err(Lost::Unreachable(name(), error)),
            };
            match result {
                Err(refused @ Lost::Unreachable(..)) => last = refused,
                result => return result,
            }
        }
        Err(last)
    }

    fn converse(&self, peer: &Peer, link: &Link, sent: &Sent, time: Budget<'_>) -> Result<Reply, Lost> {
        let whole = time;
        // One byte more than a packet may have, to tell what is longer.
        let mut room = [0_u8; MAX_PACKET + 1];
        let (mut heard, mut is_sent) = (None, false);
        for round in 0..self.retries {
            let time = whole.at_most(self.timeout);
            // Less than a microsecond is no time-out that the system has.
            if time.remaining() < Duration::from_millis(1) {
                break;
            }
            is_sent = true;
            if round > 0 {
                self.log.write(Level::Debug, format_args!("asking {} again", peer.name()));
            }
            match self.wait(link, sent, &mut room, time, &mut heard) {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(Wrong::Signed(unusable)) => return Err(Lost::Unusable(peer.name().to_owned(), unusable)),
                Err(Wrong::Network(error)) if heard.is_none() => {
                    let arrived = round > 0 || !net::is_refused(&error);
                    let name = peer.name().to_owned();
                    return Err(if arrived {
                        Lost::Broken(name, error)
                    } else {
                        Lost::Unreachable(name, error)
                    });
                }
                Err(Wrong::Network(_)) => break,
            }
            // Whoever holds another secret says the same however often they are asked.
            if heard == Some(Unusable::NotSigned) {
                break;
            }
        }
        let name = peer.name().to_owned();
        Err(match heard {
            Some(unusable) => Lost::Unusable(name, unusable),
            None if is_sent => Lost::Silent(name),
            None => Lost::NoTime(name),
        })
    }

    /// Sends the request, and takes datagrams until one is the reply or the time is over.
    fn wait(
        &self,
        link: &Link,
        sent: &Sent,
        room: &mut [u8],
        time: Budget<'_>,
        heard: &mut Option<Unusable>,
    ) -> Result<Option<Reply>, Wrong> {
        link.send(&sent.bytes, time).map_err(Wrong::Network)?;
        while let Some(length) = link.receive(room, time).map_err(Wrong::Network)? {
            let datagram = room.get(..length).unwrap_or_default();
            let secret = self.secret.expose_secret().as_bytes();
            match Reply::read(datagram, sent, secret, self.require_message_authenticator) {
                Ok(reply) => return Ok(Some(reply)),
                Err(unusable) if unusable.is_signed() => return Err(Wrong::Signed(unusable)),
                // Of all that is dropped, a reply with another secret says most.
                Err(unusable) if *heard != Some(Unusable::NotSigned) => *heard = Some(unusable),
                Err(_) => {}
            }
        }
        Ok(None)
    }
}

impl Manner<'_> {
    /// Sends questions that contain nothing the user typed, and waits for any datagram of the server. Whether it is signed
    /// does not matter: it only prevents that the server counts as down.
    pub(super) fn life(&self, peer: &Peer, questions: &[Sent], time: Budget<'_>) -> Life {
        // A name that is not resolved leads nowhere, but that is no answer of the server's host.
        let Ok(addresses) = peer.addresses(time) else { return Life::Silent };
        Life::of_all(addresses.into_iter().map(|address| life_at(address, questions, time)))
    }
}

fn life_at(address: SocketAddr, questions: &[Sent], time: Budget<'_>) -> Life {
    let of_error = |error: &io::Error| if net::is_refused(error) { Life::Refused } else { Life::Silent };
    let mut room = [0_u8; MAX_PACKET];
    let link = match Link::open(address) {
        Ok(link) => link,
        Err(error) => return of_error(&error),
    };
    // Twice, because a datagram may be lost. The second wait has what is left.
    for part in [2_u32, 1] {
        let wait = time.at_most(time.remaining().checked_div(part).unwrap_or_default());
        let sent = questions.iter().try_for_each(|question| link.send(&question.bytes, wait));
        match sent.and_then(|()| link.receive(&mut room, wait)) {
            Ok(Some(_)) => return Life::Up,
            Ok(None) => {}
            // The port is closed, or there is no route.
            Err(error) => return of_error(&error),
        }
    }
    Life::Silent
}

enum Wrong {
    Network(io::Error),
    Signed(Unusable),
}

/// Sorts what became of a request into the kinds that a provider has, and says whether the server may have taken it.
fn missed(lost: Lost) -> Missed {
    let reason = match &lost {
        Lost::Unusable(_, unusable) => unusable.to_string(),
        Lost::Silent(_) => {
            "no answer; a RADIUS server does not answer either where its secret for this client is another"
                .to_owned()
        }
        Lost::Unreachable(..) | Lost::Broken(..) | Lost::NoTime(_) => "no answer".to_owned(),
    };
    let may_be_taken = !matches!(lost, Lost::Unreachable(..));
    let is_answer = matches!(lost, Lost::Unusable(..));
    let source: Option<Box<dyn std::error::Error>> = Some(Box::new(lost));
    let error = if is_answer {
        MfaError::CommunicationError { reason: Reason::ours(reason), source }
    } else {
        MfaError::ServiceUnreachable { reason, source }
    };
    let end = match (may_be_taken, is_answer) {
        (false, _) => RequestEnd::NothingSent,
        (true, true) => RequestEnd::TurnedAway,
        (true, false) => RequestEnd::Unanswered,
    };
    Missed { error, may_be_taken, end }
}
