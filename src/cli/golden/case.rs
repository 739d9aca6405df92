//! Folders → [`Case`]s. Reads everything first, and refuses what it does not understand.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::server::{self, Scripted};
use crate::clock::UnixTime;

/// What time it is in a case without a `clock`: 2026-01-31T12:00:00Z.
const DEFAULT_CLOCK: i64 = 1_769_860_800;

/// The longest file, in bytes; a little more than the longest invocation, so that one too many can be played.
const MAX_FILE: u64 = 2 * 1024 * 1024;
/// All files of all cases together, in bytes.
const MAX_TOTAL: usize = 256 * 1024 * 1024;
const MAX_STEPS: usize = 100;
const MAX_CASES: usize = 10_000;
const MAX_DEPTH: usize = 16;

/// What stands for the scripted server's address.
pub(super) const SERVER: &str = "{server}";

/// A dialogue with one plugin, and what comes out of it.
pub(super) struct Case {
    /// The folder below the one that was given, with `/`.
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// `config.ini`, from this folder or the nearest above it.
    pub(super) config: Option<Vec<u8>>,
    /// `setup`, from this folder or the nearest above it: commands that fill the state, one a line.
    pub(super) setup: Vec<Setup>,
    /// `http.json`.
    pub(super) http: Option<Vec<Scripted>>,
    /// `environment`.
    pub(super) environment: BTreeMap<String, String>,
    /// `stderr`: each has to occur in a line of the log.
    pub(super) log: Vec<String>,
    pub(super) steps: Vec<Step>,
}

/// One call of a hook.
pub(super) struct Step {
    /// From 1.
    pub(super) number: usize,
    pub(super) invocation: Vec<u8>,
    /// Whether the cookies of the last response may be threaded in: not into a `.raw` file.
    pub(super) takes_cookies: bool,
    pub(super) response: Option<Vec<u8>>,
    pub(super) clock: UnixTime,
    /// The command line.
    pub(super) command: Vec<String>,
    pub(super) status: u8,
}

impl Step {
    /// The name of the file with the response.
    pub(super) fn response_file(&self) -> String {
        format!("{}-response.json", self.number)
    }
}

/// Reads all cases below a folder, in the order of their names.
pub(super) fn find(root: &Path) -> anyhow::Result<Vec<Case>> {
    let mut finder = Finder { root, cases: Vec::new(), total: 0 };
    finder.walk(root, Inherited::default(), MAX_DEPTH)?;
    ensure!(!finder.cases.is_empty(), "there is no case below {}", root.display());
    Ok(finder.cases)
}

struct Finder<'a> {
    root: &'a Path,
    cases: Vec<Case>,
    total: usize,
}

/// What a case has from the nearest folder that says it.
#[derive(Clone, Copy, Default)]
struct Inherited<'a> {
    config: Option<&'a [u8]>,
    setup: Option<&'a [Setup]>,
}

