//! Credentials for the target: which account, which asset, and back again exactly once.

use std::cell::Cell;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Context, Fault, Stop};
use crate::config::settings::{At, Opt};
use crate::credentials::{
    self, CredentialError, CredentialProvider, CredentialSource, Providers, Session, Tools,
};
use crate::logging::Chain;
use crate::members::{Member, SessionCookie};
use crate::names::{Account, Asset, Host};
use crate::protocol::cookie::{Cookie, Progress};
use crate::protocol::invocation::{Arguments, PluginType};
use crate::protocol::response::RemoteApp;
use crate::terms::TotpCode;

const TRIGGER_SECTION: &str = "check-in-trigger";
const TRIGGER: Opt = Opt::new(TRIGGER_SECTION, "<protocol>", "");
const TRIGGER_DEFAULT: Opt = Opt::new(TRIGGER_SECTION, "default", "session-ended");
const PREFIX: Opt = Opt::new("account", "prefix", "");
const SUFFIX: Opt = Opt::new("account", "suffix", "");
/// The generators whose assets are names of the target.
const OF_MACHINE: [&str; 4] =
    ["ip", "generate_asset_for_server_ip", "hostname", "generate_asset_for_server_hostname"];
const GENERATOR: Opt = Opt::new("assets", "generator", "hostname, ip, domain, domain_asset_mapping");
const DOMAIN_SUFFIX: Opt = Opt::new("assets", "domain_suffix", "");
/// The key of the question for the path of a secret (the Python plugin for HashiCorp Vault).
const TYPED_PATH: &str = "vp";
const MAPPING_SECTION: &str = "domain_asset_mapping";
const MAPPING: Opt = Opt::new(MAPPING_SECTION, "<domain>", "");
pub(super) const OPTIONS: &[Opt] =
    &[TRIGGER_DEFAULT, TRIGGER, PREFIX, SUFFIX, GENERATOR, DOMAIN_SUFFIX, MAPPING];

/// When a credential is given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Trigger {
    /// When the session is over.
    #[default]
    SessionEnded,
    /// When the target has taken the credential.
    AuthenticationCompleted,
}

const TRIGGERS: [&str; 2] = ["authentication-completed", "session-ended"];

/// What the credential store plugin keeps between its hooks.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckoutProgress {
    #[serde(default)]
    check_in_trigger: Trigger,
    /// What was handed out and not given back yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checked_out: Vec<CheckedOut>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckedOut {
    /// Who handed it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    account: String,
    asset: String,
}

impl Progress for CheckoutProgress {
    const PLUGIN: PluginType = PluginType::CredentialStore;
}

/// Looks for credentials for every account on every asset; the first that has one wins (SDK: `__fetch_credentials`).
///
/// `fetch` is [`CredentialProvider::passwords`] or [`CredentialProvider::private_keys`].
///
/// # Errors
/// [`Stop::Fault`]; the cookie then says, as after a vain search, that nothing is checked out.
pub fn fetch<T>(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<CheckoutProgress>,
    session_cookie: &SessionCookie,
    fetch: impl Fn(&dyn CredentialProvider, &Account, &Asset) -> Result<Vec<T>, CredentialError>,
) -> Result<Vec<T>, Stop> {
    cookie.progress.check_in_trigger = trigger(context, arguments)?;
    touch_as_the_sdk(cookie)?;
    check_in(context, arguments, cookie, "the credential of an earlier call was not taken")?;
    cookie.set_text(Member::Account, None);
    cookie.set_text(Member::Asset, None);
    let account = account(context, arguments)?;
    let Assets { in_order, of_machine } = assets(context, arguments)?;
    let tools = tools_for(context, arguments, session_cookie, &of_machine);
    let providers = Providers::from_settings(tools)?;
    for asset in &in_order {
        let ask = |provider: &dyn CredentialProvider| {
            fetch(provider, &account, asset).map(|found| (!found.is_empty()).then_some(found))
        };
        let Some((provider, found)) = providers.first(ask)? else {
            context.log.info(format_args!("nothing for account {account} on asset {asset}"));
            continue;
        };
        context.log.info(format_args!("checked out account {account} on asset {asset}"));
        cookie.set_text(Member::Account, Some(account.as_str()));
        cookie.set_text(Member::Asset, Some(asset.as_str()));
        note(cookie, provider, &account, asset);
        return Ok(found);
    }
    Ok(Vec::new())
}

