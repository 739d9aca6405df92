//! The policies that live on the appliance, as the caller passes them in the invocation's member `appliance`.
//!
//! They stand below the wire because directories and credential providers ask them, and those know no wire.
//! An unknown member is ignored, so that a newer caller can talk to an older binary; a wrong type is an error.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use crate::json::{self, Object};

/// All policies, by kind and name.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Appliance {
    /// User list policies.
    #[serde(deserialize_with = "objects")]
    pub user_lists: BTreeMap<String, UserListPolicy>,
    /// LDAP server policies, resolved as far as this session needs them.
    #[serde(deserialize_with = "objects")]
    pub ldap_servers: BTreeMap<String, LdapDirectory>,
    /// Local credential stores.
    #[serde(deserialize_with = "stores")]
    pub credential_stores: BTreeMap<String, Vec<StoreEntry>>,
    /// The proxy of the appliance's basic settings.
    #[serde(deserialize_with = "json::optional_object")]
    pub http_proxy: Option<HttpProxy>,
    /// Trusted CA lists.
    #[serde(deserialize_with = "objects")]
    pub trusted_ca_lists: BTreeMap<String, TrustedCaList>,
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads objects by name.
fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let found: BTreeMap<String, Object<T>> = nullable(deserializer)?;
    Ok(found.into_iter().map(|(name, Object(policy))| (name, policy)).collect())
}

/// Reads lists of entries by name.
fn stores<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<StoreEntry>>, D::Error> {
    let found: BTreeMap<String, Vec<Object<StoreEntry>>> = nullable(deserializer)?;
    let entries = |list: Vec<Object<StoreEntry>>| list.into_iter().map(|Object(entry)| entry).collect();
    Ok(found.into_iter().map(|(name, list)| (name, entries(list))).collect())
}

/// A user list policy: everybody or nobody, but for the exceptions.
#[derive(Clone, Deserialize)]
pub struct UserListPolicy {
    /// Whom the policy allows who is no exception.
    pub allow: Allow,
    /// The exceptions, matched exactly.
    #[serde(default)]
    pub except: Vec<String>,
}

/// Whom a policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    /// Nobody but the exceptions.
    NoUser,
    /// Everybody but the exceptions.
    AllUsers,
}

impl Allow {
    /// The words of the configuration, in the order of [`Allow::from_word`].
    pub const WORDS: [&'static str; 2] = ["no_user", "all_users"];

    /// Reads a word of [`Allow::WORDS`].
    pub fn from_word(word: &str) -> Self {
        if word == "all_users" { Self::AllUsers } else { Self::NoUser }
    }

    /// Tells whether a policy matches somebody who is, or is not, among its exceptions.
    pub fn matches(self, is_exception: bool) -> bool {
        is_exception == (self == Self::NoUser)
    }
}

/// What the caller found out in a directory.
#[derive(Default, Deserialize)]
pub struct LdapDirectory {
    /// Attributes by user name. Absent where the look-up failed.
    pub users: Option<BTreeMap<String, BTreeMap<String, Value>>>,
    /// Members by group name.
    #[serde(default, deserialize_with = "nullable")]
    pub groups: BTreeMap<String, Vec<String>>,
}

/// The credentials for one account on one host.
#[derive(Deserialize)]
pub struct StoreEntry {
    /// The host, or the section of a `$` reference.
    pub host: String,
    /// The account, or the option of a `$` reference.
    pub user: String,
    /// Passwords, keys and certificates.
    #[serde(default)]
    pub credentials: Vec<Credential>,
}

/// One credential of a local credential store.
pub enum Credential {
    /// A password.
    Password(SecretString),
    /// A private key.
    PrivateKey {
        /// The SSH name of the key's type, such as `ssh-rsa`.
        kind: String,
        /// The key in PEM or OpenSSH form.
        key: SecretString,
    },
    /// An X.509 certificate with its key, for `[tls] client_cert`; no credential for a target.
    Certificate {
        /// The certificate in PEM form.
        certificate: String,
        /// The key in PEM form.
        key: SecretString,
    },
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(password) => Ok(Self::Password(SecretString::from(password))),
            Value::Object(mut members) => {
                let mut text = |name: &str| match members.remove(name) {
                    Some(Value::String(text)) => Some(text),
                    Some(_) | None => None,
                };
                match (text("type"), text("key").map(SecretString::from)) {
                    (Some(kind), Some(key)) if kind.starts_with("x509v3") => {
                        Ok(Self::Certificate { certificate: text("cert").unwrap_or_default(), key })
                    }
                    (Some(kind), Some(key)) => Ok(Self::PrivateKey { kind, key }),
                    _ => Err(D::Error::custom(
                        "a credential that is an object needs the strings 'type' and 'key'",
                    )),
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(D::Error::custom("a credential is a string or an object"))
            }
        }
    }
}

