//! The servers, and logins at them before and while they are down.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::ldap::{ALICE, Asked as Search, directory, section, serve};
use crate::support::pki::{Ca, as_value, server};
use crate::support::radius::{ACCEPT, Asked, RadiusServer, SECRET};
use crate::support::service::{Awaited, Connection, NOBODY, Request, Service, reply};
use crate::support::yubico::{self, API_KEY, ID, OTP};
use crate::support::{Ended, Place, authenticate};
use crate::table::{Cell, Fault, Outcome, Provider, Setting, Typed};

/// The time-out where a server is silent, in seconds; a good second server has to answer within it.
const SHORT: &str = "2";
/// The time-out where every server answers, on however busy a machine.
const LONG: &str = "30";

/// The time budget where a push is waited for, in seconds.
const POLLING: &str = "12";

/// What is needed for one provider.
pub(crate) struct Stage {
    pub(crate) provider: Provider,
    /// The authority that is trusted.
    ca: Ca,
    good: Listening,
    /// The same behind TLS, where the other server has TLS too.
    good_with_tls: Option<Listening>,
    /// Its state has a local token whose password is the code.
    with_token: Place,
}

/// A server that listens until it is dropped, and its address.
struct Listening {
    address: String,
    listens: Listens,
    /// Whether the fault has begun; until then the server accepts everybody.
    is_bad: Arc<AtomicBool>,
}

enum Listens {
    Nobody,
    Stream(Service),
    Radius(RadiusServer),
}

impl Listening {
    fn stream(scheme: &str, service: Service) -> Self {
        let address = format!("{scheme}://{}", service.address);
        Self { address, listens: Listens::Stream(service), is_bad: Arc::default() }
    }

    /// Runs one script until the fault begins, and then another.
    fn turning(
        scheme: &str,
        well: fn(&mut Connection),
        script: Box<dyn Fn(&mut Connection) + Send + Sync>,
    ) -> Self {
        let is_bad = Arc::new(AtomicBool::new(false));
        let turned = Arc::clone(&is_bad);
        let service =
            Service::plain(
                move |connection| {
                    if turned.load(Ordering::SeqCst) { script(connection) } else { well(connection) }
                },
            );
        Self { is_bad, ..Self::stream(scheme, service) }
    }

    fn nobody(address: String) -> Self {
        Self { address, listens: Listens::Nobody, is_bad: Arc::default() }
    }

    fn is_untouched(&self) -> bool {
        match &self.listens {
            Listens::Nobody => true,
            Listens::Stream(service) => service.connections() == 0,
            Listens::Radius(server) => server.asked().is_empty(),
        }
    }

    fn radius(server: RadiusServer) -> Self {
        let address = server.address.to_string();
        Self { address, listens: Listens::Radius(server), is_bad: Arc::default() }
    }
}

impl Stage {
    pub(crate) fn new(provider: Provider) -> Self {
        let ca = Ca::new("own");
        let identity = server(&ca.issue("127.0.0.1"), None);
        let (good, good_with_tls) = match provider {
            Provider::Radius => {
                let server = RadiusServer::answering(|_, asked| vec![asked.answer(ACCEPT, b"")]);
                (Listening::radius(server), None)
            }
            Provider::Ldap => {
                let with_tls = Listening::stream("ldaps", Service::tls(identity, serve));
                (Listening::stream("ldap", directory()), Some(with_tls))
            }
            Provider::Http
            | Provider::EduMfa
            | Provider::PrivacyIdea
            | Provider::LinOtp
            | Provider::Yubico => {
                let with_tls = Listening::stream("https", Service::tls(identity, accepting));
                (Listening::stream("http", Service::plain(accepting)), Some(with_tls))
            }
        };
        let with_token = Place::new();
        let enroll = ["token", "enroll", "--type", "spass", "--serial", "S1", "--user", "alice", "--pin"];
        let ended = with_token.run(&[&enroll[..], &[code(provider)]].concat(), "");
        assert_eq!(ended.status, Some(0), "{ended:?}");
        Self { provider, ca, good, good_with_tls, with_token }
    }