/// Brings forth the members that the SDK's cookie has after it has looked at them.
fn touch_as_the_sdk(cookie: &mut Cookie<CheckoutProgress>) -> Result<(), Stop> {
    touch(cookie, Member::Account);
    if cookie.text(Member::Account)?.is_none_or(str::is_empty) {
        touch(cookie, Member::RemoteAppAccount);
    }
    Ok(())
}

fn touch(cookie: &mut Cookie<CheckoutProgress>, member: Member) {
    if !cookie.has(member) {
        cookie.set_text(member, None);
    }
}

fn note(
    cookie: &mut Cookie<CheckoutProgress>,
    provider: &CredentialSource,
    account: &Account,
    asset: &Asset,
) {
    let item = CheckedOut {
        provider: Some(provider.word.to_owned()),
        account: account.as_str().to_owned(),
        asset: asset.as_str().to_owned(),
    };
    cookie.progress.checked_out.push(item);
}

/// Answers `authentication_completed`: checks in if that is the trigger.
///
/// # Errors
/// [`Stop::Fault`].
pub fn authentication_completed(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<CheckoutProgress>,
) -> Result<(), Stop> {
    touch(cookie, Member::Account);
    touch(cookie, Member::Asset);
    match cookie.progress.check_in_trigger {
        Trigger::AuthenticationCompleted => {
            check_in(context, arguments, cookie, "the target has taken the credential")
        }
        Trigger::SessionEnded => Ok(()),
    }
}

/// Gives back what is checked out, and what the cookie does not know of.
///
/// # Errors
/// [`Stop::Fault`]; one does not keep the other from being given back.
pub(super) fn end_session(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<CheckoutProgress>,
) -> Result<(), Stop> {
    let checked_in = check_in(context, arguments, cookie, "the session is over");
    credentials::end_session(tools(context, arguments))?;
    checked_in
}

/// Gives back what is checked out, each once. What cannot be given back stays for the next hook to try.
pub(super) fn check_in(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<CheckoutProgress>,
    why: &'static str,
) -> Result<(), Stop> {
    if cookie.progress.checked_out.is_empty() {
        return Ok(());
    }
    let tools = tools(context, arguments);
    let mut failed = None;
    for item in std::mem::take(&mut cookie.progress.checked_out) {
        let (account, asset) = (Account::parse(item.account.as_str())?, Asset::parse(item.asset.as_str())?);
        context.log.info(format_args!("check-in of account {account} on asset {asset}: {why}"));
        if let Err(error) = credentials::check_in(tools, item.provider.as_deref(), &account, &asset) {
            context.log.error(format_args!("check-in failed: {}", Chain(&error)));
            cookie.progress.checked_out.push(item);
            failed = Some(error);
        }
    }
    match failed {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}

/// Answers `get_remote_app_credentials`.
///
/// # Errors
/// [`Stop::Fault`].
pub fn remote_app(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<CheckoutProgress>,
    session_cookie: &SessionCookie,
) -> Result<RemoteApp, Stop> {
    let account = chosen(session_cookie, Member::Account, arguments.server_username.as_deref())?;
    let asset = chosen(session_cookie, Member::Asset, arguments.asset.as_deref())?;
    cookie.set_text(Member::RemoteAppAccount, account);
    cookie.set_text(Member::RemoteAppAsset, asset);
    let some = |name: &&str| !name.is_empty();
    let (Some(account), Some(asset)) = (account.filter(some), asset.filter(some)) else {
        return Ok(RemoteApp { need_info: true, ..RemoteApp::default() });
    };
    let (account, asset) = (Account::parse(account)?, Asset::parse(asset)?);
    let tools = tools_for(context, arguments, session_cookie, &[]);
    let providers = Providers::from_settings(tools)?;
    let mut answer = RemoteApp {
        account: Some(account.as_str().to_owned()),
        asset: Some(asset.as_str().to_owned()),
        ..RemoteApp::default()
    };
    if let Some((provider, found)) = providers.first(|provider| provider.remote_app(&account, &asset))? {
        context
            .log
            .info(format_args!("checked out account {account} on asset {asset} for a remote application"));
        note(cookie, provider, &account, &asset);
        answer.launch_information =
            launch_information(found.launch_information.as_deref(), found.host_app.as_deref());
        answer.passwords = found.passwords;
        answer.additional_information = found.additional_information;
    }
    Ok(answer)
}

/// Returns a text of the session cookie, else the argument.
fn chosen<'a>(
    session_cookie: &'a SessionCookie,
    member: Member,
    argument: Option<&'a str>,
) -> Result<Option<&'a str>, Stop> {
    match session_cookie.get(member) {
        None | Some(Value::Null) => Ok(argument),
        Some(Value::String(text)) if text.is_empty() => Ok(argument),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::SessionCookie(member.word()).into()),
    }
}

