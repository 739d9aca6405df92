//! Each server that a configuration names, asked what changes nothing there. What is asked, its client knows; here it is
//! only found out who is named.

use super::{Context, factor, identity};
use crate::credentials::{self, Session};
use crate::directory;
use crate::finding::Finding;
use crate::mfa;

/// Which of the two plugins are asked for.
#[derive(Clone, Copy)]
pub struct Plugins {
    /// The one that authenticates and authorizes.
    pub aa: bool,
    /// The one that hands out credentials.
    pub credential_store: bool,
}

/// Asks the servers of these plugins, each once.
pub fn servers(context: &Context<'_>, plugins: Plugins) -> Vec<Finding> {
    let mut findings = Vec::new();
    if plugins.aa {
        let named = context.settings.text(&identity::LDAP_SERVER).ok().flatten();
        findings.extend(mfa::ask_servers(factor::tools(context)));
        findings.extend(directory::ask_servers(context.directories(), named.as_deref()));
    }
    let tools = credentials::Tools {
        settings: context.settings,
        appliance: context.appliance,
        log: context.log,
        budget: context.budget,
        store: context.store,
        session: Session::default(),
    };
    findings.extend(credentials::ask_servers(tools, plugins.credential_store));
    findings
}
