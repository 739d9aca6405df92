//! `[mfa] provider=radius`: RADIUS over UDP (RFC 2865), with PAP or CHAP, challenges, and Message-Authenticator.

mod challenge;
mod exchange;
pub mod packet;
mod probe;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use self::challenge::Open;
use self::exchange::Manner;
use self::packet::{Authenticator, Code, Reply, Request, Sent, Unfit, kind};
use super::client::{self, Answer, MfaClient, Naming, Subject, Tools, failed};
use super::error::{MfaError, garbled};
use super::factor::Factor;
use super::outage;
use super::provider::{Kind, MfaProvider};
use super::reason::Reason;
use super::text;
use super::turns::{Repeat, Turns};
use crate::config::settings::{Opt, SettingError};
use crate::finding::Finding;
use crate::names::MfaIdentity;
use crate::net::udp::Peer;
use crate::secret;
use crate::store::{ServerId, StoreError};
use crate::terms::Question;
use crate::token::elsewhere::CodeKind;

const SERVER: Opt = Opt::new("radius", "server", "");
const PORT: Opt = Opt::new("radius", "port", "1812");
const SECRET: Opt = Opt::secret("radius", "secret");
const AUTH_TYPE: Opt = Opt::new("radius", "auth_type", "pap");
const CONN_RETRIES: Opt = Opt::new("radius", "conn_retries", "3");
const CONN_TIMEOUT: Opt = Opt::new("radius", "conn_timeout", "5");
const REQUIRE_MESSAGE_AUTHENTICATOR: Opt = Opt::new("radius", "require_message_authenticator", "yes");
const NAS_IDENTIFIER: Opt = Opt::new("radius", "nas_identifier", "sps-plugin");
const CHALLENGE_VALIDITY: Opt = Opt::new("radius", "challenge_validity", "300");
const IGNORE_CONNECTION_ERROR: Opt = Opt::new("radius", "ignore_connection_error", "no");
const OPTIONS: &[Opt] = &[
    SERVER,
    PORT,
    SECRET,
    AUTH_TYPE,
    CONN_RETRIES,
    CONN_TIMEOUT,
    REQUIRE_MESSAGE_AUTHENTICATOR,
    NAS_IDENTIFIER,
    CHALLENGE_VALIDITY,
    IGNORE_CONNECTION_ERROR,
];

/// The provider.
pub(super) const PROVIDER: MfaProvider = MfaProvider {
    sections: &["radius"],
    prompt: Some(Opt::new("radius", "prompt", "")),
    password_keys: &PASSWORD_KEYS,
    name_keys: &USERNAME_KEYS,
    ..MfaProvider::new("radius", Kind::Service, OPTIONS, |tools, disable_echo| {
        Ok(Box::new(Radius::from_settings(tools, disable_echo)?))
    })
};

/// The keys of the first password that go before `otp`; the first of them is also that of a challenge's answer.
const PASSWORD_KEYS: [&str; 2] = ["radius_password", "rp"];
/// The keys of the user's name at the RADIUS server.
const USERNAME_KEYS: [&str; 2] = ["radius_username", "ru"];
const MAX_RETRIES: i64 = 10;
const MAX_VALIDITY: f64 = 86_400.0;
/// How many challenges of one login may follow each other.
const MAX_ROUNDS: u32 = 20;
/// NAS-Port-Type of a connection that is no port of its own (RFC 2865 section 5.41).
const VIRTUAL: [u8; 4] = [0, 0, 0, 5];
/// What is asked where the server gives no text.
const PROMPT_TEXT: &str = "Please enter your response: ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AuthType {
    Pap,
    Chap,
}

/// RADIUS servers with one secret.
pub(super) struct Radius<'a> {
    tools: Tools<'a>,
    turns: Turns<'a>,
    peers: Vec<Peer>,
    manner: Manner<'a>,
    auth_type: AuthType,
    nas_identifier: String,
    challenge_validity: f64,
    ignore_connection_error: bool,
    disable_echo: bool,
}

