//! Sections that are written and that no provider of the configuration reads.

use crate::config::settings::Settings;
use crate::credentials::PROVIDER as PROVIDERS;
use crate::mfa::{self, REALMS};

/// The sections of the providers of second factors, each with the word that `[mfa] provider` has for it.
const FACTORS: [(&str, &str); 8] = [
    ("edumfa", "edumfa"),
    ("http", "http"),
    ("ldap", "ldap"),
    ("linotp", "linotp"),
    ("privacyidea", "privacyidea"),
    ("radius", "radius"),
    ("yubikey", "yubico"),
    ("yubikey_ids", "yubico"),
];
/// The sections of Vault.
const VAULT: [&str; 8] = [
    "hashicorp",
    "approle-authentication",
    "jwt-authentication",
    "ldap-authentication",
    "token-authentication",
    "engine-kv-v1",
    "engine-kv-v2",
    "engine-ssh",
];
/// The sections of the vendor's plugins for services of which this program has no client.
const OTHERS: [&str; 13] = [
    "azure",
    "azure-ad",
    "cyberark",
    "duo",
    "inwebo",
    "okta",
    "onelogin",
    "pingid",
    "rsa",
    "safeguard",
    "servicenow",
    "starling",
    "tpam",
];

/// Makes a warning for each.
pub(super) fn idle(settings: &Settings<'_>, factors: &[&str]) -> Vec<String> {
    let ini = settings.ini();
    let is_written = |section: &&str| ini.has_own_options(section);
    let realms = settings.text(&REALMS).ok().flatten().unwrap_or_default();
    let leads_there = |word: &str| realms.contains(&format!("@{word}"));
    let mut warnings = Vec::new();
    for (section, word) in FACTORS {
        let is_read = factors.contains(&word) || leads_there(word);
        if is_written(&section) && !is_read {
            warnings.push(format!(
                "[{section}] is set, but [mfa] provider does not name {word}: it is not asked, except through forward tokens"
            ));
        }
    }
    let providers = settings.list(&PROVIDERS).unwrap_or_default();
    let is_vault = |word: &String| word.eq_ignore_ascii_case("vault");
    let is_store_of_vault =
        ini.sections().filter(|name| name.starts_with("credential_store ")).any(|section| {
            settings.text(PROVIDERS.of(section)).ok().flatten().is_some_and(|word| is_vault(&word))
        });
    if !providers.iter().any(is_vault) && !is_store_of_vault {
        for section in VAULT.iter().filter(|section| is_written(section)) {
            warnings.push(format!(
                "[{section}] is set, but [credentials] provider does not name vault: Vault is not asked"
            ));
        }
    }
    for section in OTHERS.iter().filter(|section| is_written(section)) {
        warnings.push(format!(
            "[{section}] is set, but no provider reads it: this service is not supported; see docs/migration/others.md"
        ));
    }
    warnings
}

/// Returns the words of `[mfa] provider`; none where they cannot be read, which is an error elsewhere.
pub(super) fn factors(settings: &Settings<'_>) -> Vec<&'static str> {
    mfa::provider_words(settings).unwrap_or_default()
}
