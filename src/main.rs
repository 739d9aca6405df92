//! The edge: hands the real stdin, environment and clock to the library, writes what comes back, ends with its
//! status. No decision is made here.

#[path = "main/terminal.rs"]
mod terminal;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sps_plugin::Edge;
use sps_plugin::clock::{Clock, UnixTime};
use sps_plugin::store::Environment;
use sps_plugin::terminal::Terminal as _;
use terminal::ProcessTerminal;

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

fn main() -> ExitCode {
    // A write beyond RLIMIT_FSIZE ends in an error then, which closes the hook, and not in death without a response. Rust's
    // runtime does the same for SIGPIPE. The flag is of no interest; a handler is what it takes.
    let _ = signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), Arc::default());
    // A panic's message may hold a value; where it happened is enough to find it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(io::stderr(), "sps-plugin: critical: internal error at {place}");
    }));
    #[expect(clippy::disallowed_methods, reason = "this is where the system's clock is read")]
    let clock = SystemClock(Instant::now());
    let terminal = ProcessTerminal::default();
    let outcome = sps_plugin::run(Edge {
        arguments: std::env::args_os().skip(1).collect(),
        stdin: &mut io::stdin().lock(),
        stderr: Box::new(io::stderr()),
        environment: &ProcessEnvironment,
        clock: &clock,
        terminal: &terminal,
        executable_folder: &|| Some(std::env::current_exe().ok()?.parent()?.to_owned()),
    });
    // Whatever happened, what is typed next is shown again.
    terminal.give_back();
    let mut stdout = io::stdout().lock();
    match stdout.write_all(&outcome.stdout).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::from(outcome.status),
        // The verdict was not delivered, so the hook has not done its work.
        Err(error) => {
            let _ = writeln!(io::stderr(), "sps-plugin: error: cannot write to stdout: {error}");
            ExitCode::from(outcome.status.max(1))
        }
    }
}