/// Splits `--cmd x --args y --flag` into `[host_app, "--cmd", "x", "--args", "y", "--flag"]` (SDK:
/// `_parse_launch_info`); nothing without a text.
fn launch_information(text: Option<&str>, host_app: Option<&str>) -> Vec<String> {
    let Some(text) = text else { return Vec::new() };
    let mut words = vec![host_app.unwrap_or_default().to_owned()];
    for part in text.split("--").map(str::trim).filter(|part| !part.is_empty()) {
        let named =
            ["cmd", "args"].iter().find_map(|name| Some((name, part.strip_prefix(name)?.strip_prefix(' ')?)));
        match named {
            Some((name, value)) => words.extend([format!("--{name}"), value.to_owned()]),
            None => words.push(format!("--{part}")),
        }
    }
    words
}

/// Answers `get_totp_codes` for the pair that is checked out, else for every pair; `None` where the provider knows
/// no such codes.
///
/// # Errors
/// [`Stop::Fault`].
pub fn totp_codes(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &Cookie<CheckoutProgress>,
    session_cookie: &SessionCookie,
) -> Result<Option<Vec<TotpCode>>, Stop> {
    let kept = (cookie.text(Member::Account)?, cookie.text(Member::Asset)?);
    let (account, Assets { in_order, of_machine }) = match kept {
        (Some(account), Some(asset)) => (Account::parse(account)?, Assets::one(Asset::parse(asset)?)),
        _ => (account(context, arguments)?, assets(context, arguments)?),
    };
    let tools = tools_for(context, arguments, session_cookie, &of_machine);
    let providers = Providers::from_settings(tools)?;
    let known = Cell::new(false);
    for asset in &in_order {
        let ask = |provider: &dyn CredentialProvider| {
            let codes = provider.totp_codes(&account, asset)?;
            known.set(known.get() || codes.is_some());
            Ok(codes.filter(|codes| !codes.is_empty()))
        };
        if let Some((_, codes)) = providers.first(ask)? {
            return Ok(Some(codes));
        }
    }
    Ok(known.get().then(Vec::new))
}

fn tools<'a>(context: &'a Context<'a>, arguments: &'a Arguments) -> Tools<'a> {
    let session = Session {
        id: arguments.session_id.as_deref(),
        user: arguments.gateway_username.as_deref(),
        password: arguments.gateway_password.as_ref(),
        server_ip: arguments.server_ip.as_deref(),
        assets: &[],
        typed_path: None,
    };
    Tools { session, ..tools_without_session(context) }
}

/// What a provider may use where nobody is there to be served.
pub(super) fn tools_without_session<'a>(context: &'a Context<'a>) -> Tools<'a> {
    Tools {
        settings: context.settings,
        appliance: context.appliance,
        log: context.log,
        budget: context.budget,
        store: context.store,
        session: Session::default(),
    }
}

/// The same with the names of the target, and the path that the user typed in reply to a question of the AA plugin.
fn tools_for<'a>(
    context: &'a Context<'a>,
    arguments: &'a Arguments,
    session_cookie: &'a SessionCookie,
    assets: &'a [Asset],
) -> Tools<'a> {
    let tools = tools(context, arguments);
    let answers = session_cookie.get(Member::Questions);
    let typed_path = answers.and_then(|answers| answers.get(TYPED_PATH)).and_then(Value::as_str);
    Tools { session: Session { assets, typed_path, ..tools.session }, ..tools }
}

