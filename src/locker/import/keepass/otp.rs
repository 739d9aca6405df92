//! TOTP secrets with their settings, as KeePass, KeePassXC and the plugins write them:
//!
//! - KeePass 2.47: `TimeOtp-Secret`, `-Hex`, `-Base32` or `-Base64`, with `TimeOtp-Length`, `-Period` and `-Algorithm`;
//! - KeePassXC: `otp` with an `otpauth` URI;
//! - KeeOtp: `otp` with `key=…&step=…&size=…`;
//! - KeeTrayTOTP, and KeePassXC before 2.5: `TOTP Seed` with `TOTP Settings`, `30;6` or `30;S` for Steam.

use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER_PERMISSIVE};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::Source;
use crate::locker::Totp;
use crate::store::Algorithm;

/// Why settings are not taken.
type Why = String;

/// The places that a secret of KeePass may be in, with the way in which it is written.
const TIME_OTP: [(&str, Encoding); 4] = [
    ("TimeOtp-Secret", Encoding::Utf8),
    ("TimeOtp-Secret-Hex", Encoding::Hex),
    ("TimeOtp-Secret-Base32", Encoding::Base32),
    ("TimeOtp-Secret-Base64", Encoding::Base64),
];

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Hex,
    Base32,
    Base64,
}

/// Finds the TOTP secret of an entry. Where there are several, they have to be the same.
pub(super) fn find(source: &Source) -> Result<Option<Totp>, Why> {
    let mut found: Vec<Totp> = Vec::new();
    if let Some(text) = source.get("otp").map(str::trim).filter(|text| !is_counter(text)) {
        found.push(if text.starts_with("key=") || text.contains("&key=") {
            kee_otp(text)?
        } else {
            read(text)?
        });
    }
    if let Some(seed) = source.get("TOTP Seed") {
        found.push(tray_totp(seed, source.get("TOTP Settings"))?);
    }
    for (name, encoding) in TIME_OTP {
        if let Some(secret) = source.get(name) {
            found.push(time_otp(secret, encoding, source)?);
        }
    }
    let mut found = found.into_iter();
    let Some(first) = found.next() else { return Ok(None) };
    if found.all(|other| first.is_same(&other)) {
        Ok(Some(first))
    } else {
        Err("there are several with different settings".to_owned())
    }
}

/// Tells whether an entry has counter-based codes, which two clients cannot share.
pub(super) fn has_counter(source: &Source) -> bool {
    source.strings.iter().any(|(name, value)| name.starts_with("HmacOtp-Secret") && !value.is_empty())
        || source.get("otp").is_some_and(|text| is_counter(text.trim()))
}

fn is_counter(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.starts_with("otpauth://hotp/")
        || (text.contains("key=") && text.split('&').any(|pair| pair == "type=hotp"))
}

fn read(text: &str) -> Result<Totp, Why> {
    Totp::read(text).map_err(|error| error.to_string())
}

fn steam<T>() -> Result<T, Why> {
    Err("Steam codes are not supported".to_owned())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Why> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { text.parse().ok() } else { None };
    number.ok_or_else(|| "one of their settings is not a number".to_owned())
}

/// Reads the names that the programs have for an algorithm: `HMAC-SHA-256`, `Sha256`.
fn algorithm(text: &str) -> Result<Algorithm, Why> {
    let word: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let word = word.to_ascii_lowercase();
    let word = word.strip_prefix("hmac").unwrap_or(&word);
    Algorithm::from_word(word).ok_or_else(|| "their algorithm is not SHA-1, SHA-256 or SHA-512".to_owned())
}

