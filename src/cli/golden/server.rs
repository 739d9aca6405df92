//! A server on the loopback interface that answers from a script, and notes whatever is not in it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::difference::Difference;
use super::request::{Expected, Request};

/// How long the server waits for a client.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest body that `repeat` may make, in bytes.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
const MAX_ANSWERS: usize = 1000;

/// One answer, and the request that it is for. Exactly one of `status`, `raw`, `hang` and `close` is there.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scripted {
    #[serde(default)]
    expect: Expected,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A text is sent as it is, everything else as JSON.
    body: Option<Value>,
    /// How often the body is sent, for a body that is too long.
    repeat: Option<usize>,
    /// Bytes instead of an HTTP response.
    raw: Option<String>,
    /// Never answers.
    #[serde(default)]
    hang: bool,
    /// Ends the connection without an answer.
    #[serde(default)]
    close: bool,
}

/// Reads `http.json`.
pub(super) fn script(bytes: &[u8]) -> anyhow::Result<Vec<Scripted>> {
    let script: Vec<Scripted> = serde_json::from_slice(bytes)?;
    ensure!(script.len() <= MAX_ANSWERS, "there are more than {MAX_ANSWERS} answers");
    for (number, answer) in (1_usize..).zip(&script) {
        let ways = [answer.status.is_some(), answer.raw.is_some(), answer.hang, answer.close];
        let ways = ways.iter().filter(|way| **way).count();
        ensure!(ways == 1, "answer {number} needs exactly one of status, raw, hang and close");
        ensure!(
            answer.payload().len().saturating_mul(answer.times()) <= MAX_ANSWER,
            "answer {number} is too long"
        );
    }
    Ok(script)
}

impl Scripted {
    fn payload(&self) -> Vec<u8> {
        match &self.body {
            None => Vec::new(),
            Some(Value::String(text)) => text.as_bytes().to_vec(),
            Some(value) => value.to_string().into_bytes(),
        }
    }

    fn times(&self) -> usize {
        self.repeat.unwrap_or(1)
    }

    /// Returns the bytes of the answer; `None` where there is none.
    fn bytes(&self) -> Option<Vec<u8>> {
        if let Some(raw) = &self.raw {
            return Some(raw.as_bytes().to_vec());
        }
        let status = self.status?;
        let payload = self.payload().repeat(self.times());
        let has = |wanted: &str| self.headers.keys().any(|name| name.eq_ignore_ascii_case(wanted));
        let mut head = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !has("content-type") {
            head.push_str("Content-Type: application/json\r\n");
        }
        if !has("content-length") {
            head.push_str(&format!("Content-Length: {}\r\n", payload.len()));
        }
        head.push_str("\r\n");
        Some([head.into_bytes(), payload].concat())
    }
}

/// The server while a case is played.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    script: Vec<Scripted>,
    state: Mutex<State>,
    over: AtomicBool,
}

#[derive(Default)]
struct State {
    /// How many requests came.
    requests: usize,
    unexpected: Vec<Difference>,
    /// Connections that hang.
    open: Vec<TcpStream>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Listens on a free port of 127.0.0.1.
    pub(super) fn start(script: Vec<Scripted>) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on the loopback interface")?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { script, state: Mutex::new(State::default()), over: AtomicBool::new(false) });
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().spawn(move || serve(&listener, &served))?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// What `{server}` stands for.
    pub(super) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes the requests since the last call that were not as the script says.
    pub(super) fn unexpected(&self) -> Vec<Difference> {
        std::mem::take(&mut self.shared.state().unexpected)
    }

    /// Stops the server; returns what was unexpected and the answers that nobody asked for.
    pub(super) fn finish(mut self) -> Vec<Difference> {
        self.stop();
        let mut found = self.unexpected();
        let requests = self.shared.state().requests;
        let left = self.shared.script.len().saturating_sub(requests);
        if left > 0 {
            let details = vec![format!("{requests} of {} were asked for", self.shared.script.len())];
            found.push(Difference::new(format!("{left} answers of http.json are left over"), details));
        }
        found
    }

    fn stop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Wakes the thread up; where that fails there is no listener any more, and it has ended.
            if TcpStream::connect_timeout(&self.address, PATIENCE).is_ok() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { break };
        // A client that gave up halfway is the business of its own side.
        if let Some(request) = Request::read(&mut stream, PATIENCE) {
            answer(stream, &request, shared);
        } else if shared.over.load(Ordering::SeqCst) {
            break;
        }
    }
    shared.state().open.clear();
}

fn answer(mut stream: TcpStream, request: &Request, shared: &Shared) {
    let mut state = shared.state();
    let scripted = shared.script.get(state.requests);
    state.requests = state.requests.saturating_add(1);
    let number = state.requests;
    let Some(scripted) = scripted else {
        let details = vec![format!("got      {} {} {}", request.method, request.path, request.text())];
        state.unexpected.push(Difference::new(format!("request {number} is not in http.json"), details));
        return;
    };
    let wrong = request.differences(&scripted.expect);
    if !wrong.is_empty() {
        state.unexpected.push(Difference::new(format!("request {number} differs from http.json"), wrong));
        return;
    }
    if scripted.hang {
        state.open.push(stream);
        return;
    }
    drop(state);
    if let Some(bytes) = scripted.bytes() {
        let _ = stream.set_write_timeout(Some(PATIENCE));
        // A client may have read enough before the end.
        let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
        linger(&mut stream);
    }
}

/// Reads until the client is done: closing with bytes unread would reset the connection under the answer.
fn linger(stream: &mut TcpStream) {
    const MOST: u64 = 64 * 1024;
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(&mut stream.take(MOST), &mut std::io::sink());
}
