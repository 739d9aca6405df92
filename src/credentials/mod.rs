//! Credentials for the target: [`CredentialProvider`] and its providers, one file each, and the order in which they
//! are asked.

mod appliance;
mod local;
mod probe;
mod vault;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::appliance::Appliance;
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::locker::LockerError;
use crate::logging::{Chain, Log};
use crate::names::{Account, Asset};
use crate::private_key::PrivateKey;
use crate::store::{Store, StoreError};
use crate::terms::TotpCode;

pub(crate) const PROVIDER: Opt = Opt::new("credentials", "provider", "local");
const ON_ERROR: Opt = Opt::new("credentials", "on_error", "stop");
/// The options that this module and its providers read.
pub const OPTIONS: [&[Opt]; 3] = [&[PROVIDER, ON_ERROR], appliance::OPTIONS, local::OPTIONS];
pub use probe::{check as check_servers, servers as ask_servers};
pub use vault::{OPTIONS as VAULT_OPTIONS, SecretOf, VaultError};

/// What a provider may use.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The configuration.
    pub settings: &'a Settings<'a>,
    /// The appliance's policies.
    pub appliance: &'a Appliance,
    /// The log.
    pub log: &'a Log,
    /// The time of this hook.
    pub budget: Budget<'a>,
    /// What survives, and the time of day.
    pub store: &'a Store<'a>,
    /// For whom.
    pub session: Session<'a>,
}

/// For whom credentials are.
#[derive(Clone, Copy, Default)]
pub struct Session<'a> {
    /// The session's id.
    pub id: Option<&'a str>,
    /// The user at the gateway.
    pub user: Option<&'a str>,
    /// The password of the user at the gateway.
    pub password: Option<&'a SecretString>,
    /// The target's address.
    pub server_ip: Option<&'a str>,
    /// The assets that name the target: its host name and its address.
    pub assets: &'a [Asset],
    /// The path of the secret, as the user typed it.
    pub typed_path: Option<&'a str>,
}

/// Says why a provider gave nothing. A fault, in contrast to an empty list.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The named store is nowhere.
    #[error("there is no credential store '{0}'")]
    NoStore(String),
    /// An entry that one session may hold cannot be given to nobody.
    #[error("an entry with checkout=exclusive needs the argument session_id")]
    NoSession,
    /// The plugin's own state cannot be used.
    #[error("state")]
    Store(#[from] StoreError),
    /// An entry cannot be read.
    #[error("local credentials")]
    Locker(#[from] LockerError),
    /// Vault gave nothing.
    #[error("vault")]
    Vault(#[source] VaultError),
    /// Something was checked out of a provider that the configuration does not name any more.
    #[error("nothing can be given back to the provider '{0}'; this version does not have it")]
    NoProvider(String),
    /// The options of the provider that something has to be given back to.
    #[error("configuration")]
    Setting(#[from] Box<SettingError>),
}

impl From<VaultError> for CredentialError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Setting(error) => Self::Setting(Box::new(error)),
            VaultError::Store(error) => error.into(),
            VaultError::NoneUsable
            | VaultError::Net(_)
            | VaultError::Status { .. }
            | VaultError::Garbled { .. }
            | VaultError::NoCredential(_)
            | VaultError::NoSession => Self::Vault(error),
        }
    }
}

/// Password and launch information for a remote application.
#[derive(Default)]
pub struct RemoteAppCredentials {
    /// The passwords; may be none.
    pub passwords: Vec<SecretString>,
    /// How to start it: `--cmd … --args … --flag`.
    pub launch_information: Option<String>,
    /// The program that hosts it.
    pub host_app: Option<String>,
    /// Whatever else the application needs.
    pub additional_information: Map<String, Value>,
}

/// Hands out credentials for an account on an asset, and takes them back.
pub trait CredentialProvider {
    /// Returns the passwords; none if there are none.
    ///
    /// # Errors
    /// [`CredentialError`] where it could not be found out.
    fn passwords(&self, account: &Account, asset: &Asset) -> Result<Vec<SecretString>, CredentialError>;

    /// Returns the private keys; none if there are none.
    ///
    /// # Errors
    /// [`CredentialError`] where it could not be found out.
    fn private_keys(&self, account: &Account, asset: &Asset) -> Result<Vec<PrivateKey>, CredentialError>;

