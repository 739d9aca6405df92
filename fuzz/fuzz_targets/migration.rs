//! Any bytes as the message in a migration URI of Google Authenticator.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::token::import::Format;
use sps_plugin_fuzz::import;

fuzz_target!(|data: &[u8]| {
    let digits: String = data.iter().map(|byte| format!("%{byte:02x}")).collect();
    // The URI's own reader sees the bytes as they are, the message's what base64 they are.
    import(format!("otpauth-migration://offline?data={digits}").as_bytes(), Format::Otpauth);
    import(format!("otpauth-migration://offline?data={}", base64(data)).as_bytes(), Format::Otpauth);
});

fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}
