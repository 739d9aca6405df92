//! [`Response`] → stdout. The only file that writes secrets out.
//!
//! Members stand in a fixed order, so that the same decision is the same bytes.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::invocation::Hook;
use crate::private_key::PrivateKey;
use crate::terms::{Question, TotpCode};

/// What the user sees, and the log's reader finds, where nobody gave a reason (SDK: `AAResponse`).
pub const NO_REASON: &str = "N/A";

/// The answer to a hook.
pub enum Response {
    /// To `authenticate` and `authorize`.
    Verdict(Verdict, Cookies),
    /// To `get_password_list`.
    Passwords(Vec<SecretString>, Cookies),
    /// To `get_private_key_list`.
    PrivateKeys(Vec<PrivateKey>, Cookies),
    /// To `get_remote_app_credentials`.
    RemoteApp(RemoteApp, Cookies),
    /// To `get_totp_codes`; `None` where the provider knows no such codes, as the SDK has it.
    TotpCodes(Option<Vec<TotpCode>>, Cookies),
    /// To `authentication_completed`.
    Cookies(Cookies),
    /// To `session_ended`.
    Null,
}

/// What is carried to the next hook.
#[derive(Clone, Default)]
pub struct Cookies {
    /// For this plugin.
    pub cookie: Map<String, Value>,
    /// For all plugins of this session.
    pub session_cookie: Map<String, Value>,
}

/// A decision.
pub enum Verdict {
    /// Let in.
    Accept {
        /// Why.
        metadata: Metadata,
        /// Who was authenticated, where SPS does not know it yet.
        gateway: Option<GatewayUser>,
    },
    /// Refused.
    Deny {
        /// Why, for the operator.
        metadata: Metadata,
        /// Why, for the user.
        reason: String,
    },
    /// The user has to answer first.
    NeedInfo(Question),
    /// No gateway authentication by this plugin.
    None {
        /// Why.
        metadata: Metadata,
    },
}

impl Verdict {
    /// Tells whether the session goes on without another word of the user's.
    pub fn lets_in(&self) -> bool {
        match self {
            Self::Accept { .. } | Self::None { .. } => true,
            Self::Deny { .. } | Self::NeedInfo(_) => false,
        }
    }

    /// Returns who was authenticated, where SPS does not know it yet.
    pub fn gateway_user(&self) -> Option<&GatewayUser> {
        match self {
            Self::Accept { gateway, .. } => gateway.as_ref(),
            Self::Deny { .. } | Self::NeedInfo(_) | Self::None { .. } => None,
        }
    }
}

/// Who was authenticated.
pub struct GatewayUser {
    /// The user name.
    pub user: String,
    /// The groups; without them SPS keeps those that it knows.
    pub groups: Option<Vec<String>>,
}

/// Why something was decided, for the column *Additional metadata*: `reason` first. Never a secret.
#[derive(Clone)]
pub struct Metadata(Vec<(Cow<'static, str>, Value)>);

impl Metadata {
    /// Begins with the reason; an empty one is [`NO_REASON`].
    pub fn reason(reason: &str) -> Self {
        Self(vec![("reason".into(), if reason.is_empty() { NO_REASON } else { reason }.into())])
    }

    /// Adds what else is known, such as the factor or the token's serial.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// Adds what a service says of its verdict. Its `reason` takes the place of ours; whatever else we say stays.
    #[must_use]
    pub fn with_told(mut self, told: Map<String, Value>) -> Self {
        for (name, value) in told {
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some((known, ours)) if known == "reason" => *ours = value,
                Some(_) => {}
                None => self.0.push((name.into(), value)),
            }
        }
        self
    }

    /// Writes JSON text with the blanks that the SDK's `json.dumps` has.
    fn to_text(&self) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{}: {value}", Value::from(name.as_ref()))).collect();
        format!("{{{}}}", members.join(", "))
    }
}

/// How to start a remote application, and with which credentials.
#[derive(Default)]
pub struct RemoteApp {
    /// The account on the target.
    pub account: Option<String>,
    /// The target.
    pub asset: Option<String>,
    /// The passwords.
    pub passwords: Vec<SecretString>,
    /// Whether SPS has to ask the user for account or asset first.
    pub need_info: bool,
    /// The program and its arguments.
    pub launch_information: Vec<String>,
    /// Whatever else the application needs.
    pub additional_information: Map<String, Value>,
}

/// Why a closed response is given: the constant sentences that the user sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The invocation cannot be used.
    Invocation,
    /// The configuration cannot be used.
    Configuration,
    /// The hook could not do its work.
    Internal,
}

impl Fault {
    fn sentence(self) -> &'static str {
        match self {
            Self::Invocation => "Invalid plugin invocation",
            Self::Configuration => "Plugin configuration error",
            Self::Internal => "Internal plugin error",
        }
    }
}

