//! What is typed but must not be seen: secrets, passwords, PINs, from the command line, stdin or a hidden prompt.

use std::io::Read;

use zeroize::Zeroizing;

use super::failure::Failure;
use crate::terminal::{INTERRUPT, Stream, Terminal};

/// The longest line that is read as a secret, in bytes.
const MAX_LINE: usize = 8192;
/// The exit status after Ctrl-C, which shells give a command that was ended by it.
const INTERRUPTED: u8 = 130;

/// stdin, read line by line.
pub(super) struct Input<'a> {
    stdin: &'a mut dyn Read,
    terminal: &'a dyn Terminal,
}

impl<'a> Input<'a> {
    pub(super) fn new(stdin: &'a mut dyn Read, terminal: &'a dyn Terminal) -> Self {
        Self { stdin, terminal }
    }

    /// Takes a text from the command line, from the next line of stdin if `from_stdin`, or else, if `ask` and a
    /// person is there, from a hidden prompt.
    pub(super) fn secret(
        &mut self,
        what: &str,
        given: Option<String>,
        from_stdin: bool,
        ask: bool,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let is_terminal = self.terminal.is_terminal(Stream::Stdin);
        match given {
            Some(text) => Ok(Some(Zeroizing::new(text))),
            None if is_terminal && (from_stdin || ask) => self.ask_twice(what).map(Some),
            None if from_stdin => self.line(what).map(Some),
            None => Ok(None),
        }
    }

    /// Reads one line, without its end.
    pub(super) fn line(&mut self, what: &str) -> Result<Zeroizing<String>, Failure> {
        self.read().map_err(|unread| failure(what, unread))
    }

    /// Reads one line, without its end.
    pub(super) fn read(&mut self) -> Result<Zeroizing<String>, Unread> {
        let is_terminal = self.terminal.is_terminal(Stream::Stdin);
        // With its final size, so that no copy is left behind when it grows.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        let mut byte = [0_u8];
        let mut any = false;
        while self.stdin.read(&mut byte).map_err(Unread::Broken)? > 0 {
            any = true;
            match byte {
                [b'\n'] => break,
                [INTERRUPT] if is_terminal => return Err(Unread::Interrupted),
                [byte] if line.len() < MAX_LINE => line.push(byte),
                [_] => return Err(Unread::TooLong),
            }
        }
        if !any {
            return Err(Unread::End);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text = std::str::from_utf8(&line);
        text.map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Unread::NotUtf8)
    }

    /// Shows a question at the terminal and reads the answer, which is shown as it is typed or not. Whoever asks gives
    /// the terminal back.
    pub(super) fn typed(
        &mut self,
        on: Stream,
        question: &str,
        echo: bool,
    ) -> Result<Zeroizing<String>, Unread> {
        if !self.terminal.hold(echo) || !self.terminal.say(on, question) {
            return Err(Unread::Unasked);
        }
        let line = self.read();
        let is_whole = line.is_ok();
        // A key that does nothing here, such as Ctrl-Z, leaves one, and whoever typed it takes what follows for no answer.
        let line =
            line.and_then(
                |line| {
                    if line.chars().any(char::is_control) { Err(Unread::Control) } else { Ok(line) }
                },
            );
        if !echo || !is_whole {
            // The line end that was typed was not shown either.
            self.terminal.say(on, "\n");
        }
        line
    }

    /// Reads everything that is left, up to `most` bytes; one byte more tells that there is more.
    pub(super) fn rest(&mut self, most: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
        read_bounded(self.stdin, most)
    }

    /// Asks a person for a secret that exists already, so that once is enough.
    pub(super) fn once(&mut self, what: &str) -> Result<Zeroizing<String>, Failure> {
        self.ask(what, &format!("Enter {what}: "))
    }

    fn ask_twice(&mut self, what: &str) -> Result<Zeroizing<String>, Failure> {
        let first = self.ask(what, &format!("Enter {what}: "))?;
        let second = self.ask(what, &format!("Enter {what} again: "))?;
        if *first == *second {
            Ok(first)
        } else {
            Err(Failure::because(format!("{what} was not typed the same twice")))
        }
    }

