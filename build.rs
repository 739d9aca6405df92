//! Links the unwinder of gcc statically into a release. As a library of its own, which is the default of Rust, it takes a
//! seventh of the time of a hook: it is opened, mapped and bound at every start, and asks the processor what it can do.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

/// The library of gcc, and its name for the linker.
const FILE: &str = "libgcc_eh.a";
const NAME: &str = "gcc_eh";

#[expect(clippy::disallowed_methods, reason = "cargo passes what it knows in the environment")]
fn said(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn main() -> io::Result<()> {
    let mut cargo = io::stdout().lock();
    writeln!(cargo, "cargo:rerun-if-changed=build.rs")?;
    // Another linker, such as zig for the package, brings its own; the fuzzers link C++, which needs the shared one.
    let is_other = said("TARGET") != said("HOST") || said("RUSTC_LINKER").is_some();
    if is_other || said("CARGO_CFG_FUZZING").is_some() || said("PROFILE").is_none_or(|name| name != "release")
    {
        return Ok(());
    }
    if let Some(folder) = folder() {
        writeln!(cargo, "cargo:rustc-link-search=native={}", folder.display())?;
        writeln!(cargo, "cargo:rustc-link-lib=static:-bundle={NAME}")?;
    }
    Ok(())
}

/// Asks the C compiler where the library is. Without one the shared library is used, as ever.
fn folder() -> Option<PathBuf> {
    let output = Command::new("cc").arg(format!("-print-file-name={FILE}")).output().ok()?;
    let file = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    if !file.is_absolute() || !file.is_file() {
        return None;
    }
    file.parent().map(PathBuf::from)
}