impl Response {
    /// Makes the response that lets nobody in and gives nothing away.
    pub fn closed(hook: Option<Hook>, fault: Fault, cookies: Cookies) -> Self {
        match hook {
            None | Some(Hook::Authenticate | Hook::Authorize) => {
                let sentence = fault.sentence();
                let verdict =
                    Verdict::Deny { metadata: Metadata::reason(sentence), reason: sentence.to_owned() };
                Self::Verdict(verdict, cookies)
            }
            Some(Hook::GetPasswordList) => Self::Passwords(Vec::new(), cookies),
            Some(Hook::GetPrivateKeyList) => Self::PrivateKeys(Vec::new(), cookies),
            Some(Hook::GetRemoteAppCredentials) => Self::RemoteApp(RemoteApp::default(), cookies),
            Some(Hook::GetTotpCodes) => Self::TotpCodes(Some(Vec::new()), cookies),
            Some(Hook::AuthenticationCompleted) => Self::Cookies(cookies),
            Some(Hook::SessionEnded) => Self::Null,
        }
    }

    /// Writes the response as one line of JSON. The buffer is wiped when dropped.
    pub fn to_line(&self) -> Zeroizing<Vec<u8>> {
        // Large enough for most responses, so that growing leaves few unwiped copies of a secret behind.
        let mut line = Zeroizing::new(Vec::with_capacity(8 * 1024));
        // Writing plain data into memory does not fail; if it did, half a line would be no valid response.
        if self.write(&mut line).is_err() {
            line.clear();
            line.extend_from_slice(
                br#"{"verdict":"DENY","reason":"Internal plugin error","cookie":{},"session_cookie":{}}"#,
            );
        }
        line.push(b'\n');
        line
    }

    fn write(&self, line: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Verdict(verdict, cookies) => {
                serde_json::to_writer(line, &VerdictMembers::new(verdict, cookies))
            }
            Self::Passwords(passwords, cookies) => {
                let passwords: Vec<_> = passwords.iter().map(ExposeSecret::expose_secret).collect();
                serde_json::to_writer(line, &PasswordMembers { passwords, cookies: cookies.into() })
            }
            Self::PrivateKeys(keys, cookies) => {
                let private_keys = keys.iter().map(|key| (key.kind(), key.text().expose_secret())).collect();
                serde_json::to_writer(line, &PrivateKeyMembers { private_keys, cookies: cookies.into() })
            }
            Self::RemoteApp(app, cookies) => {
                let members = RemoteAppMembers {
                    account: app.account.as_deref().unwrap_or_default(),
                    asset: app.asset.as_deref().unwrap_or_default(),
                    passwords: app.passwords.iter().map(ExposeSecret::expose_secret).collect(),
                    need_info: app.need_info,
                    launch_information: &app.launch_information,
                    additional_information: &app.additional_information,
                    cookies: cookies.into(),
                };
                serde_json::to_writer(line, &members)
            }
            Self::TotpCodes(codes, cookies) => {
                let totp_codes = codes.as_ref().map(|codes| codes.iter().map(TotpMembers::from).collect());
                serde_json::to_writer(line, &TotpListMembers { totp_codes, cookies: cookies.into() })
            }
            Self::Cookies(cookies) => serde_json::to_writer(line, &CookieMembers::from(cookies)),
            Self::Null => serde_json::to_writer(line, &Value::Null),
        }
    }
}

#[derive(Serialize)]
struct CookieMembers<'a> {
    cookie: &'a Map<String, Value>,
    session_cookie: &'a Map<String, Value>,
}

impl<'a> From<&'a Cookies> for CookieMembers<'a> {
    fn from(cookies: &'a Cookies) -> Self {
        Self { cookie: &cookies.cookie, session_cookie: &cookies.session_cookie }
    }
}

#[derive(Serialize)]
struct VerdictMembers<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<(&'a str, &'a str, bool)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_metadata: Option<String>,
    #[serde(flatten)]
    cookies: CookieMembers<'a>,
}

impl<'a> VerdictMembers<'a> {
    fn new(verdict: &'a Verdict, cookies: &'a Cookies) -> Self {
        let mut members = Self {
            verdict: "DENY",
            reason: None,
            question: None,
            gateway_user: None,
            gateway_groups: None,
            additional_metadata: None,
            cookies: cookies.into(),
        };
        match verdict {
            Verdict::Accept { metadata, gateway } => {
                members.verdict = "ACCEPT";
                members.gateway_user = gateway.as_ref().map(|gateway| gateway.user.as_str());
                members.gateway_groups = gateway.as_ref().and_then(|gateway| gateway.groups.as_deref());
                members.additional_metadata = Some(metadata.to_text());
            }
            Verdict::Deny { metadata, reason } => {
                members.reason = Some(if reason.is_empty() { NO_REASON } else { reason });
                members.additional_metadata = Some(metadata.to_text());
            }
            Verdict::NeedInfo(question) => {
                members.verdict = "NEEDINFO";
                members.question = Some((&question.key, &question.prompt, question.disable_echo));
            }
            Verdict::None { metadata } => {
                members.verdict = "NONE";
                members.additional_metadata = Some(metadata.to_text());
            }
        }
        members
    }
}