fn made(
    secret: &str,
    encoding: Encoding,
    algorithm: Algorithm,
    digits: u8,
    period: u32,
) -> Result<Totp, Why> {
    let bytes = |bytes: Vec<u8>| Zeroizing::new(BASE32_NOPAD.encode(&Zeroizing::new(bytes)));
    let plain = || Zeroizing::new(secret.split_whitespace().collect::<String>());
    let damaged = |_| "the secret does not have the encoding that its name says".to_owned();
    let base32 = match encoding {
        Encoding::Utf8 => bytes(secret.as_bytes().to_vec()),
        Encoding::Hex => bytes(HEXLOWER_PERMISSIVE.decode(plain().as_bytes()).map_err(damaged)?),
        Encoding::Base64 => bytes(BASE64.decode(plain().as_bytes()).map_err(damaged)?),
        Encoding::Base32 => plain(),
    };
    let mut totp = Totp::from_base32(&base32).map_err(|error| error.to_string())?;
    (totp.algorithm, totp.digits, totp.period) = (algorithm, digits, period);
    totp.check().map_err(|error| error.to_string())?;
    Ok(totp)
}

fn time_otp(secret: &str, encoding: Encoding, source: &Source) -> Result<Totp, Why> {
    let digits = source.get("TimeOtp-Length").map_or(Ok(6), number)?;
    let period = source.get("TimeOtp-Period").map_or(Ok(30), number)?;
    let algorithm = source.get("TimeOtp-Algorithm").map_or(Ok(Algorithm::Sha1), algorithm)?;
    made(secret, encoding, algorithm, digits, period)
}

fn tray_totp(seed: &str, settings: Option<&str>) -> Result<Totp, Why> {
    let mut parts = settings.unwrap_or("30;6").split(';');
    let (period, digits) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if digits.trim().eq_ignore_ascii_case("S") {
        return steam();
    }
    // The address of a time server may follow.
    made(seed, Encoding::Base32, Algorithm::Sha1, number(digits)?, number(period)?)
}

