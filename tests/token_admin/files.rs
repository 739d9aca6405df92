//! `token import` of the files that servers, vendors and apps write.

use super::transfer::{nothing, refused, text};
use super::{Desk, SECRET, SECRET_BASE32};

impl Desk {
    /// Imports a file and returns what it warned of.
    fn import(&self, options: &str, stdin: &str) -> String {
        let ended = self.run(format!("import - {options}").trim_end(), stdin);
        assert_eq!(ended.status, Some(0), "{options}: {ended:?}");
        ended.stderr
    }

    /// Serial, type, digits, period or counter and hash of a token.
    fn short(&self, serial: &str) -> String {
        let token = self.json(&format!("show {serial}"));
        let number = if token["type"] == "totp" { &token["period"] } else { &token["counter"] };
        format!("{} {} {} {}", token["type"], token["digits"], number, token["algorithm"]).replace('"', "")
    }

    /// Verifies a code of a totp token at a time.
    fn accepts_at(&self, serial: &str, time: &str, code: &str) {
        self.ok(&format!("assign {serial} --user tester"));
        let ended = self.run(&format!("resync {serial} {code} --clock {time}"), "");
        assert_eq!(ended.status, Some(0), "{serial}: {code}: {}", ended.stderr);
    }
}

#[test]
fn the_export_of_privacyidea_and_edumfa_is_read_with_its_lower_case_names_and_hashes() {
    let desk = Desk::new();
    let key = desk.place.file("psk", "00112233445566778899aabbccddeeff");
    let options = format!("--psk-file {}", key.display());
    assert_eq!(desk.import(&options, &text("privacyidea-export.xml")), "");
    assert_eq!(desk.short("OATH0001ABCD"), "hotp 6 7 sha1");
    assert_eq!(desk.short("TOTP0002ABCD"), "totp 8 60 sha256");
    assert_eq!(desk.json("show OATH0001ABCD")["description"], "blue key");
    desk.ok("assign OATH0001ABCD --user alice");
    assert_eq!(desk.login("alice", "162583"), "ACCEPT", "RFC 4226, counter 7");
    // oathtool --totp=sha256 -s 60 -d 8 of RFC 6238's key.
    desk.accepts_at("TOTP0002ABCD", "2009-02-13T23:31:30Z", "16450756 71191725");
}

#[test]
fn names_of_pskc_are_read_in_any_case() {
    let file = text("rfc6030-figure-10.xml");
    for (from, to) in [
        ("KeyPackage", "keypackage"),
        ("SerialNo", "SERIALNO"),
        ("Algorithm=", "algorithm="),
        ("PlainValue", "plainvalue"),
    ] {
        let desk = Desk::new();
        desk.import("", &file.replace(from, to));
        assert_eq!(desk.serials().len(), 4, "{to}");
    }
}

#[test]
fn suites_of_pskc_are_honoured_and_an_empty_one_is_the_default() {
    for (suite, algorithm) in [
        ("<Suite/>", "sha1"),
        ("<Suite> </Suite>", "sha1"),
        ("<Suite>HMAC-SHA256</Suite>", "sha256"),
        ("<suite hashalgo=\"sha512\"></suite>", "sha512"),
        ("<Suite HashAlgo=\"SHA1\">sha1</Suite>", "sha1"),
    ] {
        let desk = Desk::new();
        let file = text("rfc6030-figure-3.xml");
        desk.import("", &file.replace("<AlgorithmParameters>", &format!("<AlgorithmParameters>{suite}")));
        assert_eq!(desk.short("987654321"), format!("hotp 8 0 {algorithm}"), "{suite}");
    }
    for (suite, reason) in [
        ("<Suite>OCRA-1:HOTP-SHA1-6:C-QN08</Suite>", "the algorithm has to be sha1, sha256 or sha512"),
        ("<Suite hashalgo=\"sha256\">sha1</Suite>", "the algorithm is given twice"),
    ] {
        let file = text("rfc6030-figure-3.xml");
        let file = file.replace("<AlgorithmParameters>", &format!("<AlgorithmParameters>{suite}"));
        refused(&Desk::new(), "", &file, &[&format!("key 12345678: {reason}")]);
    }
}

