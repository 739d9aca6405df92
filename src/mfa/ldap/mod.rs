//! `[mfa] provider=ldap`: the password of a directory, checked by binding as the user.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::client::{Answer, MAX_ANSWER, MfaClient, Subject, Tools, failed};
use super::error::{MfaError, garbled};
use super::factor::Factor;
use super::outage::{self, Life};
use super::provider::{Kind, MfaProvider};
use super::reason::Reason;
use super::turns::{Missed, Repeat, Turns};
use crate::config::settings::{Opt, SettingError};
use crate::ldap::{Outcome, Server, ServerError};
use crate::logging::Short;
use crate::store::{RequestEnd, ServerId};
use crate::token::elsewhere::CodeKind;

const SERVER: Opt = Opt::new("ldap", "server", "");
const BIND_NAME: Opt = Opt::new("ldap", "bind_name", "");
const OPTIONS: &[Opt] = &[SERVER, BIND_NAME];

/// The provider.
pub(super) const PROVIDER: MfaProvider = MfaProvider {
    sections: &["ldap"],
    prompt: Some(Opt::new("ldap", "prompt", "")),
    // There is no push.
    default_prompt: Some("Type your password:"),
    ..MfaProvider::new("ldap", Kind::Password, OPTIONS, |tools, _| Ok(Box::new(Ldap::from_settings(tools)?)))
};

/// A name that is nobody's, to bind as where there is no user, so that this takes as long.
const NOBODY: &str = "cn=sps-plugin-nobody-of-this-name";

/// A directory that knows the users' passwords.
pub(super) struct Ldap<'a> {
    server: Server<'a>,
    /// How the name to bind as is made; `None`: it is the DN of the entry that is found.
    bind_name: Option<String>,
    turns: Turns<'a>,
}

impl<'a> Ldap<'a> {
    pub(super) fn from_settings(tools: Tools<'a>) -> Result<Self, SettingError> {
        let settings = tools.settings;
        let name = settings.required(&SERVER)?;
        let server = Server::from_settings(settings, tools.log, tools.budget, &name)?;
        let bind_name = settings.text(&BIND_NAME)?;
        if bind_name.as_ref().is_some_and(|template| !Server::is_template(template)) {
            let expected = "{user} once, as in uid={user},ou=people,dc=example,dc=org or {user}@example.org";
            return Err(settings.invalid(&BIND_NAME, expected.to_owned()));
        }
        Ok(Self {
            server: server.ok_or_else(|| {
                settings.invalid(&SERVER, "the name of a section [ldap_server NAME] of this file".to_owned())
            })?,
            bind_name,
            turns: Turns::from_settings(tools, false)?,
        })
    }

    fn check(&self, user: &str, password: &SecretString) -> Result<Answer, MfaError> {
        let length = password.expose_secret().len();
        // A server that takes a NUL for the end takes such a password for an empty one, and an empty one for a yes.
        if length == 0 || length > MAX_ANSWER || password.expose_secret().contains('\0') {
            self.turns
                .tools()
                .log
                .info(format_args!("ldap: a password that is empty, too long, or has a NUL in it"));
            return Ok(refused());
        }
        // The directory asks its servers in turn itself, so it counts as one here.
        let ask = |_: &()| self.bind_as(user, password);
        let outcome = self.turns.ask(Repeat::Never, &[()], |()| self.id(), ask, |()| self.life())?;
        match outcome {
            Some((dn, outcome)) => self.decide(&dn, &outcome),
            None => Ok(refused()),
        }
    }

    /// Binds as the user; `None`: there is no such user.
    fn bind_as(&self, user: &str, password: &SecretString) -> Result<Option<(String, Outcome)>, Missed> {
        let missed = |may_be_taken| {
            move |error: ServerError| {
                let end = if error.is_refusal() { RequestEnd::NothingSent } else { RequestEnd::Unanswered };
                Missed { error: sort(error), may_be_taken, end }
            }
        };
        let dn = match self.name_of(user) {
            Ok(dn) => dn,
            Err(error @ (ServerError::UserNotFound | ServerError::SeveralUsers)) => {
                self.turns.tools().log.info(format_args!("ldap: user {}: {error}", Short(user)));
                // Its answer says nothing.
                if let Ok(connection) = self.server.connection() {
                    let _ = self.server.check_password(connection, NOBODY, password);
                }
                return Ok(None);
            }
            // Only a name was sent.
            Err(error) => return Err(missed(false)(error)),
        };
        let connection = self.server.connection().map_err(missed(false))?;
        // From here on the server may have taken the password.
        let outcome = self.server.check_password(connection, &dn, password).map_err(missed(true))?;
        if outcome.code.is_outage() {
            let reason = format!("the directory answered a bind with {outcome}");
            let error = MfaError::ServiceUnreachable { reason, source: None };
            return Err(Missed { error, may_be_taken: true, end: RequestEnd::TurnedAway });
        }
        Ok(Some((dn, outcome)))
    }

    fn id(&self) -> ServerId {
        let addresses = self.server.addresses();
        ServerId { kind: "ldap", endpoint: addresses.to_lowercase(), address: addresses }
    }

    /// Asks the second question.
    fn life(&self) -> Life {
        let time = outage::second(self.turns.tools().budget, Duration::MAX);
        Life::of_all(self.server.knock(time).map(|asked| match asked {
            Ok(()) => Life::Up,
            Err(ServerError::NoTime(_)) => Life::Unknown,
            Err(error) if error.is_refusal() => Life::Refused,
            Err(error) if error.is_outage() => Life::Silent,
            // It answers, whatever it says.
            Err(_) => Life::Up,
        }))
    }

    /// Returns the name to bind as.
    fn name_of(&self, user: &str) -> Result<String, ServerError> {
        match &self.bind_name {
            Some(template) => Server::to_bind_as(template, user).ok_or(ServerError::UserNotFound),
            None => self.server.user(user, &[]).map(|entry| entry.dn),
        }
    }

    fn decide(&self, dn: &str, outcome: &Outcome) -> Result<Answer, MfaError> {
        // Whoever has to change the password first is not yet let in, as Active Directory has it.
        if outcome.is_success() && outcome.policy.is_none() {
            return Ok(Answer::Accepted(Factor::new("ldap", Vec::new(), CodeKind::Static)));
        }
        if outcome.is_success() || outcome.code.is_refusal() {
            self.turns
                .tools()
                .log
                .info(format_args!("ldap: the bind as {} is refused: {outcome}", Short(dn)));
            return Ok(refused());
        }
        Err(garbled(Reason::ours(format!("the directory answered a bind with {outcome}"))))
    }
}

/// Says the same whatever was wrong: nothing.
fn refused() -> Answer {
    failed("")
}

/// Sorts what went wrong into the two kinds that a provider has.
fn sort(error: ServerError) -> MfaError {
    if let ServerError::Setting(error) = error {
        return MfaError::Setting(error);
    }
    let is_outage = error.is_outage();
    let source = Some(error.into());
    if is_outage {
        MfaError::ServiceUnreachable { reason: "no answer".to_owned(), source }
    } else {
        MfaError::CommunicationError { reason: "no usable answer of the directory".into(), source }
    }
}

impl MfaClient for Ldap<'_> {
    fn branded_name(&self) -> &str {
        "ldap"
    }

    fn ignore_connection_error(&self) -> bool {
        false
    }

    fn check_health(&self) {
        self.turns.check_health(&[()], |()| self.id(), |()| self.life());
    }

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.check(subject.identity.as_str(), &SecretString::default())
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.check(subject.identity.as_str(), otp)
    }
}
