//! The roads that a directory opens, and a list of names in a file.

use serde_json::json;

use crate::Given;
use crate::support::ldap::{ALICE, READER, directory, section};
use crate::support::service::{NOBODY, Service};
use crate::table::Road;

const FACTOR: &str = "[mfa]\nprovider=http\n[http]\nserver_url=http://SERVICE\ntoken=t0ken\n";

/// Puts a directory beside a configuration, whose section is `[ldap_server ad]`.
pub(crate) fn with_directory(configuration: &str) -> Given {
    let directory = directory();
    let section = section(&format!("ldap://{}", directory.address));
    let mut given = Given::new(&format!("{configuration}{section}"));
    given.directory = Some(directory);
    given
}

/// Lets somebody else be the directory.
fn instead(given: &mut Given, other: Service) {
    let address = given.directory.as_ref().unwrap().address.to_string();
    given.instead(&address, &other.address.to_string());
    given.directory = Some(other);
}

fn out_of_reach(given: &mut Given) {
    let address = given.directory.as_ref().unwrap().address.to_string();
    given.instead(&address, NOBODY);
}

pub(crate) const ROADS: [Road; 4] = [
    Road {
        name: "ldap_group",
        what_it_takes: "a user of whom a directory says, over LDAP, that one of the groups has them",
        given: || {
            with_directory(&format!(
                "{FACTOR}[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=no_user\nexcept=dev, dba\n"
            ))
        },
        verdict: "ACCEPT",
        by: "ldap_server_group",
        with_one_thing_less: &[
            ("a user whom the directory does not know", |given| given.argument("gateway_user", json!("eve"))),
            ("a user whom the directory knows twice", |given| given.argument("gateway_user", json!("twin"))),
            ("a name that the directory only finds alike", |given| {
                given.argument("gateway_user", json!("alice "))
            }),
            ("another such name", |given| given.argument("gateway_user", json!("alice\u{ad}"))),
            ("a star", |given| given.argument("gateway_user", json!("*"))),
            ("a piece of a filter", |given| given.argument("gateway_user", json!("alice)(uid=*"))),
            ("no user", |given| given.argument("gateway_user", json!(null))),
            ("groups of others", |given| given.instead("dev, dba", "dev")),
            ("groups that are not there", |given| given.instead("dev, dba", "dev, dbo")),
            ("an empty list of groups", |given| given.instead("dev, dba", "")),
            ("groups in groups not looked at", |given| {
                given.instead("user_base_dn", "nested_groups=no\nuser_base_dn")
            }),
            ("all but the groups", |given| given.instead("no_user", "all_users")),
            ("a directory out of reach", out_of_reach),
            ("a directory that hangs up", |given| instead(given, Service::plain(|_| {}))),
            ("a wrong password for the directory", |given| given.instead(READER, "wrong")),
            ("no password for the directory", |given| {
                given.instead(&format!("bind_password={READER}\n"), "");
            }),
            ("users elsewhere", |given| given.instead("=ou=people", "=ou=nowhere")),
            ("groups elsewhere", |given| given.instead("=ou=groups", "=ou=nowhere")),
            ("no groups", |given| given.instead("group_base_dn=ou=groups\n", "")),
            ("a schema that is none", |given| given.instead("rfc2307bis", "rfc2307")),
            ("an address that is none", |given| given.instead("ldap://", "http://")),
            ("TLS that the directory has not", |given| given.instead("ldap://", "ldaps://")),
            ("StartTLS that the directory has not", |given| {
                given.instead("schema=", "starttls=yes\nschema=");
            }),
            ("another name of the section", |given| given.instead("[ldap_server ad]", "[ldap_server ae]")),
            ("the appliance's directory of this name, which goes first", |given| {
                given.appliance = json!({"ldap_servers": {"ad": {"users": {"alice": {}}, "groups": {}}}});
            }),
            ("no time", |given| given.instead("[mfa]", "[plugin]\ntime_budget=0.000001\n[mfa]")),
        ],
    },
    Road {
        name: "ldap_group",
        what_it_takes: "a user of whom a directory says, over LDAP, that no excepted group has them",
        given: || {
            with_directory(&format!(
                "{FACTOR}[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=all_users\nexcept=dev\n"
            ))
        },
        verdict: "ACCEPT",
        by: "ldap_server_group",
        with_one_thing_less: &[
            ("a user in the group", |given| given.argument("gateway_user", json!("bob"))),
            ("the group by way of another one", |given| given.instead("except=dev", "except=dba")),
            ("the group in capitals", |given| given.instead("except=dev", "except=OPS")),
            ("a group that is not there", |given| given.instead("except=dev", "except=dev, dbo")),
            ("a group that appears twice", |given| given.instead("except=dev", "except=dev, double")),
            ("an empty name of a group", |given| given.instead("except=dev", "except=dev,")),
            ("a user whom the directory does not know", |given| given.argument("gateway_user", json!("eve"))),
            ("a directory out of reach", out_of_reach),
            ("a directory that hangs up", |given| instead(given, Service::plain(|_| {}))),
        ],
    },
    Road {
        name: "factor",
        what_it_takes: "the user's password in the directory",
        given: || {
            let mut given = with_directory("[mfa]\nprovider=ldap\n[ldap]\nserver=ad\n");
            given.argument("key_value_pairs", json!({"otp": ALICE}));
            given
        },
        verdict: "ACCEPT",
        by: "ldap",
        with_one_thing_less: &[
            ("another password", |given| given.argument("key_value_pairs", json!({"otp": "alicepx"}))),
            ("the password of bind_dn", |given| given.argument("key_value_pairs", json!({"otp": READER}))),
            ("an empty password", |given| given.argument("key_value_pairs", json!({"otp": ""}))),
            ("a NUL for a password", |given| given.argument("key_value_pairs", json!({"otp": "\u{0}"}))),
            ("a NUL behind the password", |given| {
                given.argument("key_value_pairs", json!({"otp": format!("{ALICE}\u{0}")}));
            }),
            ("a password of 2 KB", |given| {
                given.argument("key_value_pairs", json!({"otp": ALICE.repeat(300)}));
            }),
            ("no password where nobody can be asked", |given| {
                given.argument("key_value_pairs", json!({}));
                given.argument("protocol", json!("ftp"));
            }),
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("a user whom the directory does not know", |given| given.argument("gateway_user", json!("eve"))),
            ("a user whom the directory knows twice", |given| given.argument("gateway_user", json!("twin"))),
            ("a name that the directory only finds alike", |given| {
                given.argument("gateway_user", json!("alice "))
            }),
            ("an identity by transformation", |given| {
                given.instead("[mfa]", "[username_transform]\nappend_domain=x\n[mfa]")
            }),
            ("a wrong password for the directory", |given| given.instead(READER, "wrong")),
            ("a directory out of reach", out_of_reach),
            ("a directory that hangs up", |given| instead(given, Service::plain(|_| {}))),
            ("users elsewhere", |given| given.instead("=ou=people", "=ou=nowhere")),
            ("no directory named", |given| given.instead("server=ad\n", "")),
            ("a directory of another name", |given| given.instead("server=ad\n", "server=ae\n")),
            ("a directory of the appliance only", |given| {
                given.instead("[ldap_server ad]", "[ldap_server ae]");
                given.appliance = json!({"ldap_servers": {"ad": {"users": {"alice": {}}, "groups": {}}}});
            }),
            ("another name to bind as", |given| {
                given.instead("server=ad\n", "server=ad\nbind_name=uid={user},ou=others\n");
            }),
            ("a name to bind as without the user", |given| {
                given.instead("server=ad\n", "server=ad\nbind_name=uid=alice,ou=people\n");
            }),
        ],
    },
    Road {
        name: "user_list",
        what_it_takes: "a user whom a file of names has",
        given: || {
            let mut given = Given::new(&format!(
                "{FACTOR}[whitelist source=user_list]\nname=vip\n[user_list vip]\nallow=no_user\nexcept_file=FILE\n"
            ));
            let file = given.place.file("names", "# who is called at night\nroot\nalice\n");
            given.instead("FILE", file.to_str().unwrap());
            given
        },
        verdict: "ACCEPT",
        by: "user_list vip",
        with_one_thing_less: &[
            ("another user", |given| given.argument("gateway_user", json!("bob"))),
            ("the user in capitals", |given| given.argument("gateway_user", json!("Alice"))),
            ("the name in a comment", |given| drop(given.place.file("names", "root\n#alice\n"))),
            ("another name", |given| drop(given.place.file("names", "root\nalice smith\n"))),
            ("no name", |given| drop(given.place.file("names", ""))),
            ("all but the names", |given| given.instead("no_user", "all_users")),
            ("a file that is not there", |given| given.instead("names", "name")),
            ("a file that others may write", |given| {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
                std::fs::set_permissions(given.place.path("names"), mode).unwrap();
            }),
        ],
    },
];
