//! `token import` and `token export`.

use std::path::PathBuf;

use super::{Desk, SECRET, SECRET_BASE32};

/// The pre-shared key of RFC 6030's encrypted example.
const PRE_SHARED: &str = "12345678901234567890123456789012";

pub(super) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pskc").join(name)
}

pub(super) fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// Asserts that nothing of a text is imported, because of these entries.
pub(super) fn refused(desk: &Desk, options: &str, text: &str, told: &[&str]) {
    let ended = desk.run(format!("import - {options}").trim_end(), text);
    let mut lines: Vec<&str> = ended.stderr.lines().collect();
    let last = lines.pop().unwrap();
    let lines: Vec<&str> =
        lines.iter().map(|line| line.strip_prefix("sps-plugin: error: ").unwrap()).collect();
    assert_eq!(lines, told, "{text}");
    let sum = format!("sps-plugin: error: {} of ", told.len());
    assert!(last.starts_with(&sum) && last.contains("nothing was imported; --skip-bad"), "{last}");
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]), "{text}");
    assert_eq!(desk.ok("list --json"), "[]\n", "{text}");
}

/// Asserts that nothing of a text is imported, and that the first reason is this one, of the file or of an entry.
fn refused_or_nothing(desk: &Desk, options: &str, text: &str, sentence: &str) {
    let ended = desk.run(format!("import - {options}").trim_end(), text);
    let first = ended.stderr.lines().next().unwrap();
    assert_eq!(first, format!("sps-plugin: error: {sentence}"));
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]), "{sentence}");
    assert_eq!(desk.ok("list --json"), "[]\n", "{sentence}");
}

/// Asserts that nothing of a text is imported, and why.
pub(super) fn nothing(desk: &Desk, options: &str, text: &str, sentence: &str) {
    desk.refused_with(format!("import - {options}").trim_end(), text, sentence);
    assert_eq!(desk.ok("list --json"), "[]\n", "{sentence}");
}

#[test]
fn the_bulk_example_of_rfc_6030_is_imported() {
    let desk = Desk::new();
    let imported = desk.json(&format!("import {}", fixture("rfc6030-figure-10.xml").display()));
    assert_eq!(
        imported.to_string(),
        r#"{"imported":4,"serials":["654321","123456","9999999-3","9999999-4"]}"#
    );
    let token = desk.json("show 9999999-4");
    for (member, value) in [
        ("type", "hotp"),
        ("description", "TokenVendorAcme"),
        ("valid_from", "2006-04-01T00:00:00Z"),
        ("valid_until", "2006-04-30T00:00:00Z"),
    ] {
        assert_eq!(token[member], value, "{member}");
    }
    assert!(token["user"].is_null());
    assert_eq!((&token["digits"], &token["counter"]), (&8.into(), &0.into()));
    assert!(desk.ok("export --secrets").contains(&format!("\"secret_hex\":\"{SECRET}\"")));
}

#[test]
fn a_pin_that_the_device_checks_is_no_token() {
    let desk = Desk::new();
    let ended = desk.run("import -", &text("rfc6030-figure-5.xml"));
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(0), &b"1 token is imported: 987654321\n"[..]));
    assert_eq!(ended.stderr, "sps-plugin: warning: key 123456781: a PIN is not imported\n");
    let server_side = text("rfc6030-figure-5.xml").replace("\"Local\"", "\"Prepend\"");
    let desk = Desk::new();
    refused(&desk, "", &server_side, &["key 12345678: a policy with a PIN cannot be imported"]);
}

