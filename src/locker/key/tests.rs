//! Keys that ssh-keygen and openssl made (`tests/fixtures/keys`), and what is none. Every passphrase is "geheim".

use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn read_fixture(name: &str, passphrase: Option<&str>) -> Result<(String, String), KeyError> {
    read(&fixture(name), passphrase).map(|key| (key.kind, key.key.expose_secret().to_owned()))
}

#[test]
fn a_key_that_is_not_encrypted_keeps_its_text_and_has_its_type() {
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
        // A passphrase that is not needed does no harm, nor do the line ends of Windows.
        assert_eq!(read(&fixture(name).replace('\n', "\r\n"), Some("x")).unwrap().kind, kind);
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
        assert_eq!((again.kind.as_str(), again.key.expose_secret()), (kind, text.as_str()), "{name}");
    }
}

#[test]
fn ed25519_in_pkcs8_becomes_openssh_s_form() {
    let (kind, text) = read_fixture("ed25519.pkcs8", None).unwrap();
    assert_eq!(kind, "ssh-ed25519");
    assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    assert_eq!(read(&text, None).unwrap().key.expose_secret(), text);
}

#[test]
fn what_is_no_key_for_ssh_is_refused_by_what_it_is() {
    let error = |name| read_fixture(name, Some("geheim")).unwrap_err();
    assert_eq!(error("x25519.pkcs8"), KeyError::Type);
    assert_eq!(error("rsa.pub"), KeyError::NoKey);
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
    let one = Pem::read(fixture("ed25519.openssh").trim()).map(|pem| pem.bytes).ok().unwrap();
    let mut mixed = one.to_vec();
    let place = mixed.windows(11).position(|window| window == b"ssh-ed25519").unwrap() + 20;
    mixed[place] ^= 1;
    assert_eq!(read(&pem::write("OPENSSH PRIVATE KEY", &mixed), None).err(), Some(KeyError::Damaged));
}

#[test]
fn a_passphrase_that_would_cost_hours_is_not_tried() {
    let pem = fixture("ed25519-encrypted.openssh");
    let mut bytes = Pem::read(pem.trim()).ok().unwrap().bytes.to_vec();
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
        let bytes = Pem::read(fixture(name).trim()).ok().unwrap().bytes;
        for cut in (0..bytes.len()).step_by(7) {
            assert!(read(&pem::write(label, &bytes[..cut]), None).is_err(), "{name} cut at {cut}");
        }
    }
}