#[test]
fn a_long_key_of_pskc_without_a_suite_has_the_default_and_that_is_told() {
    let file = text("rfc6030-figure-3.xml");
    let file = file.replace("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=");
    let desk = Desk::new();
    assert_eq!(
        desk.import("", &file),
        "sps-plugin: warning: key 12345678: the file names no hash; sha1, the default of RFC 6030, is used, or the one in --algorithm\n"
    );
    assert_eq!(desk.short("987654321"), "hotp 8 0 sha1");
    let desk = Desk::new();
    assert_eq!(desk.import("--algorithm sha256", &file), "");
    assert_eq!(desk.short("987654321"), "hotp 8 0 sha256");
}

#[test]
fn encrypted_counters_and_intervals_are_read_as_digits_and_as_big_endian_bytes() {
    let desk = Desk::new();
    let key = desk.place.file("psk", "12345678901234567890123456789012");
    let options = format!("--psk-file {}", key.display());
    let file = text("encrypted-numbers.xml");
    assert_eq!(desk.import(&options, &file), "");
    assert_eq!(desk.short("ZZ01"), "hotp 6 42 sha1");
    assert_eq!(desk.short("ZZ02"), "hotp 6 298507 sha1");
    assert_eq!(desk.short("ZZ03"), "totp 6 60 sha256");
    assert_eq!(desk.short("ZZ04"), "totp 6 30 sha1");
    let (before, after) = file.split_once("Counter>").unwrap();
    let changed = format!("{before}Counter>{}", after.replacen("ValueMAC>", "ValueMAC>A", 1));
    let told = "key ZZ01: an encrypted value is not complete";
    let ended = Desk::new().run(&format!("import - {options}"), &changed);
    ended.assert_logged(&[told]);
}

#[test]
fn the_figures_of_rfc_6030_are_read_or_told() {
    let desk = Desk::new();
    desk.import("", &text("rfc6030-figure-3.xml"));
    assert_eq!(desk.short("987654321"), "hotp 8 0 sha1");
    desk.import("", &text("rfc6030-figure-9.xml"));
    assert_eq!(desk.short("0755225266"), "hotp 6 0 sha1");
    refused(&Desk::new(), "", &text("rfc6030-figure-4.xml"), &["key 12345678: the secret is missing"]);
    let figure_7 = text("rfc6030-figure-7.xml");
    nothing(
        &Desk::new(),
        "",
        &figure_7,
        "the file is encrypted under a password; give it with --password-file",
    );
    let desk = Desk::new();
    let password = desk.place.file("password", "qwerty\n");
    let options = format!("--password-file {}", password.display());
    desk.import(&options, &figure_7);
    let exported = desk.ok("export --secrets");
    assert!(exported.contains("\"secret_hex\":\"3132333435363738393031323334353637383930\""), "{exported}");
    let wrong = desk.place.file("wrong", "qwertz\n");
    let ended = Desk::new().run(&format!("import - --password-file {}", wrong.display()), &figure_7);
    assert!(
        ended.stderr.contains("the file's MACMethod") || ended.stderr.contains("MAC of the secret is wrong")
    );
    let too_much = figure_7.replace(">1000<", ">4000000000<");
    let ended = Desk::new().run(&format!("import - {options}"), &too_much);
    ended.assert_logged(&["the file's EncryptionKey: the key derivation has to be PBKDF2"]);
}

