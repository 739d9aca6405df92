//! From an invocation to an answer: configuration, context, the hook's line of steps, and the one place where a
//! [`Stop`] or a fault becomes a response.

mod doctor;
mod file;

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

pub(crate) use doctor::{Examined, examine};
use secrecy::{ExposeSecret, SecretString};

use crate::appliance::Appliance;
use crate::clock::{Budget, Clock};
use crate::config::ini::{Ini, IniError};
use crate::config::settings::{SettingError, Settings};
use crate::config::unknown;
use crate::finding::Finding;
use crate::logging::{Chain, Log};
use crate::members::SessionCookie;
use crate::options::{self, TIME_BUDGET, TYPE};
use crate::pipeline::checkout::{self, CheckoutProgress};
use crate::pipeline::online::{self, Plugins};
use crate::pipeline::overview::{self, Overview};
use crate::pipeline::{AaProgress, Context, Fault, Stop, authenticate, authorize, session_ended};
use crate::policies::Policies;
use crate::protocol::cookie::{Cookie, Progress};
use crate::protocol::invocation::{Arguments, Hook, Invocation, PluginType};
use crate::protocol::response::{Cookies, Fault as Closed, GatewayUser, Metadata, Response, Verdict};
use crate::store::{Environment, KeySource, Places, Store};

/// The section without which no credential is handed out.
const CREDENTIALS: &str = "credentials";

/// The longest configuration file, in bytes.
const MAX_CONFIGURATION: u64 = 1024 * 1024;
/// The longest time that a hook may be given, in seconds.
const MAX_BUDGET: f64 = 3600.0;

/// What the command line adds to an invocation.
#[derive(Default)]
pub(crate) struct Given {
    /// `--config FILE`.
    pub(crate) config: Option<PathBuf>,
    /// `--type`.
    pub(crate) plugin_type: Option<PluginType>,
}

/// Where things come from.
pub(crate) struct World<'a> {
    pub(crate) environment: &'a dyn Environment,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) executable_folder: &'a dyn Fn() -> Option<PathBuf>,
    pub(crate) log: &'a Log,
}

/// Says why a hook, or a command, cannot even begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(
        "no configuration: give the member \"configuration\", --config FILE or SPS_PLUGIN_CONFIG, or put a plugin.ini beside the executable"
    )]
    NoConfiguration,
    #[error("cannot read the configuration file {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {0} is longer than 1 MiB or not UTF-8")]
    NoText(PathBuf),
    #[error("configuration")]
    Ini(#[from] IniError),
    #[error("configuration")]
    Setting(#[from] SettingError),
    #[error(
        "session_ended is a hook of both plugins: say \"type\": \"aa\" or \"credentialstore\" in the invocation, --type, or [plugin] type"
    )]
    NoType,
}

/// A response and the exit status that goes with it.
pub(crate) type Answer = (Response, u8);

/// Answers an invocation. A panic in it becomes a closed response.
pub(crate) fn answer(invocation: &Invocation, given: &Given, world: &World<'_>) -> Answer {
    let guarded = catch_unwind(AssertUnwindSafe(|| start(invocation, given, world)));
    let as_it_came = || Cookies {
        cookie: invocation.arguments.cookie.clone(),
        session_cookie: invocation.arguments.session_cookie.clone(),
    };
    match guarded {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            world.log.fault(format_args!("{}", Chain(&error)));
            let closed = match error {
                StartError::NoType => Closed::Invocation,
                StartError::NoConfiguration
                | StartError::Unreadable { .. }
                | StartError::NoText(_)
                | StartError::Ini(_)
                | StartError::Setting(_) => Closed::Configuration,
            };
            (Response::closed(Some(invocation.hook), closed, as_it_came()), 2)
        }
        Err(_) => (Response::closed(Some(invocation.hook), Closed::Internal, as_it_came()), 1),
    }
}

fn start(invocation: &Invocation, given: &Given, world: &World<'_>) -> Result<Answer, StartError> {
    let log = world.log;
    log.set_session(invocation.arguments.session_id.as_deref());
    let ini = configuration(invocation.configuration.as_ref(), given, world)?;
    let lookup = Policies::new(&invocation.appliance, world.environment, world.clock, log);
    let settings = Settings::new(ini, &lookup);
    log.configure(&settings)?;
    warn_of_unknown_names(&settings, log);
    let budget = Budget::new(world.clock, settings.seconds(&TIME_BUDGET, MAX_BUDGET)?);
    let plugin_type = plugin_type(invocation, given, &settings)?;
    let store = store(&settings, world, budget)?;
    let context = Context::new(&settings, &invocation.appliance, log, budget, &store);
    Ok(match plugin_type {
        PluginType::Aa => aa(&context, invocation),
        PluginType::CredentialStore => credential_store(&context, invocation),
    })
}

