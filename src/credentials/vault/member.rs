//! One member of one secret, for what a configuration refers to.

use secrecy::SecretString;

use super::client::Client;
use super::login::Login;
use super::path::Template;
use super::{Engine, KV1, KV1_MOUNT, Place, Vault, VaultError};
use crate::credentials::Tools;
use crate::names::{Account, Asset};

/// One member of one secret of the key-value engine, whatever `[engine-…]` says.
pub struct SecretOf<'a> {
    /// Where the secrets lie; the name is appended, or stands where `{account}` does.
    pub template: &'a str,
    /// The secret's name.
    pub name: &'a str,
    /// The member.
    pub member: &'a str,
    /// Whether it is version 2 of the engine.
    pub version_2: bool,
    /// Where that is mounted, if not at the first part of the path.
    pub mount: Option<String>,
}

impl SecretOf<'_> {
    /// Reads it; `None` where there is none.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn read(&self, tools: Tools<'_>) -> Result<Option<SecretString>, VaultError> {
        // A name that cannot be one is nobody's.
        let (Ok(name), Ok(no_asset)) = (Account::parse(self.name), Asset::parse("")) else { return Ok(None) };
        let Ok(template) = Template::parse(self.template) else { return Ok(None) };
        let mount = self.mount.as_deref().filter(|mount| !mount.is_empty());
        let template = template.with_account();
        let template = if self.version_2 { template.in_version_2(mount) } else { template };
        let Ok(path) = template.fill(&name, &no_asset) else { return Ok(None) };
        let place = Place { path, field: Some(self.member.to_owned()) };
        let engine = Engine::KeyValue { fields: &KV1, mount: &KV1_MOUNT, version_2: self.version_2 };
        let vault = Vault { tools, engine, secrets_path: None };
        let login = Login::from_settings(tools.settings, &tools.session)?;
        let client = Client::choose(&tools)?;
        let logged_in = login.log_in(&client)?;
        let found = vault.read(&client, &place, &name, &no_asset, &logged_in.token);
        vault.forget(&client, &logged_in);
        Ok(found?.map(|found| found.text))
    }
}
