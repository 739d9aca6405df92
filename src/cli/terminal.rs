//! Whether a person sits at the other end, and how to ask them for what must not be seen.

use std::io::{self, IsTerminal, Write};

use rustix::termios::{self, LocalModes, OptionalActions};

/// One of the process's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What is typed.
    Stdin,
    /// What comes out.
    Stdout,
    /// What is said beside it.
    Stderr,
}

/// The terminal of the process, if it has one.
pub trait Terminal {
    /// Tells whether a stream is a terminal.
    fn is_terminal(&self, stream: Stream) -> bool;

    /// Shows a question and stops showing what is typed. Tells whether that worked.
    fn hide(&self, question: &str) -> bool;

    /// Shows what is typed again.
    fn show(&self);
}

/// No terminal at all: nobody is asked.
pub struct NoTerminal;

impl Terminal for NoTerminal {
    fn is_terminal(&self, _: Stream) -> bool {
        false
    }

    fn hide(&self, _: &str) -> bool {
        false
    }

    fn show(&self) {}
}

/// The streams that the process was started with.
pub struct ProcessTerminal;

impl Terminal for ProcessTerminal {
    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdin => io::stdin().is_terminal(),
            Stream::Stdout => io::stdout().is_terminal(),
            Stream::Stderr => io::stderr().is_terminal(),
        }
    }

    fn hide(&self, question: &str) -> bool {
        let hidden = set_echo(false);
        if hidden {
            let _ = write!(io::stderr(), "{question}");
            let _ = io::stderr().flush();
        }
        hidden
    }

    fn show(&self) {
        // The line end that was typed was not shown either.
        let _ = writeln!(io::stderr());
        set_echo(true);
    }
}

fn set_echo(on: bool) -> bool {
    let stdin = io::stdin();
    let Ok(mut modes) = termios::tcgetattr(&stdin) else { return false };
    modes.local_modes.set(LocalModes::ECHO, on);
    termios::tcsetattr(&stdin, OptionalActions::Now, &modes).is_ok()
}
