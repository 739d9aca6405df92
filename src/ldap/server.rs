//! `[ldap_server NAME]`: several servers of one directory, the login, and the password of a user.

use std::cell::RefCell;
use std::time::Duration;

use secrecy::SecretString;

use super::ServerError;
use super::connection::{Connection, Found, Way};
use super::filter::Filter;
use super::message::{Entry, Scope, Search};
use super::name;
use super::outcome::Outcome;
use super::schema::{self, Schema};
use crate::clock::Budget;
use crate::config::settings::{At, Opt, SettingError, Settings};
use crate::logging::{Chain, Log};
use crate::net::stream::{Endpoint, Tls};
use crate::secret;

const URL: Opt = Opt::new("ldap_server <name>", "url", "");
const STARTTLS: Opt = Opt::new("ldap_server <name>", "starttls", "no");
const BIND_DN: Opt = Opt::new("ldap_server <name>", "bind_dn", "");
const BIND_PASSWORD: Opt = Opt::secret("ldap_server <name>", "bind_password");
const USER_BASE_DN: Opt = Opt::new("ldap_server <name>", "user_base_dn", "");
const GROUP_BASE_DN: Opt = Opt::new("ldap_server <name>", "group_base_dn", "");
const TIMEOUT: Opt = Opt::new("ldap_server <name>", "timeout", "10");
/// The options that this module and the schema read.
pub const OPTIONS: [&[Opt]; 2] =
    [&[URL, STARTTLS, BIND_DN, BIND_PASSWORD, USER_BASE_DN, GROUP_BASE_DN, TIMEOUT], schema::OPTIONS];

/// The longest wait for one answer, in seconds.
const MAX_TIMEOUT: f64 = 600.0;
/// The most servers of one directory.
const MAX_SERVERS: usize = 16;

/// One directory, on one or more servers.
pub struct Server<'a> {
    settings: &'a Settings<'a>,
    log: &'a Log,
    pub(super) budget: Budget<'a>,
    pub(super) section: String,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) tls: Option<Tls>,
    pub(super) login: Option<(String, SecretString)>,
    pub(super) timeout: Duration,
    pub(super) schema: Schema,
    pub(super) user_base: String,
    state: RefCell<State<'a>>,
}

#[derive(Default)]
struct State<'a> {
    /// Which server is asked.
    at: usize,
    /// Logged in as `bind_dn`.
    connection: Option<Connection<'a>>,
}

impl<'a> Server<'a> {
    /// Reads `[ldap_server NAME]`; `None` where there is no such section.
    ///
    /// # Errors
    /// Options that are missing or unusable.
    pub fn from_settings(
        settings: &'a Settings<'a>,
        log: &'a Log,
        budget: Budget<'a>,
        name: &str,
    ) -> Result<Option<Self>, SettingError> {
        let section = format!("ldap_server {name}");
        if !settings.ini().has_section(&section) {
            return Ok(None);
        }
        let endpoints = endpoints(settings, URL.of(&section))?;
        let starttls = settings.boolean(STARTTLS.of(&section))?;
        let ldaps = endpoints.iter().any(|endpoint| endpoint.is_tls);
        if starttls && ldaps {
            let expected = "no where an address begins with ldaps, which has TLS from the beginning";
            return Err(settings.invalid(STARTTLS.of(&section), expected.to_owned()));
        }
        if ldaps && !endpoints.iter().all(|endpoint| endpoint.is_tls) {
            // Whoever can make the one unreachable would get the passwords on the way to the other.
            let expected = "addresses that all begin with ldaps, or none";
            return Err(settings.invalid(URL.of(&section), expected.to_owned()));
        }
        let tls = (starttls || ldaps)
            .then(|| Tls::from_settings(settings, log, "an LDAP server is asked over TLS"))
            .transpose()?;
        if tls.is_none() {
            for endpoint in &endpoints {
                log.warning(format_args!(
                    "{} uses unencrypted ldap; a man in the middle can read the passwords and forge answers",
                    endpoint.name()
                ));
            }
        }
        Ok(Some(Self {
            login: login(settings, &section)?,
            timeout: settings.seconds(TIMEOUT.of(&section), MAX_TIMEOUT)?,
            schema: Schema::from_settings(settings, &section)?,
            user_base: settings.required(USER_BASE_DN.of(&section))?,
            state: RefCell::default(),
            endpoints,
            tls,
            section,
            settings,
            log,
            budget,
        }))
    }

    /// Returns where the groups are.
    pub(super) fn group_base(&self) -> Result<String, SettingError> {
        self.settings.required(GROUP_BASE_DN.of(&self.section))
    }

    /// Tells whether a password is that of an entry, by binding as it. An empty password is refused here.
    ///
    /// It is sent once: where the answer does not come, it may have been counted as a failure already.
    ///
    /// # Errors
    /// [`ServerError`]; a refusal is none but an [`Outcome`].
    pub fn check_password(
        &self,
        mut connection: Connection<'a>,
        dn: &str,
        password: &SecretString,
    ) -> Result<Outcome, ServerError> {
        if dn.is_empty() || secret::is_empty(password) {
            return Err(ServerError::NothingToBindWith);
        }
        let outcome = connection.bind(dn, password)?;
        // It is somebody else's connection now.
        connection.close();
        Ok(outcome)
    }

