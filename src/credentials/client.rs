//! The contract of a provider of credentials: [`CredentialProvider`], for whom it is asked, and its errors.

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::appliance::Appliance;
use crate::clock::Budget;
use crate::config::settings::{SettingError, Settings};
use crate::locker::LockerError;
use crate::logging::Log;
use crate::names::{Account, Asset};
use crate::private_key::PrivateKey;
use crate::store::{Store, StoreError};
use crate::terms::TotpCode;

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
    /// An exclusive entry is checked out for a session, and there is no session id.
    #[error("an entry with checkout=exclusive needs the argument session_id")]
    NoSession,
    /// The plugin's own state cannot be used.
    #[error("state")]
    Store(#[from] StoreError),
    /// An entry cannot be read.
    #[error("local credentials")]
    Locker(#[from] LockerError),
    /// A service gave nothing.
    #[error("{provider}")]
    Service {
        /// The word of its provider.
        provider: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something was checked out of a provider that the configuration does not name any more.
    #[error("nothing can be given back to the provider '{0}'; this version does not have it")]
    NoProvider(String),
    /// The options of the provider that something has to be given back to.
    #[error("configuration")]
    Setting(#[from] Box<SettingError>),
}

/// Password and launch information for a remote application.
#[derive(Default)]
pub struct RemoteAppCredentials {
    /// The passwords; the list may be empty.
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
    /// Returns the passwords, or an empty list.
    ///
    /// # Errors
    /// [`CredentialError`] where it could not be found out.
    fn passwords(&self, account: &Account, asset: &Asset) -> Result<Vec<SecretString>, CredentialError>;

    /// Returns the private keys, or an empty list.
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
