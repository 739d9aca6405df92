//! The state that SPS carries for us from hook to hook: identifiers, never secrets.
//!
//! What the SDK has in its cookie has the same name here (`username`, `mfa_identity`, `account`, …); what is ours
//! alone lies under [`MEMBER`], with a version, the plugin it belongs to and the session it was made for. A cookie
//! that is not empty and has no such member, or another version, plugin or session in it, is refused: it was not
//! made by this program for this session.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::invocation::PluginType;
use crate::json::Object;
use crate::members::{self, Member};

/// The member that holds what is ours alone.
pub const MEMBER: &str = "__sps_plugin";
const VERSION: u32 = 1;

/// Says why a cookie is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CookieError {
    /// Not empty, and without [`MEMBER`].
    #[error("the cookie is not this plugin's; a session begins with the cookie {{}}")]
    Foreign,
    /// Of another version of this program.
    #[error("the cookie is from another version of this plugin; the session has to begin anew")]
    Version,
    /// Made by the other plugin.
    #[error("the cookie belongs to the other plugin of this session")]
    Plugin,
    /// Made for another session.
    #[error("the cookie belongs to another session")]
    Session,
    /// [`MEMBER`] has another form.
    #[error("the cookie's member {MEMBER} is damaged")]
    Damaged,
    /// A public member has another type.
    #[error("the cookie's member {0} has the wrong type")]
    WrongType(&'static str),
}

