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

#[test]
fn every_sentence_that_troubleshooting_explains_is_one_of_the_program() {
    let mut source = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("package/sps_plugin")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "py") {
                source += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let document = read("docs/troubleshooting.md");
    let pieces = sentences(&document);
    assert!(pieces.len() > 50, "{}", pieces.len());
    let unknown: Vec<&str> = pieces.into_iter().filter(|piece| !source.contains(piece.trim())).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}
