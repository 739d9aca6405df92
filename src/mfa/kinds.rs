//! What the token types of servers are: codes that are good once, or passwords that are good for longer.

use crate::token::elsewhere::CodeKind;

/// The types of LinOTP, privacyIDEA and eduMFA whose codes are good once, or that are a confirmation on a device.
const ONE_TIME: [&str; 26] = [
    "certificate",
    "daplug",
    "email",
    "hmac",
    "hotp",
    "motp",
    "ocra",
    "ocra2",
    "paper",
    "passkey",
    "push",
    "qr",
    "sms",
    "tan",
    "tiqr",
    "totp",
    "u2f",
    "vasco",
    "vbst",
    "voice",
    "webauthn",
    "yubicloud",
    "yubico",
    "yubikey",
    "app",
    "pushtoken",
];
/// The types that are a password, a PIN alone, a code handed out by an administrator, or one that is valid for a day.
const STATIC: [&str; 12] = [
    "applspec",
    "daypassword",
    "dpw",
    "indexedsecret",
    "lost",
    "password",
    "pw",
    "question",
    "registration",
    "spass",
    "ssh",
    "sshkey",
];

/// Tells what a server's token type gives. A type that leads elsewhere (`forward`, `radius`, `remote`), and one that is
/// not known, gives something unknown.
pub(super) fn of_type(token_type: Option<&str>) -> CodeKind {
    let Some(token_type) = token_type.map(|word| word.trim().to_lowercase()) else {
        return CodeKind::Unknown;
    };
    if ONE_TIME.contains(&token_type.as_str()) {
        CodeKind::OneTime
    } else if STATIC.contains(&token_type.as_str()) {
        CodeKind::Static
    } else {
        CodeKind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_type_gives_is_known_or_unknown_and_never_guessed() {
        for (token_type, kind) in [
            (Some("hotp"), CodeKind::OneTime),
            (Some("HMAC"), CodeKind::OneTime),
            (Some("push"), CodeKind::OneTime),
            (Some("pw"), CodeKind::Static),
            (Some("spass"), CodeKind::Static),
            (Some("Registration"), CodeKind::Static),
            (Some("forward"), CodeKind::Unknown),
            (Some("radius"), CodeKind::Unknown),
            (Some("a new one"), CodeKind::Unknown),
            (Some(""), CodeKind::Unknown),
            (None, CodeKind::Unknown),
        ] {
            assert_eq!(of_type(token_type), kind, "{token_type:?}");
        }
    }
}
