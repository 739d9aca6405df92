//! One member of one secret, for what a configuration refers to.

use secrecy::SecretString;

use super::client::Client;
use super::login::Login;
use super::path::Template;
use super::{Engine, KV1, KV1_MOUNT, Place, Vault, VaultError};
use crate::config::settings::Opt;
use crate::credentials::client::{CredentialError, Tools};
use crate::credentials::provider::Reference;
use crate::names::{Account, Asset};

const SECRETS_PATH: Opt = Opt::new("credential_store <name>", "secrets_path", "");
const MOUNT: Opt = Opt::new("credential_store <name>", "mount", "");
const KV_VERSION: Opt = Opt::new("credential_store <name>", "kv_version", "2");
pub(super) const OPTIONS: &[Opt] = &[SECRETS_PATH, MOUNT, KV_VERSION];

/// Reads what a reference of the configuration refers to: a secret for each section, with a member for each option. What
/// `[hashicorp]` and the sections of its login refer to cannot come from here.
///
/// # Errors
/// [`CredentialError`].
pub(super) fn refer(
    tools: Tools<'_>,
    reference: Reference<'_>,
) -> Result<Option<SecretString>, CredentialError> {
    let (settings, section) = (tools.settings, reference.section);
    let template = settings.required(SECRETS_PATH.of(section)).map_err(Box::new)?;
    let mount = settings.text(MOUNT.of(section)).map_err(Box::new)?;
    let version = settings.choice(KV_VERSION.of(section), &["1", "2"]).map_err(Box::new)?;
    let place = SecretOf {
        template: &template,
        name: reference.host,
        member: reference.user,
        version_2: version == "2",
        mount,
    };
    Ok(place.read(tools)?)
}

/// One member of one secret of the key-value engine, whatever `[engine-…]` says.
struct SecretOf<'a> {
    /// Where the secrets lie; the name is appended, or stands where `{account}` does.
    template: &'a str,
    /// The secret's name.
    name: &'a str,
    /// The member.
    member: &'a str,
    /// Whether it is version 2 of the engine.
    version_2: bool,
    /// Where that is mounted, if not at the first part of the path.
    mount: Option<String>,
}

impl SecretOf<'_> {
    /// Reads it; `None` where there is none.
    ///
    /// # Errors
    /// [`VaultError`].
    fn read(&self, tools: Tools<'_>) -> Result<Option<SecretString>, VaultError> {
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
