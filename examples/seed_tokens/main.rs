//! Puts tokens into a state directory, a million in well under a minute: JSON, one token or series of tokens per line.
//!
//! ```text
//! echo '{"serial":"H","type":"hotp","user":"alice","secret":"3132","count":1000000}' |
//!     cargo run --example seed_tokens -- DIRECTORY
//! ```

mod seed;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use sps_plugin::clock::{Budget, Clock, UnixTime};
use sps_plugin::store::{KeySource, Places, Store};

/// A clock that is not asked: tokens that are made here begin and end at no time.
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(0)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("name the state directory")?;
    let mut seeds = Vec::new();
    for line in io::stdin().lock().lines() {
        seeds.push(serde_json::from_str(&line?)?);
    }
    let places = Places::at(&PathBuf::from(directory));
    let budget = Budget::new(&NoClock, Duration::from_secs(60));
    let store = Store::new(places, || Ok(KeySource::File), &NoClock, budget);
    let count = seed::add(&store, &seeds)?;
    writeln!(io::stdout(), "{count} tokens")?;
    Ok(())
}
