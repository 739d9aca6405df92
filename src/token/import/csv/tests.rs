use super::*;
use crate::logging::Chain;
use crate::store::{Algorithm, Token};

const SECRET: &str = "3132333435363738393031323334353637383930";
const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// RFC 6238's key for SHA-256.
const LONG: &str = "3132333435363738393031323334353637383930313233343536373839303132";

fn with(text: &str, defaults: &Defaults<'_>) -> Batch {
    let mut batch = Batch::default();
    read(text, defaults, &mut batch).unwrap();
    batch
}

fn batch(text: &str) -> Batch {
    with(text, &Defaults { realm: "default", ..Defaults::default() })
}

/// The tokens of a file in which nothing is wrong.
fn tokens(text: &str) -> Vec<Token> {
    let batch = batch(text);
    assert!(batch.refused().is_empty(), "{text}: {:?}", refused(text));
    batch.drafts().map(|draft| draft.token.clone()).collect()
}

fn refused(text: &str) -> Vec<String> {
    let told = |refused: &super::super::Refused| format!("{}: {}", refused.place, Chain(&refused.reason));
    batch(text).refused().iter().map(told).collect()
}

/// Serial, type, digits, period, counter and hash of each token.
fn short(text: &str) -> Vec<String> {
    let short = |token: Token| {
        let Token { serial, token_type, digits, period, counter, algorithm, .. } = token;
        format!("{serial} {token_type} {digits} {period} {counter} {}", algorithm.word())
    };
    tokens(text).into_iter().map(short).collect()
}

#[test]
fn columns_come_in_any_order_and_empty_fields_mean_the_default() {
    let text = format!(
        "Type, secret ,serial,digits,period,algorithm,user,realm,description,counter\r\n\
         totp,{SECRET},T1,8,60,SHA256,alice,realm1,\"Alice's, \"\"old\"\" one\",\r\n\
         ,{SECRET},H1,,,,,,,7\r\n"
    );
    let found = tokens(&text);
    let [totp, hotp] = found.as_slice() else { panic!("{}", found.len()) };
    let Token { serial, token_type, digits, period, algorithm, user, realm, description, .. } = totp;
    assert_eq!((serial.as_str(), *token_type, *digits, *period), ("T1", TokenType::Totp, 8, 60));
    assert_eq!((*algorithm, user.as_str(), realm.as_str()), (Algorithm::Sha256, "alice", "realm1"));
    assert_eq!(description, "Alice's, \"old\" one");
    let Token { serial, token_type, digits, period, counter, user, realm, .. } = hotp;
    assert_eq!((serial.as_str(), *token_type, *digits, *period), ("H1", TokenType::Hotp, 6, 0));
    assert_eq!((*counter, user.as_str(), realm.as_str()), (7, "", ""));
    assert!(batch(&text).drafts().all(|draft| &**draft.secret == b"12345678901234567890"));
}

#[test]
fn a_user_without_a_realm_is_read_as_at_a_login() {
    let owner = |line: &str| {
        let token = tokens(&format!("serial,secret,user\nA,{SECRET},{line}\n")).remove(0);
        (token.user, token.realm)
    };
    assert_eq!(owner("alice@realm2"), ("alice".to_owned(), "realm2".to_owned()));
    assert_eq!(owner("alice"), ("alice".to_owned(), "default".to_owned()));
}

