//! The commands in the documentation are run, and print what the documentation says.
//!
//! A block that begins with ```` ```sh ```` is run; a ```` ```text ```` block that follows is what it prints, stdout and
//! stderr together. The blocks of a file run in one shell and in one folder, in which `target/release/sps-plugin` is the
//! binary. Blocks of other languages are not run: ```` ```bash ```` is for the set-up.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops where something is not as expected"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

const END_OF_BLOCK: &str = "--- end of block ---";

struct Block {
    line: usize,
    language: String,
    text: String,
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

fn blocks(document: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in document.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                found.push(Block { line: number + 1, language: language.to_owned(), text: String::new() });
            }
            None if open => {
                let last = found.len() - 1;
                found[last].text += line;
                found[last].text.push('\n');
            }
            None => {}
        }
    }
    assert!(!open, "the last block has no end");
    found
}

/// Pairs of a command and what it prints.
fn examples(document: &str) -> Vec<(Block, String)> {
    let mut found: Vec<(Block, String)> = Vec::new();
    let mut after_command = false;
    for block in blocks(document) {
        match block.language.as_str() {
            "text" if after_command => {
                let last = found.len() - 1;
                found[last].1 = block.text;
                after_command = false;
            }
            "sh" => {
                found.push((block, String::new()));
                after_command = true;
            }
            _ => after_command = false,
        }
    }
    found
}

fn printed(examples: &[(Block, String)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("target/release")).unwrap();
    symlink(env!("CARGO_BIN_EXE_sps-plugin"), folder.path().join("target/release/sps-plugin")).unwrap();
    let script: String = examples
        .iter()
        .map(|(block, _)| format!("{}\nprintf '%s\\n' '{END_OF_BLOCK}'\n", block.text))
        .collect();
    fs::write(folder.path().join("script"), format!("exec 2>&1\n{script}")).unwrap();
    let output = Command::new("bash")
        .arg("script")
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(&format!("{END_OF_BLOCK}\n")).map(str::to_owned).collect()
}

fn check(file: &str, at_least: usize) {
    let examples = examples(&read(file));
    assert!(examples.len() >= at_least, "{file} has {} examples", examples.len());
    let printed = printed(&examples);
    assert_eq!(printed.len(), examples.len() + 1, "{file}: a block ended the shell");
    for ((block, expected), printed) in examples.iter().zip(&printed) {
        assert_eq!(printed, expected, "{file}, line {}", block.line);
    }
}

#[test]
fn the_first_session_in_the_readme_goes_as_it_says() {
    check("README.md", 7);
}

#[test]
fn the_commands_for_troubleshooting_print_what_they_say() {
    check("docs/troubleshooting.md", 1);
}

#[test]
fn the_commands_for_tokens_print_what_they_say() {
    check("docs/tokens.md", 12);
}

#[test]
fn the_commands_for_credentials_print_what_they_say() {
    check("docs/credentials.md", 3);
}

#[test]
fn the_commands_for_backup_and_restore_print_what_they_say() {
    check("docs/backup.md", 7);
}

#[test]
fn the_sessions_that_are_played_print_what_they_say() {
    check("docs/scenario.md", 4);
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let readme = read("README.md");
    let names = readme.split('`').skip(1).step_by(2);
    let prefixes = ["docs/", "scripts/", "src/", "LICENSE", "plugin.ini.example", "Cargo.toml"];
    let missing: Vec<&str> = names
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)) && !name.contains(' '))
        .filter(|name| !Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The name that a heading has in an address.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
}

#[test]
fn every_link_between_documents_leads_to_a_document_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md")];
    for folder in ["docs", "docs/migration"] {
        documents.extend(fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    documents.retain(|path| path.extension().is_some_and(|end| end == "md"));
    let mut followed = 0;
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            if link.starts_with("http") || link.contains(char::is_whitespace) {
                continue;
            }
            let (file, heading) =
                link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let there = fs::read_to_string(&target)
                .unwrap_or_else(|error| panic!("{}: {link}: {error}", document.display()));
            let has =
                |heading: &str| there.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
            assert!(heading.is_none_or(has), "{}: {link} has no such heading", document.display());
            followed += 1;
        }
    }
    assert!(followed > 30, "{followed}");
}

#[test]
fn every_json_block_of_the_protocol_is_json() {
    let blocks = blocks(&read("docs/protocol.md"));
    let json: Vec<&Block> = blocks.iter().filter(|block| block.language == "json").collect();
    assert!(json.len() >= 2);
    for block in json {
        if let Err(error) = serde_json::from_str::<serde_json::Value>(&block.text) {
            panic!("docs/protocol.md, line {}: {error}", block.line);
        }
    }
}

/// The pieces of the sentences in the tables, which stand in backticks with `…` for what changes.
fn sentences(document: &str) -> Vec<&str> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.flat_map(|sentence| sentence.split('…')).filter(|piece| piece.trim().len() > 3).collect()
}

/// The program's files below these folders, by their names from the root on.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "py") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn every_sentence_that_troubleshooting_explains_is_one_of_the_program() {
    let source: String = files(&["src", "package/sps_plugin"]).into_iter().map(|(_, text)| text).collect();
    let document = read("docs/troubleshooting.md");
    let pieces = sentences(&document);
    assert!(pieces.len() > 50, "{}", pieces.len());
    let unknown: Vec<&str> = pieces.into_iter().filter(|piece| !source.contains(piece.trim())).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// Where sentences are that need no row, and why. They end with the file or folder, or are the sentence itself.