/// Lets a command work with the configuration and the state that the hooks have. Here the configuration may be
/// missing; the environment then says where the state is.
pub(crate) fn administer<T>(
    given: &Given,
    world: &World<'_>,
    work: impl FnOnce(&Settings<'_>, &Store<'_>) -> T,
) -> Result<T, StartError> {
    let ini = match configuration(None, given, world) {
        Err(StartError::NoConfiguration) => Ini::new(),
        result => result?,
    };
    let appliance = Appliance::default();
    let lookup = Policies::new(&appliance, world.environment, world.clock, world.log);
    let settings = Settings::new(ini, &lookup);
    warn_of_unknown_names(&settings, world.log);
    let budget = Budget::new(world.clock, settings.seconds(&TIME_BUDGET, MAX_BUDGET)?);
    let store = store(&settings, world, budget)?;
    Ok(work(&settings, &store))
}

/// What there is to say of a configuration.
pub(crate) struct Checked {
    /// Of each plugin.
    pub(crate) overviews: Vec<Overview>,
    /// What was taken to be on the appliance.
    pub(crate) assumed: Vec<String>,
    /// Of the servers that it names, where they were asked.
    pub(crate) servers: Vec<Finding>,
}

/// Reads a configuration as the hooks of one plugin do, or of both; with `online`, asks the servers too.
pub(crate) fn overview(given: &Given, world: &World<'_>, online: bool) -> Result<Checked, StartError> {
    let appliance = Appliance::default();
    let ini = configuration(None, given, world)?;
    let lookup = Policies::new(&appliance, world.environment, world.clock, world.log).only_reading();
    // A server is asked with what is known and with nothing else.
    let lookup = if online { lookup } else { lookup.assuming(options::is_any_text) };
    let settings = Settings::new(ini, &lookup);
    warn_of_unknown_names(&settings, world.log);
    // Tells whether the log could be configured; where it goes does not change here.
    Log::new(Box::new(std::io::sink())).configure(&settings)?;
    let budget = Budget::new(world.clock, settings.seconds(&TIME_BUDGET, MAX_BUDGET)?);
    let store = store(&settings, world, budget)?.only_reading();
    let context = Context::new(&settings, &appliance, world.log, budget, &store);
    let stated = stated_type(given, &settings)?;
    let plugins = Plugins {
        aa: stated != Some(PluginType::CredentialStore),
        credential_store: stated != Some(PluginType::Aa),
    };
    let mut overviews = Vec::new();
    if plugins.aa {
        overviews.push(overview::of_aa(&context));
    }
    if plugins.credential_store {
        overviews.push(overview::of_credential_store(&context));
    }
    if let Some(first) = overviews.first_mut() {
        first.warnings.splice(0..0, options::secrets_in_the_clear(&settings));
    }
    let are_told = overviews.iter().any(|overview| !overview.errors.is_empty());
    let servers = if online { online::servers(&context, plugins, are_told) } else { Vec::new() };
    Ok(Checked { overviews, assumed: lookup.assumed(), servers })
}

/// Tells for which plugin a configuration is meant: for the one that is given or that it names, else for an AA plugin
/// and, if it says how to find credentials, for a credential store too.
pub(crate) fn plugins(given: &Given, world: &World<'_>) -> Result<Vec<PluginType>, StartError> {
    let appliance = Appliance::default();
    let ini = configuration(None, given, world)?;
    let lookup = Policies::new(&appliance, world.environment, world.clock, world.log);
    let settings = Settings::new(ini, &lookup);
    Ok(match stated_type(given, &settings)? {
        Some(stated) => vec![stated],
        None if settings.ini().has_section(CREDENTIALS) => vec![PluginType::Aa, PluginType::CredentialStore],
        None => vec![PluginType::Aa],
    })
}

fn stated_type(given: &Given, settings: &Settings<'_>) -> Result<Option<PluginType>, SettingError> {
    match given.plugin_type {
        Some(stated) => Ok(Some(stated)),
        None => Ok(settings.optional_choice(&TYPE, &PluginType::WORDS)?.and_then(PluginType::from_word)),
    }
}

fn warn_of_unknown_names(settings: &Settings<'_>, log: &Log) {
    for name in unknown::unknown_names(settings.ini(), options::known()) {
        match name.nearest {
            Some(nearest) => log.warning(format_args!("{} is unknown; is {nearest} meant?", name.name)),
            None => log.warning(format_args!("{} is unknown", name.name)),
        }
    }
}

