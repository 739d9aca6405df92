//! Requests and responses of Yubico's validation protocol 2.0, and the signatures over both.
//!
//! A signature is HMAC-SHA-1 over the parameters as `name=value`, sorted by name and joined with `&`, without `h`
//! itself.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::mfa::error::{MfaError, garbled};
use crate::mfa::reason::Reason;
use crate::net;

/// The longest response, in bytes; a server's has some 200.
const MAX_RESPONSE: usize = 8 * 1024;
/// The most parameters of a response; the protocol knows nine.
const MAX_PARAMETERS: usize = 32;

/// The key of one client, under which both sides sign.
pub(super) struct Key(Zeroizing<Vec<u8>>);

/// What the server says about a code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Ok,
    /// Its status, for the operator.
    Denied(&'static str),
}

impl Key {
    pub(super) fn parse(text: &SecretString) -> Option<Self> {
        let bytes = BASE64.decode(text.expose_secret().trim().as_bytes()).ok().map(Zeroizing::new)?;
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    fn mac(&self, parameters: &BTreeMap<&str, &str>) -> Result<Hmac<Sha1>, MfaError> {
        let mut mac =
            Hmac::<Sha1>::new_from_slice(&self.0).map_err(|_| garbled("the API key cannot be used"))?;
        for (number, (name, value)) in parameters.iter().enumerate() {
            if number > 0 {
                mac.update(b"&");
            }
            for part in [name.as_bytes(), b"=", value.as_bytes()] {
                mac.update(part);
            }
        }
        Ok(mac)
    }

    /// Writes the query of a request, signed.
    pub(super) fn query(
        &self,
        client_id: &str,
        nonce: &str,
        otp: &str,
    ) -> Result<Zeroizing<String>, MfaError> {
        let mut fields = BTreeMap::from([("id", client_id), ("nonce", nonce), ("otp", otp)]);
        let signature = BASE64.encode(&self.mac(&fields)?.finalize().into_bytes());
        fields.insert("h", &signature);
        let fields: Vec<_> = fields.into_iter().collect();
        Ok(net::encoded(&fields))
    }
}

/// A response, parameter by parameter; not yet believed.
#[derive(Debug, PartialEq, Eq)]
pub struct Response<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Response<'a> {
    /// Reads lines of `name=value`. A name that comes twice, a line that is none and bytes that are no text are refused:
    /// what is signed has to have one meaning.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= MAX_RESPONSE)?;
        let mut parameters = BTreeMap::new();
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_once('=')?;
            let known = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let is_name = !name.is_empty() && name.bytes().all(known);
            let is_value = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
            if !is_name || !is_value || parameters.insert(name, value).is_some() {
                return None;
            }
        }
        (parameters.len() <= MAX_PARAMETERS).then_some(Self(parameters))
    }

    /// Returns the parameters, by name.
    pub fn parameters(&self) -> &BTreeMap<&'a str, &'a str> {
        &self.0
    }

    /// Tells whether the signature is that of this key, over all other parameters.
    fn is_signed(&self, key: &Key) -> Result<bool, MfaError> {
        let mut signed = self.0.clone();
        let Some(signature) = signed.remove("h").and_then(|text| BASE64.decode(text.as_bytes()).ok()) else {
            return Ok(false);
        };
        // Compares in constant time.
        Ok(key.mac(&signed)?.verify_slice(&signature).is_ok())
    }

    /// Tells whether a parameter is there and has this value.
    fn repeats(&self, name: &str, sent: &str) -> bool {
        self.0.get(name).is_some_and(|value| bool::from(value.as_bytes().ct_eq(sent.as_bytes())))
    }
}

/// Returns the server's time, to the second; whoever asks has found the response signed.
pub(super) fn time(body: &[u8]) -> Option<UnixTime> {
    let response = Response::parse(body)?;
    // Behind it stand milliseconds, without a dot.
    let seconds = response.0.get("t")?.get(.."2026-01-31T12:00:00Z".len())?;
    UnixTime::parse(seconds).ok()
}

