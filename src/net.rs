//! The one HTTP client: TLS, client certificates, proxy, time budget, body limit, no redirect. Streams for other
//! protocols are in [`stream`], datagrams in [`udp`]; what `[tls]` says is read in one place.
//!
//! Nothing of it is set up before the first request, and the system's CA certificates are read only for an https
//! request without `[tls] ca_cert`.

mod cause;
mod error;
pub mod stream;
mod tls;
pub mod udp;
mod url;
mod watch;

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrecy::{ExposeSecret, SecretString};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Proxy, ProxyProtocol};
use zeroize::Zeroizing;

pub use self::cause::Cause;
use self::error::is_tls_error;
pub use self::error::{NetError, is_refused, is_tls};
pub use self::url::Url;
pub use self::watch::Progress;
use self::watch::Watch;
use crate::appliance::HttpProxy;
use crate::clock::{Budget, UnixTime};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::logging::Log;

/// The longest wait for a connection; another server may be tried after it.
const MAX_CONNECT: Duration = Duration::from_secs(10);
/// What is escaped in a form; RFC 3986 section 2.3 leaves the rest alone.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The port of a proxy where none is written, or 0.
const DEFAULT_PROXY_PORT: u16 = 3128;
/// The longest body that is read, in bytes.
pub const MAX_BODY: u64 = 1024 * 1024;

const PROXY: [Opt; 5] = [
    Opt::new("https-proxy", "enabled", "yes"),
    Opt::new("https-proxy", "server", ""),
    Opt::new("https-proxy", "port", "3128"),
    Opt::new("https-proxy", "username", ""),
    Opt::secret("https-proxy", "password"),
];
const PROXY_ALIAS: [Opt; 5] = [
    Opt::new("https_proxy", "enabled", "yes"),
    Opt::new("https_proxy", "server", ""),
    Opt::new("https_proxy", "port", "3128"),
    Opt::new("https_proxy", "username", ""),
    Opt::secret("https_proxy", "password"),
];
/// The options that this module reads.
pub const OPTIONS: &[Opt] = tls::OPTIONS;
/// The options for the proxy, in both spellings that the SDK takes.
pub const PROXY_OPTIONS: [&[Opt]; 2] = [&PROXY, &PROXY_ALIAS];

/// A request to one server.
pub struct Request<'a> {
    /// The whole address.
    pub url: String,
    /// Headers; values may be secrets.
    pub headers: Vec<(&'static str, SecretString)>,
    /// The method and what is sent.
    pub body: Body<'a>,
}

/// What a request sends.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// A GET, which sends nothing.
    Get,
    /// A POST of JSON.
    Json(&'a [u8]),
    /// A POST of an encoded form.
    Form(&'a [u8]),
}

impl Body<'_> {
    fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Json(_) | Self::Form(_) => "POST",
        }
    }

    fn content_type(self) -> Option<&'static str> {
        match self {
            Self::Get => None,
            Self::Json(_) => Some("application/json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
        }
    }
}

/// Makes the header that carries a token.
pub fn bearer(token: &SecretString) -> (&'static str, SecretString) {
    ("Authorization", SecretString::from(format!("Bearer {}", token.expose_secret())))
}

/// Writes the fields of a form or a query (application/x-www-form-urlencoded, with %20 for a blank).
pub fn encoded(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let longest = |text: &str| text.len().saturating_mul(3).saturating_add(1);
    let longest = fields.iter().map(|(name, value)| longest(name).saturating_add(longest(value)));
    // What may be a secret is written to one place.
    let mut text = Zeroizing::new(String::with_capacity(longest.fold(0, usize::saturating_add)));
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(percent_encode(name.as_bytes(), ESCAPED));
        text.push('=');
        text.extend(percent_encode(value.as_bytes(), ESCAPED));
    }
    text
}

/// An answer, whatever its status.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most [`MAX_BODY`] bytes.
    pub body: Vec<u8>,
}

/// Sends requests within the time of a hook.
pub struct HttpClient<'a> {
    agent: Agent,
    watch: Watch,
    budget: Budget<'a>,
    timeout: Duration,
    host: String,
    is_tls: bool,
    proxy: Option<String>,
}

