//! The second factor: [`MfaClient`] and its providers, one file each.
//!
//! A provider answers a question; it does not decide. "The code is wrong" is an [`Answer`], "the server did not
//! answer" is an [`MfaError`], and the two stay apart up to the one `match` in `pipeline::authenticate`.

mod carried;
mod chain;
mod dialogue;
mod elsewhere;
mod envelope;
mod error;
mod factor;
mod fallback;
mod four_eyes;
mod http;
mod kinds;
mod ldap;
mod linotp;
mod local;
mod none;
mod outage;
mod privacyidea;
mod probe;
mod radius;
mod reason;
mod servers;
mod turns;
mod yubico;

/// The approvals that are demanded.
pub use crate::token::four_eyes::Demand as Approvals;
pub use carried::Carried;
pub use error::MfaError;
use error::garbled;
pub use factor::{Factor, ProvedBy};
pub(crate) use four_eyes::REALMS;
pub use four_eyes::{approvals_as_written, approvals_of_connection, approvals_of_rule, except_whitelisted};
pub(crate) use local::REALM as LOCAL_REALM;
pub use outage::ConfirmedOutage;
pub use probe::servers as ask_servers;
/// For the fuzzer.
pub use radius::packet as radius_packet;
pub use reason::Reason;
/// For the fuzzer.
pub use yubico::YubicoResponse;

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use crate::appliance::HttpProxy;
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError, Settings};
use crate::finding::Finding;
use crate::logging::Log;
use crate::names::{MfaIdentity, Requester};
use crate::store::Store;
use crate::terms::{self, Question};
use crate::token::four_eyes::Demand;

const PROVIDER: Opt = Opt::new("mfa", "provider", "local");
/// What the user reads before a password; a provider may have one of its own.
const PROMPT: Opt =
    Opt::new("auth", "prompt", "Press Enter for push notification or type one-time password:");
const LINOTP_PROMPT: &str = "Type your PIN, and your one-time password if you have one:";
const PROMPTS: [Opt; 8] = [
    Opt::new("edumfa", "prompt", ""),
    Opt::new("http", "prompt", ""),
    Opt::new("ldap", "prompt", ""),
    Opt::new("linotp", "prompt", ""),
    Opt::new("local", "prompt", ""),
    Opt::new("privacyidea", "prompt", ""),
    Opt::new("radius", "prompt", ""),
    Opt::new("yubikey", "prompt", ""),
];
const FALLBACK: Opt = Opt::new("mfa", "fallback", "none");
/// The options that this module and its providers read.
pub const OPTIONS: [&[Opt]; 11] = [
    &[PROVIDER, FALLBACK, turns::RETRY_AFTER, outage::OUTAGE_AFTER, PROMPT],
    &PROMPTS,
    four_eyes::OPTIONS,
    http::OPTIONS,
    ldap::OPTIONS,
    linotp::OPTIONS,
    local::OPTIONS,
    &privacyidea::EDUMFA,
    &privacyidea::PRIVACYIDEA,
    radius::OPTIONS,
    yubico::OPTIONS,
];
/// The longest wait for one answer that a provider's `timeout` may ask for, in seconds.
pub const MAX_TIMEOUT: f64 = 600.0;
/// The longest answer that goes to a server, in bytes.
const MAX_ANSWER: usize = 1024;
/// Characters that end a line; each is replaced by a blank.
const LINE_ENDS: [char; 7] = ['\r', '\n', '\t', '\u{b}', '\u{c}', '\u{2028}', '\u{2029}'];
/// The longest text of a service that is shown or logged, in characters.
const MAX_TEXT: usize = 1000;

/// What a provider may use.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The configuration.
    pub settings: &'a Settings<'a>,
    /// The appliance's proxy.
    pub http_proxy: Option<&'a HttpProxy>,
    /// The log.
    pub log: &'a Log,
    /// The time of this hook.
    pub budget: Budget<'a>,
    /// What survives.
    pub store: &'a Store<'a>,
}

