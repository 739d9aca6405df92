//! The arrows of the architecture, and the few things that only a few files may do.
//!
//! Read off the sources: whoever adds an arrow adds it here, where it is seen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

#[path = "layers/example.rs"]
mod example;
#[path = "layers/pitfalls.rs"]
mod pitfalls;
#[path = "layers/source.rs"]
mod source;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::collections::BTreeSet;

use source::{Source, all};
use sps_plugin::credentials;
use sps_plugin::mfa::{self, Kind};

/// Which modules of the crate a module may speak of, besides itself.
const ARROWS: [(&str, &[&str]); 31] = [
    ("clock", &[]),
    ("intake", &[]),
    ("json", &[]),
    ("words", &[]),
    ("members", &["words"]),
    ("ownership", &[]),
    ("secret", &[]),
    ("terms", &[]),
    ("terminal", &["terms"]),
    ("private_key", &[]),
    ("appliance", &["json"]),
    // What whoever looks at servers and at this machine brings back.
    ("finding", &["clock", "terms"]),
    // Neither the wire nor the configuration knows anything that is decided on top of it.
    ("config", &["ownership"]),
    // Reads which domains are the site's own.
    ("names", &["config"]),
    ("logging", &["config", "terms"]),
    ("protocol", &["appliance", "json", "members", "private_key", "terms"]),
    ("net", &["appliance", "clock", "config", "logging"]),
    // The store knows nobody above it.
    ("store", &["clock", "config", "finding", "logging", "names", "ownership", "secret", "words"]),
    // One protocol, which two of the following speak.
    ("ldap", &["clock", "config", "finding", "logging", "net", "secret"]),
    // These answer questions. They know no pipeline, no wire and no command line.
    ("directory", &["appliance", "clock", "config", "finding", "ldap", "logging", "names", "ownership"]),
    ("token", &["clock", "intake", "json", "logging", "names", "store"]),
    (
        "mfa",
        &[
            "appliance",
            "clock",
            "config",
            "finding",
            "json",
            "ldap",
            "logging",
            "members",
            "names",
            "net",
            "secret",
            "store",
            "terms",
            "token",
        ],
    ),
    // Decides by the configuration; only the resolver is asked.
    ("access", &["clock", "config", "names"]),
    ("locker", &["clock", "intake", "json", "logging", "names", "private_key", "store", "terms", "token"]),
    (
        "credentials",
        &[
            "appliance",
            "clock",
            "config",
            "finding",
            "json",
            "locker",
            "logging",
            "names",
            "net",
            "private_key",
            "secret",
            "store",
            "terms",
        ],
    ),
    (
        "pipeline",
        &[
            "access",
            "appliance",
            "clock",
            "config",
            "credentials",
            "directory",
            "finding",
            "logging",
            "members",
            "mfa",
            "names",
            "protocol",
            "secret",
            "store",
            "terms",
        ],
    ),
    ("policies", &["appliance", "clock", "config", "credentials", "locker", "logging", "names", "store"]),
    // The list of all options.
    (
        "options",
        &[
            "access",
            "config",
            "credentials",
            "directory",
            "ldap",
            "logging",
            "mfa",
            "net",
            "pipeline",
            "policies",
            "store",
        ],
    ),
    (
        "answer",
        &[
            "appliance",
            "clock",
            "config",
            "finding",
            "logging",
            "members",
            "options",
            "ownership",
            "pipeline",
            "policies",
            "protocol",
            "store",
        ],
    ),
    (
        "cli",
        &[
            "answer",
            "clock",
            "config",
            "finding",
            "locker",
            "logging",
            "mfa",
            "names",
            "private_key",
            "protocol",
            "store",
            "terminal",
            "terms",
            "token",
        ],
    ),
    // Declares the others.
    ("lib", &["cli", "clock", "store", "terminal"]),
];

fn allowed(module: &str) -> &'static [&'static str] {
    let found = ARROWS.iter().find(|(name, _)| *name == module);
    found.unwrap_or_else(|| panic!("the module {module} has no row in ARROWS")).1
}

#[test]
fn every_arrow_between_modules_is_one_of_the_design() {
    let mut seen = 0_usize;
    for source in all().iter().filter(|source| source.module() != "main") {
        let allowed = allowed(source.module());
        for target in source.targets() {
            let inside = target == source.module();
            assert!(
                inside || allowed.contains(&target.as_str()),
                "{} speaks of crate::{target}; {} may speak of {allowed:?}",
                source.name,
                source.module()
            );
            seen = seen.saturating_add(1);
        }
    }
    assert!(seen > 50, "only {seen} paths were found; has their form changed?");
}

