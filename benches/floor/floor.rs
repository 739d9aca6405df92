//! The least that a hook can do: reads stdin to its end and writes a constant response.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let mut invocation = Vec::new();
    io::stdin().lock().read_to_end(&mut invocation)?;
    io::stdout().lock().write_all(RESPONSE)
}

const RESPONSE: &[u8] = br#"{"verdict":"DENY","additional_metadata":"{\"reason\": \"N/A\"}","reason":"","cookie":{},"session_cookie":{}}
"#;
