//! The questions that `[question_1]`, `[question_2]`, … ask after a successful authentication.

use secrecy::ExposeSecret;
use serde_json::Value;

use super::progress::AaProgress;
use super::{Context, Fault, Stop};
use crate::config::ini::Ini;
use crate::config::settings::Opt;
use crate::members::{Member, SessionCookie};
use crate::protocol::cookie::Cookie;
use crate::protocol::invocation::Arguments;
use crate::terms::Question;

const PROMPT: Opt = Opt::new("question_<n>", "prompt", "");
const KEY: Opt = Opt::new("question_<n>", "key", "");
const DISABLE_ECHO: Opt = Opt::new("question_<n>", "disable_echo", "yes");
pub(super) const OPTIONS: &[Opt] = &[PROMPT, KEY, DISABLE_ECHO];

/// How many questions are counted.
const MOST: u32 = 1000;
/// The member of the session cookie that holds the answers, for the other plugins of the session.
const ANSWERS: Member = Member::Questions;

/// Goes through the questions from where it stopped; asks the first that has no answer.
pub(super) fn ask(
    context: &Context<'_>,
    arguments: &Arguments,
    cookie: &mut Cookie<AaProgress>,
    session_cookie: &mut SessionCookie,
) -> Result<(), Stop> {
    while let Some(question) = question(context, cookie.progress.questions_answered.saturating_add(1))? {
        let answers = session_cookie.object(ANSWERS).ok_or(Fault::SessionCookie(ANSWERS.word()))?;
        if !answers.contains_key(&question.key) {
            match arguments.key_value_pairs.get(&question.key) {
                Some(answer) => answers.insert(question.key, Value::from(answer.expose_secret())),
                None => return Err(Stop::Ask(question)),
            };
        }
        cookie.progress.questions_answered = cookie.progress.questions_answered.saturating_add(1);
    }
    Ok(())
}

/// Reads all questions, and counts them.
pub(super) fn count(context: &Context<'_>) -> Result<u32, Stop> {
    let mut count = 0_u32;
    while count < MOST && question(context, count.saturating_add(1))?.is_some() {
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// Lists the sections that look like questions and are none of the first so many.
pub(super) fn unasked(ini: &Ini, count: u32) -> Vec<&str> {
    let asked = |section: &str| (1..=count).any(|number| section == format!("question_{number}"));
    let is_left_out =
        |section: &&str| section.starts_with("question_") && ini.has_own_options(section) && !asked(section);
    ini.sections().filter(is_left_out).collect()
}

fn question(context: &Context<'_>, number: u32) -> Result<Option<Question>, Stop> {
    let section = format!("question_{number}");
    let Some(prompt) = context.settings.text(PROMPT.of(&section))? else { return Ok(None) };
    let Some(key) = context.settings.text(KEY.of(&section))? else { return Ok(None) };
    let disable_echo = context.settings.boolean(DISABLE_ECHO.of(&section))?;
    Ok(Some(Question { key, prompt: format!("{prompt} "), disable_echo }))
}