/// Whom to authenticate, and what the provider remembered of an earlier round.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The user as the second factor knows them.
    pub identity: &'a MfaIdentity,
    /// Who asks, under both names.
    pub requester: &'a Requester,
    /// What the provider's last NEEDINFO left in the cookie.
    pub state: Option<&'a Value>,
    /// Whether the provider has asked something in this session: no outage is ignored any more.
    pub has_begun: bool,
    /// The session.
    pub session_id: Option<&'a str>,
    /// The connection policy.
    pub connection_name: Option<&'a str>,
    /// The client's address.
    pub client_ip: Option<&'a str>,
    /// What the user typed, by key.
    pub typed: &'a BTreeMap<String, SecretString>,
    /// What the identity is.
    pub naming: Naming,
    /// The approvals of others that are demanded with this factor, where it can collect them.
    pub approvals: Option<&'a Demand>,
}

/// What an identity is, where a service knows people and tokens by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The user, as the configuration has it: it may let them name a token instead.
    User,
    /// A person who approves, and nothing else: a token's serial would not say whose it is.
    Person,
    /// Where a forward token leads: a token's serial, where the service has such, or a person if there is an `@`.
    Target,
}

/// What a provider found out.
pub enum Answer {
    /// The factor holds.
    Accepted(Factor),
    /// The factor does not hold (SDK: `False`).
    Rejected,
    /// The factor does not hold, and the service says why (SDK: `MFAAuthenticationFailure`).
    AuthenticationFailure {
        /// Why, for the operator.
        reason: Reason,
    },
    /// The user has to answer first.
    NeedInfo {
        /// What to ask.
        question: Question,
        /// What to keep for the next round; `None` keeps what is there.
        state: Option<Value>,
    },
}

/// Asks one service about one user. The seed's `MFAClient`.
pub trait MfaClient {
    /// The name in reasons and in the log.
    fn branded_name(&self) -> &str;

    /// Whether an unreachable service lets everybody in (`ignore_connection_error`).
    fn ignore_connection_error(&self) -> bool;

    /// Whether an acceptance proves anything; only `none` looks at nothing.
    fn proves(&self) -> bool {
        true
    }

    /// The longest answer that is taken, in bytes; a longer one is a denial without a request. A server, or what stands
    /// in front of it, may hang up on a long one.
    fn longest_answer(&self, _: Subject<'_>) -> usize {
        MAX_ANSWER
    }

    /// Asks each of its servers what changes nothing there; nothing where it has none.
    fn probe(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// After an accepted login: finds out whether it would be seen that the server that answered is down. Nothing where no
    /// server answered, or nothing depends on it.
    fn check_health(&self) {}

    /// Takes what the last answer carried beside its verdict; nothing where the provider knows no such thing.
    fn carried(&self) -> Carried {
        Carried::default()
    }

    /// Asks for a confirmation on the user's device; there was no one-time password.
    ///
    /// # Errors
    /// [`MfaError`] where nothing was found out.
    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError>;

    /// Checks a one-time password, which is not empty.
    ///
    /// # Errors
    /// [`MfaError`] where nothing was found out.
    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError>;
}

/// The sections that describe a server, each with its line in `service`. A forward token may lead to one, and a
/// four-eyes realm may be one's.
pub const SERVICES: [&str; 6] = ["http", "edumfa", "privacyidea", "linotp", "radius", "yubico"];

/// Tells whether the section of a server can be used.
///
/// # Errors
/// An option of the section that is unusable.
pub fn check_service(name: &str, tools: Tools<'_>) -> Result<(), SettingError> {
    service(name, tools, false).map(|_| ())
}

/// Makes the client of a server from the section of this name; `None` where no provider has such a section.
fn service<'a>(
    name: &str,
    tools: Tools<'a>,
    disable_echo: bool,
) -> Result<Option<Box<dyn MfaClient + 'a>>, SettingError> {
    let privacyidea = |options| privacyidea::PrivacyIdea::from_settings(tools, options, disable_echo);
    let client: Box<dyn MfaClient + 'a> = match name {
        "edumfa" => Box::new(privacyidea(&privacyidea::EDUMFA)?),
        "http" => Box::new(http::Http::from_settings(tools, disable_echo)?),
        "linotp" => Box::new(linotp::LinOtp::from_settings(tools, disable_echo)?),
        "radius" => Box::new(radius::Radius::from_settings(tools, disable_echo)?),
        "yubico" => Box::new(yubico::Yubico::from_settings(tools)?),
        "privacyidea" => Box::new(privacyidea(&privacyidea::PRIVACYIDEA)?),
        _ => return Ok(None),
    };
    Ok(Some(client))
}

