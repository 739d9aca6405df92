//! One line an event, to stderr or syslog, with the session's id.
//!
//! A line is made of [`fmt::Display`] values; secrets are of types that have none. What steers a terminal, or hides, is
//! escaped, so that a user name cannot forge a second line, and a line is cut at [`MAX_LINE`] bytes.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write;
use std::os::unix::net::UnixDatagram;

use crate::config::settings::{Opt, SettingError, Settings};
use crate::terms::{hides, steers};

/// The longest line that is written, in bytes; what is longer is cut and ends in `…`.
pub const MAX_LINE: usize = 2048;

const LOG_LEVEL: Opt = Opt::new("logging", "log_level", "info");
const DESTINATION: Opt = Opt::new("logging", "destination", "stderr");
/// The options that this module reads.
pub const OPTIONS: &[Opt] = &[LOG_LEVEL, DESTINATION];

const SYSLOG_SOCKET: &str = "/dev/log";
/// `LOG_AUTHPRIV` (RFC 5424 section 6.2.1: facility 10), shifted as the priority value wants it.
const FACILITY: u8 = 10 << 3;

/// How much an event matters; the names are those of `[logging] log_level` in the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding a fault in the configuration.
    Debug,
    /// What was decided and why.
    Info,
    /// A road in that takes less than a factor, or a setting that weakens something.
    Warning,
    /// The hook could not do something that it should have done.
    Error,
    /// Nothing works.
    Critical,
}

const LEVELS: [(&str, Level); 5] = [
    ("debug", Level::Debug),
    ("info", Level::Info),
    ("warning", Level::Warning),
    ("error", Level::Error),
    ("critical", Level::Critical),
];

impl Level {
    fn name(self) -> &'static str {
        LEVELS.iter().find(|(_, level)| *level == self).map_or("error", |(name, _)| name)
    }

    /// The severity of RFC 5424 section 6.2.1.
    fn severity(self) -> u8 {
        match self {
            Level::Critical => 2,
            Level::Error => 3,
            Level::Warning => 4,
            Level::Info => 6,
            Level::Debug => 7,
        }
    }
}

/// Takes events and writes those that matter.
pub struct Log {
    state: RefCell<State>,
}

struct State {
    stderr: Box<dyn Write>,
    syslog: Option<UnixDatagram>,
    threshold: Level,
    session: String,
    explains: bool,
}

impl Log {
    /// Makes a log that writes to `stderr` at level info until [`Log::configure`] says otherwise.
    pub fn new(stderr: Box<dyn Write>) -> Self {
        let state =
            State { stderr, syslog: None, threshold: Level::Info, session: String::new(), explains: false };
        Self { state: RefCell::new(state) }
    }

