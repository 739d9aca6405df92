//! One visit to a server that speaks HTTP, for [`MfaClient::probe`](super::MfaClient::probe): whether it is there, is
//! trusted, and accepts what it is shown.

use secrecy::SecretString;
use serde::Deserialize;

use super::client::Tools;
use super::servers::Servers;
use crate::clock::UnixTime;
use crate::finding::{self, Finding, Grade};
use crate::logging::Chain;
use crate::net::{Body, HttpClient, NetError, Reply, Request, Url};

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