#[test]
fn the_document_shows_the_arrows() {
    let mut table = "| module | may speak of |\n| --- | --- |\n".to_owned();
    for (module, allowed) in ARROWS {
        let names: Vec<_> = allowed.iter().map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() { "no other module".to_owned() } else { names.join(", ") };
        table.push_str(&format!("| `{module}` | {names} |\n"));
    }
    let document = std::fs::read_to_string("docs/architecture.md").unwrap();
    let (_, rest) = document.split_once("<!-- arrows: tests/layers.rs -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- end of the arrows -->").unwrap();
    assert_eq!(shown, table, "docs/architecture.md");
}

#[test]
fn every_arrow_that_is_allowed_is_one_that_is_used() {
    // The two that the design grants the store for later.
    let granted = [("store", "names"), ("store", "secret"), ("store", "logging")];
    for (module, allowed) in ARROWS {
        let used: BTreeSet<_> =
            all().iter().filter(|source| source.module() == module).flat_map(Source::targets).collect();
        for target in allowed {
            assert!(
                used.contains(*target) || granted.contains(&(module, target)),
                "{module} no longer speaks of {target}; take it out of ARROWS"
            );
        }
    }
}

#[test]
fn no_arrow_goes_round_in_a_circle() {
    let mut above = Vec::new();
    // Each module stands behind all that it speaks of, so the order of ARROWS is one without circles.
    for (module, allowed) in ARROWS {
        for target in allowed {
            assert!(above.contains(target), "{module} speaks of {target}, which stands below it in ARROWS");
        }
        above.push(module);
    }
}

#[test]
fn the_main_function_speaks_of_the_crates_edge_only() {
    let all = all();
    let edge: Vec<_> = all.iter().filter(|source| source.module() == "main").collect();
    assert_eq!(
        edge.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(),
        ["main/terminal.rs", "main.rs"]
    );
    let mut used: Vec<_> = edge
        .iter()
        .flat_map(|source| source.code.split("sps_plugin::").skip(1))
        .map(source::first_word)
        .collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used, ["Edge", "clock", "run", "store", "terminal"]);
    for source in edge {
        assert!(source.lines <= 100, "{} has {} lines", source.name, source.lines);
    }
}

/// Every service: the layer that it belongs to, and its word and the sections of its options.
fn services() -> Vec<(&'static str, Vec<&'static str>)> {
    let factors =
        mfa::PROVIDERS.all().filter(|provider| matches!(provider.kind, Kind::Service | Kind::Password));
    let factors = factors.map(|provider| ("mfa", provider.name, provider.sections));
    let sources = credentials::SOURCES.iter().filter(|source| source.service.is_some());
    let sources = sources.map(|source| ("credentials", source.word, source.sections));
    let names =
        |(layer, word, sections): (_, _, &[_])| (layer, sections.iter().copied().chain([word]).collect());
    factors.chain(sources).map(names).collect()
}

#[test]
fn a_provider_is_named_in_its_own_folder_and_in_the_registry_only() {
    // Types of tokens at servers, which are called as a provider is, formats of files, and what Vault calls a login.
    let is_other = |name: &str| {
        name == "mfa/kinds.rs" || name.starts_with("token/import/") || name == "credentials/vault/login.rs"
    };
    let shared = ["policies", "pipeline", "answer", "cli", "token", "options"];
    let all = all();
    for (layer, names) in services() {
        let mut folders = BTreeSet::new();
        let is_looked_at = |source: &&Source| source.module() == layer || shared.contains(&source.module());
        for source in all.iter().filter(|source| !is_other(&source.name)).filter(is_looked_at) {
            let is_named = |name: &&str| {
                source.has(&format!("\"{name}\"")) || source.paths().contains(&format!("{layer}::{name}"))
            };
            if let Some(name) = names.iter().find(|name| is_named(name)) {
                let parts: Vec<_> = source.name.split('/').collect();
                assert!(parts.len() == 3 && parts[0] == layer, "{} names the provider {name}", source.name);
                folders.insert(parts[1].to_owned());
            }
        }
        assert_eq!(folders.len(), 1, "the folders that name {names:?}: {folders:?}");
    }
}