#[derive(Serialize)]
struct PasswordMembers<'a> {
    passwords: Vec<&'a str>,
    #[serde(flatten)]
    cookies: CookieMembers<'a>,
}

#[derive(Serialize)]
struct PrivateKeyMembers<'a> {
    private_keys: Vec<(&'a str, &'a str)>,
    #[serde(flatten)]
    cookies: CookieMembers<'a>,
}

#[derive(Serialize)]
struct RemoteAppMembers<'a> {
    account: &'a str,
    asset: &'a str,
    passwords: Vec<&'a str>,
    need_info: bool,
    launch_information: &'a [String],
    additional_information: &'a Map<String, Value>,
    #[serde(flatten)]
    cookies: CookieMembers<'a>,
}

#[derive(Serialize)]
struct TotpListMembers<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    totp_codes: Option<Vec<TotpMembers<'a>>>,
    #[serde(flatten)]
    cookies: CookieMembers<'a>,
}

#[derive(Serialize)]
struct TotpMembers<'a> {
    unix_time: i64,
    period: u32,
    code: &'a str,
}

impl<'a> From<&'a TotpCode> for TotpMembers<'a> {
    fn from(code: &'a TotpCode) -> Self {
        Self { unix_time: code.unix_time, period: code.period, code: code.code.expose_secret() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response) -> String {
        String::from_utf8(response.to_line().to_vec()).unwrap()
    }

    #[test]
    fn a_verdict_has_its_members_in_a_fixed_order() {
        let metadata = Metadata::reason("").with("factor", "http \"x\"");
        let gateway = Some(GatewayUser { user: "alice".to_owned(), groups: Some(vec!["dba".to_owned()]) });
        assert_eq!(
            text(&Response::Verdict(
                Verdict::Accept { metadata: metadata.clone(), gateway },
                Cookies::default()
            )),
            concat!(
                r#"{"verdict":"ACCEPT","gateway_user":"alice","gateway_groups":["dba"],"#,
                r#""additional_metadata":"{\"reason\": \"N/A\", \"factor\": \"http \\\"x\\\"\"}","#,
                r#""cookie":{},"session_cookie":{}}"#,
                "\n"
            )
        );
        assert_eq!(
            text(&Response::Verdict(Verdict::Deny { metadata, reason: String::new() }, Cookies::default())),
            concat!(
                r#"{"verdict":"DENY","reason":"N/A","#,
                r#""additional_metadata":"{\"reason\": \"N/A\", \"factor\": \"http \\\"x\\\"\"}","#,
                r#""cookie":{},"session_cookie":{}}"#,
                "\n"
            )
        );
        let question = Question { key: "otp".to_owned(), prompt: "Code: ".to_owned(), disable_echo: true };
        assert_eq!(
            text(&Response::Verdict(Verdict::NeedInfo(question), Cookies::default())),
            "{\"verdict\":\"NEEDINFO\",\"question\":[\"otp\",\"Code: \",true],\"cookie\":{},\"session_cookie\":{}}\n"
        );
    }

    #[test]
    fn credentials_are_written_as_the_sdk_returns_them() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        assert_eq!(
            text(&Response::Passwords(vec![secret("a\"b")], Cookies::default())),
            "{\"passwords\":[\"a\\\"b\"],\"cookie\":{},\"session_cookie\":{}}\n"
        );
        let key = PrivateKey::of_appliance("ssh-rsa", "k");
        assert_eq!(
            text(&Response::PrivateKeys(vec![key], Cookies::default())),
            "{\"private_keys\":[[\"ssh-rsa\",\"k\"]],\"cookie\":{},\"session_cookie\":{}}\n"
        );
        let code = TotpCode { unix_time: 1, period: 30, code: secret("123456") };
        assert_eq!(
            text(&Response::TotpCodes(Some(vec![code]), Cookies::default())),
            "{\"totp_codes\":[{\"unix_time\":1,\"period\":30,\"code\":\"123456\"}],\"cookie\":{},\"session_cookie\":{}}\n"
        );
        assert_eq!(text(&Response::Null), "null\n");
    }

    #[test]
    fn a_closed_response_lets_nobody_in_and_gives_nothing_away() {
        for (_, hook) in Hook::ALL {
            let line = text(&Response::closed(Some(hook), Fault::Internal, Cookies::default()));
            assert!(!line.contains("ACCEPT") && !line.contains("NONE") && line.ends_with('\n'), "{line}");
        }
        assert!(
            text(&Response::closed(None, Fault::Invocation, Cookies::default()))
                .starts_with("{\"verdict\":\"DENY\"")
        );
    }
}