const WITHOUT_A_ROW: [(&str, &str); 17] = [
    ("src/cli/", "whoever types a command reads it, and it says what to type instead"),
    ("src/token/import/", "the same, about a line of a file"),
    ("src/locker/import/", "the same"),
    ("src/intake/", "the same"),
    ("src/private_key/", "the same, about a key; in a log it stands behind one that has a row, as its cause"),
    ("src/locker/totp.rs", "the same"),
    ("src/locker/mod.rs", "the same, about an entry"),
    ("src/locker/entry.rs", "stands behind one that has a row, as its cause"),
    ("src/token/chain.rs", "whoever types a command reads it"),
    ("src/token/enroll.rs", "the same"),
    ("src/token/naming.rs", "the same"),
    ("src/token/realms.rs", "the same; in a configuration it stands behind 'expected'"),
    ("src/token/resync.rs", "the same"),
    ("src/clock.rs", "the same"),
    ("src/names/host.rs", "stands behind 'no local credential is looked for', as its cause"),
    ("src/ldap/ber.rs", "stands behind 'no usable LDAP message', as its cause"),
    ("src/ldap/filter.rs", "stands behind 'expected'"),
];

/// Sentences of a few words that only name the layer whose error follows, and those of commands.
const SENTENCES_WITHOUT_A_ROW: [&str; 14] = [
    "configuration",
    "state",
    "credentials",
    "invocation",
    "local credentials",
    "local tokens",
    "second factor",
    "invocation: {error}",
    // Commands: what was typed cannot be done, and the sentence says why.
    "a token {0} already exists",
    "an entry for account {account} on asset {asset} already exists; --replace overwrites it",
    "there is no state yet in {0}",
    "{0} is there already; a backup overwrites nothing",
    "there is a state in {0} already; --replace overwrites it",
    "cannot use the file {path}",
];

/// The texts in a source file that are errors, or go to the log above level info.
fn told(source: &str) -> Vec<String> {
    let code = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let begins = ["#[error(", ".warning(", ".error(", ".critical(", ".fault("];
    let mut found = Vec::new();
    for begin in begins {
        for rest in code.split(begin).skip(1) {
            let rest = rest.trim_start();
            let rest = rest.strip_prefix("format_args!(").unwrap_or(rest).trim_start();
            let Some(rest) = rest.strip_prefix('"') else { continue };
            let mut text = String::new();
            let mut chars = rest.chars();
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => {
                        // An escape is kept as it is written; an end of line is none, and what indents goes.
                        match chars.next() {
                            Some('\n') => chars = chars.as_str().trim_start().chars(),
                            Some(escaped) => text.extend(['\\', escaped]),
                            None => {}
                        }
                    }
                    c => text.push(c),
                }
            }
            found.push(text);
        }
    }
    found
}

const PUNCTUATION: [char; 7] = [' ', ':', ',', ';', '[', ']', '\''];

/// The longest piece of a format between what is put into it.
fn longest_piece(format: &str) -> String {
    let plain = format.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let pieces = plain.split('{').enumerate().map(|(number, piece)| match (number, piece.split_once('}')) {
        (0, _) | (_, None) => piece,
        (_, Some((_, behind))) => behind,
    });
    let longest = pieces.max_by_key(|piece| piece.trim().len()).unwrap_or_default().trim();
    // A brace that is written twice may end a piece: what is in it is left out.
    let longest = longest.split(['\u{1}', '\u{2}']).max_by_key(|piece| piece.len()).unwrap_or_default();
    // What separates it from what is put in is punctuation, which a row may have otherwise.
    longest.trim_matches(PUNCTUATION).to_owned()
}

#[test]
fn every_error_and_warning_of_the_program_has_a_row_in_troubleshooting_or_a_reason() {
    let document = read("docs/troubleshooting.md");
    let rows: Vec<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split("` |").next()).collect();
    let (mut seen, mut missing, mut used) = (0_usize, Vec::new(), Vec::new());
    for (file, source) in files(&["src"]) {
        let is_test = file.contains("/tests/") || file.ends_with("/tests.rs");
        for text in told(&source).into_iter().filter(|_| !is_test) {
            let piece = longest_piece(&text);
            // Nothing of its own: another error's text, which is looked at where it stands.
            if piece.len() <= 3 {
                continue;
            }
            seen += 1;
            let excused = WITHOUT_A_ROW.iter().position(|(place, _)| file.starts_with(place));
            // A few words stand in other sentences by chance, so they have to be a piece of a row.
            let is_piece = |row: &str| row.split('…').any(|part| part.trim_matches(PUNCTUATION) == piece);
            if rows.iter().any(|row| is_piece(row) || (piece.len() > 20 && row.contains(&piece))) {
                continue;
            }
            match (excused, SENTENCES_WITHOUT_A_ROW.iter().position(|sentence| *sentence == text)) {
                (Some(place), _) => used.push(format!("place {place}")),
                (None, Some(sentence)) => used.push(format!("sentence {sentence}")),
                (None, None) => missing.push(format!("{file}: {text}")),
            }
        }
    }
    assert!(seen > 200, "only {seen} were found; has their form changed?");
    assert!(missing.is_empty(), "{missing:#?}");
    for (number, (place, _)) in WITHOUT_A_ROW.iter().enumerate() {
        assert!(used.contains(&format!("place {number}")), "{place} needs no excuse");
    }
    for (number, sentence) in SENTENCES_WITHOUT_A_ROW.iter().enumerate() {
        assert!(used.contains(&format!("sentence {number}")), "{sentence:?} needs no excuse");
    }
}
