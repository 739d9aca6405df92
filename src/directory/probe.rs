//! Asks the directories that the configuration describes, and says of one that is on the appliance that it was not asked.

use super::ldap::Directories;
use crate::finding::{CONFIGURATION, Finding, Grade};
use crate::ldap::{Refused, Server};
use crate::logging::Chain;

const SECTIONS: &str = "ldap_server ";

/// Asks what each `[ldap_server NAME]` describes; `named` is the directory that is asked about users and groups.
pub fn servers(from: Directories<'_>, named: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut refused = Refused::new();
    let ini = from.settings.ini();
    // A header with nothing below it is one of a commented example.
    let described = ini.sections().filter(|section| ini.has_own_options(section));
    for name in described.filter_map(|section| section.strip_prefix(SECTIONS)) {
        match Server::from_settings(from.settings, from.log, from.budget, name) {
            Ok(Some(server)) => findings.extend(server.probe(&mut refused)),
            Ok(None) => {}
            Err(error) => {
                let (about, why) = (format!("[{SECTIONS}{name}]"), Chain(&error).to_string());
                findings.push(Finding::not_asked(&about, CONFIGURATION, Grade::Error, &why));
            }
        }
    }
    if let Some(name) = named.filter(|name| !ini.has_section(&format!("{SECTIONS}{name}"))) {
        let why = format!("the directory {name} is on the appliance");
        findings.push(Finding::not_asked("[ldap_server]", "appliance", Grade::Warning, &why));
    }
    findings
}
