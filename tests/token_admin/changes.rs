//! What is done to tokens that are there.

use super::{Desk, SECRET};

#[test]
fn every_command_that_takes_a_serial_says_that_there_is_none() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    for command in [
        "show X",
        "set-pin X --pin 1",
        "enable X",
        "disable X",
        "unlock X",
        "resync X 755224 287082",
        "assign X --user bob",
        "delete X",
        "delete X --force",
    ] {
        desk.refused(command, "there is no token X");
    }
}

#[test]
fn a_disabled_token_lets_nobody_in_until_it_is_enabled() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    assert_eq!(desk.ok("disable H1"), "H1 is disabled\n");
    assert_eq!(desk.login("alice", "755224"), "DENY");
    assert_eq!(desk.json("disable H1")["enabled"], false);
    assert_eq!(desk.ok("enable H1"), "H1 is enabled\n");
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
    assert_eq!(desk.json("enable H1")["counter"], 1);
}

#[test]
fn unlock_forgets_the_failures() {
    let desk = Desk::new();
    desk.ok(&format!("enroll --type hotp --user alice --serial H1 --secret-hex {SECRET} --max-fail 2"));
    for _ in 0..3 {
        assert_eq!(desk.login("alice", "000000"), "DENY");
    }
    let locked = desk.json("show H1");
    assert_eq!((&locked["locked"], &locked["fail_counter"]), (&true.into(), &2.into()));
    assert!(desk.ok("list").contains(" locked"));
    assert_eq!(desk.login("alice", "755224"), "DENY");
    assert_eq!(desk.ok("unlock H1"), "H1 has no failures\n");
    assert_eq!(desk.json("show H1")["locked"], false);
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
}

#[test]
fn a_pin_is_set_changed_and_taken_away() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    assert_eq!(desk.ok_with("set-pin H1 --pin-stdin", "sesame\n"), "H1 has another PIN\n");
    assert_eq!(desk.login("alice", "755224"), "DENY");
    assert_eq!(desk.login("alice", "sesame755224"), "ACCEPT");
    assert_eq!(desk.json("set-pin H1 --pin 99")["has_pin"], true);
    assert_eq!(desk.login("alice", "99287082"), "ACCEPT");
    assert_eq!(desk.ok("set-pin H1 --none"), "H1 has no PIN\n");
    assert_eq!(desk.login("alice", "359152"), "ACCEPT");
    desk.refused("set-pin H1", "say --pin-stdin, --pin or --none");
    desk.refused(
        "set-pin H1 --pin a\u{7f}",
        "the PIN has to be 1 to 256 characters, at most 508 bytes, without control characters",
    );
    desk.refused_with("set-pin H1 --pin 1 --password-stdin", "x\n", "a hotp token has no password");
    desk.ok("enroll --type spass --user bob --serial S1 --pin 1");
    desk.refused("set-pin S1 --none", "a spass token needs a PIN");
}

#[test]
fn the_pin_of_a_password_token_needs_the_password_again() {
    let desk = Desk::new();
    desk.ok_with("enroll --type pw --user alice --serial P1 --password-stdin", "hunter2\n");
    assert_eq!(desk.login("alice", "hunter2"), "ACCEPT");
    desk.refused(
        "set-pin P1 --pin 12",
        "a pw token needs its password again, because what is kept of it holds the PIN (--password-stdin)",
    );
    desk.refused_with("set-pin P1 --pin 12 --password-stdin", "hunter3\n", "that is not the password of P1");
    assert_eq!(desk.login("alice", "hunter2"), "ACCEPT");
    desk.ok_with("set-pin P1 --pin-stdin --password-stdin", "hunter2\n12\n");
    assert_eq!(
        (desk.login("alice", "12hunter2"), desk.login("alice", "hunter2")),
        ("ACCEPT".into(), "DENY".into())
    );
    desk.ok_with("set-pin P1 --none --password-stdin", "hunter2\n");
    assert_eq!(
        (desk.login("alice", "hunter2"), desk.login("alice", "12hunter2")),
        ("ACCEPT".into(), "DENY".into())
    );
}

#[test]
fn a_token_goes_to_another_owner_and_back_to_nobody() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice@realm1");
    assert_eq!(desk.ok("assign H1 --user bob"), "H1 belongs to bob in realm1\n");
    assert_eq!(desk.ok("assign H1 --user bob --realm realm2"), "H1 belongs to bob in realm2\n");
    assert_eq!(desk.login("bob@realm2", "755224"), "ACCEPT");
    assert_eq!(desk.ok("assign H1 --user carol@realm3"), "H1 belongs to carol in realm3\n");
    assert_eq!(desk.ok("assign H1 --nobody"), "H1 belongs to nobody\n");
    let unowned = desk.json("show H1");
    assert!(unowned["user"].is_null() && unowned["realm"].is_null(), "{unowned}");
    for nobody in ["", "@", "carol@realm3", "@realm3"] {
        assert_eq!(desk.login(nobody, "287082"), "DENY", "{nobody:?}");
    }
    assert_eq!(desk.ok("assign H1 --user dave"), "H1 belongs to dave in default\n");
    assert_eq!(desk.login("dave", "287082"), "ACCEPT");
    desk.refused("assign H1 --user @x", "the user is empty");
    desk.refused("assign H1 --forward-serial H1", "a hotp token has no target");
    let nothing = "the following required arguments were not provided: --user <USER>; see --help";
    desk.refused("assign H1", nothing);
}

