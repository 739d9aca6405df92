//! What changes nothing at a directory: each address is connected to as the hooks do, logged in to as `bind_dn`, and asked
//! for the time and for the entries that searches begin at.

use std::collections::BTreeSet;

use super::connection::{Connection, Way};
use super::filter::Filter;
use super::message::{Scope, Search};
use super::outcome::ResultCode;
use super::server::Server;
use super::{ServerError, message};
use crate::clock::UnixTime;
use crate::finding::{self, Finding, Grade};
use crate::logging::Chain;
use crate::net::{self, stream::Endpoint};

/// Active Directory's clock, in the entry that every server has (RFC 4512 section 5.1).
const TIME: &str = "currentTime";
const NOTHING: &str = "1.1";

/// Who was refused where, by all directories that are asked: address and `bind_dn`. Each try may be counted against the
/// account.
pub type Refused = BTreeSet<(String, String)>;

impl Server<'_> {
    /// Asks each address.
    pub fn probe(&self, refused: &mut Refused) -> Vec<Finding> {
        let mut findings = Vec::new();
        let known = |endpoint: &Endpoint, refused: &Refused| {
            self.login
                .as_ref()
                .is_some_and(|(name, _)| refused.contains(&(endpoint.name().to_owned(), name.to_lowercase())))
        };
        // One password that is wrong is wrong at every address of a directory.
        let mut is_refused = self.endpoints.iter().any(|endpoint| known(endpoint, refused));
        for endpoint in &self.endpoints {
            let mut visit =
                Visit { section: format!("[{}]", self.section), endpoint, findings: &mut findings };
            let way = Way { endpoint, tls: self.tls.as_ref(), timeout: self.timeout };
            match Connection::open(&way, self.budget) {
                Ok(mut connection) => {
                    visit.note("connection", Grade::Ok, self.way_there());
                    self.look(&mut visit, &mut connection, &mut is_refused);
                    connection.close();
                }
                Err(error) => visit.failed("connection", &error),
            }
            if let (true, Some((name, _))) = (is_refused, &self.login) {
                refused.insert((endpoint.name().to_owned(), name.to_lowercase()));
            }
        }
        findings
    }

    fn way_there(&self) -> &'static str {
        if self.tls.is_some() { "the server answers over TLS" } else { "the port is open, in plain text" }
    }

    fn look(&self, visit: &mut Visit<'_>, connection: &mut Connection<'_>, is_refused: &mut bool) {
        match &self.login {
            None => {}
            Some(_) if *is_refused => {
                let detail = "not asked: bind_dn was refused already, and each try may be counted";
                return visit.note("bind", Grade::Warning, detail);
            }
            Some((name, password)) => match connection.bind(name, password) {
                Ok(outcome) if outcome.is_success() => visit.note("bind", Grade::Ok, "bind_dn may log in"),
                Ok(outcome) => {
                    *is_refused = outcome.code.is_refusal();
                    let detail = format!("the login as bind_dn is refused: {outcome}");
                    return visit.note("bind", Grade::Error, &detail);
                }
                Err(error) => return visit.failed("bind", &error),
            },
        }
        let time = match time(connection) {
            Ok(time) => time,
            // Whoever is silent here is silent below.
            Err(error) => return visit.failed("root DSE", &error),
        };
        if self.login.is_none() {
            let detail = "none: there is no bind_dn, so the searches are anonymous";
            visit.note("bind", Grade::Ok, detail);
        }
        if let Some(time) = time {
            let clock = finding::clock(&visit.section, visit.endpoint.name(), time, self.budget.now());
            visit.findings.push(clock);
        }
        self.base(visit, connection, "user_base_dn", &self.user_base);
        if let Ok(base) = self.group_base() {
            self.base(visit, connection, "group_base_dn", &base);
        }
    }

    fn base(
        &self,
        visit: &mut Visit<'_>,
        connection: &mut Connection<'_>,
        question: &'static str,
        base: &str,
    ) {
        let filter = Filter::Present("objectClass".to_owned());
        let search =
            Search { base, scope: Scope::Base, filter: &filter, attributes: &[NOTHING], size_limit: 1 };
        match connection.search(&search) {
            Ok(found) if found.entries.is_empty() => {
                let detail = "the search is allowed, but the entry is not shown; may bind_dn read it?";
                visit.note(question, Grade::Warning, detail);
            }
            Ok(_) => visit.note(question, Grade::Ok, "the entry is there and may be read"),
            Err(ServerError::Refused { outcome, .. }) if outcome.code == ResultCode(32) => {
                visit.note(question, Grade::Error, "the server has no such entry, or bind_dn may not see it");
            }
            Err(error) => visit.failed(question, &error),
        }
    }
}

/// Asks the server for its time; most have none to tell, and some refuse to.
fn time(connection: &mut Connection<'_>) -> Result<Option<UnixTime>, ServerError> {
    let filter = Filter::Present("objectClass".to_owned());
    let search = Search { base: "", scope: Scope::Base, filter: &filter, attributes: &[TIME], size_limit: 1 };
    let found = match connection.search(&search) {
        Err(ServerError::Refused { .. }) => return Ok(None),
        found => found?,
    };
    let text = found.entries.first().and_then(|entry| entry.texts(TIME));
    Ok(text.as_ref().and_then(|text| message::generalized_time(text.first()?)))
}

/// One address, and where what is found out about it goes.
struct Visit<'v> {
    section: String,
    endpoint: &'v Endpoint,
    findings: &'v mut Vec<Finding>,
}

impl Visit<'_> {
    fn note(&mut self, question: &'static str, grade: Grade, detail: &str) {
        let place = self.endpoint.name();
        self.findings.push(Finding::new(&self.section, place, question, grade, detail));
    }

    fn failed(&mut self, question: &'static str, error: &ServerError) {
        let is_tls = matches!(error, ServerError::Unreachable { source, .. } if net::is_tls(source));
        self.note(if is_tls { "TLS" } else { question }, Grade::Error, &Chain(error).to_string());
    }
}
