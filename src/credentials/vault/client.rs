//! One Vault: which of the addresses answers, and requests to it.

use std::time::Duration;

use secrecy::SecretString;

use super::VaultError;
use super::path::decoded;
use super::wire::{self, Envelope};
use crate::clock::{Budget, UnixTime};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::credentials::client::Tools;
use crate::logging::Chain;
use crate::net::{Body, HttpClient, Reply, Request, Url};

const ADDRESS: Opt = Opt::new("hashicorp", "address", "");
const PORT: Opt = Opt::new("hashicorp", "port", "8200");
const NAMESPACE: Opt = Opt::new("hashicorp", "namespace", "");
const TIMEOUT: Opt = Opt::new("hashicorp", "timeout", "10");
const WRAP_TTL: Opt = Opt::new("hashicorp", "wrap_ttl", "");
const TLS_ENABLED: Opt = Opt::new("tls", "enabled", "yes");
pub(super) const OPTIONS: &[Opt] = &[ADDRESS, PORT, NAMESPACE, TIMEOUT, WRAP_TTL];

/// The longest wait for one answer that `timeout` may ask for, in seconds.
const MAX_TIMEOUT: f64 = 600.0;

/// How long to wait before a request is sent again, as often as Vault's own clients do.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// One address of Vault that can be used.
pub(super) struct Client<'a> {
    url: Url,
    http: HttpClient<'a>,
    budget: Budget<'a>,
    namespace: Option<String>,
    wrap_ttl: Option<i64>,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Call<'c> {
    /// Reads.
    Get,
    /// Sends JSON.
    Post(&'c [u8]),
}

impl<'a> Client<'a> {
    /// Takes the first address whose `sys/health` is that of a Vault and says that it is the active node (200) or a performance standby
    /// (473), as the Python plugin does; where none is, a standby (429), which passes requests on.
    ///
    /// # Errors
    /// Options that are unusable; [`VaultError::NoneUsable`], and the log says what is wrong with each.
    pub(super) fn choose(tools: &Tools<'a>) -> Result<Self, VaultError> {
        let mut standby = None;
        for client in Self::all(tools)? {
            let client = client?;
            match client.health() {
                Ok(200 | 473) => return Ok(client),
                Ok(status) => {
                    let host = client.url.host();
                    tools.log.warning(format_args!("Vault at {host} {} (sys/health)", wire::meaning(status)));
                    if status == 429 && standby.is_none() {
                        standby = Some(client);
                    }
                }
                Err(error) => tools.log.warning(format_args!("Vault: {}", Chain(&error))),
            }
        }
        standby.ok_or(VaultError::NoneUsable)
    }

