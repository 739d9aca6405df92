//! Spellings of accounts, hosts and addresses, where credentials are handed out and in the tables of targets.

use std::net::IpAddr;

use serde_json::{Value, json};
use sps_plugin::access::{self, Access, Resolver, Ruling};
use sps_plugin::clock::UnixTime;
use sps_plugin::config::ini::Ini;
use sps_plugin::config::reference::NothingElse;
use sps_plugin::config::settings::Settings;
use sps_plugin::names::Address;

use crate::support::{Place, credential_hook};
use crate::table::Is::{Other, Perhaps, Same, Unclear};
use crate::table::{ACCOUNTS, ADDRESSES, CONTAINING, HOSTS};

fn with_entries(entries: &[(&str, &str)]) -> Place {
    let place = Place::new();
    for (account, asset) in entries {
        let words = ["credential", "set", "--account", account, "--asset", asset, "--password-stdin"];
        let set = place.run(&words, format!("{account} {asset}\n"));
        assert_eq!(set.status, Some(0), "{set:?}");
    }
    place
}

fn password(place: &Place, generator: &str, arguments: Value) -> Value {
    let text = format!("[credentials]\nprovider=local\n[assets]\ngenerator={generator}\n");
    let mut invocation = credential_hook("get_password_list", &text, arguments);
    invocation["appliance"] = json!({});
    place.hook(&invocation).response()["passwords"][0].clone()
}

#[test]
fn a_credential_is_handed_out_for_the_account_as_it_is_written() {
    let place = with_entries(&[("root", "db1"), ("root", "web*")]);
    for (account, is) in ACCOUNTS {
        for (host, entry) in [("db1", "root db1"), ("web1", "root web*")] {
            let got = password(
                &place,
                "hostname",
                json!({"server_username": account, "server_hostname": host, "server_ip": null}),
            );
            let wanted = match is {
                Same => json!(entry),
                Perhaps | Unclear | Other => json!(null),
            };
            assert_eq!(got, wanted, "{account:?} {host}");
        }
    }
}

#[test]
fn a_credential_of_an_address_is_handed_out_for_each_spelling_of_it() {
    let place = with_entries(&[("root", "*"), ("root", "10.1.2.3")]);
    for (generator, argument) in [("hostname", "server_hostname"), ("ip", "server_ip")] {
        let mut arguments = json!({"server_hostname": "db1", "server_ip": null});
        for (address, is) in ADDRESSES {
            arguments[argument] = json!(address);
            let got = password(&place, generator, arguments.clone());
            let wanted = match is {
                Same => json!("root 10.1.2.3"),
                Other => json!("root *"),
                Perhaps | Unclear => json!(null),
            };
            assert_eq!(got, wanted, "{generator} {address:?}");
        }
        for address in CONTAINING {
            arguments[argument] = json!(address);
            let got = password(&place, generator, arguments.clone());
            assert_eq!(got, json!(null), "{generator} {address:?}");
        }
    }
}

/// The names that DNS has for a target.
struct Names<'a>(&'a [&'a str]);

impl Resolver for Names<'_> {
    fn confirmed_names(&self, _: IpAddr) -> Vec<String> {
        self.0.iter().map(|&name| name.to_owned()).collect()
    }
}

/// Whether the tables let bob, who is in dba, go to a target with these names in DNS.
fn tables_accept(tables: &str, names: &[&str], address: &str) -> bool {
    let mut ini = Ini::new();
    ini.read_str("test", &format!("[access]\nprovider=fqdn\n{tables}\n")).unwrap();
    let resolver = Names(names);
    let provider = access::provider(&Settings::new(ini, &NothingElse), &resolver).unwrap().unwrap();
    let groups = ["dba".to_owned()];
    let access = Access {
        user: None,
        names: &[],
        groups: Some(&groups),
        host: None,
        address: Address::parse(address),
        protocol: None,
        account: None,
        now: UnixTime::from_secs(0),
    };
    match provider.decide(&access, &mut |_| {}) {
        Ruling::Accept { .. } => true,
        Ruling::Deny { .. } => false,
    }
}

#[test]
fn a_table_of_hosts_accepts_each_spelling_of_a_host_in_dns_and_no_other() {
    for table in ["[hosts_for_groups]\ndba=db1.example.org", "[groups_for_hosts]\ndb1.example.org=dba"] {
        for (host, is) in HOSTS {
            let got = tables_accept(table, &[host], "192.0.2.1");
            assert_eq!(got, *is == Same, "{table} {host:?}");
        }
    }
}

#[test]
fn a_table_of_hosts_accepts_each_spelling_of_an_address_and_no_other() {
    for table in ["[hosts_for_groups]\ndba=10.1.2.3", "[groups_for_hosts]\n10.1.2.3=dba"] {
        for (address, is) in ADDRESSES {
            assert_eq!(tables_accept(table, &[], address), *is == Same, "{table} {address:?}");
        }
        for address in CONTAINING {
            assert!(!tables_accept(table, &[], address), "{table} {address:?}");
        }
    }
}
