//! Migration URIs, as Google Authenticator exports its accounts: `otpauth-migration://offline?data=BASE64`, with a message of Protocol
//! Buffers in it that has several accounts, and several URIs where one QR code is too small.

use std::collections::BTreeSet;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::entry::{EntryError, Found, Place, expected};
use super::otpauth::Labelled;
use super::{Batch, Defaults, ImportError};
use crate::store::{Algorithm, TokenType};
use crate::token::enroll::Wanted;

/// What such a URI begins with.
pub(super) const SCHEME: &str = "otpauth-migration";
/// How many accounts one URI may have; a QR code has room for some tens.
const MAX_ACCOUNTS: usize = 1000;

/// Which parts of which exports a file has.
#[derive(Default)]
pub(super) struct Parts {
    found: BTreeSet<(u64, u64, u64)>,
}

impl Parts {
    /// Names the parts that the file lacks.
    pub(super) fn missing(&self) -> Option<String> {
        let mut exports = BTreeSet::new();
        for (id, size, _) in &self.found {
            exports.insert((*id, *size));
        }
        let missing = exports.into_iter().filter_map(|(id, size)| {
            let found = self.found.iter().filter(|part| (part.0, part.1) == (id, size)).count();
            let found = u64::try_from(found).unwrap_or(u64::MAX);
            (found < size)
                .then(|| format!("only {found} of the {size} QR codes of an export are in the file"))
        });
        let missing: Vec<String> = missing.collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}

/// Reads what stands behind the scheme.
pub(super) fn read(
    rest: &str,
    line: u64,
    defaults: &Defaults<'_>,
    batch: &mut Batch,
    parts: &mut Parts,
) -> Result<(), ImportError> {
    let message = message(rest);
    let Some(payload) = message.as_deref().and_then(|message| payload(message)) else {
        return batch.add(Place::Line(line), Err(malformed()));
    };
    parts.found.insert((payload.batch_id, payload.batch_size, payload.batch_index));
    for (number, account) in (1..).zip(&payload.accounts) {
        let place = Place::Account { line, number };
        let found = account.found(&place, defaults);
        batch.add(place, found)?;
    }
    Ok(())
}

fn malformed() -> EntryError {
    expected("the line", "otpauth-migration://offline?data=BASE64 as Google Authenticator exports it")
}

/// Takes the message out of the URI: base64 of either alphabet, percent-encoded or not.
fn message(rest: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, query) = rest.split_once('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let data = query.split('&').find_map(|pair| pair.strip_prefix("data="))?;
    let data = Zeroizing::new(percent_decode_str(data).decode_utf8().ok()?.into_owned());
    // A form's decoding turns plus signs into blanks.
    let plain = Zeroizing::new(data.trim().trim_end_matches('=').replace(' ', "+"));
    let bytes = BASE64_NOPAD.decode(plain.as_bytes()).or_else(|_| BASE64URL_NOPAD.decode(plain.as_bytes()));
    bytes.ok().map(Zeroizing::new)
}

#[derive(Default)]
struct Payload<'m> {
    accounts: Vec<Account<'m>>,
    batch_size: u64,
    batch_index: u64,
    batch_id: u64,
}

/// One account, with the numbers of the enumerations as they are.
#[derive(Default)]
struct Account<'m> {
    secret: &'m [u8],
    name: &'m [u8],
    issuer: &'m [u8],
    algorithm: u64,
    digits: u64,
    token_type: u64,
    counter: u64,
}