    /// Makes a client for each address, one after the other; none is asked yet.
    ///
    /// # Errors
    /// Options that are unusable.
    pub(super) fn all<'t>(
        tools: &'t Tools<'a>,
    ) -> Result<impl Iterator<Item = Result<Self, SettingError>> + use<'t, 'a>, SettingError> {
        let settings = tools.settings;
        let timeout = settings.seconds(&TIMEOUT, MAX_TIMEOUT)?;
        let namespace = settings.text(&NAMESPACE)?.filter(|namespace| !namespace.is_empty());
        let wrap_ttl = match settings.text(&WRAP_TTL)? {
            Some(text) if !text.is_empty() => Some(settings.integer(&WRAP_TTL, 1, 3600)?),
            Some(_) | None => None,
        };
        let client = move |url| Self::at(tools, url, timeout, namespace.clone(), wrap_ttl);
        Ok(addresses(settings)?.into_iter().map(client))
    }

    /// Returns the address.
    pub(super) fn address(&self) -> &str {
        self.url.as_str()
    }

    fn at(
        tools: &Tools<'a>,
        url: Url,
        timeout: Duration,
        namespace: Option<String>,
        wrap_ttl: Option<i64>,
    ) -> Result<Self, SettingError> {
        let proxy = tools.appliance.http_proxy.as_ref();
        let http = HttpClient::new(tools.settings, proxy, tools.log, tools.budget, &url, timeout)?;
        Ok(Self { url, http, budget: tools.budget, namespace, wrap_ttl })
    }

    /// Returns the status of `sys/health`, which says nothing where the body is not that of `sys/health`: any web server
    /// answers with 200.
    fn health(&self) -> Result<u16, VaultError> {
        self.status(&self.http.send(&self.ask_health())?)
    }

    /// As [`Client::health`], and returns the server's time.
    pub(super) fn dated_health(&self) -> Result<(u16, Option<UnixTime>), VaultError> {
        let (reply, date) = self.http.send_dated(&self.ask_health())?;
        Ok((self.status(&reply)?, date))
    }

    /// Makes the question, without a namespace, in which there is no `sys/health`.
    fn ask_health(&self) -> Request<'static> {
        Request { url: self.url.join("v1/sys/health"), headers: Vec::new(), body: Body::Get }
    }

    fn status(&self, reply: &Reply) -> Result<u16, VaultError> {
        // Of others only a proxy in between, which has a page of its own.
        let is_vaults = matches!(reply.status, 200 | 429 | 472 | 473 | 501 | 503);
        if is_vaults && !wire::is_health(reply) {
            return Err(self.garbled("is not that of sys/health; is it Vault that listens there?"));
        }
        Ok(reply.status)
    }

    /// Sends a request and reads the answer of status 200; `None` where there is nothing (404), and for an answer
    /// without content (204).
    ///
    /// # Errors
    /// [`VaultError`] for every other status, and for what is no answer of Vault.
    pub(super) fn call(
        &self,
        path: &str,
        call: Call<'_>,
        token: Option<&SecretString>,
    ) -> Result<Option<Envelope>, VaultError> {
        self.send(path, call, token, None, &PAUSES)
    }

    /// As [`Client::call`] for what ends something, and is sent once: nobody should wait for it, and what has to be ended is
    /// tried again by a later hook.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(super) fn end(&self, path: &str, json: &[u8], token: &SecretString) -> Result<(), VaultError> {
        self.send(path, Call::Post(json), Some(token), None, &[]).map(|_| ())
    }

    /// As [`Client::call`] for a secret: where `wrap_ttl` is set, the answer comes wrapped, and is unwrapped here,
    /// which fails if anybody else did so before. The wrapping has to be of this very path.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(super) fn call_for_secret(
        &self,
        path: &str,
        call: Call<'_>,
        token: &SecretString,
    ) -> Result<Option<Envelope>, VaultError> {
        let Some(seconds) = self.wrap_ttl else { return self.call(path, call, Some(token)) };
        let Some(wrapped) = self.send(path, call, Some(token), Some(seconds), &PAUSES)? else {
            return Ok(None);
        };
        let info =
            wrapped.wrap_info.ok_or_else(|| self.garbled("is not wrapped, though wrap_ttl asks for it"))?;
        // Vault names the path as it has decoded it.
        if info.creation_path != decoded(path) {
            return Err(self.garbled("is a wrapping of another path"));
        }
        self.call("sys/wrapping/unwrap", Call::Post(b"{}"), Some(&info.token))
    }

    fn send(
        &self,
        path: &str,
        call: Call<'_>,
        token: Option<&SecretString>,
        wrap_ttl: Option<i64>,
        pauses: &[Duration],
    ) -> Result<Option<Envelope>, VaultError> {
        // Vault Agent may be told to insist on the first one.
        let mut headers = vec![("X-Vault-Request", SecretString::from("true"))];
        if let Some(token) = token {
            headers.push(("X-Vault-Token", token.clone()));
        }
        if let Some(namespace) = &self.namespace {
            headers.push(("X-Vault-Namespace", SecretString::from(namespace.clone())));
        }
        if let Some(seconds) = wrap_ttl {
            headers.push(("X-Vault-Wrap-TTL", SecretString::from(seconds.to_string())));
        }
        let body = match call {
            Call::Get => Body::Get,
            Call::Post(json) => Body::Json(json),
        };
        let request = Request { url: self.url.join(&format!("v1/{path}")), headers, body };
        let mut reply = self.http.send(&request)?;
        for pause in pauses {
            if !wire::is_passing(reply.status) || !self.budget.sleep(*pause) {
                break;
            }
            reply = self.http.send(&request)?;
        }
        match reply.status {
            200 => wire::read(reply).map(Some).ok_or_else(|| self.garbled("is not that of Vault")),
            204 | 404 => Ok(None),
            status => Err(VaultError::Status { host: self.url.host().to_owned(), status }),
        }
    }

    /// Makes the error for an answer that makes no sense.
    pub(super) fn garbled(&self, what: &'static str) -> VaultError {
        VaultError::Garbled { host: self.url.host().to_owned(), what }
    }
}

/// Reads the addresses: hosts, which get scheme and port, or whole addresses.
fn addresses(settings: &Settings<'_>) -> Result<Vec<Url>, SettingError> {
    let port = settings.integer(&PORT, 1, 65535)?;
    let scheme = if settings.boolean(&TLS_ENABLED)? { "https" } else { "http" };
    let mut urls = Vec::new();
    for text in settings.required_list_of(&ADDRESS, "host names or addresses of Vault servers")? {
        let is_bare_ipv6 = text.parse::<std::net::Ipv6Addr>().is_ok();
        let whole = match text.as_str() {
            text if text.contains("://") => text.to_owned(),
            text if is_bare_ipv6 => format!("{scheme}://[{text}]:{port}"),
            text => format!("{scheme}://{text}:{port}"),
        };
        let invalid = || {
            let expected = "host names or addresses of Vault servers, separated by commas".to_owned();
            settings.invalid(&ADDRESS, expected)
        };
        urls.push(Url::parse(&whole).ok_or_else(invalid)?);
    }
    Ok(urls)
}