impl<'a> HttpClient<'a> {
    /// Makes a client for one server. `url` decides between http and https; every request takes at most `timeout`.
    ///
    /// # Errors
    /// `[tls]` or the proxy's options are unusable; `url` is none.
    pub fn new(
        settings: &Settings<'_>,
        appliance_proxy: Option<&HttpProxy>,
        log: &Log,
        budget: Budget<'a>,
        url: &Url,
        timeout: Duration,
    ) -> Result<Self, SettingError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("sps-plugin/", env!("CARGO_PKG_VERSION")))
            .proxy(None);
        let mut by_way_of = None;
        if url.https {
            let tls = tls::Trust::from_settings(settings, log, "a server's address begins with https")?;
            let proxy = proxy(settings, appliance_proxy)?;
            by_way_of = proxy.as_ref().map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
            config = config.tls_config(tls.for_http()).proxy(proxy);
        } else {
            log.warning(format_args!(
                "{} uses unencrypted http; a man in the middle can forge answers",
                url.host
            ));
        }
        let watch = Watch::default();
        let connector = DefaultConnector::new().chain(watch.clone());
        let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
        Ok(Self {
            agent,
            watch,
            budget,
            timeout,
            host: url.host.clone(),
            is_tls: url.https,
            proxy: by_way_of,
        })
    }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn send(&self, request: &Request<'_>) -> Result<Reply, NetError> {
        let limit = self.limit(self.budget.remaining())?;
        read(self.exchange(request, limit, Afterwards::Keep)?).map_err(|error| self.sort(error, limit))
    }

    /// As [`HttpClient::send`], in at most `longest`, so that time is left for a second question, and on a connection of
    /// its own: a server that closes a connection that was used before is not down.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn send_within(&self, request: &Request<'_>, longest: Duration) -> Result<Reply, NetError> {
        let limit = self.limit(longest)?;
        read(self.exchange(request, limit, Afterwards::Close)?).map_err(|error| self.sort(error, limit))
    }

    /// As [`HttpClient::send`], and returns the server's time, where it says it.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn send_dated(&self, request: &Request<'_>) -> Result<(Reply, Option<UnixTime>), NetError> {
        let limit = self.limit(self.budget.remaining())?;
        let response = self.exchange(request, limit, Afterwards::Keep)?;
        let date = response.headers().get("Date").and_then(|date| date.to_str().ok());
        let date = date.and_then(UnixTime::parse_http_date);
        Ok((read(response).map_err(|error| self.sort(error, limit))?, date))
    }

    /// Tells whether each address of the server, or of its proxy, refuses connections. The client reports only the last
    /// address.
    pub fn is_refused_everywhere(&self, time: Budget<'_>) -> bool {
        let port = if self.is_tls { 443 } else { 80 };
        let peer = match &self.proxy {
            Some(proxy) => udp::Peer::parse(proxy, DEFAULT_PROXY_PORT),
            None => udp::Peer::parse(&self.host, port),
        };
        peer.is_some_and(|peer| stream::is_refused_everywhere(&peer, time))
    }

    fn limit(&self, longest: Duration) -> Result<Limit, NetError> {
        let left = self.budget.remaining().min(longest);
        if left.is_zero() {
            return Err(NetError::NoTime(self.host.clone()));
        }
        Ok(Limit { most: self.timeout.min(left), is_of_hook: left < self.timeout })
    }

    fn exchange(
        &self,
        request: &Request<'_>,
        limit: Limit,
        afterwards: Afterwards,
    ) -> Result<ureq::http::Response<ureq::Body>, NetError> {
        let most = limit.most;
        let mut builder = ureq::http::Request::builder().method(request.body.method()).uri(&request.url);
        // A compressed answer is not read.
        builder = builder.header("Accept-Encoding", "identity");
        if afterwards == Afterwards::Close {
            builder = builder.header("Connection", "close");
        }
        if let Some(content_type) = request.body.content_type() {
            builder = builder.header("Content-Type", content_type);
        }
        for (name, value) in &request.headers {
            builder = builder.header(*name, value.expose_secret());
        }
        self.watch.begin();
        let response = match request.body {
            Body::Get => builder.body(()).map_err(ureq::Error::Http).and_then(|http| {
                let http = self.agent.configure_request(http).timeout_global(Some(most));
                self.agent.run(http.timeout_connect(Some(most.min(MAX_CONNECT))).build())
            }),
            Body::Json(bytes) | Body::Form(bytes) => {
                builder.body(bytes).map_err(ureq::Error::Http).and_then(|http| {
                    let http = self.agent.configure_request(http).timeout_global(Some(most));
                    self.agent.run(http.timeout_connect(Some(most.min(MAX_CONNECT))).build())
                })
            }
        };
        response.map_err(|error| self.sort(error, limit))
    }

    /// Says what an error is, by what was sent and what came. A server that began to answer is there, so that anything
    /// but a time-out is a broken answer.
    fn sort(&self, error: ureq::Error, limit: Limit) -> NetError {
        use ureq::{Error, Timeout};
        let (host, via, progress) = (self.host.clone(), self.proxy.clone(), self.watch.progress());
        let is_late = matches!(error, Error::Timeout(_));
        let is_not_http =
            matches!(error, Error::Protocol(_) | Error::Http(_) | Error::LargeResponseHeader(..));
        let is_refusal = is_tls_error(&error)
            || (self.is_tls && is_broken_off(&error))
            || matches!(&error, Error::ConnectProxyFailed(why) if !is_gateway(why));
        let is_connection = matches!(error, Error::Timeout(Timeout::Connect));
        let longest = if is_connection { self.timeout.min(MAX_CONNECT) } else { self.timeout };
        let is_of_hook = limit.is_of_hook && !(is_connection && limit.most > MAX_CONNECT);
        let source = Box::new(Cause::new(error, is_of_hook, longest));
        if is_refusal {
            NetError::Refused { host, via, source }
        } else if is_not_http || (progress == Progress::Answered && !is_late) {
            NetError::Garbled { host, source }
        } else {
            NetError::Unreachable { host, via, progress, source }
        }
    }
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// The next request is sent on it.
    Keep,
    /// It is closed.
    Close,
}

