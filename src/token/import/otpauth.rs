//! Key URIs, one a line: `otpauth://totp/ISSUER:ACCOUNT?secret=BASE32&digits=6&period=30`, as authenticator apps
//! write them.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::entry::{self, EntryError, expected};
use super::{Batch, Defaults, ImportError};
use crate::store::TokenType;
use crate::token::enroll::{Draft, Wanted};
use crate::token::naming;

/// Reads the lines of a file; empty ones and those that begin with `#` mean nothing.
pub(super) fn read(text: &str, defaults: &Defaults<'_>, batch: &mut Batch) -> Result<(), ImportError> {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            batch.add(|| format!("line {}", index.saturating_add(1)), parse(line, defaults))?;
        }
    }
    Ok(())
}

/// What a URI says behind the question mark; the rest, such as `issuer` and `image`, is for apps.
#[derive(Default)]
struct Parameters {
    secret: Option<Zeroizing<String>>,
    algorithm: Option<Zeroizing<String>>,
    digits: Option<Zeroizing<String>>,
    period: Option<Zeroizing<String>>,
    counter: Option<Zeroizing<String>>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, EntryError> {
        let mut parameters = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(malformed)?;
            let (place, name) = match name.to_ascii_lowercase().as_str() {
                "secret" => (&mut parameters.secret, "secret"),
                "algorithm" => (&mut parameters.algorithm, "algorithm"),
                "digits" => (&mut parameters.digits, "digits"),
                "period" => (&mut parameters.period, "period"),
                "counter" => (&mut parameters.counter, "counter"),
                _ => continue,
            };
            if place.replace(decode(value)?).is_some() {
                return Err(EntryError::Repeated(name));
            }
        }
        Ok(parameters)
    }
}

/// Reads one URI. The account is the owner, written as at a login; without one, the token is the default owner's.
fn parse(uri: &str, defaults: &Defaults<'_>) -> Result<Draft, EntryError> {
    let (scheme, rest) = uri.split_once("://").ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("otpauth") {
        return Err(malformed());
    }
    let (kind, rest) = rest.split_once('/').ok_or_else(malformed)?;
    let token_type = match kind.to_ascii_lowercase().as_str() {
        "hotp" => TokenType::Hotp,
        "totp" => TokenType::Totp,
        _ => return Err(expected("the type", "hotp or totp")),
    };
    let (label, query) = rest.split_once('?').ok_or_else(malformed)?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let label = decode(label)?;
    let account = label.split_once(':').map_or(label.as_str(), |(_, account)| account).trim();
    let parameters = Parameters::parse(query)?;
    let secret = parameters.secret.ok_or(EntryError::Missing("the secret"))?;
    // Apps may write a counter or a period into every URI; only the type's own counts.
    let of = |kind| move |text: &Zeroizing<String>| (token_type == kind).then(|| text.clone());
    let period = parameters.period.as_ref().and_then(of(TokenType::Totp));
    let counter = parameters.counter.as_ref().and_then(of(TokenType::Hotp));
    let owner = match account {
        "" => defaults.owner.clone(),
        account => Some(naming::owner(account, None, defaults.realm)?),
    };
    let wanted = Wanted {
        owner,
        secret: Some(entry::base32(&secret)?),
        algorithm: parameters.algorithm.map(|text| entry::algorithm(&text)).transpose()?,
        digits: parameters.digits.map(|text| entry::number("digits", &text)).transpose()?,
        period: period.map(|text| entry::number("period", &text)).transpose()?,
        counter: counter.map(|text| entry::number("counter", &text)).transpose()?,
        ..Wanted::new(token_type)
    };
    Ok(wanted.draft()?)
}

fn decode(text: &str) -> Result<Zeroizing<String>, EntryError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| Zeroizing::new(text.into_owned())).map_err(|_| malformed())
}

