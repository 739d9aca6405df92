//! The invocations of one session: which hook gets which arguments, as SPS passes them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::options::{Protocol, ScenarioOptions};
use crate::cli::session::Cookies;
use crate::protocol::invocation::{Hook, PluginType};
use crate::protocol::response::GatewayUser;

/// The port from which the client of a scenario comes.
const CLIENT_PORT: u16 = 50_022;

/// What SPS knows about the session, more with each hook.
pub(super) struct Session {
    id: String,
    protocol: Protocol,
    connection: String,
    client_ip: IpAddr,
    gateway_user: Option<String>,
    gateway_domain: Option<String>,
    gateway_groups: Option<Vec<String>>,
    /// Asked for, where the credential store plugin is to have it.
    gateway_password: Option<Zeroizing<String>>,
    server_user: String,
    server_domain: Option<String>,
    server_host: Option<String>,
    server_ip: IpAddr,
    server_port: u16,
    key_values: BTreeMap<String, Zeroizing<String>>,
    appliance: Map<String, Value>,
    aa: Cookies,
    credential_store: Cookies,
}

impl Session {
    pub(super) fn new(options: &ScenarioOptions, id: String, appliance: Map<String, Value>) -> Self {
        let gateway_user = options.gateway_user.clone();
        let server_user = options.server_user.clone().or_else(|| gateway_user.clone()).unwrap_or_default();
        Self {
            id,
            protocol: options.protocol,
            connection: options.connection.clone(),
            client_ip: options.client_ip,
            gateway_domain: options.gateway_domain.clone(),
            gateway_groups: gateway_user.is_some().then(|| options.gateway_groups.clone()),
            gateway_password: None,
            server_user,
            server_domain: options.server_domain.clone(),
            server_host: options.server_host.clone(),
            server_ip: options.server_ip,
            server_port: options.server_port.unwrap_or(options.protocol.port()),
            key_values: BTreeMap::new(),
            appliance,
            aa: Cookies::empty(),
            credential_store: Cookies::empty(),
            gateway_user,
        }
    }

    /// Keeps what the client said, of its own accord or as an answer.
    pub(super) fn say(&mut self, key: &str, value: Zeroizing<String>) {
        self.key_values.insert(key.to_owned(), value);
    }

    /// Keeps the password with which the gateway user was authenticated.
    pub(super) fn set_gateway_password(&mut self, password: Zeroizing<String>) {
        self.gateway_password = Some(password);
    }

    /// Keeps who was authenticated, where SPS did not know it.
    pub(super) fn authenticated(&mut self, user: &GatewayUser) {
        self.gateway_user = Some(user.user.clone());
        if let Some(groups) = &user.groups {
            self.gateway_groups = Some(groups.clone());
        }
    }

    /// Keeps the cookies of a response.
    pub(super) fn keep(&mut self, plugin: PluginType, response: &[u8]) {
        let (own, other) = match plugin {
            PluginType::Aa => (&mut self.aa, &mut self.credential_store),
            PluginType::CredentialStore => (&mut self.credential_store, &mut self.aa),
        };
        own.keep(response);
        other.share(own);
    }

    /// Describes the session in one line.
    pub(super) fn describe(&self) -> String {
        let host = self.server_host.as_deref().map(|host| format!(" ({host})")).unwrap_or_default();
        let gateway = match &self.gateway_user {
            Some(user) => format!("with gateway authentication of {user}"),
            None => "without gateway authentication".to_owned(),
        };
        format!(
            "session {}: {} from {} to {}@{}:{}{host}, {gateway}",
            self.id,
            self.protocol.word(),
            self.client_ip,
            self.server_user,
            self.server_ip,
            self.server_port
        )
    }

    /// Makes the invocation that SPS would hand over now.
    pub(super) fn invocation(&self, plugin: PluginType, hook: Hook) -> Value {
        let (word, cookies) = match plugin {
            PluginType::Aa => (PluginType::WORDS[0], &self.aa),
            PluginType::CredentialStore => (PluginType::WORDS[1], &self.credential_store),
        };
        let mut arguments = Map::new();
        cookies.thread(&mut arguments);
        let arguments_of_hook = match hook {
            Hook::Authenticate => self.of_authenticate(),
            Hook::Authorize => {
                let mut members = self.of_authenticate();
                members.extend(self.of_target());
                members
            }
            Hook::GetPasswordList
            | Hook::GetPrivateKeyList
            | Hook::GetRemoteAppCredentials
            | Hook::GetTotpCodes => self.of_credentials(),
            Hook::AuthenticationCompleted | Hook::SessionEnded => Map::new(),
        };
        arguments.insert("session_id".to_owned(), Value::from(self.id.as_str()));
        arguments.extend(arguments_of_hook);
        let name = Hook::ALL.iter().find(|(_, known)| *known == hook).map(|(name, _)| *name);
        let mut invocation = object(json!({"hook": name, "type": word, "arguments": arguments}));
        if !self.appliance.is_empty() {
            invocation.insert("appliance".to_owned(), Value::Object(self.appliance.clone()));
        }
        Value::Object(invocation)
    }

    fn of_authenticate(&self) -> Map<String, Value> {
        let mut pairs: Map<String, Value> =
            self.key_values.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        let mut server_user = Some(self.server_user.as_str());
        // At the gate of RDP nobody has logged in to the server yet; who wants to is what the client says.
        if self.protocol == Protocol::Rdp {
            server_user = None;
            if self.gateway_user.is_none() {
                pairs.entry("username").or_insert_with(|| Value::from(self.server_user.as_str()));
            }
        }
        object(json!({
            "protocol": self.protocol.word(),
            "connection_name": self.connection,
            "client_ip": self.client_ip.to_string(),
            "client_port": CLIENT_PORT,
            "client_hostname": null,
            "gateway_user": self.gateway_user,
            "gateway_domain": self.gateway_domain,
            "server_username": server_user,
            "server_domain": self.server_domain,
            "key_value_pairs": pairs,
        }))
    }

    fn of_target(&self) -> Map<String, Value> {
        object(json!({
            "gateway_groups": self.gateway_groups,
            "server_username": self.server_user,
            "server_hostname": self.server_host,
            "server_ip": self.server_ip.to_string(),
            "server_port": self.server_port,
        }))
    }

    fn of_credentials(&self) -> Map<String, Value> {
        let mut members = object(json!({
            "protocol": self.protocol.word(),
            "client_ip": self.client_ip.to_string(),
            "client_hostname": null,
            "gateway_username": self.gateway_user,
            "gateway_domain": self.gateway_domain,
            "gateway_password": self.gateway_password.as_ref().map(|password| password.as_str()),
            "server_domain": self.server_domain,
        }));
        members.extend(self.of_target());
        members
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
