//! `token enroll`: a new token, and what its owner needs to use it.

use anyhow::anyhow;
use clap::Args;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Admin, Text, known_servers, line};
use crate::cli::failure::Failure;
use crate::cli::words::OneOf;
use crate::clock::UnixTime;
use crate::logging::Short;
use crate::store::{Algorithm, Token, TokenType};
use crate::terminal::Stream;
use crate::token::enroll::{self, EnrollError, Wanted};
use crate::token::export::{paper_codes, uri};
use crate::token::import::{base32, hex};
use crate::token::members::members;
use crate::token::realms::Realms;

#[derive(Args)]
pub(super) struct Arguments {
    /// What it is: hotp, totp, pw, spass, registration, paper, forward or 4eyes
    #[arg(long = "type", value_name = "TYPE", value_parser = token_type(), hide_possible_values = true)]
    token_type: TokenType,
    /// The owner, as at a login: alice, or alice@realm1
    #[arg(long)]
    user: String,
    /// The owner's realm; else [local] realm
    #[arg(long)]
    realm: Option<String>,
    /// The serial; else one such as TOTP-7F3K2M9Q is made up
    #[arg(long)]
    serial: Option<String>,
    #[command(flatten)]
    secret: SecretArguments,
    /// The hash of hotp, totp and paper: sha1, sha256 or sha512
    #[arg(long, value_parser = algorithm(), hide_possible_values = true)]
    algorithm: Option<Algorithm>,
    /// The length of a code: 6 or 8
    #[arg(long)]
    digits: Option<u8>,
    /// The time step of totp in seconds: 30 or 60
    #[arg(long)]
    period: Option<u32>,
    /// hotp: how many counters are tried; totp: how many steps before and after now
    #[arg(long)]
    window: Option<u32>,
    /// How many codes a paper token has
    #[arg(long, conflicts_with = "window")]
    codes: Option<u32>,
    /// The next counter of a hotp token that was used elsewhere
    #[arg(long)]
    counter: Option<u64>,
    /// The PIN; whoever lists this machine's processes can read it
    #[arg(long, conflicts_with = "pin_stdin")]
    pin: Option<String>,
    /// Read the PIN from a line of stdin, the last one
    #[arg(long)]
    pin_stdin: bool,
    /// Where a forward token leads: a token's serial, or a server's section and a name there, such as edumfa:TOTP0001
    #[arg(long, value_name = "SERIAL", visible_alias = "target")]
    forward_serial: Option<String>,
    /// The approvals that a 4eyes token needs, such as realm1:2,realm2@edumfa:1
    #[arg(long)]
    realms: Option<String>,
    /// The character between the passwords of a 4eyes token that are typed at once; else a blank
    #[arg(long)]
    separator: Option<String>,
    /// How many failures lock it; 0: none do
    #[arg(long)]
    max_fail: Option<u32>,
    /// After how many seconds it is unlocked by itself; 0: never
    #[arg(long)]
    unlock_after: Option<u32>,
    /// From when on it may be used: RFC 3339 or Unix seconds
    #[arg(long, value_name = "TIME", value_parser = UnixTime::parse)]
    valid_from: Option<UnixTime>,
    /// Until when it may be used: RFC 3339 or Unix seconds
    #[arg(long, value_name = "TIME", value_parser = UnixTime::parse)]
    valid_until: Option<UnixTime>,
    /// A note
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// Show the QR code even if stdout is no terminal
    #[arg(long)]
    qr: bool,
}

#[derive(Args)]
#[group(multiple = false)]
struct SecretArguments {
    /// The secret as hexadecimal digits; whoever lists this machine's processes can read it
    #[arg(long, value_name = "HEX")]
    secret_hex: Option<String>,
    /// The secret in base32; whoever lists this machine's processes can read it
    #[arg(long, value_name = "BASE32")]
    secret_base32: Option<String>,
    /// Read the secret from the first line of stdin, in hexadecimal digits
    #[arg(long)]
    secret_stdin: bool,
    /// Read the password of a pw token from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
}

fn token_type() -> OneOf<TokenType> {
    OneOf::new(TokenType::WORDS, TokenType::from_word)
}

pub(super) fn algorithm() -> OneOf<Algorithm> {
    OneOf::new(Algorithm::WORDS, |text| Algorithm::from_word(&text.to_ascii_lowercase()))
}