    /// Sets level and destination from `[logging]`. Where syslog's socket cannot be reached, stderr stays.
    ///
    /// # Errors
    /// A level or destination that is none.
    pub fn configure(&self, settings: &Settings<'_>) -> Result<(), SettingError> {
        let level = settings.choice(&LOG_LEVEL, &LEVELS.map(|(name, _)| name))?;
        let destination = settings.choice(&DESTINATION, &["stderr", "messages", "syslog"])?;
        let mut state = self.state.borrow_mut();
        if let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == level) {
            state.threshold = *level;
        }
        if destination != "stderr" {
            match connect() {
                Ok(socket) => state.syslog = Some(socket),
                Err(error) => {
                    drop(state);
                    self.warning(format_args!("no syslog at {SYSLOG_SOCKET} ({error}); logging to stderr"));
                }
            }
        }
        Ok(())
    }

    /// Names the session that the following lines belong to.
    pub fn set_session(&self, session_id: Option<&str>) {
        self.state.borrow_mut().session = session_id.unwrap_or_default().to_owned();
    }

    /// Writes why a closed response is given, as an error, whatever the level: whoever has to mend it finds it.
    pub fn fault(&self, message: fmt::Arguments<'_>) {
        self.put(Level::Error, message);
    }

    /// Writes one event, if its level matters.
    pub fn write(&self, level: Level, message: fmt::Arguments<'_>) {
        if level >= self.state.borrow().threshold {
            self.put(level, message);
        }
    }

    fn put(&self, level: Level, message: fmt::Arguments<'_>) {
        let mut state = self.state.borrow_mut();
        let mut line = Line::default();
        if !state.session.is_empty() {
            // Writing into a Line never fails: what does not fit is cut.
            let _ = write!(line, "[{}] ", Short(&state.session));
        }
        let _ = line.write_fmt(message);
        let text = line.finish();
        match &state.syslog {
            Some(socket) => {
                let record = format!("<{}>sps-plugin: {text}", FACILITY | level.severity());
                // A log that cannot be written must not decide about an access.
                let _ = socket.send(record.as_bytes());
            }
            None => {
                let _ = state.stderr.write_all(format!("sps-plugin: {}: {text}\n", level.name()).as_bytes());
            }
        }
    }

    /// Makes [`Log::explain`] write.
    pub fn set_explaining(&self) {
        self.state.borrow_mut().explains = true;
    }

    /// Writes to stderr why something was decided, where `--explain` asks for it, wherever the log goes.
    pub fn explain(&self, message: fmt::Arguments<'_>) {
        let mut state = self.state.borrow_mut();
        if state.explains {
            let mut line = Line::default();
            let _ = line.write_fmt(message);
            let text = line.finish();
            // An explanation that cannot be written must not decide about an access.
            let _ = state.stderr.write_all(format!("explain: {text}\n").as_bytes());
        }
    }

    /// Writes an event of level debug.
    pub fn debug(&self, message: fmt::Arguments<'_>) {
        self.write(Level::Debug, message);
    }

    /// Writes an event of level info.
    pub fn info(&self, message: fmt::Arguments<'_>) {
        self.write(Level::Info, message);
    }

    /// Writes an event of level warning.
    pub fn warning(&self, message: fmt::Arguments<'_>) {
        self.write(Level::Warning, message);
    }

    /// Writes an event of level error.
    pub fn error(&self, message: fmt::Arguments<'_>) {
        self.write(Level::Error, message);
    }
}

/// Connects to syslog. A daemon that does not read must not make a hook hang, so what it has no room for is lost.
fn connect() -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(SYSLOG_SOCKET)?;
    Ok(socket)
}

/// Shows an error with all its causes, as `a: b: c`.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Shows at most a hundred characters of a name that came from outside.
pub struct Short<'a>(pub &'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 100;
        match self.0.char_indices().nth(MOST) {
            None => f.write_str(self.0),
            Some((end, _)) => write!(f, "{}…", self.0.get(..end).unwrap_or_default()),
        }
    }
}

/// Collects one line: what steers or hides escaped, cut at [`MAX_LINE`].
#[derive(Default)]
struct Line {
    text: String,
    cut: bool,
}

impl Line {
    fn finish(mut self) -> String {
        if self.cut {
            self.text.push('…');
        }
        self.text
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for c in piece.chars() {
            if self.text.len() >= MAX_LINE {
                self.cut = true;
                break;
            }
            if steers(c) || hides(c) {
                self.text.extend(c.escape_default());
            } else {
                self.text.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place to write to that can be looked at afterwards.
    #[derive(Clone, Default)]
    struct Shared(std::rc::Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(session: &str, message: fmt::Arguments<'_>) -> String {
        let shared = Shared::default();
        let log = Log::new(Box::new(shared.clone()));
        log.set_session(Some(session));
        log.info(message);
        let bytes = shared.0.borrow().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_with_the_session() {
        assert_eq!(logged("svc/1", format_args!("done")), "sps-plugin: info: [svc/1] done\n");
    }

    #[test]
    fn a_user_name_cannot_forge_a_second_line() {
        let line =
            logged("s\r\n", format_args!("user {}", "a\nsps-plugin: info: accepted\u{2028}\u{1b}[31m"));
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.contains("a\\nsps-plugin") && line.contains("\\u{1b}"), "{line}");
    }

    #[test]
    fn a_name_that_turns_the_direction_of_writing_or_hides_is_escaped() {
        let line = logged("s", format_args!("user {}", "a\u{202e}b\u{200b}c\u{9b}d\u{feff}"));
        assert!(line.ends_with("user a\\u{202e}b\\u{200b}c\\u{9b}d\\u{feff}\n"), "{line}");
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = logged("s", format_args!("{}", "x".repeat(100_000)));
        assert!(line.len() < MAX_LINE + 40 && line.ends_with("…\n"));
    }

    #[test]
    fn what_is_below_the_level_is_not_written() {
        let shared = Shared::default();
        Log::new(Box::new(shared.clone())).debug(format_args!("nothing"));
        assert!(shared.0.borrow().is_empty());
    }
}
