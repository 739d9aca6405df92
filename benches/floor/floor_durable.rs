//! The floor with one durable write: appends one page to the file that the argument names, and waits for the disk.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};

/// A page of SQLite and the header of its frame in the write-ahead log.
const FRAME: [u8; 24 + 4096] = [0; 24 + 4096];

fn main() -> io::Result<()> {
    let mut invocation = Vec::new();
    io::stdin().lock().read_to_end(&mut invocation)?;
    let path = std::env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(&FRAME)?;
    file.sync_data()?;
    io::stdout().lock().write_all(RESPONSE)
}

const RESPONSE: &[u8] = br#"{"verdict":"DENY","additional_metadata":"{\"reason\": \"N/A\"}","reason":"","cookie":{},"session_cookie":{}}
"#;