/// Makes the client that `[mfa] provider` names. `disable_echo` is for questions of the service's own.
///
/// # Errors
/// A provider that is none, or whose section is unusable.
pub fn client<'a>(tools: Tools<'a>, disable_echo: bool) -> Result<Box<dyn MfaClient + 'a>, SettingError> {
    let names = providers(tools.settings)?;
    let [name] = names.as_slice() else { return chain(tools, &names, disable_echo) };
    if *name == "none" {
        return Ok(Box::new(none::NoFactor::new(tools.log)));
    }
    let client = link(name, tools, disable_echo)?;
    if *name != "local" && fallback(tools.settings)? {
        let fallback = link("local", tools, disable_echo)?;
        return Ok(Box::new(fallback::WithFallback { service: client, fallback, log: tools.log }));
    }
    Ok(client)
}

/// Makes a client that can stand in a chain.
fn link<'a>(
    name: &str,
    tools: Tools<'a>,
    disable_echo: bool,
) -> Result<Box<dyn MfaClient + 'a>, SettingError> {
    Ok(match service(name, tools, disable_echo)? {
        Some(client) => client,
        None if name == "ldap" => Box::new(ldap::Ldap::from_settings(tools)?),
        None => Box::new(local::Local::from_settings(tools, disable_echo)?),
    })
}

fn chain<'a>(
    tools: Tools<'a>,
    names: &[&'static str],
    disable_echo: bool,
) -> Result<Box<dyn MfaClient + 'a>, SettingError> {
    let settings = tools.settings;
    if fallback(settings)? {
        let expected = "none, because a chain of providers would be less than was asked for".to_owned();
        return Err(settings.invalid(&FALLBACK, expected));
    }
    let mut links = Vec::new();
    for name in names {
        links.push(chain::Link {
            client: link(name, tools, disable_echo)?,
            prompt: prompt_of(settings, name)?,
            disable_echo: disable_echo || *name == "ldap",
        });
    }
    Ok(Box::new(chain::Chain { name: names.join(" + "), links }))
}

/// Returns what the user reads before the first password, and whether it stays hidden because it is one that is good for
/// longer.
///
/// # Errors
/// A provider that is none; `%(name)s` or a reference that leads nowhere.
pub fn first_prompt(settings: &Settings<'_>) -> Result<(String, bool), SettingError> {
    let names = providers(settings)?;
    let first = names.first().copied().unwrap_or_default();
    Ok((prompt_of(settings, first)?, first == "ldap"))
}

fn prompt_of(settings: &Settings<'_>, name: &str) -> Result<String, SettingError> {
    let section = if name == "yubico" { "yubikey" } else { name };
    // What stands in [DEFAULT] is for [auth], as in the SDK, which knows no prompt of a provider's own.
    let is_own = |option: &&Opt| settings.ini().has_own_option(option.section, option.option);
    let own = PROMPTS.iter().find(|option| option.section == section).filter(is_own);
    let own = own.map(|option| settings.text(option)).transpose()?.flatten();
    match own.filter(|prompt| !prompt.is_empty()) {
        Some(prompt) => Ok(prompt),
        // LinOTP starts a push for a PIN only, so that Enter would invite a failure.
        None if name == "linotp" && settings.ini().entry(PROMPT.section, PROMPT.option).is_none() => {
            Ok(LINOTP_PROMPT.to_owned())
        }
        None => Ok(settings.text(&PROMPT)?.unwrap_or_default()),
    }
}

