//! `check-config --online`: what comes back from each server that a configuration names.

use std::net::UdpSocket;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::ldap::{self, READER};
use crate::support::pki::{Ca, as_value, server};
use crate::support::radius::{self, ACCEPT, REJECT, RadiusServer};
use crate::support::service::{Connection, NOBODY, Request, Service, reply};
use crate::support::yubico;
use crate::support::{Ended, Place};

/// What begins like this is a secret.
const MARK: &str = "gEhEim";

/// Asks the servers of a configuration.
struct Asked {
    servers: Vec<Value>,
    status: Option<i32>,
    text: String,
}

fn run(configuration: &str, words: &[&str]) -> Ended {
    let place = Place::new();
    let config = place.file("c.ini", configuration);
    let mut all = vec!["check-config", "--online", "--config", config.to_str().unwrap()];
    all.extend(words);
    let ended = place.run(&all, String::new());
    // Nothing is kept of it, not even that a server is down.
    assert_eq!(place.files(), [config], "{ended:?}");
    ended
}

fn ask(configuration: &str) -> Asked {
    let ended = run(configuration, &["--json"]);
    let text = String::from_utf8(ended.stdout.clone()).unwrap() + &ended.stderr;
    assert!(!text.contains(MARK), "a secret: {text}");
    let found = ended.response();
    assert_eq!(found["errors"], json!([]), "{found}");
    Asked { servers: found["servers"].as_array().unwrap().clone(), status: ended.status, text }
}

impl Asked {
    /// Returns the findings of this question, at this address.
    fn all(&self, question: &str, address: &str) -> Vec<&Value> {
        let is_meant =
            |one: &&Value| one["question"] == question && one["address"].as_str().unwrap().contains(address);
        self.servers.iter().filter(is_meant).collect()
    }

    /// Asserts that a question at an address has one result, and that its text has this piece.
    #[track_caller]
    fn assert(&self, question: &str, address: &str, result: &str, piece: &str) {
        let all = self.all(question, address);
        let [one] = all.as_slice() else { panic!("{question} at {address}: {}", self.text) };
        assert_eq!(one["result"], result, "{question} at {address}: {}", self.text);
        assert!(one["detail"].as_str().unwrap().contains(piece), "{piece:?} is not in {one}");
    }

    /// Asserts that nothing but this was wrong.
    #[track_caller]
    fn assert_only(&self, result: &str, question: &str, piece: &str) {
        let bad: Vec<_> = self.servers.iter().filter(|one| one["result"] != "ok").collect();
        let [one] = bad.as_slice() else { panic!("{}", self.text) };
        assert_eq!((&one["result"], &one["question"]), (&json!(result), &json!(question)), "{}", self.text);
        assert!(one["detail"].as_str().unwrap().contains(piece), "{piece:?} is not in {one}");
        assert_eq!(self.status, Some(i32::from(result == "error")), "{}", self.text);
    }

    #[track_caller]
    fn assert_all_well(&self) {
        assert!(
            !self.servers.is_empty() && self.servers.iter().all(|one| one["result"] == "ok"),
            "{}",
            self.text
        );
        assert_eq!(self.status, Some(0));
    }
}

fn each(
    answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
) -> impl Fn(&mut Connection) + Send + Sync {
    move |connection| {
        while let Some(request) = connection.request() {
            if !connection.send(answer(&request)) {
                break;
            }
        }
    }
}

fn json_reply(status: u16, body: &Value) -> Vec<u8> {
    reply(status, "application/json", body.to_string())
}

