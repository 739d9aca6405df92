//! The real binary as SPS runs it: an invocation on stdin, an environment of its own, a place of its own for state.

pub(crate) mod ldap;
pub(crate) mod pki;
pub(crate) mod radius;
pub(crate) mod service;
pub(crate) mod yubico;

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test: the one that was built beside the tests or, for many thousand processes, a faster one.
pub(crate) const PROGRAM: &str = match option_env!("SPS_PLUGIN_UNDER_TEST") {
    Some(program) => program,
    None => env!("CARGO_BIN_EXE_sps-plugin"),
};

/// After this time a process is killed and the test fails. No test depends on being faster.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for one test: the state directories lie in it, not yet made.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Makes a place with a copy of another one's tokens and authentications.
    pub(crate) fn copy_of(other: &Self) -> Self {
        let place = Self::new();
        place.set_state(other);
        place
    }

    /// Replaces the tokens and authentications by a copy of another place's.
    pub(crate) fn set_state(&self, other: &Self) {
        use std::os::unix::fs::DirBuilderExt as _;
        let (from, to) = (other.state(), self.state());
        if to.exists() {
            fs::remove_dir_all(&to).unwrap();
        }
        fs::DirBuilder::new().mode(0o700).create(&to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn ephemeral(&self) -> PathBuf {
        self.path("ephemeral")
    }

    /// Writes a file of mode 0600 and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// Makes the command: nothing of the test's environment but the state directories of this place.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("SCB_PLUGIN_STATE_DIRECTORY", self.state())
            .env("EPHEMERAL_PLUGIN_STATE_DIRECTORY", self.ephemeral())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the binary.
    pub(crate) fn run(&self, arguments: &[&str], stdin: impl Into<Vec<u8>>) -> Ended {
        let mut command = self.command(PROGRAM);
        command.args(arguments);
        run(command, stdin)
    }

    /// Answers one invocation.
    pub(crate) fn hook(&self, invocation: &Value) -> Ended {
        self.run(&[], invocation.to_string())
    }

    /// Answers one invocation with more in the environment.
    pub(crate) fn hook_with(&self, environment: &[(&str, &OsStr)], invocation: &Value) -> Ended {
        let mut command = self.command(PROGRAM);
        command.envs(environment.iter().copied());
        run(command, invocation.to_string())
    }

    /// Lists the files of this place.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(self.folder.path(), &mut found);
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A process that has ended.
pub(crate) struct Ended {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    /// `None` where a signal ended it.
    pub(crate) status: Option<i32>,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, status) = (String::from_utf8_lossy(&self.stdout), self.status);
        write!(f, "status {status:?}, stdout {stdout:?}, stderr:\n{}", self.stderr)
    }
}

impl Ended {
    /// Returns the response: exactly one JSON value and one newline, and nothing else.
    pub(crate) fn response(&self) -> Value {
        let text = std::str::from_utf8(&self.stdout).unwrap();
        let line = text.strip_suffix('\n').unwrap_or_else(|| panic!("no newline at the end: {self:?}"));
        assert!(!line.contains('\n'), "more than one line: {self:?}");
        assert_eq!(line.trim(), line, "blanks around the response: {self:?}");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn verdict(&self) -> String {
        self.response()["verdict"].as_str().unwrap_or_default().to_owned()
    }

    /// Asserts a denial with the sentence that the user sees, and the exit status.
    pub(crate) fn assert_denied(&self, reason: &str, status: i32) {
        let response = self.response();
        assert_eq!(response["verdict"], "DENY", "{self:?}");
        assert_eq!(response["reason"], reason, "{self:?}");
        assert_eq!(self.status, Some(status), "{self:?}");
    }

    /// Asserts that the log has a line with all of these pieces.
    pub(crate) fn assert_logged(&self, pieces: &[&str]) {
        let found = self.stderr.lines().any(|line| pieces.iter().all(|piece| line.contains(piece)));
        assert!(found, "no line with {pieces:?} in {}", self.stderr);
    }
}

/// Runs a command with this stdin to its end.
pub(crate) fn run(mut command: Command, stdin: impl Into<Vec<u8>>) -> Ended {
    Running::of(command.spawn().unwrap(), stdin.into()).end()
}

/// A process at work; its pipes are served in the background.
pub(crate) struct Running {
    pub(crate) pid: u32,
    ended: mpsc::Receiver<Ended>,
}

impl Running {
    pub(crate) fn of(mut child: Child, stdin: Vec<u8>) -> Self {
        let pid = child.id();
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            if let Some(mut pipe) = child.stdin.take() {
                // A program may end without reading all, which is its right.
                thread::spawn(move || drop(pipe.write_all(&stdin)));
            }
            let stderr = child.stderr.take().map(|pipe| thread::spawn(move || all_of(pipe)));
            let stdout = child.stdout.take().map(all_of).unwrap_or_default();
            let stderr = stderr.map(|thread| thread.join().unwrap()).unwrap_or_default();
            let status = child.wait().unwrap().code();
            let stderr = String::from_utf8(stderr).unwrap();
            // Nobody listens any more where the test has failed already.
            let _ = done.send(Ended { stdout, stderr, status });
        });
        Self { pid, ended }
    }

    /// Waits for the end; kills the process and fails after [`PATIENCE`].
    pub(crate) fn end(self) -> Ended {
        self.ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("process {} did not end within {PATIENCE:?}", self.pid)
        })
    }
}

fn all_of(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Tells the terminal, past the capture of the test runner, that something was not tested.
pub(crate) fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// Makes an `authenticate` invocation of alice's for a configuration; `more` is laid over its arguments.
pub(crate) fn authenticate(configuration: &str, more: Value) -> Value {
    aa("authenticate", configuration, more)
}

/// Makes an `authorize` invocation as [`authenticate`] does.
pub(crate) fn authorize(configuration: &str, more: Value) -> Value {
    aa("authorize", configuration, more)
}

fn aa(hook: &str, configuration: &str, more: Value) -> Value {
    let arguments = serde_json::json!({
        "cookie": {}, "session_cookie": {}, "session_id": "svc/abc:1", "protocol": "ssh",
        "connection_name": "ssh_to_db", "client_ip": "10.1.2.3", "client_port": 50444,
        "gateway_user": "alice", "key_value_pairs": {},
    });
    let arguments = laid_over(arguments, more);
    serde_json::json!({"hook": hook, "type": "aa", "arguments": arguments, "configuration": configuration})
}

/// Makes an invocation of a credential store hook, with the appliance's store `local`.
pub(crate) fn credential_hook(hook: &str, configuration: &str, more: Value) -> Value {
    let arguments = serde_json::json!({
        "cookie": {}, "session_cookie": {}, "session_id": "svc/abc:1", "protocol": "ssh",
        "server_username": "root", "server_hostname": "db1", "server_ip": "10.0.0.5", "asset": "db1",
    });
    let local = serde_json::json!([{"host": "db1", "user": "root", "credentials":
        ["pw1", {"type": "ssh-ed25519", "key": "key1"}]}]);
    serde_json::json!({"hook": hook, "type": "credentialstore", "configuration": configuration,
        "arguments": laid_over(arguments, more), "appliance": {"credential_stores": {"local": local}}})
}

/// Lays the members of one object over another's.
pub(crate) fn laid_over(mut base: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (base.as_object_mut(), more) {
        members.extend(more);
    }
    base
}

/// Lists the source files of the program, in order.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.sort();
    found
}