impl<'a> Radius<'a> {
    pub(super) fn from_settings(tools: Tools<'a>, disable_echo: bool) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let port = u16::try_from(settings.integer(&PORT, 1, 65535)?).unwrap_or_default();
        let mut peers = Vec::new();
        let form = "hosts or addresses such as radius.example.org, 10.0.0.1:1645 or [2001:db8::1]:1812";
        for text in settings.required_list_of(&SERVER, form)? {
            peers.push(
                Peer::parse(&text, port)
                    .ok_or_else(|| settings.invalid(&SERVER, format!("{form}, separated by commas")))?,
            );
        }
        let secret = settings.required_secret(&SECRET)?;
        if secret::is_empty(&secret) {
            return Err(settings.invalid(&SECRET, "a secret that is not empty".to_owned()));
        }
        let nas_identifier = settings.required(&NAS_IDENTIFIER)?;
        if !(1..=packet::MAX_VALUE).contains(&nas_identifier.len()) {
            return Err(settings.invalid(&NAS_IDENTIFIER, "a name of at most 253 bytes".to_owned()));
        }
        let require_message_authenticator = settings.boolean(&REQUIRE_MESSAGE_AUTHENTICATOR)?;
        if !require_message_authenticator {
            tools.log.warning(format_args!(
                "[radius] require_message_authenticator=no: a man in the middle can turn a reject into an accept"
            ));
        }
        let ignore_connection_error = settings.boolean(&IGNORE_CONNECTION_ERROR)?;
        Ok(Self {
            tools,
            turns: Turns::from_settings(tools, ignore_connection_error)?,
            peers,
            manner: Manner {
                log: tools.log,
                budget: tools.budget,
                secret,
                retries: u32::try_from(settings.integer(&CONN_RETRIES, 1, MAX_RETRIES)?).unwrap_or(1),
                timeout: client::timeout(settings, &CONN_TIMEOUT)?,
                require_message_authenticator,
            },
            auth_type: match settings.choice(&AUTH_TYPE, &["chap", "pap"])? {
                "chap" => AuthType::Chap,
                _ => AuthType::Pap,
            },
            nas_identifier,
            challenge_validity: settings.seconds(&CHALLENGE_VALIDITY, MAX_VALIDITY)?.as_secs_f64(),
            ignore_connection_error,
            disable_echo,
        })
    }

    /// Takes a step of the dialogue: a first password, or the answer to a challenge.
    fn step(&self, subject: Subject<'_>, password: &str) -> Result<Answer, MfaError> {
        let typed = |key: &&str| subject.typed.get(*key).filter(|_| subject.naming == Naming::User);
        let named = USERNAME_KEYS.iter().find_map(typed);
        let named = match named.map(|name| MfaIdentity::parse(name.expose_secret())) {
            Some(Err(_)) => return Ok(failed("the RADIUS user name is none")),
            Some(Ok(name)) if !name.as_str().is_empty() => Some(name),
            Some(Ok(_)) | None => None,
        };
        // Somebody could prove the factor under one name and approve under it too.
        let is_other = named.as_ref().is_some_and(|name| name.as_str() != subject.identity.as_str());
        if is_other && self.tools.settings.text(&super::REALMS)?.is_some() {
            return Ok(failed("a RADIUS user name cannot be typed where [four_eyes] realms is configured"));
        }
        // Before a challenge is taken, so that a slip of the hand does not use it up.
        if let Err(unfit) = packet::check_password(password.as_bytes()) {
            return Ok(failed(Reason::ours(unfit.to_string())));
        }
        let open = match subject.state {
            None => None,
            Some(Value::String(id)) => match self.take(subject, id)? {
                Some(open) => Some(open),
                None => return Ok(failed("there is no such challenge for this session")),
            },
            Some(_) => return Ok(failed("the cookie's state is not a challenge")),
        };
        let user = match (&open, &named) {
            (Some(open), Some(named)) if named.as_str() != open.user => {
                return Ok(failed("the challenge is another user's"));
            }
            (Some(open), _) => open.user.as_str(),
            (None, Some(named)) => named.as_str(),
            (None, None) => subject.identity.as_str(),
        };
        if user != subject.identity.as_str() {
            self.tools.log.warning(format_args!("the user asks to be {user} at the RADIUS server"));
        }
        let sent = match self.request(subject, user, password, open.as_ref())? {
            Ok(sent) => sent,
            Err(unfit) => {
                return Ok(failed(Reason::ours(format!("RADIUS cannot ask about this user: {unfit}"))));
            }
        };
        let (server, reply) = self.ask(open.as_ref(), &sent)?;
        let way = if password.is_empty() { "push" } else { "otp" };
        self.conclude(subject, user, way, open.as_ref().map_or(0, |open| open.round), &server, &reply)
    }

    /// Asks the servers in turn; the answer to a challenge goes to the server that asked, and to no other.
    fn ask(&self, open: Option<&Open>, sent: &Sent) -> Result<(String, Reply), MfaError> {
        let longest = if open.is_none() && self.turns.is_confirming(Repeat::Never, self.peers.len()) {
            outage::first(self.tools.budget)
        } else {
            self.tools.budget.remaining()
        };
        let ask = |peer: &Peer| Ok((peer.name().to_owned(), self.manner.ask(peer, sent, longest)?));
        let Some(open) = open else {
            return self.turns.ask(Repeat::Never, &self.peers, id, ask, |peer| self.life(peer));
        };
        match self.peers.iter().find(|peer| peer.name() == open.server) {
            Some(peer) => {
                let asked = self.turns.note(&id(peer), Repeat::Never, || ask(peer))?;
                asked.map_err(|missed| missed.error.not_ignored())
            }
            None => Err(garbled("the server of this challenge is no longer configured")),
        }
    }

