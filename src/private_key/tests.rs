//! Keys that ssh-keygen and openssl made (`tests/fixtures/keys`), and what is none. Every passphrase is "geheim".

use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn read(text: &str, passphrase: Option<&str>) -> Result<(String, String), KeyError> {
    PrivateKey::read(text, passphrase).map(|key| (key.kind, key.text.expose_secret().to_owned()))
}

fn read_fixture(name: &str, passphrase: Option<&str>) -> Result<(String, String), KeyError> {
    read(&fixture(name), passphrase)
}

fn bytes_of(name: &str) -> Vec<u8> {
    let text = fixture(name);
    Pem::read(&pem::plain(&text)).map(|pem| pem.bytes.to_vec()).ok().unwrap()
}

#[test]
fn a_key_as_openssh_and_openssl_write_it_is_written_the_same_and_has_its_type() {
    for (name, kind) in [
        ("rsa.openssh", "ssh-rsa"),
        ("rsa.pkcs1", "ssh-rsa"),
        ("rsa.pkcs8", "ssh-rsa"),
        ("nistp256.openssh", "ecdsa-sha2-nistp256"),
        ("nistp384.openssh", "ecdsa-sha2-nistp384"),
        ("nistp521.openssh", "ecdsa-sha2-nistp521"),
        ("ed25519.openssh", "ssh-ed25519"),
    ] {
        let found = read_fixture(name, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found, (kind.to_owned(), fixture(name)), "{name}");
        // A passphrase that is not needed does no harm.
        assert_eq!(read_fixture(name, Some("x")).unwrap(), found, "{name}");
    }
    assert_eq!(read_fixture("nistp256.sec1", None).unwrap().0, "ecdsa-sha2-nistp256");
}

#[test]
fn an_encrypted_key_is_decrypted_and_reads_as_one_that_never_was() {
    for (name, kind, label) in [
        ("rsa-encrypted.openssh", "ssh-rsa", "OPENSSH PRIVATE KEY"),
        ("nistp256-encrypted.openssh", "ecdsa-sha2-nistp256", "OPENSSH PRIVATE KEY"),
        ("ed25519-encrypted.openssh", "ssh-ed25519", "OPENSSH PRIVATE KEY"),
        ("ed25519-aes128-cbc.openssh", "ssh-ed25519", "OPENSSH PRIVATE KEY"),
        ("rsa-encrypted.pkcs1", "ssh-rsa", "RSA PRIVATE KEY"),
        ("rsa-encrypted.pkcs8", "ssh-rsa", "PRIVATE KEY"),
        ("nistp256-encrypted.sec1", "ecdsa-sha2-nistp256", "EC PRIVATE KEY"),
        ("nistp256-scrypt.pkcs8", "ecdsa-sha2-nistp256", "PRIVATE KEY"),
        ("ed25519-encrypted.pkcs8", "ssh-ed25519", "OPENSSH PRIVATE KEY"),
    ] {
        assert_eq!(read_fixture(name, None).unwrap_err(), KeyError::Encrypted, "{name}");
        for wrong in ["", "Geheim", "geheim "] {
            let error = read_fixture(name, Some(wrong)).unwrap_err();
            assert_eq!(error, KeyError::Passphrase, "{name} {wrong:?}");
        }
        let (found, text) =
            read_fixture(name, Some("geheim")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found, kind, "{name}");
        assert!(text.starts_with(&format!("-----BEGIN {label}-----\n")), "{name}");
        let again = read(&text, None).unwrap_or_else(|error| panic!("{name} written: {error}"));
        assert_eq!(again, (kind.to_owned(), text), "{name}");
    }
}

#[test]
fn ed25519_in_pkcs8_becomes_openssh_s_form() {
    let (kind, text) = read_fixture("ed25519.pkcs8", None).unwrap();
    assert_eq!(kind, "ssh-ed25519");
    assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    assert_eq!(read(&text, None).unwrap().1, text);
}

