//! `[mfa] provider=linotp`.
//!
//! A code is accepted by `/validate/check`, with `status` true and `value` true. A push is accepted by
//! `/validate/check_status`, where the transaction is closed and valid and the device says `accept`; to check it once more
//! would count a failure and take the acceptance back (`controllers/userservice.py` and `public/js/auth.js` read it the
//! same way). Bodies are forms. LinOTP answers nearly every refusal alike: status 200 and a `value` of false.

mod probe;
mod wire;

use secrecy::SecretString;

use super::client::{self, Answer, MfaClient, Naming, Subject, Tools};
use super::dialogue::{self, Accepted, Dialogue, Push, Server, User, Verdict};
use super::error::MfaError;
use super::provider::{Kind, MfaProvider};
use super::servers::{Harmless, Servers};
use super::turns::Repeat;
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
const SPLIT_AT_SIGN: Opt = Opt::new("linotp", "split_at_sign", "");
const OPTIONS: &[Opt] =
    &[SERVER_URL, REALM, SPLIT_AT_SIGN, SERIAL_PREFIX, TIMEOUT, IGNORE_CONNECTION_ERROR, POLL_INTERVAL];

/// The provider.
pub(super) const PROVIDER: MfaProvider = MfaProvider {
    sections: &["linotp"],
    prompt: Some(Opt::new("linotp", "prompt", "")),
    // LinOTP starts a push for a PIN only, so that Enter would invite a failure.
    default_prompt: Some("Type your PIN, and your one-time password if you have one:"),
    ..MfaProvider::new("linotp", Kind::Service, OPTIONS, |tools, disable_echo| {
        Ok(Box::new(LinOtp::from_settings(tools, disable_echo)?))
    })
};

/// What the first check carries beside the password. LinOTP begins a push or a QR challenge only for a request with
/// `data`, which the device shows; `content_type` 0 is plain text.
const CHALLENGE: [(&str, &str); 2] = [("data", "Login at the gateway"), ("content_type", "0")];

/// A server of this kind.
pub(super) struct LinOtp<'a> {
    servers: Servers<'a>,
    realm: Option<String>,
    splits: bool,
    serial_prefix: Option<String>,
    ignore_connection_error: bool,
    dialogue: Dialogue<'a>,
}

/// The fields of a request.
type Fields<'f> = Vec<(&'static str, &'f str)>;

impl<'a> LinOtp<'a> {
    pub(super) fn from_settings(tools: Tools<'a>, disable_echo: bool) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let timeout = client::timeout(settings, &TIMEOUT)?;
        let is_ignored = settings.boolean(&IGNORE_CONNECTION_ERROR)?;
        // Without a user or a password.
        let harmless = Harmless::get("validate/check");
        let text = |option| settings.text(option).map(|text| text.filter(|text| !text.is_empty()));
        let realm = text(&REALM)?;
        Ok(Self {
            servers: Servers::from_settings(tools, &SERVER_URL, timeout, harmless, is_ignored)?,
            splits: dialogue::splits(settings, &SPLIT_AT_SIGN, realm.as_deref())?,
            realm,
            serial_prefix: text(&SERIAL_PREFIX)?,
            ignore_connection_error: is_ignored,
            dialogue: Dialogue::from_settings(tools, &POLL_INTERVAL, disable_echo)?,
        })
    }

    /// Has the server check a password, or the code that answers a challenge.
    fn check(&self, user: User<'_>, rest: &[(&'static str, &str)]) -> Result<Verdict, MfaError> {
        let fields = about(user).into_iter().chain(rest.iter().copied()).collect();
        let verdict = wire::verdict(&self.post(Repeat::Never, "validate/check", &fields)?)?;
        Ok(match verdict {
            // Without the policy detail_on_success the answer names no token, but the question did.
            Verdict::Accepted(Accepted { serial, way, code }) => {
                let asked = user.is_serial.then(|| user.name.to_owned());
                Verdict::Accepted(Accepted { serial: serial.or(asked), way, code })
            }
            Verdict::Rejected(_) | Verdict::Challenge(_) => verdict,
        })
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
            None => User::read(identity, naming, self.realm.as_deref(), self.splits),
        }
    }

    fn begin(&self, user: User<'_>, password: &str) -> Result<Verdict, MfaError> {
        if password.is_empty() {
            // LinOTP starts nothing without a PIN, and counts a failure at each of the user's tokens.
            return Ok(Verdict::Rejected(
                "the answer is empty; LinOTP is not asked without a PIN or code".into(),
            ));
        }
        let [data, content_type] = CHALLENGE;
        self.check(user, &[("pass", password), data, content_type])
    }

    fn answer(&self, user: User<'_>, id: &str, code: &str) -> Result<Verdict, MfaError> {
        self.check(user, &[("transactionid", id), ("pass", code)])
    }

    /// The server tells of a transaction only under the PIN, which is not kept from one hook to the next.
    fn poll(&self, user: User<'_>, id: &str, password: &str) -> Result<Push, MfaError> {
        let rest = [("transactionid", id), ("pass", password)];
        let fields = about(user).into_iter().chain(rest).collect();
        wire::polled(&self.post(Repeat::Freely, "validate/check_status", &fields)?, id)
    }
}

impl MfaClient for LinOtp<'_> {
    fn branded_name(&self) -> &str {
        "linotp"
    }

    fn ignore_connection_error(&self) -> bool {
        self.ignore_connection_error
    }

    fn check_health(&self) {
        self.servers.check_health();
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