#[test]
fn the_encrypted_example_of_rfc_6030_is_opened_with_its_key() {
    let desk = Desk::new();
    let key = desk.place.file("psk", format!("{PRE_SHARED}\n"));
    let file = fixture("rfc6030-figure-6.xml");
    let command = format!("import {} --user alice --psk-file {}", file.display(), key.display());
    assert_eq!(desk.ok(&command), "1 token is imported: 987654321\n");
    assert_eq!(desk.login("alice", "84755224"), "ACCEPT");
    let again = desk.run(&command, "");
    again.assert_logged(&["key 12345678: a token 987654321 already exists"]);
    assert_eq!((again.status, desk.serials().len()), (Some(2), 1));
    let other = Desk::new();
    other.ok_with(&format!("import {} --psk-file -", file.display()), PRE_SHARED);
    assert_eq!(other.serials(), ["987654321"]);
}

#[test]
fn an_encrypted_file_without_its_key_or_its_mac_is_refused() {
    let desk = Desk::new();
    let file = text("rfc6030-figure-6.xml");
    let key = |digits: &str| format!("--psk-file {}", desk.place.file("psk", digits).display());
    let right = key(PRE_SHARED);
    nothing(&desk, "", &file, "the file is encrypted; give its pre-shared key with --psk-file");
    nothing(
        &desk,
        &key("0011"),
        &file,
        "the file's MACMethod: the pre-shared key has to be of 32 hexadecimal digits",
    );
    nothing(
        &desk,
        &key(&PRE_SHARED.replace('9', "8")),
        &file,
        "the file's MACMethod: the value cannot be decrypted with the given key or password",
    );
    nothing(&desk, &key("xyz"), &file, "the pre-shared key has to be hexadecimal digits");
    let _ = key(PRE_SHARED);
    let wrong_mac = "key 12345678: the MAC of the secret is wrong: the file was changed, or the pre-shared key is another one";
    for (from, to, sentence) in [
        ("Su+NvtQ", "Su+NvtR", wrong_mac),
        ("AAECAwQF", "AAECAwQG", wrong_mac),
        ("IUqGv", "IUqG", "key 12345678: an encrypted value is not complete"),
        ("ValueMAC>", "OtherMAC>", "key 12345678: the encrypted secret has no MAC"),
        ("MACMethod", "OtherMethod", "key 12345678: the encrypted secret has no MAC"),
        ("MACKey>", "MACKeyReference>", "the file's MACMethod: the encrypted secret has no MAC"),
        (
            "hmac-sha1",
            "hmac-md5",
            "the file's MACMethod: the MAC has to be hmac-sha1, hmac-sha256, hmac-sha384 or hmac-sha512",
        ),
        (
            "aes128-cbc",
            "tripledes-cbc",
            "the file's MACMethod: the encryption has to be aes128-cbc, aes192-cbc or aes256-cbc",
        ),
        (
            "ds:KeyName>",
            "ds:X509Data>",
            "a public key is not supported; only a pre-shared key or a password is",
        ),
        (
            "<ds:KeyName>Pre-shared-key</ds:KeyName>",
            "<k:DerivedKey xmlns:k=\"http://www.w3.org/2009/xmlenc11#\"/>",
            "the file is encrypted under a password; give it with --password-file",
        ),
    ] {
        let changed = file.replace(from, to);
        assert_ne!(changed, file, "{from}");
        refused_or_nothing(&desk, &right, &changed, sentence);
    }
    let mixed = text("rfc6030-figure-10.xml");
    let sentence = "key 1: the secret has to be encrypted like the file, for which a key is named";
    let told: Vec<String> = (1..=4).map(|key| sentence.replace("key 1", &format!("key {key}"))).collect();
    refused(&desk, &right, &mixed, &told.iter().map(String::as_str).collect::<Vec<_>>());
    desk.refused("import - --psk-file -", "only one of the file and its key can be stdin");
}