    /// Returns a connection to the server that answered last, or to the first one that takes it. No password was sent yet.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn connection(&self) -> Result<Connection<'a>, ServerError> {
        let open = self.state.borrow_mut().connection.take();
        match open {
            Some(connection) => Ok(connection),
            None => self.in_turn(|server| server.connect()),
        }
    }

    /// Returns the addresses of the directory's servers, separated by blanks.
    pub fn addresses(&self) -> String {
        let names: Vec<_> = self.endpoints.iter().map(|endpoint| endpoint.name()).collect();
        names.join(" ")
    }

    /// Asks each server of the directory a question that contains no user input: reads its root DSE, after a login as
    /// `bind_dn` if it is set.
    pub fn knock(&self, time: Budget<'_>) -> impl Iterator<Item = Result<(), ServerError>> {
        self.endpoints.iter().map(move |endpoint| {
            let way = Way { endpoint, tls: self.tls.as_ref(), timeout: self.timeout };
            let mut connection = Connection::open(&way, time)?;
            if let Some((name, password)) = &self.login {
                let outcome = connection.bind(name, password)?;
                if !outcome.is_success() {
                    let host = self.section.clone();
                    return Err(ServerError::Refused { host, what: "the login as bind_dn", outcome });
                }
            }
            let root = connection.root();
            connection.close();
            root.map(|_| ())
        })
    }

    /// Makes the name to bind as of a template and a user's name; `None` where the name does not fit in there.
    pub fn to_bind_as(template: &str, user: &str) -> Option<String> {
        name::to_bind_as(template, user)
    }

    /// Tells whether a text is such a template.
    pub fn is_template(text: &str) -> bool {
        name::is_template(text)
    }

    /// Searches for at most `limit` entries.
    pub(super) fn search(
        &self,
        base: &str,
        scope: Scope,
        filter: &Filter,
        attributes: &[&str],
        limit: u32,
    ) -> Result<Found, ServerError> {
        let search = Search { base, scope, filter, attributes, size_limit: limit };
        self.ask(|connection| connection.search(&search))
    }

    /// Searches for a list of any length below a base.
    pub(super) fn list(
        &self,
        base: &str,
        filter: &Filter,
        attributes: &[&str],
    ) -> Result<Vec<Entry>, ServerError> {
        let search = Search { base, scope: Scope::Subtree, filter, attributes, size_limit: 0 };
        self.ask(|connection| connection.list(&search))
    }

    /// Asks the server that answered last, else the next one.
    fn ask<T>(
        &self,
        question: impl Fn(&mut Connection<'a>) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        self.in_turn(|server| {
            let open = server.state.borrow_mut().connection.take();
            let mut connection = match open {
                Some(connection) => connection,
                None => server.log_in()?,
            };
            let answer = question(&mut connection)?;
            server.state.borrow_mut().connection = Some(connection);
            Ok(answer)
        })
    }

    /// Tries each server once, beginning with the one that answered last, until one is no outage.
    fn in_turn<T>(&self, attempt: impl Fn(&Self) -> Result<T, ServerError>) -> Result<T, ServerError> {
        let mut left = self.endpoints.len();
        loop {
            left = left.saturating_sub(1);
            match attempt(self) {
                Err(error) if error.is_outage() && left > 0 => {
                    self.log.warning(format_args!("{}; asking the next server", Chain(&error)));
                    let mut state = self.state.borrow_mut();
                    state.at = state.at.saturating_add(1);
                }
                result => return result,
            }
        }
    }

    fn connect(&self) -> Result<Connection<'a>, ServerError> {
        let at = self.state.borrow().at;
        let at = at.checked_rem(self.endpoints.len()).unwrap_or_default();
        let endpoint = self.endpoints.get(at).ok_or_else(|| ServerError::NoTime(self.section.clone()))?;
        Connection::open(&Way { endpoint, tls: self.tls.as_ref(), timeout: self.timeout }, self.budget)
    }

    /// Connects and binds as `bind_dn`, or stays anonymous without one.
    fn log_in(&self) -> Result<Connection<'a>, ServerError> {
        let mut connection = self.connect()?;
        let Some((name, password)) = &self.login else { return Ok(connection) };
        let outcome = connection.bind(name, password)?;
        if outcome.is_success() {
            return Ok(connection);
        }
        Err(ServerError::Refused { host: self.section.clone(), what: "the login as bind_dn", outcome })
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.state.get_mut().connection.take() {
            connection.close();
        }
    }
}

fn endpoints(settings: &Settings<'_>, at: At<'_>) -> Result<Vec<Endpoint>, SettingError> {
    let parse = |text: &String| Endpoint::parse(text, ("ldap", 389), ("ldaps", 636));
    let all: Option<Vec<_>> = settings
        .required_list_of(at, "addresses such as ldaps://dc1.example.org")?
        .iter()
        .map(parse)
        .collect();
    all.filter(|all| all.len() <= MAX_SERVERS).ok_or_else(|| {
        settings.invalid(at, "addresses such as ldaps://dc1.example.org, separated by commas".to_owned())
    })
}

/// Reads the login. A name without a password would be an unauthenticated bind.
fn login(settings: &Settings<'_>, section: &str) -> Result<Option<(String, SecretString)>, SettingError> {
    let name = settings.text(BIND_DN.of(section))?.filter(|name| !name.is_empty());
    let password = settings.secret(BIND_PASSWORD.of(section))?.filter(|password| !secret::is_empty(password));
    match (name, password) {
        (Some(name), Some(password)) => Ok(Some((name, password))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(settings.invalid(BIND_PASSWORD.of(section), "the password of bind_dn".to_owned()))
        }
        (None, Some(_)) => Err(settings.invalid(BIND_DN.of(section), "whose bind_password it is".to_owned())),
    }
}
