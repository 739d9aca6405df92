use super::super::Batch;
use super::*;
use crate::logging::Chain;
use crate::store::{Algorithm, Token};
use crate::token::enroll::Draft;
use crate::token::export::uri;

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn batch(text: &str) -> Batch {
    let mut batch = Batch::default();
    read(text, &Defaults { realm: "default", ..Defaults::default() }, &mut batch).unwrap();
    batch
}

fn refused(text: &str) -> Vec<String> {
    batch(text)
        .refused()
        .iter()
        .map(|refused| format!("{}: {}", refused.place, Chain(&refused.reason)))
        .collect()
}

fn parsed(uri: &str) -> Draft {
    let mut found = batch(uri);
    assert!(found.refused.is_empty(), "{uri}: {:?}", refused(uri));
    found.entries.remove(0).draft
}

#[test]
fn what_apps_write_is_read() {
    let uri = format!(
        "otpauth://totp/ACME%20Co:john.doe@email.com?secret={SECRET}&issuer=ACME%20Co&algorithm=SHA1&digits=6&period=30"
    );
    let draft = parsed(&uri);
    assert_eq!(&**draft.secret, b"12345678901234567890");
    let Token { token_type, user, realm, digits, period, .. } = &draft.token;
    assert_eq!((user.as_str(), realm.as_str()), ("john.doe", "email.com"));
    assert_eq!((*token_type, *digits, *period), (TokenType::Totp, 6, 30));
    let draft = parsed("OTPAUTH://HOTP/alice?Secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq&counter=5&period=30");
    assert_eq!((draft.token.counter, draft.token.period), (5, 0));
    assert_eq!((draft.token.user.as_str(), draft.token.realm.as_str()), ("alice", "default"));
    assert_eq!(parsed(&format!("otpauth://totp?secret={SECRET}")).token.user, "");
    let draft = parsed(&format!("otpauth://totp/?secret={SECRET}&algorithm=SHA512&digits=8"));
    assert_eq!((draft.token.algorithm, draft.token.user.as_str()), (Algorithm::Sha512, ""));
}

#[test]
fn parameters_without_a_value_are_as_good_as_none() {
    for query in [
        "&issuer&",
        "&issuer",
        "&&",
        "&digits=&period=&algorithm=",
        "&digits&counter=",
        "&image=x&digits=%20",
    ] {
        let draft = parsed(&format!("otpauth://totp/a?secret={SECRET}{query}"));
        assert_eq!((draft.token.digits, draft.token.period), (6, 30), "{query}");
    }
}

#[test]
fn a_secret_may_stand_in_groups() {
    for secret in [
        "GEZD%20GNBV%20GY3T%20QOJQ%20GEZD%20GNBV%20GY3T%20QOJQ",
        "GEZD+GNBV+GY3T+QOJQ+GEZD+GNBV+GY3T+QOJQ",
        "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
        "gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ%3D%3D%3D",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ======",
    ] {
        assert_eq!(
            &**parsed(&format!("otpauth://totp/a?secret={secret}&digits=8")).secret,
            b"12345678901234567890"
        );
    }
}

#[test]
fn a_uri_that_was_copied_out_of_html_is_refused() {
    for separator in ["&amp;", "&AMP;", "&#38;", "&#x26;", "&amp%3B"] {
        let found = refused(&format!("otpauth://totp/a?secret={SECRET}{separator}digits=8"));
        assert_eq!(
            found,
            ["line 1: the separator of parameters has to be &, not &amp; as in HTML"],
            "{separator}"
        );
    }
}

