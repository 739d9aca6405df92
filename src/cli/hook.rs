//! `sps-plugin` and `sps-plugin hook [NAME]`: one invocation in, one response out.

use std::io::Read;

use zeroize::Zeroizing;

use super::HookOptions;
use super::session::ChosenClock;
use crate::answer::{self, Answer, Given, World};
use crate::logging::Log;
use crate::protocol::invocation::{Hook, Invocation, InvocationError, MAX_INVOCATION, Unusable};
use crate::protocol::response::{Cookies, Fault, Response};
use crate::{Edge, Outcome};

/// Answers the hook on stdin.
pub(super) fn run(edge: Edge<'_>, named: Option<Hook>, options: HookOptions, explain: bool) -> Outcome {
    let log = Log::new(edge.stderr);
    if explain {
        log.set_explaining();
    }
    let clock = ChosenClock::new(options.clock, edge.clock, &log);
    let read = read_bounded(edge.stdin).map_err(|error| Unusable::of_command(error, named));
    let world = World {
        environment: edge.environment,
        clock: &clock,
        executable_folder: edge.executable_folder,
        log: &log,
    };
    let given = Given { config: options.config, plugin_type: options.plugin_type };
    let (response, status) = respond(read.and_then(|bytes| Invocation::read(&bytes, named)), &given, &world);
    Outcome { stdout: response.to_line(), status }
}

/// Answers what was read; what is no invocation gets the closed response.
pub(super) fn respond(read: Result<Invocation, Unusable>, given: &Given, world: &World<'_>) -> Answer {
    match read {
        Ok(invocation) => answer::answer(&invocation, given, world),
        Err(Unusable { error, hook, cookies }) => {
            world.log.error(format_args!("{error}"));
            (Response::closed(hook, Fault::Invocation, *cookies), 2)
        }
    }
}

/// Answers a command line that makes no sense: the caller may be SPS, which needs a response.
pub(super) fn refuse(mut edge: Edge<'_>, message: &str) -> Outcome {
    // People read this as it is, over several lines; it holds nothing but the command line.
    let _ = edge.stderr.write_all(message.as_bytes());
    let response = Response::closed(None, Fault::Invocation, Cookies::default());
    Outcome { stdout: response.to_line(), status: 2 }
}

/// Reads stdin up to the limit. Buffers that were outgrown are wiped, because they hold what the user typed.
fn read_bounded(stdin: &mut dyn Read) -> Result<Zeroizing<Vec<u8>>, InvocationError> {
    // Every byte of it is cleared and wiped, used or not; an ordinary invocation has a few hundred.
    const FIRST: usize = 4 * 1024;
    let mut filled = 0_usize;
    let mut buffer = Zeroizing::new(vec![0_u8; FIRST]);
    loop {
        let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) else {
            if filled > MAX_INVOCATION {
                return Err(InvocationError::TooLong);
            }
            let mut larger = Zeroizing::new(vec![0_u8; buffer.len().saturating_mul(2)]);
            larger.iter_mut().zip(buffer.iter()).for_each(|(to, from)| *to = *from);
            buffer = larger;
            continue;
        };
        match stdin.read(free) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(InvocationError::Unreadable),
        }
    }
    if filled > MAX_INVOCATION {
        return Err(InvocationError::TooLong);
    }
    buffer.truncate(filled);
    Ok(buffer)
}
