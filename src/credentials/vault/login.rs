//! The ways to a token (HTTP API, the page of each auth method).

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use super::client::{Call, Client};
use super::path::encode;
use super::wire::Field;
use super::{OptionsOf, VaultError};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::credentials::client::Session as Asking;

const METHOD: Opt = Opt::new("hashicorp", "authentication_method", "");
const MOUNT: Opt = Opt::new("hashicorp", "authentication_mount", "");
const USE_CREDENTIAL: Opt = Opt::new("hashicorp", "use_credential", "gateway");
const USERNAME: Opt = Opt::new("hashicorp", "username", "");
const PASSWORD: Opt = Opt::secret("hashicorp", "password");
const APPROLE_ROLE: Opt = Opt::new("approle-authentication", "role", "");
const APPROLE_TOKEN: Opt = Opt::secret("approle-authentication", "vault_token");
const APPROLE_ROLE_ID: Opt = Opt::new("approle-authentication", "role_id", "");
const APPROLE_SECRET_ID: Opt = Opt::secret("approle-authentication", "secret_id");
const TOKEN: Opt = Opt::secret("token-authentication", "token");
const JWT_ROLE: Opt = Opt::new("jwt-authentication", "role", "");
const JWT: Opt = Opt::secret("jwt-authentication", "jwt");
const CERT_NAME: Opt = Opt::new("cert-authentication", "name", "");
pub(super) const OPTIONS: OptionsOf<13> = [
    METHOD,
    MOUNT,
    USE_CREDENTIAL,
    USERNAME,
    PASSWORD,
    APPROLE_ROLE,
    APPROLE_TOKEN,
    APPROLE_ROLE_ID,
    APPROLE_SECRET_ID,
    TOKEN,
    JWT_ROLE,
    JWT,
    CERT_NAME,
];

const METHODS: [&str; 6] = ["approle", "cert", "jwt", "ldap", "token", "userpass"];

/// How to log in, with all that it takes.
pub(super) struct Login {
    mount: String,
    how: How,
}

enum How {
    Password {
        username: String,
        password: SecretString,
    },
    /// The Python plugin's way: a token that may read the role's id and make a secret id.
    AppRole {
        role: String,
        token: SecretString,
    },
    AppRoleIds {
        role_id: SecretString,
        secret_id: SecretString,
    },
    Token(SecretString),
    Jwt {
        role: String,
        jwt: SecretString,
    },
    Certificate {
        name: String,
    },
}

/// A token to read with.
pub(super) struct LoggedIn {
    pub(super) token: SecretString,
    pub(super) whose: Token,
}

/// Where a token comes from, which decides what ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// The configuration; it lives on.
    Configured,
    /// The login of this hook, which ends it.
    OfThisHook,
    /// The login of this hook; a batch token ends by its own time and cannot be revoked.
    Batch,
}

/// How far a login was tried out.
pub(super) enum Tried {
    LoggedIn(LoggedIn),
    /// The role was read with this token, which the configuration has.
    RoleOnly(SecretString),
}

impl Login {
    /// Reads the options of the method.
    ///
    /// # Errors
    /// A method that is none; options of it that are missing; [`VaultError::NoCredential`].
    pub(super) fn from_settings(settings: &Settings<'_>, asking: &Asking<'_>) -> Result<Self, VaultError> {
        let method = settings.optional_choice(&METHOD, &METHODS)?;
        let method =
            method.ok_or_else(|| settings.invalid(&METHOD, format!("one of {}", METHODS.join(", "))))?;
        let how = match method {
            "approle" => app_role(settings)?,
            "cert" => How::Certificate { name: settings.text(&CERT_NAME)?.unwrap_or_default() },
            "jwt" => How::Jwt { role: settings.required(&JWT_ROLE)?, jwt: settings.required_secret(&JWT)? },
            "token" => How::Token(settings.required_secret(&TOKEN)?),
            _ => password(settings, asking)?,
        };
        let mount = settings.text(&MOUNT)?.filter(|mount| !mount.is_empty());
        Ok(Self { mount: mount.unwrap_or_else(|| method.to_owned()), how })
    }

    /// Logs in.
    ///
    /// # Errors
    /// [`VaultError`].
    pub(super) fn log_in(&self, client: &Client<'_>) -> Result<LoggedIn, VaultError> {
        let mount = self.mount.trim_matches('/');
        let (path, body) = match &self.how {
            How::Token(token) => return Ok(LoggedIn { token: token.clone(), whose: Token::Configured }),
            How::Password { username, password } => {
                let mut path = format!("auth/{mount}/login/");
                encode(username, &mut path);
                (path, json!({"password": password.expose_secret()}))
            }
            How::AppRole { role, token } => {
                let base = self.role(role);
                let role_id = member(client, &format!("{base}/role-id"), Call::Get, token, "role_id")?;
                let secret_id =
                    member(client, &format!("{base}/secret-id"), Call::Post(b"{}"), token, "secret_id")?;
                return self.with_ids(client, &role_id, &secret_id);
            }
            How::AppRoleIds { role_id, secret_id } => return self.with_ids(client, role_id, secret_id),
            How::Jwt { role, jwt } => {
                (format!("auth/{mount}/login"), json!({"role": role, "jwt": jwt.expose_secret()}))
            }
            How::Certificate { name } if name.is_empty() => (format!("auth/{mount}/login"), json!({})),
            How::Certificate { name } => (format!("auth/{mount}/login"), json!({"name": name})),
        };
        token(client, &path, body)
    }

