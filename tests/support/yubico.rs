//! A validation server of Yubico's protocol 2.0 with one client and one code.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use sha1::Sha1;

use super::service::Request;

/// The key of client 1, as the configuration has it.
pub(crate) const API_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3Q=";
/// The public id of the one key.
pub(crate) const ID: &str = "ccccccbchvth";
/// The one code.
pub(crate) const OTP: &str = "ccccccbchvthdvbtulidunrurkdljflirjnkvtldnbjr";

pub(crate) type Parameters = BTreeMap<String, String>;

/// Makes a configuration for these servers.
pub(crate) fn asking(urls: &str, more: &str) -> String {
    format!(
        "[mfa]\nprovider=yubico\n[yubikey]\nclient_id=1\napi_key={API_KEY}\napi_urls={urls}\n{more}[yubikey_ids]\nalice={ID}\n"
    )
}

/// Reads the parameters of a request.
pub(crate) fn parameters(request: &Request) -> Parameters {
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').unwrap_or_default().1;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned()))
        .collect()
}

/// Signs parameters with [`API_KEY`].
pub(crate) fn signature(parameters: &Parameters) -> String {
    let key = BASE64.decode(API_KEY.as_bytes()).unwrap();
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
    mac.update(pairs.join("&").as_bytes());
    BASE64.encode(&mac.finalize().into_bytes())
}

/// Writes a response, signed.
pub(crate) fn signed(mut parameters: Parameters) -> String {
    let signature = signature(&parameters);
    parameters.insert("h".to_owned(), signature);
    parameters.iter().map(|(name, value)| format!("{name}={value}\r\n")).collect()
}

/// Answers a request with a status.
pub(crate) fn response(request: &Request, status: &str) -> Parameters {
    let mut known = parameters(request);
    known.retain(|name, _| matches!(name.as_str(), "otp" | "nonce"));
    known.insert("status".to_owned(), status.to_owned());
    known.insert("t".to_owned(), "2026-01-31T12:00:00Z0042".to_owned());
    known
}

/// Answers a request as a good server does that knows the one code.
pub(crate) fn answer(request: &Request) -> String {
    let mut asked = parameters(request);
    let is_signed = asked.remove("h").is_some_and(|given| given == signature(&asked));
    let status = match (asked.get("id").map(String::as_str), asked.get("otp").map(String::as_str)) {
        (Some("1"), _) if !is_signed => return "h=\r\nstatus=BAD_SIGNATURE\r\n".to_owned(),
        (Some("1"), Some(OTP)) => "OK",
        (Some("1"), _) => "BAD_OTP",
        _ => return "h=\r\nstatus=NO_SUCH_CLIENT\r\n".to_owned(),
    };
    signed(response(request, status))
}