#[test]
fn a_line_that_is_no_token_is_named_without_its_secret() {
    let header = "serial,secret,type,digits,period,counter,algorithm,user,realm\n";
    for (line, error) in [
        ("A,z!,,,,,,,", "line 2: the secret has to be hexadecimal digits or base32"),
        ("A,,,,,,,,", "line 2: the secret is missing"),
        (",31,,,,,,,", "line 2: the serial is missing"),
        ("A,31,,,,,,,", "line 2: the secret has to be 10 to 128 bytes"),
        ("A,S,steam,,,,,,", "line 2: the type has to be hotp or totp"),
        ("A,S,,7,,,,,", "line 2: the number of digits has to be 6 or 8"),
        ("A,S,,-6,,,,,", "line 2: the number of digits has to be a number of decimal digits"),
        ("A,S,,300,,,,,", "line 2: the number of digits has to be a number of decimal digits"),
        ("A,S,totp,,31,,,,", "line 2: the period has to be 30 or 60 seconds"),
        ("A,S,hotp,,30,,,,", "line 2: a hotp token has no period"),
        ("A,S,totp,,,1,,,", "line 2: a totp token has no counter to set"),
        ("A,S,,,,9223372036854775808,,,", "line 2: the counter has to be below 2^63"),
        ("A,S,,,,,md5,,", "line 2: the algorithm has to be sha1, sha256 or sha512"),
        ("A,S,,,,,,,realm1", "line 2: the user of the realm is missing"),
        ("A,S,,,,,,a,b@c", "line 2: a realm is not empty and has no '@'"),
        ("用户,S,,,,,,,", "line 2: the serial is missing"),
        ("A,S,,,,,,,\nA,S,,,,,,,", "line 3: the serial A stands in the file twice"),
        ("A,S,,,,,,,,x", "line 2: there are 10 fields, but the first line names 9"),
        (
            "A,S,,,,,,a,r\nB,S,,,,,,a,R",
            "line 3: the secret is the same as in line 2, which belongs to a in the same realm",
        ),
        ("A,\"S,,,,,,,", "line 2: unterminated quote"),
        ("A,S,,,,,,\"a\"b,", "line 2: text after a closing quote"),
        ("A,S,,,,,,a\"b,", "line 2: quote in an unquoted field"),
    ] {
        let text = format!("{header}{}", line.replace('S', SECRET));
        assert_eq!(refused(&text), [error], "{line}");
    }
}

#[test]
fn every_line_that_cannot_be_taken_is_told_and_the_others_are_read() {
    let text = format!("serial,secret\nA,31\nB,{SECRET}\nC,\"{SECRET}\nD,{SECRET}\n,{SECRET}\nB,{SECRET}\n");
    assert_eq!(
        refused(&text),
        [
            "line 2: the secret has to be 10 to 128 bytes",
            "line 4: unterminated quote",
            "line 6: the serial is missing",
            "line 7: the serial B stands in the file twice",
        ]
    );
    let serials: Vec<String> = batch(&text).drafts().map(|draft| draft.token.serial.clone()).collect();
    assert_eq!(serials, ["B", "D"]);
}

#[test]
fn rows_shorter_than_the_header_and_longer_by_empty_fields_are_read() {
    let text = format!(
        "serial,secret,type,digits,user\nA,{SECRET},totp,8\nB,{SECRET}\nC,{SECRET},hotp,8,alice,,,\n"
    );
    assert_eq!(short(&text), ["A totp 8 30 0 sha1", "B hotp 6 0 0 sha1", "C hotp 8 0 0 sha1"]);
}

#[test]
fn any_usual_separator_is_recognized() {
    let table = |separator: &str| {
        format!(
            "Serial Number{separator}Seed{separator}Type\nA{separator}{SECRET}{separator}TOTP\n\
                 # a comment\n\nB{separator}{SECRET}{separator}hotp\n"
        )
    };
    for separator in [",", ";", "\t", "|", " ; ", ", "] {
        assert_eq!(short(&table(separator)), ["A totp 6 30 0 sha1", "B hotp 6 0 0 sha1"], "{separator:?}");
    }
    let hinted = format!("sep=;\r\n{}A;31\n", table(";"));
    assert_eq!(refused(&hinted), ["line 7: the secret has to be 10 to 128 bytes"]);
    for separator in ["   ", "\t", ";"] {
        let bare = format!("A{separator}{SECRET}{separator}totp{separator}8{separator}60\n");
        assert_eq!(short(&bare), ["A totp 8 60 0 sha1"], "{separator:?}");
    }
}

