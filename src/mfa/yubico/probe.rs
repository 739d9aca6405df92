//! What changes nothing at a validation server: a code that nobody's key typed. The server finds that it is bad, moves no
//! counter, and signs that it said so. Its signature proves the key, and the time in it is the server's.

use super::wire::{self, Said};
use super::{Yubico, nonce};
use crate::finding::{Finding, Grade};
use crate::mfa::error::MfaError;
use crate::mfa::probe;

/// A code that no key types: its public id begins neither as Yubico's own do (`cccccc`) nor as those that its tools make
/// (`vv`), and its encrypted part is no key's. Of the usual length, which some servers insist on.
const NOBODYS: &str = "uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu";

impl Yubico<'_> {
    pub(super) fn look(&self) -> Vec<Finding> {
        const QUESTION: &str = "api_key";
        probe::visit(&self.servers, "yubikey", |visit| {
            let query = nonce().and_then(|nonce| {
                let query = self.key.query(&self.client_id, &nonce, NOBODYS)?;
                Ok((nonce, query))
            });
            let (nonce, query) = match query {
                Ok(made) => made,
                Err(error) => return visit.note(QUESTION, Grade::Error, &error.to_string()),
            };
            let url = format!("{}?{}", visit.address(), query.as_str());
            let Some((reply, date)) = visit.get_from(url, Vec::new()) else { return };
            if reply.status != 200 {
                let detail = format!(
                    "the server answered with status {}; does the address lead to its verify?",
                    reply.status
                );
                return visit.note(QUESTION, Grade::Error, &detail);
            }
            let said = wire::read(&reply.body, &self.key, &nonce, NOBODYS);
            let time = wire::time(&reply.body).filter(|_| said.is_ok() && date.is_none());
            let (grade, detail) = match said {
                Ok(Said::Denied(status)) => {
                    (Grade::Ok, format!("the server's answer ({status}) is signed with it"))
                }
                Ok(Said::Ok) => (
                    Grade::Error,
                    "the server accepts a code that no YubiKey typed; it must not be asked about anybody"
                        .to_owned(),
                ),
                Err(MfaError::ServiceUnreachable { reason, .. }) => (Grade::Error, reason),
                Err(error) => (Grade::Error, error.to_string()),
            };
            visit.note(QUESTION, grade, &detail);
            visit.time(time);
        })
    }
}
