//! Texts of services, as far as a terminal and the log may show them.

use crate::terms;

/// Characters that end a line; each is replaced by a blank.
const LINE_ENDS: [char; 7] = ['\r', '\n', '\t', '\u{b}', '\u{c}', '\u{2028}', '\u{2029}'];
/// The longest text of a service that is shown or logged, in characters.
pub(super) const MAX_TEXT: usize = 1000;

/// Keeps what a terminal may be shown of a service's text, at most [`MAX_TEXT`] characters on one line.
pub(super) fn printable(text: &str) -> String {
    let line = text.replace(LINE_ENDS, " ");
    unsteering(&line).chars().take(MAX_TEXT).collect()
}

/// Makes of a server's text what a user is asked: one line with one blank at its end, as far as a terminal may show it. A
/// text without words stays empty.
pub(super) fn prompt_of_server(text: &str) -> String {
    match printable(text).trim_end() {
        "" => String::new(),
        line => format!("{line} "),
    }
}

/// Takes out of a text what steers a terminal or turns the direction of writing.
pub(super) fn unsteering(text: &str) -> String {
    text.chars().filter(|c| !terms::steers(*c)).collect()
}