#[test]
fn what_pskc_demands_and_this_program_does_not_do_is_refused() {
    let desk = Desk::new();
    let file = text("rfc6030-figure-10.xml");
    for (from, to, sentence) in [
        ("Version=\"1.0\"", "Version=\"2.0\"", "this is not a PSKC file of version 1 (RFC 6030)"),
        ("keyprov:pskc\">\n", "keyprov:other\">\n", "this is not a PSKC file of version 1 (RFC 6030)"),
        ("pskc:hotp", "pskc:ocra", "key 1: the key's Algorithm has to be that of hotp or totp"),
        ("Length=\"8\"", "Length=\"7\"", "key 1: the number of digits has to be 6 or 8"),
        (
            "Length=\"8\"",
            "Length=\"8\" CheckDigits=\"true\"",
            "key 1: a code with a check digit cannot be imported",
        ),
        ("\"DECIMAL\"", "\"HEXADECIMAL\"", "key 1: the codes' Encoding has to be DECIMAL"),
        ("PlainValue>", "EncryptedValue>", "key 1: the encrypted secret has no MAC"),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNA==", "key 1: the secret has to be 10 to 128 bytes"),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "!", "key 1: the secret has to be base64"),
        ("<PlainValue>0<", "<PlainValue>-1<", "key 1: the counter has to be a number of decimal digits"),
        ("2006-05-01T00:00:00Z", "May", "key 1: a date has to be such as 2006-05-01T00:00:00Z"),
        (
            "<StartDate>",
            "<NumberOfTransactions>5</NumberOfTransactions><StartDate>",
            "key 1: a policy that this program does not know cannot be imported",
        ),
        (
            "<StartDate>",
            "<KeyUsage>CR</KeyUsage><StartDate>",
            "key 1: a key that is not for one-time passwords cannot be imported",
        ),
        ("<SerialNo>123456<", "<SerialNo>用户<", "key 2: the serial is missing"),
        ("Id=\"4\"", "Id=\"3\"", "key 3: the serial 9999999-3 stands in the file twice"),
        ("<Key Id=\"1\"", "<Key Id=\"1\" Id=\"1\"", "line 9: an attribute that is none"),
        ("</KeyContainer>", "", "line 109: the document is not complete"),
    ] {
        let changed = file.replace(from, to);
        assert_ne!(changed, file, "{from}");
        refused_or_nothing(&desk, "", &changed, sentence);
    }
    let bomb = "<!DOCTYPE lolz [<!ENTITY a 'ha'>\n<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>";
    nothing(&desk, "--format pskc", &format!("{bomb}{file}"), "line 2: a document type is not allowed");
}

#[test]
fn csv_is_imported_with_its_owners() {
    let desk = Desk::new();
    let csv = format!(
        "serial,type,secret,user,digits,period,description\n\
         H1,hotp,{SECRET},alice,,,\"Alice's, blue\"\n\
         T1,totp,{SECRET},bob@realm2,8,60,\n\
         U1,,3938373635343332313039383736353433323130,,,,\n"
    );
    assert_eq!(desk.ok_with("import -", &csv), "3 tokens are imported\n");
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
    assert_eq!(desk.json("show H1")["description"], "Alice's, blue");
    assert_eq!(desk.json("show T1")["realm"], "realm2");
    assert!(desk.json("show U1")["user"].is_null());
    desk.ok("assign U1 --user carol");
    assert_eq!(desk.login("carol", "469711"), "ACCEPT");
}

#[test]
fn owners_that_a_file_does_not_name_come_from_the_command_line() {
    let desk = Desk::new();
    let csv = format!("serial,secret,user\nA,{SECRET},alice\nB,3938373635343332313039383736353433323130,\n");
    desk.ok_with("import - --format csv --user bob --realm realm9", &csv);
    let owner = |serial: &str| {
        let token = desk.json(&format!("show {serial}"));
        format!("{}@{}", token["user"].as_str().unwrap(), token["realm"].as_str().unwrap())
    };
    assert_eq!((owner("A"), owner("B")), ("alice@realm9".to_owned(), "bob@realm9".to_owned()));
}

