//! What changes nothing at eduMFA and privacyIDEA: `GET /auth/rights`, which asks for a token, looks at its signature
//! first and at its role then, and only reads. The API key has the role `validate`, which this is not for; that this is what
//! is wrong with it proves that the server made it. Then `POST /validate/check` about a user who does not exist: there is no
//! token that a failure could be counted for.

use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{PrivacyIdea, Query, authorization, wire};
use crate::finding::{Finding, Grade};
use crate::json;
use crate::mfa::dialogue::{User, Verdict};
use crate::mfa::envelope;
use crate::mfa::probe::{self, Nothing, Visit};
use crate::net::Reply;
use crate::token::naming::random_text;

pub(super) const PATH: &str = "auth/rights";

/// How long a made-up name is, in characters.
const NAME_LENGTH: usize = 24;

/// The servers' numbers for what is wrong with a token.
const NO_HEADER: i64 = 4033;
const NOT_OURS: i64 = 4304;
const EXPIRED: i64 = 4305;
const OTHER_ROLE: i64 = 4306;

/// Whose token it has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Validate,
    Admin,
}

/// What a server says of a token.
enum Said {
    Taken,
    Refused(i64),
    Unclear(String),
}

impl PrivacyIdea<'_> {
    pub(super) fn look(&self) -> Vec<Finding> {
        probe::visit(&self.servers, self.name, |visit| {
            let Some(reply) = visit.get(PATH, Vec::new()) else { return };
            match said(&reply) {
                Said::Refused(_) | Said::Taken => {
                    visit.note("GET auth/rights", Grade::Ok, "it is a server of this kind");
                }
                Said::Unclear(what) => {
                    return visit.note("GET auth/rights", Grade::Error, &what);
                }
            }
            let is_taken =
                self.api_key.as_ref().is_none_or(|key| token(visit, "api_key", key, Role::Validate));
            if let Some(key) = &self.trigger {
                token(visit, "trigger_token", key, Role::Admin);
            }
            if is_taken {
                self.ask_about_nobody(visit);
            }
        })
    }

    /// Asks about a user who does not exist, and must not be accepted.
    fn ask_about_nobody(&self, visit: &mut Visit<'_>) {
        let (Ok(name), Ok(pass)) = (random_text(NAME_LENGTH), random_text(NAME_LENGTH)) else { return };
        let user = User { name: &name, realm: self.realm.as_deref(), is_serial: false };
        let Ok(body) = serde_json::to_vec(&Query::about(user, Some(&pass), None)) else { return };
        let headers = self.api_key.iter().map(authorization).collect();
        let Some(reply) = visit.post_json("validate/check", headers, &body) else { return };
        let (grade, detail) = match wire::verdict(&reply) {
            Ok((Verdict::Accepted(_), _)) => (
                Grade::Error,
                "the server accepts a user who does not exist; look for the policies passOnNoUser, passOnNoToken and passthru"
                    .to_owned(),
            ),
            Ok((Verdict::Rejected(_) | Verdict::Challenge(_), _)) => {
                (Grade::Ok, "the server rejects a user who does not exist".to_owned())
            }
            Err(error) => (
                Grade::Warning,
                format!(
                    "not known whether the server rejects a user who does not exist: {}",
                    envelope::elsewhere(&error, &reply)
                ),
            ),
        };
        visit.note("POST validate/check user", grade, &detail);
    }
}

/// Sends a request with a token, and tells whether the server accepts it for this purpose.
fn token(visit: &mut Visit<'_>, question: &'static str, token: &SecretString, wanted: Role) -> bool {
    let Some(reply) = visit.get(PATH, vec![authorization(token)]) else { return false };
    let role = role(token);
    let role = role.as_deref();
    let (grade, detail) = match (said(&reply), wanted, role) {
        (Said::Refused(OTHER_ROLE), Role::Validate, None | Some("validate")) => {
            (Grade::Ok, "the server takes it".to_owned())
        }
        (Said::Taken | Said::Refused(OTHER_ROLE), Role::Validate, _) => (
            Grade::Warning,
            "the server takes it, but not as an API key of the role validate, which the policy api_key_required wants"
                .to_owned(),
        ),
        (Said::Taken, Role::Admin, Some("admin")) => (Grade::Ok, "the server takes it".to_owned()),
        (Said::Taken | Said::Refused(OTHER_ROLE), Role::Admin, _) => {
            (Grade::Error, "it is no administrator's token, which triggers challenges".to_owned())
        }
        (Said::Refused(NOT_OURS), _, _) => {
            (Grade::Error, "the server does not take it: it is none that this server made".to_owned())
        }
        (Said::Refused(EXPIRED), _, _) => {
            (Grade::Error, "the server does not take it: its time is over".to_owned())
        }
        (Said::Refused(NO_HEADER), _, _) => {
            (Grade::Error, "it does not arrive: something in front takes the header Authorization away".to_owned())
        }
        (Said::Refused(code), _, _) => {
            (Grade::Warning, format!("the server does not say whether it takes it (error {code})"))
        }
        (Said::Unclear(what), _, _) => (Grade::Warning, format!("not known whether the server takes it: {what}")),
    };
    let is_taken = grade == Grade::Ok;
    visit.note(question, grade, &detail);
    is_taken
}

fn said(reply: &Reply) -> Said {
    match envelope::usable::<Nothing, Nothing>(reply) {
        Ok(Ok(_)) => Said::Taken,
        Ok(Err(refusal)) => match refusal.code {
            Some(code) => Said::Refused(code),
            None => Said::Unclear(format!("{}{}", refusal.reason, envelope::WRONG_ADDRESS)),
        },
        Err(error) => Said::Unclear(envelope::elsewhere(&error, reply)),
    }
}

/// Reads the role that a token says it has. Whether that is true, only the server knows.
fn role(token: &SecretString) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        role: String,
    }
    let payload = token.expose_secret().trim().split('.').nth(1)?;
    let bytes = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let claims: Claims = json::from_slice(&bytes).ok()?;
    Some(claims.role)
}
