//! `token import`: what is told of a whole file, what is left out, and what takes the place of what is there.

use super::transfer::refused;
use super::{Desk, SECRET};

/// Another key than [`SECRET`].
const OTHER: &str = "3132333435363738393031323334353637383931";

/// A table of three tokens with five lines that are wrong.
fn table() -> String {
    format!(
        "serial,secret,type,digits\nA,{SECRET},hotp,6\nB,31,hotp,6\nC,{SECRET},steam,6\nA,{SECRET},hotp,6\n\
         D,\"{SECRET},hotp,6\nE,{OTHER},totp,8\nF,{SECRET},hotp,7\n"
    )
}

const TOLD: [&str; 5] = [
    "line 3: the secret has to be 10 to 128 bytes",
    "line 4: the type has to be hotp or totp",
    "line 5: the serial A stands in the file twice",
    "line 6: unterminated quote",
    "line 8: the number of digits has to be 6 or 8",
];

#[test]
fn everything_that_is_wrong_with_a_file_is_told_at_once_and_nothing_is_imported() {
    refused(&Desk::new(), "", &table(), &TOLD);
    let ended = Desk::new().run("import -", &table());
    let last = "sps-plugin: error: 5 of 7 entries cannot be imported; nothing was imported; --skip-bad imports the others\n";
    assert!(ended.stderr.ends_with(last), "{}", ended.stderr);
    assert!(!ended.stderr.contains(SECRET) && !ended.stderr.contains(OTHER));
}

#[test]
fn entries_that_cannot_be_taken_are_left_out_only_where_that_is_written() {
    let desk = Desk::new();
    let ended = desk.run("import - --skip-bad", &table());
    assert_eq!(
        String::from_utf8(ended.stdout).unwrap(),
        "2 tokens are imported\n5 entries left out, for the reasons above\n"
    );
    let told: Vec<String> =
        TOLD.iter().map(|told| format!("sps-plugin: warning: {told}; it is left out\n")).collect();
    assert_eq!((ended.status, ended.stderr), (Some(0), told.concat()));
    assert_eq!(desk.serials(), ["A", "E"]);
    let ended = Desk::new().run("import - --skip-bad --json", &table());
    let told: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&told["imported"], &told["serials"]), (&2.into(), &serde_json::json!(["A", "E"])));
    assert_eq!(told["left_out"][3]["place"], "line 6");
    assert_eq!(told["left_out"][3]["reason"], "unterminated quote");
    let ended = Desk::new().run("import - --skip-bad", "serial,secret\nA,31\n");
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]), "{ended:?}");
    ended.assert_logged(&["line 2: the secret has to be 10 to 128 bytes; it is left out"]);
    ended.assert_logged(&["error: no entry can be imported"]);
}

#[test]
fn a_dry_run_tells_everything_and_writes_nothing() {
    let desk = Desk::new();
    let good = format!("serial,secret\nA,{SECRET}\n10:1,{OTHER}\n");
    let ended = desk.run("import - --dry-run", &good);
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "2 tokens would be imported\nnothing was written\n");
    assert_eq!(ended.stderr, "sps-plugin: warning: line 3: the serial 10:1 is imported as UBOM10_1\n");
    assert_eq!(desk.serials(), Vec::<String>::new());
    assert!(!desk.place.state().join("master.key").exists(), "not even the key");
    refused(&desk, "--dry-run", &table(), &TOLD);
    desk.enrol_hotp("A", "alice");
    let before = desk.ok("export --secrets");
    let told = desk.ok_with("import - --dry-run --replace --json", &format!("serial,secret\nA,{OTHER}\n"));
    assert_eq!(told, "{\"imported\":1,\"serials\":[\"A\"],\"dry_run\":true,\"replaced\":[\"A\"]}\n");
    assert_eq!(desk.ok("export --secrets"), before);
}

#[test]
fn serials_that_are_there_are_all_told_or_left_out_or_replaced() {
    let desk = Desk::new();
    desk.enrol_hotp("A", "alice");
    desk.ok(&format!("enroll --type totp --user bob --serial B --secret-hex {OTHER}"));
    let file = format!("serial,secret,digits\nA,{OTHER},8\nB,{SECRET},8\nC,{SECRET},8\n");
    let ended = desk.run("import -", &file);
    for told in [
        "line 2: a token A already exists",
        "line 3: a token B already exists",
        "2 of 3 entries cannot be imported",
    ] {
        ended.assert_logged(&[told]);
    }
    assert_eq!(desk.serials(), ["A", "B"]);
    assert_eq!(
        desk.ok_with("import - --skip-existing", &file),
        "1 token is imported: C\n2 tokens left out, because the serial already exists\n"
    );
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
    assert_eq!(
        desk.ok_with("import - --replace", &file),
        "3 tokens are imported\n3 tokens of these replaced an existing token with the same serial\n"
    );
    assert_eq!(
        (desk.json("show A")["digits"].clone(), desk.json("show B")["type"].clone()),
        (8.into(), "hotp".into())
    );
    assert_eq!(desk.login("alice", "287082"), "DENY", "the old key is gone");
    desk.refused(
        "import - --replace --skip-existing",
        "the argument '--replace' cannot be used with '--skip-existing'; see --help",
    );
}

