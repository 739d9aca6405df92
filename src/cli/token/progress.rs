//! The progress bar of a long import, for a person at a terminal.

use std::cell::Cell;

use crate::terminal::Terminal;

/// How many characters the bar is long.
const WIDTH: usize = 40;

/// Shows how much is done, and goes away when it is dropped.
pub(super) struct Bar<'a> {
    terminal: &'a dyn Terminal,
    steps: usize,
    done: Cell<usize>,
}

impl<'a> Bar<'a> {
    pub(super) fn new(terminal: &'a dyn Terminal, steps: usize) -> Self {
        Self { terminal, steps, done: Cell::new(0) }
    }

    /// Counts one step. What is shown changes a hundred times at most, because a terminal is slow.
    pub(super) fn step(&self) {
        let before = self.percent();
        self.done.set(self.done.get().saturating_add(1));
        let percent = self.percent();
        if percent > before {
            let full = percent.saturating_mul(WIDTH).checked_div(100).unwrap_or_default();
            self.terminal.show_line(&format!("[{:<WIDTH$}] {percent} %", "#".repeat(full)));
        }
    }

    fn percent(&self) -> usize {
        self.done.get().saturating_mul(100).checked_div(self.steps).unwrap_or_default().min(100)
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.terminal.show_line("");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::terminal::Stream;

    #[derive(Default)]
    struct Screen(RefCell<Vec<String>>);

    impl Terminal for Screen {
        fn is_terminal(&self, _: Stream) -> bool {
            true
        }

        fn show_line(&self, line: &str) {
            self.0.borrow_mut().push(line.to_owned());
        }
    }

    fn shown(steps: usize, taken: usize) -> Vec<String> {
        let screen = Screen::default();
        let bar = Bar::new(&screen, steps);
        (0..taken).for_each(|_| bar.step());
        drop(bar);
        screen.0.into_inner()
    }

    #[test]
    fn the_bar_grows_to_its_end_and_goes_away() {
        let lines = shown(4, 4);
        assert_eq!(lines[0], format!("[{}{}] 25 %", "#".repeat(10), " ".repeat(30)));
        assert_eq!(lines[3], format!("[{}] 100 %", "#".repeat(40)));
        assert_eq!(lines[4], "");
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn ten_thousand_steps_are_a_hundred_lines() {
        assert_eq!(shown(10_000, 10_000).len(), 101);
    }

    #[test]
    fn steps_that_were_not_foreseen_change_nothing() {
        assert_eq!(shown(0, 3), [""]);
        assert_eq!(shown(1, 3).len(), 2);
    }
}
