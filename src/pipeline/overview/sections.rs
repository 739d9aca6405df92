//! Sections that are written and that no provider of the configuration reads.

use crate::config::settings::Settings;
use crate::credentials::{self, SOURCES};
use crate::mfa::{PROVIDERS, REALMS, Selection};

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
pub(super) fn idle(settings: &Settings<'_>) -> Vec<String> {
    // A provider that is unknown is an error elsewhere.
    let selection = Selection::from_settings(settings).ok();
    let ini = settings.ini();
    let is_written = |section: &&str| ini.has_own_options(section);
    let realms = settings.text(&REALMS).ok().flatten().unwrap_or_default();
    let leads_there = |word: &str| realms.contains(&format!("@{word}"));
    let mut warnings = Vec::new();
    for provider in PROVIDERS.all() {
        let word = provider.name;
        let is_read = selection.as_ref().is_some_and(|selection| selection.has(word)) || leads_there(word);
        for section in provider.sections.iter().filter(|section| !is_read && is_written(section)) {
            warnings.push(format!(
                "[{section}] is set, but [mfa] provider does not name {word}: it is not asked, except through forward tokens"
            ));
        }
    }
    for source in SOURCES.iter().filter(|source| !credentials::is_named(settings, source)) {
        let name = source.service.as_ref().map_or(source.word, |service| service.name);
        for section in source.sections.iter().filter(|section| is_written(section)) {
            warnings.push(format!(
                "[{section}] is set, but [credentials] provider does not name {}: {name} is not asked",
                source.word
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
