//! The hooks of one session, from the gate to its end.

use serde_json::Value;
use zeroize::Zeroizing;

use super::dialogue::Dialogue;
use super::invocations::Session;
use super::options::Protocol;
use super::story::{Story, name};
use crate::answer::{Given, World};
use crate::cli::hook;
use crate::cli::input::Unread;
use crate::cli::session::HookClock;
use crate::protocol::invocation::{Hook, Invocation, PluginType};
use crate::protocol::response::{Response, Verdict};
use crate::terms::Question;

/// How often one hook may ask. A service that asks for ever is given up, as a person would.
const MAX_QUESTIONS: usize = 50;

/// A session that is being played.
pub(super) struct Play<'a> {
    pub(super) world: World<'a>,
    pub(super) session: Session,
    pub(super) story: Story<'a>,
    pub(super) dialogue: Dialogue<'a>,
    pub(super) protocol: Protocol,
    /// The AA plugin, if it is played.
    pub(super) aa: Option<Given>,
    /// The credential store plugin, if it is played.
    pub(super) credential_store: Option<Given>,
    /// The plugins that know of the session and have to be told of its end.
    pub(super) called: Vec<PluginType>,
    /// The worst that a hook ended with.
    pub(super) status: u8,
}

/// What is asked before the first hook.
pub(super) struct Begin {
    /// The keys of what the client says of its own accord, and what does not belong on a command line.
    pub(super) keys: Vec<String>,
    /// Whether the credential store plugin gets the gateway user's password.
    pub(super) gateway_password: bool,
}

fn hidden(key: &str, prompt: String) -> Question {
    Question { key: key.to_owned(), prompt, disable_echo: true }
}

/// Why a session does not go on.
enum Stop {
    Denied(Hook),
    GivenUp(String),
}

impl From<Unread> for Stop {
    fn from(unread: Unread) -> Self {
        Self::GivenUp(unread.to_string())
    }
}

impl Play<'_> {
    /// Plays the session to its end, and returns the exit status.
    pub(super) fn play(mut self, begin: &Begin) -> u8 {
        self.story.tell(&self.session.describe());
        let went = self.begin(begin).and_then(|()| self.enter()).and_then(|()| self.log_in());
        // Whatever happened, the plugins are told that it is over, so that nothing stays checked out or counted.
        for plugin in [PluginType::CredentialStore, PluginType::Aa] {
            if self.called.contains(&plugin) {
                self.call(plugin, Hook::SessionEnded);
            }
        }
        let (end, status) = match went {
            Ok(()) if self.status == 0 => ("the session was let in, and ended".to_owned(), 0),
            Ok(()) => ("the session was let in, and ended, but not everything worked".to_owned(), 1),
            Err(Stop::Denied(hook)) => (format!("the session was denied by {}, and ended", name(hook)), 1),
            Err(Stop::GivenUp(why)) => (format!("the session was given up, and ended: {why}"), 1),
        };
        self.story.tell(&end);
        self.status.max(status)
    }

    /// Asks for what is known before the first hook.
    fn begin(&mut self, begin: &Begin) -> Result<(), Stop> {
        for key in &begin.keys {
            let answer = self.ask(&hidden(key, format!("{key}: ")))?;
            self.session.say(key, answer);
        }
        if begin.gateway_password {
            let prompt = "The password of the gateway user: ".to_owned();
            let password = self.ask(&hidden("gateway_password", prompt))?;
            self.session.set_gateway_password(password);
        }
        Ok(())
    }

    /// Gets past the AA plugin.
    fn enter(&mut self) -> Result<(), Stop> {
        if self.aa.is_some() {
            self.pass(Hook::Authenticate)?;
            self.pass(Hook::Authorize)?;
        }
        Ok(())
    }

    /// Logs in to the server, with whatever the credential store plugin has.
    fn log_in(&mut self) -> Result<(), Stop> {
        if self.credential_store.is_none() {
            return Ok(());
        }
        // Only SSH has keys. They come first, so that it is the passwords that stay checked out: most stores have
        // nothing else.
        if self.protocol == Protocol::Ssh {
            self.go_on()?;
            self.call(PluginType::CredentialStore, Hook::GetPrivateKeyList);
        }
        for hook in [Hook::GetPasswordList, Hook::AuthenticationCompleted] {
            self.go_on()?;
            self.call(PluginType::CredentialStore, hook);
        }
        self.go_on()
    }

    /// Calls a hook that decides until it has decided.
    fn pass(&mut self, hook: Hook) -> Result<(), Stop> {
        for asked in 0..=MAX_QUESTIONS {
            self.go_on()?;
            // Only AA hooks have verdicts, and only a verdict lets anybody in.
            let Response::Verdict(verdict, _) = self.call(PluginType::Aa, hook) else {
                return Err(Stop::Denied(hook));
            };
            if verdict.lets_in() {
                if let Some(user) = verdict.gateway_user() {
                    self.session.authenticated(user);
                }
                return Ok(());
            }
            let Verdict::NeedInfo(question) = verdict else { return Err(Stop::Denied(hook)) };
            if asked == MAX_QUESTIONS {
                break;
            }
            let answer = self.ask(&question)?;
            self.session.say(&question.key, answer);
        }
        Err(Stop::GivenUp(format!("{} asked more than {MAX_QUESTIONS} questions", name(hook))))
    }

    fn ask(&mut self, question: &Question) -> Result<Zeroizing<String>, Stop> {
        self.go_on()?;
        Ok(self.dialogue.ask(question, &mut self.story)?)
    }

    /// Stops where nobody is there any more.
    fn go_on(&self) -> Result<(), Stop> {
        if self.dialogue.is_interrupted() {
            return Err(Unread::Interrupted.into());
        }
        if self.story.is_lost() {
            return Err(Stop::GivenUp("nobody reads what is told".to_owned()));
        }
        Ok(())
    }

    /// Calls a hook as SPS does, with a time budget of its own.
    fn call(&mut self, plugin: PluginType, hook: Hook) -> Response {
        let invocation = self.session.invocation(plugin, hook);
        self.story.invocation(&invocation);
        if !self.called.contains(&plugin) {
            self.called.push(plugin);
        }
        let nothing = Given::default();
        let given = match plugin {
            PluginType::Aa => &self.aa,
            PluginType::CredentialStore => &self.credential_store,
        };
        let clock = HookClock::new(self.world.clock);
        let world = World { clock: &clock, ..self.world };
        let bytes = Zeroizing::new(invocation.to_string());
        let read = Invocation::read(bytes.as_bytes(), None);
        let (response, status) = hook::respond(read, given.as_ref().unwrap_or(&nothing), &world);
        self.status = self.status.max(status);
        let line = response.to_line();
        self.session.keep(plugin, &line);
        let shown = serde_json::from_slice::<Value>(&line).unwrap_or_default();
        self.story.response(plugin, hook, &shown, status);
        response
    }
}