#[test]
fn what_is_replaced_keeps_what_was_decided_here() {
    let desk = Desk::new();
    desk.ok(&format!(
        "enroll --type hotp --user alice --serial A --secret-hex {SECRET} --pin 1234 --max-fail 9 --unlock-after 60 \
         --valid-until 2099-01-01T00:00:00Z"
    ));
    desk.ok(&format!("enroll --type hotp --user bob@elsewhere --serial B --secret-hex {SECRET}"));
    desk.ok("disable B");
    assert_eq!(desk.login("alice", "1234755224"), "ACCEPT");
    assert_eq!(desk.login("alice", "1234000000"), "DENY");
    let file = format!("serial,secret\nA,{SECRET}\nB,{OTHER}\n");
    desk.ok_with("import - --replace", &file);
    let token = desk.json("show A");
    for (member, value) in [
        ("user", serde_json::Value::from("alice")),
        ("has_pin", true.into()),
        ("max_fail", 9.into()),
        ("unlock_after", 60.into()),
        ("fail_counter", 1.into()),
        ("counter", 1.into()),
        ("valid_until", "2099-01-01T00:00:00Z".into()),
    ] {
        assert_eq!(token[member], value, "{member}");
    }
    assert_eq!(desk.login("alice", "1234755224"), "DENY", "the same key: what was used stays used");
    assert_eq!(desk.login("alice", "287082"), "DENY", "the PIN stays");
    assert_eq!(desk.login("alice", "1234287082"), "ACCEPT");
    assert_eq!(
        (desk.json("show B")["enabled"].clone(), desk.json("show B")["user"].clone()),
        (false.into(), "bob".into())
    );
    assert_eq!(desk.login("bob@elsewhere", "755224"), "DENY");
}

#[test]
fn only_devices_are_replaced_by_devices() {
    let desk = Desk::new();
    desk.ok("enroll --type spass --user alice --serial A --pin 1234");
    let ended = desk.run("import - --replace", &format!("serial,secret\nA,{SECRET}\n"));
    ended.assert_logged(&["line 2: the spass token A cannot be replaced; delete it first"]);
    assert_eq!((ended.status, desk.login("alice", "1234")), (Some(2), "ACCEPT".to_owned()));
    assert_eq!(desk.login("alice", "755224"), "DENY");
}

#[test]
fn nobody_gets_one_secret_twice_from_a_file_or_beside_the_store() {
    let file = format!(
        "serial,secret,user,realm,type\nA,{SECRET},alice,r1,hotp\nB,{SECRET},alice,r1,hotp\nC,{SECRET},bob,r1,hotp\n\
         D,{SECRET},alice,r1,totp\nE,{SECRET},,,hotp\n"
    );
    let told = [
        "line 3: the secret is the same as in line 2, which belongs to alice in the same realm",
        "line 4: the secret is the same as in line 2, which belongs to alice in the same realm",
    ];
    refused(&Desk::new(), "", &file, &told);
    let desk = Desk::new();
    desk.run("import - --skip-bad", &file);
    assert_eq!(desk.serials(), ["E", "A", "D"]);
    let again =
        format!("serial,secret,user,realm\nX,{SECRET},alice,r1\nY,{SECRET},bob,r1\nZ,{OTHER},bob,r1\n");
    let ended = desk.run("import -", &again);
    for told in [
        "line 2: X has the same secret as A",
        "line 3: the secret is the same as in line 2",
        "2 of 3 entries cannot be imported",
    ] {
        ended.assert_logged(&[told]);
    }
    // A replaced token has its owner from the store.
    desk.ok(&format!("enroll --type hotp --user alice@r1 --serial F --secret-hex {OTHER}"));
    let ended = desk.run("import - --replace", &format!("serial,secret\nF,{SECRET}\n"));
    assert_eq!(ended.status, Some(2), "{ended:?}");
    ended.assert_logged(&["F has the same secret as A"]);
}