/// The HTTP proxy of the appliance.
#[derive(Deserialize)]
pub struct HttpProxy {
    /// Whether it is in use.
    #[serde(default)]
    pub enabled: bool,
    /// Where it is.
    #[serde(default, deserialize_with = "json::optional_object")]
    pub server: Option<ProxyServer>,
    /// Its port.
    pub port: Option<u16>,
    /// How to log in to it.
    #[serde(default, deserialize_with = "json::optional_object")]
    pub authentication: Option<ProxyAuthentication>,
}

/// The address of a proxy.
#[derive(Deserialize)]
pub struct ProxyServer {
    /// Host name or address.
    pub value: String,
}

/// How to log in to a proxy.
#[derive(Deserialize)]
pub struct ProxyAuthentication {
    /// `password`, or something else for none.
    #[serde(default)]
    pub selection: String,
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
}

/// A list of certificates that are trusted.
#[derive(Deserialize)]
pub struct TrustedCaList {
    /// The certificates in PEM form.
    #[serde(default)]
    pub certs: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_the_appliance_has_it() {
        let appliance: Appliance = serde_json::from_str(
            r#"{"user_lists": {"vip": {"allow": "no_user", "except": ["root"]}}, "ldap_servers": null, "new": 1,
                "credential_stores": {"local": [{"host": "h", "user": "u", "credentials":
                    ["pw", {"type": "ssh-rsa", "key": "k"}, {"type": "x509v3-sign-rsa", "key": "k", "cert": "c"}]}]}}"#,
        )
        .unwrap();
        assert_eq!(appliance.user_lists["vip"].allow, Allow::NoUser);
        assert!(matches!(
            appliance.credential_stores["local"][0].credentials.as_slice(),
            [Credential::Password(_), Credential::PrivateKey { .. }, Credential::Certificate { .. }]
        ));
    }

    #[test]
    fn an_array_is_no_policy() {
        for bad in [
            r#"{"user_lists": {"vip": ["all_users", []]}}"#,
            r#"{"ldap_servers": {"ad": [{}, {}]}}"#,
            r#"{"credential_stores": {"local": [["h", "u", ["pw"]]]}}"#,
            r#"{"http_proxy": [true, null, null, null]}"#,
            r#"{"http_proxy": {"server": ["proxy"]}}"#,
            r#"{"http_proxy": {"authentication": ["password", "u", "p"]}}"#,
            r#"{"trusted_ca_lists": {"corp": [[]]}}"#,
        ] {
            assert!(serde_json::from_str::<Appliance>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_credential_of_another_form_is_an_error_without_its_text() {
        for bad in [r#"[{"type": "ssh-rsa", "kay": "s3cret"}]"#, r#"[["s3cret"]]"#, "[1]"] {
            let store = format!(
                r#"{{"credential_stores": {{"a": [{{"host":"h","user":"u","credentials":{bad}}}]}}}}"#
            );
            let error = serde_json::from_str::<Appliance>(&store).err().unwrap().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_list_matches_its_exceptions_or_everybody_else() {
        assert!(Allow::NoUser.matches(true) && !Allow::NoUser.matches(false));
        assert!(Allow::AllUsers.matches(false) && !Allow::AllUsers.matches(true));
    }
}
