//! TLS: whose certificate is believed, and what the client shows of its own.

use std::ffi::OsStr;
use std::fs;

use serde_json::{Value, json};

use crate::support::pki::{Ca, Identity, as_value, server};
use crate::support::service::{Service, always, reply};
use crate::support::{Ended, Place};
use crate::{COMMUNICATION_ERROR, asking, with_otp};

fn accepting(identity: &Identity, clients: Option<&Ca>) -> Service {
    Service::tls(server(identity, clients), always(&json!({"result": "ACCEPT"})))
}

fn invocation(service: &Service, more: &str) -> Value {
    with_otp(&asking(&format!("https://{}", service.address), more))
}

fn ask(service: &Service, more: &str) -> Ended {
    Place::new().hook(&invocation(service, more))
}

fn trusting(ca: &Ca) -> String {
    format!("[tls]\nca_cert={}\n", as_value(&ca.pem()))
}

#[test]
fn a_certificate_of_the_configured_authority_is_believed() {
    let ca = Ca::new("own");
    let service = accepting(&ca.issue("127.0.0.1"), None);
    let ended = ask(&service, &trusting(&ca));
    assert_eq!((ended.verdict().as_str(), ended.status), ("ACCEPT", Some(0)), "{ended:?}");
    assert_eq!(service.requests()[0].json()["otp"], "123456");
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
}

#[test]
fn an_authoritys_certificate_as_a_servers_own_is_refused_with_a_plain_sentence() {
    let ca = Ca::new("own");
    let identity = ca.issue_as_authority("127.0.0.1");
    let service = accepting(&identity, None);
    for trusted in [ca.pem(), identity.certificate_pem.clone()] {
        let ended = ask(&service, &format!("[tls]\nca_cert={}\n", as_value(&trusted)));
        ended.assert_denied(COMMUNICATION_ERROR, 0);
        ended.assert_logged(&[
            "presents a CA certificate (CA:TRUE) as its own",
            "issued for the server with CA:FALSE",
        ]);
    }
}

#[test]
fn several_authorities_and_a_name_instead_of_an_address_will_do() {
    let (one, two) = (Ca::new("one"), Ca::new("two"));
    let service = accepting(&two.issue("localhost"), None);
    let both = format!("[tls]\nca_cert={}\n  {}\n", as_value(&one.pem()), as_value(&two.pem()));
    let url = format!("https://localhost:{}", service.address.port());
    let ended = Place::new().hook(&with_otp(&asking(&url, &both)));
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
}

#[test]
fn an_authority_of_the_appliances_list_is_believed() {
    let ca = Ca::new("own");
    let service = accepting(&ca.issue("127.0.0.1"), None);
    let mut hook = invocation(&service, "[tls]\nca_cert=$[corp]\n");
    hook["appliance"] = json!({"trusted_ca_lists": {"corp": {"certs": [Ca::new("x").pem(), ca.pem()]}}});
    assert_eq!(Place::new().hook(&hook).verdict(), "ACCEPT");
    hook["appliance"] = json!({"trusted_ca_lists": {"corp": {"certs": [Ca::new("x").pem()]}}});
    Place::new().hook(&hook).assert_denied(COMMUNICATION_ERROR, 0);
    hook["appliance"] = json!({"trusted_ca_lists": {"corp": {"certs": []}}});
    assert_eq!(Place::new().hook(&hook).verdict(), "DENY", "an empty list trusts nobody");
    hook["appliance"] = json!({});
    let ended = Place::new().hook(&hook);
    ended.assert_denied("Plugin configuration error", 2);
    ended.assert_logged(&["error", "[tls] ca_cert", "corp"]);
}

#[test]
fn without_a_configured_authority_it_is_the_systems() {
    let ca = Ca::new("system");
    let service = accepting(&ca.issue("127.0.0.1"), None);
    let place = Place::new();
    let roots = place.file("roots.pem", ca.pem());
    let with = place.hook_with(&[("SSL_CERT_FILE", roots.as_os_str())], &invocation(&service, ""));
    assert_eq!(with.verdict(), "ACCEPT", "{with:?}");
    let others = place.file("others.pem", Ca::new("other").pem());
    let without = place.hook_with(&[("SSL_CERT_FILE", others.as_os_str())], &invocation(&service, ""));
    without.assert_denied(COMMUNICATION_ERROR, 0);
    let configured = invocation(&service, &trusting(&Ca::new("configured")));
    let instead = place.hook_with(&[("SSL_CERT_FILE", roots.as_os_str())], &configured);
    instead.assert_denied(COMMUNICATION_ERROR, 0);
}