#[test]
fn slots_of_yubikeys_get_the_serials_that_privacyidea_gives_them() {
    let slot = |number: u8| {
        format!(
            "<KeyPackage><DeviceInfo><SerialNo>10944003</SerialNo></DeviceInfo>\
             <Key Id=\"10944003:{number}\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:hotp\"><Data>\
             <Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret></Data></Key></KeyPackage>"
        )
    };
    let begin = "<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">";
    let aes =
        slot(3).replace("urn:ietf:params:xml:ns:keyprov:pskc:hotp", "http://www.yubico.com/#yubikey-aes");
    let desk = Desk::new();
    let file = format!("{begin}{}{}</KeyContainer>", slot(1), slot(2));
    assert_eq!(
        desk.import("", &file),
        "sps-plugin: warning: key 10944003:1: the serial 10944003:1 is imported as UBOM10944003_1\n\
         sps-plugin: warning: key 10944003:2: the serial 10944003:2 is imported as UBOM10944003_2\n"
    );
    assert_eq!(desk.serials(), ["UBOM10944003_1", "UBOM10944003_2"]);
    let file = format!("{begin}{}{aes}</KeyContainer>", slot(1));
    let told = "key 10944003:3: a YubiKey's key for Yubico's own codes cannot be imported";
    refused(&Desk::new(), "", &file, &[told]);
    let desk = Desk::new();
    assert!(desk.import("--skip-bad", &file).contains(&format!("{told}; it is left out")));
    assert_eq!(desk.serials(), ["UBOM10944003_1"]);
}

#[test]
fn a_device_with_several_keys_has_serials_that_can_be_taken() {
    let file = text("rfc6030-figure-10.xml").replace("Id=\"3\"", "Id=\"slot/3\"");
    let desk = Desk::new();
    let warned = desk.import("", &file);
    assert_eq!(
        warned,
        "sps-plugin: warning: key slot/3: the serial 9999999-slot/3 is imported as 9999999-slot_3\n"
    );
    assert!(desk.serials().contains(&"9999999-slot_3".to_owned()));
}

#[test]
fn every_key_of_a_package_is_read() {
    let key = |id: u8| {
        format!(
            "<Key Id=\"K{id}\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc#hotp\"><Data><Secret>\
             <PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret></Data></Key>"
        )
    };
    let file = format!(
        "<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\"><KeyPackage><DeviceInfo>\
         <Manufacturer>A\n  B</Manufacturer><SerialNo>7</SerialNo></DeviceInfo>{}{}</KeyPackage></KeyContainer>",
        key(1),
        key(2)
    );
    let desk = Desk::new();
    assert_eq!(desk.import("", &file), "");
    assert_eq!(desk.serials(), ["7-K1", "7-K2"]);
    assert_eq!(desk.json("show 7-K1")["description"], "A B");
}

#[test]
fn tables_come_in_utf_16_and_with_semicolons() {
    let table = format!("Serial Number;Seed;OTP Type;Digits\r\nA1;{SECRET};TOTP;8\r\n");
    for big in [false, true] {
        let desk = Desk::new();
        let units = std::iter::once(0xfeff).chain(table.encode_utf16());
        let bytes: Vec<u8> =
            units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
        let ended = desk.place.run(&["token", "import", "-"], bytes);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        desk.accepts_at("A1", "1970-01-01T00:00:59Z", "94287082 37359152");
    }
}

#[test]
fn entras_table_is_imported_for_its_owners() {
    let desk = Desk::new();
    let table = format!(
        "upn,serial number,secret key,time interval,manufacturer,model\n\
         alice@realm1,1234567,{SECRET_BASE32},60,Contoso,HardwareKey\n"
    );
    assert_eq!(desk.import("", &table), "");
    let token = desk.json("show 1234567");
    assert_eq!((&token["user"], &token["realm"]), (&"alice".into(), &"realm1".into()));
    assert_eq!(desk.short("1234567"), "totp 6 60 sha1");
}

