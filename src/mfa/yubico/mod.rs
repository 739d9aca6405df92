//! `[mfa] provider=yubico`: YubiKeys, by version 2.0 of Yubico's validation protocol.
//!
//! The first part of what a key types is its public id, and whose it is stands in our configuration or in the user's
//! identity; the server only says whether the rest is right. So the id is compared first, and the server is asked about
//! the user's own keys only.

mod probe;
mod wire;

pub use wire::Response as YubicoResponse;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use self::wire::{Key, Said};
use super::client::{self, Answer, MfaClient, Naming, Subject, Tools, failed};
use super::error::{MfaError, garbled};
use super::factor::Factor;
use super::provider::{Kind, MfaProvider};
use super::reason::Reason;
use super::servers::{Harmless, Servers};
use super::turns::Repeat;
use crate::config::ini::DEFAULT;
use crate::config::settings::{At, Opt, SettingError, Settings};
use crate::finding::Finding;
use crate::net::{Body, Request};
use crate::token::elsewhere::CodeKind;

const CLIENT_ID: Opt = Opt::new("yubikey", "client_id", "");
const API_KEY: Opt = Opt::secret("yubikey", "api_key");
const API_URLS: Opt = Opt::new("yubikey", "api_urls", "");
const TIMEOUT: Opt = Opt::new("yubikey", "timeout", "10");
const IGNORE_CONNECTION_ERROR: Opt = Opt::new("yubikey", "ignore_connection_error", "no");
const IDS: Opt = Opt::new("yubikey_ids", "<user name>", "");
const OPTIONS: &[Opt] = &[CLIENT_ID, API_KEY, API_URLS, TIMEOUT, IGNORE_CONNECTION_ERROR, IDS];

/// The provider.
pub(super) const PROVIDER: MfaProvider = MfaProvider {
    sections: &["yubikey", "yubikey_ids"],
    prompt: Some(Opt::new("yubikey", "prompt", "")),
    // There is no push.
    default_prompt: Some("Touch your YubiKey:"),
    check_tables: check_ids,
    ..MfaProvider::new("yubico", Kind::Service, OPTIONS, |tools, _| {
        Ok(Box::new(Yubico::from_settings(tools)?))
    })
};

/// The letters that a YubiKey types, in place of hexadecimal digits, because all keyboards have them in one place.
const MODHEX: &str = "cbdefghijklnrtuv";
/// The encrypted part of what a key types, in characters.
const TOKEN: usize = 32;
/// The longest public id, in characters.
const MAX_ID: usize = 16;
/// The longest number of a client, in digits.
const MAX_CLIENT_ID: usize = 20;

/// A validation server, or several that know of each other.
pub(super) struct Yubico<'a> {
    settings: &'a Settings<'a>,
    servers: Servers<'a>,
    client_id: String,
    key: Key,
    ignore_connection_error: bool,
}

/// What a key typed, in lower case.
struct Otp(Zeroizing<String>);

impl Otp {
    /// Takes 32 to 48 letters of ModHex; a keyboard may have made capitals of them.
    fn parse(text: &SecretString) -> Option<Self> {
        let text = Zeroizing::new(text.expose_secret().to_ascii_lowercase());
        let fits = (TOKEN..=TOKEN.saturating_add(MAX_ID)).contains(&text.len());
        (fits && is_modhex(&text)).then_some(Self(text))
    }

    /// Returns the part that is the same every time; a key may have none.
    fn public_id(&self) -> &str {
        self.0.get(..self.0.len().saturating_sub(TOKEN)).unwrap_or_default()
    }
}

fn is_modhex(text: &str) -> bool {
    text.chars().all(|c| MODHEX.contains(c))
}

/// Reads the public ids of a user, in lower case.
fn ids_of(settings: &Settings<'_>, user: &str) -> Result<Vec<String>, SettingError> {
    let at = At::named(IDS.section, user);
    let ids: Vec<_> = settings.list(at)?.iter().map(|id| id.to_ascii_lowercase()).collect();
    match ids.iter().find(|id| id.len() > MAX_ID || !is_modhex(id)) {
        Some(id) => {
            Err(settings.wrong_entry(at, &format!("public ids of at most {MAX_ID} ModHex letters"), id))
        }
        None => Ok(ids),
    }
}

/// Reads the public ids of all users.
///
/// # Errors
/// The first entry that is not a public id.
fn check_ids(settings: &Settings<'_>) -> Result<(), SettingError> {
    let own = settings.ini().has_own_options(IDS.section);
    settings.ini().options(IDS.section).into_iter().filter(|_| own).try_for_each(|user| {
        if settings.ini().has_option(DEFAULT, user) { Ok(()) } else { ids_of(settings, user).map(drop) }
    })
}