#[test]
fn entras_table_is_read_with_its_owners() {
    let text = format!(
        "upn,serial number,secret key,time interval,manufacturer,model\n\
         Helga@contoso.com,1234567,{BASE32},30,Contoso,HardwareKey\n,1234568,{BASE32},60,Contoso,\n"
    );
    let found = tokens(&text);
    assert_eq!((found[0].user.as_str(), found[0].realm.as_str()), ("Helga", "contoso.com"));
    assert_eq!((found[0].token_type, found[0].period), (TokenType::Totp, 30));
    assert_eq!(found[0].description, "Contoso HardwareKey");
    assert_eq!((found[1].user.as_str(), found[1].period), ("", 60));
    assert!(batch(&text).drafts().all(|draft| &**draft.secret == b"12345678901234567890"));
    // Without the letters from G on, it would be hexadecimal digits elsewhere.
    let both = text.replace(BASE32, "ABCDEF234567ABCDEF234567ABCDEF23");
    assert!(batch(&both).drafts().all(|draft| draft.secret.len() == 20));
}

#[test]
fn oath_files_of_privacyidea_edumfa_and_linotp_have_no_header() {
    let text = format!(
        "#\ntok1, {SECRET}, hotp, 6\ntok2, {SECRET}, totp, 6, 30\ntok3, {SECRET}, totp, 8, 60\n\
         tok4, {SECRET}, hotp, 8, 5\ntok5, {SECRET}, hotp, 8 ,, Sha256,\ntok6, {SECRET}, totp, 8, 60, sha512\n\
         tok7, {SECRET}, hotp, 6, 30, sha1\ntok8, {SECRET}, hotp,       8   ,\n\n"
    );
    assert_eq!(
        short(&text),
        [
            "tok1 hotp 6 0 0 sha1",
            "tok2 totp 6 30 0 sha1",
            "tok3 totp 8 60 0 sha1",
            "tok4 hotp 8 0 5 sha1",
            "tok5 hotp 8 0 0 sha256",
            "tok6 totp 8 60 0 sha512",
            "tok7 hotp 6 0 0 sha1",
            "tok8 hotp 8 0 0 sha1",
        ]
    );
    let ambiguous = refused(&format!("tok1, {SECRET}, hotp, 6, 30\n"));
    assert!(
        ambiguous[0].starts_with("line 1: the fifth field of a hotp token has to be its counter"),
        "{ambiguous:?}"
    );
    assert_eq!(refused(&format!("a, {SECRET}, ocra, 6\n")), ["line 1: the type has to be hotp or totp"]);
}

#[test]
fn the_second_version_of_oath_files_names_the_owners() {
    let text =
        format!("# version: 2\nalice, res, realm1, tok1, {SECRET}, totp, 6, 30\n,,,tok2,{SECRET},hotp,6\n");
    let found = tokens(&text);
    assert_eq!((found[0].user.as_str(), found[0].realm.as_str()), ("alice", "realm1"));
    assert_eq!((found[0].serial.as_str(), found[1].serial.as_str()), ("tok1", "tok2"));
    assert_eq!(found[1].user, "");
}

