//! `token enroll`: what each type has, what its owner gets, and what is no token.

use super::{Desk, SECRET, SECRET_BASE32};

/// The members that every type has, as they are after an enrolment; the first `%` is the serial, then type and PIN.
fn common(serial: &str, token_type: &str, user: &str, has_pin: bool) -> String {
    let counter = if token_type == "totp" { "null" } else { "0" };
    format!(
        r#"{{"serial":"{serial}","type":"{token_type}","user":"{user}","realm":"default","enabled":true,"counter":{counter},"last_step":null,"fail_counter":0,"max_fail":10,"valid_from":null,"valid_until":null,"description":"","locked":false,"unlock_after":0,"has_pin":{has_pin}"#
    )
}

#[test]
fn the_json_of_each_type_is_pinned() {
    let desk = Desk::new();
    for realm in ["realm1", "realm2"] {
        desk.ok(&format!("enroll --type registration --user erin@{realm}"));
    }
    for (command, members, more, shown_once) in [
        (
            format!("hotp --serial H --secret-hex {SECRET}"),
            common("H", "hotp", "alice", false),
            r#","algorithm":"sha1","digits":6,"window":10"#,
            format!(r#","otpauth":"otpauth://hotp/sps-plugin:alice%40default?secret={SECRET_BASE32}&issuer=sps-plugin&algorithm=SHA1&digits=6&counter=0""#),
        ),
        (
            format!("totp --serial T --secret-base32 {SECRET_BASE32} --algorithm SHA512 --digits 8 --period 60 --pin 1"),
            common("T", "totp", "alice", true),
            r#","algorithm":"sha512","digits":8,"period":60,"window":1,"skew":0"#,
            format!(r#","otpauth":"otpauth://totp/sps-plugin:alice%40default?secret={SECRET_BASE32}&issuer=sps-plugin&algorithm=SHA512&digits=8&period=60""#),
        ),
        (
            "paper --serial L --user bob --secret-hex 3938373635343332313039383736353433323130 --codes 3 --digits 6".to_owned(),
            common("L", "paper", "bob", false),
            r#","algorithm":"sha1","digits":6,"window":3,"codes_left":3"#,
            r#","codes":["469711","499823","553124"]"#.to_owned(),
        ),
        ("pw --serial P --secret-hex 68756e74657232".to_owned(), common("P", "pw", "alice", false), "", String::new()),
        ("spass --serial S --pin 1234".to_owned(), common("S", "spass", "alice", true), "", String::new()),
        (
            "forward --serial F --forward-serial H".to_owned(),
            common("F", "forward", "alice", false),
            r#","target":"H""#,
            String::new(),
        ),
        (
            "4eyes --serial Q --realms realm1:2,realm2:1 --separator |".to_owned(),
            common("Q", "4eyes", "alice", false),
            r#","realms":"realm1:2,realm2:1","separator":"|""#,
            String::new(),
        ),
        (
            r#"4eyes --serial M --realms {"realm1":{"selected":true,"count":2},"realm2":{"selected":false,"count":1}}"#.to_owned(),
            common("M", "4eyes", "alice", false),
            r#","realms":"realm1:2","separator":" ""#,
            String::new(),
        ),
    ] {
        let user = if command.contains("--user ") { "" } else { "--user alice " };
        let enrolled = desk.ok(&format!("enroll --json {user}--type {command}"));
        assert_eq!(enrolled, format!("{members}{more}{shown_once}}}\n"));
        let serial = command.split(' ').skip_while(|word| *word != "--serial").nth(1).unwrap();
        assert_eq!(desk.ok(&format!("show {serial} --json")), format!("{members}{more}}}\n"));
    }
    let registration = desk.json("enroll --type registration --user alice --serial R");
    let code = registration["code"].as_str().unwrap();
    assert!(code.len() == 24 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    assert_eq!((&registration["digits"], &registration["used"]), (&24.into(), &false.into()));
}

#[test]
fn times_and_limits_are_kept() {
    let desk = Desk::new();
    let token = desk.json(
        "enroll --type hotp --user alice --max-fail 3 --unlock-after 600 --valid-from 2026-01-31T12:00:00+01:00 \
         --valid-until 1800000000 --description Key --counter 77 --window 20",
    );
    for (member, value) in [
        ("max_fail", "3"),
        ("unlock_after", "600"),
        ("valid_from", "\"2026-01-31T11:00:00Z\""),
        ("valid_until", "\"2027-01-15T08:00:00Z\""),
        ("description", "\"Key\""),
        ("counter", "77"),
        ("window", "20"),
    ] {
        assert_eq!(token[member].to_string(), value, "{member}");
    }
}

#[test]
fn people_get_serial_and_uri_and_where_asked_for_a_qr_code() {
    let desk = Desk::new();
    let command = format!("enroll --type totp --user alice --realm realm1 --secret-hex {SECRET} --serial");
    let uri = format!(
        "otpauth://totp/sps-plugin:alice%40realm1?secret={SECRET_BASE32}&issuer=sps-plugin&algorithm=SHA1&digits=6&period=30"
    );
    assert_eq!(desk.ok(&format!("{command} T1")), format!("T1\n{uri}\n"));
    desk.ok("delete T1");
    let drawn = desk.ok(&format!("{command} T2 --qr"));
    let rows: Vec<&str> = drawn.strip_prefix(&format!("T2\n{uri}\n")).unwrap().lines().collect();
    assert!(rows.len() > 20, "{drawn}");
    for row in &rows {
        assert_eq!(row.chars().count(), rows[0].chars().count());
        assert!(row.chars().all(|c| "█▀▄ ".contains(c)), "{row}");
    }
}

#[test]
fn what_is_not_given_is_generated() {
    let desk = Desk::new();
    for (algorithm, base32_digits) in [("sha1", 32), ("sha256", 52), ("sha512", 103)] {
        let token = desk.json(&format!("enroll --type totp --user alice --algorithm {algorithm}"));
        let serial = token["serial"].as_str().unwrap();
        assert!(serial.starts_with("TOTP-") && serial.len() == 13, "{serial}");
        let uri = token["otpauth"].as_str().unwrap();
        let secret = uri.split_once("secret=").unwrap().1.split_once('&').unwrap().0;
        assert_eq!(secret.len(), base32_digits, "{uri}");
    }
    let paper = desk.ok("enroll --type paper --user alice");
    assert_eq!(paper.lines().count(), 101);
    assert!(paper.lines().skip(1).all(|line| line.split_whitespace().nth(1).unwrap().len() == 8));
    assert_eq!(desk.serials().len(), 4);
}

#[test]
fn what_is_enrolled_lets_its_owner_in_once() {
    let desk = Desk::new();
    desk.ok_with(
        "enroll --type hotp --user alice --secret-stdin --pin-stdin",
        &format!("{SECRET}\nsesame\n"),
    );
    assert_eq!(desk.login("alice", "755224"), "DENY");
    assert_eq!(desk.login("alice", "sesame755224"), "ACCEPT");
    assert_eq!(desk.login("alice", "sesame755224"), "DENY");
    desk.ok_with("enroll --type pw --user bob --password-stdin --pin 12", "hunter2\n");
    assert_eq!(desk.login("bob", "12hunter2"), "ACCEPT");
    assert_eq!(desk.login("bob", "hunter2"), "DENY");
    desk.ok("enroll --type spass --user carol --pin 4711");
    assert_eq!((desk.login("carol", "4711"), desk.login("carol", "4712")), ("ACCEPT".into(), "DENY".into()));
    let code = desk.json("enroll --type registration --user dave")["code"].as_str().unwrap().to_owned();
    assert_eq!((desk.login("dave", &code), desk.login("dave", &code)), ("ACCEPT".into(), "DENY".into()));
    let paper = desk.json("enroll --type paper --user erin --serial L");
    for code in [99, 0] {
        let code = paper["codes"][code].as_str().unwrap();
        assert_eq!((desk.login("erin", code), desk.login("erin", code)), ("ACCEPT".into(), "DENY".into()));
    }
    assert_eq!(desk.json("show L")["codes_left"], 98);
}

#[test]
fn stdin_has_a_line_for_each_secret() {
    let desk = Desk::new();
    desk.ok_with("enroll --type pw --user alice --password-stdin --pin-stdin", "hunter2\r\n12\r\n");
    assert_eq!(desk.login("alice", "12hunter2"), "ACCEPT");
    let command = "enroll --type pw --user alice --password-stdin --pin-stdin";
    desk.refused_with(command, "hunter2\n", "the PIN is missing on stdin; there is one line for each");
    desk.refused_with(command, "", "the password is missing on stdin; there is one line for each");
    desk.refused_with(command, &"x".repeat(9000), "the password on stdin is too long");
    desk.refused_with(
        command,
        "hunter2\n\n",
        "the PIN has to be 1 to 256 characters, at most 508 bytes, without control characters",
    );
    let ended =
        desk.place.run(&["token", "enroll", "--type", "pw", "--user", "a", "--password-stdin"], b"\xff\n");
    assert_eq!(ended.stderr, "sps-plugin: error: the password on stdin is not UTF-8\n");
}

#[test]
fn what_is_no_token_is_refused() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    let long = "x".repeat(65);
    for (command, sentence) in [
        ("hotp --serial H1", "a token H1 already exists"),
        (&format!("hotp --serial {long}"), "a serial has 1 to 64 letters, digits, '-', '_' or '.'"),
        ("hotp --serial a/b", "a serial has 1 to 64 letters, digits, '-', '_' or '.'"),
        ("hotp --secret-hex 123", "the secret has to be hexadecimal digits, two a byte"),
        ("hotp --secret-base32 1111", "the secret has to be base32 (A to Z and 2 to 7)"),
        ("hotp --secret-hex 313233343536373839", "the secret has to be 10 to 128 bytes"),
        (&format!("hotp --secret-hex {}", "00".repeat(129)), "the secret has to be 10 to 128 bytes"),
        ("hotp --digits 7", "the number of digits has to be 6 or 8"),
        ("hotp --window 0", "the window has to be from 1 (totp: 0) to 1000"),
        ("hotp --window 1001", "the window has to be from 1 (totp: 0) to 1000"),
        ("paper --codes 1001", "the number of codes has to be from 1 (totp: 0) to 1000"),
        ("hotp --counter 9223372036854775808", "the counter has to be below 2^63"),
        ("totp --period 45", "the period has to be 30 or 60 seconds"),
        ("hotp --period 30", "a hotp token has no period"),
        ("totp --counter 1", "a totp token has no counter to set"),
        ("totp --codes 5", "a totp token has no list of codes"),
        ("hotp --codes 500", "a hotp token has no list of codes"),
        ("pw", "a pw token needs a password"),
        ("pw --secret-hex ff", "the password has to be UTF-8"),
        ("pw --secret-hex 61 --digits 6", "a pw token has no digits"),
        ("hotp --password-stdin", "a hotp token has no password"),
        ("spass", "a spass token needs a PIN"),
        ("spass --pin 1 --secret-hex 00", "a spass token has no secret"),
        (
            "registration --secret-hex 2d2d2d2d2d2d2d2d",
            "the registration code has to be 8 to 64 ASCII letters and digits",
        ),
        ("forward", "a forward token needs --forward-serial, its target"),
        ("forward --forward-serial H1 --algorithm sha1", "a forward token has no algorithm"),
        ("hotp --forward-serial H1", "a hotp token has no target"),
        ("4eyes", "a 4eyes token needs --realms such as realm1:2,realm2:1"),
        ("4eyes --realms realm1", "expected realms and counts such as realm1:2,realm2:1"),
        ("4eyes --realms a:1,a:1", "a realm is named twice"),
        (
            "4eyes --realms a:1 --separator x",
            "the separator has to be one character that is no letter and no digit",
        ),
        (
            "4eyes --realms a:1 --separator ||",
            "the separator has to be one character that is no letter and no digit",
        ),
        ("hotp --realms a:1", "a hotp token has no realms to approve"),
        ("hotp --realm a@b", "a realm is not empty and has no '@'"),
        ("hotp --description a\nb", "the description contains a control character"),
        (
            "hotp --valid-from 2026-01-02T00:00:00Z --valid-until 2026-01-01T00:00:00Z",
            "the end of the validity has to be after its beginning",
        ),
    ] {
        desk.refused(&format!("enroll --user alice --type {command}"), sentence);
    }
    for (user, sentence) in [
        ("@realm1", "the user is empty"),
        ("a\u{1b}b", "the user contains a control character"),
        ("alice@", "a realm is not empty and has no '@'"),
    ] {
        desk.refused(&format!("enroll --type hotp --user {user}"), sentence);
    }
    assert_eq!(desk.serials(), ["H1"]);
}

#[test]
fn a_forward_token_leads_to_codes_through_at_most_five_and_never_back() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    let forward = |serial: &str, target: &str| {
        format!("enroll --type forward --user alice --serial {serial} --forward-serial {target}")
    };
    desk.refused(&forward("F1", "H2"), "there is no token H2 to forward to");
    desk.refused(&forward("F1", "F1"), "the forward token F1 would lead back to itself");
    for (token_type, more) in [
        ("pw", "--secret-hex 61"),
        ("spass", "--pin 1"),
        ("registration", ""),
        ("4eyes", "--realms default:1"),
    ] {
        desk.ok(format!("enroll --type {token_type} --user alice --serial X{token_type} {more}").trim_end());
        let sentence = format!(
            "X{token_type} is a {token_type} token; a forward token leads to hotp, totp, paper or forward"
        );
        desk.refused(&forward("F1", &format!("X{token_type}")), &sentence);
    }
    for (serial, target) in [("F1", "H1"), ("F2", "F1"), ("F3", "F2"), ("F4", "F3"), ("F5", "F4")] {
        desk.ok(&forward(serial, target));
    }
    desk.refused(&forward("F6", "F5"), "F6 would be in a chain of more than 5 forward tokens");
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
    // Elsewhere: a cycle, and a chain that grows in its middle.
    for target in ["F1", "F2", "F5"] {
        desk.refused(
            &format!("assign F1 --forward-serial {target}"),
            "the forward token F1 would lead back to itself",
        );
    }
    desk.ok(&forward("G1", "H1"));
    desk.refused("assign F1 --forward-serial G1", "F1 would be in a chain of more than 5 forward tokens");
    desk.ok("assign F2 --forward-serial G1");
    // A forward whose target was deleted leads nowhere, also when that serial comes back.
    desk.ok("delete G1 --force");
    let nowhere = "the forward token F2 has no target, because that was deleted; set another one first with token assign";
    desk.refused(&forward("G1", "F5"), nowhere);
    desk.ok(&forward("G1", "F1"));
    desk.refused("assign F2 --forward-serial G1", "F2 would be in a chain of more than 5 forward tokens");
}

#[test]
fn a_secret_that_somebody_in_the_realm_has_already_is_refused_with_the_serial_by_every_way_of_enrolling() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    let sentence = |serial: &str, known: &str, owner: &str| {
        format!(
            "{serial} has the same secret as {known}, which belongs to {owner} in the same realm; delete {known} first, or use another secret"
        )
    };
    for kind in ["hotp", "hotp --digits 8", "paper"] {
        desk.refused(
            &format!("enroll --type {kind} --user alice --serial H2 --secret-hex {SECRET}"),
            &sentence("H2", "H1", "alice"),
        );
    }
    let base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let uri = format!("otpauth://hotp/sps:alice?secret={base32}&counter=5\n");
    let import = |text: &str| {
        let file = desk.place.file("import.txt", text);
        desk.run(&format!("import {} --user alice", file.display()), "")
    };
    let known = "has the same secret as H1, which belongs to alice in the same realm";
    for text in [uri.clone(), format!("serial,secret\nH3,{SECRET}\n")] {
        let ended = import(&text);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(known), "{ended:?}");
    }
    // HMAC fills a key with zeros, so that this one gives the same codes.
    desk.refused(
        &format!("enroll --type hotp --user alice --serial H2 --secret-hex {SECRET}0000"),
        &sentence("H2", "H1", "alice"),
    );
    assert_eq!(desk.serials(), ["H1"]);
    // Neither may others of the realm have it, in whatever case it is written, nor be given it.
    for user in ["bob", "bob@DEFAULT", "Alice"] {
        desk.refused(
            &format!("enroll --type hotp --user {user} --serial B1 --secret-hex {SECRET}"),
            &sentence("B1", "H1", "alice"),
        );
    }
    desk.ok(&format!("enroll --type hotp --user bob@elsewhere --serial B1 --secret-hex {SECRET}"));
    desk.refused("assign B1 --user bob@default", &sentence("B1", "H1", "alice"));
    desk.ok("delete B1");
    // In another realm the names and devices are others.
    desk.enrol_hotp("R1", "alice@elsewhere");
    desk.ok("delete R1");
    desk.ok(&format!("enroll --type totp --user alice --serial T1 --secret-hex {SECRET}"));
    // Neither may one file have it twice.
    desk.ok("delete H1");
    desk.ok("delete T1");
    let ended = import(&uri.repeat(2));
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("which belongs to alice in the same realm"), "{ended:?}");
    assert_eq!(import(&uri).status, Some(0));
}

