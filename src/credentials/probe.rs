//! Asks the servers that credentials come from, and says which stores are not asked because only the appliance has them.

use super::client::Tools;
use super::provider::{CredentialSource, Service};
use super::registry::SOURCES;
use super::selection;
use crate::config::settings::SettingError;
use crate::finding::{Finding, Grade};

const STORE: &str = "credential_store";

/// Asks them; `hands_out` says whether `[credentials]` matters, or only what the configuration refers to.
pub fn servers(tools: Tools<'_>, hands_out: bool) -> Vec<Finding> {
    let ini = tools.settings.ini();
    let mut findings = Vec::new();
    for (service, about, needs_no_password) in asked(&tools, hands_out) {
        findings.extend((service.ask)(tools, &about, needs_no_password));
    }
    if let Some(name) = ini.entry(STORE, "name").map(|entry| entry.value)
        && ini.entry(&format!("{STORE} {name}"), "provider").is_none()
    {
        findings.push(on_the_appliance("[credential_store]", &format!("the credential store {name}")));
    }
    for source in SOURCES.iter().filter(|source| source.is_on_the_appliance) {
        if hands_out && selection::hands_out(tools.settings, source) {
            let what = format!("the credential store of the provider {}", source.word);
            findings.push(on_the_appliance("[credentials]", &what));
        }
    }
    findings
}

/// Reads what asking them takes, and asks nobody.
///
/// # Errors
/// Options that are unusable.
pub fn check(tools: Tools<'_>, hands_out: bool) -> Result<(), SettingError> {
    asked(&tools, hands_out).into_iter().try_for_each(|(service, ..)| (service.check)(&tools))
}

/// Returns the services that are asked, each with the sections that need it, and whether its login cannot use a password
/// that a user types at the gateway. A reference of the configuration is resolved without a user.
fn asked(tools: &Tools<'_>, hands_out: bool) -> Vec<(&'static Service, String, bool)> {
    let services =
        SOURCES.iter().filter_map(|source| source.service.as_ref().map(|service| (source, service)));
    let about = |source: &CredentialSource| {
        let stores = selection::stores_of(tools.settings, source);
        if !stores.is_empty() {
            return Some((format!("[{}]", stores.join(", ")), true));
        }
        let section = source.sections.first().copied().unwrap_or_default();
        (hands_out && selection::hands_out(tools.settings, source)).then(|| (format!("[{section}]"), false))
    };
    services
        .filter_map(|(source, service)| about(source).map(|(about, alone)| (service, about, alone)))
        .collect()
}

fn on_the_appliance(about: &str, what: &str) -> Finding {
    Finding::not_asked(about, "appliance", Grade::Warning, &format!("{what} is on the appliance"))
}
