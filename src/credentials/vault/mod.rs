//! `[credentials] provider=vault`: HashiCorp Vault and OpenBao.
//!
//! The options are those of One Identity's Python plugin, so that its configurations work as they are, and a few
//! more. One hook chooses an address, logs in, reads one secret, and ends the token again. Where the secret is a
//! dynamic one, the token lives on, sealed in the state, because Vault ends a lease with the token that took it out;
//! check-in then ends both, without a password that the hook does not have any more.

mod client;
mod login;
mod path;
mod wire;

use secrecy::SecretString;
use serde_json::json;

use self::client::{Call, Client};
use self::login::Login;
use self::path::{Kind, PathError, SecretPath, Typed};
use self::wire::{Envelope, Field};
use super::{Caller, Tools};
use crate::config::settings::{Opt, SettingError};
use crate::logging::Chain;
use crate::names::{Account, Asset};
use crate::net::NetError;

/// Options of one section each, so that their defaults stand in one place.
type OptionsOf<const N: usize> = [Opt; N];

const SECRETS_PATH: &str = "secrets_path";
const KV1: OptionsOf<4> = [
    Opt::new("engine-kv-v1", SECRETS_PATH, ""),
    Opt::new("engine-kv-v1", "password_field", "password"),
    Opt::new("engine-kv-v1", "key_field", "key"),
    Opt::new("engine-kv-v1", "default_type", ""),
];
const KV2: OptionsOf<4> = [
    Opt::new("engine-kv-v2", SECRETS_PATH, ""),
    Opt::new("engine-kv-v2", "password_field", "password"),
    Opt::new("engine-kv-v2", "key_field", "key"),
    Opt::new("engine-kv-v2", "default_type", ""),
];
const KV2_MOUNT: Opt = Opt::new("engine-kv-v2", "mount", "");
const DATABASE: OptionsOf<1> = [Opt::new("engine-database", SECRETS_PATH, "")];
const SSH: OptionsOf<1> = [Opt::new("engine-ssh", SECRETS_PATH, "")];
/// The options of this provider.
pub const OPTIONS: [&[Opt]; 7] =
    [client::OPTIONS, &login::OPTIONS, &KV1, &KV2, &[KV2_MOUNT], &DATABASE, &SSH];

