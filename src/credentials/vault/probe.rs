//! What changes nothing at Vault: `sys/health` at each address, and a login at the first that can be used, whose token is
//! looked at and ended again. A login that needs the password of somebody at the gateway is not tried, nor one that would
//! leave a secret id behind.

use secrecy::SecretString;

use super::client::{Call, Client};
use super::login::{LoggedIn, Login, Token, Tried};
use super::{REVOKE_SELF, VaultError, wire};
use crate::config::settings::SettingError;
use crate::credentials::client::Tools;
use crate::finding::{self, CONFIGURATION, Finding, Grade};
use crate::logging::Chain;

const SECTION: &str = "[hashicorp]";
const LOOKUP_SELF: &str = "auth/token/lookup-self";

/// Asks each address of `[hashicorp]`; `about` is the section for whose sake that is done.
pub(super) fn servers(tools: Tools<'_>, about: &str, needs_no_password: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let clients = match Client::all(&tools).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(clients) => clients,
        Err(error) => {
            let why = Chain(&error).to_string();
            return vec![Finding::not_asked(about, CONFIGURATION, Grade::Error, &why)];
        }
    };
    let mut usable = None;
    for client in clients {
        let mut note = |question, grade, detail: &str| {
            findings.push(Finding::new(SECTION, client.address(), question, grade, detail));
        };
        match client.dated_health() {
            Err(error) => {
                let is_tls = matches!(&error, VaultError::Net(error) if error.is_tls());
                let is_elsewhere = matches!(error, VaultError::Garbled { .. });
                let question = match (is_tls, is_elsewhere) {
                    (true, _) => "TLS",
                    (false, true) => "sys/health",
                    (false, false) => "connection",
                };
                note(question, Grade::Error, &Chain(&error).to_string());
            }
            Ok((status, date)) => {
                let (grade, detail) = match status {
                    200 => (Grade::Ok, "is the active node, and unsealed (200)"),
                    473 => (Grade::Ok, wire::meaning(473)),
                    429 => (Grade::Warning, wire::meaning(429)),
                    status => (Grade::Error, wire::meaning(status)),
                };
                note("sys/health", grade, &format!("Vault {detail}"));
                findings.extend(
                    date.map(|date| finding::clock(SECTION, client.address(), date, tools.store.now())),
                );
                let rank = match status {
                    200 | 473 => 2,
                    429 => 1,
                    _ => 0,
                };
                if rank > usable.as_ref().map_or(0, |(best, _)| *best) {
                    usable = Some((rank, client));
                }
            }
        }
    }
    let Some((_, client)) = usable else { return findings };
    let (question, grade, detail) = login(&tools, &client, needs_no_password);
    findings.push(Finding::new(about, client.address(), question, grade, &detail));
    findings
}

/// Reads what asking Vault takes, and asks nobody.
///
/// # Errors
/// Options that are unusable.
pub(super) fn check(tools: &Tools<'_>) -> Result<(), SettingError> {
    Client::all(tools)?.try_for_each(|client| client.map(|_| ()))?;
    match Login::from_settings(tools.settings, &tools.session) {
        Err(VaultError::Setting(error)) => Err(error),
        // What else is missing comes from the gateway.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn login(tools: &Tools<'_>, client: &Client<'_>, needs_no_password: bool) -> (&'static str, Grade, String) {
    let login = match Login::from_settings(tools.settings, &tools.session) {
        Ok(login) => login,
        Err(VaultError::NoCredential(what)) if !needs_no_password => {
            let detail = format!("not tried: the {what} comes from the gateway, where somebody types it");
            return ("login", Grade::Warning, detail);
        }
        Err(error) => return ("login", Grade::Error, Chain(&error).to_string()),
    };
    match login.try_out(client) {
        Err(error) => ("login", Grade::Error, Chain(&error).to_string()),
        Ok(Tried::RoleOnly(token)) => match look_up(client, &token) {
            Ok(()) => (
                "login",
                Grade::Ok,
                "vault_token reads the role; the login itself was not tried, because it would leave a secret id behind"
                    .to_owned(),
            ),
            Err(error) => ("lookup-self", Grade::Error, Chain(&error).to_string()),
        },
        Ok(Tried::LoggedIn(LoggedIn { token, whose })) => {
            let looked = look_up(client, &token);
            let ended = match whose {
                Token::OfThisHook => client.end(REVOKE_SELF, b"{}", &token).err(),
                Token::Configured | Token::Batch => None,
            };
            match (looked, ended, whose) {
                (Err(error), _, _) => ("lookup-self", Grade::Error, Chain(&error).to_string()),
                (Ok(()), Some(error), _) => {
                    let detail = format!("the login works, but its token was not ended: {}", Chain(&error));
                    ("revoke-self", Grade::Warning, detail)
                }
                (Ok(()), None, Token::OfThisHook) => {
                    ("login", Grade::Ok, "it works; its token was looked at and ended again".to_owned())
                }
                (Ok(()), None, Token::Batch) => {
                    ("login", Grade::Ok, "it works; it issues a batch token, which expires by itself".to_owned())
                }
                (Ok(()), None, Token::Configured) => ("login", Grade::Ok, "the token is valid".to_owned()),
            }
        }
    }
}

fn look_up(client: &Client<'_>, token: &SecretString) -> Result<(), VaultError> {
    match client.call(LOOKUP_SELF, Call::Get, Some(token))? {
        Some(_) => Ok(()),
        None => Err(client.garbled("knows nothing of the token")),
    }
}
