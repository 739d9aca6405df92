//! The commands one by one.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::Desk;

const TOTP: &str = "GEZDGNBVGY3TQOJQ";

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys").join(name);
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_password_from_stdin_is_handed_out_and_gone_when_it_is_deleted() {
    let desk = Desk::new();
    let done = desk.ok("set --account root --asset db1 --password-stdin", "pa ss\n");
    assert_eq!(done, "the entry for account root on asset db1 is made\n");
    assert_eq!(desk.passwords("s1", "root", "db1"), json!(["pa ss"]));
    let done = desk.ok("set --account root --asset DB1 --password-stdin --add", "two");
    assert_eq!(done, "the entry for account root on asset db1 is changed\n");
    assert_eq!(desk.passwords("s1", "root", "db1"), json!(["pa ss", "two"]));
    assert_eq!(
        desk.ok("delete --account root --asset db1", ""),
        "the entry for account root on asset db1 is deleted\n"
    );
    assert_eq!(desk.passwords("s1", "root", "db1"), json!([]));
    desk.refused(
        "delete --account root --asset db1",
        "",
        "there is no entry for account root on asset db1",
        2,
    );
}

#[test]
fn what_is_not_named_stays_as_it_is() {
    let desk = Desk::new();
    desk.ok(
        "set --account root --asset db1 --password-stdin --totp-stdin --checkout exclusive",
        &format!("pw\n{TOTP}\n"),
    );
    desk.ok("set --account root --asset db1 --description note", "");
    let shown = desk.json("show --account root --asset db1");
    assert_eq!(
        shown,
        json!({"account": "root", "asset": "db1", "checkout": "exclusive", "passwords": 1, "private_keys": [], "totp": true,
            "remote_app": false, "description": "note", "held_by": null, "launch_information": null, "host_app": null})
    );
}

