//! stdin → [`Invocation`]: which hook, with which arguments, configuration text and policies.
//!
//! The order of arguments means nothing, an absent one is `null`, an unknown one is ignored, and the deprecated
//! names of the SPS documentation are taken for their successors.

mod unusable;

use std::collections::BTreeMap;
use std::net::IpAddr;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

pub use self::unusable::{InvocationError, Unusable};
use self::unusable::{cookies, describe, empty};
use crate::appliance::Appliance;
use crate::json;

/// The longest invocation, in bytes.
pub const MAX_INVOCATION: usize = 1024 * 1024;

/// Which of the two plugins is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginType {
    /// Authentication and authorization.
    Aa,
    /// Credential store.
    CredentialStore,
}

impl PluginType {
    /// The words for the types in invocation and configuration.
    pub const WORDS: [&'static str; 2] = ["aa", "credentialstore"];

    /// Reads one of [`PluginType::WORDS`].
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "aa" => Some(Self::Aa),
            "credentialstore" => Some(Self::CredentialStore),
            _ => None,
        }
    }
}

/// A hook by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Is this person who they say they are?
    Authenticate,
    /// May they go there?
    Authorize,
    /// Passwords for the target.
    GetPasswordList,
    /// Private keys for the target.
    GetPrivateKeyList,
    /// The target has taken the credential.
    AuthenticationCompleted,
    /// The session is over.
    SessionEnded,
    /// Credentials and the way to start a remote application.
    GetRemoteAppCredentials,
    /// Time-based codes for the target.
    GetTotpCodes,
}

impl Hook {
    /// Every hook with the name that SPS gives it.
    pub const ALL: [(&'static str, Hook); 8] = [
        ("authenticate", Hook::Authenticate),
        ("authorize", Hook::Authorize),
        ("get_password_list", Hook::GetPasswordList),
        ("get_private_key_list", Hook::GetPrivateKeyList),
        ("authentication_completed", Hook::AuthenticationCompleted),
        ("session_ended", Hook::SessionEnded),
        ("get_remote_app_credentials", Hook::GetRemoteAppCredentials),
        ("get_totp_codes", Hook::GetTotpCodes),
    ];

    /// Finds a hook by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, hook)| *hook)
    }

    /// The plugin that has this hook; `None` for `session_ended`, which both have.
    pub fn plugin_type(self) -> Option<PluginType> {
        match self {
            Self::Authenticate | Self::Authorize => Some(PluginType::Aa),
            Self::GetPasswordList
            | Self::GetPrivateKeyList
            | Self::AuthenticationCompleted
            | Self::GetRemoteAppCredentials
            | Self::GetTotpCodes => Some(PluginType::CredentialStore),
            Self::SessionEnded => None,
        }
    }
}

/// One call of a hook.
pub struct Invocation {
    /// Which hook.
    pub hook: Hook,
    /// Which plugin, where the invocation says so or the hook does.
    pub plugin_type: Option<PluginType>,
    /// What it was called with.
    pub arguments: Arguments,
    /// Configuration text, laid over the configuration file.
    pub configuration: Option<SecretString>,
    /// The appliance's policies.
    pub appliance: Appliance,
}

/// The arguments of all hooks, each `None` where it was absent or null.
#[derive(Default)]
pub struct Arguments {
    /// What this plugin kept for itself.
    pub cookie: Map<String, Value>,
    /// What the plugins of this session share.
    pub session_cookie: Map<String, Value>,
    /// The unique identifier of the session.
    pub session_id: Option<String>,
    /// `ssh`, `rdp`, `telnet`, …
    pub protocol: Option<String>,
    /// The connection policy.
    pub connection_name: Option<String>,
    /// The client's address.
    pub client_ip: Option<String>,
    /// The client's port.
    pub client_port: Option<u16>,
    /// The client's name.
    pub client_hostname: Option<String>,
    /// The user at the gateway, where SPS knows it.
    pub gateway_username: Option<String>,
    /// The domain of the user at the gateway.
    pub gateway_domain: Option<String>,
    /// The password of the user at the gateway.
    pub gateway_password: Option<SecretString>,
    /// The groups of the user at the gateway.
    pub gateway_groups: Option<Vec<String>>,
    /// The target's address.
    pub server_ip: Option<String>,
    /// The target's port.
    pub server_port: Option<u16>,
    /// The target's name.
    pub server_hostname: Option<String>,
    /// The account on the target.
    pub server_username: Option<String>,
    /// The domain of the account on the target.
    pub server_domain: Option<String>,
    /// What the user typed, by key.
    pub key_value_pairs: BTreeMap<String, SecretString>,
    /// The target of a remote application.
    pub asset: Option<String>,
}