fn malformed() -> EntryError {
    expected("the line", "otpauth://TYPE/LABEL?secret=BASE32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Algorithm, Token};
    use crate::token::export::uri;

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn parsed(uri: &str) -> Result<Draft, String> {
        let defaults = Defaults { owner: None, realm: "default", pre_shared_key: None };
        parse(uri, &defaults).map_err(|error| error.to_string())
    }

    #[test]
    fn what_apps_write_is_read() {
        let uri = format!(
            "otpauth://totp/ACME%20Co:john.doe@email.com?secret={SECRET}&issuer=ACME%20Co&algorithm=SHA1&digits=6&period=30"
        );
        let draft = parsed(&uri).unwrap();
        assert_eq!(&**draft.secret, b"12345678901234567890");
        let Token { token_type, user, realm, digits, period, .. } = &draft.token;
        assert_eq!((user.as_str(), realm.as_str()), ("john.doe", "email.com"));
        assert_eq!((*token_type, *digits, *period), (TokenType::Totp, 6, 30));
        let draft =
            parsed("OTPAUTH://HOTP/alice?Secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq&counter=5&period=30")
                .unwrap();
        assert_eq!((draft.token.counter, draft.token.period), (5, 0));
        assert_eq!((draft.token.user.as_str(), draft.token.realm.as_str()), ("alice", "default"));
        let draft = parsed(&format!("otpauth://totp/?secret={SECRET}&algorithm=SHA512&digits=8")).unwrap();
        assert_eq!((draft.token.algorithm, draft.token.user.as_str()), (Algorithm::Sha512, ""));
    }

    #[test]
    fn what_enroll_shows_is_read_back() {
        for user in ["alice", "a:b/c?d#e&f=g%20@x", "jöhn 用户"] {
            let token = Token {
                user: user.to_owned(),
                realm: "realm 1".to_owned(),
                digits: 8,
                period: 60,
                algorithm: Algorithm::Sha256,
                ..Token::new(TokenType::Totp, "T")
            };
            let draft = parsed(&uri(&token, b"12345678901234567890").unwrap()).unwrap();
            let read = draft.token;
            assert_eq!((&read.user, &read.realm), (&token.user, &token.realm));
            assert_eq!((read.digits, read.period, read.algorithm), (8, 60, Algorithm::Sha256));
            assert_eq!(&**draft.secret, b"12345678901234567890");
        }
    }

    #[test]
    fn what_is_no_key_uri_is_refused_without_its_secret() {
        let malformed = "the line has to be otpauth://TYPE/LABEL?secret=BASE32";
        for (uri, error) in [
            ("http://totp/a?secret=S", malformed),
            ("otpauth:totp", malformed),
            ("otpauth://totp", malformed),
            ("otpauth://totp/a", malformed),
            ("otpauth://totp/a?secret", malformed),
            ("otpauth://totp/%ff?secret=S", malformed),
            ("otpauth-migration://offline?data=S", malformed),
            ("otpauth://steam/a?secret=S", "the type has to be hotp or totp"),
            ("otpauth://totp/a?digits=6", "the secret is missing"),
            ("otpauth://totp/a?secret=S&secret=S", "secret is given twice"),
            ("otpauth://totp/a?secret=S1", "the secret has to be base32 (A to Z and 2 to 7)"),
            ("otpauth://totp/a?secret=GEZA", "the secret has to be 10 to 128 bytes"),
            ("otpauth://totp/a?secret=", "the secret has to be 10 to 128 bytes"),
            ("otpauth://totp/a?secret=S&digits=x", "digits has to be a number of decimal digits"),
            ("otpauth://totp/a?secret=S&digits=7", "the number of digits has to be 6 or 8"),
            ("otpauth://totp/a?secret=S&period=15", "the period has to be 30 or 60 seconds"),
            ("otpauth://totp/a?secret=S&algorithm=MD5", "the algorithm has to be sha1, sha256 or sha512"),
            ("otpauth://totp/a%0Ab?secret=S", "the user contains a control character"),
            ("otpauth://totp/a@?secret=S", "a realm is not empty and has no '@'"),
        ] {
            let uri = uri.replace("=S", &format!("={SECRET}"));
            assert_eq!(parsed(&uri).err().unwrap(), error, "{uri}");
        }
    }
}
