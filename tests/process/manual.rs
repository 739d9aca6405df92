//! What the program writes of its own command line: man pages and completions.

use std::collections::BTreeSet;

use crate::support::{Place, run};

/// The commands below one, as its help lists them.
fn commands_of(place: &Place, words: &[&str]) -> Vec<String> {
    let mut all = words.to_vec();
    all.push("--help");
    let help = String::from_utf8(place.run(&all, String::new()).stdout.clone()).unwrap();
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Deeper lines go on with what a command does.
    let names =
        listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The pages that there have to be below one command: one for each command and each of its commands.
fn wanted(place: &Place, words: &[&str], pages: &mut BTreeSet<String>) {
    pages.insert(format!("{}.1", [&["sps-plugin"], words].concat().join("-")));
    for command in commands_of(place, words) {
        wanted(place, &[words, &[command.as_str()]].concat(), pages);
    }
}

#[test]
fn there_is_a_man_page_for_each_command_that_the_help_lists() {
    let place = Place::new();
    let folder = place.path("made/man1");
    let ended = place.run(&["man", folder.to_str().unwrap()], String::new());
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let mut pages = BTreeSet::new();
    wanted(&place, &[], &mut pages);
    let written = std::fs::read_dir(&folder).unwrap();
    let written: BTreeSet<_> = written.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(written, pages);
    assert!(pages.len() > 20 && pages.contains("sps-plugin-token-enroll.1"), "{pages:?}");
    let listed = String::from_utf8(ended.stdout.clone()).unwrap();
    let paths: Vec<_> = pages.iter().map(|page| folder.join(page).display().to_string()).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), paths);
    let text = std::fs::read_to_string(folder.join("sps-plugin.1")).unwrap();
    for piece in
        [".TH sps-plugin 1", "EXIT STATUS", "SCB_PLUGIN_STATE_DIRECTORY", "master.key", "check\\-config"]
    {
        assert!(text.contains(piece), "{piece}: {text}");
    }
}

#[test]
fn a_man_page_that_cannot_be_written_is_named() {
    let place = Place::new();
    place.file("taken", "");
    let taken = place.path("taken");
    let ended = place.run(&["man", taken.to_str().unwrap()], String::new());
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(ended.stderr.contains("cannot make") && ended.stderr.contains("taken"), "{}", ended.stderr);
}

#[test]
fn bash_completes_commands_options_and_values() {
    let place = Place::new();
    let ended = place.run(&["completions", "bash"], String::new());
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    place.file("completions", std::str::from_utf8(&ended.stdout).unwrap());
    for (words, completed) in [
        ("sps-plugin tok", "token"),
        ("sps-plugin token enr", "enroll"),
        ("sps-plugin check-config --js", "--json"),
        ("sps-plugin completions fi", "fish"),
        ("sps-plugin credential rotate-key --js", "--json"),
        ("sps-plugin --type cr", "credentialstore"),
        ("sps-plugin hook get_t", "get_totp_codes"),
        ("sps-plugin scenario --protocol r", "rdp"),
        ("sps-plugin token enroll --type ho", "hotp"),
        ("sps-plugin token enroll --algorithm sha5", "sha512"),
        ("sps-plugin token import --format ot", "otpauth"),
        ("sps-plugin credential set --checkout ex", "exclusive"),
        ("sps-plugin credential set --totp-algorithm sha5", "sha512"),
        ("sps-plugin credential import --format k", "keepass"),
    ] {
        let typed: Vec<_> = words.split(' ').collect();
        let script = format!(
            ". {}; COMP_WORDS=({words}); COMP_CWORD={}
            completer=$(complete -p sps-plugin | grep -o -- '-F [^ ]*'); ${{completer#-F }} sps-plugin '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            place.path("completions").display(),
            typed.len() - 1,
            typed[typed.len() - 1],
            typed[typed.len() - 2],
        );
        let mut bash = place.command("bash");
        bash.args(["--norc", "-c", &script]);
        let answered = run(bash, String::new());
        assert_eq!(
            String::from_utf8_lossy(&answered.stdout).trim(),
            completed,
            "{words}: {}",
            answered.stderr
        );
    }
}

#[test]
fn a_shell_that_nobody_knows_is_one_sentence_and_status_2() {
    let ended = Place::new().run(&["completions", "cmd"], String::new());
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(
        ended.stderr.contains("[possible values: bash, elvish, fish, powershell, zsh]"),
        "{}",
        ended.stderr
    );
}
