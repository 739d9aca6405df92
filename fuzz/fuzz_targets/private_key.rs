//! Any text as a private key. What is read is read again as the same. A passphrase is given only to old PEM files, where
//! trying one costs next to nothing; elsewhere a few bytes ask for minutes of work.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::locker::key;
use sps_plugin::secret::ExposeSecret;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let passphrase = text.contains("DEK-Info").then_some("geheim");
    match key::read(text, passphrase) {
        Ok(read) => {
            let again = key::read(read.key.expose_secret(), None).expect("what is written is read");
            assert_eq!(again.kind, read.kind);
            assert_eq!(again.key.expose_secret(), read.key.expose_secret());
        }
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
});
