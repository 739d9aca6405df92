//! `token list` and `token show`.

use clap::Args;

use super::{Admin, Text, line};
use crate::cli::admin;
use crate::cli::failure::Failure;
use crate::clock::UnixTime;
use crate::store::Token;
use crate::terms::shown_on_a_line;
use crate::token::members::members;

#[derive(Args)]
pub(super) struct ListArguments {
    /// Only tokens of this user: alice in any realm, or alice@realm1
    #[arg(long)]
    user: Option<String>,
    /// Only tokens of this realm
    #[arg(long)]
    realm: Option<String>,
}

#[derive(Args)]
pub(super) struct ShowArguments {
    /// The token's serial
    serial: String,
}

/// Lists tokens: a table, or a JSON array with one token a line.
pub(super) fn list(arguments: &ListArguments, admin: &Admin<'_>) -> Result<Text, Failure> {
    let (mut user, mut realm) = (arguments.user.as_deref(), arguments.realm.as_deref());
    if realm.is_none()
        && let Some((name, its_realm)) = user.and_then(|user| user.rsplit_once('@'))
    {
        (user, realm) = (Some(name), Some(its_realm));
    }
    let tokens = admin.store.tokens(user, realm)?;
    let now = admin.store.now();
    if !admin.json {
        return Ok(table(&tokens, now).into());
    }
    let mut text = String::from("[");
    for (index, token) in tokens.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&serde_json::to_string(&members(token, now)).map_err(Failure::fault)?);
    }
    text.push_str(if tokens.is_empty() { "]\n" } else { "\n]\n" });
    Ok(text.into())
}

/// Shows one token: a line for each member, or a JSON object.
pub(super) fn show(arguments: &ShowArguments, admin: &Admin<'_>) -> Result<Text, Failure> {
    let serial = &arguments.serial;
    let token = admin.store.token(serial)?.ok_or_else(|| Failure::no_token(serial))?;
    let members = members(&token, admin.store.now());
    if admin.json {
        return line(&members);
    }
    let mut text = String::new();
    for (name, value) in &members {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = if value == "null" { "-".into() } else { shown_on_a_line(&value) };
        text.push_str(&format!("{name:13} {value}\n"));
    }
    Ok(text.into())
}

/// Tells in a word whether a token may be used, or why not.
fn state(token: &Token, now: UnixTime) -> &'static str {
    if !token.enabled {
        "disabled"
    } else if !token.is_valid(now) {
        "not valid"
    } else if token.is_locked(now) {
        "locked"
    } else {
        "usable"
    }
}

fn table(tokens: &[Token], now: UnixTime) -> String {
    let mut rows = vec![["SERIAL", "TYPE", "USER", "REALM", "STATE", "TARGET", "DESCRIPTION"]];
    rows.extend(tokens.iter().map(|token| {
        let named = |name: &'static str| name;
        let shown = |text| if str::is_empty(text) { named("-") } else { text };
        let (user, realm) = (shown(&token.user), shown(&token.realm));
        let target = token.target.as_deref().unwrap_or("-");
        [&token.serial, token.token_type.word(), user, realm, state(token, now), target, &token.description]
    }));
    // Where no token leads to another, there is no column for it.
    let has_targets = tokens.iter().any(|token| token.target.is_some());
    admin::table(&rows, |column| column != 5 || has_targets)
}
