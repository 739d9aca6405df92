//! `[mfa] provider=privacyidea` and its fork `provider=edumfa`: one client, two sections.
//!
//! Only `/validate/check` says yes, with `status` true and `value` true. What `/validate/triggerchallenge` and
//! `/validate/polltransaction` call ACCEPT is a count of challenges and an answer that came in, right or wrong
//! (eduMFA 2.9.5 says ACCEPT of a wrong four-eyes answer). Bodies are JSON with texts as values: the servers decode
//! a form's values twice, and answer a number with status 500.

mod offline;
mod passlib;
mod probe;
mod wire;

use secrecy::SecretString;
use serde::Serialize;
use zeroize::Zeroizing;

use self::offline::{Hand, Offline};
use super::client::{self, Answer, MfaClient, Naming, Subject, Tools};
use super::dialogue::{self, Dialogue, Push, Server, User, Verdict};
use super::error::{MfaError, garbled};
use super::provider::{Kind, MfaProvider};
use super::servers::{Harmless, Servers};
use super::turns::Repeat;
use crate::config::settings::{Opt, SettingError};
use crate::finding::Finding;
use crate::names::MfaIdentity;
use crate::net::{Body, Reply, Request};

/// The options of one section.
type Options = [Opt; 10];

const fn options(section: &'static str) -> Options {
    [
        Opt::new(section, "server_url", ""),
        Opt::new(section, "realm", ""),
        Opt::secret(section, "api_key"),
        Opt::new(section, "timeout", "30"),
        Opt::new(section, "ignore_connection_error", "no"),
        Opt::new(section, "poll_interval", "1"),
        Opt::new(section, "trigger", "never"),
        Opt::secret(section, "trigger_token"),
        Opt::new(section, "offline", "yes"),
        Opt::new(section, "split_at_sign", ""),
    ]
}

const EDUMFA_OPTIONS: Options = options("edumfa");
const PRIVACYIDEA_OPTIONS: Options = options("privacyidea");

/// The provider for the fork.
pub(super) const EDUMFA: MfaProvider = MfaProvider {
    sections: &["edumfa"],
    prompt: Some(Opt::new("edumfa", "prompt", "")),
    ..MfaProvider::new("edumfa", Kind::Service, &EDUMFA_OPTIONS, |tools, disable_echo| {
        Ok(Box::new(PrivacyIdea::from_settings(tools, &EDUMFA_OPTIONS, disable_echo)?))
    })
};

/// The provider for the original.
pub(super) const PRIVACYIDEA: MfaProvider = MfaProvider {
    sections: &["privacyidea"],
    prompt: Some(Opt::new("privacyidea", "prompt", "")),
    ..MfaProvider::new("privacyidea", Kind::Service, &PRIVACYIDEA_OPTIONS, |tools, disable_echo| {
        Ok(Box::new(PrivacyIdea::from_settings(tools, &PRIVACYIDEA_OPTIONS, disable_echo)?))
    })
};

/// A server of this kind.
pub(super) struct PrivacyIdea<'a> {
    name: &'static str,
    tools: Tools<'a>,
    servers: Servers<'a>,
    realm: Option<String>,
    splits: bool,
    api_key: Option<SecretString>,
    /// The administrator's token for `/validate/triggerchallenge`, where an empty password triggers.
    trigger: Option<SecretString>,
    offline: Option<Offline<'a>>,
    ignore_connection_error: bool,
    dialogue: Dialogue<'a>,
}

#[derive(Serialize)]
struct Query<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn about(user: User<'a>, pass: Option<&'a str>, transaction_id: Option<&'a str>) -> Self {
        let User { name, realm, is_serial } = user;
        let (user, serial) = if is_serial { (None, Some(name)) } else { (Some(name), None) };
        Self { user, serial, realm, pass, transaction_id }
    }
}

