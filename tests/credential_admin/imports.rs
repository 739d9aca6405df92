//! `credential import`: what comes in, what stops it, and what is said.

use std::fs;

use serde_json::json;

use super::Desk;

/// What a command says on stderr: its lines, without the program's name.
fn said(ended: &super::Ended) -> Vec<&str> {
    ended.stderr.lines().map(|line| line.strip_prefix("sps-plugin: ").unwrap()).collect()
}

const THREE: &str = "account,asset,password\nroot,db1,one\nroot,db2,two\nroot,db3,three\n";

#[test]
fn an_import_comes_in_whole_or_not_at_all() {
    let desk = Desk::new();
    desk.set_password("root", "db2", "old");
    desk.set_password("root", "db3", "old");
    let ended = desk.run("import -", &format!("{THREE},db4,four\n"));
    assert_eq!(
        said(&ended),
        [
            "error: line 3: an entry for account root on asset db2 already exists; --replace overwrites it",
            "error: line 4: an entry for account root on asset db3 already exists; --replace overwrites it",
            "error: line 5: the account must not be empty",
            "error: 3 of 4 entries cannot be imported; nothing was imported; --skip-bad imports the others",
        ]
    );
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]));
    assert_eq!(desk.passwords("s1", "root", "db1"), json!([]));
    assert_eq!(desk.passwords("s1", "root", "db2"), json!(["old"]));
}

#[test]
fn what_is_there_is_replaced_or_left_out_as_the_command_says() {
    let desk = Desk::new();
    desk.set_password("root", "db2", "old");
    let done = desk.ok("import - --skip-existing", THREE);
    assert_eq!(done, "2 entries are imported\n1 entry left out: already in the store\n");
    assert_eq!(desk.passwords("s1", "root", "db2"), json!(["old"]));
    assert_eq!(desk.passwords("s1", "root", "db3"), json!(["three"]));
    let done = desk.ok("import - --replace", THREE);
    assert_eq!(done, "3 entries are imported\n3 of them overwrote existing entries\n");
    assert_eq!(desk.passwords("s1", "root", "db2"), json!(["two"]));
    let ended = desk.run("import - --replace --skip-existing", THREE);
    assert_eq!(ended.status, Some(2), "{ended:?}");
}

#[test]
fn a_dry_run_says_what_would_be_imported_and_writes_nothing() {
    let desk = Desk::new();
    let done = desk.ok("import - --dry-run", THREE);
    assert_eq!(done, "3 entries would be imported\nnothing was written\n");
    assert_eq!(desk.json("list"), json!([]));
    let done: serde_json::Value = serde_json::from_str(&desk.ok("import - --dry-run --json", THREE)).unwrap();
    assert_eq!(done, json!({"imported": 3, "dry_run": true}));
}

#[test]
fn what_cannot_be_imported_is_left_out_if_the_command_says_so() {
    let desk = Desk::new();
    let text = format!("{THREE},db4,four\nroot,db1,other\n");
    let ended = desk.run("import - --skip-bad --json", &text);
    assert_eq!(
        said(&ended),
        [
            "warning: line 2: account root on asset db1 is also in line 6; it is left out",
            "warning: line 5: the account must not be empty; it is left out",
            "warning: line 6: account root on asset db1 is also in line 2; it is left out",
        ]
    );
    let done: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(done["imported"], 2);
    assert_eq!(done["left_out"][1], json!({"place": "line 5", "reason": "the account must not be empty"}));
    // Which of two is right is not known, so neither comes in.
    assert_eq!(desk.passwords("s1", "root", "db1"), json!([]));
    assert_eq!(desk.passwords("s1", "root", "db3"), json!(["three"]));
}

#[test]
fn a_file_whose_quotes_are_wrong_is_refused_whatever_is_left_out() {
    let desk = Desk::new();
    let text = "account,asset,password\nroot,db1,\"abc\nroot,db2,\"def\"\nroot,db3,ghi\n";
    let ended = desk.run("import - --skip-bad", text);
    assert_eq!(ended.status, Some(2));
    assert!(said(&ended)[0].starts_with("error: line 2: text after a closing quote"), "{ended:?}");
    assert_eq!(desk.json("list"), json!([]));
}

#[test]
fn keepass_tells_what_it_leaves_out_and_keeps_group_and_title() {
    let desk = Desk::new();
    let string = |key: &str, value: &str| format!("<String><Key>{key}</Key><Value>{value}</Value></String>");
    let entry = |title: &str, url: &str, more: &str| {
        let strings = [("Title", title), ("UserName", "root"), ("Password", "p"), ("URL", url)];
        let strings: String = strings.iter().map(|(key, value)| string(key, value)).collect();
        format!("<Entry>{strings}{more}</Entry>\n")
    };
    let expired = "<Times><ExpiryTime>2001-01-01T00:00:00Z</ExpiryTime><Expires>True</Expires></Times>";
    let text = format!(
        "<KeePassFile><Root><Group><Name>Servers</Name>\n{}{}{}</Group></Root></KeePassFile>",
        entry("the database", "ssh://db1.lan", ""),
        entry("old", "ssh://db2.lan", expired),
        entry("shell", "cmd://ssh db3", ""),
    );
    let file = desk.place.file("export.xml", text);
    let ended = desk.run(&format!("import {}", file.display()), "");
    assert_eq!(
        said(&ended),
        [
            "warning: line 3, entry old: left out, it is expired; --expired take imports it",
            "warning: line 4, entry shell: left out, its URL is a command, file or app and has no host",
        ]
    );
    assert_eq!(ended.stdout, b"1 entry is imported\n");
    let shown = desk.json("show --account root --asset db1.lan");
    assert_eq!(shown["description"], "Servers/the database");
    let done = desk.run(&format!("import {} --skip-existing --expired take", file.display()), "");
    assert!(done.stdout.starts_with(b"1 entry is imported\n"), "{done:?}");
    assert_eq!(desk.passwords("s1", "root", "db2.lan"), json!(["p"]));
}

#[test]
fn a_database_of_keepass_is_named_with_the_command_that_exports_it() {
    let desk = Desk::new();
    let file = desk.place.path("passwords.kdbx");
    fs::write(&file, b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\0\x04\0").unwrap();
    let sentence = "the file is a KeePass database; export it first: in KeePass or KeePassXC as XML, or \
                    keepassxc-cli export -f xml FILE > NEW";
    desk.refused(&format!("import {}", file.display()), "", sentence, 2);
}
