//! Plays one case: a state directory and a server of its own, then step after step.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use super::case::{Case, SERVER, Setup, Step};
use super::difference::{self, Difference, short};
use super::scratch::Scratch;
use super::server::Server;
use crate::cli::session::{ChosenClock, Cookies, HookClock};
use crate::clock::{Clock, UnixTime};
use crate::store::Environment;
use crate::terminal::{Stream, Terminal};
use crate::{Edge, Outcome};

/// The most that is kept of a case's log, in bytes.
const MAX_LOG: usize = 4 * 1024 * 1024;
/// The most lines of a step's log that are shown.
const MAX_LOG_LINES: usize = 20;

/// Plays the case up to the first step that differs; with `update`, to its end. Returns the differences and the
/// files that were rewritten.
pub(super) fn play(
    case: &Case,
    environment: &dyn Environment,
    clock: &dyn Clock,
    update: bool,
) -> anyhow::Result<(Vec<Difference>, Vec<String>)> {
    let temporary = environment.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let scratch = Scratch::below(&temporary)?;
    let server = case.http.as_ref().map(|script| Server::start(script.clone())).transpose()?;
    let address = server.as_ref().map(Server::address);
    let world = Played {
        environment: case_environment(case, scratch.path(), address.as_deref())?,
        clock,
        address,
        log: Captured::default(),
    };
    for Setup { words, stdin } in &case.setup {
        let began = case.steps.first().map_or(clock.now(), |step| step.clock);
        let outcome = world.run(words, stdin.as_bytes(), began);
        if outcome.status != 0 {
            let log = world.log.text();
            bail!("{}: setup: '{}' fails: {}", case.name, words.join(" "), log.trim_end());
        }
    }
    let mut differences = Vec::new();
    let mut rewritten = Vec::new();
    let mut cookies = Cookies::default();
    for step in &case.steps {
        let logged = world.log.length();
        let outcome = world.call(step, &cookies);
        let before = differences.len();
        if let Some(server) = &server {
            differences.extend(server.unexpected().into_iter().map(|wrong| at(step, wrong)));
        }
        if outcome.status != step.status {
            let text = format!("expected exit status {}, got {}", step.status, outcome.status);
            differences.push(at(step, Difference::new(text, Vec::new())));
        }
        match response(step, &outcome.stdout) {
            Some(_) if update => {
                let file = step.response_file();
                let path = case.folder.join(&file);
                std::fs::write(&path, outcome.stdout.as_slice())
                    .with_context(|| format!("cannot write {}", path.display()))?;
                rewritten.push(file);
            }
            Some(wrong) => differences.push(at(step, wrong)),
            None => {}
        }
        if let Some(first) = differences.get_mut(before) {
            first.details.extend(log_lines(&world.log.text_from(logged)));
        }
        if differences.len() > before && !update {
            // The rest of the dialogue hangs on this step, and would only hide where it began.
            return Ok((differences, rewritten));
        }
        cookies.keep(&outcome.stdout);
    }
    if let Some(server) = server {
        differences.extend(server.finish());
    }
    differences.extend(missing_in_log(case, &world.log.text()));
    Ok((differences, rewritten))
}

fn at(step: &Step, difference: Difference) -> Difference {
    Difference { headline: format!("step {}: {}", step.number, difference.headline), ..difference }
}

fn response(step: &Step, got: &[u8]) -> Option<Difference> {
    match &step.response {
        None => {
            let details = vec![format!("got      {}", String::from_utf8_lossy(got).trim_end())];
            Some(Difference::new(format!("{} is missing", step.response_file()), details))
        }
        Some(expected) => {
            difference::compare(expected, got).map(|details| Difference::new("the response differs", details))
        }
    }
}

/// Shows the end of a step's log, where it says why it ended so.
fn log_lines(log: &str) -> Vec<String> {
    let lines: Vec<_> = log.lines().collect();
    let skipped = lines.len().saturating_sub(MAX_LOG_LINES);
    let note = (skipped > 0).then(|| format!("log      … {skipped} lines before"));
    let shown = lines.iter().skip(skipped).map(|line| format!("log      {}", short((*line).to_owned())));
    note.into_iter().chain(shown).collect()
}

fn missing_in_log(case: &Case, log: &str) -> Option<Difference> {
    let missing: Vec<_> = case
        .log
        .iter()
        .filter(|wanted| !log.lines().any(|line| line.contains(wanted.as_str())))
        .map(|wanted| format!("expected {wanted}"))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let lines = log.lines().map(|line| format!("got      {line}"));
    Some(Difference::new("the log lacks a line", missing.into_iter().chain(lines).collect()))
}

/// What stays the same for all steps of a case.
struct Played<'a> {
    environment: CaseEnvironment,
    clock: &'a dyn Clock,
    address: Option<String>,
    log: Captured,
}

