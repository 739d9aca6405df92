//! Asks the servers that credentials come from, and says which stores are not asked because only the appliance has them.

use super::{PROVIDER, Provider, Tools, vault};
use crate::config::settings::SettingError;
use crate::finding::{Finding, Grade};

const STORE: &str = "credential_store";

/// Asks them; `hands_out` says whether `[credentials]` matters, or only what the configuration refers to.
pub fn servers(tools: Tools<'_>, hands_out: bool) -> Vec<Finding> {
    let ini = tools.settings.ini();
    let mut findings = Vec::new();
    if let Some((about, needs_no_password)) = asks_vault(&tools, hands_out) {
        findings.extend(vault::servers(tools, &about, needs_no_password));
    }
    if let Some(name) = ini.entry(STORE, "name").map(|entry| entry.value)
        && ini.entry(&format!("{STORE} {name}"), "provider").is_none()
    {
        findings.push(on_the_appliance("[credential_store]", &format!("the credential store {name}")));
    }
    if hands_out && is_named(&tools, Provider::Appliance) {
        findings.push(on_the_appliance("[credentials]", "the credential store of the provider appliance"));
    }
    findings
}

/// Reads what asking them takes, and asks nobody.
///
/// # Errors
/// Options that are unusable.
pub fn check(tools: Tools<'_>, hands_out: bool) -> Result<(), SettingError> {
    if asks_vault(&tools, hands_out).is_some() { vault::check(&tools) } else { Ok(()) }
}

/// Returns the sections for whose sake Vault is asked, if it is, and whether its login has to do without a password that
/// somebody types at the gateway: for a reference nobody could.
fn asks_vault(tools: &Tools<'_>, hands_out: bool) -> Option<(String, bool)> {
    let ini = tools.settings.ini();
    let is_vault = |section: &&str| {
        let provider = ini.entry(section, "provider").map(|entry| entry.value.to_lowercase());
        section.starts_with("credential_store ") && provider.as_deref() == Some(Provider::Vault.word())
    };
    let stores: Vec<_> = ini.sections().filter(is_vault).collect();
    if !stores.is_empty() {
        return Some((format!("[{}]", stores.join(", ")), true));
    }
    (hands_out && is_named(tools, Provider::Vault)).then(|| ("[hashicorp]".to_owned(), false))
}

/// Tells whether `[credentials] provider` names a provider.
fn is_named(tools: &Tools<'_>, provider: Provider) -> bool {
    let words = tools.settings.list(&PROVIDER).unwrap_or_default();
    words.iter().any(|word| Provider::from_word(&word.to_lowercase()) == Some(provider))
}

fn on_the_appliance(about: &str, what: &str) -> Finding {
    Finding::not_asked(about, "appliance", Grade::Warning, &format!("{what} lives on the appliance"))
}
