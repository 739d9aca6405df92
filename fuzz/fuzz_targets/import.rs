//! Any bytes as a file of tokens, as `token import` takes it: its encoding and its format are guessed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::token::import::{Batch, Defaults};

fuzz_target!(|data: &[u8]| {
    let defaults = Defaults { realm: "default", ..Defaults::default() };
    match Batch::read(data, None, &defaults) {
        Ok(batch) => assert!(!batch.is_empty() || !batch.refused().is_empty()),
        Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
    }
});
