//! The proxy: whose it is, what it is told, and what happens when it refuses.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::pki::{Ca, as_value, server};
use crate::support::service::{NOBODY, Service, always, reply};
use crate::support::{Ended, Place};
use crate::{COMMUNICATION_ERROR, UNREACHABLE, asking, with_otp};

/// `user:p@ss` as HTTP's basic authentication writes it.
const BASIC: &str = "Basic dXNlcjpwQHNz";

struct Scene {
    ca: Ca,
    target: Service,
}

impl Scene {
    fn new() -> Self {
        let ca = Ca::new("own");
        let target = Service::tls(server(&ca.issue("127.0.0.1"), None), always(&json!({"result": "ACCEPT"})));
        Self { ca, target }
    }

    fn invocation(&self, more: &str) -> Value {
        let tls = format!("[tls]\nca_cert={}\n", as_value(&self.ca.pem()));
        with_otp(&asking(&format!("https://{}", self.target.address), &format!("token=t0ken\n{tls}{more}")))
    }

    fn ask(&self, more: &str) -> Ended {
        Place::new().hook(&self.invocation(more))
    }
}

/// A proxy that lets through whoever shows these credentials.
fn proxy(target: SocketAddr, credentials: Option<&'static str>) -> Service {
    Service::plain(move |connection| {
        let Some(request) = connection.request() else { return };
        if request.header("proxy-authorization") == credentials {
            connection.send("HTTP/1.1 200 Connection established\r\n\r\n");
            connection.tunnel_to(target);
        } else {
            connection.send(
                "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
            );
        }
    })
}

fn options(section: &str, proxy: &Service, more: &str) -> String {
    format!("[{section}]\nserver=127.0.0.1\nport={}\n{more}", proxy.address.port())
}

#[test]
fn the_proxy_gets_a_connect_with_its_password_and_nothing_of_the_request() {
    for section in ["https-proxy", "https_proxy"] {
        let scene = Scene::new();
        let proxy = proxy(scene.target.address, Some(BASIC));
        let ended = scene.ask(&options(section, &proxy, "username=user\npassword=p@ss\n"));
        assert_eq!((ended.verdict().as_str(), ended.status), ("ACCEPT", Some(0)), "{ended:?}");
        let told = &proxy.requests()[0];
        assert_eq!(told.line, format!("CONNECT {} HTTP/1.1", scene.target.address));
        assert_eq!(told.header("authorization"), None);
        assert!(told.body.is_empty());
        let asked = &scene.target.requests()[0];
        assert_eq!(asked.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(asked.header("proxy-authorization"), None);
        assert_eq!((proxy.connections(), scene.target.connections()), (1, 1));
        assert!(!ended.stderr.contains("p@ss") && !ended.stderr.contains("dXNlcjpwQHNz"), "{}", ended.stderr);
    }
}

#[test]
fn a_proxy_without_a_password_is_given_none() {
    let scene = Scene::new();
    let open = proxy(scene.target.address, None);
    assert_eq!(scene.ask(&options("https-proxy", &open, "")).verdict(), "ACCEPT");
    assert_eq!(open.requests()[0].header("proxy-authorization"), None);
}

#[test]
fn a_proxy_that_refuses_is_an_error_and_is_not_gone_around() {
    let scene = Scene::new();
    let strict = proxy(scene.target.address, Some(BASIC));
    for more in ["", "username=user\npassword=wrong\n", "username=user\n"] {
        let ended = scene.ask(&options("https-proxy", &strict, more));
        ended.assert_denied(COMMUNICATION_ERROR, 0);
    }
    let gone = scene
        .ask(&format!("[https-proxy]\nserver=127.77.0.1\nport={}\n", NOBODY.rsplit(':').next().unwrap()));
    gone.assert_denied(UNREACHABLE, 0);
    let page = Service::plain(|connection| {
        connection.request();
        connection.send(reply(200, "text/html", "<html>captive portal</html>"));
    });
    assert_eq!(scene.ask(&options("https-proxy", &page, "")).verdict(), "DENY");
    assert_eq!(scene.target.connections(), 0);
}

#[test]
fn a_proxy_that_is_switched_off_is_not_asked() {
    let scene = Scene::new();
    let proxy = proxy(scene.target.address, None);
    let ended = scene.ask(&options("https-proxy", &proxy, "enabled=no\n"));
    assert_eq!(ended.verdict(), "ACCEPT");
    assert_eq!((proxy.connections(), scene.target.connections()), (0, 1));
}

fn appliances(proxy: &Service, enabled: bool, authentication: Value) -> Value {
    json!({"http_proxy": {"enabled": enabled, "server": {"selection": "ip", "value": "127.0.0.1"},
        "port": proxy.address.port(), "authentication": authentication}})
}

#[test]
fn the_appliances_proxy_is_asked_where_the_configuration_names_none() {
    let scene = Scene::new();
    let strict = proxy(scene.target.address, Some(BASIC));
    let open = proxy(scene.target.address, None);
    let password = json!({"selection": "password", "username": "user", "password": "p@ss"});
    let ask = |policies: Value, more: &str| {
        let mut hook = scene.invocation(more);
        hook["appliance"] = policies;
        Place::new().hook(&hook)
    };
    assert_eq!(ask(appliances(&strict, true, password.clone()), "").verdict(), "ACCEPT");
    assert_eq!(ask(appliances(&open, true, json!({"selection": "none"})), "").verdict(), "ACCEPT");
    assert_eq!((strict.connections(), open.connections(), scene.target.connections()), (1, 1, 2));

    ask(appliances(&strict, true, json!(null)), "").assert_denied(COMMUNICATION_ERROR, 0);
    assert_eq!((strict.connections(), scene.target.connections()), (2, 2));

    for (policies, more) in [
        (appliances(&strict, false, password.clone()), String::new()),
        (appliances(&strict, true, password.clone()), "[https-proxy]\nenabled=no\n".to_owned()),
        (appliances(&strict, true, password), options("https-proxy", &open, "")),
    ] {
        assert_eq!(ask(policies, &more).verdict(), "ACCEPT");
    }
    assert_eq!((strict.connections(), open.connections(), scene.target.connections()), (2, 2, 5));
}

#[test]
fn a_plain_http_service_is_asked_without_the_proxy() {
    let service = Service::answering(&json!({"result": "ACCEPT"}));
    let proxy = proxy(service.address, None);
    let url = format!("http://{}", service.address);
    let ended = Place::new().hook(&with_otp(&asking(&url, &options("https-proxy", &proxy, ""))));
    assert_eq!(ended.verdict(), "ACCEPT");
    assert_eq!((proxy.connections(), service.connections()), (0, 1));
}

#[test]
fn a_port_that_is_none_is_a_configuration_error() {
    let scene = Scene::new();
    for port in ["65536", "-1", "http", ""] {
        let ended = scene.ask(&format!("[https-proxy]\nserver=127.0.0.1\nport={port}\n"));
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&["error", "[https-proxy] port", "expected a whole number"]);
    }
    assert_eq!(scene.target.connections(), 0);
}

