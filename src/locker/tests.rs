//! Which entry answers, and what a change of keys does to entries and leases.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::clock::{Budget, Clock, UnixTime};
use crate::store::{KeySource, Lease, Places};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_000_000_000)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn store(directory: &Path) -> Store<'static> {
    let budget = Budget::new(&Noon, Duration::from_secs(60));
    Store::new(Places::at(directory), || Ok(KeySource::File), &Noon, budget)
}

fn put(store: &Store<'_>, asset: &str, password: &str) {
    let entry = Entry { passwords: vec![SecretString::from(password)], ..Entry::default() };
    store.add_credentials([(place(TARGETS, "root", asset).unwrap(), entry.to_bytes())], false).unwrap();
}

fn password(store: &Store<'_>, asset: &str) -> Option<String> {
    let (account, asset) = (Account::parse("root").unwrap(), Asset::parse(asset).unwrap());
    let found = find_target(store, &account, &asset, &[]).unwrap()?;
    Some(found.entry.passwords.first()?.expose_secret().to_owned())
}

#[test]
fn the_exact_entry_goes_before_every_pattern_and_the_longest_pattern_before_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    for asset in ["*", "*.lan", "db*.lan", "??1.lan", "db1.lan"] {
        put(&store, asset, asset);
    }
    for (asset, answers) in [
        ("db1.lan", "db1.lan"),
        ("DB1.LAN", "db1.lan"),
        ("db2.lan", "db*.lan"),
        ("we1.lan", "??1.lan"),
        ("x.lan", "*.lan"),
        ("x", "*"),
    ] {
        assert_eq!(password(&store, asset).as_deref(), Some(answers), "{asset}");
    }
}

#[test]
fn a_store_for_references_and_the_one_for_targets_are_two() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let entry = Entry { passwords: vec![SecretString::from("x")], ..Entry::default() };
    store.add_credentials([(place("plugin", "root", "*").unwrap(), entry.to_bytes())], false).unwrap();
    assert_eq!(password(&store, "db1"), None);
    let (account, asset) = (Account::parse("root").unwrap(), Asset::parse("db1").unwrap());
    assert!(find_reference(&store, "plugin", &account, &asset).unwrap().is_some());
}

#[test]
fn neither_names_nor_secrets_of_entries_stand_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let one = store(directory.path());
    let entry = Entry {
        passwords: vec![SecretString::from("marker-password")],
        description: "marker-note".to_owned(),
        ..Entry::default()
    };
    let name = place(TARGETS, "marker-account", "marker-asset").unwrap();
    one.add_credentials([(name, entry.to_bytes())], false).unwrap();
    drop(one);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"marker-"));
    }
}

#[test]
fn entries_and_leases_are_found_after_a_change_of_keys() {
    let directory = tempfile::tempdir().unwrap();
    let before = store(directory.path());
    put(&before, "db1", "one");
    put(&before, "*.lan", "two");
    let (account, asset) = (Account::parse("root").unwrap(), Asset::parse("db1").unwrap());
    let found = find_target(&before, &account, &asset, &[]).unwrap().unwrap();
    let lease = |session_id: &'static str, id: &EntryId, store: &Store<'_>| {
        let expires = UnixTime::from_secs(1_000_000_100);
        let lease = Lease { entry: id, session_id, user: "alice", account: "root", asset: "db1", expires };
        store.take_lease(&lease)
    };
    assert_eq!(lease("s1", &found.id, &before).unwrap(), None);
    assert_eq!(store(directory.path()).rekey(None).unwrap().sealed, 2);
    // A process that knows the old key takes nothing under a name that nobody else knows any more.
    assert!(matches!(lease("s2", &found.id, &before), Err(StoreError::KeyChanged)));
    let after = store(directory.path());
    assert_eq!(password(&after, "db1").as_deref(), Some("one"));
    assert_eq!(password(&after, "x.lan").as_deref(), Some("two"));
    let found = find_target(&after, &account, &asset, &[]).unwrap().unwrap();
    assert_eq!(lease("s2", &found.id, &after).unwrap().unwrap().session_id, "s1");
    assert!(after.end_lease("s1", "root", "db1").unwrap());
    assert_eq!(lease("s2", &found.id, &after).unwrap(), None);
}

#[test]
fn an_entry_comes_back_as_it_went_in() {
    let mut entry = Entry {
        description: "a \"note\"".to_owned(),
        checkout: Checkout::Exclusive,
        passwords: vec![SecretString::from("pä\n\"ss"), SecretString::from("two")],
        totp: Some(
            Totp::read("otpauth://totp/x?secret=GEZDGNBV&digits=8&period=60&algorithm=SHA256").unwrap(),
        ),
        ..Entry::default()
    };
    entry.launch.information = Some("--cmd x".to_owned());
    entry.launch.additional.insert("n".to_owned(), 1.into());
    let bytes = entry.to_bytes();
    let read = Entry::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!((read.checkout, read.passwords[0].expose_secret()), (Checkout::Exclusive, "pä\n\"ss"));
    for bad in [
        &b""[..],
        b"{}",
        b"[]",
        br#"{"passwords":[],"private_keys":[],"more":1}"#,
        br#"{"passwords":[],"private_keys":[],"checkout":"both"}"#,
    ] {
        assert_eq!(Entry::from_bytes(bad).err(), Some(EntryError::Form));
    }
}

#[test]
fn a_key_that_an_earlier_version_stored_is_written_anew_or_kept_and_not_handed_out() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys/nistp256.openssh");
    let clean = std::fs::read_to_string(path).unwrap();
    let keys =
        serde_json::json!([["ecdsa-sha2-nistp256", clean.replace('\n', "\r\n")], ["ssh-rsa", "s3cret"]]);
    let stored = serde_json::json!({"passwords": ["x"], "private_keys": keys}).to_string();
    let entry = Entry::from_bytes(stored.as_bytes()).unwrap();
    let [key] = entry.private_keys.as_slice() else { panic!("{}", entry.private_keys.len()) };
    assert_eq!((key.kind(), key.text().expose_secret()), ("ecdsa-sha2-nistp256", clean.as_str()));
    assert_eq!(entry.unreadable_keys.len(), 1);
    // A change of something else loses none of them.
    let again = Entry::from_bytes(&entry.to_bytes()).unwrap();
    assert_eq!((again.private_keys.len(), again.unreadable_keys.len()), (1, 1));
}