#[test]
fn otpauth_uris_are_imported() {
    let desk = Desk::new();
    let uris = format!(
        "# two of them\n\notpauth://hotp/ACME:alice?secret={SECRET_BASE32}&counter=1&issuer=ACME\n\
         otpauth://totp/bob%40realm2?secret={SECRET_BASE32}\n"
    );
    let imported = desk.ok_with("import - --json", &uris);
    assert!(imported.starts_with("{\"imported\":2,\"serials\":[\"HOTP-"), "{imported}");
    assert_eq!(desk.login("alice", "755224"), "DENY");
    assert_eq!(desk.login("alice", "287082"), "ACCEPT");
}

#[test]
fn a_last_line_that_is_bad_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.enrol_hotp("TAKEN", "alice");
    desk.ok("delete TAKEN");
    let good = format!("serial,secret\nA,{SECRET}\nB,{SECRET}\n");
    refused(&desk, "", &format!("{good}C,12"), &["line 4: the secret has to be 10 to 128 bytes"]);
    refused(&desk, "", &format!("{good}A,{SECRET}\n"), &["line 4: the serial A stands in the file twice"]);
    let uri = format!("otpauth://totp/a?secret={SECRET_BASE32}\n");
    refused(
        &desk,
        "",
        &format!("{uri}otpauth://x\n{uri}"),
        &[
            "line 2: the line has to be otpauth://TYPE/LABEL?secret=BASE32",
            "line 3: the secret is the same as in line 1, which belongs to a in the same realm",
        ],
    );
    let file = text("rfc6030-figure-10.xml");
    let (before, after) = file.rsplit_once("MTIz").unwrap();
    let changed = format!("{before}!!!!{after}");
    refused(&desk, "", &changed, &["key 4: the secret has to be base64"]);
    desk.enrol_hotp("B", "alice");
    let ended = desk.run("import -", &good);
    ended.assert_logged(&["line 3: a token B already exists"]);
    assert_eq!(desk.serials(), ["B"]);
}

#[test]
fn what_is_no_file_of_tokens_is_refused() {
    let desk = Desk::new();
    let empty = "there is no token in the file";
    nothing(&desk, "", "", empty);
    nothing(&desk, "", "serial,secret\n", empty);
    nothing(&desk, "--format otpauth", "", empty);
    nothing(&desk, "--format json", "\n", empty);
    nothing(&desk, "--format pskc", "", "line 1: this is not XML");
    nothing(&desk, "", "serial,type\nA,hotp\n", "the first line has to name the columns; secret is missing");
    nothing(
        &desk,
        "--format xml",
        "",
        "invalid value 'xml' for '--format <FORMAT>': expected one of pskc, csv, otpauth, json, aegis; see --help",
    );
    let ended = desk.place.run(&["token", "import", "-"], b"serial,secret\n\xff,00\n");
    assert_eq!(ended.stderr, "sps-plugin: error: line 2 is not UTF-8; save the file as UTF-8 or UTF-16\n");
    let long = desk.place.run(&["token", "import", "-"], vec![b' '; 64 * 1024 * 1024 + 1]);
    assert_eq!(long.stderr, "sps-plugin: error: the file is longer than 64 MiB\n");
    let missing = desk.place.path("missing");
    desk.refused(
        &format!("import {}", missing.display()),
        &format!("cannot read {}: No such file or directory (os error 2)", missing.display()),
    );
}

#[test]
fn an_export_without_the_word_for_it_is_refused() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    desk.refused("export", "an export holds every secret in plain text; say --secrets if that is wanted");
}

