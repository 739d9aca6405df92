//! What the program knows of a provider of credentials before it makes its client.

use secrecy::SecretString;

use super::client::{CredentialError, CredentialProvider, Tools};
use crate::config::settings::{Opt, SettingError};
use crate::finding::Finding;

/// Makes the client of a provider from its sections.
type Make = for<'a> fn(Tools<'a>) -> Result<Box<dyn CredentialProvider + 'a>, SettingError>;

/// One provider. Everything that the rest of the program has to know of it is here.
pub struct CredentialSource {
    /// Its word in `[credentials] provider` and in the cookie.
    pub word: &'static str,
    /// The sections of the configuration that only it reads; the first one describes its servers.
    pub sections: &'static [&'static str],
    /// The options that it reads.
    pub options: &'static [&'static [Opt]],
    /// Whether the appliance has what it hands out, so that nothing can be asked elsewhere.
    pub is_on_the_appliance: bool,
    /// Makes the client.
    pub make: Make,
    /// What it does as a service; `None` if it asks no server.
    pub service: Option<Service>,
}

/// What a provider does that asks a server.
pub struct Service {
    /// Its name in warnings.
    pub name: &'static str,
    /// Reads what asking the servers takes, and asks none.
    pub check: fn(&Tools<'_>) -> Result<(), SettingError>,
    /// Asks the servers what changes nothing there, for the sections that are named. The last argument is whether the login
    /// cannot use a password that a user types at the gateway.
    pub ask: fn(Tools<'_>, &str, bool) -> Vec<Finding>,
    /// Reads what a reference of the configuration refers to, from a section `[credential_store NAME]`.
    pub refer: fn(Tools<'_>, Reference<'_>) -> Result<Option<SecretString>, CredentialError>,
}

/// What a reference of the configuration refers to.
pub struct Reference<'r> {
    /// The section of the credential store.
    pub section: &'r str,
    /// The section of the option.
    pub host: &'r str,
    /// The option.
    pub user: &'r str,
}
