//! What the program knows of a provider of second factors before it makes its client.

use super::client::{MfaClient, Tools};
use crate::config::settings::{Opt, SettingError, Settings};

/// Makes the client of a provider from its section. The second argument is whether the questions of its service are
/// hidden as they are answered.
pub(super) type Make = for<'a> fn(Tools<'a>, bool) -> Result<Box<dyn MfaClient + 'a>, SettingError>;

/// What a provider asks, and for what it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A service: a forward token may lead to it, and its users may approve.
    Service,
    /// A password of the user that stays the same, so that it is hidden as it is typed.
    Password,
    /// The tokens in the plugin's own store, which also ask for approvals and can replace a service that is down.
    Tokens,
    /// No factor at all.
    Nothing,
}

/// One provider. Everything that the rest of the program has to know of it is here.
pub struct MfaProvider {
    /// Its word in `[mfa] provider`.
    pub name: &'static str,
    /// What it asks.
    pub kind: Kind,
    /// The sections of the configuration that only it reads; the first one describes its servers.
    pub sections: &'static [&'static str],
    /// The options that it reads, except its prompt.
    pub options: &'static [Opt],
    /// What the user reads before the first password, if it can be configured for this provider alone.
    pub prompt: Option<Opt>,
    /// The same if neither the provider's section nor `[auth]` has a prompt, and that of `[auth]` does not fit.
    pub default_prompt: Option<&'static str>,
    /// The keys under which the first password may come instead of `otp`, in their order.
    pub password_keys: &'static [&'static str],
    /// The keys under which the user may type the name at the service.
    pub name_keys: &'static [&'static str],
    /// Reads the tables of which a hook reads one line.
    pub check_tables: fn(&Settings<'_>) -> Result<(), SettingError>,
    /// Makes the client.
    pub make: Make,
}

impl MfaProvider {
    /// Makes a provider of this kind that has no keys and no prompt of its own.
    pub(super) const fn new(name: &'static str, kind: Kind, options: &'static [Opt], make: Make) -> Self {
        Self {
            name,
            kind,
            sections: &[],
            options,
            prompt: None,
            default_prompt: None,
            password_keys: &[],
            name_keys: &[],
            check_tables: |_| Ok(()),
            make,
        }
    }

    /// Returns the section that describes its servers, or its name if it has none.
    pub fn section(&self) -> &'static str {
        self.sections.first().copied().unwrap_or(self.name)
    }
}

/// All providers, in the order in which errors list them.
#[derive(Clone, Copy)]
pub struct MfaProviders(&'static [&'static MfaProvider]);

impl MfaProviders {
    pub(super) const fn new(all: &'static [&'static MfaProvider]) -> Self {
        Self(all)
    }

    /// Returns each provider.
    pub fn all(self) -> impl Iterator<Item = &'static MfaProvider> + Clone {
        self.0.iter().copied()
    }

    /// Returns the services.
    pub fn services(self) -> impl Iterator<Item = &'static MfaProvider> + Clone {
        self.all().filter(|provider| provider.kind == Kind::Service)
    }

    /// Returns the words of the services, for an error.
    pub fn service_words(self) -> String {
        self.services().map(|service| service.name).collect::<Vec<_>>().join(", ")
    }

    /// Finds a provider by its word.
    pub fn named(self, name: &str) -> Option<&'static MfaProvider> {
        self.all().find(|provider| provider.name == name)
    }

    /// Finds a service by its word; `None` for every other provider.
    pub fn service(self, name: &str) -> Option<&'static MfaProvider> {
        self.services().find(|service| service.name == name)
    }

    /// Returns the options of all providers.
    pub fn options(self) -> impl Iterator<Item = &'static Opt> + Clone {
        self.all().flat_map(|provider| provider.options.iter().chain(&provider.prompt))
    }

    /// Tells whether a name is typed under a key, at any of the providers.
    pub fn is_name_key(self, key: &str) -> bool {
        self.all().any(|provider| provider.name_keys.contains(&key))
    }
}