/// Reads `[mfa] provider`: one, or several with `+` between them, each once.
fn providers(settings: &Settings<'_>) -> Result<Vec<&'static str>, SettingError> {
    let text = settings.text(&PROVIDER)?.unwrap_or_default();
    if !text.contains('+') {
        return Ok(vec![provider(settings)?]);
    }
    let mut names: Vec<&'static str> = Vec::new();
    for word in text.split('+') {
        let word = word.trim().to_lowercase();
        let known = SERVICES.iter().chain(&["ldap", "local"]).find(|known| **known == word);
        match known {
            Some(known) if !names.contains(known) => names.push(known),
            Some(_) | None => {
                let known = SERVICES.join(", ");
                let expected = format!("providers with + between them, each once: {known}, ldap, local");
                return Err(settings.invalid(&PROVIDER, expected));
            }
        }
    }
    Ok(names)
}

fn provider(settings: &Settings<'_>) -> Result<&'static str, SettingError> {
    let mut providers = SERVICES.to_vec();
    providers.insert(1, "none");
    providers.extend(["ldap", "local"]);
    settings.choice(&PROVIDER, &providers)
}

/// Returns the keys under which the first password may come instead of `otp`; the first that is there counts. A
/// provider that is none has no such keys; that it is none is said when it is asked.
pub fn password_keys(settings: &Settings<'_>) -> &'static [&'static str] {
    match providers(settings).as_deref() {
        Ok(["radius", ..]) => &radius::PASSWORD_KEYS,
        Ok(_) | Err(_) => &[],
    }
}

/// Makes the client that asks for the approvals of `[four_eyes]`, whatever `[mfa] provider` is.
///
/// # Errors
/// Options of the local tokens that are unusable.
pub fn approvals<'a>(tools: Tools<'a>, disable_echo: bool) -> Result<Box<dyn MfaClient + 'a>, SettingError> {
    Ok(Box::new(local::Local::from_settings(tools, disable_echo)?))
}

/// Returns the providers as a remembered authentication is bound to them: their names in their order.
///
/// # Errors
/// A provider that is unknown.
pub fn provider_names(settings: &Settings<'_>) -> Result<String, SettingError> {
    Ok(providers(settings)?.join(" + "))
}

/// Tells whether the approvals that a connection demands are its login: where the local tokens are the only provider.
///
/// # Errors
/// A provider that is unknown.
pub fn approvals_are_login(settings: &Settings<'_>) -> Result<bool, SettingError> {
    Ok(providers(settings)? == ["local"])
}

/// Tells whether the local tokens answer for a service that cannot be reached.
///
/// # Errors
/// A value that is none.
pub fn fallback(settings: &Settings<'_>) -> Result<bool, SettingError> {
    Ok(settings.choice(&FALLBACK, &["local", "none"])? == "local")
}

/// Returns the words of `[mfa] provider`, in their order.
///
/// # Errors
/// An unknown provider.
pub fn provider_words(settings: &Settings<'_>) -> Result<Vec<&'static str>, SettingError> {
    providers(settings)
}

/// Reads the tables of which a hook reads one line.
///
/// # Errors
/// A line that is unusable.
pub fn check_tables(settings: &Settings<'_>) -> Result<(), SettingError> {
    yubico::check_ids(settings)
}

/// Reads a provider's `timeout`.
fn timeout(settings: &Settings<'_>, opt: &Opt) -> Result<Duration, SettingError> {
    settings.seconds(opt, MAX_TIMEOUT)
}

/// Makes the answer of a factor that does not hold.
fn rejected(reason: impl Into<Reason>) -> Answer {
    Answer::AuthenticationFailure { reason: reason.into() }
}

/// Keeps what a terminal may be shown of a service's text, at most [`MAX_TEXT`] characters on one line.
fn printable(text: &str) -> String {
    let line = text.replace(LINE_ENDS, " ");
    unsteering(&line).chars().take(MAX_TEXT).collect()
}

/// Makes of a server's text what a user is asked: one line with one blank at its end, as far as a terminal may show it. A
/// text without words stays empty.
fn prompt_of_server(text: &str) -> String {
    match printable(text).trim_end() {
        "" => String::new(),
        line => format!("{line} "),
    }
}

/// Takes out of a text what steers a terminal or turns the direction of writing.
fn unsteering(text: &str) -> String {
    text.chars().filter(|c| !terms::steers(*c)).collect()
}