#[test]
fn what_is_no_key_for_ssh_is_refused_by_what_it_is() {
    let error = |name| read_fixture(name, Some("geheim")).unwrap_err();
    assert_eq!(error("x25519.pkcs8"), KeyError::Type);
    assert!(matches!(error("rsa.pub"), KeyError::Unsupported(_)));
    assert!(matches!(error("ed25519-chacha.openssh"), KeyError::Unsupported(_)));
    let of = |text: &str| read(text, None).err().unwrap();
    assert!(matches!(of("PuTTY-User-Key-File-3: ssh-ed25519\n"), KeyError::Unsupported(_)));
    assert_eq!(of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), KeyError::Other);
    assert_eq!(of("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----"), KeyError::Type);
    assert_eq!(of(""), KeyError::NoKey);
    assert_eq!(of("s3cret"), KeyError::NoKey);
    assert_eq!(of(&"x".repeat(MAX_KEY + 1)), KeyError::TooLong);
}

#[test]
fn a_damaged_key_is_refused_wherever_it_is_damaged() {
    for name in
        ["rsa.openssh", "nistp256.openssh", "ed25519.openssh", "rsa.pkcs1", "rsa.pkcs8", "ed25519.pkcs8"]
    {
        let text = fixture(name);
        let lines: Vec<&str> = text.lines().collect();
        for left_out in 0..lines.len() {
            let without: Vec<&str> = lines
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != left_out)
                .map(|(_, line)| *line)
                .collect();
            assert!(read(&without.join("\n"), None).is_err(), "{name} without line {left_out}");
        }
        assert!(read(&format!("{text}{text}"), None).is_err(), "{name} twice");
        assert!(read(&text.replace("END", "FIN"), None).is_err(), "{name} without an end");
    }
    // One with the public half of another.
    let mut mixed = bytes_of("ed25519.openssh");
    let place = mixed.windows(11).position(|window| window == b"ssh-ed25519").unwrap() + 20;
    mixed[place] ^= 1;
    assert_eq!(read(&pem::write("OPENSSH PRIVATE KEY", &mixed), None).err(), Some(KeyError::Damaged));
}

#[test]
fn a_passphrase_that_would_cost_hours_is_not_tried() {
    let mut bytes = bytes_of("ed25519-encrypted.openssh");
    let place = bytes.windows(6).position(|window| window == b"bcrypt").unwrap() + 6 + 4 + 4 + 16;
    bytes[place..place + 4].copy_from_slice(&[0xff; 4]);
    let error = read(&pem::write("OPENSSH PRIVATE KEY", &bytes), Some("geheim")).err().unwrap();
    assert!(matches!(error, KeyError::Unsupported(_)), "{error}");
}

