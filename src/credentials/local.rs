//! `[credentials] provider=local`, the default: the entries in the plugin's own store.
//!
//! An entry with `checkout=exclusive` is handed out under a lease. Who asks while another session holds it gets
//! nothing, as if there were no such entry, and the log says who holds it.

use secrecy::SecretString;

use super::client::{CredentialError, CredentialProvider, RemoteAppCredentials, Tools};
use super::provider::CredentialSource;
use crate::config::settings::{Opt, SettingError};
use crate::locker::{self, Checkout, Found, Launch, LockerError};
use crate::logging::{Chain, Short};
use crate::names::{Account, Asset};
use crate::private_key::PrivateKey;
use crate::store::{Holder, Lease};
use crate::terms::TotpCode;

const MAX_CHECKOUT: Opt = Opt::new("credentials", "max_checkout", "86400");
const OPTIONS: &[Opt] = &[MAX_CHECKOUT];

/// The provider.
pub(super) const SOURCE: CredentialSource = CredentialSource {
    word: "local",
    sections: &[],
    options: &[OPTIONS],
    is_on_the_appliance: false,
    make: |tools| Ok(Box::new(Local::from_settings(tools)?)),
    service: None,
};

/// The longest that a lease may be allowed to last, in seconds: a year.
const MOST: f64 = 366.0 * 86_400.0;

/// The plugin's own store.
pub(super) struct Local<'a> {
    tools: Tools<'a>,
    max_checkout: f64,
}

impl<'a> Local<'a> {
    pub(super) fn from_settings(tools: Tools<'a>) -> Result<Self, SettingError> {
        let max_checkout = tools.settings.seconds(&MAX_CHECKOUT, MOST)?.as_secs_f64();
        Ok(Self { tools, max_checkout })
    }

    fn find(&self, account: &Account, asset: &Asset) -> Result<Option<Found>, CredentialError> {
        let Tools { store, session, log, .. } = self.tools;
        match locker::find_target(store, account, asset, session.assets) {
            Err(error @ LockerError::Unclear { .. }) => {
                log.error(format_args!("no local credential is looked for: {error}"));
                Ok(None)
            }
            found => Ok(found?),
        }
    }

    /// Takes the lease that the entry asks for; tells whether the entry may be handed out.
    fn take(&self, found: &Found, account: &Account, asset: &Asset) -> Result<bool, CredentialError> {
        if found.entry.checkout == Checkout::Shared {
            return Ok(true);
        }
        let lease = Lease {
            entry: &found.id,
            session_id: self.session()?,
            user: self.tools.session.user.unwrap_or_default(),
            account: account.as_str(),
            asset: asset.as_str(),
            expires: self.tools.store.now().plus_seconds(self.max_checkout),
        };
        match self.tools.store.take_lease(&lease)? {
            None => Ok(true),
            Some(holder) => {
                self.say_who_holds(account, asset, &holder);
                Ok(false)
            }
        }
    }

    fn session(&self) -> Result<&'a str, CredentialError> {
        self.tools.session.id.filter(|id| !id.is_empty()).ok_or(CredentialError::NoSession)
    }

    fn say_who_holds(&self, account: &Account, asset: &Asset, holder: &Holder) {
        let user = if holder.user.is_empty() { "a user without a name" } else { &holder.user };
        self.tools.log.warning(format_args!(
            "account {account} on asset {asset} is checked out by session {} of {} until {} at the latest",
            Short(&holder.session_id),
            Short(user),
            holder.expires
        ));
    }
}

impl CredentialProvider for Local<'_> {
    fn passwords(&self, account: &Account, asset: &Asset) -> Result<Vec<SecretString>, CredentialError> {
        match self.find(account, asset)? {
            Some(found) if !found.entry.passwords.is_empty() && self.take(&found, account, asset)? => {
                Ok(found.entry.passwords)
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }

    fn private_keys(&self, account: &Account, asset: &Asset) -> Result<Vec<PrivateKey>, CredentialError> {
        match self.find(account, asset)? {
            Some(found) => {
                for key in &found.entry.unreadable_keys {
                    self.tools.log.error(format_args!(
                        "a private key of account {account} on asset {asset} \
                         is not handed out; store it again with credential set --key-file: {}",
                        Chain(&key.error)
                    ));
                }
                let is_taken = !found.entry.private_keys.is_empty() && self.take(&found, account, asset)?;
                Ok(if is_taken { found.entry.private_keys } else { Vec::new() })
            }
            None => Ok(Vec::new()),
        }
    }

    fn remote_app(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<Option<RemoteAppCredentials>, CredentialError> {
        let Some(found) = self.find(account, asset)? else { return Ok(None) };
        let has_any = !found.entry.passwords.is_empty() || !found.entry.launch.is_empty();
        if !has_any || !self.take(&found, account, asset)? {
            return Ok(None);
        }
        let Launch { information, host_app, additional } = found.entry.launch;
        Ok(Some(RemoteAppCredentials {
            passwords: found.entry.passwords,
            launch_information: information,
            host_app,
            additional_information: additional,
        }))
    }

    fn totp_codes(&self, account: &Account, asset: &Asset) -> Result<Option<Vec<TotpCode>>, CredentialError> {
        let Some(found) = self.find(account, asset)? else { return Ok(Some(Vec::new())) };
        let Some(totp) = &found.entry.totp else { return Ok(Some(Vec::new())) };
        // A code opens nothing by itself, so it needs no lease of its own; but it is not for others meanwhile.
        if found.entry.checkout == Checkout::Exclusive
            && let Some(holder) = self.tools.store.holder(&found.id, self.session()?)?
        {
            self.say_who_holds(account, asset, &holder);
            return Ok(Some(Vec::new()));
        }
        Ok(Some(totp.codes(self.tools.store.now())))
    }

    fn check_in(&self, account: &Account, asset: &Asset) -> Result<(), CredentialError> {
        // Without a session there was no lease, and nothing to give back.
        if let Some(session_id) = self.tools.session.id {
            self.tools.store.end_lease(session_id, account.as_str(), asset.as_str())?;
        }
        Ok(())
    }

    fn end_session(&self) -> Result<(), CredentialError> {
        let Some(session_id) = self.tools.session.id else { return Ok(()) };
        for (account, asset) in self.tools.store.end_leases(session_id)? {
            self.tools.log.info(format_args!(
                "check-in of account {} on asset {}: the session is over, and its cookie did not know of it",
                Short(&account),
                Short(&asset)
            ));
        }
        Ok(())
    }
}
