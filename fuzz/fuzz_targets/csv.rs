//! Any bytes as a CSV file of tokens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::token::import::Format;
use sps_plugin_fuzz::import;

fuzz_target!(|data: &[u8]| {
    if let Some(batch) = import(data, Format::Csv) {
        assert!(batch.drafts().all(|draft| !draft.token.serial.is_empty()));
    }
});