#[test]
fn no_bytes_make_it_panic() {
    let names = ["rsa.openssh", "ed25519-encrypted.openssh", "rsa-encrypted.pkcs1", "nistp256-scrypt.pkcs8"];
    for (name, label) in
        names.iter().zip(["OPENSSH PRIVATE KEY", "OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY"])
    {
        let bytes = bytes_of(name);
        for cut in (0..bytes.len()).step_by(7) {
            assert!(read(&pem::write(label, &bytes[..cut]), None).is_err(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn what_editors_mails_and_forms_do_to_a_key_does_not_reach_the_session() {
    for name in
        ["rsa.openssh", "rsa.pkcs1", "rsa.pkcs8", "nistp256.openssh", "nistp521.openssh", "ed25519.openssh"]
    {
        let clean = fixture(name);
        let lines = |change: fn(&str) -> String| clean.lines().map(change).collect::<Vec<_>>().join("\n");
        for (what, text) in [
            ("CRLF", clean.replace('\n', "\r\n")),
            ("CR", clean.replace('\n', "\r")),
            ("doubled line ends", clean.replace('\n', "\n\n")),
            ("doubled CRLF", clean.replace('\n', "\r\r\n")),
            ("trailing blanks", lines(|line| format!("{line}  \t"))),
            ("indentation", lines(|line| format!("    {line}"))),
            ("no-break spaces", lines(|line| format!("\u{a0}{line}\u{a0}"))),
            ("zero-width spaces", lines(|line| format!("\u{200b}{line}\u{feff}"))),
            ("line ends written as two characters", clean.replace('\n', "\\n")),
            ("one line", clean.replace('\n', " ")),
            ("no line end at its end", clean.trim_end().to_owned()),
            ("text around it", format!("Bag Attributes\n    friendlyName: x\n{clean}\nthe end\n")),
            (
                "a certificate beside it",
                format!("{clean}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ),
            ("quotes", format!("\"{}\"", clean.trim_end())),
            ("a byte order mark", format!("\u{feff}{clean}")),
        ] {
            let (_, text) = read(&text, None).unwrap_or_else(|error| panic!("{name}, {what}: {error}"));
            assert_eq!(text, clean, "{name}, {what}");
        }
        for (what, text) in [
            ("two keys", format!("{clean}{}", fixture("ed25519.openssh"))),
            ("quoted as in a mail", lines(|line| format!("> {line}"))),
            ("dashes of a word processor", clean.replace("-----", "\u{2013}\u{2013}-")),
            ("cut", clean.split_at(clean.len() / 2).0.to_owned()),
        ] {
            assert!(read(&text, None).is_err(), "{name}, {what}");
        }
    }
}

#[test]
fn a_key_whose_numbers_do_not_belong_together_is_refused() {
    // One bit at a time, anywhere: what is read still is the same key.
    for (name, label) in [
        ("rsa.pkcs1", "RSA PRIVATE KEY"),
        ("rsa.pkcs8", "PRIVATE KEY"),
        ("rsa.openssh", "OPENSSH PRIVATE KEY"),
        ("nistp256.sec1", "EC PRIVATE KEY"),
        ("nistp521.openssh", "OPENSSH PRIVATE KEY"),
        ("ed25519.openssh", "OPENSSH PRIVATE KEY"),
    ] {
        let (_, clean) = read_fixture(name, None).unwrap();
        let bytes = bytes_of(name);
        // Behind the numbers stands the comment of OpenSSH's form, which says nothing about the key.
        let end = if name.ends_with("openssh") { bytes.len() - 24 } else { bytes.len() };
        for place in (0..end).step_by(11) {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            if let Ok((_, text)) = read(&pem::write(label, &changed), None) {
                assert_eq!(text, clean, "{name} at {place}");
            }
        }
    }
}

#[test]
fn what_is_not_supported_is_named_with_the_command_that_converts_it() {
    let of = |text: &str| read(text, Some("geheim")).err().unwrap().to_string();
    assert!(of("PuTTY-User-Key-File-2: ssh-rsa\r\n").contains("puttygen FILE -O private-openssh -o NEW"));
    let ssh2 = "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/5\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n";
    assert!(of(ssh2).contains("ssh-keygen -i -f FILE"));
    assert!(of("ssh-ed25519 AAAA root@x").contains("the private key is needed"));
    let old = |cipher: &str| {
        format!(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: {cipher},0011223344556677\n\n\
             AAAA\n-----END RSA PRIVATE KEY-----\n"
        )
    };
    assert!(of(&old("DES-EDE3-CBC")).ends_with("-in FILE -out NEW"));
    assert!(of(&old("CAMELLIA-256-CBC")).ends_with("-in FILE -out NEW"));
    assert!(of(&old("DES-CBC")).ends_with("-provider legacy -provider default"));
    let file = |bytes: &[u8]| PrivateKey::from_file(bytes, None).err().unwrap().to_string();
    assert!(file(&[0x30, 0x82, 0xff, 0xff]).contains("openssl pkey -inform DER"));
    assert!(file(b"\xff\xfe-\0").contains("iconv -f UTF-16"));
    assert_eq!(file(&[0x80]), KeyError::NoKey.to_string());
}