/// The time of one request.
#[derive(Clone, Copy)]
struct Limit {
    most: Duration,
    /// Whether the hook's time is what ends it.
    is_of_hook: bool,
}

/// The status of a gateway that got no answer in time.
pub const GATEWAY_TIMEOUT: u16 = 504;

/// Tells whether a status says that a gateway does not reach the server behind it (RFC 9110 section 15.6).
pub fn is_outage(status: u16) -> bool {
    matches!(status, 502..=GATEWAY_TIMEOUT)
}

/// Tells whether a connection that stood was ended. Over TLS this may be how one of the two sides refuses the other: the
/// alert that says so is lost where a write fails first.
fn is_broken_off(error: &ureq::Error) -> bool {
    use std::io::ErrorKind;
    let ureq::Error::Io(error) = error else { return false };
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::UnexpectedEof
    )
}

/// Tells whether a proxy says so. The client has the status in a text: `proxy server responded 502/502`.
fn is_gateway(why: &str) -> bool {
    match why.strip_prefix("proxy server responded ").and_then(|rest| rest.get(..3)) {
        Some(status) => status.parse().is_ok_and(is_outage),
        // It did not answer.
        None => true,
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Reply, ureq::Error> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec()?;
    Ok(Reply { status, body })
}

/// Reads the proxy. Each option counts in one spelling of the section where it is not written, or empty, in the other
/// (SDK: `_get_value_from_aliased_section_header`).
fn proxy(settings: &Settings<'_>, appliance: Option<&HttpProxy>) -> Result<Option<Proxy>, SettingError> {
    for options in [&PROXY, &PROXY_ALIAS] {
        if !settings.boolean(&options[0])? {
            return Ok(None);
        }
    }
    let [_, server, port, username, password] = &PROXY;
    let [_, server_alias, port_alias, username_alias, password_alias] = &PROXY_ALIAS;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let first = some(settings.text(server)?);
    // An empty server in the second spelling is no server, and not the appliance's either, as in the SDK.
    if let Some(host) = first.map_or_else(|| settings.text(server_alias), |host| Ok(Some(host)))? {
        if host.is_empty() {
            return Ok(None);
        }
        let mut number = None;
        for option in [port, port_alias] {
            if number.is_none() && settings.ini().has_option(option.section, option.option) {
                number = u16::try_from(settings.integer(option, 0, 65535)?).ok().filter(|port| *port > 0);
            }
        }
        let username = match some(settings.text(username)?) {
            None => some(settings.text(username_alias)?),
            username => username,
        };
        let is_there = |secret: &SecretString| !secret.expose_secret().is_empty();
        let password = match settings.secret(password)?.filter(is_there) {
            None => settings.secret(password_alias)?.filter(is_there),
            password => password,
        };
        return build_proxy(&host, number.unwrap_or(DEFAULT_PROXY_PORT), username.zip(password))
            .map(Some)
            .ok_or_else(|| settings.invalid(server, "a host name or address".to_owned()));
    }
    let Some(HttpProxy { enabled: true, server: Some(server), port: Some(port), authentication }) = appliance
    else {
        return Ok(None);
    };
    let login = authentication
        .as_ref()
        .filter(|authentication| authentication.selection == "password")
        .and_then(|authentication| authentication.username.clone().zip(authentication.password.clone()));
    let [_, option, ..] = &PROXY;
    build_proxy(&server.value, *port, login)
        .map(Some)
        .ok_or_else(|| settings.invalid(option, "a host name or address as the appliance's proxy".to_owned()))
}

fn build_proxy(host: &str, port: u16, login: Option<(String, SecretString)>) -> Option<Proxy> {
    let mut builder = Proxy::builder(ProxyProtocol::Http).host(host).port(port);
    if let Some((username, password)) = &login {
        builder = builder.username(username).password(password.expose_secret());
    }
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_https_with_a_host_and_nothing_hidden_in_it() {
        for good in ["https://mfa.example.org/api/", "http://127.0.0.1:8080", "https://[::1]:8443/x"] {
            assert!(Url::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "mfa.example.org",
            "ftp://x",
            "https://",
            "https://user:pw@x",
            "https://x?a=b",
            "https://x#a",
            "file:///etc",
            "https:// x",
        ] {
            assert!(Url::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Url::parse("https://x/api/").unwrap().join("otp"), "https://x/api/otp");
    }
}