impl Finder<'_> {
    fn walk(&mut self, folder: &Path, above: Inherited<'_>, depth: usize) -> anyhow::Result<()> {
        ensure!(depth > 0, "{} lies more than {MAX_DEPTH} folders deep", folder.display());
        let (files, folders) = entries(folder)?;
        ensure!(!files.is_empty() || !folders.is_empty(), "the folder {} is empty", folder.display());
        let own = match files.get("config.ini") {
            Some(path) => Some(self.read(path)?),
            None => None,
        };
        let setup = match files.contains_key("setup") {
            true => Some(setup(&self.lines(&files, "setup")?)?),
            false => None,
        };
        let here =
            Inherited { config: own.as_deref().or(above.config), setup: setup.as_deref().or(above.setup) };
        if files.contains_key("1-invocation.json") || files.contains_key("1-invocation.raw") {
            ensure!(self.cases.len() < MAX_CASES, "there are more than {MAX_CASES} cases");
            ensure!(folders.is_empty(), "the case {} has folders in it", folder.display());
            let case = self.case(folder, &files, here).with_context(|| format!("{}", folder.display()))?;
            self.cases.push(case);
            return Ok(());
        }
        // A folder above others hands these down.
        let handed_down = |name: &str| !folders.is_empty() && ["config.ini", "setup"].contains(&name);
        for name in files.keys().filter(|name| !handed_down(name)) {
            // Else what is misspelt would be a case that nobody misses.
            let is_one = is_of_a_case(name) || (is_of_a_step(name) && !is_note(name));
            ensure!(!is_one, "{} has {name}, but no 1-invocation.json", folder.display());
        }
        for folder in folders {
            self.walk(&folder, here, depth.saturating_sub(1))?;
        }
        Ok(())
    }

    fn case(
        &mut self,
        folder: &Path,
        files: &BTreeMap<String, PathBuf>,
        Inherited { config, setup }: Inherited<'_>,
    ) -> anyhow::Result<Case> {
        for name in files.keys() {
            let known = is_of_a_case(name) || is_note(name);
            ensure!(known, "{name} is no file of a case; see docs/golden.md");
        }
        let steps = self.steps(files)?;
        let http = match files.get("http.json") {
            Some(path) => Some(server::script(&self.read(path)?).context("http.json")?),
            None => None,
        };
        let mut environment = BTreeMap::new();
        for line in self.lines(files, "environment")? {
            let (name, value) = line.split_once('=').context("environment: expected NAME=value")?;
            environment.insert(name.to_owned(), value.to_owned());
        }
        let names_server = |bytes: &[u8]| contains(bytes, SERVER.as_bytes());
        let asks =
            config.is_some_and(names_server) || steps.iter().any(|step| names_server(&step.invocation));
        ensure!(http.is_some() || !asks, "{SERVER} is written, but there is no http.json");
        let name = folder.strip_prefix(self.root).unwrap_or(folder).display().to_string();
        Ok(Case {
            name: if name.is_empty() { ".".to_owned() } else { name },
            folder: folder.to_owned(),
            config: config.map(<[u8]>::to_vec),
            setup: setup.map(<[Setup]>::to_vec).unwrap_or_default(),
            http,
            environment,
            log: self.lines(files, "stderr")?,
            steps,
        })
    }

    fn steps(&mut self, files: &BTreeMap<String, PathBuf>) -> anyhow::Result<Vec<Step>> {
        let count = (1..=MAX_STEPS)
            .take_while(|number| {
                ["json", "raw"].iter().any(|end| files.contains_key(&invocation(*number, end)))
            })
            .count();
        for name in files.keys() {
            let number = name.split_once('-').and_then(|(number, _)| number.parse::<usize>().ok());
            ensure!(
                number.is_none_or(|number| number <= count),
                "{name} belongs to a step without an invocation"
            );
        }
        let mut clock = UnixTime::from_secs(DEFAULT_CLOCK);
        if let Some(text) = self.text(files, "clock")? {
            clock = UnixTime::parse(text.trim()).context("clock")?;
        }
        let all = self.lines(files, "command")?;
        let statuses = self.lines(files, "status")?;
        ensure!(statuses.len() <= count, "status has more lines than there are invocations");
        let mut steps = Vec::new();
        for number in 1..=count {
            let (json, raw) = (files.get(&invocation(number, "json")), files.get(&invocation(number, "raw")));
            let path = match (json, raw) {
                (Some(path), None) | (None, Some(path)) => path,
                _ => bail!("there are two invocations number {number}"),
            };
            let invocation = self.read(path)?;
            let response = match files.get(&format!("{number}-response.json")) {
                Some(path) => Some(self.read(path)?),
                None => None,
            };
            let file = format!("{number}-clock");
            if let Some(text) = self.text(files, &file)? {
                clock = UnixTime::parse(text.trim()).context(file)?;
            }
            let file = format!("{number}-command");
            let own = self.lines(files, &file)?;
            let command = if files.contains_key(&file) { own } else { all.clone() };
            check_command(&command)?;
            let status = match statuses.get(number.saturating_sub(1)) {
                Some(text) => text.trim().parse().context("status: expected one number a line")?,
                None => 0,
            };
            let takes_cookies = json.is_some();
            steps.push(Step { number, invocation, takes_cookies, response, clock, command, status });
        }
        Ok(steps)
    }

    fn lines(&mut self, files: &BTreeMap<String, PathBuf>, name: &str) -> anyhow::Result<Vec<String>> {
        let text = self.text(files, name)?.unwrap_or_default();
        Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
    }

    fn text(&mut self, files: &BTreeMap<String, PathBuf>, name: &str) -> anyhow::Result<Option<String>> {
        let Some(path) = files.get(name) else { return Ok(None) };
        Ok(Some(String::from_utf8(self.read(path)?).with_context(|| format!("{name} is not UTF-8"))?))
    }

    fn read(&mut self, path: &Path) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {}", path.display()))?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        ensure!(length <= MAX_FILE, "{} is longer than {MAX_FILE} bytes", path.display());
        self.total = self.total.saturating_add(bytes.len());
        ensure!(self.total <= MAX_TOTAL, "the cases are longer than {MAX_TOTAL} bytes together");
        Ok(bytes)
    }
}

