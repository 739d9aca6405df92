//! Asks the servers of all providers what changes nothing there, for `check-config --online`.
//!
//! Each address of a list is asked, and none of this is remembered for the hooks. Which question that is, each client
//! knows itself ([`MfaClient::probe`](super::MfaClient::probe)).

use super::client::Tools;
use super::registry::PROVIDERS;
use super::selection::Selection;
use crate::finding::{CONFIGURATION, Finding, Grade};
use crate::logging::Chain;

/// Asks the servers of every section that describes one: those of `[mfa] provider`, and those that a forward token or a
/// realm may lead to.
pub fn servers(tools: Tools<'_>) -> Vec<Finding> {
    let selection = Selection::from_settings(tools.settings);
    let mut findings = Vec::new();
    for service in PROVIDERS.services() {
        let section = service.section();
        let is_used = selection.as_ref().is_ok_and(|selection| selection.has(service.name));
        if !is_used && !tools.settings.ini().has_own_options(section) {
            continue;
        }
        match (service.make)(tools, false) {
            Ok(client) => findings.extend(client.probe()),
            Err(error) => {
                // What the provider needs makes it useless; what nothing names may only be left over.
                let grade = if is_used { Grade::Error } else { Grade::Warning };
                let (about, why) = (format!("[{section}]"), Chain(&error).to_string());
                findings.push(Finding::not_asked(&about, CONFIGURATION, grade, &why));
            }
        }
    }
    findings
}