impl Played<'_> {
    fn call(&self, step: &Step, cookies: &Cookies) -> Outcome {
        let invocation = with_server(&step.invocation, self.address.as_deref());
        let threaded = if step.takes_cookies { with_cookies(&invocation, cookies) } else { None };
        self.run(&step.command, &threaded.unwrap_or(invocation), step.clock)
    }

    fn run(&self, words: &[String], mut stdin: &[u8], now: UnixTime) -> Outcome {
        crate::run(Edge {
            arguments: words.iter().map(OsString::from).collect(),
            stdin: &mut stdin,
            stderr: Box::new(self.log.clone()),
            environment: &self.environment,
            clock: &HookClock::new(&ChosenClock::fixed(now, self.clock)),
            terminal: &Unwatched,
            executable_folder: &|| None,
        })
    }
}

/// What a command of the set-up shows at once counts as written, and is dropped.
struct Unwatched;

impl Terminal for Unwatched {
    fn is_terminal(&self, _: Stream) -> bool {
        false
    }

    fn say(&self, _: Stream, _: &str) -> bool {
        true
    }
}

/// A case sees its own variables and nothing of the process's.
struct CaseEnvironment(BTreeMap<String, OsString>);

impl Environment for CaseEnvironment {
    fn get(&self, name: &str) -> Option<OsString> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn own_state(&self) -> Option<PathBuf> {
        self.get("SCB_PLUGIN_STATE_DIRECTORY").map(PathBuf::from)
    }
}

fn case_environment(case: &Case, scratch: &Path, address: Option<&str>) -> anyhow::Result<CaseEnvironment> {
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, path: PathBuf| variables.insert(name.to_owned(), path.into_os_string());
    set("SCB_PLUGIN_STATE_DIRECTORY", scratch.join("persistent"));
    set("EPHEMERAL_PLUGIN_STATE_DIRECTORY", scratch.join("ephemeral"));
    if let Some(config) = &case.config {
        let path = scratch.join("config.ini");
        // Whatever the umask is: a configuration that others may write is refused.
        let file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(&with_server(config, address)))
            .with_context(|| format!("cannot write {}", path.display()))?;
        set("SPS_PLUGIN_CONFIG", path);
    }
    variables.extend(case.environment.iter().map(|(name, value)| (name.clone(), OsString::from(value))));
    Ok(CaseEnvironment(variables))
}

fn with_server(bytes: &[u8], address: Option<&str>) -> Vec<u8> {
    match (address, std::str::from_utf8(bytes)) {
        (Some(address), Ok(text)) => text.replace(SERVER, address).into_bytes(),
        _ => bytes.to_vec(),
    }
}

/// Puts the cookies in where the invocation leaves them out; `None` where nothing is to be put in, or nowhere.
fn with_cookies(invocation: &[u8], cookies: &Cookies) -> Option<Vec<u8>> {
    if cookies.is_empty() {
        return None;
    }
    let mut value: Value = serde_json::from_slice(invocation).ok()?;
    let members = value.as_object_mut()?;
    let bare =
        !["hook", "arguments", "configuration", "appliance"].iter().any(|name| members.contains_key(*name));
    let arguments = if bare {
        members
    } else {
        members.entry("arguments").or_insert_with(|| Value::Object(Map::new())).as_object_mut()?
    };
    cookies.thread(arguments);
    serde_json::to_vec(&value).ok()
}

/// Keeps the log of a case.
#[derive(Clone, Default)]
struct Captured(Rc<RefCell<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        self.text_from(0)
    }

    fn text_from(&self, first: usize) -> String {
        String::from_utf8_lossy(self.0.borrow().get(first..).unwrap_or_default()).into_owned()
    }

    fn length(&self) -> usize {
        self.0.borrow().len()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut kept = self.0.borrow_mut();
        let free = MAX_LOG.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(free));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threaded(invocation: &str) -> Option<String> {
        let mut cookies = Cookies::default();
        cookies.keep(br#"{"verdict":"DENY","cookie":{"a":1},"session_cookie":{"b":2}}"#);
        cookies.keep(b"null\n");
        with_cookies(invocation.as_bytes(), &cookies).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn cookies_are_threaded_in_where_they_are_left_out() {
        assert_eq!(
            threaded(r#"{"hook":"authorize"}"#).as_deref(),
            Some(r#"{"hook":"authorize","arguments":{"cookie":{"a":1},"session_cookie":{"b":2}}}"#)
        );
        assert_eq!(
            threaded(r#"{"arguments":{"cookie":{}}}"#).as_deref(),
            Some(r#"{"arguments":{"cookie":{},"session_cookie":{"b":2}}}"#)
        );
        assert_eq!(
            threaded(r#"{"session_id":"s"}"#).as_deref(),
            Some(r#"{"session_id":"s","cookie":{"a":1},"session_cookie":{"b":2}}"#)
        );
    }

    #[test]
    fn what_has_no_place_for_cookies_stays_as_it_is() {
        for text in ["", "[]", "{", r#"{"hook":"authorize","arguments":[]}"#] {
            assert_eq!(threaded(text), None, "{text}");
        }
    }
}