/// Reads a response: whether the code is right, or what is wrong.
pub(super) fn read(body: &[u8], key: &Key, nonce: &str, otp: &str) -> Result<Said, MfaError> {
    let Some(response) = Response::parse(body) else {
        return Err(garbled("the server's response is not of the known form"));
    };
    let status = response.0.get("status").copied().unwrap_or_default();
    let is_signed = response.is_signed(key)?;
    let mistake = match status {
        "NO_SUCH_CLIENT" => Some("the server does not know [yubikey] client_id"),
        "BAD_SIGNATURE" => Some("the server has another key than [yubikey] api_key"),
        "OPERATION_NOT_ALLOWED" => Some("the server does not allow [yubikey] client_id to ask"),
        "MISSING_PARAMETER" => Some("the server misses a parameter"),
        _ => None,
    };
    if let Some(mistake) = mistake {
        // It has no key to sign this with. Believed or not, nobody gets in.
        return Err(garbled(Reason::ours(format!("{mistake} ({status})"))));
    }
    if !is_signed {
        return Err(garbled("the server's response is not signed with [yubikey] api_key"));
    }
    // A server that finds a code unusable does not always repeat it; one that finds it good does.
    let is_about = |name, sent| response.repeats(name, sent);
    let is_about_another = |name, sent| response.0.contains_key(name) && !is_about(name, sent);
    if is_about_another("nonce", nonce) || is_about_another("otp", otp) {
        return Err(garbled("the server's response is the one to another request"));
    }
    match status {
        "OK" if is_about("nonce", nonce) && is_about("otp", otp) => Ok(Said::Ok),
        "OK" => Err(garbled("the server's response does not say what it is about")),
        "REPLAYED_OTP" => Ok(Said::Denied("REPLAYED_OTP")),
        "BAD_OTP" => Ok(Said::Denied("BAD_OTP")),
        "BACKEND_ERROR" | "NOT_ENOUGH_ANSWERS" => Err(MfaError::ServiceUnreachable {
            reason: format!("the server cannot check codes at the moment ({status})"),
            source: None,
        }),
        // Among them REPLAYED_REQUEST: this request was there before, so somebody sent it twice, and it was not us.
        other => {
            let is_word =
                (1..=32).contains(&other.len()) && other.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            let word = if is_word { other } else { "nothing that is known" };
            Err(garbled(Reason::introduced("the server says ", word)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";
    const OTP: &str = "ccccccbchvthdvbtulidunrurkdljflirjnkvtldnbjr";

    fn key() -> Key {
        Key::parse(&SecretString::from("YWJjZGVmZ2hpamtsbW5vcHFyc3Q=")).unwrap()
    }

    fn signed(parameters: &[(&str, &str)]) -> String {
        let mut fields: BTreeMap<_, _> = parameters.iter().copied().collect();
        let signature = BASE64.encode(&key().mac(&fields).unwrap().finalize().into_bytes());
        fields.insert("h", &signature);
        fields.iter().map(|(name, value)| format!("{name}={value}\r\n")).collect()
    }

    fn answer(status: &str) -> String {
        signed(&[
            ("nonce", NONCE),
            ("otp", OTP),
            ("sl", "100"),
            ("status", status),
            ("t", "2026-11-21T10:00:00Z0001"),
        ])
    }

    fn said(body: &str) -> Result<Said, String> {
        match read(body.as_bytes(), &key(), NONCE, OTP) {
            Ok(said) => Ok(said),
            Err(MfaError::ServiceUnreachable { reason, .. }) => Err(format!("outage: {reason}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asserts that a response is a communication error which says this.
    fn assert_error(body: &str, piece: &str) {
        let error = said(body).unwrap_err();
        assert!(error.starts_with("communication error: ") && error.contains(piece), "{error} of {body}");
    }

    #[test]
    fn a_request_is_signed_over_its_parameters_in_order() {
        // openssl dgst -sha1 -hmac abcdefghijklmnopqrst -binary | base64
        let query = key().query("1", NONCE, OTP).unwrap();
        assert_eq!(*query, format!("h=kQjNjzTHh62af54qyADqRsfPwXE%3D&id=1&nonce={NONCE}&otp={OTP}"));
    }

    #[test]
    fn every_status_has_its_meaning() {
        assert_eq!(said(&answer("OK")), Ok(Said::Ok));
        for denial in ["REPLAYED_OTP", "BAD_OTP"] {
            assert_eq!(said(&answer(denial)), Ok(Said::Denied(denial)));
            // Yubico's own server does not repeat a code that it cannot read.
            assert_eq!(said(&signed(&[("status", denial)])), Ok(Said::Denied(denial)));
        }
        for outage in ["BACKEND_ERROR", "NOT_ENOUGH_ANSWERS"] {
            assert!(said(&answer(outage)).unwrap_err().starts_with("outage: "), "{outage}");
        }
        for mistake in ["NO_SUCH_CLIENT", "BAD_SIGNATURE", "OPERATION_NOT_ALLOWED", "MISSING_PARAMETER"] {
            assert_error(&answer(mistake), mistake);
            assert_error(&format!("h=\nstatus={mistake}\n"), mistake);
        }
        assert_error(&answer("REPLAYED_REQUEST"), "REPLAYED_REQUEST");
        for unknown in ["ok", "OK ", " OK", "OKAY", "", OTP] {
            assert!(said(&answer(unknown)).unwrap_err().starts_with("communication error: "), "{unknown}");
        }
        assert!(!said(&answer(OTP)).unwrap_err().contains(OTP));
    }

    #[test]
    fn a_response_with_any_byte_changed_is_no_yes() {
        let good = answer("OK");
        for index in 0..good.len() {
            for byte in [b'0', b'A', b'=', b'\n', b' ', b'\0', b'z'] {
                let mut body = good.clone().into_bytes();
                // The signature's last letter before the padding has two bits that mean nothing; a strict reader
                // refuses them. A line end may lose or double its parts.
                if std::mem::replace(&mut body[index], byte) == byte {
                    continue;
                }
                let is_line_end = matches!(good.as_bytes()[index], b'\r' | b'\n');
                let text = String::from_utf8(body).unwrap();
                assert!(said(&text) != Ok(Said::Ok) || (is_line_end && byte == b'\n'), "{index}: {text}");
            }
        }
        for end in 0..good.len().saturating_sub(2) {
            assert_ne!(said(good.get(..end).unwrap()), Ok(Said::Ok), "cut at {end}");
        }
    }

    #[test]
    fn what_is_signed_is_all_of_it() {
        let good = answer("OK");
        assert_eq!(said(&good.replace("\r\n", "\n")), Ok(Said::Ok));
        assert_eq!(said(&format!("\r\n{good}\r\n\r\n")), Ok(Said::Ok));
        let more =
            [("nonce", NONCE), ("otp", OTP), ("status", "OK"), ("timestamp", "8383"), ("Zebra", "a=b=")];
        assert_eq!(said(&signed(&more)), Ok(Said::Ok));
        assert_error(&format!("{good}timestamp=1\r\n"), "not signed");
        assert_error(&good.replace("sl=100\r\n", ""), "not signed");
        let without =
            signed(&more).lines().filter(|line| !line.starts_with("h=")).collect::<Vec<_>>().join("\n");
        assert_error(&without, "not signed");
        assert_error(&format!("h=\n{without}"), "not signed");
        assert_error(&format!("h=AAAA\n{without}"), "not signed");
    }

    #[test]
    fn a_parameter_that_comes_twice_is_refused_also_where_it_says_the_same() {
        let good = answer("OK");
        for twice in ["status=OK", "status=BAD_OTP", "h=AAAA", "sl=100"] {
            assert_error(&format!("{good}{twice}\r\n"), "known form");
            assert_error(&format!("{twice}\r\n{good}"), "known form");
        }
    }

    #[test]
    fn a_response_to_another_request_is_no_yes() {
        let other_nonce = "1123456789abcdef0123456789abcdef";
        let other_otp = "ccccccbchvthdvbtulidunrurkdljflirjnkvtldnbjt";
        for (nonce, otp) in [(other_nonce, OTP), (NONCE, other_otp), ("", OTP), (NONCE, ""), (OTP, NONCE)] {
            assert_error(&signed(&[("nonce", nonce), ("otp", otp), ("status", "OK")]), "another request");
            assert_error(
                &signed(&[("nonce", nonce), ("otp", otp), ("status", "BACKEND_ERROR")]),
                "another request",
            );
        }
        assert_error(&signed(&[("otp", OTP), ("status", "OK")]), "does not say");
        assert_error(&signed(&[("nonce", NONCE), ("status", "OK")]), "does not say");
        assert_error(
            &signed(&[("nonce", NONCE), ("otp", &OTP.to_uppercase()), ("status", "OK")]),
            "another request",
        );
    }

    #[test]
    fn a_response_of_another_key_is_no_yes() {
        let other = Key::parse(&SecretString::from("YWJjZGVmZ2hpamtsbW5vcHFyc3U=")).unwrap();
        let error = read(answer("OK").as_bytes(), &other, NONCE, OTP).unwrap_err().to_string();
        assert!(error.contains("not signed"), "{error}");
    }

    #[test]
    fn what_is_no_list_of_parameters_is_no_response() {
        let long = format!("a={}\n", "x".repeat(MAX_RESPONSE));
        let many: String = (0..=MAX_PARAMETERS).map(|number| format!("p{number}=1\n")).collect();
        for bad in [
            "<html>status=OK</html>",
            "status",
            "=OK",
            "status=OK\nx",
            "sta tus=OK",
            "status=OK\r\r\n",
            "status=O\tK",
            "status=\u{d6}K",
            &long,
            &many,
        ] {
            assert_error(bad, "known form");
        }
        assert!(Response::parse(b"status=\xff").is_none());
        assert_error("", "not signed");
    }

    #[test]
    fn a_key_is_base64_and_not_empty() {
        let parse = |text: &str| Key::parse(&SecretString::from(text)).is_some();
        assert!(parse("YWJjZGVmZ2hpamtsbW5vcHFyc3Q=") && parse(" YWJj\n"));
        assert!(!parse("") && !parse("YWJjZ") && !parse("geheim!") && !parse("YWJjZGVmZ2hpamtsbW5vcHFyc3Q"));
    }
}
