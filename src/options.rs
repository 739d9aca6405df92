//! Every option that the program reads, module by module.

use crate::config::reference;
use crate::config::settings::{self, Opt, Settings};
use crate::{access, credentials, directory, ldap, logging, mfa, net, pipeline, policies, store};

pub(crate) const TYPE: Opt = Opt::new("plugin", "type", "");
pub(crate) const TIME_BUDGET: Opt = Opt::new("plugin", "time_budget", "90");

static KNOWN: [&[&[Opt]]; 5] = [
    &[
        &[TYPE, TIME_BUDGET],
        settings::OPTIONS,
        directory::user_list::OPTIONS,
        logging::OPTIONS,
        net::OPTIONS,
        policies::OPTIONS,
        store::OPTIONS,
    ],
    &access::OPTIONS,
    &net::PROXY_OPTIONS,
    &ldap::OPTIONS,
    &pipeline::OPTIONS,
];

/// Returns every option that the program reads, module by module.
pub fn known() -> impl Iterator<Item = &'static Opt> + Clone {
    KNOWN.into_iter().flatten().copied().flatten().chain(mfa::options()).chain(credentials::options())
}

fn is_secret(section: &str, option: &str) -> bool {
    known().any(|opt| opt.is_secret && opt.matches(section, option))
}

/// Tells whether an option is a secret of which the hooks look at no form: any text may be one.
pub(crate) fn is_any_text(section: &str, option: &str) -> bool {
    // The state's own key opens what is there, or does not.
    is_secret(section, option) && section != "state"
}

/// Returns a warning for each secret that is written in the text itself.
pub(crate) fn secrets_in_the_clear(settings: &Settings<'_>) -> Vec<String> {
    let ini = settings.ini();
    let mut warnings = Vec::new();
    for section in ini.sections() {
        for option in ini.options(section) {
            let entry = ini.entry(section, option).filter(|_| is_secret(section, option));
            if entry.is_some_and(|entry| !entry.value.is_empty() && reference::is_literal(entry.value)) {
                warnings.push(format!(
                    "[{section}] {option} is stored in clear text; use '$', ${{file:...}} or ${{env:...}} instead"
                ));
            }
        }
    }
    warnings
}