    /// Returns what a remote application needs; `None` if the provider has nothing for it.
    ///
    /// # Errors
    /// [`CredentialError`] where it could not be found out.
    fn remote_app(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<Option<RemoteAppCredentials>, CredentialError>;

    /// Returns time-based codes; `None` where the provider knows no such codes.
    ///
    /// # Errors
    /// [`CredentialError`] where it could not be found out.
    fn totp_codes(&self, account: &Account, asset: &Asset) -> Result<Option<Vec<TotpCode>>, CredentialError>;

    /// Takes a credential back. Called exactly once for each that was handed out.
    ///
    /// # Errors
    /// [`CredentialError`] where it could not be given back.
    fn check_in(&self, account: &Account, asset: &Asset) -> Result<(), CredentialError>;

    /// Takes back what the session still holds though its cookie does not say so: the process was killed between the
    /// check-out and the response.
    ///
    /// # Errors
    /// [`CredentialError`] where it could not be given back.
    fn end_session(&self) -> Result<(), CredentialError> {
        Ok(())
    }
}

/// Names a provider, as the configuration and the cookie do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A local credential store of the appliance.
    Appliance,
    /// The plugin's own store.
    Local,
    /// HashiCorp Vault or OpenBao.
    Vault,
}

impl Provider {
    /// The words for all of them.
    pub const WORDS: [&str; 3] = ["appliance", "local", "vault"];

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Appliance => "appliance",
            Self::Local => "local",
            Self::Vault => "vault",
        }
    }

    /// Reads such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "appliance" => Some(Self::Appliance),
            "local" => Some(Self::Local),
            "vault" => Some(Self::Vault),
            _ => None,
        }
    }

    fn with<'a>(self, tools: Tools<'a>) -> Result<Box<dyn CredentialProvider + 'a>, SettingError> {
        Ok(match self {
            Self::Appliance => {
                Box::new(appliance::LocalStore::from_settings(tools.settings, tools.appliance)?)
            }
            Self::Local => Box::new(local::Local::from_settings(tools)?),
            Self::Vault => Box::new(vault::Vault::from_settings(tools)?),
        })
    }
}

/// The providers that `[credentials] provider` names, in their order.
pub struct Providers<'a> {
    tools: Tools<'a>,
    in_turn: Vec<(Provider, Box<dyn CredentialProvider + 'a>)>,
    goes_on: bool,
}

impl<'a> Providers<'a> {
    /// Makes them; none of them is asked yet.
    ///
    /// # Errors
    /// A provider that is none or stands there twice, or whose options are unusable.
    pub fn from_settings(tools: Tools<'a>) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let mut in_turn: Vec<(Provider, Box<dyn CredentialProvider + 'a>)> = Vec::new();
        for word in settings.required_list(&PROVIDER)? {
            let expected = || {
                let known = Provider::WORDS.join(", ");
                settings.invalid(&PROVIDER, format!("providers, each once, separated by commas: {known}"))
            };
            let provider = Provider::from_word(&word.to_lowercase()).ok_or_else(expected)?;
            if in_turn.iter().any(|(known, _)| *known == provider) {
                return Err(expected());
            }
            in_turn.push((provider, provider.with(tools)?));
        }
        let goes_on = settings.choice(&ON_ERROR, &["next", "stop"])? == "next";
        Ok(Self { tools, in_turn, goes_on })
    }

    /// Their words, in their order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.in_turn.iter().map(|(provider, _)| provider.word())
    }

    /// Whether the next one is asked where one fails.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Asks one provider after the other; the first that has something wins. One that fails ends that, unless
    /// `on_error=next`; then it is an error in the log, and the search has failed only if nobody had anything.
    ///
    /// # Errors
    /// What the provider says.
    pub fn first<T>(
        &self,
        ask: impl Fn(&dyn CredentialProvider) -> Result<Option<T>, CredentialError>,
    ) -> Result<Option<(Provider, T)>, CredentialError> {
        let mut failed = None;
        for (provider, asked) in &self.in_turn {
            match ask(asked.as_ref()) {
                Ok(Some(found)) => return Ok(Some((*provider, found))),
                Ok(None) => {}
                Err(error) if self.goes_on => {
                    let word = provider.word();
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
    let word = provider.unwrap_or(Provider::Appliance.word());
    let provider = Provider::from_word(word).ok_or_else(|| CredentialError::NoProvider(word.to_owned()))?;
    provider.with(tools).map_err(Box::new)?.check_in(account, asset)
}

/// Tells the providers that keep leases of their own that the session is over.
///
/// # Errors
/// [`CredentialError`].
pub fn end_session(tools: Tools<'_>) -> Result<(), CredentialError> {
    let words = tools.settings.list(&PROVIDER).map_err(Box::new)?;
    // A name that is none was refused when something was to be checked out; nothing hangs on it here.
    let mut ended = Ok(());
    for provider in words.iter().filter_map(|word| Provider::from_word(&word.to_lowercase())) {
        if matches!(provider, Provider::Local | Provider::Vault) {
            // One that fails keeps nobody from telling the others.
            let made = provider.with(tools).map_err(|error| Box::new(error).into());
            ended = ended.and(made.and_then(|provider| provider.end_session()));
        }
    }
    ended
}