fn dated(status: u16, date: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} S\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// Formats a time that is so many seconds from now, as HTTP does.
fn date(ahead: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let time = jiff::Timestamp::from_second(now.saturating_add(ahead)).unwrap();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn token(role: &str) -> String {
    let payload = BASE64URL_NOPAD.encode(json!({"username": "sps", "role": role}).to_string().as_bytes());
    format!("e30.{payload}.{MARK}-{role}")
}

/// Does what eduMFA and privacyIDEA do with `GET /auth/rights`, where it repeats what it was shown, and with a user who
/// does not exist.
fn rights(request: &Request) -> Vec<u8> {
    if request.line.starts_with("POST /validate/check ") {
        let error = json!({"code": 904, "message": "the user does not exist"});
        return json_reply(400, &json!({"id": 1, "result": {"status": false, "error": error}}));
    }
    if !request.line.starts_with("GET /auth/rights ") {
        return reply(404, "text/html", "<html>not found</html>");
    }
    let refused = |code: i64| {
        let shown = request.header("authorization").unwrap_or_default();
        json_reply(
            401,
            &json!({"id": 1, "result": {"status": false, "error": {"code": code, "message": format!("no {shown}")}}}),
        )
    };
    match request.header("authorization") {
        None => refused(4033),
        Some(shown) if shown == token("validate") => refused(4306),
        Some(shown) if shown == token("admin") => {
            json_reply(200, &json!({"result": {"status": true, "value": {}}}))
        }
        Some(shown) if shown.contains("expired") => refused(4305),
        Some(_) => refused(4304),
    }
}

#[test]
fn a_key_that_the_server_takes_is_well_and_another_is_an_error() {
    for provider in ["edumfa", "privacyidea"] {
        let service = Service::plain(each(rights));
        let section = |key: &str, more: &str| {
            let address = service.address;
            format!(
                "[mfa]\nprovider={provider}\n[{provider}]\nserver_url=http://{address}\napi_key={key}\n{more}"
            )
        };
        let admin = format!("trigger=on_empty\ntrigger_token={}\n", token("admin"));
        let asked = ask(&section(&token("validate"), &admin));
        asked.assert_all_well();
        asked.assert("api_key", "http://127.0.0.1", "ok", "takes it");
        asked.assert("trigger_token", "http://127.0.0.1", "ok", "takes it");
        assert_eq!(asked.servers[0]["section"], provider);
        asked.assert(
            "POST validate/check user",
            "http://127.0.0.1",
            "ok",
            "rejects a user who does not exist",
        );
        let mut requests = service.requests();
        let last = requests.pop().unwrap();
        assert!(requests.iter().all(|request| request.line.starts_with("GET /auth/rights ")));
        assert_eq!(last.header("authorization"), Some(token("validate").as_str()));

        ask(&section(&token("other"), "")).assert_only("error", "api_key", "none that this server made");
        ask(&section("expired", "")).assert_only("error", "api_key", "its time is over");
        ask(&section(&token("admin"), "")).assert_only("warning", "api_key", "role validate");
        let triggering = format!("trigger=on_empty\ntrigger_token={}\n", token("validate"));
        ask(&section(&token("validate"), &triggering)).assert_only(
            "error",
            "trigger_token",
            "no administrator",
        );
    }
}

#[test]
fn a_privacyidea_that_accepts_a_user_who_does_not_exist_is_an_error() {
    for provider in ["edumfa", "privacyidea"] {
        let service =
            Service::plain(each(|request| match request.line.starts_with("POST /validate/check ") {
                true => json_reply(200, &json!({"result": {"status": true, "value": true}, "id": 1})),
                false => rights(request),
            }));
        let asked = ask(&format!(
            "[mfa]\nprovider={provider}\n[{provider}]\nserver_url=http://{}\nrealm=test\n",
            service.address
        ));
        assert_eq!(asked.status, Some(1), "{}", asked.text);
        asked.assert("POST validate/check user", "", "error", "accepts a user who does not exist");
        let body: Value = serde_json::from_slice(&service.requests().pop().unwrap().body).unwrap();
        assert_eq!(body["realm"], "test");
        assert_eq!(body["user"].as_str().map(str::len), Some(24));
    }
}

#[test]
fn an_address_that_leads_elsewhere_is_an_error() {
    let service = Service::plain(each(|_| reply(200, "text/html", "<html>welcome</html>")));
    for provider in ["edumfa", "linotp"] {
        let asked = ask(&format!(
            "[mfa]\nprovider={provider}\n[{provider}]\nserver_url=http://{}/path\n",
            service.address
        ));
        assert_eq!(asked.status, Some(1), "{}", asked.text);
        assert!(asked.text.contains("does the address lead to the server's root?"), "{}", asked.text);
    }
}

#[test]
fn linotp_is_asked_about_nobody_and_must_not_say_yes() {
    for (value, result) in [(false, "ok"), (true, "error")] {
        let service = Service::plain(each(move |_| {
            json_reply(200, &json!({"result": {"status": true, "value": value}, "id": 0}))
        }));
        let asked =
            ask(&format!("[mfa]\nprovider=linotp\n[linotp]\nserver_url=http://{}\n", service.address));
        asked.assert("POST validate/check", "", result, "");
        let requests = service.requests();
        let first = requests.first().unwrap();
        assert!(first.line.starts_with("POST /validate/check ") && first.body.is_empty(), "{first:?}");
        assert_eq!(requests.len(), if value { 1 } else { 2 });
    }
}

#[test]
fn a_linotp_that_accepts_a_user_who_does_not_exist_is_an_error() {
    let service = Service::plain(each(|request| {
        let value = String::from_utf8_lossy(&request.body).contains("user=");
        json_reply(200, &json!({"result": {"status": true, "value": value}, "id": 0}))
    }));
    let asked = ask(&format!(
        "[mfa]\nprovider=linotp\n[linotp]\nserver_url=http://{}\nrealm=test\n",
        service.address
    ));
    assert_eq!(asked.status, Some(1), "{}", asked.text);
    asked.assert("POST validate/check user", "", "error", "accepts a user who does not exist");
    let [_, second] = service.requests().try_into().unwrap();
    let body = String::from_utf8_lossy(&second.body).into_owned();
    assert!(body.starts_with("user=") && body.contains("&realm=test&pass="), "{body}");
}

#[test]
fn the_service_of_ones_own_is_asked_for_its_address_alone() {
    for (status, result) in [(404, "ok"), (401, "warning"), (503, "error")] {
        let service = Service::plain(each(move |_| reply(status, "text/plain", format!("{MARK}-echo"))));
        let asked = ask(&format!(
            "[mfa]\nprovider=http\n[http]\nserver_url=http://{}/api\ntoken={MARK}-token\nignore_connection_error=yes\n",
            service.address
        ));
        asked.assert("GET", "/api", result, &status.to_string());
        assert_eq!(asked.status, Some(i32::from(result == "error")));
        let [request] = service.requests().try_into().unwrap();
        assert!(request.line.starts_with("GET /api "), "{request:?}");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {MARK}-token").as_str()));
    }
}

#[test]
fn each_address_of_a_list_is_asked_and_one_that_is_down_is_an_error() {
    let (first, last) = (Service::plain(each(rights)), Service::plain(each(rights)));
    let asked = ask(&format!(
        "[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{},http://{NOBODY},http://{}\nignore_connection_error=yes\n",
        first.address, last.address
    ));
    asked.assert("connection", NOBODY, "error", "cannot be reached");
    for service in [&first, &last] {
        asked.assert("GET auth/rights", &service.address.to_string(), "ok", "");
    }
    assert_eq!(asked.status, Some(1));
}

#[test]
fn a_proxy_that_is_in_the_way_is_named_and_its_password_is_not() {
    let (host, port) = NOBODY.split_once(':').unwrap();
    let strict = Service::plain(each(|_| reply(407, "text/plain", "no")));
    for (host, port) in [(host, port.to_owned()), ("127.0.0.1", strict.address.port().to_string())] {
        let asked = ask(&format!(
            "[https-proxy]\nserver={host}\nport={port}\nusername=u\npassword={MARK}-pw\n\
             [mfa]\nprovider=edumfa\n[edumfa]\nserver_url=https://mfa.example.org\n"
        ));
        let told = format!(" through the proxy {host}:{port}: ");
        asked.assert_only("error", "connection", &told);
    }
}

#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_its_section_says() {
    let service = Service::plain(Connection::keep_silent);
    let address = service.address;
    for (configuration, question) in [
        (
            format!("[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{address}\ntimeout=0.3\n"),
            "connection",
        ),
        (format!("{}timeout=0.3\n", ldap::section(&format!("ldap://{address}"))), "bind"),
        (format!("{}timeout=0.3\n", ldap::section(&format!("ldaps://{address}"))), "TLS"),
        (format!("{}timeout=0.3\nstarttls=yes\n", ldap::section(&format!("ldap://{address}"))), "connection"),
        (
            format!(
                "[credentials]\nprovider=vault\n[hashicorp]\naddress=http://{address}\nauthentication_method=token\ntimeout=0.3\n\
                 [token-authentication]\ntoken=t\n"
            ),
            "connection",
        ),
    ] {
        let asked = ask(&configuration);
        asked.assert(question, &address.to_string(), "error", "cannot be reached: no answer within 0.3 s");
        assert_eq!(asked.status, Some(1), "{}", asked.text);
    }
}

