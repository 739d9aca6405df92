//! Any bytes as one text, or as two laid over each other at the first NUL: nothing panics, every answer is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::config::ini::{DEFAULT, Ini, MAX_INTERPOLATED};

fuzz_target!(|data: &[u8]| {
    let mut ini = Ini::new();
    for (text, source) in data.splitn(2, |&byte| byte == 0).zip(["plugin.ini", "configuration"]) {
        let before = format!("{ini:?}");
        if let Err(error) = ini.read_str(source, &String::from_utf8_lossy(text)) {
            assert!(!error.to_string().is_empty());
            assert_eq!(format!("{ini:?}"), before, "a text with an error changes nothing");
        }
    }
    let sections: Vec<&str> = ini.sections().chain([DEFAULT]).collect();
    for section in sections {
        for option in ini.options(section) {
            assert!(ini.has_option(section, option));
            let entry = ini.entry(section, option).expect("an option that is listed is there");
            assert!(entry.line > 0);
            match ini.get(section, option) {
                Ok(value) => {
                    let value = value.expect("an option that is listed has a value");
                    assert!(value.len() <= MAX_INTERPOLATED || value == entry.value);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
});
