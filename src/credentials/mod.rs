//! Credentials for the target: [`CredentialProvider`] and its providers, one file each.

mod appliance;
mod vault;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::appliance::Appliance;
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::logging::Log;
use crate::names::{Account, Asset};
use crate::terms::{PrivateKey, TotpCode};

const PROVIDER: Opt = Opt::new("credentials", "provider", "local");
/// The options that this module and its providers read.
pub const OPTIONS: [&[Opt]; 2] = [&[PROVIDER], appliance::OPTIONS];
pub use vault::OPTIONS as VAULT_OPTIONS;

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
}

/// Who asks.
#[derive(Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The user at the gateway.
    pub gateway_username: Option<&'a str>,
    /// The password of the user at the gateway.
    pub gateway_password: Option<&'a SecretString>,
    /// The target's address.
    pub server_ip: Option<&'a str>,
    /// The path of the secret, as the user typed it.
    pub typed_path: Option<&'a str>,
}

/// Says why a provider gave nothing. A fault, in contrast to an empty list.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The named store is nowhere.
    #[error("there is no credential store '{0}'")]
    NoStore(String),
    /// Vault gave nothing.
    #[error("vault")]
    Vault(#[source] vault::VaultError),
    /// An option is unusable.
    #[error("configuration")]
    Setting(#[from] SettingError),
}

impl From<vault::VaultError> for CredentialError {
    fn from(error: vault::VaultError) -> Self {
        match error {
            vault::VaultError::Setting(error) => error.into(),
            error => Self::Vault(error),
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
}

/// Makes the provider that `[credentials] provider` names.
///
/// # Errors
/// A provider that is none, or whose options are unusable.
pub fn provider<'a>(
    tools: Tools<'a>,
    caller: Caller<'a>,
) -> Result<Box<dyn CredentialProvider + 'a>, SettingError> {
    let settings = tools.settings;
    match settings.choice(&PROVIDER, &["appliance", "vault", "local"])? {
        "appliance" => Ok(Box::new(appliance::LocalStore::from_settings(settings, tools.appliance)?)),
        "vault" => Ok(Box::new(vault::Vault::from_settings(tools, caller)?)),
        _ => Err(settings.invalid(&PROVIDER, "appliance; local is not there yet".to_owned())),
    }
}