#[test]
fn all_questions_together_have_the_time_of_a_hook() {
    let service = Service::plain(Connection::keep_silent);
    let asked = ask(&format!(
        "[plugin]\ntime_budget=0.5\n[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{0},http://{0}\n",
        service.address
    ));
    assert_eq!(asked.servers.len(), 2, "{}", asked.text);
    assert!(asked.text.contains("no time is left"), "{}", asked.text);
    assert_eq!(asked.status, Some(1));
}

#[test]
fn a_certificate_that_is_not_believed_is_told_as_such() {
    let (ca, other) = (Ca::new("ours"), Ca::new("other"));
    let tls = server(&ca.issue("127.0.0.1"), None);
    let http = Service::tls(Arc::clone(&tls), each(rights));
    let directory = Service::tls(tls, ldap::serve);
    let configuration = |ca: &Ca| {
        format!(
            "[tls]\nca_cert={}\n[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=https://{}\n{}",
            as_value(&ca.pem()),
            http.address,
            ldap::section(&format!("ldaps://{}", directory.address))
        )
    };
    ask(&configuration(&ca)).assert_all_well();
    let asked = ask(&configuration(&other));
    for service in [&http, &directory] {
        asked.assert("TLS", &service.address.to_string(), "error", "certificate");
    }
    assert_eq!(http.requests().len(), 2, "those of before");
    // A client certificate that is demanded and not there.
    let demanding = Service::tls(server(&ca.issue("127.0.0.1"), Some(&ca)), each(rights));
    let section = |more: &str| {
        format!(
            "[tls]\nca_cert={}\n{more}[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=https://{}\n",
            as_value(&ca.pem()),
            demanding.address
        )
    };
    assert_eq!(ask(&section("")).status, Some(1));
    let client = ca.issue("client");
    let shown = as_value(&format!("{}{}", client.certificate_pem, client.key_pem));
    ask(&section(&format!("client_cert={shown}\n"))).assert_all_well();
}

