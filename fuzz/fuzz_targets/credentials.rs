//! Any bytes as a file of credentials: KeePass's XML or, behind a blank, CSV, ours or KeePassXC's. What is taken is an entry that holds
//! something, for an account and an asset that have names, and comes back from its bytes as it went in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sps_plugin::clock::UnixTime;
use sps_plugin::locker::import::{Batch, Defaults, Expired, Format};
use sps_plugin::locker::{Checkout, Entry};

fuzz_target!(|data: &[u8]| {
    let (format, data) = match data.strip_prefix(b" ") {
        Some(rest) => (Format::Csv, rest),
        None => (Format::KeePass, data),
    };
    let now = UnixTime::from_secs(1_769_860_800);
    let defaults = Defaults { store: "", checkout: Checkout::Shared, expired: Expired::Skip, now };
    let batch = match Batch::read(data, Some(format), &defaults) {
        Ok(batch) => batch,
        Err(error) => {
            assert!(error.to_string().len() < 1000, "{error}");
            return;
        }
    };
    for refused in batch.refused() {
        assert!(refused.reason.to_string().len() < 1000, "{}", refused.reason);
    }
    for (name, entry) in batch.entries() {
        assert!(!name.account.is_empty() && !name.asset.is_empty() && !entry.is_empty());
        assert!(!name.account.chars().chain(name.asset.chars()).any(char::is_control));
        let bytes = entry.to_bytes();
        assert_eq!(Entry::from_bytes(&bytes).expect("it is read back").to_bytes(), bytes);
    }
});