    /// Logs in while the server is well, if it ever is, and three times afterwards; returns the three outcomes, and the
    /// last login.
    pub(crate) fn play(&self, cell: Cell) -> ([Outcome; 3], Ended) {
        let place = Place::new();
        if cell.setting == Setting::Fallback {
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(self.with_token.state()).arg(place.state());
            assert!(copy.status().unwrap().success());
        }
        let bad = match cell.typed {
            Typed::Pin => self.dying(cell.fault),
            Typed::Code | Typed::Megabyte | Typed::Nothing => self.server(cell.fault),
        };
        let typed = match cell.typed {
            Typed::Code | Typed::Pin => code(self.provider).to_owned(),
            Typed::Megabyte => "1".repeat(1_000_000),
            Typed::Nothing => String::new(),
        };
        let configuration = self.configuration(cell, &bad.address);
        let login = |clock: &str, typed: &str| {
            let more = json!({"key_value_pairs": {"otp": typed}});
            place.run(&["--clock", clock], authenticate(&configuration, more).to_string().as_str())
        };
        if cell.typed == Typed::Megabyte {
            // No server is asked, so the next logins are the same one.
            let ended = login("1000", &typed);
            let outcome = if bad.is_untouched() { outcome(&ended) } else { Outcome::Other };
            return ([outcome; 3], ended);
        }
        if cell.typed == Typed::Pin {
            let ended = login("1000", &typed);
            return ([outcome(&ended); 3], ended);
        }
        if cell.fault.begins() {
            let ended = login("900", code(self.provider));
            assert_eq!(ended.verdict(), "ACCEPT", "{cell:?}: {ended:?}");
        }
        bad.is_bad.store(true, Ordering::SeqCst);
        let [first, next, _, _, later] =
            ["1000", "1001", "1028", "1050", "1061"].map(|clock| login(clock, &typed));
        ([outcome(&first), outcome(&next), outcome(&later)], later)
    }

    fn configuration(&self, cell: Cell, bad: &str) -> String {
        let fallback = if cell.setting == Setting::Fallback { "fallback=local\n" } else { "" };
        let more = if cell.setting == Setting::Ignore { "ignore_connection_error=yes\n" } else { "" };
        let is_silent = matches!(cell.fault, Fault::Silence | Fault::SilenceToCodes);
        let timeout = if is_silent { SHORT } else { LONG };
        let is_tls = matches!(cell.fault, Fault::TlsRefused | Fault::CertificateRefused);
        let second = self.good_with_tls.as_ref().filter(|_| is_tls).unwrap_or(&self.good);
        let servers = match cell.setting {
            Setting::Ignore | Setting::Fallback => bad.to_owned(),
            Setting::TwoServers => format!("{bad}, {}", second.address),
        };
        let name = self.provider.name();
        // A push whose server is away is asked about until the end of this time.
        let budget = if cell.typed == Typed::Pin { POLLING } else { "90" };
        let head =
            format!("[plugin]\ntime_budget={budget}\n[mfa]\noutage_after=60\nprovider={name}\n{fallback}");
        let ca = as_value(&self.ca.pem());
        let section = match self.provider {
            Provider::Http | Provider::EduMfa | Provider::PrivacyIdea | Provider::LinOtp => {
                let polls = if cell.typed == Typed::Pin { "poll_interval=60\n" } else { "" };
                format!("[{name}]\nserver_url={servers}\ntimeout={timeout}\n{polls}{more}")
            }
            Provider::Yubico => format!(
                "[yubikey_ids]\nalice={ID}\n[yubikey]\nclient_id=1\napi_key={API_KEY}\napi_urls={servers}\n\
                 timeout={timeout}\n{more}"
            ),
            Provider::Radius => format!(
                "[radius]\nserver={servers}\nsecret={SECRET}\nconn_retries=1\nconn_timeout={timeout}\n{more}"
            ),
            Provider::Ldap => {
                format!("[ldap]\nserver=ad\n{}timeout={timeout}\n", section(&servers))
            }
        };
        format!("{head}{section}[tls]\nca_cert={ca}\n")
    }