#[test]
fn a_port_that_speaks_no_tls_is_told_as_such() {
    let http = Service::plain(|connection| {
        connection.anything();
        connection.send(reply(400, "text/plain", "Bad Request"));
    });
    let asked = ask(&format!("[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=https://{}\n", http.address));
    asked.assert_only("error", "TLS", ": no TLS is spoken on this port; is http:// meant?");
    // A server of LDAP says that it is no LDAP, or hangs up.
    let talking = Service::plain(|connection| {
        connection.anything();
        connection.send(b"0\x24\x02\x01\0");
    });
    let asked = ask(&ldap::section(&format!("ldaps://{}", talking.address)));
    asked.assert_only("error", "TLS", "cannot be reached: no TLS is spoken on this port; is ldap:// meant?");
    let leaving = Service::plain(Connection::anything);
    let asked = ask(&ldap::section(&format!("ldaps://{}", leaving.address)));
    asked.assert_only("error", "TLS", "the server hangs up in TLS's handshake; is ldap:// meant?");
    let starting = Service::plain(|connection| {
        let asked = ldap::Asked::read(connection).unwrap();
        connection.send(asked.result(0));
        connection.anything();
        connection.send(b"0\x24\x02\x01\0");
    });
    let asked = ask(&format!("{}starttls=yes\n", ldap::section(&format!("ldap://{}", starting.address))));
    asked.assert_only("error", "TLS", "cannot be reached: what comes after StartTLS is no TLS");
}

#[test]
fn a_directory_that_takes_the_connection_and_says_nothing_has_not_answered() {
    let service = Service::plain(Connection::keep_silent);
    let address = service.address.to_string();
    let section = ldap::section(&format!("ldap://{address}"));
    let anonymous: String =
        section.lines().filter(|line| !line.starts_with("bind_")).map(|line| format!("{line}\n")).collect();
    let asked = ask(&format!("{anonymous}timeout=0.3\n"));
    asked.assert("connection", &address, "ok", "the port is open");
    assert_eq!(asked.servers.len(), 2, "{}", asked.text);
    asked.assert("root DSE", &address, "error", "no answer within 0.3 s");
    assert_eq!(asked.status, Some(1), "{}", asked.text);
    let answering = ldap::directory();
    let asked = ask(&anonymous.replace(&address, &answering.address.to_string()));
    asked.assert("bind", "", "ok", "the searches are anonymous");
    asked.assert("connection", "", "ok", "the port is open");
}

