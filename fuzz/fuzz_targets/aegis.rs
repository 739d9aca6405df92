//! Any bytes as a vault of Aegis.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::token::import::Format;
use sps_plugin_fuzz::import;

fuzz_target!(|data: &[u8]| {
    if let Some(batch) = import(data, Format::Aegis) {
        assert!(data.contains(&b'{') && batch.len() <= data.len());
    }
});
