//! The vault that Aegis exports in plain JSON: `db.entries`, each with its type and `info`.

use serde::Deserialize;
use serde_json::Value;

use super::entry::{self, EntryError, Found, Place, expected};
use super::otpauth::{self, Labelled};
use super::{Batch, Defaults, ImportError};
use crate::json::Object;
use crate::token::enroll::Wanted;

/// Says why a whole vault cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AegisError {
    /// The entries are sealed with a password.
    #[error(
        "the Aegis vault is encrypted; export it without encryption, and delete that file after the import"
    )]
    Encrypted,
    /// Another program's JSON.
    #[error("the file is neither an Aegis vault nor the output of token export; export otpauth URIs instead")]
    Foreign,
}

#[derive(Deserialize)]
struct Vault {
    db: Value,
}

#[derive(Deserialize)]
struct Database {
    entries: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    token_type: String,
    name: Option<String>,
    issuer: Option<String>,
    note: Option<String>,
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    secret: String,
    algo: Option<String>,
    digits: Option<u8>,
    period: Option<u32>,
    counter: Option<u64>,
}

/// Reads the entries of a vault.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let Object(Vault { db }) = serde_json::from_str(text).map_err(|_| AegisError::Foreign)?;
    if db.is_string() {
        return Err(AegisError::Encrypted.into());
    }
    let Object(Database { entries }) = serde_json::from_value(db).map_err(|_| AegisError::Foreign)?;
    for (number, value) in (1..).zip(entries) {
        let place = Place::Entry(number);
        let entry = serde_json::from_value::<Object<Entry>>(value);
        let entry = entry.map_err(|_| expected("the entry", "as Aegis writes it"));
        let found = entry.and_then(|Object(entry)| found(entry, &place, defaults));
        batch.add(place, found)?;
    }
    Ok(())
}

fn found(entry: Entry, place: &Place, defaults: &Defaults<'_>) -> Result<Found, EntryError> {
    let token_type = otpauth::token_type(&entry.token_type)?;
    let Info { secret, algo, digits, period, counter } = entry.info;
    let mut notes = Vec::new();
    let issuer = entry.issuer.unwrap_or_default();
    let name = entry.name.unwrap_or_default();
    let Labelled { owner, serial } = Labelled::read(&name, issuer.trim(), place, defaults, &mut notes)?;
    let is_hotp = token_type == crate::store::TokenType::Hotp;
    let wanted = Wanted {
        serial,
        owner,
        description: entry.note.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
        secret: Some(entry::base32(&secret)?),
        algorithm: algo.map(|text| entry::algorithm(&text)).transpose()?.or(defaults.algorithm),
        digits: digits.or(defaults.digits),
        period: period.filter(|_| !is_hotp),
        counter: counter.filter(|_| is_hotp),
        ..Wanted::new(token_type)
    };
    Ok(Found { draft: wanted.draft()?, notes })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::logging::Chain;
    use crate::store::{Algorithm, TokenType};

    fn vault(entries: &Value) -> String {
        let header = json!({"slots": null, "params": null});
        let db = json!({"version": 3, "entries": entries, "groups": []});
        serde_json::to_string_pretty(&json!({"version": 1, "header": header, "db": db})).unwrap()
    }

    fn batch(text: &str) -> Result<Batch, ImportError> {
        let mut batch = Batch::default();
        read(text, &Defaults { realm: "default", ..Defaults::default() }, &mut batch).map(|()| batch)
    }

    #[test]
    fn a_plain_vault_is_read_and_what_cannot_be_taken_is_told() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let batch = batch(&vault(&json!([
            {"type": "totp", "uuid": "1", "name": "alice@realm1", "issuer": "ACME", "note": "a\nb", "favorite": false,
             "icon": null, "info": {"secret": secret, "algo": "SHA256", "digits": 8, "period": 60}, "groups": []},
            {"type": "hotp", "name": "bob", "issuer": "", "note": "", "icon": null,
             "info": {"secret": secret.to_lowercase(), "algo": "SHA1", "digits": 6, "counter": 5}},
            {"type": "steam", "name": "c", "issuer": "", "info": {"secret": secret, "algo": "SHA1", "digits": 5, "period": 30}},
            {"type": "totp", "name": "d", "info": {"secret": secret, "digits": 7, "period": 30}},
            {"type": "totp", "name": "e"},
        ])))
        .unwrap();
        let tokens: Vec<_> = batch.drafts().map(|draft| &draft.token).collect();
        assert_eq!((tokens[0].user.as_str(), tokens[0].realm.as_str()), ("alice", "realm1"));
        assert_eq!((tokens[0].algorithm, tokens[0].digits, tokens[0].period), (Algorithm::Sha256, 8, 60));
        assert_eq!(tokens[0].description, "a b");
        assert_eq!((tokens[1].token_type, tokens[1].counter), (TokenType::Hotp, 5));
        assert!(batch.drafts().all(|draft| &**draft.secret == b"12345678901234567890"));
        let told =
            batch.refused().iter().map(|refused| format!("{}: {}", refused.place, Chain(&refused.reason)));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "entry 3: the type has to be hotp or totp",
                "entry 4: the number of digits has to be 6 or 8",
                "entry 5: the entry has to be as Aegis writes it",
            ]
        );
    }

    #[test]
    fn an_encrypted_vault_and_other_programs_json_are_named() {
        let encrypted = r#"{"version":1,"header":{"slots":[],"params":{}},"db":"bm90aGluZw=="}"#;
        assert!(matches!(batch(encrypted), Err(ImportError::Aegis(AegisError::Encrypted))));
        for other in ["[{\"secret\":\"A\"}]", "{\"header\":{},\"db\":{}}", "{\"db\":[]}", "{"] {
            assert!(matches!(batch(other), Err(ImportError::Aegis(AegisError::Foreign))), "{other}");
        }
    }
}