impl Invocation {
    /// Reads an invocation; `named` is the hook of the command line, if it names one, and then the bare arguments
    /// object is enough.
    ///
    /// # Errors
    /// [`Unusable`] for everything else than `protocol.md` describes.
    pub fn read(bytes: &[u8], named: Option<Hook>) -> Result<Self, Unusable> {
        if bytes.len() > MAX_INVOCATION {
            return Err(Unusable::of_command(InvocationError::TooLong, named));
        }
        if bytes.trim_ascii().is_empty() {
            return Err(Unusable::of_command(empty(), named));
        }
        let bare = named.is_some() && is_bare(bytes);
        let read = if bare {
            let raw = json::from_slice(bytes).map_err(|error| (describe(&error), named));
            raw.map(|raw| RawInvocation { arguments: Some(raw), ..RawInvocation::default() })
        } else {
            json::from_slice::<RawInvocation>(bytes).map_err(|error| {
                // The hook may still be told, and the closed response depends on it.
                let hook = named.or_else(|| {
                    let Ok(json::Object(HookOnly { hook: Some(name) })) = serde_json::from_slice(bytes)
                    else {
                        return None;
                    };
                    Hook::from_name(&name)
                });
                (describe(&error), hook)
            })
        };
        read.and_then(|raw| Self::assemble(raw, named)).map_err(|(error, hook)| Unusable {
            error,
            hook,
            cookies: cookies(bytes, bare),
        })
    }

    fn assemble(raw: RawInvocation, named: Option<Hook>) -> Result<Self, (InvocationError, Option<Hook>)> {
        let hook = match (named, raw.hook.as_deref().map(Hook::from_name)) {
            (_, Some(None)) => return Err((InvocationError::UnknownHook, named)),
            (None, None) => return Err((InvocationError::NoHook, None)),
            (Some(hook), None) | (None, Some(Some(hook))) => hook,
            (Some(hook), Some(Some(same))) if hook == same => hook,
            (Some(hook), Some(Some(_))) => return Err((InvocationError::TwoHooks, Some(hook))),
        };
        let stated = match raw.plugin_type.as_deref().map(PluginType::from_word) {
            Some(None) => return Err((InvocationError::WrongType, Some(hook))),
            Some(stated) => stated,
            None => None,
        };
        let plugin_type = match (hook.plugin_type(), stated) {
            (Some(own), Some(other)) if own != other => {
                return Err((InvocationError::WrongType, Some(hook)));
            }
            (own, stated) => own.or(stated),
        };
        Ok(Self {
            hook,
            plugin_type,
            arguments: raw.arguments.unwrap_or_default().into(),
            configuration: raw.configuration,
            appliance: raw.appliance.unwrap_or_default(),
        })
    }
}

/// Tells whether an object is the bare arguments: no hook's argument has the name of a member of an invocation.
fn is_bare(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Shape {
        hook: Option<IgnoredAny>,
        arguments: Option<IgnoredAny>,
        configuration: Option<IgnoredAny>,
        appliance: Option<IgnoredAny>,
    }
    json::from_slice::<Shape>(bytes).is_ok_and(|shape| {
        shape.hook.is_none()
            && shape.arguments.is_none()
            && shape.configuration.is_none()
            && shape.appliance.is_none()
    })
}