#[test]
fn an_error_of_the_configuration_is_counted_once_and_its_server_is_not_asked() {
    for (configuration, error, server) in [
        (
            "[mfa]\nprovider=radius\n[radius]\nserver=127.0.0.1\n",
            "error: configuration: [radius] secret is required",
            "  warning: [radius]: configuration: not asked: [radius] secret is required",
        ),
        // What nobody but its servers needs is an error of theirs.
        (
            "[mfa]\nprovider=none\n[ldap_server ad]\nuser_base_dn=ou=people\n",
            "  error: [ldap_server ad]: configuration: not asked: ",
            "[ldap_server ad] url is required",
        ),
    ] {
        let ended = run(configuration, &[]);
        let text = String::from_utf8(ended.stdout.clone()).unwrap();
        assert_eq!(text.lines().filter(|line| line.trim().starts_with("error: ")).count(), 1, "{text}");
        assert!(text.contains(error) && text.contains(server), "{text}");
        assert!(text.contains("\nerrors: 1, ") && ended.status == Some(1), "{text}");
    }
}

#[test]
fn a_clock_that_is_apart_is_a_warning_with_its_seconds() {
    let at = |ahead: i64| {
        let body = json!({"result": {"status": false, "error": {"code": 4033}}}).to_string();
        let service = Service::plain(each(move |_| dated(401, &date(ahead), &body)));
        let asked =
            ask(&format!("[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{}\n", service.address));
        (asked.all("clock", "")[0].clone(), asked.status)
    };
    let (clock, status) = at(0);
    assert_eq!((&clock["result"], status), (&json!("ok"), Some(0)));
    for (ahead, told) in [(100_000, "ahead of this machine's"), (-100_000, "behind this machine's")] {
        let (clock, status) = at(ahead);
        assert_eq!((&clock["result"], status), (&json!("warning"), Some(0)), "{clock}");
        let detail = clock["detail"].as_str().unwrap();
        let seconds: i64 = detail.split(' ').find_map(|word| word.parse().ok()).unwrap();
        assert!(seconds > 99_000 && detail.contains(told), "{detail}");
    }
}

fn radius_section(server: &str, secret: &str) -> String {
    format!(
        "[mfa]\nprovider=radius\n[radius]\nserver={server}\nsecret={secret}\nconn_retries=2\nconn_timeout=0.2\n"
    )
}

#[test]
fn radius_is_asked_for_its_status_and_the_answer_proves_the_secret() {
    let server = RadiusServer::answering(|_, asked| vec![asked.answer(ACCEPT, &[])]);
    let address = server.address.to_string();
    let asked = ask(&radius_section(&address, radius::SECRET));
    asked.assert_only_ok("Status-Server");
    let [question] = server.asked().try_into().unwrap();
    assert_eq!(question.bytes[0], 12, "Status-Server (RFC 5997)");
    assert!(question.is_signed() && question.value(1).is_none() && question.value(2).is_none());

    ask(&radius_section(&address, &format!("{MARK}-another-secret"))).assert_only(
        "error",
        "secret",
        "not signed",
    );
    let odd = RadiusServer::answering(|_, asked| vec![asked.answer(REJECT, &[])]);
    ask(&radius_section(&odd.address.to_string(), radius::SECRET)).assert_only(
        "warning",
        "Status-Server",
        "signed",
    );
    let old = RadiusServer::answering(|_, asked| vec![asked.reply(ACCEPT, &[], radius::Mac80::Absent)]);
    ask(&radius_section(&old.address.to_string(), radius::SECRET)).assert_only(
        "warning",
        "Status-Server",
        "no Message-Authenticator",
    );
}

#[test]
fn a_silent_radius_server_is_told_from_a_closed_port() {
    let silent = RadiusServer::answering(|_, _| Vec::new());
    let asked = ask(&radius_section(&silent.address.to_string(), radius::SECRET));
    asked.assert_only("warning", "Status-Server", "Not known: whether");
    assert_eq!(silent.asked().len(), 2, "as often as conn_retries says");
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let both = ask(&radius_section(&format!("{closed},{}", silent.address), radius::SECRET));
    both.assert("connection", &closed, "error", "cannot be reached");
    both.assert("Status-Server", &silent.address.to_string(), "warning", "");
    assert_eq!(both.status, Some(1));
}

