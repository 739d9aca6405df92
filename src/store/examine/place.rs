//! The directories and the files in them: who owns them, who else may read or write them, and how much room is left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};

use super::super::directory::{Places, judge};
use super::super::{CONNECTIONS_FILE, STATE_FILE, key};
use crate::finding::{Finding, Grade};
use crate::logging::Chain;
use crate::ownership::{not_ours, uid};

/// Below this many bytes there is soon no room, and below the other one there is none.
const LITTLE: u64 = 64 * 1024 * 1024;
const NONE: u64 = 1024 * 1024;
/// What is asked of the files.
const FILES_QUESTION: &str = "files";
/// What the program's files begin with.
const FILES: [&str; 3] = [STATE_FILE, CONNECTIONS_FILE, key::FILE];
/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 1000;

/// Looks at the directory of what survives; tells whether it is there and can be looked into.
pub(super) fn persistent(places: &Places, findings: &mut Vec<Finding>) -> bool {
    const ABOUT: &str = "state directory";
    let Some(path) = places.persistent_path() else {
        let detail = "nowhere to keep state: set [state] directory or SCB_PLUGIN_STATE_DIRECTORY";
        findings.push(Finding::new(ABOUT, "", "rule", Grade::Error, detail));
        return false;
    };
    directory(ABOUT, &path, places.persistent_rule(), findings)
}

/// As [`persistent`], of what is lost with the connections.
pub(super) fn ephemeral(places: &Places, findings: &mut Vec<Finding>) -> bool {
    const ABOUT: &str = "directory of the connections";
    let Some(path) = places.ephemeral_path() else { return false };
    if let Some(parent) = places.ephemeral_parent() {
        // In a shared /tmp, whoever owns it could swap the child.
        if let Err(error) = judge(&parent)
            && parent.exists()
        {
            let detail = format!("{}; {}", Chain(&error), owner_mends());
            findings.push(Finding::new(ABOUT, &shown(&parent), "permissions", Grade::Error, &detail));
            return false;
        }
    }
    directory(ABOUT, &path, places.ephemeral_rule(), findings)
}

fn directory(about: &str, path: &Path, rule: &str, findings: &mut Vec<Finding>) -> bool {
    let place = shown(path);
    let mut note = |question, grade, detail: &str| {
        findings.push(Finding::new(about, &place, question, grade, detail));
    };
    note("rule", Grade::Ok, &format!("it is where {rule} says"));
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        let above = path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
        if may(above, Access::WRITE_OK | Access::EXEC_OK) {
            note("permissions", Grade::Ok, "not made yet; the first hook that keeps something makes it");
        } else {
            let detail = format!(
                "not made yet, and uid {} may not write to {}; make it for that user, with mode 700",
                uid(),
                shown(above)
            );
            note("permissions", Grade::Error, &detail);
        }
        room(above, &mut note);
        return false;
    }
    if let Err(error) = judge(path) {
        note("permissions", Grade::Error, &format!("{}; {}", Chain(&error), owner_mends()));
        return false;
    }
    if !may(path, Access::READ_OK | Access::EXEC_OK) {
        note("permissions", Grade::Error, &format!("uid {} may not look into it; chmod u+rx it", uid()));
        return false;
    }
    let mode = fs::metadata(path).map_or(0, |found| found.mode() & 0o7777);
    if may(path, Access::WRITE_OK) {
        let detail = format!("uid {} owns it and may write to it (mode {mode:04o})", uid());
        note("permissions", Grade::Ok, &detail);
    } else {
        let detail = format!(
            "uid {} may not write to it (mode {mode:04o}); chmod u+w it, or mount its file system for writing",
            uid()
        );
        note("permissions", Grade::Error, &detail);
    }
    files(path, &mut note);
    room(path, &mut note);
    true
}

/// Tells whether an error was already found with a file, or one beside it whose name goes on.
pub(super) fn is_told(file: &str, findings: &[Finding]) -> bool {
    findings.iter().any(|one| {
        one.question == FILES_QUESTION && one.grade == Grade::Error && one.detail.starts_with(file)
    })
}

/// Looks at the files of this program.
fn files(path: &Path, note: &mut impl FnMut(&'static str, Grade, &str)) {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return note(FILES_QUESTION, Grade::Error, &format!("cannot be listed: {error}")),
    };
    let mut names: Vec<_> = entries
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| FILES.iter().any(|known| name.starts_with(known)))
        .collect();
    names.sort_unstable();
    let mut is_well = true;
    for name in &names {
        let Ok(found) = fs::metadata(path.join(name)) else { continue };
        let mut wrong = |grade, detail: String| {
            is_well = false;
            note(FILES_QUESTION, grade, &detail);
        };
        let is_key = name.starts_with(key::FILE);
        if let Some(distrust) = not_ours(&found) {
            wrong(Grade::Error, format!("{name} {distrust}"));
        } else if found.mode() & 0o077 != 0 {
            let grade = if is_key { Grade::Error } else { Grade::Warning };
            wrong(grade, format!("{name} is readable by others; chmod 600 it"));
        }
        // A key is replaced by another file, never written.
        let (access, verb, letters) = if is_key {
            (Access::READ_OK, "read", "r")
        } else {
            (Access::READ_OK | Access::WRITE_OK, "read and write", "rw")
        };
        if found.uid() == uid() && is_denied(&path.join(name), access) {
            let mode = found.mode() & 0o7777;
            wrong(
                Grade::Error,
                format!("{name}: uid {} may not {verb} it (mode {mode:04o}); chmod u+{letters} it", uid()),
            );
        }
        let is_kept = name.starts_with(key::KEPT);
        if is_key && !is_kept && ![key::FILE, key::NEXT].contains(&name.as_str()) {
            wrong(
                Grade::Warning,
                format!(
                    "{name} was left over when a key was made or changed; delete it if no process of the plugin runs"
                ),
            );
        }
    }
    if is_well {
        note(
            FILES_QUESTION,
            Grade::Ok,
            &format!("{} of this program, each for its owner alone", names.len()),
        );
    }
}

fn room(path: &Path, note: &mut impl FnMut(&'static str, Grade, &str)) {
    const QUESTION: &str = "free space";
    let found = match rustix::fs::statvfs(path) {
        Ok(found) => found,
        Err(error) => return note(QUESTION, Grade::Warning, &format!("not known: {error}")),
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let mib = free / (1024 * 1024);
    if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
        note(QUESTION, Grade::Error, "the file system is mounted for reading only; mount it for writing");
    } else if free < NONE || (found.f_files > 0 && found.f_favail == 0) {
        note(
            QUESTION,
            Grade::Error,
            "the file system is full; nothing can be kept, and nobody gets in who needs it to be",
        );
    } else if free < LITTLE {
        note(QUESTION, Grade::Warning, &format!("{mib} MiB; make room before it is full"));
    } else {
        note(QUESTION, Grade::Ok, &format!("{mib} MiB"));
    }
}

fn may(path: &Path, access: Access) -> bool {
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

/// Tells whether modes forbid it; that a file system is read-only is said of the file system.
fn is_denied(path: &Path, access: Access) -> bool {
    let answer = rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS);
    answer.is_err_and(|error| error != rustix::io::Errno::ROFS)
}

fn owner_mends() -> String {
    format!(
        "the user that the plugin runs as has to own it, and nobody else may write to it; this runs as uid {}",
        uid()
    )
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
