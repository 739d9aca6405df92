//! The terminal of the process, if it has one.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use sps_plugin::terminal::{INTERRUPT, Stream, Terminal};

/// The streams of the process.
#[derive(Default)]
pub(crate) struct ProcessTerminal {
    /// How the terminal was before it was held.
    before: RefCell<Option<Termios>>,
}

impl ProcessTerminal {
    /// Holds the terminal and forgets what was typed before. Tells whether that worked.
    fn change(&self, echo: bool, may_quit: bool) -> bool {
        let mut before = self.before.borrow_mut();
        let Some(now) = before.clone().or_else(|| termios::tcgetattr(io::stdin()).ok()) else { return false };
        let mut held = now.clone();
        held.local_modes.set(LocalModes::ECHO, echo);
        // A key that ends the process would leave the terminal as it is now. So Ctrl-C ends the line instead, and the
        // key for a core dump, which is a way out of a hook that hangs, does nothing at a hidden question.
        let nothing = 0;
        held.special_codes[SpecialCodeIndex::VINTR] = nothing;
        held.special_codes[SpecialCodeIndex::VSUSP] = nothing;
        if !may_quit {
            held.special_codes[SpecialCodeIndex::VQUIT] = nothing;
        }
        held.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        *before = Some(now);
        // What was typed before the question is no answer to it.
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &held).is_ok()
    }
}

impl Terminal for ProcessTerminal {
    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdin => io::stdin().is_terminal(),
            Stream::Stdout => io::stdout().is_terminal(),
            Stream::Stderr => io::stderr().is_terminal(),
        }
    }

    fn hold(&self, echo: bool) -> bool {
        self.change(echo, echo)
    }

    fn mute(&self) {
        self.change(false, true);
    }

    fn give_back(&self) {
        if let Some(before) = self.before.take() {
            // What was typed meanwhile was for nobody, and a shell would run it.
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &before);
        }
    }

    fn interrupted(&self) -> bool {
        const MOST: usize = 1024;
        if self.before.borrow().is_none() {
            return false;
        }
        let mut line = [0; 4096];
        for _ in 0..MOST {
            // Nothing is there before a line has its end.
            if !rustix::io::ioctl_fionread(io::stdin()).is_ok_and(|count| count > 0) {
                return false;
            }
            match rustix::io::read(io::stdin(), &mut line) {
                Ok(count) if line.iter().take(count).any(|byte| *byte == INTERRUPT) => return true,
                Ok(_) | Err(_) => {}
            }
        }
        false
    }

    fn say(&self, stream: Stream, text: &str) -> bool {
        let put = |out: &mut dyn Write| out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok();
        match stream {
            Stream::Stdin => false,
            Stream::Stdout => put(&mut io::stdout()),
            Stream::Stderr => put(&mut io::stderr()),
        }
    }

    fn show_line(&self, line: &str) {
        // To the beginning of the line, and nothing of what stood there.
        let _ = write!(io::stderr(), "\r\x1b[2K{line}");
    }
}
