//! `[credentials] provider=vault`: HashiCorp Vault and OpenBao.
//!
//! The options are those of One Identity's Python plugin, so that its configurations work as they are, and a few
//! more. One hook chooses an address, logs in, reads one secret, and ends the token again. Where the secret is a
//! dynamic one, the token lives on, sealed in the state, because Vault ends a lease with the token that took it out;
//! check-in then ends both, without a password that the hook does not have any more.

mod client;
mod lease;
mod login;
mod member;
mod path;
mod probe;
mod typed;
mod wire;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use self::client::{Call, Client};
use self::lease::Lease;
use self::login::{LoggedIn, Login, Token};
use self::path::{PathError, SecretPath, Template};
use self::typed::{Bounds, Kind, TypedPath};
use self::wire::{Envelope, Field};
use super::client::{CredentialError, CredentialProvider, RemoteAppCredentials, Tools};
use super::provider::{CredentialSource, Service};
use crate::config::settings::{Opt, SettingError};
use crate::logging::{Chain, Short};
use crate::names::{Account, Asset};
use crate::net::NetError;
use crate::private_key::PrivateKey;
use crate::secret;
use crate::store::StoreError;
use crate::terms::TotpCode;

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
const KV1_MOUNT: Opt = Opt::new("engine-kv-v1", "mount", "");
const KV2_MOUNT: Opt = Opt::new("engine-kv-v2", "mount", "");
const DATABASE: OptionsOf<1> = [Opt::new("engine-database", SECRETS_PATH, "")];
const SSH: OptionsOf<1> = [Opt::new("engine-ssh", SECRETS_PATH, "")];
const OPTIONS: [&[Opt]; 8] =
    [client::OPTIONS, &login::OPTIONS, &KV1, &KV2, &[KV1_MOUNT, KV2_MOUNT], &DATABASE, &SSH, member::OPTIONS];

const WORD: &str = "vault";
/// The provider.
pub(super) const SOURCE: CredentialSource = CredentialSource {
    word: WORD,
    sections: &[
        "hashicorp",
        "approle-authentication",
        "jwt-authentication",
        "ldap-authentication",
        "token-authentication",
        "engine-kv-v1",
        "engine-kv-v2",
        "engine-database",
        "engine-ssh",
    ],
    options: &OPTIONS,
    is_on_the_appliance: false,
    make: |tools| Ok(Box::new(Vault::from_settings(tools)?)),
    service: Some(Service { name: "Vault", check: probe::check, ask: probe::servers, refer: member::refer }),
};

/// Says why Vault gave nothing. Neither a secret nor the server's words are in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum VaultError {
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
    /// A dynamic secret has to be taken back, and nobody could tell from whom.
    #[error("a secret with a lease needs the argument session_id")]
    NoSession,
    /// What takes a dynamic secret back cannot be kept.
    #[error("state")]
    Store(#[from] StoreError),
    /// An option is unusable.
    #[error("configuration")]
    Setting(#[from] SettingError),
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
            | VaultError::NoSession => Self::Service { provider: WORD, source: error.into() },
        }
    }
}

/// A Vault that is asked for one session.
pub(super) struct Vault<'a> {
    tools: Tools<'a>,
    engine: Engine,
    /// The path of the configuration; `None` where only users name paths.
    secrets_path: Option<String>,
}

/// A secrets engine, with what its answers are like.
enum Engine {
    KeyValue { fields: &'static OptionsOf<4>, mount: &'static Opt, version_2: bool },
    Database,
    SshOneTimePassword,
}

impl<'a> Vault<'a> {
    /// Reads which secrets engine is meant: the one whose `secrets_path` is set.
    ///
    /// # Errors
    /// More than one.
    pub(super) fn from_settings(tools: Tools<'a>) -> Result<Self, SettingError> {
        let version_1 = || Engine::KeyValue { fields: &KV1, mount: &KV1_MOUNT, version_2: false };
        let engines = [
            (&KV1[0], version_1()),
            (&KV2[0], Engine::KeyValue { fields: &KV2, mount: &KV2_MOUNT, version_2: true }),
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
        // Without one, users name the paths; and what was handed out is taken back without a path.
        let (engine, secrets_path) = chosen.unwrap_or_else(|| (version_1(), None));
        Ok(Self { tools, engine, secrets_path })
    }

    /// Reads the password or key of an account; `None` where there is none. What takes a dynamic secret back is kept
    /// before the secret is handed out.
    fn fetch(
        &self,
        kind: Kind,
        account: &Account,
        asset: &Asset,
    ) -> Result<Option<SecretString>, VaultError> {
        let place = match self.place(kind, account, asset) {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(None),
            Err(PlaceError::Path(error)) => {
                self.tools.log.warning(format_args!("Vault is not asked: {error}"));
                return Ok(None);
            }
            Err(PlaceError::Setting(error)) => return Err(error.into()),
        };
        let login = Login::from_settings(self.tools.settings, &self.tools.session)?;
        let client = Client::choose(&self.tools)?;
        let logged_in = login.log_in(&client)?;
        let found = match self.read(&client, &place, account, asset, &logged_in.token) {
            Ok(Some(Read { text, lease: Some(id) })) => {
                let lease = Lease::of(&logged_in, id);
                match self.keep(&lease, account, asset) {
                    Ok(()) => return Ok(Some(text)),
                    Err(error) => {
                        self.end_lease(&client, &lease, &logged_in.token)?;
                        return Err(error);
                    }
                }
            }
            Ok(found) => Ok(found.map(|found| found.text)),
            Err(error) => Err(error),
        };
        self.forget(&client, &logged_in);
        found
    }

    fn keep(&self, lease: &Lease, account: &Account, asset: &Asset) -> Result<(), VaultError> {
        let id = self.session_id().ok_or(VaultError::NoSession)?;
        // What a killed hook of this session left is not found any more once this takes its place.
        self.take_back(account.as_str(), asset.as_str())?;
        Ok(self.tools.store.keep_receipt(id, account.as_str(), asset.as_str(), lease.to_bytes())?)
    }

    fn session_id(&self) -> Option<&'a str> {
        self.tools.session.id.filter(|id| !id.is_empty())
    }