#[derive(Deserialize)]
struct HookOnly {
    hook: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawInvocation {
    hook: Option<String>,
    #[serde(rename = "type")]
    plugin_type: Option<String>,
    #[serde(deserialize_with = "json::optional_object")]
    arguments: Option<RawArguments>,
    configuration: Option<SecretString>,
    #[serde(deserialize_with = "json::optional_object")]
    appliance: Option<Appliance>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawArguments {
    cookie: Option<Map<String, Value>>,
    session_cookie: Option<Map<String, Value>>,
    session_id: Option<String>,
    protocol: Option<String>,
    connection_name: Option<String>,
    client_ip: Option<String>,
    client_port: Option<u16>,
    client_hostname: Option<String>,
    gateway_user: Option<String>,
    gateway_username: Option<String>,
    gateway_domain: Option<String>,
    gateway_password: Option<SecretString>,
    gateway_groups: Option<Vec<String>>,
    server_ip: Option<String>,
    server_port: Option<u16>,
    server_hostname: Option<String>,
    server_username: Option<String>,
    server_domain: Option<String>,
    target_username: Option<String>,
    target_domain: Option<String>,
    target_port: Option<u16>,
    target_host: Option<String>,
    target_server: Option<String>,
    key_value_pairs: Option<BTreeMap<String, Option<SecretString>>>,
    asset: Option<String>,
}

impl From<RawArguments> for Arguments {
    fn from(raw: RawArguments) -> Self {
        let (mut server_ip, mut server_hostname) = (raw.server_ip, raw.server_hostname);
        if let Some(host) = raw.target_host.or(raw.target_server) {
            if host.parse::<IpAddr>().is_ok() {
                server_ip = server_ip.or(Some(host));
            } else {
                server_hostname = server_hostname.or(Some(host));
            }
        }
        Self {
            cookie: raw.cookie.unwrap_or_default(),
            session_cookie: raw.session_cookie.unwrap_or_default(),
            session_id: raw.session_id,
            protocol: raw.protocol,
            connection_name: raw.connection_name,
            client_ip: raw.client_ip,
            client_port: raw.client_port,
            client_hostname: raw.client_hostname,
            gateway_username: raw.gateway_user.or(raw.gateway_username),
            gateway_domain: raw.gateway_domain,
            gateway_password: raw.gateway_password,
            gateway_groups: raw.gateway_groups,
            server_ip,
            server_port: raw.server_port.or(raw.target_port),
            server_hostname,
            server_username: raw.server_username.or(raw.target_username),
            server_domain: raw.server_domain.or(raw.target_domain),
            key_value_pairs: raw
                .key_value_pairs
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| value.map(|value| (key, value)))
                .collect(),
            asset: raw.asset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Invocation, Unusable> {
        Invocation::read(text.as_bytes(), None)
    }

    #[test]
    fn the_deprecated_names_stand_for_their_successors() {
        let arguments = read(
            r#"{"hook": "authorize", "arguments": {"target_username": "u", "target_domain": "d", "target_port": 22,
                "target_host": "db1", "target_server": "ignored", "gateway_username": "g"}}"#,
        )
        .ok()
        .unwrap()
        .arguments;
        assert_eq!(arguments.server_username.as_deref(), Some("u"));
        assert_eq!(arguments.server_domain.as_deref(), Some("d"));
        assert_eq!(arguments.server_port, Some(22));
        assert_eq!(arguments.server_hostname.as_deref(), Some("db1"));
        assert_eq!(arguments.gateway_username.as_deref(), Some("g"));
    }

    #[test]
    fn a_deprecated_host_that_is_an_address_is_the_ip() {
        let text = r#"{"hook": "authorize", "arguments": {"target_server": "::1"}}"#;
        let arguments = read(text).ok().unwrap().arguments;
        assert_eq!((arguments.server_ip.as_deref(), arguments.server_hostname), (Some("::1"), None));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_refused_and_the_hook_is_still_told() {
        let unusable =
            Invocation::read(b"{\"hook\": \"get_password_list\", \"more\": \"\xff\"}", None).err().unwrap();
        assert_eq!(unusable.hook, Some(Hook::GetPasswordList));
        assert!(matches!(unusable.error, InvocationError::Json { line: 1, .. }));
        assert!(Invocation::read(b"{\"more\": \"\xff\"}", Some(Hook::Authorize)).is_err());
    }

    #[test]
    fn the_new_name_wins_over_the_deprecated_one() {
        let text =
            r#"{"hook": "authorize", "arguments": {"target_username": "old", "server_username": "new"}}"#;
        assert_eq!(read(text).ok().unwrap().arguments.server_username.as_deref(), Some("new"));
    }

    #[test]
    fn bare_arguments_are_enough_where_the_command_line_names_the_hook() {
        let bare = Invocation::read(br#"{"session_id": "s"}"#, Some(Hook::Authenticate)).ok().unwrap();
        assert_eq!(bare.arguments.session_id.as_deref(), Some("s"));
        let whole = Invocation::read(br#"{"arguments": {"session_id": "t"}}"#, Some(Hook::Authenticate))
            .ok()
            .unwrap();
        assert_eq!(whole.arguments.session_id.as_deref(), Some("t"));
    }

    #[test]
    fn session_ended_takes_its_type_from_the_invocation() {
        let of = |text: &str| read(text).ok().unwrap().plugin_type;
        assert_eq!(of(r#"{"hook": "session_ended", "type": "aa"}"#), Some(PluginType::Aa));
        assert_eq!(of(r#"{"hook": "session_ended"}"#), None);
        assert_eq!(of(r#"{"hook": "get_totp_codes"}"#), Some(PluginType::CredentialStore));
    }

    #[test]
    fn a_broken_invocation_still_tells_its_hook() {
        let broken =
            read(r#"{"hook": "get_password_list", "arguments": {"client_port": "s3cret"}}"#).err().unwrap();
        assert_eq!(broken.hook, Some(Hook::GetPasswordList));
        assert!(!broken.error.to_string().contains("s3cret"));
    }

    #[test]
    fn what_is_no_invocation_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            r#"["authorize"]"#,
            "{",
            "{}",
            "1",
            r#"{"hook": "nothing"}"#,
            r#"{"hook": 1}"#,
            r#"{"hook": "authorize", "hook": "authenticate"}"#,
            r#"{"hook": "authorize", "type": "credentialstore"}"#,
            r#"{"hook": "session_ended", "type": "other"}"#,
            r#"{"hook": "authorize", "arguments": []}"#,
            r#"{"hook": "authorize", "arguments": {"cookie": []}}"#,
            r#"{"hook": "authorize", "arguments": {"gateway_groups": "admins"}}"#,
            r#"{"hook": "authorize", "arguments": {"client_port": 65536}}"#,
            r#"{"hook": "authorize", "arguments": {"key_value_pairs": {"otp": 123456}}}"#,
            r#"{"hook": "authorize", "configuration": {}}"#,
            "{\"hook\": \"authorize\"}x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(
            read(&format!(
                "{{\"hook\": \"authorize\", \"x\": {}1{}}}",
                "[".repeat(500_000),
                "]".repeat(500_000)
            ))
            .is_ok()
        );
        assert!(read(&format!("{{\"hook\": \"authorize\", \"arguments\": {}", "[".repeat(500_000))).is_err());
        assert!(read(&format!("{{\"hook\": \"{}\"}}", "a".repeat(MAX_INVOCATION))).is_err());
    }

    #[test]
    fn command_line_and_invocation_may_not_disagree() {
        let error = Invocation::read(br#"{"hook": "authorize", "arguments": {}}"#, Some(Hook::Authenticate))
            .err()
            .unwrap();
        assert!(matches!(error.error, InvocationError::TwoHooks));
    }
}