/// Says why Vault gave nothing. Neither a secret nor the server's words are in it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No address can be used.
    #[error("none of the Vault servers can be used")]
    NoneUsable,
    /// It did not answer, or not in HTTP.
    #[error("Vault")]
    Net(#[from] NetError),
    /// An error status.
    #[error("Vault at {host} {}", wire::meaning(*status))]
    Status {
        /// Which server.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that makes no sense.
    #[error("the answer of Vault at {host} {what}")]
    Garbled {
        /// Which server.
        host: String,
        /// What makes no sense.
        what: &'static str,
    },
    /// Nobody to log in as.
    #[error("there is no {0} to log in to Vault with, neither in [hashicorp] nor from the gateway")]
    NoCredential(&'static str),
    /// An option is unusable.
    #[error("configuration")]
    Setting(#[from] SettingError),
}

/// What was read.
pub(super) struct Secret {
    /// The password or key.
    pub(super) text: SecretString,
    /// The token that holds the lease of a dynamic secret; with its end the secret ends.
    pub(super) lease: Option<SecretString>,
}

/// A Vault that is asked for one caller.
pub(super) struct Vault<'a> {
    tools: Tools<'a>,
    caller: Caller<'a>,
    engine: Engine,
    /// The path of the configuration; `None` where only users name paths.
    secrets_path: Option<String>,
}

/// A secrets engine, with what its answers are like.
enum Engine {
    KeyValue { fields: &'static OptionsOf<4>, version_2: bool },
    Database,
    SshOneTimePassword,
}

impl<'a> Vault<'a> {
    /// Reads which secrets engine is meant: the one whose `secrets_path` is set.
    ///
    /// # Errors
    /// None, or more than one.
    pub(super) fn from_settings(tools: Tools<'a>, caller: Caller<'a>) -> Result<Self, SettingError> {
        let key_value = |fields, version_2| Engine::KeyValue { fields, version_2 };
        let engines = [
            (&KV1[0], key_value(&KV1, false)),
            (&KV2[0], key_value(&KV2, true)),
            (&DATABASE[0], Engine::Database),
            (&SSH[0], Engine::SshOneTimePassword),
        ];
        let mut chosen = None;
        for (option, engine) in engines {
            let Some(path) = tools.settings.text(option)?.filter(|path| !path.is_empty()) else { continue };
            if chosen.is_some() {
                let expected = "a secrets_path in one of the [engine-…] sections, not in two".to_owned();
                return Err(tools.settings.invalid(option, expected));
            }
            chosen = Some((engine, Some(path)));
        }
        let (engine, secrets_path) = match chosen {
            Some(chosen) => chosen,
            None if caller.typed_path.is_some() => (key_value(&KV1, false), None),
            None => {
                let expected = "the path of the secrets, here or in another [engine-…] section".to_owned();
                return Err(tools.settings.invalid(&KV1[0], expected));
            }
        };
        Ok(Self { tools, caller, engine, secrets_path })
    }

    /// Reads the password or key of an account; `None` where there is none.
    ///
    /// # Errors
    /// [`VaultError`]. A name that no path can be made of is none: nothing can be kept under it.
    pub(super) fn fetch(
        &self,
        kind: Kind,
        account: &Account,
        asset: &Asset,
    ) -> Result<Option<Secret>, VaultError> {
        let place = match self.place(kind, account, asset) {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(None),
            Err(PlaceError::Path(error)) => {
                self.tools.log.warning(format_args!("Vault is not asked: {error}"));
                return Ok(None);
            }
            Err(PlaceError::Setting(error)) => return Err(error.into()),
        };
        let login = Login::from_settings(self.tools.settings, &self.caller)?;
        let client = Client::choose(&self.tools)?;
        let session = login.log_in(&client)?;
        let read = self.read(&client, &place, account, asset, &session.token);
        let has_lease = matches!(&read, Ok(Some((_, true))));
        if session.is_ours && !has_lease {
            self.forget(&client, &session.token);
        }
        let (text, _) = match read? {
            Some(found) => found,
            None => return Ok(None),
        };
        let lease = (has_lease && session.is_ours).then_some(session.token);
        Ok(Some(Secret { text, lease }))
    }

    /// Ends a token, and with it every lease that was taken out with it.
    ///
    /// # Errors
    /// [`VaultError`]; the lease may still hold.
    pub(super) fn end(&self, token: &SecretString) -> Result<(), VaultError> {
        let client = Client::choose(&self.tools)?;
        match client.call(REVOKE_SELF, Call::Post(b"{}"), Some(token)) {
            // A token that is over already is unknown.
            Err(VaultError::Status { status: 403, .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends the token of this hook; that it lives on until its time is over is no reason to withhold the secret.
    fn forget(&self, client: &Client<'_>, token: &SecretString) {
        if let Err(error) = client.call(REVOKE_SELF, Call::Post(b"{}"), Some(token)) {
            self.tools.log.warning(format_args!("the login to Vault was not ended: {}", Chain(&error)));
        }
    }

    /// Finds out where to read what; `None` where the user asked for the other kind.
    fn place(&self, kind: Kind, account: &Account, asset: &Asset) -> Result<Option<Place>, PlaceError> {
        let settings = self.tools.settings;
        let Engine::KeyValue { fields: [_, password_field, key_field, default_type], version_2 } =
            &self.engine
        else {
            if kind == Kind::Key {
                return Ok(None);
            }
            let template = self.secrets_path.as_deref().unwrap_or_default();
            return Ok(Some(Place { path: SecretPath::of_entry(template, account, asset)?, field: None }));
        };
        let typed = self.caller.typed_path.filter(|text| !text.is_empty()).map(Typed::parse).transpose()?;
        let (path, typed_field) = match (typed, &self.secrets_path) {
            (Some(typed), _) => {
                let default = settings.optional_choice(default_type, &Kind::WORDS)?;
                let meant = typed.kind.or_else(|| default.and_then(Kind::from_beginning)).unwrap_or(kind);
                if meant != kind {
                    return Ok(None);
                }
                (typed.path, typed.field)
            }
            (None, Some(template)) => (SecretPath::of_entry(template, account, asset)?, None),
            (None, None) => return Ok(None),
        };
        let path = match version_2 {
            true => {
                path.in_version_2(settings.text(&KV2_MOUNT)?.filter(|mount| !mount.is_empty()).as_deref())
            }
            false => path,
        };
        let option = match kind {
            Kind::Password => password_field,
            Kind::Key => key_field,
        };
        let field = match typed_field {
            Some(field) => field,
            None => settings.text(option)?.unwrap_or_default(),
        };
        Ok(Some(Place { path, field: Some(field) }))
    }

    /// Reads a secret, and tells whether it has a lease.
    fn read(
        &self,
        client: &Client<'_>,
        place: &Place,
        account: &Account,
        asset: &Asset,
        token: &SecretString,
    ) -> Result<Option<(SecretString, bool)>, VaultError> {
        let path = place.path.as_str();
        let (answer, field) = match &self.engine {
            Engine::KeyValue { .. } => {
                (client.call_for_secret(path, Call::Get, token)?, place.field.as_deref().unwrap_or_default())
            }
            Engine::Database => (client.call_for_secret(path, Call::Get, token)?, "password"),
            Engine::SshOneTimePassword => {
                let is_address = asset.as_str().parse::<std::net::IpAddr>().is_ok();
                let ip = self.caller.server_ip.or(is_address.then_some(asset.as_str()));
                let body = json!({"username": account.as_str(), "ip": ip}).to_string();
                (client.call_for_secret(path, Call::Post(body.as_bytes()), token)?, "key")
            }
        };
        let Some(Envelope { data, lease_id, .. }) = answer else {
            self.tools.log.info(format_args!("Vault has nothing at {path}"));
            return Ok(None);
        };
        let has_lease = lease_id.is_some_and(|lease| !lease.is_empty());
        let members = match data {
            Some(Field::Members(mut members)) if self.is_version_2() => match members.remove("data") {
                Some(Field::Members(inner)) => inner,
                Some(Field::Null) => {
                    self.tools.log.info(format_args!("the secret at {path} is deleted"));
                    return Ok(None);
                }
                Some(_) | None => {
                    return Err(client.garbled("is not that of version 2 of the key-value engine"));
                }
            },
            Some(Field::Members(members)) => members,
            Some(_) | None => return Err(client.garbled("holds no secret")),
        };
        self.take(client, members, field, path).map(|text| text.map(|text| (text, has_lease)))
    }

    fn take(
        &self,
        client: &Client<'_>,
        mut members: std::collections::BTreeMap<String, Field>,
        field: &str,
        path: &str,
    ) -> Result<Option<SecretString>, VaultError> {
        match members.remove(field) {
            Some(Field::Text(text)) if !crate::secret::is_empty(&text) => Ok(Some(text)),
            Some(Field::Text(_) | Field::Null) | None => {
                self.tools
                    .log
                    .info(format_args!("the secret at {path} has no field of the name that is asked for"));
                Ok(None)
            }
            Some(Field::Members(_) | Field::Other) => {
                Err(client.garbled("has something else than a text as secret"))
            }
        }
    }

    fn is_version_2(&self) -> bool {
        matches!(self.engine, Engine::KeyValue { version_2: true, .. })
    }
}

const REVOKE_SELF: &str = "auth/token/revoke-self";

/// Where to read what.
struct Place {
    path: SecretPath,
    /// The member with the secret; `None` where the engine says which.
    field: Option<String>,
}

enum PlaceError {
    Path(PathError),
    Setting(SettingError),
}

impl From<PathError> for PlaceError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

impl From<SettingError> for PlaceError {
    fn from(error: SettingError) -> Self {
        Self::Setting(error)
    }
}

impl super::CredentialProvider for Vault<'_> {
    fn passwords(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<Vec<SecretString>, super::CredentialError> {
        Ok(self.fetch(Kind::Password, account, asset)?.map(|secret| secret.text).into_iter().collect())
    }

    fn private_keys(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<Vec<crate::terms::PrivateKey>, super::CredentialError> {
        let key = self.fetch(Kind::Key, account, asset)?;
        Ok(key
            .map(|secret| crate::terms::PrivateKey { kind: "ssh-rsa".to_owned(), key: secret.text })
            .into_iter()
            .collect())
    }

    fn remote_app(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<Option<super::RemoteAppCredentials>, super::CredentialError> {
        let passwords = self.passwords(account, asset)?;
        Ok((!passwords.is_empty())
            .then(|| super::RemoteAppCredentials { passwords, ..super::RemoteAppCredentials::default() }))
    }

    fn totp_codes(
        &self,
        _: &Account,
        _: &Asset,
    ) -> Result<Option<Vec<crate::terms::TotpCode>>, super::CredentialError> {
        Ok(None)
    }

    fn check_in(&self, _: &Account, _: &Asset) -> Result<(), super::CredentialError> {
        Ok(())
    }
}