#[test]
fn what_is_exported_is_imported_again_with_all_that_happened_to_it() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    desk.ok("enroll --type totp --user alice@realm2 --serial T1 --digits 8 --period 60 --algorithm sha256");
    desk.ok("enroll --type registration --user bob@realm1 --serial R1");
    desk.ok("enroll --type forward --user bob --serial F1 --forward-serial H1 --description x");
    desk.ok("enroll --type 4eyes --user dave --serial Q1 --realms realm1:2,realm2:1 --separator |");
    desk.ok("enroll --type hotp --user erin --serial D1 --max-fail 3 --unlock-after 60 --valid-from 2026-01-01T00:00:00Z");
    let paper = desk.json("enroll --type paper --user carol --serial L1 --codes 5");
    let codes = [0, 3, 4].map(|code| paper["codes"][code].as_str().unwrap().to_owned());
    assert_eq!(
        (desk.login("alice", "287082"), desk.login("alice", "000000")),
        ("ACCEPT".into(), "DENY".into())
    );
    assert_eq!(
        (desk.login("carol", &codes[0]), desk.login("carol", &codes[2])),
        ("ACCEPT".into(), "ACCEPT".into())
    );
    assert_eq!(desk.login("erin", "000000"), "DENY");
    desk.ok("disable D1");
    desk.ok("assign T1 --nobody");
    let exported = desk.ok("export --secrets");
    assert_eq!(exported.lines().count(), 7);
    let other = Desk::new();
    assert_eq!(other.ok_with("import -", &exported), "7 tokens are imported\n");
    assert_eq!(other.ok("export --secrets"), exported);
    assert_eq!(other.ok("list --json"), desk.ok("list --json"));
    assert_eq!(other.login("alice", "287082"), "DENY");
    assert_eq!(other.login("alice", "359152"), "ACCEPT");
    assert_eq!(
        (other.login("carol", &codes[0]), other.login("carol", &codes[1])),
        ("DENY".into(), "ACCEPT".into())
    );
}

#[test]
fn a_token_whose_pin_stays_behind_comes_back_disabled() {
    let desk = Desk::new();
    desk.ok(&format!("enroll --type hotp --user alice --serial H1 --secret-hex {SECRET} --pin 12"));
    desk.ok("enroll --type spass --user alice --serial S1 --pin 12");
    desk.ok("enroll --type pw --user alice --serial P1 --secret-hex 61");
    let ended = desk.run("export --secrets", "");
    assert_eq!(
        ended.stderr,
        "sps-plugin: warning: 2 tokens are left out, because a password or PIN cannot be read back: P1, S1\n\
         sps-plugin: warning: the PINs of 1 tokens cannot be exported; import disables these until set-pin and enable\n"
    );
    let exported = String::from_utf8(ended.stdout).unwrap();
    let other = Desk::new();
    let ended = other.run("import -", &exported);
    assert_eq!(
        ended.stderr,
        "sps-plugin: warning: H1 had a PIN, which cannot be exported; the token is disabled until you run set-pin and enable\n"
    );
    assert_eq!(other.login("alice", "755224"), "DENY");
    other.ok("set-pin H1 --pin 34");
    other.ok("enable H1");
    assert_eq!(other.login("alice", "34755224"), "ACCEPT");
}

#[test]
fn a_line_of_an_export_that_was_changed_is_refused() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    desk.ok("enroll --type forward --user alice --serial F1 --forward-serial H1");
    let exported = desk.ok("export --secrets");
    let other = Desk::new();
    let form = "line 1: the line has to be a JSON object as token export writes it";
    for (from, to, sentence) in [
        ("\"serial\"", "\"cereal\"", form),
        ("{", "[", form),
        ("\"counter\":0", "\"counter\":-1", form),
        (
            "\"type\":\"forward\"",
            "\"type\":\"sms\"",
            "line 1: the type has to be one that token export writes",
        ),
        (
            "\"type\":\"forward\"",
            "\"type\":\"spass\"",
            "line 1: a password or PIN, which is not exported, cannot be imported",
        ),
        ("\"secret_hex\"", "\"secret\"", "line 2: the secret is missing"),
        ("\"counter\":0", "\"counter\":9223372036854775808", "line 1: a counter has to be below 2^63"),
        ("\"target\":\"H1\"", "\"target\":\"F1\"", "the forward token F1 would lead back to itself"),
        ("\"target\":\"H1\"", "\"target\":\"X\"", "there is no token X to forward to"),
    ] {
        let changed = exported.replace(from, to);
        assert_ne!(changed, exported, "{from}");
        refused_or_nothing(&other, "--format json", &changed, sentence);
    }
}