    /// Logs in where that leaves nothing behind; else reads what the login would begin with.
    ///
    /// # Errors
    /// [`VaultError`].
    pub(super) fn try_out(&self, client: &Client<'_>) -> Result<Tried, VaultError> {
        let How::AppRole { role, token } = &self.how else { return self.log_in(client).map(Tried::LoggedIn) };
        member(client, &format!("{}/role-id", self.role(role)), Call::Get, token, "role_id")?;
        Ok(Tried::RoleOnly(token.clone()))
    }

    fn role(&self, role: &str) -> String {
        let mut base = format!("auth/{}/role/", self.mount.trim_matches('/'));
        encode(role, &mut base);
        base
    }

    fn with_ids(
        &self,
        client: &Client<'_>,
        role_id: &SecretString,
        secret_id: &SecretString,
    ) -> Result<LoggedIn, VaultError> {
        let body = json!({"role_id": role_id.expose_secret(), "secret_id": secret_id.expose_secret()});
        token(client, &format!("auth/{}/login", self.mount.trim_matches('/')), body)
    }
}

fn app_role(settings: &Settings<'_>) -> Result<How, SettingError> {
    match (settings.secret(&APPROLE_ROLE_ID)?, settings.secret(&APPROLE_SECRET_ID)?) {
        (Some(role_id), Some(secret_id)) => Ok(How::AppRoleIds { role_id, secret_id }),
        (None, None) => Ok(How::AppRole {
            role: settings.required(&APPROLE_ROLE)?,
            token: settings.required_secret(&APPROLE_TOKEN)?,
        }),
        (Some(_), None) | (None, Some(_)) => {
            Err(settings.invalid(&APPROLE_ROLE_ID, "role_id and secret_id together, or neither".to_owned()))
        }
    }
}

/// Reads whose user name and password it is (SDK: `authentication_username`, `authentication_password`): with
/// `explicit`, what the configuration lacks comes from the gateway.
fn password(settings: &Settings<'_>, asking: &Asking<'_>) -> Result<How, VaultError> {
    let explicit = settings.choice(&USE_CREDENTIAL, &["explicit", "gateway"])? == "explicit";
    let (mut username, mut password) = (None, None);
    if explicit {
        username = settings.text(&USERNAME)?;
        password = settings.secret(&PASSWORD)?;
    }
    let some = |name: &String| !name.is_empty();
    let username = username.filter(some).or_else(|| asking.user.map(str::to_owned)).filter(some);
    let password = password
        .filter(|password| !password.expose_secret().is_empty())
        .or_else(|| asking.password.cloned())
        .filter(|password| !password.expose_secret().is_empty());
    match (username, password) {
        (Some(username), Some(password)) => Ok(How::Password { username, password }),
        (None, _) => Err(VaultError::NoCredential("user name")),
        (_, None) => Err(VaultError::NoCredential("password")),
    }
}

/// Posts a login and takes the token out of the answer.
fn token(client: &Client<'_>, path: &str, body: serde_json::Value) -> Result<LoggedIn, VaultError> {
    let body = Zeroizing::new(body.to_string());
    let auth = client.call(path, Call::Post(body.as_bytes()), None)?.and_then(|envelope| envelope.auth);
    match auth {
        Some(auth) if !auth.client_token.expose_secret().is_empty() => {
            let whose = match auth.token_type.as_deref() {
                Some("batch") => Token::Batch,
                Some(_) | None => Token::OfThisHook,
            };
            Ok(LoggedIn { token: auth.client_token, whose })
        }
        Some(_) | None => {
            Err(client.garbled("to the login has no token in it; is the auth method enabled there?"))
        }
    }
}

/// Reads one text of an answer.
fn member(
    client: &Client<'_>,
    path: &str,
    call: Call<'_>,
    token: &SecretString,
    name: &str,
) -> Result<SecretString, VaultError> {
    let answer = match call {
        Call::Get => client.call(path, call, Some(token))?,
        Call::Post(_) => client.call_for_secret(path, call, token)?,
    };
    match answer.and_then(|envelope| envelope.data) {
        Some(Field::Members(mut members)) => match members.remove(name) {
            Some(Field::Text(text)) => Ok(text),
            Some(_) | None => Err(client.garbled("about the role is not that of an AppRole")),
        },
        Some(_) | None => Err(client.garbled("about the role is empty; is there such a role?")),
    }
}
