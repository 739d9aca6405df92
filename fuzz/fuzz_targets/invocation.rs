//! Any bytes as an invocation, or after a digit as what `sps-plugin hook NAME` reads: nobody gets in, and nothing is
//! given away, unless the invocation's own configuration, cookie and policies have a road for it.
//!
//! Those roads are looked for here by the bare names of options and members, without the pipeline's code.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use serde::de::IgnoredAny;
use serde_json::Value;
use sps_plugin::config::ini::Ini;
use sps_plugin::protocol::invocation::Hook;
use sps_plugin_fuzz::{answer, names, reaches_out, says, verdict};

fuzz_target!(|data: &[u8]| -> Corpus {
    let named = data.first().and_then(|byte| Hook::ALL.get(usize::from(byte.checked_sub(b'0')?)));
    let (arguments, stdin) = match named {
        Some((name, _)) => (vec!["hook", *name], &data[1..]),
        None => (Vec::new(), data),
    };
    let is_json = std::str::from_utf8(stdin).is_ok() && serde_json::from_slice::<IgnoredAny>(stdin).is_ok();
    let whole: Value = match serde_json::from_slice(stdin) {
        Ok(whole) => whole,
        // Deep nesting and lone surrogates are JSON that this oracle cannot hold.
        Err(_) if is_json => return Corpus::Reject,
        Err(_) => Value::Null,
    };
    let mut ini = Ini::new();
    if let Some(text) = whole["configuration"].as_str() {
        // A text with an error leaves this empty, and must then lead nowhere.
        let _ = ini.read_str("configuration", text);
    }
    if reaches_out(&ini) {
        return Corpus::Reject;
    }
    let answered = answer(&arguments, stdin);
    let again = answer(&arguments, stdin);
    assert_eq!(answered.stdout, again.stdout, "the same invocation has the same response");
    assert!(is_json || answered.status == 2, "what is no JSON is refused");

    let hook = named.map(|(name, _)| *name).or_else(|| whole["hook"].as_str());
    let is_authenticate = hook == Some("authenticate");
    match verdict(&answered.response) {
        Some("ACCEPT") if is_authenticate => assert!(has_road(&ini, &whole), "{}", answered.response),
        Some("ACCEPT") => assert_eq!(hook, Some("authorize")),
        Some("NONE") => assert!(is_authenticate && ini.has_option("auth", "skip_connections")),
        Some("NEEDINFO") => assert!(is_authenticate || says(&ini, "access", "provider", "rules")),
        _ => {}
    }
    for given in ["passwords", "private_keys"] {
        let count = answered.response[given].as_array().map_or(0, Vec::len);
        assert!(count == 0 || has_store(&ini, &whole), "{}", answered.response);
    }
    Corpus::Keep
});

fn has_road(ini: &Ini, whole: &Value) -> bool {
    let accepted = &whole["arguments"]["cookie"]["__sps_plugin"]["progress"]["accepted"];
    says(ini, "mfa", "provider", "none")
        || ini.sections().any(|provider| says(ini, provider, "ignore_connection_error", "yes"))
        || ini.has_option("whitelist source=user_list", "name")
        || ini.has_option("whitelist source=ldap_server_group", "allow")
        || accepted.is_object()
}

fn has_store(ini: &Ini, whole: &Value) -> bool {
    names(ini, "credentials", "provider", "appliance") && whole["appliance"]["credential_stores"].is_object()
}