    /// Starts a server that begins a push, and has this fault from then on.
    fn dying(&self, fault: Fault) -> Listening {
        let provider = self.provider;
        let begin = move |connection: &mut Connection| {
            connection.request();
            connection.send(reply(200, "application/json", challenge(provider).to_string()));
        };
        if fault == Fault::Refused {
            return Listening::stream("http", Service::once(begin));
        }
        let script = http(fault);
        let has_begun = AtomicBool::new(false);
        Listening::stream(
            "http",
            Service::plain(move |connection| {
                if has_begun.swap(true, Ordering::SeqCst) { script(connection) } else { begin(connection) }
            }),
        )
    }

    /// Starts the server with this fault.
    fn server(&self, fault: Fault) -> Listening {
        match self.provider {
            Provider::Radius => radius(fault),
            Provider::Ldap => self.stream("ldap", fault, ldap(fault)),
            Provider::Http
            | Provider::EduMfa
            | Provider::PrivacyIdea
            | Provider::LinOtp
            | Provider::Yubico => self.stream("http", fault, http(fault)),
        }
    }

    /// What is refused before the protocol begins, or else the script.
    fn stream(
        &self,
        scheme: &str,
        fault: Fault,
        script: Box<dyn Fn(&mut Connection) + Send + Sync>,
    ) -> Listening {
        match fault {
            Fault::Refused => Listening::nobody(format!("{scheme}://{NOBODY}")),
            Fault::TlsRefused => Listening::stream(
                &format!("{scheme}s"),
                Service::plain(|connection| {
                    connection.anything();
                    // The alert handshake_failure.
                    connection.send(b"\x15\x03\x03\x00\x02\x02\x28");
                }),
            ),
            Fault::CertificateRefused => {
                let other = server(&Ca::new("other").issue("127.0.0.1"), None);
                Listening::stream(&format!("{scheme}s"), Service::tls(other, script))
            }
            Fault::ResetBefore
            | Fault::ResetAfter
            | Fault::HangUp
            | Fault::Silence
            | Fault::Status502
            | Fault::Status503
            | Fault::Status504
            | Fault::SilenceToCodes
            | Fault::HangUpOnCodes
            | Fault::Status503ForCodes
            | Fault::Status413
            | Fault::Status429
            | Fault::Status500
            | Fault::Html
            | Fault::AfterStatus => {
                let well = if scheme == "ldap" { serve } else { accepting };
                Listening::turning(scheme, well, script)
            }
        }
    }
}

/// What the user types, and what the good server and the local token accept.
fn code(provider: Provider) -> &'static str {
    match provider {
        Provider::Yubico => OTP,
        Provider::Ldap => ALICE,
        Provider::Http | Provider::EduMfa | Provider::PrivacyIdea | Provider::LinOtp | Provider::Radius => {
            "123456"
        }
    }
}

fn outcome(ended: &Ended) -> Outcome {
    let response = ended.response();
    let metadata: Value =
        serde_json::from_str(response["additional_metadata"].as_str().unwrap_or("{}")).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match (ended.verdict().as_str(), text(&metadata["by"]).as_str(), text(&response["reason"]).as_str()) {
        ("ACCEPT", "ignore_connection_error", _) => Outcome::Ignored,
        ("ACCEPT", "local", _) => Outcome::Local,
        ("ACCEPT", _, _) => Outcome::Second,
        ("DENY", _, "Authentication failed") => Outcome::Failed,
        ("DENY", _, "Backend service unreachable") => Outcome::Unreachable,
        ("DENY", _, "Communication Error") => Outcome::Error,
        _ => Outcome::Other,
    }
}