#[test]
fn a_validation_server_is_asked_for_a_code_that_nobody_typed() {
    let now = date(0);
    let service = Service::plain(each(move |request| dated(200, &now, &yubico::answer(request))));
    let url = format!("http://{}/wsapi/2.0/verify", service.address);
    let asked = ask(&yubico::asking(&url, ""));
    asked.assert_all_well();
    asked.assert("api_key", &url, "ok", "BAD_OTP");
    let [request] = service.requests().try_into().unwrap();
    let otp = yubico::parameters(&request)["otp"].clone();
    assert!(otp.len() == 44 && !otp.contains(yubico::ID), "{otp}");

    // Of another key, of another client, and one that says yes.
    let wrong = yubico::asking(&url, "").replace(yubico::API_KEY, "Z0VoRWltLWFub3RoZXIta2V5");
    ask(&wrong).assert_only("error", "api_key", "another key");
    let unknown = yubico::asking(&url, "").replace("client_id=1", "client_id=2");
    ask(&unknown).assert_only("error", "api_key", "client_id");
    let yes = Service::plain(each(|request| {
        reply(200, "text/plain", yubico::signed(yubico::response(request, "OK")))
    }));
    let asked = ask(&yubico::asking(&format!("http://{}/v", yes.address), ""));
    asked.assert("api_key", "", "error", "no YubiKey typed");
}

#[test]
fn the_time_that_a_validation_server_signs_is_compared() {
    let service = Service::plain(each(|request| reply(200, "text/plain", yubico::answer(request))));
    let asked = ask(&yubico::asking(&format!("http://{}/v", service.address), ""));
    // The server of these tests lives at one moment.
    let clock = asked.all("clock", "");
    assert_eq!((clock.len(), &clock[0]["result"]), (1, &json!("warning")), "{}", asked.text);
}

#[test]
fn a_directory_is_connected_to_logged_in_to_and_read_at_its_bases() {
    let service = ldap::directory();
    let section = ldap::section(&format!("ldap://{}", service.address));
    let asked = ask(&section);
    asked.assert_all_well();
    for question in ["connection", "bind", "user_base_dn", "group_base_dn"] {
        asked.assert(question, &service.address.to_string(), "ok", "");
    }
    assert_eq!(asked.servers[0]["section"], "ldap_server ad");
    let elsewhere = section.replace("user_base_dn=ou=people", "user_base_dn=ou=nowhere");
    ask(&elsewhere).assert_only("error", "user_base_dn", "no such entry");
    let unseen = section.replace("user_base_dn=ou=people", "user_base_dn=ou=hidden");
    ask(&unseen).assert_only("warning", "user_base_dn", "not shown");
}

#[test]
fn a_wrong_bind_password_is_shown_to_one_address_and_not_to_all() {
    let (first, second) = (ldap::directory(), ldap::directory());
    let both = format!("ldap://{},ldap://{}", first.address, second.address);
    let section = ldap::section(&both).replace(READER, &format!("{MARK}-wrong"));
    let asked = ask(&section);
    asked.assert("bind", &first.address.to_string(), "error", "invalidCredentials (49)");
    asked.assert("bind", &second.address.to_string(), "warning", "not asked");
    asked.assert("connection", &second.address.to_string(), "ok", "");
    assert_eq!(asked.status, Some(1));
}

#[test]
fn a_wrong_bind_password_is_shown_once_to_an_address_that_stands_in_two_sections() {
    let directory = ldap::directory();
    let section =
        ldap::section(&format!("ldap://{}", directory.address)).replace(READER, &format!("{MARK}-wrong"));
    let asked = ask(&format!("{section}{}", section.replace("[ldap_server ad]", "[ldap_server again]")));
    let binds = asked.all("bind", &directory.address.to_string());
    let [first, second] = binds.as_slice() else { panic!("{}", asked.text) };
    assert!(first["detail"].as_str().unwrap().contains("invalidCredentials (49)"), "{}", asked.text);
    assert_eq!(second["detail"], "not asked: bind_dn was refused already, and each try may be counted");
}

#[test]
fn a_directory_that_tells_its_time_has_it_compared() {
    let service = Service::plain(|connection| {
        while let Some(asked) = ldap::Asked::read(connection) {
            if asked.tag == 0x63 && asked.text(0).is_empty() {
                connection.send(asked.entry("", &[("currentTime", "20010101120000.0Z")]));
            }
            connection.send(asked.result(0));
        }
    });
    let asked = ask(&ldap::section(&format!("ldap://{}", service.address)));
    asked.assert("clock", "", "warning", "behind this machine's");
}

