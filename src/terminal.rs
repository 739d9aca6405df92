//! Whether a person sits at the other end, how to ask them for what must not be seen, and how to tell them something at
//! once. Whatever goes to a terminal or a log passes here (`Guard`, `Guarded`), so that no command can forget to escape.

use std::io::{self, Write};

use zeroize::Zeroizing;

use crate::terms::shown;

/// The byte that Ctrl-C leaves at the end of a line while the terminal is held.
pub const INTERRUPT: u8 = 0x03;

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

/// The terminal of the process, if it has one; `main.rs` has the real one. What an implementation leaves out does nothing.
pub trait Terminal {
    /// Tells whether a stream is a terminal.
    fn is_terminal(&self, stream: Stream) -> bool;

    /// Forgets what was typed so far, and shows or hides what is typed from now on. Ctrl-C no longer ends the process
    /// but the line, with [`INTERRUPT`] in the place of its end. Tells whether that worked.
    fn hold(&self, _echo: bool) -> bool {
        false
    }

    /// Forgets what was typed so far, and shows nothing of what is typed until the next question. Ctrl-C is as in
    /// [`Terminal::hold`].
    fn mute(&self) {}

    /// Forgets what was typed so far, and gives the terminal back as it was before [`Terminal::hold`].
    fn give_back(&self) {}

    /// Tells whether Ctrl-C was typed while nobody was reading, if the terminal is held. Other lines that were typed
    /// meanwhile are forgotten.
    fn interrupted(&self) -> bool {
        false
    }

    /// Writes a text at once. Tells whether that worked.
    fn say(&self, _stream: Stream, _text: &str) -> bool {
        false
    }

    /// Shows a line on stderr in the place of the one that was shown so before; an empty one leaves nothing.
    fn show_line(&self, _line: &str) {}
}

/// No terminal at all: nobody is asked.
pub struct NoTerminal;

impl Terminal for NoTerminal {
    fn is_terminal(&self, _: Stream) -> bool {
        false
    }
}

/// Writes to where a terminal may show it: what would steer it, or hide, is escaped (see [`shown`]).
pub(crate) struct Guard(pub(crate) Box<dyn Write>);

impl Write for Guard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&guarded(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns bytes as a terminal may show them; what is no UTF-8 is replaced.
pub(crate) fn guarded(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(shown(&String::from_utf8_lossy(bytes)).into_owned().into_bytes())
}

/// Guards a terminal in the same way.
pub(crate) struct Guarded<'t>(pub(crate) &'t dyn Terminal);

impl Terminal for Guarded<'_> {
    fn is_terminal(&self, stream: Stream) -> bool {
        self.0.is_terminal(stream)
    }

    fn hold(&self, echo: bool) -> bool {
        self.0.hold(echo)
    }

    fn mute(&self) {
        self.0.mute();
    }

    fn give_back(&self) {
        self.0.give_back();
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }

    fn say(&self, stream: Stream, text: &str) -> bool {
        self.0.say(stream, &shown(text))
    }

    fn show_line(&self, line: &str) {
        self.0.show_line(&shown(line));
    }
}