#[test]
fn the_systems_authorities_are_read_for_an_https_request_only() {
    let ca = Ca::new("own");
    let https = accepting(&ca.issue("127.0.0.1"), None);
    let http = Service::answering(&json!({"result": "ACCEPT"}));
    let place = Place::new();
    // Whoever opens it waits for a writer, and is killed.
    let fifo = place.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let roots: [(&str, &OsStr); 1] = [("SSL_CERT_FILE", fifo.as_os_str())];
    for (hook, verdict) in [
        (crate::authenticate("[mfa]\nprovider=none\n", json!({})), "NEEDINFO"),
        (with_otp("[mfa]\nprovider=none\n"), "ACCEPT"),
        (with_otp(&asking(&format!("http://{}", http.address), "")), "ACCEPT"),
        (invocation(&https, &trusting(&ca)), "ACCEPT"),
        (invocation(&https, "[tls]\nverify=no\n"), "ACCEPT"),
    ] {
        assert_eq!(place.hook_with(&roots, &hook).verdict(), verdict);
    }
    // The control: with a writer, the request without an authority of its own does read it.
    let pem = ca.pem();
    let writer = std::thread::spawn(move || fs::write(fifo, pem));
    let ended =
        place.hook_with(&[("SSL_CERT_FILE", place.path("fifo").as_os_str())], &invocation(&https, ""));
    assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
    writer.join().unwrap().unwrap();
}

#[test]
fn a_certificate_that_is_not_believed_is_an_error_and_no_outage_and_the_server_gets_no_request() {
    let ca = Ca::new("own");
    for (name, identity) in [
        ("another authority", Ca::new("other").issue("127.0.0.1")),
        ("another authority of the same name", Ca::new("own").issue("127.0.0.1")),
        ("another host", ca.issue("mfa.example.org")),
        ("another address", ca.issue("127.0.0.2")),
        ("a name for an address", ca.issue("localhost")),
        ("expired", ca.issue_expired("127.0.0.1")),
    ] {
        let service = accepting(&identity, None);
        let ended = ask(&service, &format!("ignore_connection_error=yes\n{}", trusting(&ca)));
        assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
        ended.assert_denied(COMMUNICATION_ERROR, 0);
        ended.assert_logged(&["error", "TLS with the server failed"]);
        assert_eq!((service.requests().len(), service.connections()), (0, 1), "{name}");
    }
}

#[test]
fn verification_is_off_only_where_that_is_written_and_then_warned_of() {
    let ca = Ca::new("own");
    for identity in [ca.issue_expired("mfa.example.org"), Ca::new("other").issue("127.0.0.1")] {
        let service = accepting(&identity, None);
        let ended = ask(&service, "[tls]\nverify=no\n");
        assert_eq!(ended.verdict(), "ACCEPT", "{ended:?}");
        ended.assert_logged(&["warning", "[tls] verify=no"]);
        ask(&service, "[tls]\nverify=yes\n").assert_denied(COMMUNICATION_ERROR, 0);
        ask(&service, "").assert_denied(COMMUNICATION_ERROR, 0);
        let unclear = ask(&service, "[tls]\nverify=false\n");
        unclear.assert_denied("Plugin configuration error", 2);
    }
}

#[test]
fn tls_that_is_switched_off_does_not_make_an_https_address_a_plain_one() {
    let ca = Ca::new("own");
    let service = accepting(&ca.issue("127.0.0.1"), None);
    let ended = ask(&service, &format!("{}enabled=no\n", trusting(&ca)));
    ended.assert_denied("Plugin configuration error", 2);
    ended.assert_logged(&["error", "[tls] enabled", "begins with https"]);
    assert_eq!(service.connections(), 0);
}