    fn request(
        &self,
        subject: Subject<'_>,
        user: &str,
        password: &str,
        open: Option<&Open>,
    ) -> Result<Result<Sent, Unfit>, MfaError> {
        let mut random = [0_u8; 18];
        getrandom::fill(&mut random).map_err(|_| StoreError::NoRandomness)?;
        let [identifier, number, authenticator @ ..] = random;
        let secret = self.manner.secret.expose_secret().as_bytes();
        let build = || {
            let authenticator: Authenticator = authenticator;
            let mut request = Request::new(identifier, authenticator);
            request.add(kind::USER_NAME, user.as_bytes())?;
            match self.auth_type {
                AuthType::Pap => request.add_password(password.as_bytes(), secret)?,
                AuthType::Chap => request.add_chap(number, password.as_bytes())?,
            }
            if let Some(open) = open {
                request.add(kind::STATE, &open.state)?;
            }
            request.add(kind::NAS_IDENTIFIER, self.nas_identifier.as_bytes())?;
            request.add(kind::NAS_PORT_TYPE, &VIRTUAL)?;
            if let Some(client) = subject.client_ip.filter(|client| !client.is_empty()) {
                request.add(kind::CALLING_STATION_ID, client.as_bytes())?;
            }
            Ok(request.sign(secret))
        };
        Ok(build())
    }

    fn conclude(
        &self,
        subject: Subject<'_>,
        user: &str,
        way: &str,
        round: u32,
        server: &str,
        reply: &Reply,
    ) -> Result<Answer, MfaError> {
        Ok(match reply.code {
            Code::Accept => {
                let other = user != subject.identity.as_str();
                let name = if other { format!("radius {way} of {user}") } else { format!("radius {way}") };
                Answer::Accepted(Factor::new(name, Vec::new(), CodeKind::Unknown))
            }
            Code::Reject => failed(match words(reply).map(|words| Reason::of_server(&words)) {
                Some(reason) => reason.without(&self.manner.secret),
                None => "the server rejects it".into(),
            }),
            Code::Challenge => {
                let Some(state) = reply.one(kind::STATE).filter(|state| !state.is_empty()) else {
                    return Err(garbled("the server's challenge has no State"));
                };
                if round >= MAX_ROUNDS {
                    return Err(garbled("one challenge follows the other without end"));
                }
                let open = Open {
                    server: server.to_owned(),
                    user: user.to_owned(),
                    state: state.to_vec(),
                    round: round.saturating_add(1),
                };
                let disable_echo = match reply.one(kind::PROMPT) {
                    None => self.disable_echo,
                    Some(prompt) => *prompt != [0, 0, 0, 1],
                };
                let [key, ..] = PASSWORD_KEYS;
                Answer::NeedInfo {
                    question: Question {
                        key: key.to_owned(),
                        prompt: words(reply).map_or_else(
                            || PROMPT_TEXT.to_owned(),
                            |words| secret::masked(&text::prompt_of_server(&words), &self.manner.secret),
                        ),
                        disable_echo,
                    },
                    state: Some(Value::from(self.keep(subject, &open)?)),
                }
            }
        })
    }
}

/// Names a server for what is remembered of it.
fn id(peer: &Peer) -> ServerId {
    ServerId {
        kind: "radius",
        address: peer.name().to_owned(),
        endpoint: format!("udp {}", peer.name().to_lowercase()),
    }
}

/// Returns what the server has to say, all of it in its order (RFC 2865 section 5.18), as it came.
fn words(reply: &Reply) -> Option<String> {
    let messages: Vec<_> =
        reply.all(kind::REPLY_MESSAGE).map(|message| String::from_utf8_lossy(message).into_owned()).collect();
    // A line end is a control character, which is dropped; the lines shall not run into each other.
    let text = messages.join(" ").replace(['\r', '\n'], " ");
    Some(text).filter(|text| !text::printable(text).trim().is_empty())
}

impl MfaClient for Radius<'_> {
    fn branded_name(&self) -> &str {
        "radius"
    }

    fn ignore_connection_error(&self) -> bool {
        self.ignore_connection_error
    }

    fn check_health(&self) {
        self.turns.check_health(&self.peers, id, |peer| self.life(peer));
    }

    fn probe(&self) -> Vec<Finding> {
        self.look()
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.step(subject, "")
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.step(subject, otp.expose_secret())
    }
}