impl<'a> Yubico<'a> {
    pub(super) fn from_settings(tools: Tools<'a>) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let timeout = client::timeout(settings, &TIMEOUT)?;
        let ignore_connection_error = settings.boolean(&IGNORE_CONNECTION_ERROR)?;
        let client_id = settings.required(&CLIENT_ID)?;
        if !(1..=MAX_CLIENT_ID).contains(&client_id.len()) || !client_id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(settings.invalid(&CLIENT_ID, "the number that goes with api_key".to_owned()));
        }
        let key = Key::parse(&settings.required_secret(&API_KEY)?)
            .ok_or_else(|| settings.invalid(&API_KEY, "the key of client_id, in base64".to_owned()))?;
        Ok(Self {
            settings,
            // Without a code, which the server says is missing.
            servers: Servers::from_settings(
                tools,
                &API_URLS,
                timeout,
                Harmless::get(""),
                ignore_connection_error,
            )?,
            client_id,
            key,
            ignore_connection_error,
        })
    }

    /// Tells whether a key is the user's: the user's identity is its public id or, where there is `[yubikey_ids]`, the id
    /// stands there. A forward token leads to a public id, or to somebody in the list; who approves has to stand there.
    fn is_owner(&self, subject: Subject<'_>, public_id: &str) -> Result<bool, SettingError> {
        let identity = subject.identity.as_str();
        let has_list = self.settings.ini().has_section(IDS.section);
        let (name, is_id) = match subject.naming {
            Naming::User => (identity, !has_list),
            Naming::Person => (identity, false),
            Naming::Target => (identity.strip_suffix('@').unwrap_or(identity), !identity.contains('@')),
        };
        if public_id.is_empty() {
            return Ok(false);
        }
        if is_id {
            return Ok(name.eq_ignore_ascii_case(public_id));
        }
        let user = name.to_lowercase();
        let ids = ids_of(self.settings, &user)?;
        Ok(ids.iter().any(|id| id == public_id))
    }

    /// Asks whether a code holds. It is sent once: a server that may have got it may have used it up, and one that had no
    /// time to tell the others may not have.
    fn ask(&self, otp: &Otp) -> Result<Said, MfaError> {
        let nonce = nonce()?;
        let query = self.key.query(&self.client_id, &nonce, &otp.0)?;
        let reply = self.servers.ask(Repeat::Never, |server| Request {
            url: format!("{}?{}", server.as_str(), query.as_str()),
            headers: Vec::new(),
            body: Body::Get,
        })?;
        match reply.status {
            200 => wire::read(&reply.body, &self.key, &nonce, &otp.0),
            status => Err(garbled(Reason::ours(format!("the server answered with status {status}")))),
        }
    }
}

/// Makes what no request had before.
fn nonce() -> Result<String, MfaError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| garbled("the system has no random bytes"))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

impl MfaClient for Yubico<'_> {
    fn branded_name(&self) -> &str {
        "yubico"
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

    fn push_authenticate(&self, _: Subject<'_>) -> Result<Answer, MfaError> {
        Ok(failed("a YubiKey has no push"))
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        let Some(otp) = Otp::parse(otp) else {
            return Ok(failed("this is nothing that a YubiKey types"));
        };
        if !self.is_owner(subject, otp.public_id())? {
            return Ok(failed("the YubiKey is not the user's"));
        }
        Ok(match self.ask(&otp)? {
            Said::Ok => Answer::Accepted(Factor::new(
                "yubico otp",
                vec![otp.public_id().to_owned()],
                CodeKind::OneTime,
            )),
            Said::Denied(status) => failed(Reason::ours(format!("the server says {status}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_32_to_48_letters_of_modhex_in_any_case() {
        let token = "dvbtulidunrurkdljflirjnkvtldnbjr";
        for (id, code) in [
            ("", token.to_owned()),
            ("cc", format!("cc{token}")),
            ("ccccccbchvth", format!("ccccccbchvth{token}")),
            ("ccccccbchvth", format!("ccccccbchvth{token}").to_uppercase()),
            ("ccccccbchvthcccc", format!("ccccccbchvthcccc{token}")),
        ] {
            let otp = Otp::parse(&SecretString::from(code.clone())).unwrap();
            assert_eq!(otp.public_id(), id, "{code}");
            assert_eq!(*otp.0, code.to_lowercase());
        }
        for bad in [
            String::new(),
            token.replacen('d', "", 1),
            format!("ccccccbchvthccccc{token}"),
            format!("ccccccbchvta{token}"),
            format!("ccccccbchvth{token}\n"),
            format!(" cccccbchvth{token}"),
            format!("cccccccch1th{token}"),
            format!("ccccccbchvt\u{212a}{token}"),
        ] {
            assert!(Otp::parse(&SecretString::from(bad.clone())).is_none(), "{bad}");
        }
    }
}
