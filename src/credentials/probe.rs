//! Asks the servers that credentials come from, and says which stores are not asked because only the appliance has them.

use super::{PROVIDER, Provider, Tools, vault};
use crate::finding::{Finding, Grade};

const STORE: &str = "credential_store";

/// Asks them; `hands_out` says whether `[credentials]` matters, or only what the configuration refers to.
pub fn servers(tools: Tools<'_>, hands_out: bool) -> Vec<Finding> {
    let settings = tools.settings;
    let ini = settings.ini();
    let words = settings.list(&PROVIDER).unwrap_or_default();
    let has = |provider: Provider| {
        hands_out && words.iter().any(|word| Provider::from_word(&word.to_lowercase()) == Some(provider))
    };
    let is_vault = |section: &&str| {
        let provider = ini.entry(section, "provider").map(|entry| entry.value.to_lowercase());
        section.starts_with("credential_store ") && provider.as_deref() == Some(Provider::Vault.word())
    };
    let stores: Vec<_> = ini.sections().filter(is_vault).collect();
    let mut findings = Vec::new();
    if !stores.is_empty() {
        // Nobody at a gateway could type the password of such a login.
        findings.extend(vault::servers(tools, &format!("[{}]", stores.join(", ")), true));
    } else if has(Provider::Vault) {
        findings.extend(vault::servers(tools, "[hashicorp]", false));
    }
    if let Some(name) = ini.entry(STORE, "name").map(|entry| entry.value)
        && ini.entry(&format!("{STORE} {name}"), "provider").is_none()
    {
        findings.push(on_the_appliance("[credential_store]", &format!("the credential store {name}")));
    }
    if has(Provider::Appliance) {
        findings.push(on_the_appliance("[credentials]", "the credential store of the provider appliance"));
    }
    findings
}

fn on_the_appliance(about: &str, what: &str) -> Finding {
    let detail = format!("not asked: {what} lives on the appliance");
    Finding::new(about, "", "appliance", Grade::Warning, &detail)
}
