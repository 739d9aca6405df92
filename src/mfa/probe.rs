//! Asks servers what changes nothing there: whether they are there, are trusted, and take what they are shown.
//!
//! Each address of a list is asked, and none of this is remembered for the hooks. Which question that is, each client
//! knows itself ([`MfaClient::probe`](super::MfaClient::probe)).

use secrecy::SecretString;
use serde::Deserialize;

use super::servers::Servers;
use super::{SERVICES, Tools, providers, service};
use crate::clock::UnixTime;
use crate::finding::{self, CONFIGURATION, Finding, Grade};
use crate::logging::Chain;
use crate::net::{Body, HttpClient, NetError, Reply, Request, Url};

/// Asks the servers of every section that describes one: those of `[mfa] provider`, and those that a forward token or a
/// realm may lead to.
pub fn servers(tools: Tools<'_>) -> Vec<Finding> {
    let used = providers(tools.settings).unwrap_or_default();
    let mut findings = Vec::new();
    for name in SERVICES {
        let section = if name == "yubico" { "yubikey" } else { name };
        if !used.contains(&name) && !tools.settings.ini().has_own_options(section) {
            continue;
        }
        match service(name, tools, false) {
            Ok(Some(client)) => findings.extend(client.probe()),
            Ok(None) => {}
            Err(error) => {
                // What the provider needs makes it useless; what nothing names may only be left over.
                let grade = if used.contains(&name) { Grade::Error } else { Grade::Warning };
                let (about, why) = (format!("[{section}]"), Chain(&error).to_string());
                findings.push(Finding::not_asked(&about, CONFIGURATION, grade, &why));
            }
        }
    }
    findings
}

/// One server of several that speak HTTP, and what is found out about it.
pub(super) struct Visit<'v> {
    section: &'v str,
    url: &'v Url,
    client: &'v HttpClient<'v>,
    tools: Tools<'v>,
    is_known: bool,
    findings: Vec<Finding>,
}

/// Visits each server.
pub(super) fn visit(servers: &Servers<'_>, section: &str, look: impl Fn(&mut Visit<'_>)) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (url, client) in servers.all() {
        let tools = servers.tools();
        let mut visit = Visit { section, url, client, tools, is_known: false, findings: Vec::new() };
        look(&mut visit);
        findings.append(&mut visit.findings);
    }
    findings
}

impl Visit<'_> {
    /// Asks for what lies below the server's address; `None` where no answer came, which is then noted.
    pub(super) fn get(&mut self, path: &str, headers: Vec<(&'static str, SecretString)>) -> Option<Reply> {
        let url = if path.is_empty() { self.url.as_str().to_owned() } else { self.url.join(path) };
        self.get_from(url, headers).map(|(reply, _)| reply)
    }

    /// As [`Visit::get`] for a whole address, and returns the server's time, where it said it.
    pub(super) fn get_from(
        &mut self,
        url: String,
        headers: Vec<(&'static str, SecretString)>,
    ) -> Option<(Reply, Option<UnixTime>)> {
        self.send(&Request { url, headers, body: Body::Get })
    }

    /// As [`Visit::get`], and sends a form.
    pub(super) fn post_form(&mut self, path: &str, form: &str) -> Option<Reply> {
        let body = Body::Form(form.as_bytes());
        let request = Request { url: self.url.join(path), headers: Vec::new(), body };
        self.send(&request).map(|(reply, _)| reply)
    }

    /// As [`Visit::get`], and sends JSON.
    pub(super) fn post_json(
        &mut self,
        path: &str,
        headers: Vec<(&'static str, SecretString)>,
        json: &[u8],
    ) -> Option<Reply> {
        let request = Request { url: self.url.join(path), headers, body: Body::Json(json) };
        self.send(&request).map(|(reply, _)| reply)
    }

    fn send(&mut self, request: &Request<'_>) -> Option<(Reply, Option<UnixTime>)> {
        let about = format!("[{}]", self.section);
        match self.client.send_dated(request) {
            Err(error) => {
                self.findings.push(not_reached(&about, self.url, &error));
                None
            }
            Ok((reply, date)) => {
                // Said once, however many questions there are.
                if !self.is_known {
                    self.is_known = true;
                    self.findings.push(reached(&about, self.url));
                    self.time(date);
                }
                Some((reply, date))
            }
        }
    }

    /// Returns the server's address.
    pub(super) fn address(&self) -> &str {
        self.url.as_str()
    }

    /// Compares the clock with a time that came with the answer itself.
    pub(super) fn time(&mut self, time: Option<UnixTime>) {
        let about = format!("[{}]", self.section);
        let clock = time.map(|time| finding::clock(&about, self.url.as_str(), time, self.tools.store.now()));
        self.findings.extend(clock);
    }

    /// Notes what came of a question.
    pub(super) fn note(&mut self, question: &'static str, grade: Grade, detail: &str) {
        let about = format!("[{}]", self.section);
        self.findings.push(Finding::new(&about, self.url.as_str(), question, grade, detail));
    }
}

/// An envelope in which nothing but its own members matters.
#[derive(Default, Deserialize)]
pub(super) struct Nothing {}

fn not_reached(about: &str, url: &Url, error: &NetError) -> Finding {
    let question = if error.is_tls() { "TLS" } else { "connection" };
    Finding::new(about, url.as_str(), question, Grade::Error, &Chain(error).to_string())
}

fn reached(about: &str, url: &Url) -> Finding {
    let way = if url.as_str().starts_with("https") { "over TLS" } else { "in plain text" };
    Finding::new(about, url.as_str(), "connection", Grade::Ok, &format!("the server answers {way}"))
}
