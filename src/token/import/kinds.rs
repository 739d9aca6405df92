//! Files that users try to import as tokens by mistake.

use crate::intake::text::{Foreign, KEEPASS};

const QR_CODE: &str = "read its QR code, for instance with zbarimg --raw, and import the URI";

/// Their first bytes, what they are, and what to do with them.
pub(super) const FOREIGN: [Foreign; 6] = [
    (
        KEEPASS,
        "a KeePass database (.kdbx)",
        "export it from KeePass or KeePassXC as XML for `credential import`, or one-time codes as otpauth URIs",
    ),
    (b"%PDF-", "a PDF document", "ask the vendor for PSKC or CSV"),
    (b"\x89PNG", "a picture", QR_CODE),
    (b"\xff\xd8\xff", "a picture", QR_CODE),
    (b"GIF8", "a picture", QR_CODE),
    (b"\0\0\0\x14ftyp", "a picture or a film", QR_CODE),
];
