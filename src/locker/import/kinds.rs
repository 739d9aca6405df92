//! Files that users try to import as credentials by mistake.

use crate::intake::text::{Foreign, KEEPASS};

/// Their first bytes, what they are, and what to do with them.
pub(super) const FOREIGN: [Foreign; 4] = [
    (
        KEEPASS,
        "a KeePass database",
        "export it first: in KeePass or KeePassXC as XML, or keepassxc-cli export -f xml FILE > NEW",
    ),
    (b"%PDF-", "a PDF document", "CSV or KeePass XML is needed"),
    (b"-----BEGIN ", "PEM", "a private key is stored with credential set --key-file"),
    (b"{", "JSON", "CSV or KeePass XML is needed"),
];
