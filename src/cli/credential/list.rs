//! `credential list` and `credential show`.

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::{Admin, Failure, Place, Text, line, no_entry, summary};
use crate::cli::admin;
use crate::locker::{Entry, Found};
use crate::store::{CredentialName, EntryId};
use crate::terms::shown_on_a_line;

#[derive(Args)]
pub(super) struct ListArguments {
    /// Only entries of this account
    #[arg(long)]
    account: Option<String>,
    /// Only entries of this store for references ($)
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

#[derive(Args)]
pub(super) struct ShowArguments {
    #[command(flatten)]
    place: Place,
    /// Show the secrets too
    #[arg(long)]
    reveal: bool,
}

/// Lists entries: a table, or a JSON array with one entry a line.
pub(super) fn list(arguments: &ListArguments, admin: &Admin<'_>) -> Result<Text, Failure> {
    let mut found: Vec<(CredentialName, EntryId, Map<String, Value>)> = Vec::new();
    admin.store.each_credential(|kept| {
        let is_wanted = arguments.account.as_ref().is_none_or(|account| kept.name.account == *account)
            && arguments.store.as_ref().is_none_or(|store| kept.name.store == *store);
        if is_wanted {
            let Found { id, name, entry } = Found::open(kept)?;
            let members = summary(&name, &entry);
            found.push((name, id, members));
        }
        Ok::<(), Failure>(())
    })?;
    found.sort_by(|(one, ..), (other, ..)| {
        (&one.store, &one.account, &one.asset).cmp(&(&other.store, &other.account, &other.asset))
    });
    for (_, id, members) in &mut found {
        let holder = admin.store.holder(id, "")?;
        let session = holder.map_or(Value::Null, |holder| Value::from(holder.session_id));
        members.insert("held_by".to_owned(), session);
    }
    if admin.json {
        let mut text = String::from("[");
        for (index, (_, _, members)) in found.iter().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            text.push_str(&serde_json::to_string(members).map_err(Failure::fault)?);
        }
        text.push_str(if found.is_empty() { "]\n" } else { "\n]\n" });
        return Ok(text.into());
    }
    let holds: Vec<String> = found.iter().map(|(_, _, members)| holds(members)).collect();
    let mut rows = vec![["ACCOUNT", "ASSET", "STORE", "HOLDS", "CHECKOUT", "HELD BY", "DESCRIPTION"]];
    for ((name, _, members), holds) in found.iter().zip(&holds) {
        let text = |member: &str| members.get(member).and_then(Value::as_str).unwrap_or("-");
        let store = if name.store.is_empty() { "-" } else { &name.store };
        rows.push([
            &name.account,
            &name.asset,
            store,
            holds,
            text("checkout"),
            text("held_by"),
            text("description"),
        ]);
    }
    Ok(admin::table(&rows, |_| true).into())
}

/// Says in a few words what an entry holds.
fn holds(members: &Map<String, Value>) -> String {
    let mut parts = Vec::new();
    match members.get("passwords").and_then(Value::as_u64) {
        None | Some(0) => {}
        Some(1) => parts.push("password".to_owned()),
        Some(count) => parts.push(format!("{count} passwords")),
    }
    let keys = members.get("private_keys").and_then(Value::as_array).into_iter().flatten();
    parts.extend(keys.filter_map(Value::as_str).map(str::to_owned));
    for (member, word) in [("totp", "totp"), ("remote_app", "remote app")] {
        if members.get(member) == Some(&Value::Bool(true)) {
            parts.push(word.to_owned());
        }
    }
    parts.join(", ")
}

/// Shows one entry: a line for each member, or a JSON object.
pub(super) fn show(arguments: &ShowArguments, admin: &Admin<'_>) -> Result<Text, Failure> {
    let name = arguments.place.name()?;
    let kept = admin.store.credential(&name)?.ok_or_else(|| no_entry(&name))?;
    let Found { id, name, entry } = Found::open(kept)?;
    let mut members = summary(&name, &entry);
    let holder = admin.store.holder(&id, "")?;
    members.insert("held_by".to_owned(), holder.map_or(Value::Null, |holder| Value::from(holder.session_id)));
    let launch = &entry.launch;
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
    members.insert("launch_information".to_owned(), text(&launch.information));
    members.insert("host_app".to_owned(), text(&launch.host_app));
    if arguments.reveal {
        reveal(&mut members, &entry);
    }
    if admin.json {
        return line(&members);
    }
    let mut shown = Text::default();
    for (member, value) in &members {
        // A list that is revealed stands one a line; keys go over several.
        match value.as_array().filter(|values| arguments.reveal && !values.is_empty()) {
            Some(values) => {
                for value in values {
                    shown.push_str(&format!("{member:22} {}\n", plain(value).trim_end()));
                }
            }
            None => shown.push_str(&format!("{member:22} {}\n", shown_on_a_line(&plain(value)))),
        }
    }
    Ok(shown)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn reveal(members: &mut Map<String, Value>, entry: &Entry) {
    let passwords = entry.passwords.iter().map(|password| Value::from(password.expose_secret())).collect();
    members.insert("passwords".to_owned(), passwords);
    let keys = entry.private_keys.iter().map(|key| Value::from(key.text().expose_secret())).collect();
    members.insert("private_keys".to_owned(), keys);
    let totp = entry.totp.as_ref().map_or(Value::Null, |totp| Value::from(totp.secret.expose_secret()));
    members.insert("totp".to_owned(), totp);
    members.insert("additional_information".to_owned(), Value::Object(entry.launch.additional.clone()));
}
