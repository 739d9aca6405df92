//! Questions to whoever sits there: at the terminal, or to the next line of stdin.

use zeroize::Zeroizing;

use super::story::Story;
use crate::cli::input::{Input, Unread};
use crate::terminal::{Stream, Terminal};
use crate::terms::{Question, steers};

/// How often a question is asked before an answer with a control character gives the session up.
const MAX_TYPED: usize = 3;

/// Asks.
pub(super) struct Dialogue<'a> {
    terminal: &'a dyn Terminal,
    input: Input<'a>,
    is_terminal: bool,
}

impl<'a> Dialogue<'a> {
    /// Holds the terminal, if there is one: from now on Ctrl-C ends the session and not the process.
    pub(super) fn begin(terminal: &'a dyn Terminal, input: Input<'a>) -> Self {
        let is_terminal = terminal.is_terminal(Stream::Stdin);
        if is_terminal {
            // Where that does not work, no question is asked: an answer could not be hidden.
            terminal.mute();
        }
        Self { terminal, input, is_terminal }
    }

    /// Tells whether the session is to end here.
    pub(super) fn is_interrupted(&self) -> bool {
        self.is_terminal && self.terminal.interrupted()
    }

    /// Asks a question and takes the answer.
    pub(super) fn ask(
        &mut self,
        question: &Question,
        story: &mut Story<'_>,
    ) -> Result<Zeroizing<String>, Unread> {
        let Question { key, disable_echo, .. } = question;
        let prompt = asked(question);
        let answer = if self.is_terminal {
            // Where the story does not go to the terminal, a question has to all the same.
            let told = self.terminal.is_terminal(story.stream());
            let on = if told { story.stream() } else { Stream::Stderr };
            let answer = self.typed(on, &prompt, !disable_echo);
            self.terminal.mute();
            answer?
        } else {
            let how = if *disable_echo { "hidden answer" } else { "answer" };
            story.tell(&format!("{prompt}({how} from stdin)"));
            self.input.read()?
        };
        story.mask.note(key);
        Ok(answer)
    }

    /// Asks at the terminal, and again where a key such as Ctrl-Z got into the answer.
    fn typed(&mut self, on: Stream, prompt: &str, echo: bool) -> Result<Zeroizing<String>, Unread> {
        for _ in 1..MAX_TYPED {
            match self.input.typed(on, prompt, echo) {
                Err(Unread::Control) => {
                    self.terminal.say(on, &format!("{}; type it again\n", Unread::Control))
                }
                answer => return answer,
            };
        }
        self.input.typed(on, prompt, echo)
    }
}

impl Drop for Dialogue<'_> {
    fn drop(&mut self) {
        self.terminal.give_back();
    }
}

/// Returns a question as a terminal may show it; it may have several lines. One without a text has its key as that.
fn asked(Question { key, prompt, .. }: &Question) -> String {
    let shown = |text: &str| -> String { text.chars().filter(|c| *c == '\n' || !steers(*c)).collect() };
    if prompt.trim().is_empty() { format!("{}: ", shown(key)) } else { shown(prompt) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::scenario::mask::Mask;

    /// A terminal that cannot hide anything.
    struct Stubborn;

    impl Terminal for Stubborn {
        fn is_terminal(&self, _: Stream) -> bool {
            true
        }

        fn say(&self, _: Stream, _: &str) -> bool {
            true
        }
    }

    #[test]
    fn a_terminal_that_cannot_hide_an_answer_is_not_asked() {
        let mut typed = b"s3cret\n".as_slice();
        let mut dialogue = Dialogue::begin(&Stubborn, Input::new(&mut typed, &Stubborn));
        let question = Question { key: "pin".to_owned(), prompt: "PIN: ".to_owned(), disable_echo: true };
        let mut story = Story::new(&Stubborn, Mask::new(false), false);
        assert!(matches!(dialogue.ask(&question, &mut story), Err(Unread::Unasked)));
        drop(dialogue);
        assert_eq!(typed, b"s3cret\n", "nothing is read");
    }

    #[test]
    fn a_question_keeps_its_lines_and_nothing_that_steers_the_terminal() {
        let asked = |key: &str, prompt: &str| {
            asked(&Question { key: key.to_owned(), prompt: prompt.to_owned(), disable_echo: false })
        };
        assert_eq!(asked("otp", "1. \u{1b}[2Jphone\n2. \u{202e}token\r\n: "), "1. [2Jphone\n2. token\n: ");
        assert_eq!(asked("k\u{1b}]0;x\u{7}\u{202e}", " "), "k]0;x: ");
    }
}
