//! One connection to one server: what is sent is answered, in time, and with something that makes sense.

use std::io::{self, Read, Write};
use std::time::Duration;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::ServerError;
use super::ber::{self, Writer};
use super::filter::Filter;
use super::message::{self, Entry, Page, Response, Scope, Search};
use super::outcome::{Outcome, ResultCode};
use crate::clock::Budget;
use crate::net::stream::{Endpoint, Stream, Tls, Wait};

/// The longest message, in bytes, and the most bytes of one search.
const MAX_MESSAGE: usize = 1024 * 1024;
const MAX_SEARCH: usize = 8 * 1024 * 1024;
/// The most entries of one search, and on one page of it.
const MAX_ENTRIES: usize = 5000;
const PAGE: u32 = 250;
/// The most messages that a search may come in: entries and references to other servers.
const MAX_MESSAGES: usize = 20_000;
const MAX_PAGES: usize = 200;

/// A server and how to talk to it.
pub(super) struct Way<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// There for ldaps and StartTLS.
    pub(super) tls: Option<&'a Tls>,
    pub(super) timeout: Duration,
}

/// What a search found.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    /// Whether there is more than was asked for, or than the server gives away.
    pub(super) has_more: bool,
}

/// An open connection.
pub struct Connection<'a> {
    stream: Stream<'a>,
    host: String,
    hook: Budget<'a>,
    timeout: Duration,
    last_id: u32,
}

impl<'a> Connection<'a> {
    /// Connects, with TLS from the beginning or after StartTLS.
    pub(super) fn open(way: &Way<'_>, hook: Budget<'a>) -> Result<Self, ServerError> {
        let host = way.endpoint.name().to_owned();
        if hook.remaining().is_zero() {
            return Err(ServerError::NoTime(host));
        }
        let unreachable = |source| ServerError::Unreachable { host: way.endpoint.name().to_owned(), source };
        let stream = Stream::connect(way.endpoint, Wait::new(hook, way.timeout)).map_err(unreachable)?;
        let mut connection = Self { stream, host, hook, timeout: way.timeout, last_id: 0 };
        let Some(tls) = way.tls else { return Ok(connection) };
        if !way.endpoint.is_tls {
            let id = connection.send(message::start_tls)?;
            match connection.receive(id, &mut MAX_MESSAGE.clone())? {
                Response::Extended(outcome) if outcome.is_success() => {}
                Response::Extended(outcome) => return Err(connection.refused("StartTLS", outcome)),
                Response::Bind(_) | Response::Entry(_) | Response::Reference | Response::Done(..) => {
                    return Err(connection.garbled(ber::BerError::Kind));
                }
            }
        }
        // No byte was read ahead, so nothing that came in plain text can be taken for something from within TLS.
        let stream = connection.stream.secured(tls, way.endpoint).map_err(unreachable)?;
        Ok(Self { stream, ..connection })
    }

    /// Binds as somebody. An empty password would be an unauthenticated bind, which servers may answer with success
    /// (RFC 4513 section 5.1.2); whoever calls has refused it, and it is not sent from here.
    pub(super) fn bind(&mut self, name: &str, password: &SecretString) -> Result<Outcome, ServerError> {
        if name.is_empty() || crate::secret::is_empty(password) {
            return Err(ServerError::NothingToBindWith);
        }
        let id = self.send(|id| message::bind(id, name, password))?;
        match self.receive(id, &mut MAX_MESSAGE.clone())? {
            Response::Bind(outcome) => Ok(outcome),
            Response::Entry(_) | Response::Reference | Response::Done(..) | Response::Extended(_) => {
                Err(self.garbled(ber::BerError::Kind))
            }
        }
    }

    /// Searches, and returns what is found; at most `search.size_limit` entries, if that is not 0.
    pub(super) fn search(&mut self, search: &Search<'_>) -> Result<Found, ServerError> {
        let mut found = Found { entries: Vec::new(), has_more: false };
        let mut room = MAX_SEARCH;
        let (outcome, _) = self.one_search(search, None, &mut found, &mut room)?;
        match outcome.code {
            ResultCode::SUCCESS => Ok(found),
            ResultCode::SIZE_LIMIT_EXCEEDED => Ok(Found { has_more: true, ..found }),
            _ => Err(self.refused("a search", outcome)),
        }
    }