/// A Vault with one login of each kind; it repeats what it was shown.
fn vault(request: &Request) -> Vec<u8> {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    let shown = request.header("x-vault-token").unwrap_or_default();
    let refused = json_reply(403, &json!({"errors": [format!("no {shown} {}", request.json())]}));
    let auth = json_reply(200, &json!({"auth": {"client_token": format!("{MARK}-made")}}));
    let body = request.json();
    match path {
        "/v1/sys/health" => json_reply(200, &json!({"initialized": true, "sealed": false})),
        "/v1/auth/approle/login" if body["secret_id"] == format!("{MARK}-id") => auth,
        "/v1/auth/userpass/login/svc" if body["password"] == format!("{MARK}-pw") => auth,
        "/v1/auth/jwt/login" if body["jwt"] == format!("{MARK}-jwt") => auth,
        "/v1/auth/approle/role/r/role-id" if shown == format!("{MARK}-fixed") => {
            json_reply(200, &json!({"data": {"role_id": "x"}}))
        }
        "/v1/auth/token/lookup-self"
            if [format!("{MARK}-made"), format!("{MARK}-fixed")].contains(&shown.to_owned()) =>
        {
            json_reply(200, &json!({"data": {"id": shown}}))
        }
        "/v1/auth/token/revoke-self" => reply(204, "text/plain", ""),
        _ => refused,
    }
}

fn vault_section(address: &str, method: &str, more: &str) -> String {
    format!(
        "[credentials]\nprovider=vault\n[engine-kv-v1]\nsecrets_path=kv/users\n\
         [hashicorp]\naddress={address}\nauthentication_method={method}\n{more}"
    )
}

#[test]
fn vault_is_asked_how_it_is_and_logged_in_to_and_the_token_is_ended() {
    for (method, more, wrong) in [
        ("approle", "[approle-authentication]\nrole_id=r\nsecret_id=gEhEim-id\n", "gEhEim-no"),
        ("userpass", "use_credential=explicit\nusername=svc\npassword=gEhEim-pw\n", "gEhEim-no"),
        ("jwt", "[jwt-authentication]\nrole=r\njwt=gEhEim-jwt\n", "gEhEim-no"),
    ] {
        let service = Service::plain(each(vault));
        let address = format!("http://{}", service.address);
        ask(&vault_section(&address, method, more)).assert_all_well();
        let lines: Vec<_> = service.requests().into_iter().map(|request| request.line).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[2].starts_with("GET /v1/auth/token/lookup-self "), "{lines:?}");
        assert!(lines[3].starts_with("POST /v1/auth/token/revoke-self "), "{lines:?}");
        let right = ["gEhEim-id", "gEhEim-pw", "gEhEim-jwt"].iter().find(|one| more.contains(*one)).unwrap();
        let asked = ask(&vault_section(&address, method, &more.replace(right, wrong)));
        asked.assert_only("error", "login", "denies access");
    }
}

#[test]
fn a_token_of_the_configuration_is_looked_at_and_not_ended() {
    for (method, more) in [
        ("token", "[token-authentication]\ntoken=gEhEim-fixed\n"),
        ("approle", "[approle-authentication]\nrole=r\nvault_token=gEhEim-fixed\n"),
    ] {
        let service = Service::plain(each(vault));
        let address = format!("http://{}", service.address);
        ask(&vault_section(&address, method, more)).assert_all_well();
        let requests = service.requests();
        assert!(requests.iter().all(|request| request.line.starts_with("GET ")), "{requests:?}");
        let asked = ask(&vault_section(&address, method, &more.replace("fixed", "wrong")));
        assert_eq!(asked.status, Some(1), "{}", asked.text);
    }
}

#[test]
fn a_login_with_the_password_of_the_gateway_is_not_tried() {
    let service = Service::plain(each(vault));
    let address = format!("http://{},http://{NOBODY}", service.address);
    let asked = ask(&vault_section(&address, "userpass", ""));
    asked.assert("login", &service.address.to_string(), "warning", "comes from the gateway");
    asked.assert("connection", NOBODY, "error", "cannot be reached");
    let sealed = Service::plain(each(|_| json_reply(503, &json!({"initialized": true, "sealed": true}))));
    let asked = ask(&vault_section(&format!("http://{}", sealed.address), "userpass", ""));
    asked.assert_only("error", "sys/health", "sealed");
}

