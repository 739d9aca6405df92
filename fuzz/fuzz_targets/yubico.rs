//! Any bytes as a validation server's response; what is read is written in order and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::mfa::YubicoResponse;

fuzz_target!(|data: &[u8]| {
    // Written anew it may be longer, and a response is bounded.
    if data.len() > 8000 {
        return;
    }
    let Some(response) = YubicoResponse::parse(data) else { return };
    let lines: Vec<_> = response.parameters().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert!(lines.len() <= 32);
    for end in ["\n", "\r\n", "\r\n\r\n"] {
        let text = lines.join(end);
        assert_eq!(YubicoResponse::parse(text.as_bytes()).as_ref(), Some(&response), "{text}");
    }
    if let Some(line) = lines.first() {
        let twice = format!("{line}\n{}", lines.join("\n"));
        assert_eq!(YubicoResponse::parse(twice.as_bytes()), None, "{twice}");
    }
});
