//! What a session of several hooks needs between them: the cookies, as SPS carries them, and a time budget for each.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{Clock, UnixTime};

const COOKIES: [&str; 2] = ["cookie", "session_cookie"];

/// What one hook's response leaves for the next hook.
#[derive(Clone, Default)]
pub(super) struct Cookies(Map<String, Value>);

impl Cookies {
    /// Returns what SPS passes to the first hook of a session.
    pub(super) fn empty() -> Self {
        Self(COOKIES.map(|name| (name.to_owned(), Value::Object(Map::new()))).into_iter().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps what the next hook takes over; `session_ended` answers null and leaves it as it was.
    pub(super) fn keep(&mut self, response: &[u8]) {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(response) else { return };
        for name in COOKIES {
            if let Some(cookie) = members.remove(name) {
                self.0.insert(name.to_owned(), cookie);
            }
        }
    }

    /// Puts the cookies into arguments that leave them out.
    pub(super) fn thread(&self, arguments: &mut Map<String, Value>) {
        for (name, cookie) in &self.0 {
            arguments.entry(name.clone()).or_insert_with(|| cookie.clone());
        }
    }

    /// Takes over what the plugins of a session share.
    pub(super) fn share(&mut self, other: &Cookies) {
        let [_, shared] = COOKIES;
        if let Some(cookie) = other.0.get(shared) {
            self.0.insert(shared.to_owned(), cookie.clone());
        }
    }
}

/// A clock for one hook among several, whose time budget begins with it.
pub(super) struct HookClock<'a> {
    clock: &'a dyn Clock,
    began: Duration,
}

impl<'a> HookClock<'a> {
    /// Begins now.
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, began: clock.elapsed() }
    }
}

impl Clock for HookClock<'_> {
    fn now(&self) -> UnixTime {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.began)
    }

    fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

/// A clock whose hands do not move, for `--clock`; the time budget still runs.
pub(super) struct FixedClock<'a> {
    pub(super) now: UnixTime,
    pub(super) real: &'a dyn Clock,
}

impl Clock for FixedClock<'_> {
    fn now(&self) -> UnixTime {
        self.now
    }

    fn elapsed(&self) -> Duration {
        self.real.elapsed()
    }
}
