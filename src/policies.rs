//! What a configuration refers to: the policies of the appliance, as the caller passes them, or what stands in their
//! place off the appliance, and the process's environment.
//!
//! `$` looks into the credential store that `[credential_store] name` names, with host = section and user = option. A
//! store that the caller passed goes first; else `[credential_store NAME] provider` says what it is: entries of our own
//! store that were made for it (`credential set --store NAME`), a file of the configuration's form, or secrets of a
//! service that is a provider of credentials.

use std::cell::{Cell, OnceCell, RefCell};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::appliance::{Appliance, Credential, StoreEntry};
use crate::clock::{Budget, Clock};
use crate::config::ini::Ini;
use crate::config::reference::{self, Lookup, ReferenceError};
use crate::config::settings::{Opt, SettingError, Settings};
use crate::credentials::{CredentialError, Reference, SOURCES, Service, Session, Tools};
use crate::locker;
use crate::logging::Log;
use crate::names::{Account, Asset};
use crate::store::{Environment, KeySource, Places, Store};

const PROVIDER: Opt = Opt::new("credential_store <name>", "provider", "");
const FILE: Opt = Opt::new("credential_store <name>", "file", "");
/// The options that this module reads.
pub(crate) const OPTIONS: &[Opt] = &[PROVIDER, FILE];

/// What is assumed where nobody knows: good as hexadecimal digits, as base64 and as any text.
const ASSUMED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How long a locked state is waited for; the hook's own budget is not known yet when references are read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers the configuration's references.
pub(crate) struct Policies<'a> {
    appliance: &'a Appliance,
    environment: &'a dyn Environment,
    clock: &'a dyn Clock,
    log: &'a Log,
    /// A store of the configuration is being looked into. What it refers to itself cannot come from it.
    is_busy: Cell<bool>,
    state: OnceCell<Store<'a>>,
    reads_only: bool,
    assumes: Option<Assume>,
    assumed: RefCell<Vec<String>>,
}

/// Tells of a section and an option whether any text would do as its value.
pub(crate) type Assume = fn(&str, &str) -> bool;

impl<'a> Policies<'a> {
    pub(crate) fn new(
        appliance: &'a Appliance,
        environment: &'a dyn Environment,
        clock: &'a dyn Clock,
        log: &'a Log,
    ) -> Self {
        Self {
            appliance,
            environment,
            clock,
            log,
            is_busy: Cell::new(false),
            state: OnceCell::new(),
            reads_only: false,
            assumes: None,
            assumed: RefCell::default(),
        }
    }

    /// Assumes that stores of which nobody knows here are on the appliance and hold what is looked for, so that what stands
    /// beside it can be read. Nobody may be asked anything with such values.
    pub(crate) fn assuming(mut self, assumes: Assume) -> Self {
        self.assumes = Some(assumes);
        self
    }

    /// Returns what was assumed, each once.
    pub(crate) fn assumed(&self) -> Vec<String> {
        self.assumed.borrow().clone()
    }

    fn assume(&self, section: &str, option: &str, error: &ReferenceError) {
        let text = format!("[{section}] {option}: {error}");
        let mut assumed = self.assumed.borrow_mut();
        if !assumed.contains(&text) {
            assumed.push(text);
        }
    }

    /// Makes no state where there is none, and migrates none.
    pub(crate) fn only_reading(mut self) -> Self {
        self.reads_only = true;
        self
    }

    /// Returns the entries of a store that the caller passed.
    fn passed(&self, store: &str, host: &str, user: &str) -> Option<impl Iterator<Item = &Credential>> {
        let entries: &[StoreEntry] = self.appliance.credential_stores.get(store)?;
        let (host, user) = (host.to_owned(), user.to_owned());
        let entries = entries.iter().filter(move |entry| entry.host == host && entry.user == user);
        Some(entries.flat_map(|entry| &entry.credentials))
    }

