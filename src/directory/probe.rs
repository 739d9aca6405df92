//! Asks the directories that the configuration describes, and says of one that is on the appliance that it was not asked.

use super::ldap::Directories;
use crate::finding::{Finding, Grade};
use crate::ldap::{Refused, Server};
use crate::logging::Chain;

const SECTIONS: &str = "ldap_server ";

/// Asks what each `[ldap_server NAME]` describes; `named` is the directory that is asked about users and groups.
pub fn servers(from: Directories<'_>, named: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refused = Refused::new();
    let ini = from.settings.ini();
    for name in ini.sections().filter_map(|section| section.strip_prefix(SECTIONS)) {
        match Server::from_settings(from.settings, from.log, from.budget, name) {
            Ok(Some(server)) => findings.extend(server.probe(&mut refused)),
            Ok(None) => {}
            Err(error) => {
                let (about, detail) =
                    (format!("[{SECTIONS}{name}]"), format!("not asked: {}", Chain(&error)));
                findings.push(Finding::new(&about, "", "configuration", Grade::Error, &detail));
            }
        }
    }
    if let Some(name) = named.filter(|name| !ini.has_section(&format!("{SECTIONS}{name}"))) {
        let detail = format!("not asked: the directory {name} lives on the appliance");
        findings.push(Finding::new("[ldap_server]", "", "appliance", Grade::Warning, &detail));
    }
    findings
}