/// Makes the token, stores it, and shows its serial and what the owner needs: URI and QR code, or the codes.
pub(super) fn run(arguments: Arguments, admin: &mut Admin<'_>) -> Result<Text, Failure> {
    let owner = admin.owner(&arguments.user, arguments.realm.as_deref())?;
    let kind = arguments.token_type;
    // It would widen the window of another one.
    if arguments.codes.is_some() && kind != TokenType::Paper {
        return Err(EnrollError::NotFor { token_type: kind, what: "list of codes" }.into());
    }
    let secret = secret(arguments.secret, kind, admin)?;
    let asks_for_pin = kind == TokenType::Spass;
    let pin = admin.input.secret("the PIN", arguments.pin, arguments.pin_stdin, asks_for_pin)?;
    let draft = Wanted {
        serial: arguments.serial,
        owner: Some(owner),
        description: arguments.description,
        secret,
        algorithm: arguments.algorithm,
        digits: arguments.digits,
        period: arguments.period,
        window: arguments.window.or(arguments.codes),
        counter: arguments.counter,
        target: arguments.forward_serial,
        realms: arguments.realms,
        separator: arguments.separator,
        max_fail: arguments.max_fail,
        unlock_after: arguments.unlock_after,
        valid_from: arguments.valid_from,
        valid_until: arguments.valid_until,
        ..Wanted::new(kind)
    }
    .draft()?;
    known_servers(&draft.token)?;
    let secret = draft.secret.clone();
    let token = draft.seal(admin.store, pin.as_ref().map(|pin| pin.as_str()))?;
    let wants_qr = arguments.qr || admin.is_terminal(Stream::Stdout);
    let text = show(&token, &secret, admin, wants_qr)?;
    enroll::add(admin.store, &token)?;
    // The secret is shown here and nowhere else, so a token whose secret was not shown is taken back.
    if !admin.terminal.say(Stream::Stdout, &text) {
        admin.store.delete_token(&token.serial)?;
        let sentence = format!("cannot write to stdout; the token {} is not enrolled", token.serial);
        return Err(Failure::fault(anyhow!(sentence)));
    }
    let realms = token.realms.as_deref().and_then(|text| Realms::parse(text).ok());
    for (realm, _) in realms.iter().flat_map(Realms::iter).filter(|(realm, _)| !realm.contains('@')) {
        if !admin.store.has_people(realm)? {
            let realm = Short(realm);
            admin
                .log
                .warning(format_args!("there is no token in realm {realm}, so nobody there can approve yet"));
        }
    }
    Ok(Text::default())
}

fn secret(
    arguments: SecretArguments,
    kind: TokenType,
    admin: &mut Admin<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let SecretArguments { secret_hex, secret_base32, secret_stdin, password_stdin } = arguments;
    if password_stdin && kind != TokenType::Pw {
        return Err(Failure::because(format!("a {kind} token has no password")));
    }
    if let Some(text) = secret_base32 {
        return base32(&text).map(Some).map_err(Failure::mistake);
    }
    if let Some(text) = admin.input.secret("the secret", secret_hex, secret_stdin, false)? {
        return hex(text.trim()).map(Some).map_err(Failure::mistake);
    }
    let password = admin.input.secret("the password", None, password_stdin, kind == TokenType::Pw)?;
    Ok(password.map(|password| Zeroizing::new(password.as_bytes().to_vec())))
}

fn show(token: &Token, secret: &[u8], admin: &Admin<'_>, wants_qr: bool) -> Result<Text, Failure> {
    let uri = uri(token, secret);
    let codes = paper_codes(token, secret);
    let code = (token.token_type == TokenType::Registration).then(|| String::from_utf8_lossy(secret));
    if admin.json {
        let mut members = members(token, admin.store.now());
        for (name, value) in [
            ("otpauth", uri.map(|uri| Value::from(uri.as_str()))),
            ("codes", codes.map(Value::from)),
            ("code", code.map(Value::from)),
        ] {
            members.extend(value.map(|value| (name.to_owned(), value)));
        }
        return line(&members);
    }
    let mut text = Zeroizing::new(format!("{}\n", token.serial));
    if let Some(uri) = uri {
        text.push_str(&format!("{}\n", *uri));
        if wants_qr {
            let qr = QrCode::new(uri.as_bytes()).map_err(Failure::fault)?;
            // Drawn for a terminal with a dark background, as most are; readers take the other for inverted.
            let (dark, light) = (Dense1x2::Light, Dense1x2::Dark);
            let drawn = qr.render::<Dense1x2>().dark_color(dark).light_color(light).build();
            text.push_str(&format!("{drawn}\n"));
        }
    }
    for (index, code) in codes.iter().flatten().enumerate() {
        text.push_str(&format!("{:4}  {code}\n", index.saturating_add(1)));
    }
    if let Some(code) = code {
        text.push_str(&format!("{code}\n"));
    }
    Ok(text)
}