fn store<'a>(
    settings: &'a Settings<'a>,
    world: &World<'a>,
    budget: Budget<'a>,
) -> Result<Store<'a>, SettingError> {
    let places = Places::find(settings, world.environment)?;
    Ok(Store::new(places, || KeySource::find(settings), world.clock, budget))
}

fn plugin_type(
    invocation: &Invocation,
    given: &Given,
    settings: &Settings<'_>,
) -> Result<PluginType, StartError> {
    match invocation.plugin_type.or(given.plugin_type) {
        Some(stated) => Ok(stated),
        None => {
            let word = settings.optional_choice(&TYPE, &PluginType::WORDS)?;
            word.and_then(PluginType::from_word).ok_or(StartError::NoType)
        }
    }
}

/// How a configuration file was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Option,
    Environment,
    BesideExecutable,
}

/// Finds out which file the configuration is in; whether it is there is another question.
fn place(given: &Given, world: &World<'_>) -> Option<(PathBuf, Found)> {
    let option = given.config.clone().map(|path| (path, Found::Option));
    let environment = || {
        let path = world.environment.get("SPS_PLUGIN_CONFIG")?;
        Some((PathBuf::from(path), Found::Environment))
    };
    let beside = || Some(((world.executable_folder)()?.join("plugin.ini"), Found::BesideExecutable));
    option.or_else(environment).or_else(beside)
}

/// Reads the configuration file, and lays the invocation's text over it.
fn configuration(text: Option<&SecretString>, given: &Given, world: &World<'_>) -> Result<Ini, StartError> {
    let mut ini = Ini::new();
    let (path, found) = place(given, world).unzip();
    let is_named = found.is_some_and(|found| found != Found::BesideExecutable);
    match path.map(|path| (read_file(&path, world.clock), path)) {
        Some((Ok(file), path)) => ini.read_str(&path.display().to_string(), file.expose_secret())?,
        Some((Err(StartError::Unreadable { source, .. }), _))
            if source.kind() == std::io::ErrorKind::NotFound && text.is_some() => {}
        Some((Err(StartError::Unreadable { source, .. }), _))
            if source.kind() == std::io::ErrorKind::NotFound && !is_named =>
        {
            return Err(StartError::NoConfiguration);
        }
        Some((Err(error), _)) => return Err(error),
        None if text.is_some() => {}
        None => return Err(StartError::NoConfiguration),
    }
    if let Some(text) = text {
        ini.read_str("configuration", text.expose_secret())?;
    }
    Ok(ini)
}