#[test]
fn lines_without_a_type_are_told() {
    let text = format!("tok1,{SECRET}\ntok2,{BASE32}\n");
    assert_eq!(short(&text), ["tok1 hotp 6 0 0 sha1", "tok2 hotp 6 0 0 sha1"]);
    assert!(batch(&text).notes[0].starts_with("2 lines have no type and are imported as hotp"));
    let defaults = Defaults { realm: "r", token_type: Some(TokenType::Totp), ..Defaults::default() };
    let totp = with(&text, &defaults);
    assert!(totp.notes.is_empty() && totp.drafts().all(|draft| draft.token.token_type == TokenType::Totp));
    // A vendor's table with neither period nor counter may be of either type.
    let vendor = format!("Serial Number,Seed\nA,{SECRET}\n");
    assert_eq!(refused(&vendor), ["line 2: the type (hotp or totp, see --type) is missing"]);
    assert_eq!(with(&vendor, &defaults).len(), 1);
    for (column, token_type) in [("Time Step,60", "totp 6 60 0"), ("Counter,60", "hotp 6 0 60")] {
        let (name, value) = column.split_once(',').unwrap();
        let text = format!("Serial Number,Seed,{name}\nA,{SECRET},{value}\n");
        assert_eq!(short(&text), [format!("A {token_type} sha1")]);
    }
}

#[test]
fn a_key_that_is_as_long_as_another_hash_asks_for_the_algorithm() {
    for text in [
        format!("serial,secret\nA,{LONG}\n"),
        format!("A,{LONG},totp\n"),
        format!("serial,secret\nA,{LONG}{LONG}\n"),
    ] {
        let found = refused(&text);
        assert!(found[0].contains("bytes may be for sha1 or another hash; use --algorithm"), "{found:?}");
        let defaults = Defaults { algorithm: Some(Algorithm::Sha256), ..Defaults::default() };
        assert_eq!(with(&text, &defaults).drafts().next().unwrap().token.algorithm, Algorithm::Sha256);
    }
    assert_eq!(short(&format!("serial,secret,hash\nA,{LONG},HMAC-SHA1\n")), ["A hotp 6 0 0 sha1"]);
}

#[test]
fn the_logs_of_the_yubikey_tools_are_read_and_other_slots_are_told() {
    let text = "# Traditional\n\
        OATH-HOTP,11.12.13 18:55,1,cccccccccccc,,916821d3a138bf855e70069605559a206ba854cd,,,0,0,0,6,0,0,0,0,0,0\n\
        OATH-HOTP,11.12.13 18:55,2,cccccccccccd,,916821d3a138bf855e70069605559a206ba854ce,,,0,0,0,8,16,0,0,0,0,0\n\
        508327,,0,69cfb9202438ca68964ec3244bfa4843d073a43b,,2013-12-12T08:41:07,\n";
    assert_eq!(
        short(text),
        ["UBOM00000000_1 hotp 6 0 0 sha1", "UBOM00000002_2 hotp 8 0 16 sha1", "UBOM508327_X hotp 6 0 0 sha1"]
    );
    assert_eq!(batch(text).notes.len(), 1, "the digits of Yubico's own format");
    let others = "Yubico OTP,12/11/2013 11:10,1,vvgutbiedkvi,ab86c04de6a3,d26a7c0f85fdda28bd816e406342b214,,,0,0,0,0,0,0,0,0,0,0\n\
        Static Password,11.12.13 19:08,1,,d5a3d50327dc,0e8e37b0e38b314a56748c030f58d21d,,,0,0,0,0,0,0,0,0,0,0\n\
        OATH-HOTP,10.10.19 10:42,1,,,fcdb079e452ffca6b66898a1b06f5e69b7b017e7,,,0,0,0,8,0,0,0,0,0,0\n\
        OATH-HOTP,10.10.19 10:42,1,cccc,,fcdb079e452ffca6b66898a1b06f5e69b7b017e7,,,1,0,0,8,0,0,0,0,0,0\n\
        508328,cccccccccccc,83cebdfb7b93,a47c5bf9c152202f577be6721c0113af,,2013-12-12T08:43:17,\n\
        508329,,,9e2fd386224a7f77e9b5aee775464033,,2013-12-12T08:44:34,\n";
    let slot = "a slot of a YubiKey that is not for OATH-HOTP cannot be imported";
    assert_eq!(
        refused(others),
        [
            format!("line 1: {slot}"),
            format!("line 2: {slot}"),
            "line 3: the public id (for the serial) is missing".to_owned(),
            "line 4: a slot of a YubiKey with a token identifier before the code cannot be imported"
                .to_owned(),
            format!("line 5: {slot}"),
            format!("line 6: {slot}"),
        ]
    );
}

