//! `check-config`: what is wrong with a configuration, and who gets in by it.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Ended, Place, authenticate};

/// Has something of everything.
const WHOLE: &str = "
[auth]
skip_connections = monitor_*
[whitelist source=user_list]
name = vip
[user_list vip]
allow = no_user
except = root
[whitelist source=ldap_server_group]
allow = no_user
except = admins
[ldap_server]
name = ad
[authentication_cache]
reuse_limit = 3
[mfa]
provider = edumfa
fallback = local
[edumfa]
server_url = https://mfa.example.org
api_key = s3cret-api-key
[access]
provider = rules
[rule night]
hours = 20:00-06:00
action = deny
[rule dba]
groups = dba
require = four_eyes
action = accept
[four_eyes]
realms = managers:1
[connection_limit by=client_ip_gateway_user]
limit = 3
[credentials]
provider = local, vault
on_error = next
[hashicorp]
address = vault.example.org
authentication_method = userpass
[engine-kv-v1]
secrets_path = kv/users
";

fn check(configuration: &str, words: &[&str]) -> Ended {
    let place = Place::new();
    place.file("c.ini", configuration);
    let config = place.path("c.ini");
    let mut all = vec!["check-config", "--config", config.to_str().unwrap()];
    all.extend(words);
    place.run(&all, String::new())
}

fn json_of(configuration: &str) -> (Value, Option<i32>) {
    let ended = check(configuration, &["--json"]);
    assert_eq!(ended.stderr, "", "{ended:?}");
    (ended.response(), ended.status)
}

#[test]
fn every_road_in_is_told_in_the_order_of_the_steps() {
    let (found, status) = json_of(WHOLE);
    assert_eq!((&found["errors"], status), (&json!([]), Some(0)), "{found}");
    assert_eq!(
        found["roads"],
        json!({
            "authenticate": [
                "connection policies monitor_*: left alone, without any factor",
                "users allowed by the user list vip: without a factor",
                "the members of admins in the directory ad: without a factor",
                "users who authenticated with the same provider from the same address under the same connection policy in the last 90 s, at most 3 times: without a factor",
                "users who pass edumfa",
                "while edumfa cannot be reached: users who pass with a local token",
            ],
            "authorize": [
                "rule night (hours 20:00-06:00): deny",
                "rule dba (groups dba): allow, with the approval of others",
                "all others: deny",
                "each of them with at most 3 sessions from one address",
            ],
            "credentials": ["local", "vault", "where one fails, the next is asked"],
        })
    );
}

#[test]
fn the_text_says_the_same_and_the_type_takes_half_of_it() {
    let ended = check(WHOLE, &["--type", "credentialstore"]);
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    assert!(text.ends_with("credentials:\n  1. local\n  2. vault\n  3. where one fails, the next is asked\nerrors: 0, warnings: 1\n"), "{text}");
    assert!(!text.contains("authenticate"), "{text}");
    assert_eq!(ended.status, Some(0));
}

#[test]
fn a_secret_in_the_clear_is_warned_of_and_never_shown() {
    let (found, _) = json_of(WHOLE);
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains("[edumfa] api_key is stored in clear text"), "{warnings}");
    assert!(!found.to_string().contains("s3cret-api-key"), "{found}");
    let (found, _) = json_of("[mfa]\nprovider=http\n[http]\nserver_url=https://x\ntoken=${env:HOME}\n");
    assert!(!found["warnings"].to_string().contains("in the clear"), "{found}");
}

