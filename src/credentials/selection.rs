//! `[credentials] provider`: which providers are asked, in which order, and to which one something is given back.

use super::client::{CredentialError, CredentialProvider, Tools};
use super::provider::CredentialSource;
use super::registry::{self, APPLIANCE, SOURCES};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::logging::Chain;
use crate::names::{Account, Asset};

const PROVIDER: Opt = Opt::new("credentials", "provider", "local");
const ON_ERROR: Opt = Opt::new("credentials", "on_error", "stop");
pub(super) const OPTIONS: &[Opt] = &[PROVIDER, ON_ERROR];

/// Tells whether a provider is named in `[credentials]` or in a section `[credential_store NAME]`.
pub fn is_named(settings: &Settings<'_>, source: &CredentialSource) -> bool {
    hands_out(settings, source) || !stores_of(settings, source).is_empty()
}

/// Returns the sections `[credential_store NAME]` of a provider.
pub(super) fn stores_of<'s>(settings: &'s Settings<'_>, source: &CredentialSource) -> Vec<&'s str> {
    let ini = settings.ini();
    let is_its = |section: &&str| {
        let provider = ini.entry(section, PROVIDER.option).map(|entry| entry.value.to_lowercase());
        section.starts_with("credential_store ") && provider.as_deref() == Some(source.word)
    };
    ini.sections().filter(is_its).collect()
}

/// Tells whether a provider is named in `[credentials]`.
pub(super) fn hands_out(settings: &Settings<'_>, source: &CredentialSource) -> bool {
    settings.list(&PROVIDER).unwrap_or_default().iter().any(|word| word.eq_ignore_ascii_case(source.word))
}

/// The providers that `[credentials] provider` names, in their order.
pub struct Providers<'a> {
    tools: Tools<'a>,
    in_turn: Vec<(&'static CredentialSource, Box<dyn CredentialProvider + 'a>)>,
    goes_on: bool,
}

impl<'a> Providers<'a> {
    /// Makes them; none of them is asked yet.
    ///
    /// # Errors
    /// An unknown provider, one that is named twice, or unusable options.
    pub fn from_settings(tools: Tools<'a>) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let mut in_turn: Vec<(&'static CredentialSource, Box<dyn CredentialProvider + 'a>)> = Vec::new();
        for word in settings.required_list(&PROVIDER)? {
            let expected = || {
                let known: Vec<_> = SOURCES.iter().map(|source| source.word).collect();
                let known = known.join(", ");
                settings.invalid(&PROVIDER, format!("providers, each once, separated by commas: {known}"))
            };
            let source = registry::named(&word.to_lowercase()).ok_or_else(expected)?;
            if in_turn.iter().any(|(known, _)| known.word == source.word) {
                return Err(expected());
            }
            in_turn.push((source, (source.make)(tools)?));
        }
        let goes_on = settings.choice(&ON_ERROR, &["next", "stop"])? == "next";
        Ok(Self { tools, in_turn, goes_on })
    }

    /// Their words, in their order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.in_turn.iter().map(|(source, _)| source.word)
    }

    /// Whether the next one is asked where one fails.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Asks one provider after the other, and returns what the first one has. If a provider fails, the search ends, unless
    /// `on_error=next` is set: then the failure is logged, and returned only if no other provider has anything.
    ///
    /// # Errors
    /// What the provider says.
    pub fn first<T>(
        &self,
        ask: impl Fn(&dyn CredentialProvider) -> Result<Option<T>, CredentialError>,
    ) -> Result<Option<(&'static CredentialSource, T)>, CredentialError> {
        let mut failed = None;
        for (source, asked) in &self.in_turn {
            match ask(asked.as_ref()) {
                Ok(Some(found)) => return Ok(Some((source, found))),
                Ok(None) => {}
                Err(error) if self.goes_on => {
                    let word = source.word;
                    self.tools.log.error(format_args!(
                        "the provider {word} failed, the next one is asked: {}",
                        Chain(&error)
                    ));
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

/// Gives something back to the provider that it came from, whether the configuration still names it or not. `None` is
/// what an older version of this program wrote into its cookie, which knew one provider.
///
/// # Errors
/// [`CredentialError`].
pub fn check_in(
    tools: Tools<'_>,
    provider: Option<&str>,
    account: &Account,
    asset: &Asset,
) -> Result<(), CredentialError> {
    let word = provider.unwrap_or(APPLIANCE.word);
    let source = registry::named(word).ok_or_else(|| CredentialError::NoProvider(word.to_owned()))?;
    (source.make)(tools).map_err(Box::new)?.check_in(account, asset)
}

/// Tells the providers that keep leases of their own that the session is over.
///
/// # Errors
/// [`CredentialError`].
pub fn end_session(tools: Tools<'_>) -> Result<(), CredentialError> {
    let words = tools.settings.list(&PROVIDER).map_err(Box::new)?;
    // A name that is none was refused when something was to be checked out; nothing hangs on it here.
    let mut ended = Ok(());
    for source in words.iter().filter_map(|word| registry::named(&word.to_lowercase())) {
        if !source.is_on_the_appliance {
            // One that fails keeps nobody from telling the others.
            let made = (source.make)(tools).map_err(|error| Box::new(error).into());
            ended = ended.and(made.and_then(|provider| provider.end_session()));
        }
    }
    ended
}