#[test]
fn a_serial_that_cannot_be_taken_is_made_and_told() {
    let text = format!("serial,secret\n10944003:1,{SECRET}\nA/B 7,{SECRET}\n");
    assert_eq!(short(&text), ["UBOM10944003_1 hotp 6 0 0 sha1", "A_B_7 hotp 6 0 0 sha1"]);
    assert_eq!(
        batch(&text).notes,
        [
            "line 2: the serial 10944003:1 is imported as UBOM10944003_1",
            "line 3: the serial A/B 7 is imported as A_B_7",
        ]
    );
}

#[test]
fn a_secret_in_two_encodings_has_to_be_one() {
    let text = |base32: &str| format!("serial,secret (hex),secret (base32),type\nA,{SECRET},{base32},totp\n");
    assert_eq!(short(&text(BASE32)), ["A totp 6 30 0 sha1"]);
    assert_eq!(refused(&text(&BASE32.replace('G', "H"))), ["line 2: the secret is given twice"]);
}

#[test]
fn the_first_line_has_to_name_the_columns_or_to_be_a_token() {
    let defaults = Defaults { realm: "default", ..Defaults::default() };
    let fault = |text: &str| read(text, &defaults, &mut Batch::default()).err().unwrap().to_string();
    for (header, error) in [
        ("serial,type", "secret is missing"),
        ("secret", "serial is missing"),
        ("serial;secret;secret", "secret appears twice"),
        ("serial,secret,algoritm", "column 3 is not known; did you mean algorithm?"),
    ] {
        assert_eq!(fault(header), format!("the first line has to name the columns; {error}"), "{header}");
    }
    let neither = fault("name,colour\nA,blue\n");
    assert!(
        neither.starts_with("the first line must name the columns, such as serial and secret"),
        "{neither}"
    );
}

#[test]
fn a_log_of_the_personalization_tool_begins_with_a_mark() {
    let text = format!(
        "LOGGING START,01.05.2014 12:00\nOATH-HOTP,01.05.2014 12:01,1,cccccccb,,{SECRET},,,0,0,0,8,0,0,0,0,0,0\n\
         LOGGING START,02.05.2014 12:00\n"
    );
    assert_eq!(short(&text), ["UBOM00000001_1 hotp 8 0 0 sha1"]);
}

#[test]
fn types_are_read_as_tables_name_them() {
    for (word, line) in [
        ("hmac", "A hotp 6 0 0 sha1"),
        ("OATH-HOTP", "A hotp 6 0 0 sha1"),
        ("Event", "A hotp 6 0 0 sha1"),
        ("Event-based", "A hotp 6 0 0 sha1"),
        ("Time-based", "A totp 6 30 0 sha1"),
        ("OATH TOTP", "A totp 6 30 0 sha1"),
    ] {
        assert_eq!(short(&format!("serial,secret,type\nA,{SECRET},{word}\n")), [line], "{word}");
    }
    assert_eq!(
        refused(&format!("serial,secret,type\nA,{SECRET},challenge\n")),
        ["line 2: the type has to be hotp or totp"]
    );
}

#[test]
fn a_serial_that_a_spreadsheet_has_rounded_is_refused() {
    for serial in ["1.23457E+11", "\"1,23457E+11\"", "2e+9"] {
        assert_eq!(
            refused(&format!("serial,secret\n{serial},{SECRET}\n")),
            ["line 2: the serial has to be written out; a spreadsheet has rounded it"],
            "{serial}"
        );
    }
    assert_eq!(short(&format!("serial,secret\n1E11,{SECRET}\n")), ["1E11 hotp 6 0 0 sha1"]);
}