impl<'a> PrivacyIdea<'a> {
    pub(super) fn from_settings(
        tools: Tools<'a>,
        options: &Options,
        disable_echo: bool,
    ) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let [
            server_url,
            realm,
            api_key,
            timeout,
            ignore_connection_error,
            poll_interval,
            trigger,
            trigger_token,
            offline,
            split_at_sign,
        ] = options;
        let timeout = client::timeout(settings, timeout)?;
        let trigger = match settings.choice(trigger, &["on_empty", "never"])? {
            "on_empty" => Some(settings.required_secret(trigger_token)?),
            _ => None,
        };
        let name = server_url.section;
        let realm = settings.text(realm)?.filter(|realm| !realm.is_empty());
        let is_ignored = settings.boolean(ignore_connection_error)?;
        Ok(Self {
            name,
            tools,
            servers: Servers::from_settings(
                tools,
                server_url,
                timeout,
                Harmless::get(probe::PATH),
                is_ignored,
            )?,
            splits: dialogue::splits(settings, split_at_sign, realm.as_deref())?,
            realm,
            api_key: settings.secret(api_key)?,
            trigger,
            offline: settings.boolean(offline)?.then_some(Offline { tools, provider: name }),
            ignore_connection_error: is_ignored,
            dialogue: Dialogue::from_settings(tools, poll_interval, disable_echo)?,
        })
    }

    /// Asks whether a password holds: by a code that was given out for use without a server, else by the server.
    fn check(&self, user: User<'_>, id: Option<&str>, password: &str) -> Result<Verdict, MfaError> {
        let Some(offline) = self.offline.as_ref().filter(|_| !password.is_empty() && !user.is_serial) else {
            return self.ask(user, id, password);
        };
        match offline.hand(user, id.is_some(), password)? {
            Hand::Empty => self.ask(user, id, password),
            Hand::Match(found) => self.use_offline(offline, &found, password),
            Hand::Miss(keys) => match self.ask(user, id, password) {
                // Whether or not the server is down: users with offline codes get in only with these.
                Err(MfaError::ServiceUnreachable { .. } | MfaError::Outage(_)) => offline.charge(&keys),
                result => result,
            },
        }
    }

    /// `/validate/check`, the one request whose answer can be a yes.
    fn ask(&self, user: User<'_>, id: Option<&str>, password: &str) -> Result<Verdict, MfaError> {
        let query = Query::about(user, Some(password), id);
        let reply = self.post("validate/check", &query, self.api_key.as_ref())?;
        let (verdict, items) = wire::verdict(&reply)?;
        // Codes are kept for a person, who then types them with the PIN of the server.
        match (&verdict, self.offline.as_ref().filter(|_| !user.is_serial)) {
            (Verdict::Accepted(_), _) if items.is_empty() => {}
            (Verdict::Accepted(accepted), Some(offline)) => {
                offline.keep(user, id.is_some(), accepted, items)?;
            }
            (Verdict::Accepted(_), None) if user.is_serial => self.tools.log.warning(format_args!(
                "{} gives out codes of {} for use without it, which is not for forward tokens; detach the token",
                self.name, user.name
            )),
            (Verdict::Accepted(_), None) => self.tools.log.warning(format_args!(
                "{0} gives out codes for use without it; set [{0}] offline=yes, or detach the token",
                self.name
            )),
            (Verdict::Rejected(_) | Verdict::Challenge(_), _) => {}
        }
        Ok(verdict)
    }

    /// Has the server send its challenges. Its answer is never a yes.
    fn trigger(&self, user: User<'_>, token: &SecretString) -> Result<Verdict, MfaError> {
        let query = Query::about(user, None, None);
        wire::triggered(&self.post("validate/triggerchallenge", &query, Some(token))?)
    }

    fn post(
        &self,
        path: &str,
        query: &impl Serialize,
        token: Option<&SecretString>,
    ) -> Result<Reply, MfaError> {
        let body = serde_json::to_vec(query)
            .map(Zeroizing::new)
            .map_err(|_| garbled("the request cannot be written"))?;
        self.servers.ask(Repeat::Never, |server| Request {
            url: server.join(path),
            headers: token.map(authorization).into_iter().collect(),
            body: Body::Json(&body),
        })
    }
}

/// The servers take the bare token, and refuse `Bearer`.
fn authorization(token: &SecretString) -> (&'static str, SecretString) {
    ("Authorization", token.clone())
}

impl Server for PrivacyIdea<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn secrets(&self) -> Vec<&SecretString> {
        self.api_key.iter().chain(&self.trigger).collect()
    }

    fn whom<'u>(&'u self, identity: &'u MfaIdentity, naming: Naming) -> User<'u> {
        User::read(identity, naming, self.realm.as_deref(), self.splits)
    }

    fn begin(&self, user: User<'_>, password: &str) -> Result<Verdict, MfaError> {
        match &self.trigger {
            Some(token) if password.is_empty() => self.trigger(user, token),
            Some(_) | None => self.check(user, None, password),
        }
    }

    fn answer(&self, user: User<'_>, id: &str, code: &str) -> Result<Verdict, MfaError> {
        self.check(user, Some(id), code)
    }

    fn poll(&self, _: User<'_>, id: &str, _: &str) -> Result<Push, MfaError> {
        let path = format!("validate/polltransaction/{id}");
        wire::polled(&self.servers.ask(Repeat::Freely, |server| Request {
            url: server.join(&path),
            headers: self.api_key.iter().map(authorization).collect(),
            body: Body::Get,
        })?)
    }

    fn finish(&self, user: User<'_>, id: &str) -> Result<Verdict, MfaError> {
        self.ask(user, Some(id), "")
    }
}

impl MfaClient for PrivacyIdea<'_> {
    fn branded_name(&self) -> &str {
        self.name
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