impl Account<'_> {
    fn found(&self, place: &Place, defaults: &Defaults<'_>) -> Result<Found, EntryError> {
        let token_type = match self.token_type {
            1 => TokenType::Hotp,
            2 => TokenType::Totp,
            _ => return Err(expected("the type", "hotp or totp")),
        };
        let algorithm = match self.algorithm {
            0 => defaults.algorithm.unwrap_or(Algorithm::Sha1),
            1 => Algorithm::Sha1,
            2 => Algorithm::Sha256,
            3 => Algorithm::Sha512,
            _ => return Err(expected("the algorithm", "sha1, sha256 or sha512")),
        };
        let digits = match self.digits {
            0 => defaults.digits.unwrap_or(6),
            1 => 6,
            2 => 8,
            _ => return Err(expected("the number of digits", "6 or 8")),
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| expected("the name", "UTF-8"));
        let (name, issuer) = (text(self.name)?, text(self.issuer)?);
        let mut notes = Vec::new();
        let Labelled { owner, serial } = Labelled::read(name, issuer, place, defaults, &mut notes)?;
        let wanted = Wanted {
            serial,
            owner,
            secret: Some(Zeroizing::new(self.secret.to_vec())),
            algorithm: Some(algorithm),
            digits: Some(digits),
            counter: (token_type == TokenType::Hotp).then_some(self.counter),
            ..Wanted::new(token_type)
        };
        Ok(Found { draft: wanted.draft()?, notes })
    }
}

fn payload(message: &[u8]) -> Option<Payload<'_>> {
    let mut payload = Payload::default();
    let mut fields = Fields(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(account)) if payload.accounts.len() < MAX_ACCOUNTS => {
                payload.accounts.push(self::account(account)?);
            }
            (1, _) => return None,
            (3, Value::Number(size)) => payload.batch_size = size,
            (4, Value::Number(index)) => payload.batch_index = index,
            (5, Value::Number(id)) => payload.batch_id = id,
            (_, _) => {}
        }
    }
    (!payload.accounts.is_empty()).then_some(payload)
}

fn account(message: &[u8]) -> Option<Account<'_>> {
    let mut account = Account::default();
    let mut fields = Fields(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(secret)) => account.secret = secret,
            (2, Value::Bytes(name)) => account.name = name,
            (3, Value::Bytes(issuer)) => account.issuer = issuer,
            (4, Value::Number(algorithm)) => account.algorithm = algorithm,
            (5, Value::Number(digits)) => account.digits = digits,
            (6, Value::Number(token_type)) => account.token_type = token_type,
            (7, Value::Number(counter)) => account.counter = counter,
            // A known field of another type is another message.
            (1..=7, _) => return None,
            (_, _) => {}
        }
    }
    Some(account)
}

/// The fields of a message of Protocol Buffers, as far as these messages have them.
struct Fields<'m>(&'m [u8]);

enum Value<'m> {
    Number(u64),
    Bytes(&'m [u8]),
    Other,
}

