//! `token rekey` and `credential rotate-key`: there is one store with one key, so both do the same.

use std::path::Path;

use clap::Args;
use serde_json::{Map, Value};

use super::admin::{Admin, Text, line};
use super::failure::Failure;
use crate::store::Rekeyed;

#[derive(Args)]
pub(super) struct Arguments {
    /// Read the new key, 64 hexadecimal digits, from a line of stdin; needed where [state] key names the key
    #[arg(long)]
    new_key_stdin: bool,
}

pub(super) fn run(arguments: &Arguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let is_configured = admin.store.key_is_configured()?;
    let next = match arguments.new_key_stdin {
        true => admin.input.secret("the new key", None, true, false)?,
        false if is_configured => {
            let sentence = "[state] key names the key, so the new one has to be given: --new-key-stdin";
            return Err(Failure::because(sentence.to_owned()));
        }
        false => None,
    };
    let Rekeyed { sealed, old_key } = match admin.store.sealer()? {
        Some(_) => admin.store.rekey(next.as_ref().map(|next| next.as_str()))?,
        None => return Err(Failure::because("the store holds no secrets yet, so it has no key".to_owned())),
    };
    if admin.json {
        let old_key = old_key.map_or(Value::Null, |path| Value::from(path.to_string_lossy()));
        return line(&Map::from_iter([
            ("sealed".to_owned(), Value::from(sealed)),
            ("old_key".to_owned(), old_key),
        ]));
    }
    let kept = old_key.as_deref().and_then(Path::file_name).map(|name| {
        let name = name.to_string_lossy();
        format!("the old key is kept in {name}; delete it when no older backup needs it\n")
    });
    let then = if is_configured { "; now put the new key where [state] key refers to" } else { "" };
    Ok(format!("{sealed} secrets are sealed with the new key{then}\n{}", kept.unwrap_or_default()).into())
}