/// Whether a request is a second question, which contains nothing that was typed and asks about no push.
fn is_harmless(request: &Request) -> bool {
    let is_of_a_login = request.line.contains("otp=") || request.line.contains("/polltransaction/");
    request.line.starts_with("GET ") && !is_of_a_login
}

/// The transaction of the push.
const PUSH: &str = "05409508947459938508";

/// The answer that begins a push.
fn challenge(provider: Provider) -> Value {
    let detail = if provider == Provider::LinOtp {
        json!({"transactionid": PUSH, "message": "", "linotp_tokenserial": "PUSH1", "linotp_tokentype": "push"})
    } else {
        let one = json!({"client_mode": "poll", "message": "Confirm it", "serial": "PUSH1",
            "transaction_id": PUSH, "type": "push"});
        json!({"client_mode": "poll", "message": "Confirm it", "multi_challenge": [one], "serial": "PUSH1",
            "transaction_id": PUSH, "type": "push"})
    };
    let result = if provider == Provider::LinOtp {
        json!({"status": true, "value": false})
    } else {
        json!({"status": true, "value": false, "authentication": "CHALLENGE"})
    };
    json!({"result": result, "detail": detail, "version": "3"})
}

/// A server that accepts whatever it is asked, in the words of all of them.
fn accepting(connection: &mut Connection) {
    while let Some(request) = connection.request() {
        let answer = if request.line.contains("otp=") {
            reply(200, "text/plain", yubico::answer(&request))
        } else {
            let detail = if request.line.contains("/validate/check_status") {
                let token = json!({"serial": "PUSH1", "type": "push"});
                json!({"transactions": {PUSH: {"status": "closed", "valid_tan": true, "accept": true, "token": token}}})
            } else {
                json!({"serial": "THERE1", "type": "hotp"})
            };
            let answer = json!({"result": answer_of(&request), "detail": detail, "version": "3"});
            reply(200, "application/json", answer.to_string())
        };
        connection.send(answer);
    }
}

/// The `http` provider's contract has a word, and the others a member.
fn answer_of(request: &Request) -> Value {
    let is_family = request.line.contains("/validate/");
    if is_family { json!({"status": true, "value": true}) } else { json!("ACCEPT") }
}

fn http(fault: Fault) -> Box<dyn Fn(&mut Connection) + Send + Sync> {
    let answering = |bytes: Vec<u8>| -> Box<dyn Fn(&mut Connection) + Send + Sync> {
        Box::new(move |connection| while connection.request().is_some() && connection.send(&bytes) {})
    };
    let status = |status: u16| answering(reply(status, "text/html", "<html>Sorry</html>"));
    match fault {
        Fault::ResetBefore => Box::new(|connection| connection.reset(Awaited::FirstByte)),
        Fault::ResetAfter => Box::new(|connection| connection.reset(Awaited::Request)),
        Fault::HangUp => Box::new(|connection| drop(connection.request())),
        Fault::Silence => Box::new(Connection::keep_silent),
        Fault::Status502 => status(502),
        Fault::Status503 => status(503),
        Fault::Status504 => status(504),
        Fault::Status413 => status(413),
        Fault::Status429 => status(429),
        Fault::Status500 => status(500),
        Fault::Html => status(200),
        Fault::AfterStatus => Box::new(|connection| {
            connection.request();
            connection.send("HTTP/1.1 200 OK\r\n");
        }),
        Fault::SilenceToCodes => but_for_codes(Connection::keep_silent),
        Fault::HangUpOnCodes => but_for_codes(|_| {}),
        // And a second question on the same connection finds it closed.
        Fault::Status503ForCodes => but_for_codes(|connection| {
            connection.send(reply(503, "text/html", "<html>Sorry</html>"));
            drop(connection.request());
        }),
        // Nobody is asked that far.
        Fault::Refused | Fault::TlsRefused | Fault::CertificateRefused => Box::new(accepting),
    }
}