impl<'m> Fields<'m> {
    /// Returns the next field with its number, `Some(None)` at the end, and `None` where the message is damaged.
    fn next(&mut self) -> Option<Option<(u64, Value<'m>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let part = u64::from(byte & 0x7f);
            number |= part.checked_shl(shift).filter(|shifted| shifted.checked_shr(shift) == Some(part))?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::otpauth;
    use super::*;
    use crate::logging::Chain;
    use crate::store::Token;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// What Google Authenticator writes of one account.
    fn account(name: &str, numbers: [u8; 4]) -> Vec<u8> {
        let [algorithm, digits, token_type, counter] = numbers;
        let mut message = bytes(1, b"12345678901234567890");
        message.extend(bytes(2, name.as_bytes()));
        message.extend(bytes(3, b"ACME"));
        message.extend([0x20, algorithm, 0x28, digits, 0x30, token_type, 0x38, counter]);
        // A field that is newer than the others.
        message.extend(bytes(8, b"unique id"));
        bytes(1, &message)
    }

    fn uri(message: &[u8]) -> String {
        let data = data_encoding::BASE64.encode(message);
        let data = percent_encoding::utf8_percent_encode(&data, percent_encoding::NON_ALPHANUMERIC);
        format!("otpauth-migration://offline?data={data}\n")
    }

    fn batch(text: &str) -> Batch {
        let mut batch = Batch::default();
        otpauth::read(text, &Defaults { realm: "default", ..Defaults::default() }, &mut batch).unwrap();
        batch
    }

    fn refused(text: &str) -> Vec<String> {
        let told = batch(text);
        told.refused()
            .iter()
            .map(|refused| format!("{}: {}", refused.place, Chain(&refused.reason)))
            .collect()
    }

    #[test]
    fn the_accounts_of_google_authenticator_are_read() {
        let mut message = account("ACME:alice@realm1", [1, 1, 2, 0]);
        message.extend(account("bob", [2, 2, 1, 7]));
        message.extend([0x10, 1, 0x18, 1, 0x20, 0, 0x28, 0xff, 0x01]);
        let text = uri(&message);
        let (begin, data) = text.split_once('=').unwrap();
        let plain = data.replace("%3D", "=").replace("%2B", "+").replace("%2F", "/");
        let url_safe = plain.replace('+', "-").replace('/', "_");
        for data in
            [data, &plain, &plain.replace('+', " "), &url_safe, plain.trim_end().trim_end_matches('=')]
        {
            let text = &format!("{begin}={data}");
            let found = batch(text);
            assert!(found.refused().is_empty() && found.notes.is_empty(), "{text}");
            let tokens: Vec<&Token> = found.drafts().map(|draft| &draft.token).collect();
            assert_eq!((tokens[0].user.as_str(), tokens[0].realm.as_str()), ("alice", "realm1"));
            assert_eq!((tokens[0].token_type, tokens[0].digits, tokens[0].period), (TokenType::Totp, 6, 30));
            assert_eq!((tokens[1].user.as_str(), tokens[1].realm.as_str()), ("bob", "default"));
            assert_eq!((tokens[1].token_type, tokens[1].digits, tokens[1].counter), (TokenType::Hotp, 8, 7));
            assert_eq!(tokens[1].algorithm, Algorithm::Sha256);
            assert!(found.drafts().all(|draft| &**draft.secret == b"12345678901234567890"));
        }
    }

    #[test]
    fn qr_codes_that_are_missing_are_told() {
        let part = |index| {
            let mut message = account(&format!("user{index}"), [1, 1, 2, 0]);
            message.extend([0x18, 3, 0x20, index, 0x28, 9]);
            uri(&message)
        };
        let two = format!("{}{}", part(0), part(2).replace("default", "x"));
        assert_eq!(batch(&two).notes, ["only 2 of the 3 QR codes of an export are in the file"]);
    }

    #[test]
    fn accounts_that_cannot_be_taken_are_told_one_by_one() {
        let mut message = account("a", [4, 1, 2, 0]);
        message.extend(account("b", [1, 3, 2, 0]));
        message.extend(account("c", [1, 1, 0, 0]));
        assert_eq!(
            refused(&uri(&message)),
            [
                "line 1, account 1: the algorithm has to be sha1, sha256 or sha512",
                "line 1, account 2: the number of digits has to be 6 or 8",
                "line 1, account 3: the type has to be hotp or totp",
            ]
        );
    }

    #[test]
    fn a_damaged_message_is_refused() {
        let good = account("a", [1, 1, 2, 0]);
        let wrong_type = [0x0a, 2, 0x10, 1];
        let endless = [&good[..], &[0x80; 11]].concat();
        let group = [&good[..], &[0x0b]].concat();
        for message in
            [&good[..good.len() - 1], &[0x0a], &[0x0a, 0xff, 0xff, 0x03], &wrong_type, &endless, &group, &[]]
        {
            let found = refused(&uri(message));
            assert!(found[0].starts_with("line 1: the line has to be otpauth-migration://"), "{found:?}");
        }
        for text in [
            "otpauth-migration://offline",
            "otpauth-migration://offline?data=!",
            "otpauth-migration://offline?x=CgA",
        ] {
            assert_eq!(refused(text).len(), 1, "{text}");
        }
    }
}