#[test]
fn a_forward_does_not_lead_to_a_new_token_of_its_targets_serial() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    desk.ok("enroll --type forward --user bob --serial F1 --forward-serial H1 --pin 12");
    assert_eq!(desk.login("bob", "12755224"), "ACCEPT");
    // A question that is still open when the target goes.
    let config = "[mfa]\nprovider=local\n";
    let asked = |otp: &str, cookie: serde_json::Value| {
        let more =
            serde_json::json!({"gateway_user": "bob", "cookie": cookie, "key_value_pairs": {"otp": otp}});
        desk.place.hook(&super::support::authenticate(config, more)).response()
    };
    let question = asked("12", serde_json::json!({}));
    assert_eq!(question["verdict"], "NEEDINFO");
    assert_eq!(desk.ok("delete H1 --force"), "H1 is deleted; forward tokens without a target now: F1\n");
    desk.enrol_hotp("H1", "carol");
    assert_eq!(desk.login("bob", "12755224"), "DENY");
    assert_eq!(asked("755224", question["cookie"].clone())["verdict"], "DENY");
    assert_eq!(desk.json("show F1")["target"], serde_json::Value::Null);
    assert_eq!(desk.login("carol", "755224"), "ACCEPT");
    desk.ok("assign F1 --forward-serial H1");
    assert_eq!(desk.login("bob", "12287082"), "ACCEPT");
}

#[test]
fn a_forward_that_already_led_nowhere_does_not_lead_to_a_token_that_is_new() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    desk.ok("enroll --type forward --user bob --serial F1 --forward-serial H1");
    // As an older version left it.
    let state = desk.place.state().join("state.sqlite3");
    rusqlite::Connection::open(state).unwrap().execute("DELETE FROM tokens WHERE serial = 'H1'", []).unwrap();
    desk.enrol_hotp("H1", "carol");
    assert_eq!(desk.login("bob", "755224"), "DENY");
}
