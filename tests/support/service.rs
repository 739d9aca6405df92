//! A service on the loopback interface that does what a script says, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::PATIENCE;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method, path and version.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection; the script reads and writes on it.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    raw: TcpStream,
    requests: Arc<Mutex<Vec<Request>>>,
    is_reset: bool,
}

impl Connection {
    /// Reads one request and remembers it; `None` where the client did not send one.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let mut head = Vec::new();
        let mut byte = [0_u8];
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => head.extend(byte),
                Ok(_) | Err(_) => return None,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request = Request { line, headers, body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.body = vec![0; length];
        self.stream.read_exact(&mut request.body).ok()?;
        self.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Sends bytes; tells whether the client still takes them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Reads so many bytes; `None` where the client sends fewer.
    pub(crate) fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).ok().map(|()| bytes)
    }

    /// Reads what comes first, whatever it is.
    pub(crate) fn anything(&mut self) {
        let mut first = [0_u8; 16 * 1024];
        let _ = self.stream.read(&mut first);
    }

    /// Says nothing until the client has gone.
    pub(crate) fn keep_silent(&mut self) {
        let mut rest = [0_u8; 1024];
        while matches!(self.stream.read(&mut rest), Ok(count) if count > 0) {}
    }

    /// Waits for a request of HTTP or LDAP in plain text, or for its first byte only, and resets the connection: this is what the system
    /// does where it is closed with bytes that are not read.
    pub(crate) fn reset(&mut self, awaited: Awaited) {
        let mut seen = [0_u8; 16 * 1024];
        while let Ok(count @ 1..) = self.raw.peek(&mut seen) {
            if awaited == Awaited::FirstByte || is_whole(&seen[..count]) {
                self.is_reset = true;
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Becomes a tunnel to another address, as a proxy does after CONNECT.
    pub(crate) fn tunnel_to(&mut self, target: SocketAddr) {
        let Ok(mut there) = TcpStream::connect(target) else { return };
        let (Ok(mut from), Ok(mut to)) = (self.raw.try_clone(), there.try_clone()) else { return };
        let up = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut there, &mut self.stream);
        let _ = self.raw.shutdown(Shutdown::Write);
        let _ = up.join();
    }
}

/// What has arrived before a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    FirstByte,
    Request,
}

fn is_whole(bytes: &[u8]) -> bool {
    if bytes.first() == Some(&0x30) {
        return super::ldap::is_whole(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.filter_map(|(_, value)| value.trim().parse::<usize>().ok()).next();
    body.len() >= length.unwrap_or(0)
}

/// A service that listens until it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Service {
    /// Runs the script on every connection, in plain text.
    pub(crate) fn plain(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::start(None, script)
    }

    /// Runs the script on the first connection, and refuses all others from then on.
    pub(crate) fn once(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        // An address of its own: no other service gets this port while it is refused.
        let listener = TcpListener::bind("127.77.0.2:0").unwrap();
        let service = Self::at(&listener);
        let (requests, connections) = (Arc::clone(&service.requests), Arc::clone(&service.connections));
        thread::spawn(move || {
            let Ok((raw, _)) = listener.accept() else { return };
            drop(listener);
            connections.fetch_add(1, Ordering::SeqCst);
            serve(raw, None, requests, &script);
        });
        service
    }

    /// Runs the script on every connection whose TLS handshake succeeds.
    pub(crate) fn tls(
        config: Arc<ServerConfig>,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(config), script)
    }

    /// Answers every request with status 200 and this JSON.
    pub(crate) fn answering(answer: &Value) -> Self {
        Self::plain(always(answer))
    }

    fn at(listener: &TcpListener) -> Self {
        Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            over: Arc::default(),
        }
    }

    fn start(
        config: Option<Arc<ServerConfig>>,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self::at(&listener);
        let (requests, connections, over) =
            (Arc::clone(&service.requests), Arc::clone(&service.connections), Arc::clone(&service.over));
        let script = Arc::new(script);
        thread::spawn(move || {
            for raw in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(raw) = raw else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let (config, requests, script) = (config.clone(), Arc::clone(&requests), Arc::clone(&script));
                thread::spawn(move || serve(raw, config, requests, script.as_ref()));
            }
        });
        service
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Counts the connections that were opened, with or without a request.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // The listener wakes up, sees that it is over, and is dropped.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    raw: TcpStream,
    config: Option<Arc<ServerConfig>>,
    requests: Arc<Mutex<Vec<Request>>>,
    script: &(impl Fn(&mut Connection) + Send + Sync),
) {
    // Nothing waits longer than the test itself would.
    let _ = raw.set_read_timeout(Some(PATIENCE));
    let _ = raw.set_write_timeout(Some(PATIENCE));
    let Ok(copy) = raw.try_clone() else { return };
    let stream: Box<dyn Stream> = match config {
        None => Box::new(copy),
        Some(config) => {
            let Ok(server) = ServerConnection::new(config) else { return };
            let mut stream = StreamOwned::new(server, copy);
            if stream.conn.complete_io(&mut stream.sock).is_err() {
                // The alert that says why is on its way.
                let _ = stream.conn.write_tls(&mut stream.sock);
                return;
            }
            Box::new(stream)
        }
    };
    let mut connection = Connection { stream, raw, requests, is_reset: false };
    script(&mut connection);
    if connection.is_reset {
        return;
    }
    let _ = connection.raw.shutdown(Shutdown::Write);
    // Closing with unread bytes would reset the connection and may destroy what was sent.
    connection.keep_silent();
}

/// A script that answers requests with this JSON, as long as there are any.
pub(crate) fn always(answer: &Value) -> impl Fn(&mut Connection) + Send + Sync + 'static {
    let reply = reply(200, "application/json", answer.to_string());
    move |connection| {
        while connection.request().is_some() && connection.send(&reply) {}
    }
}

/// Makes a response with a length.
pub(crate) fn reply(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// An address on which nobody listens: the services of these tests are on 127.0.0.1.
pub(crate) const NOBODY: &str = "127.77.0.1:9";
