//! The edge: hands the real stdin, environment and clock to the library, writes what comes back, ends with its
//! status. No decision is made here.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::termios::{self, LocalModes, OptionalActions};
use sps_plugin::Edge;
use sps_plugin::clock::{Clock, UnixTime};
use sps_plugin::store::Environment;
use sps_plugin::terminal::{Stream, Terminal};

struct SystemClock(Instant);

#[expect(clippy::disallowed_methods, reason = "this is where the system's clock is read")]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_micros(i64::try_from(since.as_micros()).unwrap_or_default())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

struct ProcessEnvironment;

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name).filter(|value| !value.is_empty())
    }
}

struct ProcessTerminal;

impl Terminal for ProcessTerminal {
    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdin => io::stdin().is_terminal(),
            Stream::Stdout => io::stdout().is_terminal(),
            Stream::Stderr => io::stderr().is_terminal(),
        }
    }

    fn hide(&self, question: &str) -> bool {
        set_echo(false) && write!(io::stderr(), "{question}").is_ok()
    }

    fn show(&self) {
        // The line end that was typed was not shown either.
        let _ = writeln!(io::stderr());
        set_echo(true);
    }

    fn show_line(&self, line: &str) {
        // To the beginning of the line, and nothing of what stood there.
        let _ = write!(io::stderr(), "\r\x1b[2K{line}");
    }
}

fn set_echo(on: bool) -> bool {
    let Ok(mut modes) = termios::tcgetattr(io::stdin()) else { return false };
    modes.local_modes.set(LocalModes::ECHO, on);
    termios::tcsetattr(io::stdin(), OptionalActions::Now, &modes).is_ok()
}

fn main() -> ExitCode {
    // A panic's message may hold a value; where it happened is enough to find it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(io::stderr(), "sps-plugin: critical: internal error at {place}");
    }));
    #[expect(clippy::disallowed_methods, reason = "this is where the system's clock is read")]
    let clock = SystemClock(Instant::now());
    let outcome = sps_plugin::run(Edge {
        arguments: std::env::args_os().skip(1).collect(),
        stdin: &mut io::stdin().lock(),
        stderr: Box::new(io::stderr()),
        environment: &ProcessEnvironment,
        clock: &clock,
        terminal: &ProcessTerminal,
        executable_folder: &|| Some(std::env::current_exe().ok()?.parent()?.to_owned()),
    });
    let mut stdout = io::stdout().lock();
    match stdout.write_all(&outcome.stdout).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::from(outcome.status),
        // Nobody got the verdict, so the hook has not done its work.
        Err(_) => ExitCode::from(outcome.status.max(1)),
    }
}