#[test]
fn no_vendor_is_named_above_its_own_file_and_the_match_that_picks_it() {
    for layer in ["mfa", "credentials"] {
        let vendors: Vec<_> = all()
            .iter()
            .filter(|source| source.module() == layer && !source.name.ends_with("/mod.rs"))
            .map(|source| source.file_stem().to_owned())
            .collect();
        assert!(!vendors.is_empty());
        for source in all().iter().filter(|source| source.module() != layer) {
            for vendor in &vendors {
                let path = format!("{layer}::{vendor}");
                assert!(!source.paths().contains(&path), "{} names {path}", source.name);
            }
        }
        let door = all().into_iter().find(|source| source.name == format!("{layer}/mod.rs")).unwrap();
        assert!(!door.code.contains("\npub mod"), "{layer}'s providers are modules of its own");
    }
}

/// Asserts that a piece of code stands in these files and in no others.
fn only_in(piece: &str, files: &[&str]) {
    let found: Vec<_> =
        all().into_iter().filter(|source| source.has(piece)).map(|source| source.name).collect();
    assert_eq!(found, files, "files with {piece:?}");
}

#[test]
fn the_terminals_error_type_is_for_the_command_line_only() {
    for source in all() {
        let terminal = source.module() == "main" || source.module() == "cli";
        assert!(terminal || !source.has("anyhow"), "{}", source.name);
    }
}

#[test]
fn the_systems_clock_environment_and_streams_are_taken_at_the_edge_only() {
    only_in("SystemTime::now", &["main.rs"]);
    only_in("Instant::now", &["main.rs"]);
    only_in("env::var_os", &["main.rs"]);
    only_in("env::var(", &[]);
    only_in("env::vars", &[]);
    only_in("env::args", &["main.rs"]);
    only_in("current_exe", &["main.rs"]);
    // A person's terminal is asked what it is, and main.rs hands that in too.
    only_in("io::stdin", &["main/terminal.rs", "main.rs"]);
    only_in("io::stdout", &["main/terminal.rs", "main.rs"]);
    only_in("io::stderr", &["main/terminal.rs", "main.rs"]);
    only_in("process::exit", &[]);
}

#[test]
fn a_secret_is_opened_in_a_short_list_of_files() {
    only_in(
        "expose_secret",
        &[
            // Hands the text of the configuration to its parser.
            "answer.rs",
            // Shows an entry whose secrets somebody asked to see.
            "cli/credential/list.rs",
            // Every option may be a secret and is read as one; most are none.
            "config/settings.rs",
            // A key of the appliance on its way to its reader.
            "credentials/appliance.rs",
            // A token that is kept sealed.
            "credentials/vault/lease.rs",
            // The bodies of logins.
            "credentials/vault/login.rs",
            // A key on its way to its reader.
            "credentials/vault/mod.rs",
            // A password on its way to a directory.
            "ldap/message.rs",
            // What is sealed, and the key of a code.
            "locker/entry.rs",
            "locker/totp.rs",
            // The bodies of requests, and the comparison with what is typed.
            "mfa/dialogue.rs",
            "mfa/http/mod.rs",
            "mfa/ldap/mod.rs",
            "mfa/local/mod.rs",
            // And the codes for use without the server, which are compared and kept.
            "mfa/privacyidea/offline.rs",
            // The role that a token says it has.
            "mfa/privacyidea/probe.rs",
            // The password and the shared secret on their way into a packet.
            "mfa/radius/exchange.rs",
            "mfa/radius/mod.rs",
            "mfa/radius/probe.rs",
            // A code's public id, and the key of a signature.
            "mfa/yubico/mod.rs",
            "mfa/yubico/wire.rs",
            // Headers and keys of a connection.
            "net/tls.rs",
            "net.rs",
            // A user name typed under "gu", and an answer that the other plugins of the session read.
            "pipeline/identity.rs",
            "pipeline/questions.rs",
            // A file of secrets is handed to the configuration's parser; a PEM text is looked for a certificate.
            "policies.rs",
            // The way out.
            "protocol/response.rs",
            "secret.rs",
            // The text of the master key.
            "store/key.rs",
        ],
    );
}

#[test]
fn nothing_is_unsafe() {
    for piece in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern", "#[unsafe"] {
        only_in(piece, &[]);
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    const MOST: usize = 500;
    for source in all() {
        assert!(source.lines <= MOST, "{} has {} lines", source.name, source.lines);
    }
}

#[test]
fn half_of_the_files_are_shorter_than_200_lines() {
    let mut lines: Vec<_> = all().iter().map(|source| source.lines).collect();
    lines.sort_unstable();
    let median = lines.get(lines.len() / 2).unwrap();
    assert!(*median < 200, "the median file has {median} lines");
}
