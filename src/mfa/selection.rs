//! `[mfa] provider`: which providers are asked, in which order, and with which prompt.

use super::chain;
use super::client::{MfaClient, Tools};
use super::fallback::{self, FALLBACK};
use super::provider::{Kind, MfaProvider};
use super::registry::{LOCAL, PROVIDERS};
use crate::config::settings::{Opt, SettingError, Settings};

const PROVIDER: Opt = Opt::new("mfa", "provider", "local");
/// What the user reads before a password; a provider may have one of its own.
const PROMPT: Opt =
    Opt::new("auth", "prompt", "Press Enter for push notification or type one-time password:");
pub(super) const OPTIONS: &[Opt] = &[PROVIDER, PROMPT];

/// The providers of a configuration, in their order; at least one, each once.
pub struct Selection(Vec<&'static MfaProvider>);

impl Selection {
    /// Reads `[mfa] provider`: one, or several with `+` between them.
    ///
    /// # Errors
    /// A provider that is unknown, named twice, or that cannot be one of several.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, SettingError> {
        let text = settings.text(&PROVIDER)?.unwrap_or_default();
        if !text.contains('+') {
            let names: Vec<_> = PROVIDERS.all().map(|provider| provider.name).collect();
            let name = settings.choice(&PROVIDER, &names)?;
            return Ok(Self(PROVIDERS.named(name).into_iter().collect()));
        }
        let mut chosen: Vec<&'static MfaProvider> = Vec::new();
        for word in text.split('+') {
            let word = word.trim().to_lowercase();
            let known = chainable().find(|provider| provider.name == word);
            match known.filter(|known| chosen.iter().all(|other| other.name != known.name)) {
                Some(known) => chosen.push(known),
                None => {
                    let known = chainable().map(|provider| provider.name).collect::<Vec<_>>().join(", ");
                    let expected = format!("providers with + between them, each once: {known}");
                    return Err(settings.invalid(&PROVIDER, expected));
                }
            }
        }
        Ok(Self(chosen))
    }

    /// Returns the words in their order, as a cached authentication is bound to them.
    pub fn words(&self) -> String {
        self.0.iter().map(|provider| provider.name).collect::<Vec<_>>().join(" + ")
    }

    /// Tells whether a provider is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|provider| provider.name == name)
    }

    /// Tells whether an acceptance proves a factor.
    pub fn asks_for_a_factor(&self) -> bool {
        self.0.iter().any(|provider| provider.kind != Kind::Nothing)
    }

    /// Tells whether the local tokens are the only provider. The approvals that a connection requires are then its login.
    pub fn is_local(&self) -> bool {
        self.0.iter().all(|provider| provider.kind == Kind::Tokens)
    }

    /// Returns the keys under which the first password may come instead of `otp`; the first that is there counts.
    pub fn password_keys(&self) -> &'static [&'static str] {
        self.0.first().map_or(&[], |first| first.password_keys)
    }
}

/// Returns the providers that can be one of several.
fn chainable() -> impl Iterator<Item = &'static MfaProvider> {
    PROVIDERS.all().filter(|provider| provider.kind != Kind::Nothing)
}

/// Makes the client that `[mfa] provider` names. `disable_echo` is for questions of the service's own.
///
/// # Errors
/// A provider that is unknown, or whose section is unusable.
pub fn client<'a>(tools: Tools<'a>, disable_echo: bool) -> Result<Box<dyn MfaClient + 'a>, SettingError> {
    let selection = Selection::from_settings(tools.settings)?;
    let may_fall_back = selection.asks_for_a_factor() && !selection.is_local();
    let has_fallback = may_fall_back && fallback::is_set(tools.settings)?;
    let [provider] = selection.0.as_slice() else {
        if has_fallback {
            let expected = "none, because a chain of providers would be less than was asked for".to_owned();
            return Err(tools.settings.invalid(&FALLBACK, expected));
        }
        return chain(tools, &selection, disable_echo);
    };
    let client = (provider.make)(tools, disable_echo)?;
    if has_fallback {
        let fallback = (LOCAL.make)(tools, disable_echo)?;
        return Ok(Box::new(fallback::WithFallback { service: client, fallback, log: tools.log }));
    }
    Ok(client)
}

fn chain<'a>(
    tools: Tools<'a>,
    selection: &Selection,
    disable_echo: bool,
) -> Result<Box<dyn MfaClient + 'a>, SettingError> {
    let mut links = Vec::new();
    for provider in &selection.0 {
        links.push(chain::Link {
            client: (provider.make)(tools, disable_echo)?,
            prompt: prompt_of(tools.settings, provider)?,
            disable_echo: disable_echo || provider.kind == Kind::Password,
        });
    }
    Ok(Box::new(chain::Chain { name: selection.words(), links }))
}

/// Makes the client that asks for the approvals of `[four_eyes]`, whatever `[mfa] provider` is.
///
/// # Errors
/// Options of the local tokens that are unusable.
pub fn approvals<'a>(tools: Tools<'a>, disable_echo: bool) -> Result<Box<dyn MfaClient + 'a>, SettingError> {
    (LOCAL.make)(tools, disable_echo)
}

/// Tells whether the section of a service can be used; a name of no service is not looked at.
///
/// # Errors
/// An option of the section that is unusable.
pub fn check_service(name: &str, tools: Tools<'_>) -> Result<(), SettingError> {
    PROVIDERS.service(name).map_or(Ok(()), |service| (service.make)(tools, false).map(drop))
}

/// Reads the tables of which a hook reads one line.
///
/// # Errors
/// A line that is unusable.
pub fn check_tables(settings: &Settings<'_>) -> Result<(), SettingError> {
    PROVIDERS.all().try_for_each(|provider| (provider.check_tables)(settings))
}

/// Returns what the user reads before the first password, and whether it stays hidden because it is one that is good for
/// longer.
///
/// # Errors
/// A provider that is unknown; `%(name)s` or a reference that leads nowhere.
pub fn first_prompt(settings: &Settings<'_>) -> Result<(String, bool), SettingError> {
    let selection = Selection::from_settings(settings)?;
    let Some(first) = selection.0.first() else { return Ok((String::new(), true)) };
    Ok((prompt_of(settings, first)?, first.kind == Kind::Password))
}

fn prompt_of(settings: &Settings<'_>, provider: &MfaProvider) -> Result<String, SettingError> {
    // What stands in [DEFAULT] is for [auth], as in the SDK, which knows no prompt of a provider's own.
    let is_own = |option: &&Opt| settings.ini().has_own_option(option.section, option.option);
    let own = provider.prompt.as_ref().filter(is_own);
    let own = own.map(|option| settings.text(option)).transpose()?.flatten();
    let has_common = settings.ini().entry(PROMPT.section, PROMPT.option).is_some();
    match (own.filter(|prompt| !prompt.is_empty()), provider.default_prompt) {
        (Some(prompt), _) => Ok(prompt),
        (None, Some(prompt)) if !has_common => Ok(prompt.to_owned()),
        (None, _) => Ok(settings.text(&PROMPT)?.unwrap_or_default()),
    }
}