fn trigger(context: &Context<'_>, arguments: &Arguments) -> Result<Trigger, Stop> {
    let protocol = arguments.protocol.as_deref().unwrap_or_default().to_lowercase();
    let own = context.settings.optional_choice(At::named(TRIGGER_SECTION, &protocol), &TRIGGERS)?;
    let word = match own {
        Some(word) => word,
        None => context.settings.choice(&TRIGGER_DEFAULT, &TRIGGERS)?,
    };
    Ok(if word == TRIGGERS[0] { Trigger::AuthenticationCompleted } else { Trigger::SessionEnded })
}

/// Reads the options that are read for every check-out.
pub(super) fn check(context: &Context<'_>) -> Result<(), Stop> {
    let nobody = Arguments::default();
    trigger(context, &nobody)?;
    account(context, &nobody)?;
    assets(context, &nobody)?;
    Ok(())
}

fn account(context: &Context<'_>, arguments: &Arguments) -> Result<Account, Stop> {
    let prefix = context.settings.text(&PREFIX)?.unwrap_or_default();
    let suffix = context.settings.text(&SUFFIX)?.unwrap_or_default();
    // The SDK writes a null user name as Python does; configurations may rely on an entry of that name.
    let user = arguments.server_username.as_deref().unwrap_or("None");
    Ok(Account::parse(format!("{prefix}{user}{suffix}"))?)
}

/// The assets that the configuration generates for the target.
#[derive(Default)]
struct Assets {
    /// In the order in which they are tried.
    in_order: Vec<Asset>,
    /// Those of them that name the target: its host name and its address.
    of_machine: Vec<Asset>,
}

impl Assets {
    fn one(asset: Asset) -> Self {
        Self { in_order: vec![asset], ..Self::default() }
    }
}

fn assets(context: &Context<'_>, arguments: &Arguments) -> Result<Assets, Stop> {
    let suffix = context.settings.text(&DOMAIN_SUFFIX)?.filter(|suffix| !suffix.is_empty());
    let suffixed = |name: Option<&str>| match (name.filter(|name| !name.is_empty()), &suffix) {
        (Some(name), Some(suffix)) => Some(format!("{name}.{suffix}")),
        (name, _) => name.map(str::to_owned),
    };
    let mut found = Assets::default();
    for generator in context.settings.list(&GENERATOR)? {
        let asset = match generator.as_str() {
            "ip" | "generate_asset_for_server_ip" => arguments.server_ip.clone(),
            "hostname" | "generate_asset_for_server_hostname" => {
                suffixed(arguments.server_hostname.as_deref())
            }
            "domain" | "generate_asset_for_server_domain" => suffixed(arguments.server_domain.as_deref()),
            "domain_asset_mapping" | "generate_domain_asset_mapping" => {
                match arguments.server_domain.as_deref() {
                    Some(domain) => {
                        let one_form =
                            Host::parse(domain).map_or_else(|_| domain.to_owned(), |host| host.to_string());
                        match context.settings.text(At::named(MAPPING_SECTION, domain))? {
                            None => context.settings.text(At::named(MAPPING_SECTION, &one_form))?,
                            found => found,
                        }
                    }
                    None => None,
                }
            }
            _ => {
                let known = "hostname, ip, domain, domain_asset_mapping".to_owned();
                let error = context.settings.invalid(&GENERATOR, known);
                context.log.error(format_args!("{error}; anything else is skipped"));
                None
            }
        };
        if let Some(asset) = asset.filter(|asset| !asset.is_empty()) {
            let asset = Asset::parse(asset)?;
            if OF_MACHINE.contains(&generator.as_str()) {
                found.of_machine.push(asset.clone());
            }
            found.in_order.push(asset);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launch_information_is_split_as_the_sdk_splits_it() {
        assert_eq!(
            launch_information(Some("--cmd x --args y --flag"), Some("app")),
            ["app", "--cmd", "x", "--args", "y", "--flag"]
        );
        assert!(launch_information(None, Some("app")).is_empty());
        assert_eq!(launch_information(Some(""), None), [""]);
    }
}