    /// Ends the lease of what the session was given for an account on an asset, if it has one.
    fn take_back(&self, account: &str, asset: &str) -> Result<(), VaultError> {
        let Some(id) = self.session_id() else { return Ok(()) };
        let receipts = self.tools.store.receipts(id)?;
        for receipt in receipts.iter().filter(|one| one.account == account && one.asset == asset) {
            // One of another form was made by nobody; there is nothing to end with it.
            if let Some(lease) = Lease::from_bytes(&receipt.plain) {
                let client = Client::choose(&self.tools)?;
                match &lease {
                    Lease::Token(token) => self.end_lease(&client, &lease, token)?,
                    Lease::Id(_) => {
                        let login = Login::from_settings(self.tools.settings, &self.tools.session)?;
                        let logged_in = login.log_in(&client)?;
                        let ended = self.end_lease(&client, &lease, &logged_in.token);
                        self.forget(&client, &logged_in);
                        ended?;
                    }
                }
            }
            self.tools.store.forget_receipt(id, account, asset)?;
        }
        Ok(())
    }

    /// Ends a lease, or the token that has it.
    fn end_lease(&self, client: &Client<'_>, lease: &Lease, token: &SecretString) -> Result<(), VaultError> {
        match lease {
            Lease::Token(_) => match client.end(REVOKE_SELF, b"{}", token) {
                // A token that is over already is unknown, and its leases are over with it.
                Err(VaultError::Status { status: 403, .. }) | Ok(()) => Ok(()),
                Err(error) => Err(error),
            },
            Lease::Id(id) => {
                let body = json!({"lease_id": id}).to_string();
                match client.end(REVOKE_LEASE, body.as_bytes(), token) {
                    // One that is over already is unknown.
                    Err(VaultError::Status { status: 400, .. }) | Ok(()) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Ends the token of this hook; that it lives on until its time is over is no reason to withhold the secret.
    fn forget(&self, client: &Client<'_>, LoggedIn { token, whose }: &LoggedIn) {
        match whose {
            Token::OfThisHook => {}
            Token::Configured | Token::Batch => return,
        }
        if let Err(error) = client.end(REVOKE_SELF, b"{}", token) {
            self.tools.log.warning(format_args!("the login to Vault was not ended: {}", Chain(&error)));
        }
    }

    /// Finds out where to read what; `None` where the user asked for the other kind.
    fn place(&self, kind: Kind, account: &Account, asset: &Asset) -> Result<Option<Place>, PlaceError> {
        let settings = self.tools.settings;
        let template = self.secrets_path.as_deref().map(Template::parse).transpose()?;
        let Engine::KeyValue { fields: [_, password_field, key_field, default_type], mount, version_2 } =
            &self.engine
        else {
            // These engines have roles, and no secret for each account.
            let Some(template) = template.filter(|_| kind == Kind::Password) else { return Ok(None) };
            return Ok(Some(Place { path: template.fill(account, asset)?, field: None }));
        };
        let mount = settings.text(*mount)?.filter(|mount| !mount.is_empty());
        let mount = mount.as_deref();
        let (path, typed_field) =
            match (self.tools.session.typed_path.filter(|text| !text.is_empty()), template) {
                (Some(text), template) => {
                    let mount = template.as_ref().map(|template| template.mount(mount)).or(mount);
                    let typed = TypedPath::parse(text, Bounds { mount, version_2: *version_2 })?;
                    let default = settings.optional_choice(default_type, &Kind::WORDS)?;
                    let meant =
                        typed.kind().or_else(|| default.and_then(Kind::from_beginning)).unwrap_or(kind);
                    if meant != kind {
                        return Ok(None);
                    }
                    typed.into_parts()
                }
                (None, Some(template)) => {
                    let template = template.with_account().below(mount);
                    let template = if *version_2 { template.in_version_2(mount) } else { template };
                    (template.fill(account, asset)?, None)
                }
                (None, None) => {
                    let expected =
                        "the path of the secrets, here or in another [engine-…] section".to_owned();
                    return Err(settings.invalid(&KV1[0], expected).into());
                }
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

    /// Reads a secret.
    fn read(
        &self,
        client: &Client<'_>,
        place: &Place,
        account: &Account,
        asset: &Asset,
        token: &SecretString,
    ) -> Result<Option<Read>, VaultError> {
        let path = place.path.as_str();
        let (answer, field) = match &self.engine {
            Engine::KeyValue { .. } => {
                (client.call_for_secret(path, Call::Get, token)?, place.field.as_deref().unwrap_or_default())
            }
            Engine::Database => (client.call_for_secret(path, Call::Get, token)?, "password"),
            Engine::SshOneTimePassword => {
                let is_address = asset.as_str().parse::<std::net::IpAddr>().is_ok();
                let ip = self.tools.session.server_ip.or(is_address.then_some(asset.as_str()));
                let body = json!({"username": account.as_str(), "ip": ip}).to_string();
                (client.call_for_secret(path, Call::Post(body.as_bytes()), token)?, "key")
            }
        };
        let about = format!("account {account} on asset {asset}, at {path}");
        let Some(Envelope { data, lease_id, .. }) = answer else {
            self.tools.log.info(format_args!("Vault has no secret for {about}"));
            return Ok(None);
        };
        let lease = lease_id.filter(|id| !id.is_empty());
        let members = match data {
            Some(Field::Members(mut members)) if self.is_version_2() => match members.remove("data") {
                Some(Field::Members(inner)) => inner,
                Some(Field::Null) => {
                    self.tools.log.info(format_args!("the secret is deleted in Vault: {about}"));
                    return Ok(None);
                }
                Some(_) | None => {
                    return Err(client.garbled("is not that of version 2 of the key-value engine"));
                }
            },
            Some(Field::Members(members)) => members,
            Some(_) | None => return Err(client.garbled("contains no secret")),
        };
        match Field::find(members, field) {
            Some(Field::Text(text)) if !secret::is_empty(&text) => Ok(Some(Read { text, lease })),
            Some(Field::Text(_) | Field::Null) | None => {
                self.tools.log.warning(format_args!(
                    "the requested field of the secret is missing or not a text: {about}"
                ));
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
const REVOKE_LEASE: &str = "sys/leases/revoke";

/// A secret.
struct Read {
    text: SecretString,
    /// The lease's id, where it has one.
    lease: Option<String>,
}

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

impl CredentialProvider for Vault<'_> {
    fn passwords(&self, account: &Account, asset: &Asset) -> Result<Vec<SecretString>, CredentialError> {
        Ok(self.fetch(Kind::Password, account, asset)?.into_iter().collect())
    }

    fn private_keys(&self, account: &Account, asset: &Asset) -> Result<Vec<PrivateKey>, CredentialError> {
        let Some(text) = self.fetch(Kind::Key, account, asset)? else { return Ok(Vec::new()) };
        match PrivateKey::read(text.expose_secret(), None) {
            Ok(key) => Ok(vec![key]),
            Err(error) => {
                self.tools.log.error(format_args!(
                    "Vault's key for account {account} on asset {asset} cannot be read: {}",
                    Chain(&error)
                ));
                Ok(Vec::new())
            }
        }
    }

    fn remote_app(
        &self,
        account: &Account,
        asset: &Asset,
    ) -> Result<Option<RemoteAppCredentials>, CredentialError> {
        let passwords = self.passwords(account, asset)?;
        let found = !passwords.is_empty();
        Ok(found.then(|| RemoteAppCredentials { passwords, ..RemoteAppCredentials::default() }))
    }

    fn totp_codes(&self, _: &Account, _: &Asset) -> Result<Option<Vec<TotpCode>>, CredentialError> {
        Ok(None)
    }

    fn check_in(&self, account: &Account, asset: &Asset) -> Result<(), CredentialError> {
        Ok(self.take_back(account.as_str(), asset.as_str())?)
    }

    fn end_session(&self) -> Result<(), CredentialError> {
        let Some(id) = self.session_id() else { return Ok(()) };
        let mut ended = Ok(());
        for receipt in self.tools.store.receipts(id)? {
            self.tools.log.info(format_args!(
                "check-in of account {} on asset {}: the session is over, and its cookie did not know of it",
                Short(&receipt.account),
                Short(&receipt.asset)
            ));
            // One that cannot be taken back keeps none of the others.
            ended = ended.and(self.take_back(&receipt.account, &receipt.asset));
        }
        Ok(ended?)
    }
}