/// Answers the second question, and does something else to a request with a code.
fn but_for_codes(
    script: impl Fn(&mut Connection) + Send + Sync + 'static,
) -> Box<dyn Fn(&mut Connection) + Send + Sync> {
    Box::new(move |connection| {
        while let Some(request) = connection.request() {
            if !is_harmless(&request) {
                return script(connection);
            }
            connection.send(reply(404, "text/html", "<html>Not here</html>"));
        }
    })
}

fn ldap(fault: Fault) -> Box<dyn Fn(&mut Connection) + Send + Sync> {
    match fault {
        Fault::ResetBefore => Box::new(|connection| connection.reset(Awaited::FirstByte)),
        Fault::ResetAfter => Box::new(|connection| connection.reset(Awaited::Request)),
        Fault::HangUp => Box::new(|connection| drop(Search::read(connection))),
        Fault::Silence => Box::new(Connection::keep_silent),
        Fault::Status503 => Box::new(|connection| {
            while let Some(asked) = Search::read(connection) {
                connection.send(asked.result(52));
            }
        }),
        Fault::Html => Box::new(|connection| {
            connection.anything();
            connection.send("<html>Sorry</html>");
        }),
        Fault::AfterStatus => Box::new(|connection| {
            if let Some(asked) = Search::read(connection) {
                connection.send(&asked.result(0)[..5]);
            }
        }),
        Fault::SilenceToCodes => but_for_passwords(|connection, _| connection.keep_silent()),
        Fault::HangUpOnCodes => but_for_passwords(|_, _| {}),
        Fault::Status503ForCodes => but_for_passwords(|connection, asked| {
            connection.send(asked.result(52));
        }),
        Fault::Refused
        | Fault::TlsRefused
        | Fault::CertificateRefused
        | Fault::Status502
        | Fault::Status504
        | Fault::Status413
        | Fault::Status429
        | Fault::Status500 => Box::new(serve),
    }
}

/// Is a directory, but for binds as alice.
fn but_for_passwords(
    script: impl Fn(&mut Connection, &Search) + Send + Sync + 'static,
) -> Box<dyn Fn(&mut Connection) + Send + Sync> {
    Box::new(move |connection| {
        while let Some(asked) = Search::read(connection) {
            if asked.tag == 0x60 && asked.text(1).starts_with("uid=alice") {
                return script(connection, &asked);
            }
            for message in crate::support::ldap::answers(&asked) {
                connection.send(message);
            }
        }
    })
}

/// What a RADIUS server sends back.
type Script = fn(&Asked) -> Vec<Vec<u8>>;

fn radius(fault: Fault) -> Listening {
    let is_bad = Arc::new(AtomicBool::new(false));
    let turned = Arc::clone(&is_bad);
    let turning = |script: Script| {
        let server = RadiusServer::answering(move |_, asked| {
            if turned.load(Ordering::SeqCst) { script(asked) } else { vec![asked.answer(ACCEPT, b"")] }
        });
        Listening { is_bad, ..Listening::radius(server) }
    };
    let scripts: [(Fault, Script); 3] = [
        (Fault::Silence, |_| Vec::new()),
        // As a proxy whose home server is down.
        (Fault::SilenceToCodes, |asked| {
            let is_alice = asked.value(1) == Some(b"alice");
            if is_alice { Vec::new() } else { vec![asked.answer(ACCEPT, b"")] }
        }),
        (Fault::Html, |_| vec![b"<html>Sorry</html>".to_vec()]),
    ];
    match scripts.into_iter().find(|(known, _)| *known == fault) {
        Some((_, script)) => turning(script),
        None => Listening::nobody(NOBODY.to_owned()),
    }
}
