//! CSV (RFC 4180): the first line names the columns, in any order; `serial` and `secret` have to be there.

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::columns::Columns;
use super::entry::{self, EntryError, expected};
use super::{Batch, Defaults, ImportError};
use crate::store::TokenType;
use crate::token::enroll::{Draft, Wanted};
use crate::token::naming;

/// The columns that there may be.
pub const COLUMNS: [&str; 10] =
    ["serial", "secret", "type", "algorithm", "digits", "period", "counter", "user", "realm", "description"];

type Found = Columns<{ COLUMNS.len() }>;

/// Reads the lines of a file.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| ImportError::Header("it cannot be read".to_owned()))?.clone();
    let columns = Columns::find(&COLUMNS, &["serial", "secret"], &header).map_err(ImportError::Header)?;
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                batch.add(|| format!("line {line}"), draft(&columns, &record, defaults))?;
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let source = if let ErrorKind::UnequalLengths { len, expected_len, .. } = error.kind() {
                    EntryError::Fields { found: *len, expected: *expected_len }
                } else {
                    expected("the line", "CSV")
                };
                return Err(ImportError::Entry { place: format!("line {line}"), source });
            }
        }
    }
    Ok(())
}

fn draft(columns: &Found, record: &StringRecord, defaults: &Defaults<'_>) -> Result<Draft, EntryError> {
    let field = |name| columns.field(record, name);
    let token_type = match field("type").map(str::to_ascii_lowercase).as_deref() {
        None | Some("hotp") => TokenType::Hotp,
        Some("totp") => TokenType::Totp,
        Some(_) => return Err(expected("the type", "hotp or totp")),
    };
    let secret = field("secret").ok_or(EntryError::Missing("the secret"))?;
    let owner = match (field("user"), field("realm")) {
        (Some(user), realm) => Some(naming::owner(user, realm, defaults.realm)?),
        (None, Some(_)) => return Err(EntryError::Missing("the user of the realm")),
        (None, None) => defaults.owner.clone(),
    };
    let wanted = Wanted {
        serial: Some(field("serial").ok_or(EntryError::Missing("the serial"))?.to_owned()),
        owner,
        description: field("description").unwrap_or_default().to_owned(),
        secret: Some(entry::hex(secret)?),
        algorithm: field("algorithm").map(entry::algorithm).transpose()?,
        digits: field("digits").map(|text| entry::number("the number of digits", text)).transpose()?,
        period: field("period").map(|text| entry::number("the period", text)).transpose()?,
        counter: field("counter").map(|text| entry::number("the counter", text)).transpose()?,
        ..Wanted::new(token_type)
    };
    Ok(wanted.draft()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Algorithm, Token};

    const SECRET: &str = "3132333435363738393031323334353637383930";

    fn read_all(text: &str) -> Result<Vec<Draft>, String> {
        let defaults = Defaults { owner: None, realm: "default", pre_shared_key: None };
        let mut batch = Batch::default();
        let chain = |error| crate::logging::Chain(&error).to_string();
        read(text, &defaults, &mut batch).map(|()| batch.drafts).map_err(chain)
    }

    fn one(text: &str) -> Token {
        read_all(text).unwrap().pop().unwrap().token
    }

    #[test]
    fn columns_come_in_any_order_and_empty_fields_mean_the_default() {
        let text = format!(
            "Type, secret ,serial,digits,period,algorithm,user,realm,description,counter\r\n\
             totp,{SECRET},T1,8,60,SHA256,alice,realm1,\"Alice's, \"\"old\"\" one\",\r\n\
             ,{SECRET},H1,,,,,,,7\r\n"
        );
        let drafts = read_all(&text).unwrap();
        let [totp, hotp] = drafts.as_slice() else { panic!("{}", drafts.len()) };
        assert_eq!(&**totp.secret, b"12345678901234567890");
        let Token { serial, token_type, digits, period, algorithm, user, realm, description, .. } =
            &totp.token;
        assert_eq!((serial.as_str(), *token_type, *digits, *period), ("T1", TokenType::Totp, 8, 60));
        assert_eq!((*algorithm, user.as_str(), realm.as_str()), (Algorithm::Sha256, "alice", "realm1"));
        assert_eq!(description, "Alice's, \"old\" one");
        let Token { serial, token_type, digits, period, counter, user, realm, .. } = &hotp.token;
        assert_eq!((serial.as_str(), *token_type, *digits, *period), ("H1", TokenType::Hotp, 6, 0));
        assert_eq!((*counter, user.as_str(), realm.as_str()), (7, "", ""));
    }

    #[test]
    fn a_user_without_a_realm_is_read_as_at_a_login() {
        let token = one(&format!("serial,secret,user\nA,{SECRET},alice@realm2\n"));
        assert_eq!((token.user.as_str(), token.realm.as_str()), ("alice", "realm2"));
        let token = one(&format!("serial,secret,user\nA,{SECRET},alice\n"));
        assert_eq!((token.user.as_str(), token.realm.as_str()), ("alice", "default"));
    }

    #[test]
    fn a_line_that_is_no_token_is_named_without_its_secret() {
        let header = "serial,secret,type,digits,period,counter,algorithm,user,realm\n";
        for (line, error) in [
            ("A,zz,,,,,,,", "line 2: the secret has to be hexadecimal digits, two a byte"),
            ("A,,,,,,,,", "line 2: the secret is missing"),
            (",31,,,,,,,", "line 2: the serial is missing"),
            ("A,31,,,,,,,", "line 2: the secret has to be 10 to 128 bytes"),
            ("A,S,steam,,,,,,", "line 2: the type has to be hotp or totp"),
            ("A,S,,7,,,,,", "line 2: the number of digits has to be 6 or 8"),
            ("A,S,,-6,,,,,", "line 2: the number of digits has to be a number of decimal digits"),
            ("A,S,,300,,,,,", "line 2: the number of digits has to be a number of decimal digits"),
            ("A,S,totp,,31,,,,", "line 2: the period has to be 30 or 60 seconds"),
            ("A,S,hotp,,30,,,,", "line 2: a hotp token has no period"),
            ("A,S,totp,,,1,,,", "line 2: a totp token has no counter to set"),
            ("A,S,,,,9223372036854775808,,,", "line 2: the counter has to be below 2^63"),
            ("A,S,,,,,md5,,", "line 2: the algorithm has to be sha1, sha256 or sha512"),
            ("A,S,,,,,,,realm1", "line 2: the user of the realm is missing"),
            ("A,S,,,,,,a,b@c", "line 2: a realm is not empty and has no '@'"),
            ("A B,S,,,,,,,", "line 2: a serial has 1 to 64 letters, digits, '-', '_' or '.'"),
            ("A,S,,,,,,,\nA,S,,,,,,,", "line 3: the serial A stands in the file twice"),
            ("A,S", "line 2: there are 2 fields, and the first line names 9"),
        ] {
            let text = format!("{header}{}", line.replace('S', SECRET));
            assert_eq!(read_all(&text).err().unwrap(), error, "{line}");
        }
    }

    #[test]
    fn the_first_line_has_to_name_the_columns() {
        for (header, error) in [
            ("serial,type", "secret is missing"),
            ("secret", "serial is missing"),
            ("serial,secret,secret", "secret is there twice"),
        ] {
            let error = format!("the first line has to name the columns; {error}");
            assert_eq!(read_all(header).err().unwrap(), error, "{header}");
        }
        let without = read_all(&format!("A,{SECRET}\n")).err().unwrap();
        assert!(without.contains("column 1 is none of serial, secret"), "{without}");
        assert!(!without.contains(SECRET));
    }
}
