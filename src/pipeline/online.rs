//! Each server that a configuration names, asked what changes nothing there. What is asked, its client knows; here it is
//! only found out who is named.

use super::{Context, checkout, factor, identity};
use crate::credentials;
use crate::directory;
use crate::finding::{CONFIGURATION, Finding, Grade};
use crate::mfa;

/// Which of the two plugins are asked for.
#[derive(Clone, Copy)]
pub struct Plugins {
    /// The one that authenticates and authorizes.
    pub aa: bool,
    /// The one that hands out credentials.
    pub credential_store: bool,
}

/// Asks the servers of these plugins, each once. Where mistakes in the configuration are told already, that a server was
/// not asked for one is not another error.
pub fn servers(context: &Context<'_>, plugins: Plugins, mistakes_are_told: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if plugins.aa {
        let named = context.settings.text(&identity::LDAP_SERVER).ok().flatten();
        findings.extend(mfa::ask_servers(factor::tools(context)));
        findings.extend(directory::ask_servers(context.directories(), named.as_deref()));
    }
    let tools = checkout::tools_without_session(context);
    findings.extend(credentials::ask_servers(tools, plugins.credential_store));
    for one in findings.iter_mut().filter(|one| mistakes_are_told && one.question == CONFIGURATION) {
        one.grade = Grade::Warning;
    }
    findings
}
