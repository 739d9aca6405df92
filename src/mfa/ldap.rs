//! `[mfa] provider=ldap`: the password of a directory, checked by binding as the user.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::outage::{self, Life};
use super::{Answer, ConfirmedOutage, Factor, MfaClient, MfaError, Reason, Subject, Tools};
use crate::clock::Budget;
use crate::config::settings::{Opt, SettingError};
use crate::ldap::{Outcome, Server, ServerError};
use crate::logging::{Log, Short};
use crate::token::elsewhere::CodeKind;

const SERVER: Opt = Opt::new("ldap", "server", "");
const BIND_NAME: Opt = Opt::new("ldap", "bind_name", "");
pub(super) const OPTIONS: &[Opt] = &[SERVER, BIND_NAME];

/// A name that is nobody's, to bind as where there is no user, so that this takes as long.
const NOBODY: &str = "cn=sps-plugin-nobody-of-this-name";

/// A directory that knows the users' passwords.
pub(super) struct Ldap<'a> {
    server: Server<'a>,
    /// How the name to bind as is made; `None`: it is the DN of the entry that is found.
    bind_name: Option<String>,
    log: &'a Log,
    budget: Budget<'a>,
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
            log: tools.log,
            budget: tools.budget,
        })
    }

    fn check(&self, user: &str, password: &SecretString) -> Result<Answer, MfaError> {
        let length = password.expose_secret().len();
        // A server that takes a NUL for the end takes such a password for an empty one, and an empty one for a yes.
        if length == 0 || length > super::MAX_ANSWER || password.expose_secret().contains('\0') {
            self.log.info(format_args!("ldap: a password that is empty, too long, or has a NUL in it"));
            return Ok(refused());
        }
        let dn = match self.name_of(user) {
            Ok(dn) => dn,
            Err(error @ (ServerError::UserNotFound | ServerError::SeveralUsers)) => {
                self.log.info(format_args!("ldap: user {}: {error}", Short(user)));
                // Its answer says nothing.
                if let Ok(connection) = self.server.connection() {
                    let _ = self.server.check_password(connection, NOBODY, password);
                }
                return Ok(refused());
            }
            // Only a name was sent. The directory is asked another question before it counts as down.
            Err(error) => return Err(self.confirmed(sort(error))),
        };
        let connection = match self.server.connection() {
            Ok(connection) => connection,
            Err(error) => return Err(self.confirmed(sort(error))),
        };
        // From here on the server may have taken the password.
        let outcome = self.server.check_password(connection, &dn, password).map_err(sort)?;
        self.decide(&dn, &outcome)
    }

    /// Makes an outage of an error if no server of the directory answers a second question.
    fn confirmed(&self, error: MfaError) -> MfaError {
        let ask = || {
            if self.server.is_down(outage::second(self.budget, Duration::MAX)) {
                Life::Down
            } else {
                Life::Up
            }
        };
        match ConfirmedOutage::confirm(error, ask) {
            Ok(confirmed) => MfaError::Outage(confirmed),
            Err(error) => error,
        }
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
            self.log.info(format_args!("ldap: the bind as {} is refused: {outcome}", Short(dn)));
            return Ok(refused());
        }
        let reason = format!("the directory answered a bind with {outcome}");
        Err(if outcome.code.is_outage() {
            MfaError::ServiceUnreachable { reason, source: None }
        } else {
            super::garbled(Reason::ours(reason))
        })
    }
}

/// Says the same whatever was wrong: nothing.
fn refused() -> Answer {
    super::rejected("")
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

    fn push_authenticate(&self, subject: Subject<'_>) -> Result<Answer, MfaError> {
        self.check(subject.identity.as_str(), &SecretString::default())
    }

    fn otp_authenticate(&self, subject: Subject<'_>, otp: &SecretString) -> Result<Answer, MfaError> {
        self.check(subject.identity.as_str(), otp)
    }
}