/// What a plugin keeps under [`MEMBER`].
pub trait Progress: Default + Serialize + DeserializeOwned {
    /// The plugin that it belongs to.
    const PLUGIN: PluginType;
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own<P> {
    version: u32,
    plugin: String,
    session_id: Option<String>,
    progress: P,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

/// A cookie, opened.
pub struct Cookie<P> {
    public: Map<String, Value>,
    session_id: Option<String>,
    is_new: bool,
    /// How far this session has come.
    pub progress: P,
}

impl<P: Progress> Cookie<P> {
    /// Opens the cookie that came in; an empty one is the beginning of a session.
    ///
    /// # Errors
    /// [`CookieError`] for a cookie that this program did not make for this plugin and session.
    pub fn open(mut members: Map<String, Value>, session_id: Option<&str>) -> Result<Self, CookieError> {
        let session_id = session_id.map(str::to_owned);
        if members.is_empty() {
            return Ok(Self { public: members, session_id, is_new: true, progress: P::default() });
        }
        // shift_remove keeps the order of the rest, which the response must not change.
        let own = members.shift_remove(MEMBER).ok_or(CookieError::Foreign)?;
        let Ok(Object(VersionOnly { version })) = Object::deserialize(&own) else {
            return Err(CookieError::Damaged);
        };
        if version != VERSION {
            return Err(CookieError::Version);
        }
        let Object(own): Object<Own<Value>> =
            serde_json::from_value(own).map_err(|_| CookieError::Damaged)?;
        if PluginType::from_word(&own.plugin) != Some(P::PLUGIN) {
            return Err(CookieError::Plugin);
        }
        if own.session_id != session_id {
            return Err(CookieError::Session);
        }
        let Object(progress) = serde_json::from_value(own.progress).map_err(|_| CookieError::Damaged)?;
        Ok(Self { public: members, session_id, is_new: false, progress })
    }

    /// Returns a public member that is a text or null.
    ///
    /// # Errors
    /// [`CookieError::WrongType`].
    pub fn text(&self, member: Member) -> Result<Option<&str>, CookieError> {
        match self.public.get(member.word()) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(CookieError::WrongType(member.word())),
        }
    }

    /// Forgets everything, as if the session began with this hook.
    pub fn begin_anew(&mut self) {
        self.public = Map::new();
        self.is_new = true;
        self.progress = P::default();
    }

    /// Tells whether the session begins with this hook: no cookie came in.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Tells whether a public member is there, be it null.
    pub fn has(&self, member: Member) -> bool {
        self.public.contains_key(member.word())
    }

    /// Sets a public member to a text or null.
    pub fn set_text(&mut self, member: Member, text: Option<&str>) {
        self.public.insert(member.word().to_owned(), text.map_or(Value::Null, Value::from));
    }

    /// Returns a public member of any type.
    pub fn value(&self, member: Member) -> Option<&Value> {
        self.public.get(member.word())
    }

    /// Sets a public member of any type.
    pub fn set_value(&mut self, member: Member, value: Value) {
        self.public.insert(member.word().to_owned(), value);
    }

    /// Merges members from a service into the public ones. Reserved members are not changed.
    pub fn lay_over(&mut self, written: Map<String, Value>) {
        members::lay_over(&mut self.public, written);
    }

    /// Takes a public member out.
    pub fn remove(&mut self, member: Member) {
        // shift_remove keeps the order of the rest.
        self.public.shift_remove(member.word());
    }

    /// Closes the cookie for the way back; what is ours stands last.
    pub fn close(self) -> Map<String, Value> {
        let plugin = match P::PLUGIN {
            PluginType::Aa => PluginType::WORDS[0],
            PluginType::CredentialStore => PluginType::WORDS[1],
        };
        let own = Own {
            version: VERSION,
            plugin: plugin.to_owned(),
            session_id: self.session_id,
            progress: self.progress,
        };
        let mut members = self.public;
        // A progress is made of strings, numbers and lists, which always have a JSON form; if one ever had none,
        // the null would be refused as damaged at the next hook.
        members.insert(MEMBER.to_owned(), serde_json::to_value(own).unwrap_or(Value::Null));
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Step {
        step: u32,
    }

    impl Progress for Step {
        const PLUGIN: PluginType = PluginType::Aa;
    }

    fn open(text: &str) -> Result<Cookie<Step>, CookieError> {
        Cookie::open(serde_json::from_str(text).unwrap(), Some("s"))
    }

    #[test]
    fn a_cookie_comes_back_as_it_was_closed() {
        let mut cookie = open("{}").unwrap();
        cookie.progress.step = 3;
        cookie.set_text(Member::Username, Some("alice"));
        cookie.set_value(Member::State, serde_json::json!([1, {"a": 12_345_678_901_234_567_890_u64}]));
        let members = cookie.close();
        let again = Cookie::<Step>::open(members.clone(), Some("s")).unwrap();
        assert_eq!((again.text(Member::Username), again.progress.step), (Ok(Some("alice")), 3));
        assert_eq!(again.close(), members);
    }

    #[test]
    fn a_cookie_that_is_not_ours_is_refused() {
        let own = |version: u32, plugin: &str, session: &str, progress: &str| {
            open(&format!(
                r#"{{"{MEMBER}": {{"version": {version}, "plugin": "{plugin}", "session_id": "{session}", "progress": {progress}}}}}"#
            ))
            .err()
        };
        assert_eq!(open(r#"{"username": "alice"}"#).err(), Some(CookieError::Foreign));
        assert_eq!(own(2, "aa", "s", r#"{"step": 0}"#), Some(CookieError::Version));
        assert_eq!(own(1, "credentialstore", "s", r#"{"step": 0}"#), Some(CookieError::Plugin));
        assert_eq!(own(1, "aa", "other", r#"{"step": 0}"#), Some(CookieError::Session));
        assert_eq!(own(1, "aa", "s", r#"{"step": -1}"#), Some(CookieError::Damaged));
        assert_eq!(own(1, "aa", "s", r#"{"step": 0, "more": 1}"#), Some(CookieError::Damaged));
        assert_eq!(own(1, "aa", "s", r#"{"step": 0}"#), None);
        for damaged in ["1", "null", "[]", "{}", r#"{"version": "1"}"#, r#"{"version": 1}"#] {
            assert_eq!(
                open(&format!(r#"{{"{MEMBER}": {damaged}}}"#)).err(),
                Some(CookieError::Damaged),
                "{damaged}"
            );
        }
    }

    #[test]
    fn a_public_member_of_the_wrong_type_is_refused() {
        let mut cookie = open("{}").unwrap();
        cookie.set_value(Member::Username, serde_json::json!(["root"]));
        assert_eq!(cookie.text(Member::Username), Err(CookieError::WrongType("username")));
    }
}
