//! Any bytes as a PSKC file, with the pre-shared key and the password of RFC 6030's examples or, behind a blank, without them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::token::import::Format;
use sps_plugin_fuzz::import;

fuzz_target!(|data: &[u8]| {
    if let Some(batch) = import(data, Format::Pskc) {
        assert!(!data.windows(9).any(|word| word == b"<!DOCTYPE") || comments(data));
        assert!(batch.drafts().all(|draft| !draft.token.serial.is_empty()));
    }
});

/// A document type may stand where it is none.
fn comments(data: &[u8]) -> bool {
    [&b"<!--"[..], b"<![CDATA[", b"<?"]
        .iter()
        .any(|start| data.windows(start.len()).any(|word| word == *start))
}