#[test]
fn keys_come_from_files_and_from_stdin_and_are_handed_out_with_their_types() {
    let desk = Desk::new();
    let rsa = desk.place.file("id_rsa", fixture("rsa.openssh"));
    let encrypted = desk.place.file("id_ecdsa", fixture("nistp256-encrypted.openssh"));
    let both = format!("--key-file {} --key-file {}", rsa.display(), encrypted.display());
    let command = format!("set --account root --asset db1 {both} --passphrase-stdin");
    desk.ok(&command, "geheim\n");
    desk.ok("set --account root --asset db1 --key-file - --add", &fixture("ed25519.openssh"));
    let arguments = json!({"session_id": "s1", "server_username": "root", "server_hostname": "db1"});
    let response = desk.hook("get_private_key_list", arguments).response();
    let keys = response["private_keys"].as_array().unwrap();
    let kinds: Vec<_> = keys.iter().map(|key| key[0].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"]);
    assert_eq!(keys[2][1], fixture("ed25519.openssh"));
    assert!(keys[1][1].as_str().unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
}

#[test]
fn a_key_that_is_none_or_does_not_open_changes_nothing() {
    let desk = Desk::new();
    let bad = desk.place.file("id_bad", "s3cret");
    let encrypted = desk.place.file("id_enc", fixture("rsa-encrypted.pkcs1"));
    let (bad, encrypted) = (bad.display().to_string(), encrypted.display().to_string());
    let set = "set --account root --asset db1 --key-file";
    let sentence = format!("the key in {bad}: this is not a private key in PEM or OpenSSH format");
    desk.refused(&format!("{set} {bad}"), "", &sentence, 2);
    let sentence = format!("the key in {encrypted}: the private key is encrypted; its passphrase is needed");
    desk.refused(&format!("{set} {encrypted}"), "", &sentence, 2);
    let sentence = format!("the key in {encrypted}: the passphrase does not open the private key");
    desk.refused(&format!("{set} {encrypted} --passphrase-stdin"), "wrong\n", &sentence, 2);
    let ended = desk.run(&format!("{set} {}", desk.place.path("nowhere").display()), "");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("cannot read "), "{ended:?}");
    assert_eq!(desk.json("list"), json!([]));
}

#[test]
fn secrets_stand_in_no_argument() {
    let desk = Desk::new();
    let help = desk.ok("set --help", "");
    for option in ["--password", "--totp", "--passphrase", "--key", "--secret"] {
        let takes_a_value = help.split_whitespace().any(|word| word == option);
        assert!(!takes_a_value, "{option} would be seen by whoever lists processes");
    }
    let ended = desk.run("set --account root --asset db1 --password s3cret", "");
    assert_eq!(ended.status, Some(2));
    assert_eq!(desk.json("list"), json!([]));
}

#[test]
fn show_and_list_reveal_nothing_unless_asked() {
    let desk = Desk::new();
    let command =
        "set --account root --asset db1 --password-stdin --passphrase-stdin --totp-stdin --key-file";
    let key = desk.place.file("id", fixture("ed25519-encrypted.openssh"));
    desk.ok(&format!("{command} {}", key.display()), &format!("marker-pw\ngeheim\n{TOTP}\n"));
    let body = "BEGIN OPENSSH";
    for command in
        ["show --account root --asset db1", "list", "show --account root --asset db1 --json", "list --json"]
    {
        let shown = desk.ok(command, "");
        assert!(shown.contains("ssh-ed25519"), "{shown}");
        for secret in ["marker-pw", TOTP, body, "geheim"] {
            assert!(!shown.contains(secret), "{command}: {shown}");
        }
    }
    let shown = desk.ok("show --account root --asset db1 --reveal", "");
    for secret in ["marker-pw", TOTP, body] {
        assert!(shown.contains(secret), "{shown}");
    }
}

#[test]
fn list_says_what_there_is_and_who_holds_it() {
    let desk = Desk::new();
    desk.set_password("root", "*.lan", "1");
    desk.ok("set --account admin --asset db1 --password-stdin --checkout exclusive", "2\n");
    desk.ok("set --account token --asset http --password-stdin --store plugin", "3\n");
    desk.passwords("svc/7", "admin", "db1");
    assert_eq!(
        desk.ok("list", ""),
        "ACCOUNT  ASSET  STORE   HOLDS     CHECKOUT   HELD BY  DESCRIPTION\n\
         admin    db1    -       password  exclusive  svc/7\n\
         root     *.lan  -       password  shared     -\n\
         token    http   plugin  password  shared     -\n"
    );
    assert_eq!(desk.json("list --account root").as_array().unwrap().len(), 1);
    assert_eq!(desk.json("list --store plugin")[0]["account"], "token");
}

#[test]
fn commands_that_make_no_sense_are_refused_in_one_sentence() {
    let desk = Desk::new();
    let nothing = "the entry would hold nothing; give a password, a key, a TOTP secret or launch information";
    desk.refused("set --account root --asset db1", "", nothing, 2);
    desk.refused("set --account root --asset db1 --description x", "", nothing, 2);
    desk.refused("set --account root --asset db1 --password-stdin", "\n", "the password is empty", 2);
    let missing = "the password is missing on stdin; there is one line for each";
    desk.refused("set --account root --asset db1 --password-stdin", "", missing, 2);
    desk.refused("set --account root --asset  --password-stdin", "x\n", "the asset must not be empty", 2);
    let both = "a key on stdin leaves no room for anything else there";
    desk.refused("set --account root --asset db1 --key-file - --password-stdin", "x\n", both, 2);
    let totp =
        "the TOTP secret has to be base32 (A to Z and 2 to 7) or a URI otpauth://totp/LABEL?secret=BASE32";
    desk.refused("set --account root --asset db1 --totp-stdin", "s3cret!\n", totp, 2);
    let digits = "a TOTP code has 6 to 8 digits";
    desk.refused(
        "set --account root --asset db1 --totp-stdin --totp-digits 9",
        &format!("{TOTP}\n"),
        digits,
        2,
    );
    desk.refused("show --account root --asset db1", "", "there is no entry for account root on asset db1", 2);
    assert_eq!(desk.json("list"), json!([]));
}

#[test]
fn the_tokens_and_the_credentials_have_one_key() {
    let desk = Desk::new();
    desk.set_password("root", "db1", "one");
    desk.set_password("root", "*.lan", "two");
    let key = || fs::read(desk.place.state().join("master.key")).unwrap();
    let first = key();
    let said = |text: &str, name: &str| {
        let sealed = "2 secrets are sealed with the new key\nthe old key is kept in ";
        assert!(text.starts_with(&format!("{sealed}{name}; ")), "{text}");
    };
    said(&desk.ok("rotate-key", ""), "master.key.old-1");
    let second = key();
    let ended = desk.place.run(&["token", "rekey"], "");
    said(&String::from_utf8(ended.stdout).unwrap(), "master.key.old-2");
    assert!(first != second && second != key());
    assert_eq!(desk.passwords("s1", "root", "db1"), json!(["one"]));
    assert_eq!(desk.passwords("s1", "root", "x.lan"), json!(["two"]));
}

#[test]
fn a_store_with_another_key_gives_nothing_and_takes_nothing() {
    let desk = Desk::new();
    desk.set_password("root", "db1", "one");
    let key = desk.place.state().join("master.key");
    let own = fs::read(&key).unwrap();
    fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    let wrong = "the store's secrets are sealed with another key; nothing was changed";
    for command in [
        "set --account root --asset db2 --password-stdin",
        "show --account root --asset db1 --reveal",
        "list",
        "delete --account root --asset db1",
        "rotate-key",
    ] {
        desk.refused(command, "x\n", wrong, 1);
    }
    let arguments = json!({"session_id": "s1", "server_username": "root", "server_hostname": "db1"});
    let ended = desk.hook("get_password_list", arguments);
    assert_eq!((ended.status, &ended.response()["passwords"]), (Some(1), &json!([])));
    assert!(ended.stderr.contains(wrong), "{ended:?}");
    fs::write(&key, own).unwrap();
    assert_eq!(desk.passwords("s1", "root", "db1"), json!(["one"]));
}

#[test]
fn a_reference_is_answered_from_a_file_of_the_configurations_form() {
    let desk = Desk::new();
    let file = desk.place.file("secrets.ini", "[auth]\nprompt = 100% Kept:\n");
    let configuration = format!(
        "[mfa]\nprovider = none\n[auth]\nprompt = $\n[credential_store]\nname = x\n[credential_store x]\nprovider = file\nfile = {}\n",
        file.display()
    );
    let ask =
        || desk.place.hook(&super::support::authenticate(&configuration, json!({"gateway_user": "alice"})));
    assert_eq!(ask().response()["question"][1], "100% Kept: ");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ended = ask();
    ended.assert_denied("Plugin configuration error", 2);
    assert!(ended.stderr.contains("is readable by others; chmod 600 it"), "{ended:?}");
    assert!(!desk.place.state().exists());
}

#[test]
fn a_client_certificate_may_be_an_entry_of_the_plugins_own_store() {
    let desk = Desk::new();
    let secrets = desk.place.file("pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let file = format!("--password-file {}", secrets.display());
    desk.ok(&format!("set --store x --account client_cert --asset tls {file}"), "");
    let shown = desk.json("show --store x --account client_cert --asset tls --reveal");
    assert_eq!(shown["passwords"][0], "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
}

#[test]
fn no_secret_is_in_a_log_an_error_a_cookie_or_a_file() {
    let desk = Desk::new();
    let markers =
        ["marker-password", "MRKRMRKRMRKRMRKR", "marker-additional", "marker-passphrase", "BEGIN OPENSSH"];
    let key = desk.place.file("id", fixture("ed25519.openssh"));
    let additional = desk.place.file("more.json", r#"{"token": "marker-additional"}"#);
    let files = format!("--key-file {} --additional-file {}", key.display(), additional.display());
    let set =
        format!("set --account root --asset db1 --password-stdin --passphrase-stdin --totp-stdin {files}");
    desk.ok(&set, "marker-password\nmarker-passphrase\nMRKRMRKRMRKRMRKR\n");
    fs::remove_file(key).unwrap();
    fs::remove_file(additional).unwrap();
    let configuration = "[credentials]\nprovider = local\n[logging]\nlog_level = debug\n";
    let mut cookie = json!({});
    let mut handed_out = 0;
    let mut said = String::new();
    for hook in [
        "get_password_list",
        "get_private_key_list",
        "get_totp_codes",
        "get_remote_app_credentials",
        "authentication_completed",
        "session_ended",
    ] {
        let arguments = json!({"session_id": "s1", "server_username": "root", "server_hostname": "db1", "asset": "db1",
            "cookie": cookie});
        let invocation = json!({"hook": hook, "type": "credentialstore", "arguments": arguments, "configuration": configuration});
        let ended = desk.place.hook(&invocation);
        let response = ended.response();
        handed_out += markers.iter().filter(|marker| response.to_string().contains(*marker)).count();
        said += &ended.stderr;
        if response.is_object() {
            cookie = response["cookie"].clone();
            said += &cookie.to_string();
        }
    }
    assert_eq!(handed_out, 4, "a password, a key, and both of a remote application");
    for (command, stdin) in [
        (
            "import - --format csv",
            "account,asset,password,private_key\nroot,x,marker-password,marker-password\n",
        ),
        ("import - --format csv", "account,asset,marker-password\n"),
        ("import -", "account,asset,password\nroot,db1,\"marker-password\nroot,db2,marker-password\n"),
        (
            "import - --skip-bad",
            "account,asset,password,totp\nroot,db7,\"marker-\npassword\",marker-password\n,db8,marker-password,\n",
        ),
        ("import - --format keepass", "<KeePassFile><marker-password/>marker-password"),
        ("set --account root --asset db1 --totp-stdin", "marker-password\n"),
        ("set --account root --asset db1 --key-file -", "marker-password\n"),
        ("delete --account root --asset db2", ""),
        ("list", ""),
        ("show --account root --asset db1", ""),
    ] {
        let ended = desk.run(command, stdin);
        said += &ended.stderr;
        said += &String::from_utf8(ended.stdout).unwrap();
    }
    for file in desk.place.files() {
        said += &String::from_utf8_lossy(&fs::read(file).unwrap());
    }
    for marker in markers {
        assert!(!said.contains(marker), "{marker}");
    }
}
