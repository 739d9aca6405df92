//! Whether a person sits at the other end, and how to ask them for what must not be seen.

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

/// The terminal of the process, if it has one; `main.rs` has the real one.
pub trait Terminal {
    /// Tells whether a stream is a terminal.
    fn is_terminal(&self, stream: Stream) -> bool;

    /// Shows a question and stops showing what is typed. Tells whether that worked.
    fn hide(&self, question: &str) -> bool;

    /// Shows what is typed again.
    fn show(&self);

    /// Shows a line on stderr in the place of the one that was shown so before; an empty one leaves nothing.
    fn show_line(&self, line: &str);
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

    fn show_line(&self, _: &str) {}
}