fn read_file(path: &Path, clock: &dyn Clock) -> Result<SecretString, StartError> {
    let failed = |source| StartError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    file::open(path, clock)
        .map_err(failed)?
        .take(MAX_CONFIGURATION.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let too_long = u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_CONFIGURATION;
    match String::from_utf8(bytes) {
        // Editors on Windows put a byte order mark in front; Python would take it for text before a section.
        Ok(text) if !too_long => {
            Ok(SecretString::from(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()))
        }
        Ok(_) | Err(_) => Err(StartError::NoText(path.to_owned())),
    }
}

fn aa(context: &Context<'_>, invocation: &Invocation) -> Answer {
    let arguments = &invocation.arguments;
    with_cookies::<AaProgress>(context, invocation, |cookie, session_cookie| match invocation.hook {
        Hook::Authenticate => {
            let accepted = authenticate::run(context, arguments, cookie, session_cookie)?;
            Ok(accept(accepted.verdict.into_metadata().with_told(accepted.told), accepted.gateway))
        }
        Hook::Authorize => {
            let accepted = authorize::run(context, arguments, cookie)?;
            Ok(accept(accepted.into_metadata(), None))
        }
        Hook::SessionEnded => {
            session_ended::of_aa(context, arguments, cookie)?;
            Ok(Box::new(|_| Response::Null))
        }
        // The invocation's type is that of its hook, so these do not come here; if they did, nothing is given away.
        Hook::GetPasswordList
        | Hook::GetPrivateKeyList
        | Hook::AuthenticationCompleted
        | Hook::GetRemoteAppCredentials
        | Hook::GetTotpCodes => Ok(closed(invocation.hook)),
    })
}

fn credential_store(context: &Context<'_>, invocation: &Invocation) -> Answer {
    let arguments = &invocation.arguments;
    with_cookies::<CheckoutProgress>(context, invocation, |cookie, session_cookie| match invocation.hook {
        Hook::GetPasswordList => {
            let passwords =
                checkout::fetch(context, arguments, cookie, session_cookie, |provider, account, asset| {
                    provider.passwords(account, asset)
                })?;
            Ok(Box::new(|cookies| Response::Passwords(passwords, cookies)))
        }
        Hook::GetPrivateKeyList => {
            let keys =
                checkout::fetch(context, arguments, cookie, session_cookie, |provider, account, asset| {
                    provider.private_keys(account, asset)
                })?;
            Ok(Box::new(|cookies| Response::PrivateKeys(keys, cookies)))
        }
        Hook::GetRemoteAppCredentials => {
            let app = checkout::remote_app(context, arguments, cookie, session_cookie)?;
            Ok(Box::new(|cookies| Response::RemoteApp(app, cookies)))
        }
        Hook::GetTotpCodes => {
            let codes = checkout::totp_codes(context, arguments, cookie, session_cookie)?;
            Ok(Box::new(|cookies| Response::TotpCodes(codes, cookies)))
        }
        Hook::AuthenticationCompleted => {
            checkout::authentication_completed(context, arguments, cookie)?;
            Ok(Box::new(Response::Cookies))
        }
        Hook::SessionEnded => {
            session_ended::of_credential_store(context, arguments, cookie)?;
            Ok(Box::new(|_| Response::Null))
        }
        Hook::Authenticate | Hook::Authorize => Ok(closed(invocation.hook)),
    })
}

/// Makes the response once the cookies are closed.
type Finish = Box<dyn FnOnce(Cookies) -> Response>;

fn accept(metadata: Metadata, gateway: Option<GatewayUser>) -> Finish {
    Box::new(|cookies| Response::Verdict(Verdict::Accept { metadata, gateway }, cookies))
}

fn closed(hook: Hook) -> Finish {
    Box::new(move |cookies| Response::closed(Some(hook), Closed::Internal, cookies))
}

/// Opens the cookies, runs the hook's steps, closes the cookies, and makes a response of whatever came out.
fn with_cookies<P: Progress>(
    context: &Context<'_>,
    invocation: &Invocation,
    steps: impl FnOnce(&mut Cookie<P>, &mut SessionCookie) -> Result<Finish, Stop>,
) -> Answer {
    let Arguments { cookie, session_cookie, session_id, .. } = &invocation.arguments;
    let mut session_cookie = SessionCookie::open(session_cookie.clone());
    let mut cookie = match Cookie::<P>::open(cookie.clone(), session_id.as_deref()) {
        Ok(cookie) => cookie,
        Err(error) => {
            context.log.fault(format_args!("invocation: {error}"));
            let cookies = Cookies { cookie: cookie.clone(), session_cookie: session_cookie.close() };
            return (Response::closed(Some(invocation.hook), Closed::Invocation, cookies), 2);
        }
    };
    let result = steps(&mut cookie, &mut session_cookie);
    // A connection that is none of ours leaves no trace in its cookie.
    let own = if matches!(result, Err(Stop::NotOurs)) {
        invocation.arguments.cookie.clone()
    } else {
        cookie.close()
    };
    let cookies = Cookies { cookie: own, session_cookie: session_cookie.close() };
    match result {
        Ok(finish) => (finish(cookies), 0),
        Err(Stop::Ask(question)) => (Response::Verdict(Verdict::NeedInfo(question), cookies), 0),
        Err(Stop::Deny(denial)) => {
            let metadata = Metadata::reason(&denial.reason).with_told(denial.told);
            (Response::Verdict(Verdict::Deny { metadata, reason: denial.shown.into_owned() }, cookies), 0)
        }
        Err(Stop::NotOurs) => {
            let name = invocation.arguments.connection_name.as_deref().unwrap_or_default();
            context.log.warning(format_args!(
                "no authentication by this plugin: [auth] skip_connections names the connection policy {}",
                crate::logging::Short(name)
            ));
            let metadata = Metadata::reason("Connection policy skipped by [auth] skip_connections");
            (Response::Verdict(Verdict::None { metadata }, cookies), 0)
        }
        Err(Stop::Fault(fault)) => {
            context.log.fault(format_args!("{}", Chain(&fault)));
            let (closed, status) = match fault {
                Fault::Setting(_) | Fault::UserList(_) => (Closed::Configuration, 2),
                Fault::Cookie(_)
                | Fault::Name(_)
                | Fault::SessionCookie(_)
                | Fault::Missing(_)
                | Fault::Complete => (Closed::Invocation, 2),
                Fault::Store(_) | Fault::Credential(_) | Fault::Provider(_) => (Closed::Internal, 1),
            };
            (Response::closed(Some(invocation.hook), closed, cookies), status)
        }
    }
}