    /// Returns the passwords in a store of the configuration.
    fn configured(
        &self,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Vec<SecretString>, ReferenceError> {
        if self.is_busy.replace(true) {
            return Err(ReferenceError::Circle(store.to_owned()));
        }
        let found = self.look_into(settings, store, host, user);
        self.is_busy.set(false);
        found
    }

    fn look_into(
        &self,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Vec<SecretString>, ReferenceError> {
        let section = format!("credential_store {store}");
        let services = SOURCES.iter().filter_map(|source| Some((source.word, source.service.as_ref()?)));
        let words: Vec<_> =
            ["file", "local"].into_iter().chain(services.clone().map(|(word, _)| word)).collect();
        let word = settings.optional_choice(PROVIDER.of(&section), &words).map_err(of(store))?;
        match word {
            None => Err(ReferenceError::NoStore(store.to_owned())),
            Some("file") => {
                let path = settings.required(FILE.of(&section)).map_err(of(store))?;
                file(store, &path, host, user)
            }
            Some("local") => self.local(settings, store, host, user),
            Some(word) => match services.into_iter().find(|(known, _)| *known == word) {
                None => Err(ReferenceError::NoStore(store.to_owned())),
                Some((_, service)) => self.service(service, settings, store, host, user),
            },
        }
    }

    fn local(
        &self,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Vec<SecretString>, ReferenceError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ReferenceError::Store {
            store: store.to_owned(),
            source,
        };
        let state = self.state(settings, store)?;
        let account = Account::parse(user).map_err(|error| failed(error.into()))?;
        let asset = Asset::parse(host).map_err(|error| failed(error.into()))?;
        let found =
            locker::find_reference(state, store, &account, &asset).map_err(|error| failed(error.into()))?;
        Ok(found.map(|found| found.entry.passwords).unwrap_or_default())
    }

    fn service(
        &self,
        service: &Service,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Vec<SecretString>, ReferenceError> {
        let section = format!("credential_store {store}");
        let tools = Tools {
            settings,
            appliance: self.appliance,
            log: self.log,
            budget: Budget::new(self.clock, PATIENCE),
            store: self.state(settings, store)?,
            session: Session::default(),
        };
        let found = (service.refer)(tools, Reference { section: &section, host, user });
        let failed = |error: CredentialError| match error {
            CredentialError::Setting(error) => of(store)(*error),
            error @ (CredentialError::NoStore(_)
            | CredentialError::NoSession
            | CredentialError::Store(_)
            | CredentialError::Locker(_)
            | CredentialError::Service { .. }
            | CredentialError::NoProvider(_)) => {
                ReferenceError::Store { store: store.to_owned(), source: error.into() }
            }
        };
        Ok(found.map_err(failed)?.into_iter().collect())
    }

    fn state(&self, settings: &Settings<'_>, store: &str) -> Result<&Store<'a>, ReferenceError> {
        if let Some(state) = self.state.get() {
            return Ok(state);
        }
        let places = Places::find(settings, self.environment).map_err(of(store))?;
        let key = KeySource::find(settings).map_err(of(store))?;
        let budget = Budget::new(self.clock, PATIENCE);
        let store = Store::new(places, move || Ok(key.clone()), self.clock, budget);
        let store = if self.reads_only { store.only_reading() } else { store };
        Ok(self.state.get_or_init(|| store))
    }
}

/// Looks into a file: hosts are its sections, users its options. What stands there is meant as it stands.
fn file(store: &str, path: &str, host: &str, user: &str) -> Result<Vec<SecretString>, ReferenceError> {
    let text = reference::read_file(path)?;
    let mut ini = Ini::new();
    ini.read_str(path, text.expose_secret())
        .map_err(|error| ReferenceError::Store { store: store.to_owned(), source: error.into() })?;
    Ok(ini.entry(host, user).map(|entry| SecretString::from(entry.value.to_owned())).into_iter().collect())
}

/// Says of a setting which store it is for; a circle stays one.
fn of(store: &str) -> impl Fn(SettingError) -> ReferenceError + '_ {
    |error| match error {
        SettingError::Reference { source: ReferenceError::Circle(store), .. } => {
            ReferenceError::Circle(store)
        }
        SettingError::Missing { .. }
        | SettingError::Invalid { .. }
        | SettingError::Reference { .. }
        | SettingError::Ini(_) => ReferenceError::Store { store: store.to_owned(), source: error.into() },
    }
}

impl Lookup for Policies<'_> {
    fn credential(
        &self,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Option<SecretString>, ReferenceError> {
        if let Some(mut passed) = self.passed(store, host, user) {
            return Ok(passed.find_map(|credential| match credential {
                Credential::Password(password) => Some(password.clone()),
                Credential::PrivateKey { .. } | Credential::Certificate { .. } => None,
            }));
        }
        match self.configured(settings, store, host, user) {
            Err(error @ ReferenceError::NoStore(_)) if self.assumes.is_some_and(|any| any(host, user)) => {
                self.assume(host, user, &error);
                Ok(Some(SecretString::from(ASSUMED)))
            }
            found => Ok(found?.into_iter().next()),
        }
    }

    fn certificate(
        &self,
        settings: &Settings<'_>,
        store: &str,
        host: &str,
        user: &str,
    ) -> Result<Option<(String, SecretString)>, ReferenceError> {
        if let Some(mut passed) = self.passed(store, host, user) {
            return Ok(passed.find_map(|credential| match credential {
                Credential::Certificate { certificate, key } => Some((certificate.clone(), key.clone())),
                Credential::Password(_) | Credential::PrivateKey { .. } => None,
            }));
        }
        // As in the option itself: one text with both in it.
        let is_certificate = |pem: &SecretString| pem.expose_secret().contains("-----BEGIN CERTIFICATE-----");
        let found = self.configured(settings, store, host, user)?.into_iter().find(is_certificate);
        Ok(found.map(|pem| (pem.expose_secret().to_owned(), pem)))
    }

    fn trusted_ca_list(&self, name: &str) -> Option<Vec<String>> {
        self.appliance.trusted_ca_lists.get(name).map(|list| list.certs.clone())
    }

    fn assumes_ca_list(&self, section: &str, option: &str, name: &str) -> bool {
        if self.assumes.is_some() {
            self.assume(section, option, &ReferenceError::NoCaList(name.to_owned()));
        }
        self.assumes.is_some()
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).and_then(|value| value.into_string().ok())
    }
}