#[test]
fn what_is_no_vault_is_not_logged_in_to_whatever_its_status_says() {
    let sealed = json!({"sealed": false}).to_string();
    for status in [200, 429, 472, 473, 501, 503] {
        for body in ["<html>Sign in</html>", "", "[true, false]", &sealed] {
            let body = body.to_owned();
            let service = Service::plain(each(move |_| reply(status, "application/json", body.clone())));
            let more = "use_credential=explicit\nusername=svc\npassword=gEhEim-pw\n";
            let asked = ask(&vault_section(&format!("http://{}", service.address), "userpass", more));
            asked.assert_only(
                "error",
                "sys/health",
                "is not that of sys/health; is it Vault that listens there?",
            );
            let [request] = service.requests().try_into().unwrap();
            assert!(request.line.starts_with("GET /v1/sys/health "), "{request:?}");
        }
    }
}

#[test]
fn a_credential_store_that_is_a_vault_is_asked_by_the_plugin_that_authenticates() {
    let service = Service::plain(each(vault));
    let configuration = format!(
        "[plugin]\ntype=aa\n[mfa]\nprovider=none\n[credential_store v]\nprovider=vault\nsecrets_path=kv/sps\n\
         [hashicorp]\naddress=http://{}\nauthentication_method=userpass\n",
        service.address
    );
    let asked = ask(&configuration);
    asked.assert("login", "", "error", "no user name to log in");
    assert_eq!(asked.all("login", "")[0]["section"], "credential_store v");
}

#[test]
fn what_lives_on_the_appliance_is_said_to_be_not_asked() {
    let asked = ask("[mfa]\nprovider=none\n[ldap_server]\nname=corp\n[credential_store]\nname=vaulted\n\
         [credentials]\nprovider=appliance\nstore=local\n");
    let told: Vec<_> = asked.servers.iter().map(|one| one["detail"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        [
            "not asked: the directory corp is on the appliance",
            "not asked: the credential store vaulted is on the appliance",
            "not asked: the credential store of the provider appliance is on the appliance",
        ]
    );
    assert_eq!(asked.status, Some(0));
}

#[test]
fn each_member_of_a_chain_and_what_tokens_lead_to_is_asked() {
    let (edumfa, http) =
        (Service::plain(each(rights)), Service::plain(each(|_| reply(404, "text/plain", ""))));
    let directory = ldap::directory();
    let asked = ask(&format!(
        "[mfa]\nprovider=ldap + edumfa\n[ldap]\nserver=ad\n{}[edumfa]\nserver_url=http://{}\n[http]\nserver_url=http://{}\n",
        ldap::section(&format!("ldap://{}", directory.address)),
        edumfa.address,
        http.address
    ));
    asked.assert_all_well();
    for service in [&edumfa, &http, &directory] {
        asked.assert("connection", &service.address.to_string(), "ok", "");
    }
    // A section that nothing names may be left over.
    let asked = ask(&format!(
        "[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://{}\n[radius]\nserver=127.0.0.1\n",
        edumfa.address
    ));
    asked.assert_only("warning", "configuration", "[radius] secret");
}

#[test]
fn the_text_has_the_servers_under_their_heading_and_counts_them() {
    let configuration = format!("[mfa]\nprovider=http\n[http]\nserver_url=http://{NOBODY}\n");
    let ended = run(&configuration, &[]);
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    let (_, servers) = text.split_once("\nservers:\n").unwrap();
    assert!(servers.starts_with(&format!("  error: [http] http://{NOBODY}: connection: ")), "{text}");
    assert!(servers.contains("\nerrors: 1, warnings: "), "{text}");
    assert_eq!(ended.status, Some(1));
    // Nobody is asked without the word, and --json has no such member.
    let place = Place::new();
    let config = place.file("c.ini", configuration);
    let ended = place.run(&["check-config", "--json", "--config", config.to_str().unwrap()], String::new());
    assert_eq!((ended.response().get("servers"), ended.status), (None, Some(0)));
}

impl Asked {
    /// Asserts that there is one finding, and that it is well.
    #[track_caller]
    fn assert_only_ok(&self, question: &str) {
        let [one] = self.servers.as_slice() else { panic!("{}", self.text) };
        assert_eq!((&one["question"], &one["result"]), (&json!(question), &json!("ok")), "{}", self.text);
    }
}