#[test]
fn a_forward_token_is_led_elsewhere() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "bob");
    desk.ok("enroll --type totp --user bob --serial T1");
    desk.ok("enroll --type forward --user alice --serial F1 --forward-serial T1");
    desk.refused("assign F1 --forward-serial H2", "there is no token H2 to forward to");
    assert_eq!(desk.ok("assign F1 --forward-serial H1"), "F1 belongs to alice in default and leads to H1\n");
    assert_eq!(desk.login("alice", "755224"), "ACCEPT");
}

#[test]
fn a_token_that_forwards_lead_to_is_not_deleted_unless_it_must() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "bob");
    desk.ok("enroll --type forward --user alice --serial F1 --forward-serial H1");
    desk.refused("delete H1", "the forward token F1 leads to H1; delete it first, or use --force");
    assert_eq!(desk.serials(), ["F1", "H1"]);
    assert_eq!(desk.json("delete H1 --force")["serial"], "H1");
    assert_eq!(desk.serials(), ["F1"]);
    assert_eq!(desk.login("alice", "755224"), "DENY");
    assert_eq!(desk.ok("delete F1"), "F1 is deleted\n");
    assert_eq!(desk.ok("list --json"), "[]\n");
}

#[test]
fn two_codes_bring_a_hotp_token_back_and_are_used_up() {
    let desk = Desk::new();
    desk.ok(&format!("enroll --type hotp --user alice --serial H1 --secret-hex {SECRET} --window 1"));
    assert_eq!(desk.login("alice", "969429"), "DENY");
    assert_eq!(desk.json("show H1")["fail_counter"], 1);
    // Counters 3 and 4 of RFC 4226 appendix D.
    assert_eq!(desk.ok("resync H1 969429 338314"), "H1 is in step again\n");
    let token = desk.json("show H1");
    assert_eq!((&token["counter"], &token["fail_counter"]), (&5.into(), &0.into()));
    for used in ["755224", "969429", "338314"] {
        assert_eq!(desk.login("alice", used), "DENY", "{used}");
    }
    assert_eq!(desk.login("alice", "254676"), "ACCEPT");
    let not_found = "no two unused codes of H1 within 1000 steps follow each other like these";
    desk.refused("resync H1 969429 338314", not_found);
    desk.refused("resync H1 162583 287922", not_found);
    desk.refused("resync H1 16258 399871", "a code of H1 has 6 digits");
    assert_eq!(desk.json("show H1")["counter"], 6);
    desk.ok_with("resync H1", "162583\n399871\n");
    assert_eq!(desk.json("show H1")["counter"], 9);
    desk.refused_with(
        "resync H1",
        "162583\n",
        "the second code is missing on stdin; there is one line for each",
    );
}

#[test]
fn two_codes_tell_how_far_a_totp_device_is_off() {
    let desk = Desk::new();
    desk.ok(&format!("enroll --type totp --user alice --serial T1 --secret-hex {SECRET} --window 0"));
    // The codes of steps 3 and 4 are those of counters 3 and 4; our clock shows step 7.
    let resync = desk.run("resync T1 969429 338314 --json --clock 210", "");
    let token: serde_json::Value = serde_json::from_slice(&resync.stdout).unwrap();
    assert_eq!(
        (&token["skew"], &token["last_step"], &token["counter"]),
        (&(-3).into(), &4.into(), &().into())
    );
    let too_far = desk.run("resync T1 254676 287922 --clock 40000", "");
    assert_eq!(too_far.status, Some(2), "{too_far:?}");
    assert_eq!(desk.json("show T1")["last_step"], 4);
}

#[test]
fn only_what_has_steps_is_resynchronised() {
    let desk = Desk::new();
    desk.enrol_hotp("H1", "alice");
    desk.ok("enroll --type forward --user alice --serial F1 --forward-serial H1");
    desk.ok("enroll --type paper --user alice --serial L1");
    desk.ok("enroll --type spass --user alice --serial S1 --pin 1");
    let codes = "969429 338314";
    desk.refused(&format!("resync F1 {codes}"), "F1 is a forward token; resynchronise its target H1");
    desk.refused(&format!("resync L1 {codes}"), "a paper token cannot get out of step");
    desk.refused(&format!("resync S1 {codes}"), "a spass token cannot get out of step");
}

#[test]
fn a_locked_token_stays_locked_when_it_is_resynchronised() {
    let desk = Desk::new();
    desk.ok(&format!("enroll --type hotp --user alice --serial H1 --secret-hex {SECRET} --max-fail 1"));
    assert_eq!(desk.login("alice", "000000"), "DENY");
    desk.ok("resync H1 969429 338314");
    assert_eq!(desk.json("show H1")["locked"], true);
}

#[test]
fn a_totp_token_that_was_used_while_the_clock_was_ahead_is_taken_back_and_that_is_said() {
    let desk = Desk::new();
    desk.ok(&format!("enroll --type totp --user alice --serial T1 --secret-hex {SECRET}"));
    // The codes of steps 3 and 4, while the clock shows step 4; then it shows step 0.
    assert_eq!(desk.run("resync T1 969429 338314 --clock 120", "").status, Some(0));
    let ended = desk.run("resync T1 755224 287082 --clock 0", "");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let ahead = "its last code was used at 1970-01-01T00:02:00Z, which is in the future, so its position was set back";
    ended.assert_logged(&["warning: T1 was resynchronised", ahead]);
    let text = String::from_utf8(ended.stdout.clone()).unwrap();
    assert!(
        text.starts_with("T1 is in step again, 1 steps away from our time; ") && text.contains(ahead),
        "{text}"
    );
    assert_eq!(desk.json("show T1")["last_step"], 1);
}
