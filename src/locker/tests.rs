//! Which entry answers, what a change of keys does to entries and leases, and what an import takes in.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::import::{Batch, Defaults, Format};
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
    let found = find(store, TARGETS, &account, &asset).unwrap()?;
    Some(found.entry.passwords.first()?.expose_secret().to_owned())
}

fn import(text: &str, format: Option<Format>) -> Result<Batch, String> {
    let defaults = Defaults { store: TARGETS, checkout: Checkout::Shared };
    Batch::read(text.as_bytes(), format, &defaults).map_err(|error| crate::logging::Chain(&error).to_string())
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
    assert!(find(&store, "plugin", &account, &asset).unwrap().is_some());
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
    let found = find(&before, TARGETS, &account, &asset).unwrap().unwrap();
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
    let found = find(&after, TARGETS, &account, &asset).unwrap().unwrap();
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
fn csv_comes_in_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let batch =
        import("Asset,account,password,checkout\ndb1,root,\" a,\"\"b\",exclusive\n*.lan,root,x,\n", None)
            .unwrap();
    assert_eq!(batch.store(&store, false).unwrap(), 2);
    assert_eq!(password(&store, "db1").as_deref(), Some(" a,\"b"));
    let again = || import("account,asset,password\nroot,new,1\nroot,db1,2\n", None).unwrap();
    assert!(again().store(&store, false).is_err());
    assert_eq!(password(&store, "new"), None);
    again().store(&store, true).unwrap();
    assert_eq!(
        (password(&store, "new").as_deref(), password(&store, "db1").as_deref()),
        (Some("1"), Some("2"))
    );
}

#[test]
fn csv_that_is_wrong_is_refused_without_being_repeated() {
    for (text, sentence) in [
        ("", "the first line has to name the columns: account is missing"),
        (
            "account,s3cret\n",
            "the first line has to name the columns: column 2 is none of account, asset, password, \
          private_key, passphrase, totp, checkout, launch_information, host_app, description, store",
        ),
        ("account,asset,asset\n", "the first line has to name the columns: asset is there twice"),
        ("account,asset,password\n", "there is no entry in the file"),
        ("account,asset,password\nroot,db1\n", "line 2: the line has other fields than the first one names"),
        (
            "account,asset,password\nroot,db1,\n",
            "line 2: there is neither a password nor a key nor a TOTP secret",
        ),
        ("account,asset,password\n,db1,s3cret\n", "line 2: the account must not be empty"),
        ("account,asset,password\nroot,,s3cret\n", "line 2: the asset must not be empty"),
        (
            "account,asset,password,checkout\nroot,db1,s3cret,both\n",
            "line 2: checkout has to be shared or exclusive",
        ),
        (
            "account,asset,private_key\nroot,db1,s3cret\n",
            "line 2: this is no private key in PEM or OpenSSH form",
        ),
        (
            "account,asset,password\nroot,db1,s3cret\nroot,DB1,s3cret\n",
            "line 3: the account root on the asset db1 stands in the file twice",
        ),
    ] {
        assert_eq!(import(text, Some(Format::Csv)).err().as_deref(), Some(sentence), "{text}");
    }
}

const KEEPASS: &str = "<?xml version='1.0'?><KeePassFile><Meta><RecycleBinUUID>BIN=</RecycleBinUUID></Meta><Root><Group>
 <UUID>A=</UUID><Name>Root</Name>
 <Entry><UUID>1</UUID>
  <String><Key>Title</Key><Value>Database &amp; more</Value></String><String><Key>UserName</Key><Value>root</Value></String>
  <String><Key>Password</Key><Value ProtectInMemory='True'>p&lt;w</Value></String>
  <String><Key>URL</Key><Value>ssh://root@db1.lan:22/x</Value></String>
  <String><Key>otp</Key><Value>otpauth://totp/x?secret=GEZDGNBV</Value></String>
  <History><Entry><String><Key>UserName</Key><Value>root</Value></String><String><Key>Password</Key><Value>old</Value></String>
   <String><Key>URL</Key><Value>old</Value></String></Entry></History>
 </Entry>
 <Group><UUID>B=</UUID><Entry><String><Key>Title</Key><Value>fd00::1</Value></String>
  <String><Key>UserName</Key><Value>admin</Value></String><String><Key>Password</Key><Value>six</Value></String></Entry></Group>
 <Group><UUID>BIN=</UUID><Entry><String><Key>Title</Key><Value>gone</Value></String>
  <String><Key>UserName</Key><Value>x</Value></String><String><Key>Password</Key><Value>y</Value></String></Entry></Group>
 <Entry><String><Key>Title</Key><Value>a note</Value></String><String><Key>Password</Key><Value>z</Value></String></Entry>
</Group></Root></KeePassFile>";

#[test]
fn keepass_comes_in_without_its_history_its_bin_and_what_has_no_name() {
    let batch = import(KEEPASS, None).unwrap();
    let found: Vec<_> = batch
        .entries()
        .iter()
        .map(|(name, entry)| {
            let password = entry.passwords.first().map(|password| password.expose_secret().to_owned());
            (name.account.as_str(), name.asset.as_str(), password.unwrap(), entry.totp.is_some())
        })
        .collect();
    assert_eq!(
        found,
        [("root", "db1.lan", "p<w".to_owned(), true), ("admin", "fd00::1", "six".to_owned(), false)]
    );
    assert_eq!(
        batch.notes,
        [
            "the entry gone is left out: it lies in the recycle bin",
            "the entry a note is left out: it has no user name",
        ]
    );
}

#[test]
fn keepass_that_is_wrong_is_refused_without_being_repeated() {
    for (text, sentence) in [
        ("<", "line 1: this is not XML"),
        ("<x/>", "line 1: this is not what KeePass exports (KeePassFile)"),
        ("<KeePassFile>s3cret", "line 1: the document is not complete"),
        ("<KeePassFile/>", "there is no entry in the file"),
        ("<KeePassFile/><KeePassFile/>", "line 1: this is not what KeePass exports (KeePassFile)"),
        ("<!DOCTYPE KeePassFile [<!ENTITY a 'b'>]><KeePassFile/>", "line 1: a document type is not allowed"),
        ("<KeePassFile>\n&s3cret;</KeePassFile>", "line 2: an entity that XML does not have"),
        (
            "<KeePassFile><Entry><String><Key>Password</Key><Value Protected='True'>x",
            "line 1: the passwords in it are encrypted; export it as plain XML",
        ),
    ] {
        assert_eq!(import(text, Some(Format::KeePass)).err().as_deref(), Some(sentence), "{text}");
    }
    let deep = format!("<KeePassFile>{}", "<Group>".repeat(10_000));
    assert!(import(&deep, None).err().unwrap().contains("more elements in each other"));
    let long = format!("<KeePassFile>{}</KeePassFile>", "x".repeat(300_000));
    assert!(import(&long, None).err().unwrap().contains("more than 256 KiB"));
}
