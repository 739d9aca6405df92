//! What a session of several hooks needs between them: the cookies, as SPS carries them, and the time of each.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{Clock, UnixTime};
use crate::logging::Log;

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

/// The system's clock, or with `--clock` one whose hands do not move; the time budget still runs.
pub(super) struct ChosenClock<'a> {
    fixed: Option<UnixTime>,
    real: &'a dyn Clock,
}

impl<'a> ChosenClock<'a> {
    /// Takes what `--clock` says, and warns of it.
    pub(super) fn new(option: Option<UnixTime>, real: &'a dyn Clock, log: &Log) -> Self {
        if let Some(now) = option {
            log.warning(format_args!("--clock: it is always {now}; this is for tests"));
        }
        Self { fixed: option, real }
    }

    /// A clock that stands still, for tests of the users' own.
    pub(super) fn fixed(now: UnixTime, real: &'a dyn Clock) -> Self {
        Self { fixed: Some(now), real }
    }
}

impl Clock for ChosenClock<'_> {
    fn now(&self) -> UnixTime {
        self.fixed.unwrap_or_else(|| self.real.now())
    }

    fn elapsed(&self) -> Duration {
        self.real.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        self.real.sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Later(std::cell::Cell<u64>);

    impl Clock for Later {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(7)
        }

        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.get())
        }
    }

    #[test]
    fn the_time_of_a_hook_begins_with_the_hook() {
        let real = Later(std::cell::Cell::new(100));
        let fixed = ChosenClock::fixed(UnixTime::from_secs(9), &real);
        let hook = HookClock::new(&fixed);
        assert_eq!((hook.now(), hook.elapsed()), (UnixTime::from_secs(9), Duration::ZERO));
        real.0.set(130);
        assert_eq!(hook.elapsed(), Duration::from_secs(30));
    }

    #[test]
    fn a_plugin_keeps_its_cookie_and_shares_that_of_the_session() {
        let (mut aa, mut store) = (Cookies::empty(), Cookies::empty());
        aa.keep(br#"{"cookie":{"a":1},"session_cookie":{"b":2}}"#);
        store.share(&aa);
        let mut arguments = Map::new();
        store.thread(&mut arguments);
        assert_eq!(Value::Object(arguments), serde_json::json!({"cookie": {}, "session_cookie": {"b": 2}}));
    }
}