#[test]
fn what_one_spelling_of_the_section_lacks_the_other_has() {
    let scene = Scene::new();
    let proxy = proxy(scene.target.address, Some(BASIC));
    let port = proxy.address.port();
    for more in [
        format!(
            "[https-proxy]\nserver=127.0.0.1\nusername=user\n[https_proxy]\nport={port}\npassword=p@ss\n"
        ),
        format!(
            "[https_proxy]\nserver=127.0.0.1\npassword=p@ss\nport=1\n[https-proxy]\nport={port}\nusername=user\n"
        ),
        format!(
            "[https-proxy]\nserver=127.0.0.1\nport=0\nusername=user\npassword=p@ss\n[https_proxy]\nport={port}\n"
        ),
    ] {
        let ended = scene.ask(&more);
        assert_eq!((ended.verdict().as_str(), ended.status), ("ACCEPT", Some(0)), "{more} {ended:?}");
    }
    assert_eq!(proxy.connections(), 3);
}

#[test]
fn port_0_is_the_default_port() {
    let scene = Scene::new();
    let ended = scene.ask("[https-proxy]\nserver=127.0.0.1\nport=0\n");
    assert!(ended.stderr.contains("127.0.0.1:3128"), "{}", ended.stderr);
    assert_eq!((ended.response()["reason"].as_str(), scene.target.connections()), (Some(UNREACHABLE), 0));
}

#[test]
fn an_empty_server_in_the_second_spelling_is_no_proxy_at_all() {
    let scene = Scene::new();
    let mut invocation = scene.invocation("[https_proxy]\nserver=\n");
    let server = json!({"selection": "fqdn", "value": "127.0.0.1"});
    invocation["appliance"]["http_proxy"] = json!({"enabled": true, "server": server, "port": NOBODY.rsplit(':').next().unwrap().parse::<u16>().unwrap()});
    let ended = Place::new().hook(&invocation);
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    assert_eq!(scene.target.connections(), 1);
}