fn kee_otp(text: &str) -> Result<Totp, Why> {
    let (mut key, mut encoding) = (None, Encoding::Base32);
    let (mut digits, mut period, mut hash) = (6, 30, Algorithm::Sha1);
    for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let value =
            percent_decode_str(value).decode_utf8().map_err(|_| "their settings are not text".to_owned())?;
        let value = Zeroizing::new(value.into_owned());
        match name.trim().to_ascii_lowercase().as_str() {
            "key" => key = Some(value),
            "step" => period = number(&value)?,
            "size" => digits = number(&value)?,
            "otphashmode" => hash = algorithm(&value)?,
            "type" if value.eq_ignore_ascii_case("totp") => {}
            "type" => return steam(),
            "encoding" => {
                encoding = match value.to_ascii_lowercase().as_str() {
                    "base32" => Encoding::Base32,
                    "base64" => Encoding::Base64,
                    "hex" => Encoding::Hex,
                    "utf8" => Encoding::Utf8,
                    _ => return Err("their encoding is not known".to_owned()),
                };
            }
            _ => {}
        }
    }
    let key = key.ok_or_else(|| "there is no secret".to_owned())?;
    made(&key, encoding, hash, digits, period)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::clock::UnixTime;

    /// RFC 6238's seed for SHA-1, "12345678901234567890", in every way in which it may be written.
    const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const HEX: &str = "3132333435363738393031323334353637383930";
    const BASE64: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=";

    fn source(strings: &[(&str, &str)]) -> Source {
        let mut source = Source::default();
        for (name, value) in strings {
            source.put((*name).to_owned(), Zeroizing::new((*value).to_owned()));
        }
        source
    }

    fn code(strings: &[(&str, &str)]) -> String {
        let totp = find(&source(strings)).unwrap_or_else(|why| panic!("{strings:?}: {why}")).unwrap();
        totp.codes(UnixTime::from_secs(1_111_111_109))[0].code.expose_secret().to_owned()
    }

    #[test]
    fn the_settings_of_every_plugin_make_the_codes() {
        let key = format!("key={BASE32}");
        for (strings, right) in [
            (vec![("TimeOtp-Secret-Base32", BASE32), ("TimeOtp-Length", "8")], "07081804"),
            (
                vec![("TimeOtp-Secret-Hex", HEX), ("TimeOtp-Length", "8"), ("TimeOtp-Period", "30")],
                "07081804",
            ),
            (vec![("TimeOtp-Secret-Base64", BASE64)], "081804"),
            (vec![("TimeOtp-Secret", "12345678901234567890")], "081804"),
            (vec![("TimeOtp-Secret-Base32", BASE32), ("TimeOtp-Period", "60")], "360094"),
            (vec![("TimeOtp-Secret-Base32", BASE32), ("TimeOtp-Algorithm", "HMAC-SHA-256")], "756375"),
            (vec![("TOTP Seed", BASE32)], "081804"),
            (
                vec![("TOTP Seed", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq"), ("TOTP Settings", "60;8")],
                "19360094",
            ),
            (vec![("TOTP Seed", BASE32), ("TOTP Settings", "30;8;https://time.example.org")], "07081804"),
            (vec![("otp", &format!("{key}&step=60&size=8"))], "19360094"),
            (vec![("otp", &format!("size=8&{key}"))], "07081804"),
            (vec![("otp", &format!("{key}&otpHashMode=Sha256&type=Totp"))], "756375"),
            (vec![("otp", &format!("key={HEX}&encoding=Hex"))], "081804"),
            (
                vec![("otp", &format!("otpauth://totp/x:y?secret={BASE32}&digits=8&period=60&issuer=x"))],
                "19360094",
            ),
            (
                vec![
                    ("otp", &format!("otpauth://totp/x?secret={BASE32}&period=60&digits=8")),
                    ("TOTP Seed", BASE32),
                    ("TOTP Settings", "60;8"),
                ],
                "19360094",
            ),
        ] {
            assert_eq!(code(&strings), right, "{strings:?}");
        }
    }

    #[test]
    fn what_would_make_other_codes_is_left_out() {
        for strings in [
            vec![("TOTP Seed", BASE32), ("TOTP Settings", "30;S")],
            vec![("TOTP Seed", BASE32), ("TOTP Settings", "30")],
            vec![("TOTP Seed", BASE32), ("TOTP Settings", "x;6")],
            vec![("TOTP Seed", BASE32), ("TOTP Settings", "30;10")],
            vec![("otp", "otpauth://totp/Steam:x?secret=GEZDGNBV&encoder=steam")],
            vec![("otp", "key=GEZDGNBV&type=Steam")],
            vec![("otp", "key=GEZDGNBV&otpHashMode=Md5")],
            vec![("otp", "key=GEZDGNBV&encoding=rot13")],
            vec![("otp", "s3cret!")],
            vec![("TimeOtp-Secret-Hex", "xyz")],
            vec![("TimeOtp-Secret-Base64", "!")],
            vec![("TimeOtp-Secret-Base32", BASE32), ("TimeOtp-Algorithm", "HMAC-MD5")],
            vec![("TimeOtp-Secret-Base32", BASE32), ("TimeOtp-Period", "-30")],
            vec![("TimeOtp-Secret-Base32", BASE32), ("TimeOtp-Secret-Hex", "00")],
            vec![("TOTP Seed", BASE32), ("otp", "otpauth://totp/x?secret=GEZDGNBV")],
        ] {
            let why = find(&source(&strings)).err().unwrap_or_else(|| panic!("{strings:?}"));
            assert!(!why.contains("s3cret") && !why.contains("GEZDGNBV"), "{why}");
        }
    }

    #[test]
    fn codes_that_a_counter_makes_are_left_out() {
        for strings in [
            vec![("HmacOtp-Secret-Base32", BASE32), ("HmacOtp-Counter", "1")],
            vec![("otp", "otpauth://hotp/x?secret=GEZDGNBV&counter=1")],
            vec![("otp", "key=GEZDGNBV&type=Hotp&counter=3")],
        ] {
            let source = source(&strings);
            assert!(has_counter(&source) && find(&source).unwrap().is_none(), "{strings:?}");
        }
    }
}
