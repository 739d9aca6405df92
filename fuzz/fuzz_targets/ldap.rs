//! Any bytes as a message of an LDAP server and, where they are text, as a filter with a user's name behind its first
//! line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::ldap::{filter_any, read_any};

fuzz_target!(|data: &[u8]| {
    read_any(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (filter, name) = text.split_once('\n').unwrap_or((text, "alice"));
    if let Some(bytes) = filter_any(filter, name) {
        // A name is a value: another one of the same length changes no other byte, so the length is the same.
        let other = "x".repeat(name.len());
        let other = filter_any(filter, &other).expect("the filter does not depend on the name");
        assert_eq!(bytes.len(), other.len());
    }
});