#[test]
fn a_long_key_without_a_hash_is_imported_only_with_one() {
    let long = format!("{SECRET}313233343536373839303132");
    let table = format!("serial,secret,type,digits\nA,{long},totp,8\n");
    let told = "line 2: a key of 32 bytes may be for sha1 or another hash; use --algorithm";
    refused(&Desk::new(), "", &table, &[told]);
    let desk = Desk::new();
    desk.import("--algorithm sha256", &table);
    desk.accepts_at("A", "1970-01-01T00:00:59Z", "46119246 30882438");
}

#[test]
fn uris_of_apps_are_imported() {
    let desk = Desk::new();
    let uris = format!(
        "otpauth://totp/Example:alice?secret=gezd%20gnbv%20gy3t%20qojq%20gezd%20gnbv%20gy3t%20qojq&issuer&digits=\n\
         otpauth://hotp/privacyIDEA:OATH0001ABCD?secret={SECRET_BASE32}&counter=1&issuer=privacyIDEA\n"
    );
    let warned = desk.import("", &uris);
    assert!(warned.contains("line 2: the label is the serial OATH0001ABCD"), "{warned}");
    assert!(desk.json("show OATH0001ABCD")["user"].is_null());
    desk.ok("assign OATH0001ABCD --user bob");
    assert_eq!(desk.login("bob", "287082"), "ACCEPT");
    let html = format!("otpauth://totp/a?secret={SECRET_BASE32}&amp;digits=8\n");
    let told = "line 1: the separator of parameters has to be &, not &amp; as in HTML";
    refused(&Desk::new(), "", &html, &[told]);
}

#[test]
fn the_export_of_google_authenticator_is_imported() {
    let desk = Desk::new();
    // One account: ACME:alice@realm1, totp, six digits, SHA-1, RFC 4226's key.
    let uri = "otpauth-migration://offline?data=CjcKFDEyMzQ1Njc4OTAxMjM0NTY3ODkwEhFBQ01FOmFsaWNlQHJlYWxtMRoEQUNNRSABKAEwAjgAEAEYASAAKP8B\n";
    assert_eq!(desk.import("", uri), "");
    let listed = desk.json("list --user alice --realm realm1");
    assert_eq!(listed[0]["type"], "totp");
    let told = "line 1: the line has to be otpauth-migration://offline?data=BASE64 as Google Authenticator exports it";
    refused(&Desk::new(), "", &uri.replace("CjcK", "CjcL"), &[told]);
}

#[test]
fn vaults_of_aegis_are_imported_in_plain_and_named_when_encrypted() {
    let vault = format!(
        "{{\"version\": 1, \"header\": {{\"slots\": null, \"params\": null}}, \"db\": {{\"version\": 2, \"entries\": [\
         {{\"type\": \"hotp\", \"name\": \"alice\", \"issuer\": \"ACME\", \"info\": {{\"secret\": \"{SECRET_BASE32}\", \
         \"algo\": \"SHA1\", \"digits\": 6, \"counter\": 0}}}}]}}}}"
    );
    let desk = Desk::new();
    assert_eq!(desk.import("", &vault), "");
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
    let encrypted = "{\"version\":1,\"header\":{\"slots\":[{}],\"params\":{}},\"db\":\"AAAA\"}";
    let told =
        "the Aegis vault is encrypted; export it without encryption, and delete that file after the import";
    nothing(&Desk::new(), "", encrypted, told);
    let other = "[{\"secret\":\"GEZDGNBVGY3TQOJQ\",\"type\":\"TOTP\"}]";
    let told =
        "the file is neither an Aegis vault nor the output of token export; export otpauth URIs instead";
    nothing(&Desk::new(), "", other, told);
}

#[test]
fn a_keepass_database_is_named() {
    let bytes = b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\x00\x04\x00".to_vec();
    let ended = Desk::new().place.run(&["token", "import", "-"], bytes);
    assert!(ended.stderr.contains("the file is a KeePass database (.kdbx)"), "{}", ended.stderr);
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]));
}
