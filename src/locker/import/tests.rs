//! What an import takes in, what it leaves out, and what it refuses.

use secrecy::ExposeSecret;

use super::*;
use crate::locker::TARGETS;

fn import_as(text: &[u8], format: Option<Format>, expired: Expired) -> Result<Batch, String> {
    let defaults = Defaults {
        store: TARGETS,
        checkout: Checkout::Shared,
        expired,
        now: UnixTime::from_secs(1_000_000_000),
    };
    Batch::read(text, format, &defaults).map_err(|error| crate::logging::Chain(&error).to_string())
}

fn import(text: &str) -> Result<Batch, String> {
    import_as(text.as_bytes(), None, Expired::Skip)
}

fn entries(batch: &Batch) -> Vec<(String, String, String)> {
    let entry = |(name, entry): (&CredentialName, &Entry)| {
        let password = entry.passwords.first().map(|password| password.expose_secret().to_owned());
        (name.account.clone(), name.asset.clone(), password.unwrap_or_default())
    };
    batch.entries().map(entry).collect()
}

fn refused(batch: &Batch) -> Vec<String> {
    let told = |refused: &Refused| format!("{}: {}", refused.place, crate::logging::Chain(&refused.reason));
    batch.refused().iter().map(told).collect()
}

fn fixture(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Makes KeePass XML of entries, each with its strings and what else stands in it.
fn keepass(entries: &[(&[(&str, &str)], &str)]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let mut text = "<KeePassFile><Root><Group><Name>Root</Name><Group><Name>Servers</Name>\n".to_owned();
    for (strings, more) in entries {
        text.push_str("<Entry>");
        text.push_str(more);
        for (key, value) in *strings {
            let (key, value) = (escaped(key), escaped(value));
            text.push_str(&format!("<String><Key>{key}</Key><Value>{value}</Value></String>"));
        }
        text.push_str("</Entry>\n");
    }
    text + "</Group></Group></Root></KeePassFile>"
}

fn one(strings: &[(&str, &str)]) -> Batch {
    import(&keepass(&[(strings, "")])).unwrap()
}

#[test]
fn csv_keeps_passwords_as_they_are_and_takes_other_separators_and_utf_16() {
    let comma = "Asset,account,password,checkout\ndb1,root,\" a,\"\"b\",exclusive\n*.lan,root,x ;,\n";
    let right = [("root", "db1", " a,\"b"), ("root", "*.lan", "x ;")];
    let batch = import(comma).unwrap();
    let read = entries(&batch);
    assert_eq!(read.iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect::<Vec<_>>(), right);
    assert!(batch.rows[0].name.is_pattern || batch.rows[1].name.is_pattern);
    let semicolon = "account;asset;password\r\nroot;db1;a,b\r\n";
    assert_eq!(entries(&import(semicolon).unwrap())[0].2, "a,b");
    let units: Vec<u8> = "\u{feff}account\tasset\tpassword\nroot\tdb1\tä\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(entries(&import_as(&units, None, Expired::Skip).unwrap())[0].2, "ä");
}

#[test]
fn every_row_that_cannot_be_imported_is_told_with_its_line_and_without_its_secrets() {
    let text = "account,asset,password,checkout,private_key,totp\n\
                root,db1,s3cret,,,\n\
                root,db2\n\
                root,db3,,,,\n\
                ,db4,s3cret,,,\n\
                root,,s3cret,,,\n\
                root,db6,s3cret,both,,\n\
                root,db7,,,s3cret,\n\
                root,db8,,,,s3cret!\n\
                root,db9,s3cret,,,\n\
                root,DB9,s3cret,,,\n\
                root,db11,\"s3\ncret\",,,\n\
                root,db9,other,,,\n";
    let batch = import(text).unwrap();
    assert_eq!(entries(&batch).len(), 1);
    assert_eq!(
        refused(&batch),
        [
            "line 3: there are 2 fields, but the first line names 6",
            "line 4: it has no password, key or TOTP secret",
            "line 5: the account must not be empty",
            "line 6: the asset must not be empty",
            "line 7: checkout has to be shared or exclusive",
            "line 8: this is not a private key in PEM or OpenSSH format",
            "line 9: the TOTP secret has to be base32 (A to Z and 2 to 7) or a URI otpauth://totp/LABEL?secret=BASE32",
            "line 10: account root on asset db9 is also in line 11",
            "line 11: account root on asset db9 is also in line 10",
            "line 12: the password contains a line end, which only PEM may",
            "line 14: account root on asset db9 is also in line 10",
        ]
    );
    assert!(!batch.is_damaged());
}

#[test]
fn csv_that_rfc_4180_forbids_is_refused_with_its_line() {
    for (rows, told) in [
        // The one of a public report: everything up to the next quote would be the password.
        ("root,db1,\"abc\nroot,db2,def\n", vec!["line 2: unterminated quote"]),
        ("root,db1,\"abc\nroot,db2,\"def\"\n", vec!["line 2: text after a closing quote"]),
        ("root,db1,ab\"c\n", vec!["line 2: quote in an unquoted field"]),
        ("root,db1, \"abc\"\n", vec!["line 2: quote in an unquoted field"]),
        (
            "root,db1,\"a\"b\nroot,db2,\"c\n",
            vec!["line 2: text after a closing quote", "line 3: unterminated quote"],
        ),
    ] {
        let batch = import(&format!("account,asset,password\n{rows}")).unwrap();
        assert_eq!(refused(&batch)[..told.len()], told, "{rows}");
        assert!(batch.is_damaged(), "{rows}");
    }
}

#[test]
fn a_password_of_several_lines_is_one_block_of_pem_or_refused() {
    let told = |password: &str| {
        refused(&import(&format!("account,asset,password\nroot,db1,\"{password}\"\n")).unwrap())
    };
    let sentence = "line 2: the password contains a line end, which only PEM may";
    assert!(told("-----BEGIN X-----\nQUJD\n-----END X-----").is_empty());
    assert!(told("-----BEGIN X-----\r\nQUJD\r\n-----END X-----\r\n").is_empty());
    // A quote that was closed lines later.
    assert_eq!(told("-----BEGIN X-----\nroot,db2,secret"), [sentence]);
    assert_eq!(told("-----BEGIN X-----\nQUJD\n-----END X-----\nroot,db2,secret"), [sentence]);
}

#[test]
fn what_spreadsheets_add_to_a_table_is_left_out_and_lines_are_counted_with_it() {
    let batch = import("sep=;\r\naccount;asset;password\r\nroot;db1;a,b\r\n;;\r\nroot;;c\r\n").unwrap();
    assert_eq!(entries(&batch).len(), 1);
    assert_eq!(refused(&batch), ["line 5: the asset must not be empty"]);
}

#[test]
fn a_header_that_is_wrong_is_refused_without_being_repeated() {
    for (text, sentence) in [
        ("", "the first line has to name the columns: account is missing"),
        (
            "account,s3cret\n",
            "the first line has to name the columns: column 2 is not one of account, asset, password, \
          private_key, passphrase, totp, checkout, launch_information, host_app, description, store",
        ),
        ("account,asset,asset\n", "the first line has to name the columns: asset appears twice"),
        ("account,asset,password\n", "there is no entry in the file"),
        (
            "\"Account\",\"Login Name\",\"Password\",\"Web Site\",\"Comments\"\n",
            "this is the CSV of KeePass 1, which writes backslashes and quotes in its own way; export XML instead",
        ),
    ] {
        let error = import_as(text.as_bytes(), Some(Format::Csv), Expired::Skip).err();
        assert_eq!(error.as_deref(), Some(sentence), "{text}");
    }
}

const KEEPASSXC: &str = "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\",\"TOTP\",\"Icon\",\"Last Modified\",\"Created\"\n\
    \"Passwords/Linux\",\"db one\",\"root\",\"sec,\"\"ret\",\"ssh://db1.lan\",\"a\nb\",\"otpauth://totp/x?secret=GEZDGNBV\",\"0\",\"2026-11-28T18:20:57Z\",\"2026-11-28T18:20:57Z\"\n\
    \"Passwords/Recycle Bin\",\"del\",\"root\",\"x\",\"\",\"\",\"\",\"0\",\"2026-11-28T18:20:57Z\",\"2026-11-28T18:20:57Z\"\n\
    \"Passwords\",\"db2\",\"{REF:U@T:db one}\",\"y\",\"\",\"\",\"\",\"0\",\"2026-11-28T18:20:57Z\",\"2026-11-28T18:20:57Z\"\n";

#[test]
fn keepassxc_s_csv_is_read_as_its_xml_is() {
    let batch = import(KEEPASSXC).unwrap();
    let wanted = [("root", "db1.lan", "sec,\"ret"), ("root", "db2", "y")];
    assert_eq!(entries(&batch).iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect::<Vec<_>>(), wanted);
    assert!(batch.rows[0].entry.totp.is_some());
    assert_eq!(batch.rows[0].entry.description, "Passwords/Linux/db one");
    assert_eq!(batch.notes, ["line 4, entry del: left out, it is in the recycle bin"]);
}

const XML: &str = "<?xml version='1.0'?><KeePassFile><Meta><RecycleBinUUID>BIN=</RecycleBinUUID></Meta><Root><Group>
 <UUID>A=</UUID><Name>Root</Name>
 <Entry><UUID>1</UUID>
  <String><Key>Title</Key><Value>Database &amp; more</Value></String><String><Key>UserName</Key><Value>root</Value></String>
  <String><Key>Password</Key><Value ProtectInMemory='True'>p&lt;w</Value></String>
  <String><Key>URL</Key><Value>ssh://root@db1.lan:22/x</Value></String>
  <String><Key>otp</Key><Value>otpauth://totp/x?secret=GEZDGNBV</Value></String>
  <History><Entry><String><Key>UserName</Key><Value>root</Value></String><String><Key>Password</Key><Value>old</Value></String>
   <String><Key>URL</Key><Value>old</Value></String></Entry></History>
 </Entry>
 <Group><UUID>B=</UUID><Entry><String><Key>Title</Key><Value>fd00::1</Value></String>
  <String><Key>UserName</Key><Value>admin</Value></String><String><Key>Password</Key><Value>six</Value></String></Entry></Group>
 <Group><UUID>BIN=</UUID><Entry><String><Key>Title</Key><Value>gone</Value></String>
  <String><Key>UserName</Key><Value>x</Value></String><String><Key>Password</Key><Value>y</Value></String></Entry></Group>
 <Entry><String><Key>Title</Key><Value>a note</Value></String><String><Key>Password</Key><Value>z</Value></String></Entry>
</Group></Root></KeePassFile>";

#[test]
fn keepass_comes_in_without_its_history_its_bin_and_what_has_no_name() {
    let batch = import(XML).unwrap();
    let wanted = [("root", "db1.lan", "p<w"), ("admin", "fd00::1", "six")];
    assert_eq!(entries(&batch).iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect::<Vec<_>>(), wanted);
    assert!(batch.rows[0].entry.totp.is_some() && batch.rows[1].entry.totp.is_none());
    assert_eq!(batch.rows[0].entry.description, "Root/Database & more");
    assert_eq!(
        batch.notes,
        [
            "line 13, entry gone: left out, it is in the recycle bin",
            "line 15, entry a note: left out, it has no user name",
        ]
    );
}

#[test]
fn references_and_placeholders_are_resolved_from_the_same_file() {
    let uuid = "<UUID>ABEiM0RVZneImaq7zN3u/w==</UUID>";
    let referred: &[(&str, &str)] =
        &[("Title", "db1"), ("UserName", "root"), ("Password", "{USERNAME}-{S:salt}"), ("salt", "Xy{")];
    for (password, right) in [
        ("{REF:P@I:00112233445566778899AABBCCDDEEFF}", "root-Xy{"),
        ("{ref:p@i:00112233445566778899aabbccddeeff}", "root-Xy{"),
        ("{REF:U@T:DB1}!", "root!"),
        ("{REF:T@O:xy}", "db1"),
        ("{TITLE}{URL:HOST}", "db2db2.lan"),
        ("{username}", "admin"),
        // No placeholders: braces are characters like others.
        ("{}", "{}"),
        ("a{b}c", "a{b}c"),
        ("{T}}{", "{T}}{"),
        ("{ENTER", "{ENTER"),
    ] {
        let strings: &[(&str, &str)] =
            &[("Title", "db2"), ("UserName", "admin"), ("Password", password), ("URL", "ssh://db2.lan")];
        let batch = import(&keepass(&[(strings, ""), (referred, uuid)])).unwrap();
        assert_eq!(entries(&batch)[0].2, right, "{password} {:?}", batch.notes);
    }
}

#[test]
fn what_cannot_be_resolved_is_left_out_with_a_note() {
    let other: &[(&str, &str)] = &[("Title", "other"), ("UserName", "x"), ("Password", "y")];
    for text in [
        "{REF:P@I:00112233445566778899AABBCCDDEEFF}",
        "{REF:P@T:none}",
        // Fits both.
        "{REF:P@T:e}",
        "{REF:X@T:other}",
        "{REF:P}",
        "{PASSWORD}",
        "{S:none}",
        "{CMD:/pass show x/}",
        "{PICKCHARS:Password}",
        "{T-REPLACE-RX:/{USERNAME}/a/b/}",
        "{DT_SIMPLE}",
        "{TOTP}",
    ] {
        let strings: &[(&str, &str)] = &[("Title", "the"), ("UserName", "root"), ("Password", text)];
        let batch = import(&keepass(&[(strings, ""), (other, "")])).unwrap();
        assert_eq!(entries(&batch).len(), 1, "{text}");
        let [note] = batch.notes.as_slice() else { panic!("{text}: {:?}", batch.notes) };
        assert!(note.starts_with("line 2, entry the: left out, its Password has"), "{note}");
    }
    for (name, text) in
        [("UserName", "{REF:U@T:none}"), ("URL", "cmd://ssh {USERNAME}@db1"), ("URL", "ssh://*.lan")]
    {
        let mut strings = vec![("Title", "t"), ("UserName", "root"), ("Password", "p"), ("URL", "ssh://db1")];
        strings.retain(|(known, _)| *known != name);
        strings.push((name, text));
        let batch = one(&strings);
        assert!(entries(&batch).is_empty() && batch.notes.len() == 1, "{text}");
    }
}

#[test]
fn placeholders_that_would_take_for_ever_do_not() {
    let mut strings = vec![("Title", "t"), ("UserName", "root"), ("Password", "{S:a}{S:a}")];
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let values: Vec<String> = names.iter().skip(1).map(|name| format!("{{S:{name}}}").repeat(8)).collect();
    strings.extend(names.iter().copied().zip(values.iter().map(String::as_str)));
    strings.push(("h", ""));
    assert!(one(&strings).notes[0].contains("circular placeholders"));
    let braces = "{".repeat(200_000);
    assert_eq!(
        entries(&one(&[("Title", "t"), ("UserName", "root"), ("S", &braces), ("Password", "{S:S}")])).len(),
        0
    );
}

#[test]
fn every_private_key_of_an_entry_comes_along_and_no_passkey() {
    let (rsa, ed25519) = (fixture("rsa.openssh"), fixture("ed25519.openssh").replace('\n', "\r\n"));
    let passkey = fixture("nistp256.sec1");
    let batch = one(&[
        ("Title", "db1"),
        ("UserName", "root"),
        ("Password", "geheim"),
        ("KPEX_PASSKEY_PRIVATE_KEY_PEM", &passkey),
        ("Notes", &rsa),
        ("second", &ed25519),
        ("third", &fixture("nistp256-encrypted.openssh")),
    ]);
    let kinds: Vec<_> = batch.rows[0].entry.private_keys.iter().map(PrivateKey::kind).collect();
    assert_eq!(kinds, ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256"]);
    assert_eq!(batch.rows[0].entry.private_keys[1].text().expose_secret(), fixture("ed25519.openssh"));
    assert_eq!(batch.notes, ["line 2, entry db1: its passkey is left out"]);
    let batch = one(&[("Title", "db1"), ("UserName", "root"), ("key", "PuTTY-User-Key-File-3: ssh-rsa\n")]);
    assert!(refused(&batch)[0].contains("puttygen"), "{:?}", refused(&batch));
}

#[test]
fn one_time_codes_come_with_their_settings_or_are_left_out_with_a_note() {
    let totp = |strings: &[(&str, &str)]| {
        let mut all = vec![("Title", "db1"), ("UserName", "root"), ("Password", "p")];
        all.extend(strings);
        one(&all)
    };
    let batch = totp(&[("TOTP Seed", "GEZDGNBV"), ("TOTP Settings", "60;8")]);
    let read = batch.rows[0].entry.totp.as_ref().unwrap();
    assert_eq!((read.digits, read.period, batch.notes.len()), (8, 60, 0));
    for strings in [
        &[("TOTP Seed", "GEZDGNBV"), ("TOTP Settings", "30;S")][..],
        &[("HmacOtp-Secret-Base32", "GEZDGNBV")],
    ] {
        let batch = totp(strings);
        assert!(batch.rows[0].entry.totp.is_none());
        assert_eq!(batch.notes.len(), 1, "{:?}", batch.notes);
    }
}

#[test]
fn expired_entries_are_left_out_with_a_note_unless_they_are_wanted() {
    let expires =
        |time: &str| format!("<Times><ExpiryTime>{time}</ExpiryTime><Expires>True</Expires></Times>");
    let strings: &[(&str, &str)] = &[("Title", "db1"), ("UserName", "root"), ("Password", "p")];
    for (time, is_expired) in [
        ("2001-09-09T01:46:40Z", true),
        ("2001-09-09T01:46:41Z", false),
        // What KDBX 4 has, for 2026-11-28T18:20:57Z and for the year 1.
        ("iRKd4g4AAAA=", false),
        ("AAAAAAAAAAA=", true),
        ("some day", true),
        ("", true),
    ] {
        let text = keepass(&[(strings, &expires(time))]);
        let skipped = import(&text).unwrap();
        assert_eq!(
            (entries(&skipped).is_empty(), !skipped.notes.is_empty()),
            (is_expired, is_expired),
            "{time}"
        );
        let taken = import_as(text.as_bytes(), None, Expired::Take).unwrap();
        assert_eq!((entries(&taken).len(), taken.notes.len()), (1, 0), "{time}");
    }
    let never = "<Times><ExpiryTime>2001-01-01T00:00:00Z</ExpiryTime><Expires>False</Expires></Times>";
    assert_eq!(entries(&import(&keepass(&[(strings, never)])).unwrap()).len(), 1);
}

#[test]
fn all_duplicates_of_a_database_are_told_at_once() {
    let first: &[(&str, &str)] =
        &[("Title", "one"), ("UserName", "root"), ("Password", "a"), ("URL", "ssh://db1")];
    let second: &[(&str, &str)] =
        &[("Title", "two"), ("UserName", "root"), ("Password", "b"), ("URL", "db1:22")];
    let other: &[(&str, &str)] = &[("Title", "db2"), ("UserName", "root"), ("Password", "c")];
    let batch = import(&keepass(&[(first, ""), (other, ""), (second, ""), (other, "")])).unwrap();
    assert_eq!(
        refused(&batch),
        [
            "line 2, entry one: account root on asset db1 is also in line 4, entry two",
            "line 3, entry db2: account root on asset db2 is also in line 5, entry db2",
            "line 4, entry two: account root on asset db1 is also in line 2, entry one",
            "line 5, entry db2: account root on asset db2 is also in line 3, entry db2",
        ]
    );
}

#[test]
fn keepass_that_is_wrong_is_refused_without_being_repeated() {
    for (text, sentence) in [
        ("<", "line 1: this is not XML"),
        ("<x/>", "line 1: this is not what KeePass exports (KeePassFile)"),
        ("<KeePassFile>s3cret", "line 1: the document is not complete"),
        ("<KeePassFile/>", "there is no entry in the file"),
        ("<KeePassFile/><KeePassFile/>", "line 1: this is not what KeePass exports (KeePassFile)"),
        ("<!DOCTYPE KeePassFile [<!ENTITY a 'b'>]><KeePassFile/>", "line 1: a document type is not allowed"),
        ("<KeePassFile>\n&s3cret;</KeePassFile>", "line 2: an entity that XML does not have"),
        (
            "<KeePassFile><Entry><String><Key>Password</Key><Value Protected='True'>x",
            "line 1: the passwords in it are encrypted; export it as plain XML",
        ),
    ] {
        let error = import_as(text.as_bytes(), Some(Format::KeePass), Expired::Skip).err();
        assert_eq!(error.as_deref(), Some(sentence), "{text}");
    }
    let deep = format!("<KeePassFile>{}", "<Group>".repeat(10_000));
    assert!(import(&deep).err().unwrap().contains("more elements in each other"));
    let long = format!("<KeePassFile>{}</KeePassFile>", "x".repeat(300_000));
    assert!(import(&long).err().unwrap().contains("more than 256 KiB"));
}

#[test]
fn a_file_of_another_kind_is_named() {
    let kdbx = import_as(b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\0\0\x04\0", None, Expired::Skip).err().unwrap();
    assert!(kdbx.contains("KeePass database; export it"), "{kdbx}");
}
