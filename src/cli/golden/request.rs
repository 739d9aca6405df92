//! One HTTP request, read and compared with what was expected.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 4 * 1024 * 1024;

/// What a request has to be; what is left out is not looked at.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expected {
    method: Option<String>,
    path: Option<String>,
    /// Among others; names in any case.
    headers: BTreeMap<String, String>,
    /// A text is compared as it is, everything else as JSON.
    body: Option<Value>,
}

/// An HTTP request.
pub(super) struct Request {
    pub(super) method: String,
    /// As it came, with the query.
    pub(super) path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Reads a request whose length is told; `None` for everything else.
    pub(super) fn read(stream: &mut TcpStream, patience: Duration) -> Option<Self> {
        const END: &[u8] = b"\r\n\r\n";
        stream.set_read_timeout(Some(patience)).ok()?;
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(END.len()).position(|window| window == END) {
                break end;
            }
            if bytes.len() > MAX_HEAD {
                return None;
            }
            more(stream, &mut bytes)?;
        };
        let text = String::from_utf8_lossy(bytes.get(..head)?).into_owned();
        let mut lines = text.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(Some(0), |(_, value)| value.parse::<usize>().ok())?;
        let begin = head.saturating_add(END.len());
        let end = begin.saturating_add(length.min(MAX_BODY));
        while bytes.len() < end {
            more(stream, &mut bytes)?;
        }
        Some(Self { method, path, headers, body: bytes.get(begin..end)?.to_vec() })
    }

    /// The body.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Says what is not as expected, in lines.
    pub(super) fn differences(&self, expected: &Expected) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |what: &str, expected: String, got: String| {
            if expected != got {
                lines.push(format!("{what}:"));
                lines.push(format!("    expected {expected}"));
                lines.push(format!("    got      {got}"));
            }
        };
        if let Some(method) = &expected.method {
            compare("method", method.clone(), self.method.clone());
        }
        if let Some(path) = &expected.path {
            compare("path", path.clone(), self.path.clone());
        }
        for (name, value) in &expected.headers {
            let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            compare(name, value.clone(), found.map_or_else(|| "nothing".to_owned(), |(_, v)| v.clone()));
        }
        match &expected.body {
            None => {}
            Some(Value::String(text)) => compare("body", text.clone(), self.text()),
            Some(value) => {
                let got = serde_json::from_slice::<Value>(&self.body).ok();
                if got.as_ref() != Some(value) {
                    compare("body", value.to_string(), format!("{} ", self.text()));
                }
            }
        }
        lines
    }
}

/// Appends what comes next; `None` where nothing does.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0_u8; 8192];
    match stream.read(&mut piece) {
        Ok(count) if count > 0 => {
            bytes.extend_from_slice(piece.get(..count)?);
            Some(())
        }
        Ok(_) | Err(_) => None,
    }
}