    fn ask(&mut self, what: &str, question: &str) -> Result<Zeroizing<String>, Failure> {
        let line = self.typed(Stream::Stderr, question, false);
        self.terminal.give_back();
        line.map_err(|unread| failure(what, unread))
    }
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// Ctrl-C at the terminal.
    #[error("Ctrl-C was typed")]
    Interrupted,
    /// Nothing comes any more.
    #[error("stdin has ended")]
    End,
    /// Over [`MAX_LINE`].
    #[error("a line on stdin is too long")]
    TooLong,
    /// Bytes that are no text.
    #[error("a line on stdin is not UTF-8")]
    NotUtf8,
    /// A key other than one for text.
    #[error("the answer has a control character in it, such as Ctrl-Z leaves, and is not taken")]
    Control,
    /// The question could not be shown, or what is typed not be hidden.
    #[error("the terminal cannot be used")]
    Unasked,
    /// stdin cannot be read.
    #[error("stdin cannot be read")]
    Broken(#[source] std::io::Error),
}

/// Says why there is no secret.
fn failure(what: &str, unread: Unread) -> Failure {
    match unread {
        Unread::Interrupted => Failure { status: INTERRUPTED, ..Failure::because("interrupted".to_owned()) },
        Unread::End => Failure::because(format!("{what} is missing on stdin; there is one line for each")),
        Unread::TooLong => Failure::because(format!("{what} on stdin is too long")),
        Unread::NotUtf8 => Failure::because(format!("{what} on stdin is not UTF-8")),
        Unread::Control => {
            Failure::because(format!("{what} has a control character in it, such as Ctrl-Z leaves"))
        }
        Unread::Unasked => Failure::because(format!("the terminal would show {what}; give it on stdin")),
        Unread::Broken(error) => Failure::fault(error),
    }
}

/// Reads up to `most` bytes and one more.
pub(super) fn read_bounded(reader: &mut dyn Read, most: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A terminal that notes what is done with it.
    #[derive(Default)]
    struct Noting(RefCell<Vec<String>>);

    impl Terminal for Noting {
        fn is_terminal(&self, _: Stream) -> bool {
            true
        }

        fn hold(&self, echo: bool) -> bool {
            self.0.borrow_mut().push(if echo { "shown" } else { "hidden" }.to_owned());
            true
        }

        fn mute(&self) {
            self.0.borrow_mut().push("muted".to_owned());
        }

        fn give_back(&self) {
            self.0.borrow_mut().push("given back".to_owned());
        }

        fn interrupted(&self) -> bool {
            false
        }

        fn say(&self, _: Stream, text: &str) -> bool {
            self.0.borrow_mut().push(text.to_owned());
            true
        }

        fn show_line(&self, _: &str) {}
    }

    fn once(mut typed: &[u8]) -> (Result<String, u8>, Vec<String>) {
        let terminal = Noting::default();
        let read = Input::new(&mut typed, &terminal).once("the secret");
        (read.map(|text| text.to_string()).map_err(|failure| failure.status), terminal.0.into_inner())
    }

    #[test]
    fn a_hidden_prompt_gives_the_terminal_back_whatever_is_typed() {
        let asked = ["hidden", "Enter the secret: ", "\n", "given back"].map(str::to_owned);
        assert_eq!(once(b"s3cret\n"), (Ok("s3cret".to_owned()), asked.to_vec()));
        assert_eq!(once(b"s3c\x03"), (Err(INTERRUPTED), asked.to_vec()), "Ctrl-C");
        assert_eq!(once(b""), (Err(2), asked.to_vec()), "Ctrl-D");
        assert_eq!(once(b"s3c\x1aret\n"), (Err(2), asked.to_vec()), "Ctrl-Z");
        assert_eq!(once(b"\xff\n"), (Err(2), asked.to_vec()));
        assert_eq!(once(&[b'x'; MAX_LINE + 1]), (Err(2), asked.to_vec()));
    }

    #[test]
    fn an_answer_that_is_shown_ends_its_own_line() {
        let terminal = Noting::default();
        let mut typed = b"abc\na\x1ab\nab\x03".as_slice();
        let mut input = Input::new(&mut typed, &terminal);
        assert_eq!(input.typed(Stream::Stdout, "1: ", true).unwrap().as_str(), "abc");
        assert!(matches!(input.typed(Stream::Stdout, "2: ", true), Err(Unread::Control)));
        assert!(matches!(input.typed(Stream::Stdout, "3: ", true), Err(Unread::Interrupted)));
        assert_eq!(terminal.0.into_inner(), ["shown", "1: ", "shown", "2: ", "shown", "3: ", "\n"]);
    }

    #[test]
    fn what_is_no_terminal_has_no_interrupt() {
        let mut typed = b"ab\x03c\n".as_slice();
        let line = Input::new(&mut typed, &crate::terminal::NoTerminal).read();
        assert_eq!(line.unwrap().as_str(), "ab\u{3}c");
    }
}