fn invocation(number: usize, end: &str) -> String {
    format!("{number}-invocation.{end}")
}

fn is_note(name: &str) -> bool {
    name == "README" || name.ends_with(".md")
}

/// Tells whether a file name begins as those of a step do, `N-`.
fn is_of_a_step(name: &str) -> bool {
    name.split_once('-')
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Tells whether a file name means something in a case.
fn is_of_a_case(name: &str) -> bool {
    const OF_A_STEP: [&str; 5] = ["invocation.json", "invocation.raw", "response.json", "clock", "command"];
    match name.split_once('-') {
        Some((number, rest)) => number.bytes().all(|b| b.is_ascii_digit()) && OF_A_STEP.contains(&rest),
        None => ["config.ini", "setup", "http.json", "clock", "command", "environment", "status", "stderr"]
            .contains(&name),
    }
}

/// A command that fills the state.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) words: Vec<String>,
    pub(super) stdin: String,
}

/// Splits the lines of `setup` into words, at blanks; lines that begin with `| ` are the stdin of the command above
/// them. Only what fills the state may be set up.
fn setup(lines: &[String]) -> anyhow::Result<Vec<Setup>> {
    let mut commands: Vec<Setup> = Vec::new();
    for line in lines {
        if let (Some(text), Some(command)) = (line.strip_prefix("| "), commands.last_mut()) {
            command.stdin.push_str(text);
            command.stdin.push('\n');
            continue;
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let fills = words.first().is_some_and(|word| word == "token" || word == "credential");
        ensure!(fills, "setup: expected lines such as 'token enroll --type hotp ...'");
        commands.push(Setup { words, stdin: String::new() });
    }
    Ok(commands)
}

/// Only hooks are played: another command would, for one, play the cases again.
fn check_command(words: &[String]) -> anyhow::Result<()> {
    let begins_well = words.first().is_none_or(|word| word == "hook" || word.starts_with('-'));
    let ends_well = words.iter().all(|word| word != "golden");
    ensure!(begins_well && ends_well, "command: expected 'hook', its name and options, one word a line");
    Ok(())
}

type Entries = (BTreeMap<String, PathBuf>, Vec<PathBuf>);

/// Lists the files by name, and the folders in the order of their names.
fn entries(folder: &Path) -> anyhow::Result<Entries> {
    let failed = || format!("cannot read the folder {}", folder.display());
    let (mut files, mut folders) = (BTreeMap::new(), Vec::new());
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What editors and systems leave behind.
        if name.starts_with('.') {
            continue;
        }
        // A link to a folder is not followed (it could lead in a circle); one to a file is.
        if entry.file_type().with_context(failed)?.is_dir() {
            folders.push(entry.path());
        } else {
            files.insert(name, entry.path());
        }
    }
    folders.sort();
    Ok((files, folders))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