#[test]
fn an_authority_that_is_none_is_a_configuration_error() {
    let ca = Ca::new("own");
    let service = accepting(&ca.issue("127.0.0.1"), None);
    let damaged = ca.pem().replace("MII", "!!!");
    for value in ["corp", "/etc/ssl/certs", "", "-----BEGIN CERTIFICATE-----", as_value(&damaged).as_str()] {
        let ended = ask(&service, &format!("ignore_connection_error=yes\n[tls]\nca_cert={value}\n"));
        assert_eq!(ended.verdict(), "DENY", "{value}: {ended:?}");
        ended.assert_denied("Plugin configuration error", 2);
        ended.assert_logged(&["error", "[tls] ca_cert"]);
    }
    assert_eq!(service.connections(), 0);
}

fn with_client(ca: &Ca, identity: &Identity) -> String {
    let pem = format!("{}{}", identity.certificate_pem, identity.key_pem);
    format!("{}client_cert={}\n", trusting(ca), as_value(&pem))
}

#[test]
fn a_service_that_demands_a_client_certificate_gets_the_configured_one() {
    let ca = Ca::new("own");
    let service = accepting(&ca.issue("127.0.0.1"), Some(&ca));
    let mine = ca.issue("plugin.example.org");
    assert_eq!(ask(&service, &with_client(&ca, &mine)).verdict(), "ACCEPT");

    let mut stored =
        invocation(&service, &format!("[credential_store]\nname=local\n{}client_cert=$\n", trusting(&ca)));
    stored["appliance"] = json!({"credential_stores": {"local": [{"host": "tls", "user": "client_cert",
        "credentials": [{"type": "x509v3-sign-rsa", "key": mine.key_pem, "cert": mine.certificate_pem}]}]}});
    assert_eq!(Place::new().hook(&stored).verdict(), "ACCEPT");
    assert_eq!(service.requests().len(), 2);
}

#[test]
fn a_service_that_demands_a_client_certificate_refuses_none_and_others() {
    let ca = Ca::new("own");
    let service = accepting(&ca.issue("127.0.0.1"), Some(&ca));
    let foreign = Ca::new("other").issue("plugin.example.org");
    let expired = ca.issue_expired("plugin.example.org");
    for more in [trusting(&ca), with_client(&ca, &foreign), with_client(&ca, &expired)] {
        for _ in 0..2 {
            let ended = ask(&service, &format!("ignore_connection_error=yes\n{more}"));
            ended.assert_denied(COMMUNICATION_ERROR, 0);
        }
    }
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn a_client_certificate_that_is_none_is_a_configuration_error() {
    let ca = Ca::new("own");
    let service = accepting(&ca.issue("127.0.0.1"), Some(&ca));
    let (mine, other) = (ca.issue("plugin.example.org"), ca.issue("other.example.org"));
    for (name, pem) in [
        ("a certificate without its key", mine.certificate_pem.clone()),
        ("a key without its certificate", mine.key_pem.clone()),
        ("no PEM", "certificate".to_owned()),
        ("a damaged key", format!("{}{}", mine.certificate_pem, mine.key_pem.replace('A', ""))),
        ("another certificate's key", format!("{}{}", mine.certificate_pem, other.key_pem)),
    ] {
        let more = format!("ignore_connection_error=yes\n{}client_cert={}\n", trusting(&ca), as_value(&pem));
        let ended = ask(&service, &more);
        assert_eq!(ended.verdict(), "DENY", "{name}: {ended:?}");
        assert!(!ended.stderr.contains(mine.key_pem.lines().nth(1).unwrap()), "{name}: {}", ended.stderr);
    }
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn plain_text_on_the_https_port_and_tls_on_the_http_port_let_nobody_in() {
    let plain = Service::plain(|connection| {
        connection.anything();
        connection.send(reply(200, "application/json", r#"{"result": "ACCEPT"}"#));
    });
    let ca = Ca::new("own");
    ask(&plain, &trusting(&ca)).assert_denied(COMMUNICATION_ERROR, 0);
    ask(&plain, "[tls]\nverify=no\n").assert_denied(COMMUNICATION_ERROR, 0);
    let tls = accepting(&ca.issue("127.0.0.1"), None);
    let ended = Place::new().hook(&with_otp(&asking(&format!("http://{}", tls.address), "")));
    assert_eq!((ended.verdict().as_str(), ended.status), ("DENY", Some(0)), "{ended:?}");
    assert_eq!((plain.requests().len(), tls.requests().len()), (0, 0));
}
