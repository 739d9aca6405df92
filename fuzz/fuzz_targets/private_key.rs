//! Any text as a private key. What is read is read again as the same. A passphrase is given only to old PEM files, where
//! trying one costs next to nothing; elsewhere a few bytes ask for minutes of work.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::private_key::PrivateKey;
use sps_plugin::secret::ExposeSecret;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let passphrase = text.contains("DEK-Info").then_some("geheim");
    match PrivateKey::read(text, passphrase) {
        Ok(read) => {
            let text = read.text().expose_secret();
            assert!(text.lines().all(|line| line.len() <= 70 && line.trim() == line), "{text}");
            let again = PrivateKey::read(text, None).expect("what is written is read");
            assert_eq!(again.kind(), read.kind());
            assert_eq!(again.text().expose_secret(), text);
        }
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
});