#[test]
fn every_mistake_is_found_at_once_and_is_an_exit_status() {
    for (written, instead, told) in [
        ("reuse_limit = 3", "reuse_limit = x", "[authentication_cache] reuse_limit: expected"),
        ("limit = 3\n[cred", "limit = x\n[cred", "limit: expected a whole number"),
        ("action = accept", "action = allow", "[rule dba] action: expected"),
        ("hours = 20:00-06:00", "hours = 20-6", "[rule night] hours: expected"),
        ("provider = edumfa", "provider = edumfaa", "[mfa] provider: expected"),
        ("server_url = https://", "server_url = mfa://", "[edumfa] server_url: expected"),
        (
            "allow = no_user\nexcept = root",
            "allow = nobody\nexcept = root",
            "[user_list vip] allow: expected",
        ),
        ("skip_connections = monitor_*", "skip_connections = [", "[auth] skip_connections: expected"),
        ("provider = local, vault", "provider = local, vaults", "[credentials] provider: expected"),
        ("on_error = next", "on_error = go on", "[credentials] on_error: expected"),
        ("[edumfa]", "[edumfa", "configuration"),
    ] {
        assert!(WHOLE.contains(written), "{written}");
        let (found, status) = json_of(&WHOLE.replace(written, instead));
        assert!(found["errors"].to_string().contains(told), "{instead}: {found}");
        assert_eq!(status, Some(1), "{instead}");
    }
    let two =
        WHOLE.replace("reuse_limit = 3", "reuse_limit = x").replace("action = accept", "action = allow");
    assert_eq!(json_of(&two).0["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn the_key_of_the_state_is_read_as_the_hooks_will_and_never_shown() {
    let place = Place::new();
    let (good, short) = ("ab".repeat(32), "ab".repeat(31));
    for (key, errors) in [
        (good.clone(), json!([])),
        (
            "${env:SPS_PLUGIN_NO_SUCH}".to_owned(),
            json!(["the environment variable SPS_PLUGIN_NO_SUCH is not set"]),
        ),
        (short.clone(), json!(["[state] key: expected 64 hexadecimal digits"])),
        (format!("${{file:{}}}", place.file("good", &good).display()), json!([])),
        (
            format!("${{file:{}}}", place.file("short", &short).display()),
            json!(["[state] key: expected 64 hexadecimal digits"]),
        ),
        (format!("${{file:{}}}", place.path("none").display()), json!(["cannot read the file"])),
    ] {
        let (found, status) = json_of(&format!("[mfa]\nprovider=local\n[state]\nkey={key}\n"));
        let (told, wanted) = (found["errors"].as_array().unwrap(), errors.as_array().unwrap());
        assert_eq!(told.len(), wanted.len(), "{key}: {found}");
        assert!(
            wanted
                .iter()
                .zip(told)
                .all(|(piece, text)| text.as_str().unwrap().contains(piece.as_str().unwrap())),
            "{key}: {found}"
        );
        assert_eq!(status, Some(i32::from(!wanted.is_empty())), "{key}: {found}");
        assert!(!found.to_string().contains(&short), "{found}");
    }
    // What only the appliance has is not known here.
    let (found, status) = json_of("[state]\nkey=$\n[credential_store]\nname=secrets\n");
    assert!(found["warnings"].to_string().contains("it has to be on the appliance"), "{found}");
    assert_eq!(status, Some(0), "{found}");
}

#[test]
fn what_weakens_is_told() {
    for (text, told) in [
        ("[mfa]\nprovider=none\n", "everybody: the provider none asks for nothing"),
        ("[mfa]\nprovider=none\n", "everybody is accepted without a second factor"),
        (
            "[mfa]\nprovider=http\n[http]\nserver_url=https://x\nignore_connection_error=yes\n",
            "while http cannot be reached: everybody",
        ),
        ("[mfa]\nprovider=http\n[http]\nserver_url=http://x\n", "unencrypted http"),
        ("[mfa]\nprovider=http\n[http]\nserver_url=https://x\n[tls]\nverify=no\n", "verify=no"),
        ("[mfa]\nprovdier=http\n", "[mfa] provdier is unknown; is provider meant?"),
        (
            "[access]\nprovider=none\n[hosts_for_groups]\ndba = *\n",
            "[hosts_for_groups] has no effect, because [access] provider is another one",
        ),
        (
            "[access]\nprovider=rules\n[rule a]\naction=deny\n[groups_for_hosts]\n* = dba\n",
            "[groups_for_hosts] has no effect",
        ),
        ("[state]\ndirectory=some/where\n", "[state] directory is relative"),
        ("[question_1]\nprompt=Ticket:\n", "[question_1] is not asked"),
        (
            "[question_1]\nprompt=Ticket:\nkey=ticket\n[question_3]\nprompt=Why:\nkey=why\n",
            "[question_3] is not asked",
        ),
        ("[question_01]\nprompt=Ticket:\nkey=ticket\n", "[question_01] is not asked"),
        (
            "[connection_limit by=client_ip_gateway_user]\nlimit=-1\n",
            "limit is below 0: all sessions are denied",
        ),
        ("[access]\nprovider=fqdn\n[rule a]\naction=deny\n", "[rule a] has no effect"),
        ("[whitelist source=user_list]\nname=vip\n", "vip, which has to be on the appliance"),
    ] {
        let (found, status) = json_of(text);
        assert!(found.to_string().contains(told), "{text}: {found}");
        assert_eq!(status, Some(0), "{text}: {found}");
    }
}

#[test]
fn what_stands_beside_a_secret_of_the_appliance_is_read_and_no_road_is_left_out() {
    let text = "[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=https://x\napi_key=$\nignore_connection_error=yes\n\
                [credential_store]\nname=secrets\n[tls]\nca_cert=$[corp]\n";
    let (found, status) = json_of(text);
    assert_eq!((&found["errors"], status), (&json!([]), Some(0)));
    assert_eq!(
        found["warnings"],
        json!([
            "[tls] ca_cert: there is no trusted CA list 'corp'; it has to be on the appliance",
            "[edumfa] api_key: there is no credential store 'secrets'; it has to be on the appliance",
        ])
    );
    assert_eq!(
        found["roads"]["authenticate"],
        json!(["users who pass edumfa", "while edumfa cannot be reached: everybody"])
    );
    let (found, status) = json_of(&text.replace("error=yes", "error=ja"));
    assert!(found["errors"].to_string().contains("[edumfa] ignore_connection_error"), "{found}");
    assert_eq!(
        (&found["roads"]["authenticate"], status),
        (&json!(["nobody else, because of the error"]), Some(1))
    );
}

#[test]
fn a_secret_that_only_the_appliance_has_is_sent_to_nobody_in_its_place() {
    let text = "[mfa]\nprovider=edumfa\n[edumfa]\nserver_url=http://127.0.0.1:9\napi_key=$\n[credential_store]\nname=secrets\n";
    let ended = check(text, &["--online", "--json"]);
    let servers = ended.response()["servers"].to_string();
    assert!(
        servers.contains("not asked: ") && servers.contains("no credential store 'secrets'"),
        "{servers}"
    );
    assert_eq!(ended.status, Some(1));
}

#[test]
fn rules_that_nobody_is_to_read_are_an_error_and_not_said_to_have_no_effect() {
    for text in
        ["[rule a]\naction=deny\n", "[DEFAULT]\naction=deny\n[rule a]\n", "[groups_for_hosts]\n* = dba\n"]
    {
        let (found, status) = json_of(text);
        assert!(
            found["errors"].to_string().contains("[access] provider: expected rules, fqdn or"),
            "{text}: {found}"
        );
        assert!(!found["warnings"].to_string().contains("no effect"), "{text}: {found}");
        assert_eq!(status, Some(1), "{text}");
    }
}

#[test]
fn what_asking_a_directory_or_vault_takes_is_read_without_asking() {
    let vault = "[credentials]\nprovider=vault\n[hashicorp]\naddress=127.0.0.1\nport=0\n[engine-kv-v1]\nsecrets_path=kv/x\n";
    let directory = "[ldap_server]\nname=ad\n[ldap_server ad]\nurl=ftp://x\n";
    let referred =
        "[credential_store v]\nprovider=vault\nsecrets_path=kv/x\n[hashicorp]\naddress=127.0.0.1\nport=0\n";
    for (text, told) in
        [(vault, "[hashicorp] port"), (directory, "[ldap_server ad] url"), (referred, "[hashicorp] port")]
    {
        for words in [&["--json"][..], &["--json", "--online"]] {
            let ended = check(text, words);
            let errors = ended.response()["errors"].clone();
            let [error] = errors.as_array().unwrap().as_slice() else { panic!("{words:?}: {errors}") };
            assert!(error.as_str().unwrap().contains(told), "{words:?}: {errors}");
            assert_eq!(ended.status, Some(1), "{words:?}");
        }
    }
}

#[test]
fn a_state_directory_that_others_may_write_is_an_error_as_it_is_for_the_hooks() {
    let place = Place::new();
    let folder = place.path("shared");
    std::fs::create_dir(&folder).unwrap();
    for (mode, errors) in [(0o700, 0), (0o770, 1)] {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        let (found, status) = json_of(&format!("[state]\ndirectory={}\n", folder.display()));
        assert_eq!(found["errors"].as_array().unwrap().len(), errors, "{mode:o}: {found}");
        assert_eq!(status, Some(i32::try_from(errors).unwrap()), "{mode:o}");
    }
    let (found, _) = json_of("[state]\ndirectory=/nowhere/at/all\n");
    assert_eq!(found["errors"], json!([]), "{found}");
}

#[test]
fn a_group_whitelist_of_all_users_that_names_no_group_whitelists_no_user() {
    let text = |except: &str| {
        format!(
            "[ldap_server]\nname=ad\n[whitelist source=ldap_server_group]\nallow=all_users\nexcept={except}\n"
        )
    };
    for (except, is_told) in [("", true), (",", true), ("ops,", true), ("ops,,dba", true), ("ops", false)] {
        let (found, _) = json_of(&text(except));
        assert_eq!(
            found["warnings"].to_string().contains("whitelists no user"),
            is_told,
            "{except}: {found}"
        );
        assert_eq!(found["roads"].to_string().contains("everybody but the members"), !is_told, "{except}");
        let appliance =
            json!({"ldap_servers": {"ad": {"users": {"alice": {}}, "groups": {"ops": [], "dba": []}}}});
        let mut hook = authenticate(&text(except), json!({}));
        hook["appliance"] = appliance;
        let verdict = Place::new().hook(&hook).verdict();
        assert_eq!(verdict, if is_told { "NEEDINFO" } else { "ACCEPT" }, "{except}");
    }
}

#[test]
fn the_example_as_it_comes_has_no_error_whether_servers_are_asked_or_not() {
    let text = std::fs::read_to_string("plugin.ini.example").unwrap();
    for words in [&["--json"][..], &["--json", "--online"]] {
        let ended = check(&text, words);
        assert_eq!((ended.response()["errors"].clone(), ended.status), (json!([]), Some(0)), "{ended:?}");
        assert_eq!(ended.response()["warnings"], json!([]), "{ended:?}");
    }
}

#[test]
fn sections_that_are_read_are_not_called_idle() {
    for text in [
        "[access]\nprovider=fqdn\n[hosts_for_groups]\ndba = *\n[groups_for_hosts]\n* = dba\n",
        "[access]\nprovider=rules\n[rule a]\naction=deny\n",
        "[mfa]\nprovider=local\n",
        // As default.cfg has them: headers, and nothing below.
        "[question_1]\nprompt=Ticket:\nkey=ticket\n[question_2]\nprompt=Why:\nkey=why\n[question_3]\n",
        "[access]\n[hosts_for_groups]\n[groups_for_hosts]\n[rule dba]\n",
    ] {
        let (found, _) = json_of(text);
        assert_eq!(found["warnings"], json!([]), "{text}: {found}");
    }
}

#[test]
fn a_file_that_is_not_there_and_a_word_too_many_are_told() {
    let place = Place::new();
    let ended = place.run(&["check-config", "--config", "/no/such/file", "--json"], String::new());
    assert!(
        ended.response()["errors"].to_string().contains("cannot read the configuration file"),
        "{ended:?}"
    );
    assert_eq!(ended.status, Some(1));
    let ended = place.run(&["check-config", "more"], String::new());
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(ended.stderr.contains("see --help"), "{ended:?}");
}

#[test]
fn a_section_that_no_provider_reads_is_a_warning() {
    for (configuration, warning) in [
        (
            "[radius]\nserver=r.example.org\nsecret=${env:S}\n",
            "[radius] is set, but [mfa] provider does not name radius",
        ),
        (
            "[mfa]\nprovider=none\n[yubikey]\nclient_id=1\n",
            "[yubikey] is set, but [mfa] provider does not name yubico",
        ),
        (
            "[hashicorp]\naddress=v.example.org\n",
            "[hashicorp] is set, but [credentials] provider does not name vault",
        ),
        ("[okta]\nsite=x\n", "[okta] is set, but no provider reads it"),
    ] {
        let (found, status) = json_of(configuration);
        assert!(found["warnings"].to_string().contains(warning), "{configuration}: {found}");
        assert_eq!(status, Some(0), "{found}");
        assert_eq!(check(configuration, &["--strict"]).status, Some(1), "{configuration}");
    }
    let read = "[mfa]\nprovider=radius\n[radius]\nserver=127.0.0.1\nsecret=${env:PATH}\n\
                [four_eyes]\nrealms=r@edumfa:1\nconnections=x\n[edumfa]\nserver_url=https://e\n[http]\n";
    let (found, _) = json_of(read);
    assert!(!found["warnings"].to_string().contains("is set"), "{found}");
}

#[test]
fn what_decides_besides_the_roads_is_told_too() {
    let (found, status) = json_of(
        "[mfa]\nprovider=local\n[authentication_cache]\nreuse_limit=-1\n\
         [usermapping source=explicit]\nalice=id-1\n[username_transform]\nappend_domain=example.org\n\
         [usermapping source=ldap_server]\nuser_attribute=mail\n[ldap_server]\nname=ad\n\
         [four_eyes]\nrealms=managers:1\nconnections=production_*\n  db_*\n",
    );
    assert_eq!(status, Some(0), "{found}");
    assert_eq!(
        found["roads"]["authenticate"],
        json!([
            "connection policies production_*, db_*, and those without a name: approvals of managers:1 required instead of a factor of the user's own, and whitelists do not apply; authentications are not cached and outages not ignored",
            "users who authenticated with the same provider from the same address under the same connection policy in the last 90 s, any number of times: without a factor, except on production_*, db_*",
            "the second factor is asked about alice as id-1",
            "the second factor is asked about the attribute mail in the directory ad, or about the name itself if there is none or no answer",
            "the second factor is asked about names without an @ with @example.org appended",
            "users who pass local",
        ])
    );
    assert_eq!(
        found["roads"]["authorize"],
        json!([
            "all users accepted by authenticate, and sessions without a cookie of this plugin's authenticate, except on production_*, db_*"
        ])
    );
}

#[test]
fn a_connection_that_is_skipped_and_requires_approvals_is_an_error() {
    let demand = "[mfa]\nprovider=local\n[four_eyes]\nrealms=ops:1\nconnections=prod_*, db[12]\n[auth]\nskip_connections=";
    for (skipped, pairs) in [
        ("prod_x", &[("prod_x", "prod_*")][..]),
        ("*_x, test", &[("*_x", "prod_*")]),
        ("db?, prod_*", &[("db?", "db[12]"), ("prod_*", "prod_*")]),
        ("test_*, db3, pro", &[]),
    ] {
        let (found, status) = json_of(&format!("{demand}{skipped}\n"));
        let errors = pairs.iter().map(|(skipped, demanding)| {
            format!("[auth] skip_connections = {skipped}: [four_eyes] connections = {demanding} requires approvals there, so those connections are denied; remove them from one of the two")
        });
        assert_eq!(found["errors"], json!(errors.collect::<Vec<_>>()), "{skipped}");
        assert_eq!(status, Some(i32::from(!pairs.is_empty())), "{skipped}");
    }
}

#[test]
fn a_list_of_several_lines_is_one_line_of_the_overview() {
    let (found, status) = json_of("[auth]\nskip_connections=a*\n  b*\n[mfa]\nprovider=local\n");
    assert_eq!(status, Some(0), "{found}");
    assert_eq!(
        found["roads"]["authenticate"][0],
        "connection policies a*, b*: left alone, without any factor"
    );
}

#[test]
fn a_file_without_its_option_is_refused_with_a_hint() {
    let ended = Place::new().run(&["check-config", "plugin.ini"], String::new());
    assert_eq!(ended.status, Some(2));
    ended.assert_logged(&[
        "unexpected argument 'plugin.ini' found; the configuration file is given with --config",
    ]);
}

#[test]
fn a_rule_behind_one_without_a_condition_is_never_reached() {
    let (found, status) = json_of(
        "[mfa]\nprovider=local\n[access]\nprovider=rules\n[rule a]\nusers=alice\n  bob\nhosts=db*\naction=accept\n\
         [rule all]\nrequire=mfa\naction=accept\n[rule no]\nhosts=db1\naction=deny\n",
    );
    assert_eq!(status, Some(0), "{found}");
    assert_eq!(
        found["roads"]["authorize"],
        json!([
            "rule a (users alice, bob; hosts db*): allow",
            "rule all (all users): allow, with a second factor",
        ])
    );
    let warning = "[rule no] is never reached, because [rule all] before it has no condition";
    assert_eq!(found["warnings"], json!([warning]));
}

#[test]
fn what_connections_demand_is_told_and_a_demand_that_cannot_be_met_is_an_error() {
    let demand = "[mfa]\nprovider=http\n[http]\nserver_url=https://mfa.example.org\n[four_eyes]\nrealms=ops:1\nconnections=prod_*\n";
    let (found, status) =
        json_of(&format!("{demand}[authentication_cache]\nreuse_limit=-1\nshare_connections=office_*\n"));
    assert_eq!((&found["errors"], status), (&json!([]), Some(0)), "{found}");
    let roads = found["roads"]["authenticate"].to_string();
    for piece in [
        "connection policies prod_*, and those without a name: approvals of ops:1 required, and whitelists do not apply",
        "or under any two of office_* in the last 90 s, any number of times: without a factor, except on prod_*",
        "approvals in addition",
    ] {
        assert!(roads.contains(piece), "{piece}: {roads}");
    }
    let (found, _) = json_of(&format!("{demand}except_whitelisted=yes\n"));
    assert!(found["warnings"].to_string().contains("[four_eyes] except_whitelisted = yes"), "{found}");
    let rule = "[access]\nprovider=rules\n[rule all]\naction=accept\n";
    for (configuration, error) in [
        ("[four_eyes]\nconnections=prod_*\n".to_owned(), "[four_eyes] realms: expected"),
        ("[four_eyes]\nrealms=ops:1\n".to_owned(), "[four_eyes] connections: expected"),
        (demand.replace("ops:1", "ops@linotp:1"), "[linotp] server_url"),
        (demand.replace("ops:1", "ops@ldap:1"), "after an @ one of"),
        (format!("[mfa]\nprovider=none\n{rule}require=mfa\n"), "[mfa] provider is none"),
        (format!("{rule}require=four_eyes\n"), "[four_eyes] realms: expected"),
    ] {
        let (found, status) = json_of(&configuration);
        assert!(found["errors"].to_string().contains(error), "{configuration}: {found}");
        assert_eq!(status, Some(1), "{configuration}");
    }
}
