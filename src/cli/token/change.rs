//! `token set-pin`, `enable`, `disable`, `unlock`, `assign` and `delete`.

use clap::Args;

use super::{Admin, Text, known_servers};
use crate::cli::failure::Failure;
use crate::clock::UnixTime;
use crate::names;
use crate::store::{Token, TokenType};
use crate::token::enroll::{self, EnrollError};
use crate::token::{chain, known};

#[derive(Args)]
pub(super) struct Serial {
    /// The token's serial
    serial: String,
}

#[derive(Args)]
pub(super) struct SetPinArguments {
    /// The token's serial
    serial: String,
    /// The PIN; whoever lists this machine's processes can read it
    #[arg(long, conflicts_with_all = ["pin_stdin", "none"])]
    pin: Option<String>,
    /// Read the PIN from a line of stdin
    #[arg(long, conflicts_with = "none")]
    pin_stdin: bool,
    /// Take the PIN away
    #[arg(long)]
    none: bool,
    /// Read the password of a pw token from a line of stdin, before the PIN's
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Args)]
pub(super) struct AssignArguments {
    /// The token's serial
    serial: String,
    /// The new owner, as at a login: alice, or alice@realm1
    #[arg(long, required_unless_present_any = ["nobody", "forward_serial"])]
    user: Option<String>,
    /// The new owner's realm; else the token's, else [local] realm
    #[arg(long, requires = "user")]
    realm: Option<String>,
    /// Take the token from its owner
    #[arg(long, conflicts_with = "user")]
    nobody: bool,
    /// The new target of a forward token: a token's serial, or a server's section and a name there
    #[arg(long, value_name = "SERIAL", visible_alias = "target")]
    forward_serial: Option<String>,
}

#[derive(Args)]
pub(super) struct DeleteArguments {
    /// The token's serial
    serial: String,
    /// Even if forward tokens lead to it; they then have no target, even if a new token gets this serial
    #[arg(long)]
    force: bool,
}

pub(super) fn set_pin(arguments: SetPinArguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let SetPinArguments { serial, pin, pin_stdin, none, password_stdin } = arguments;
    let token = admin.store.token(&serial)?.ok_or_else(|| Failure::no_token(&serial))?;
    let is_pw = token.token_type == TokenType::Pw;
    let password = admin.input.secret("the password", None, password_stdin, is_pw)?;
    let pin = admin.input.secret("the PIN", pin, pin_stdin, !none)?;
    if pin.is_none() && !none {
        return Err(Failure::because("say --pin-stdin, --pin or --none".to_owned()));
    }
    let pin = pin.as_ref().map(|pin| pin.as_str());
    let password = password.as_ref().map(|password| password.as_str());
    let changed = enroll::set_pin(admin.store, &serial, pin, password)?;
    let token = changed.ok_or_else(|| Failure::no_token(&serial))?;
    admin.report(&token, &format!("{serial} has {} PIN", if none { "no" } else { "another" }))
}

pub(super) fn enable(arguments: &Serial, admin: &Admin<'_>, enabled: bool) -> Result<Text, Failure> {
    let token = change(admin, &arguments.serial, |token| {
        token.enabled = enabled;
        Ok(())
    })?;
    let state = if enabled { "enabled" } else { "disabled" };
    admin.report(&token, &format!("{} is {state}", token.serial))
}

pub(super) fn unlock(arguments: &Serial, admin: &Admin<'_>) -> Result<Text, Failure> {
    let token = change(admin, &arguments.serial, |token| {
        (token.fail_counter, token.failed_at) = (0, UnixTime::from_secs(0));
        Ok(())
    })?;
    admin.report(&token, &format!("{} has no failures", token.serial))
}

pub(super) fn assign(arguments: &AssignArguments, admin: &Admin<'_>) -> Result<Text, Failure> {
    let AssignArguments { serial, user, realm, nobody, forward_serial } = arguments;
    let known = admin.store.token(serial)?.ok_or_else(|| Failure::no_token(serial))?;
    // A user with a domain names the realm, as at a login; one without stays in the token's.
    let is_named =
        realm.is_some() || user.as_ref().is_some_and(|user| names::nfkc(user).contains(['@', '\\']));
    let kept = Some(known.realm.as_str()).filter(|realm| !is_named && !realm.is_empty());
    let owner = user.as_ref().map(|user| admin.owner(user, realm.as_deref().or(kept))).transpose()?;
    let leads_to = Token { target: forward_serial.clone(), ..known };
    known_servers(&leads_to)?;
    let token = change(admin, serial, |token| {
        if let Some(owner) = &owner {
            (token.user, token.realm) = (owner.user.clone(), owner.realm.clone());
        }
        if *nobody {
            (token.user, token.realm) = (String::new(), String::new());
        }
        if let Some(target) = forward_serial {
            let token_type = token.token_type;
            if token_type != TokenType::Forward {
                return Err(EnrollError::NotFor { token_type, what: "target" });
            }
            chain::check(admin.store, serial, target)?;
            token.target = Some(target.clone());
        }
        known::refuse(admin.store, [&*token])
    })?;
    let owner = if token.user.is_empty() {
        "nobody".to_owned()
    } else {
        format!("{} in {}", token.user, token.realm)
    };
    let target = token.target.as_ref().map(|target| format!(" and leads to {target}")).unwrap_or_default();
    admin.report(&token, &format!("{serial} belongs to {owner}{target}"))
}

pub(super) fn delete(arguments: &DeleteArguments, admin: &Admin<'_>) -> Result<Text, Failure> {
    let serial = &arguments.serial;
    let mut lost = Vec::new();
    let deleted = admin.store.delete_token_if(serial, |token| {
        lost.extend(admin.store.forwards_to(&token.serial)?.into_iter().map(|forward| forward.serial));
        match lost.first() {
            Some(forward) if !arguments.force => Err(Failure::because(format!(
                "the forward token {forward} leads to {serial}; delete it first, or use --force"
            ))),
            Some(_) | None => Ok(()),
        }
    })?;
    let token = deleted.ok_or_else(|| Failure::no_token(serial))?;
    let lost = if lost.is_empty() {
        String::new()
    } else {
        format!("; forward tokens without a target now: {}", lost.join(", "))
    };
    admin.report(&token, &format!("{serial} is deleted{lost}"))
}

fn change(
    admin: &Admin<'_>,
    serial: &str,
    change: impl FnOnce(&mut Token) -> Result<(), EnrollError>,
) -> Result<Token, Failure> {
    let changed = admin.store.change_token(serial, change)?;
    changed.ok_or_else(|| Failure::no_token(serial))
}
