//! The `http` and the `yubico` provider and directories against services that answer well, badly, slowly or not at all,
//! with and without TLS and proxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

mod contract;
mod hostile;
mod ldap;
mod proxy;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod yubico;

use serde_json::{Value, json};

use support::authenticate;

const UNREACHABLE: &str = "Backend service unreachable";
const COMMUNICATION_ERROR: &str = "Communication Error";

/// Makes the configuration for a service; `more` may go on in `[http]` and begin other sections.
fn asking(url: &str, more: &str) -> String {
    format!("[mfa]\nprovider=http\n[http]\nserver_url={url}\n{more}")
}

/// An `authenticate` of alice's with a one-time password.
fn with_otp(configuration: &str) -> Value {
    authenticate(configuration, json!({"key_value_pairs": {"otp": "123456"}}))
}