    /// Searches for a list of any length up to [`MAX_ENTRIES`], page by page (RFC 2696) where the server has pages.
    pub(super) fn list(&mut self, search: &Search<'_>) -> Result<Vec<Entry>, ServerError> {
        let mut found = Found { entries: Vec::new(), has_more: false };
        let mut room = MAX_SEARCH;
        let mut cookie = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = Page { size: PAGE, cookie: &cookie };
            let (outcome, next) = self.one_search(search, Some(&page), &mut found, &mut room)?;
            if !outcome.is_success() {
                return Err(self.refused("a search", outcome));
            }
            if next.is_empty() {
                return Ok(found.entries);
            }
            cookie = next;
        }
        Err(self.too_much())
    }

    fn one_search(
        &mut self,
        search: &Search<'_>,
        page: Option<&Page<'_>>,
        found: &mut Found,
        room: &mut usize,
    ) -> Result<(Outcome, Vec<u8>), ServerError> {
        let id = self.send(|id| message::search(id, search, page))?;
        for _ in 0..MAX_MESSAGES {
            match self.receive(id, room)? {
                Response::Entry(entry) if found.entries.len() < MAX_ENTRIES => found.entries.push(entry),
                Response::Entry(_) => return Err(self.too_much()),
                Response::Reference => {}
                Response::Done(outcome, cookie) => return Ok((outcome, cookie)),
                Response::Bind(_) | Response::Extended(_) => return Err(self.garbled(ber::BerError::Kind)),
            }
        }
        Err(self.too_much())
    }

    /// Asks for the entry that every server has (RFC 4512 section 5.1).
    pub(super) fn root(&mut self) -> Result<(), ServerError> {
        let filter = Filter::Present("objectClass".to_owned());
        let base =
            Search { base: "", scope: Scope::Base, filter: &filter, attributes: &["1.1"], size_limit: 1 };
        self.search(&base).map(|_| ())
    }

    /// Says good-bye; whether it arrives does not matter.
    pub(super) fn close(mut self) {
        let _ = self.send(message::unbind);
    }

    /// Sends a request with the next number, and gives the answer its time.
    fn send(&mut self, request: impl FnOnce(u32) -> Writer) -> Result<u32, ServerError> {
        if self.hook.remaining().is_zero() {
            return Err(ServerError::NoTime(self.host.clone()));
        }
        self.last_id = self.last_id.wrapping_add(1);
        let request = request(self.last_id);
        self.stream.set_time(Wait::new(self.hook, self.timeout));
        self.stream
            .write_all(request.bytes())
            .and_then(|()| self.stream.flush())
            .map_err(|source| self.unreachable(source))?;
        Ok(self.last_id)
    }

    /// Reads one message, which has to be the answer to a request and to take no more than `room`.
    fn receive(&mut self, id: u32, room: &mut usize) -> Result<Response, ServerError> {
        let bytes = self.read_message(room)?;
        let (found, response) = message::read(&bytes).map_err(|error| self.garbled(error))?;
        match (found == id, response) {
            (true, response) => Ok(response),
            // RFC 4511 section 4.4.1; the code says why.
            (false, Response::Extended(outcome)) if found == 0 => {
                Err(self.unreachable(io::Error::other(format!("the server hangs up: {}", outcome.code))))
            }
            (false, _) => Err(ServerError::Garbled { host: self.host.clone(), source: None }),
        }
    }

    fn read_message(&mut self, room: &mut usize) -> Result<Zeroizing<Vec<u8>>, ServerError> {
        let mut bytes = Zeroizing::new(vec![0_u8; 2]);
        let mut filled = 0_usize;
        loop {
            let free = bytes.get_mut(filled..).unwrap_or_default();
            if free.is_empty() {
                let (tag, start, length) = match ber::header(&bytes).map_err(|error| self.garbled(error))? {
                    Some(header) => header,
                    // The length is longer; its first byte says how long.
                    None => {
                        let more = bytes.len().saturating_add(1);
                        bytes.resize(more, 0);
                        continue;
                    }
                };
                let whole = start.saturating_add(length);
                if tag != ber::SEQUENCE {
                    return Err(self.garbled(ber::BerError::Kind));
                }
                if whole > MAX_MESSAGE || whole > *room {
                    return Err(self.too_much());
                }
                if filled == whole {
                    *room = room.saturating_sub(whole);
                    return Ok(bytes);
                }
                bytes.resize(whole, 0);
                continue;
            }
            match self.stream.read(free) {
                // A server that began to answer is there.
                Ok(0) if filled > 0 => return Err(self.garbled(ber::BerError::Truncated)),
                Ok(0) => return Err(self.unreachable(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled > 0 && error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(self.garbled(ber::BerError::Truncated));
                }
                Err(error) => return Err(self.unreachable(error)),
            }
        }
    }

    fn unreachable(&self, source: io::Error) -> ServerError {
        ServerError::Unreachable { host: self.host.clone(), source }
    }

    fn garbled(&self, error: ber::BerError) -> ServerError {
        ServerError::Garbled { host: self.host.clone(), source: Some(error) }
    }

    fn too_much(&self) -> ServerError {
        ServerError::TooMuch(self.host.clone())
    }

    fn refused(&self, what: &'static str, outcome: Outcome) -> ServerError {
        ServerError::Refused { host: self.host.clone(), what, outcome }
    }
}
