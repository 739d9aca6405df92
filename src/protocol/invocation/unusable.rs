//! What is left of an invocation that cannot be used: why, and what the closed response gives back.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Hook;
use crate::json;
use crate::protocol::response::Cookies;

/// Says why stdin is not an invocation. Contains no value of it.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// Over [`super::MAX_INVOCATION`].
    #[error("the invocation is longer than 1 MiB")]
    TooLong,
    /// stdin is closed or broken.
    #[error("stdin cannot be read; the invocation is expected as JSON on stdin")]
    Unreadable,
    /// No JSON object of the right form.
    #[error(
        "the invocation is not a JSON object of the documented form (line {line}, column {column}): {expected}"
    )]
    Json {
        /// Where it went wrong.
        line: usize,
        /// Where it went wrong.
        column: usize,
        /// What was expected there.
        expected: &'static str,
    },
    /// Neither the command line nor the invocation names a hook.
    #[error("no hook given: use \"hook\" in the invocation or 'sps-plugin hook NAME'")]
    NoHook,
    /// A name that no hook has.
    #[error("unknown hook; expected one of {}", Hook::ALL.map(|(name, _)| name).join(", "))]
    UnknownHook,
    /// Command line and invocation name different hooks.
    #[error("the hook on the command line is not the hook in the invocation")]
    TwoHooks,
    /// An unknown plugin type, or one without this hook.
    #[error("\"type\" must be \"aa\" or \"credentialstore\", and match the hook")]
    WrongType,
}

/// What went wrong and, where it can still be told, which hook was meant and which cookies came in.
///
/// The closed response needs the hook, and gives the cookies back as they were.
pub struct Unusable {
    /// What went wrong.
    pub error: InvocationError,
    /// The hook, if it is known.
    pub hook: Option<Hook>,
    /// The cookies that came in, of which other plugins of the session need one; empty where they cannot be read.
    pub cookies: Box<Cookies>,
}

impl Unusable {
    /// Says that there is nothing more to tell than what went wrong.
    pub fn of_command(error: InvocationError, hook: Option<Hook>) -> Self {
        Self { error, hook, cookies: Box::default() }
    }
}

/// Finds the two cookies in an invocation that is unusable for another reason. Nothing else is kept of it.
pub(super) fn cookies(bytes: &[u8], is_bare: bool) -> Box<Cookies> {
    #[derive(Default, Deserialize)]
    struct Both {
        cookie: Option<Value>,
        session_cookie: Option<Value>,
    }
    #[derive(Deserialize)]
    struct Shell {
        arguments: Option<json::Object<Both>>,
    }
    let both = if is_bare {
        json::from_slice::<Both>(bytes).ok()
    } else {
        let shell = json::from_slice::<Shell>(bytes).ok();
        shell.and_then(|shell| shell.arguments).map(|json::Object(both)| both)
    };
    let object = |value: Option<Value>| match value {
        Some(Value::Object(members)) => members,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | None => {
            Map::new()
        }
    };
    let Both { cookie, session_cookie } = both.unwrap_or_default();
    Box::new(Cookies { cookie: object(cookie), session_cookie: object(session_cookie) })
}

/// Makes the error for an empty stdin, or only white space on it, as when the program is started by hand.
pub(super) fn empty() -> InvocationError {
    let expected = "unexpected end: stdin is empty; 'sps-plugin --help' shows the commands";
    InvocationError::Json { line: 1, column: 0, expected }
}

/// Tells what kind of fault serde found, without a value of the text.
pub(super) fn describe(error: &serde_json::Error) -> InvocationError {
    // serde's own message may quote a value, so only the kind of fault is told.
    let expected = match error.classify() {
        // serde_json has no kind for it, and this message of its own quotes nothing.
        serde_json::error::Category::Syntax if error.to_string().starts_with("trailing characters") => {
            "extra data after its end"
        }
        serde_json::error::Category::Io | serde_json::error::Category::Eof => "unexpected end",
        serde_json::error::Category::Syntax => "not JSON, or nested more than 128 levels deep",
        serde_json::error::Category::Data => "a member has the wrong type or appears twice",
    };
    InvocationError::Json { line: error.line(), column: error.column(), expected }
}
