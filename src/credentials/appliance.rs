//! `[credentials] provider=appliance`: a local credential store of the appliance, as the caller passes it.
//!
//! The store's host is the asset and its user is the account. A text is a password, an object with `type` and `key`
//! is a private key. Every host and user stands once in the SDK's store; where it stands twice here, all count.

use secrecy::{ExposeSecret, SecretString};

use super::client::{CredentialError, CredentialProvider, RemoteAppCredentials};
use super::provider::CredentialSource;
use crate::appliance::{Appliance, Credential, StoreEntry};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::names::{Account, Asset};
use crate::private_key::PrivateKey;
use crate::terms::TotpCode;

const STORE: Opt = Opt::new("credentials", "store", "");
const OPTIONS: &[Opt] = &[STORE];

/// The provider.
pub(super) const SOURCE: CredentialSource = CredentialSource {
    word: "appliance",
    sections: &[],
    options: &[OPTIONS],
    is_on_the_appliance: true,
    make: |tools| Ok(Box::new(LocalStore::from_settings(tools.settings, tools.appliance)?)),
    service: None,
};

/// One credential store of the appliance.
pub(super) struct LocalStore<'a> {
    name: String,
    entries: Option<&'a [StoreEntry]>,
}

impl<'a> LocalStore<'a> {
    pub(super) fn from_settings(
        settings: &Settings<'_>,
        appliance: &'a Appliance,
    ) -> Result<Self, SettingError> {
        let name = settings.required(&STORE)?;
        let entries = appliance.credential_stores.get(&name).map(Vec::as_slice);
        Ok(Self { name, entries })
    }

    fn credentials(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<impl Iterator<Item = &'a Credential>, CredentialError> {
        let entries = self.entries.ok_or_else(|| CredentialError::NoStore(self.name.clone()))?;
        let (user, host) = (account.as_str().to_owned(), asset.as_str().to_owned());
        let entries = entries.iter().filter(move |entry| entry.host == host && entry.user == user);
        Ok(entries.flat_map(|entry| &entry.credentials))
    }
}

impl CredentialProvider for LocalStore<'_> {
    fn passwords(&self, account: &Account, asset: &Asset) -> Result<Vec<SecretString>, CredentialError> {
        let password = |credential: &Credential| match credential {
            Credential::Password(password) => Some(password.clone()),
            Credential::PrivateKey { .. } | Credential::Certificate { .. } => None,
        };
        Ok(self.credentials(account, asset)?.filter_map(password).collect())
    }

    fn private_keys(&self, account: &Account, asset: &Asset) -> Result<Vec<PrivateKey>, CredentialError> {
        let key = |credential: &Credential| match credential {
            Credential::PrivateKey { kind, key } => Some(PrivateKey::of_appliance(kind, key.expose_secret())),
            Credential::Password(_) | Credential::Certificate { .. } => None,
        };
        Ok(self.credentials(account, asset)?.filter_map(key).collect())
    }

    fn remote_app(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<Option<RemoteAppCredentials>, CredentialError> {
        let passwords = self.passwords(account, asset)?;
        Ok((!passwords.is_empty())
            .then(|| RemoteAppCredentials { passwords, ..RemoteAppCredentials::default() }))
    }

    fn totp_codes(&self, _: &Account, _: &Asset) -> Result<Option<Vec<TotpCode>>, CredentialError> {
        Ok(None)
    }

    fn check_in(&self, _: &Account, _: &Asset) -> Result<(), CredentialError> {
        Ok(())
    }
}
