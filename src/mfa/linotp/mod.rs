//! `[mfa] provider=linotp`.
//!
//! Only `/validate/check`, and `/validate/check_s` for a token's serial, say yes, with `status` true and `value` true.
//! What `/validate/check_status` calls true is that there is such a transaction; a transaction that it calls valid is
//! still checked. Bodies are forms. LinOTP answers nearly every refusal alike: status 200 and a `value` of false.

mod probe;
mod wire;

use secrecy::SecretString;

use super::dialogue::{Dialogue, Push, Server, User, Verdict};
use super::servers::{Harmless, Repeat, Servers};
use super::{Answer, MfaClient, MfaError, Naming, Subject, Tools};
use crate::config::settings::{Opt, SettingError};
use crate::finding::Finding;
use crate::names::MfaIdentity;
use crate::net::{self, Body, Reply, Request};

const SERVER_URL: Opt = Opt::new("linotp", "server_url", "");
const REALM: Opt = Opt::new("linotp", "realm", "");
const SERIAL_PREFIX: Opt = Opt::new("linotp", "serial_prefix", "");
const TIMEOUT: Opt = Opt::new("linotp", "timeout", "30");
const IGNORE_CONNECTION_ERROR: Opt = Opt::new("linotp", "ignore_connection_error", "no");
const POLL_INTERVAL: Opt = Opt::new("linotp", "poll_interval", "1");
pub(super) const OPTIONS: &[Opt] =
    &[SERVER_URL, REALM, SERIAL_PREFIX, TIMEOUT, IGNORE_CONNECTION_ERROR, POLL_INTERVAL];

/// A server of this kind.
pub(super) struct LinOtp<'a> {
    servers: Servers<'a>,
    realm: Option<String>,
    serial_prefix: Option<String>,
    ignore_connection_error: bool,
    dialogue: Dialogue<'a>,
}

/// The fields of a request.
type Fields<'f> = Vec<(&'static str, &'f str)>;

impl<'a> LinOtp<'a> {
    pub(super) fn from_settings(tools: Tools<'a>, disable_echo: bool) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let timeout = super::timeout(settings, &TIMEOUT)?;
        let is_ignored = settings.boolean(&IGNORE_CONNECTION_ERROR)?;
        // About nobody, with nothing.
        let harmless = Harmless::get("validate/check");
        let text = |option| settings.text(option).map(|text| text.filter(|text| !text.is_empty()));
        Ok(Self {
            servers: Servers::from_settings(tools, (&SERVER_URL).into(), timeout, harmless, is_ignored)?,
            realm: text(&REALM)?,
            serial_prefix: text(&SERIAL_PREFIX)?,
            ignore_connection_error: is_ignored,
            dialogue: Dialogue::from_settings(tools, &POLL_INTERVAL, disable_echo)?,
        })
    }

    /// The one request whose answer can be a yes.
    fn check(&self, user: User<'_>, id: Option<&str>, password: &str) -> Result<Verdict, MfaError> {
        let path = if user.is_serial { "validate/check_s" } else { "validate/check" };
        let id = id.map(|id| ("transactionid", id));
        let fields = about(user).into_iter().chain(id).chain([("pass", password)]).collect();
        wire::verdict(&self.post(Repeat::Never, path, &fields)?)
    }

    fn post(&self, repeat: Repeat, path: &str, fields: &Fields<'_>) -> Result<Reply, MfaError> {
        let body = net::encoded(fields);
        self.servers.ask(repeat, |server| Request {
            url: server.join(path),
            headers: Vec::new(),
            body: Body::Form(body.as_bytes()),
        })
    }
}

/// Says whom a request is about.
fn about(user: User<'_>) -> Fields<'_> {
    match user {
        User { name, is_serial: true, .. } => vec![("serial", name)],
        User { name, realm, .. } => {
            [("user", name)].into_iter().chain(realm.map(|realm| ("realm", realm))).collect()
        }
    }
}

impl Server for LinOtp<'_> {
    fn name(&self) -> &'static str {
        "linotp"
    }

    fn secrets(&self) -> Vec<&SecretString> {
        Vec::new()
    }

    fn whom<'u>(&'u self, identity: &'u MfaIdentity, naming: Naming) -> User<'u> {
        let prefix = self.serial_prefix.as_deref().filter(|_| naming == Naming::User);
        match prefix.and_then(|prefix| identity.as_str().strip_prefix(prefix)) {
            Some(serial) => User::serial(serial),
            None => User::read(identity, naming, self.realm.as_deref()),
        }
    }

    fn begin(&self, user: User<'_>, password: &str) -> Result<Verdict, MfaError> {
        self.check(user, None, password)
    }

    fn answer(&self, user: User<'_>, id: &str, code: &str) -> Result<Verdict, MfaError> {
        self.check(user, Some(id), code)
    }

    /// The server tells of a transaction only to whom knows the PIN, which is not kept from one hook to the next.
    fn poll(&self, user: User<'_>, id: &str, password: &str) -> Result<Push, MfaError> {
        let rest = [("transactionid", id), ("pass", password)];
        let fields = about(user).into_iter().chain(rest).collect();
        wire::polled(&self.post(Repeat::Freely, "validate/check_status", &fields)?, id)
    }

    fn finish(&self, user: User<'_>, id: &str) -> Result<Verdict, MfaError> {
        self.check(user, Some(id), "")
    }
}

impl MfaClient for LinOtp<'_> {
    fn branded_name(&self) -> &str {
        "linotp"
    }

    fn ignore_connection_error(&self) -> bool {
        self.ignore_connection_error
    }

    fn probe(&self) -> Vec<Finding> {
        self.look()
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.dialogue.converse(self, subject, &SecretString::default())
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.dialogue.converse(self, subject, otp)
    }
}