#[test]
fn a_label_that_is_a_serial_names_the_token_and_not_its_owner() {
    for (label, serial) in [
        ("privacyIDEA:TOTP0001ABCD", "TOTP0001ABCD"),
        ("OATH0001ABCD", "OATH0001ABCD"),
        ("sps-plugin:HOTP-QFKMQNWQ", "HOTP-QFKMQNWQ"),
        ("UBOM10944003_1", "UBOM10944003_1"),
        // FreeIPA has the owner as issuer and the token's name as account.
        ("ada%40EXAMPLE.COM:6ff8a5b4-0c5d-4ce1-8c6b-3f6a1d2e3f40", "6ff8a5b4-0c5d-4ce1-8c6b-3f6a1d2e3f40"),
    ] {
        let text = format!("otpauth://totp/{label}?secret={SECRET}");
        let draft = parsed(&text);
        assert_eq!((draft.token.serial.as_str(), draft.token.user.as_str()), (serial, ""));
        assert!(batch(&text).notes[0].ends_with("the token has no owner until it is assigned"));
    }
    for user in ["totp0001", "TOTPUSER", "HOTP", "TOM"] {
        assert_eq!(parsed(&format!("otpauth://totp/{user}?secret={SECRET}")).token.user, user);
    }
    let named = parsed(&format!("otpauth://totp/alice?secret={SECRET}&serial=A%2F1"));
    assert_eq!((named.token.serial.as_str(), named.token.user.as_str()), ("A_1", "alice"));
}

#[test]
fn the_issuer_is_taken_off_the_label_as_a_whole() {
    let user = |label: &str| parsed(&format!("otpauth://totp/{label}&issuer=A%3AB")).token.user;
    assert_eq!(user(&format!("A%3AB:carol?secret={SECRET}")), "carol");
    assert_eq!(user(&format!("A%3AB:%20carol?secret={SECRET}")), "carol");
    assert_eq!(user(&format!("X:carol?secret={SECRET}")), "carol");
}

#[test]
fn what_enroll_shows_is_read_back() {
    for user in ["alice", "a:b/c?d#e&f=g%20@x", "jöhn 用户"] {
        let token = Token {
            user: user.to_owned(),
            realm: "realm 1".to_owned(),
            digits: 8,
            period: 60,
            algorithm: Algorithm::Sha256,
            ..Token::new(TokenType::Totp, "T")
        };
        let draft = parsed(&uri(&token, b"12345678901234567890").unwrap());
        let read = draft.token;
        assert_eq!((&read.user, &read.realm), (&token.user, &token.realm));
        assert_eq!((read.digits, read.period, read.algorithm), (8, 60, Algorithm::Sha256));
        assert_eq!(&**draft.secret, b"12345678901234567890");
    }
}

#[test]
fn what_is_no_key_uri_is_refused_without_its_secret() {
    let malformed = "the line has to be otpauth://TYPE/LABEL?secret=BASE32";
    for (uri, error) in [
        ("http://totp/a?secret=S", malformed),
        ("otpauth:totp", malformed),
        ("otpauth://totp", malformed),
        ("otpauth://?secret=S", "the type has to be hotp or totp"),
        ("otpauth://totp/a", malformed),
        ("otpauth://totp/a?secret", "the secret is missing"),
        ("otpauth://totp/a?secret=", "the secret is missing"),
        ("otpauth://totp/%ff?secret=S", malformed),
        ("otpauth://steam/a?secret=S", "the type has to be hotp or totp"),
        ("otpauth://totp/a?secret=S&encoder=steam", "a non-decimal code cannot be imported"),
        ("otpauth://totp/a?digits=6", "the secret is missing"),
        ("otpauth://totp/a?secret=S&secret=S", "secret is given twice"),
        ("otpauth://totp/a?secret=S&digits=6&digits=8", "digits is given twice"),
        ("otpauth://totp/a?secret=S1", "the secret has to be base32 (A to Z and 2 to 7)"),
        ("otpauth://totp/a?secret=GEZA", "the secret has to be 10 to 128 bytes"),
        ("otpauth://totp/a?secret=S&digits=x", "digits has to be a number of decimal digits"),
        ("otpauth://totp/a?secret=S&digits=7", "the number of digits has to be 6 or 8"),
        ("otpauth://totp/a?secret=S&period=15", "the period has to be 30 or 60 seconds"),
        ("otpauth://totp/a?secret=S&algorithm=MD5", "the algorithm has to be sha1, sha256 or sha512"),
        ("otpauth://totp/a%0Ab?secret=S", "the user contains a control character"),
        ("otpauth://totp/a@?secret=S", "a realm is not empty and has no '@'"),
    ] {
        let uri = uri.replace("=S", &format!("={SECRET}"));
        assert_eq!(refused(&uri), [format!("line 1: {error}")], "{uri}");
    }
}
