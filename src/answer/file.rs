//! Opens a configuration file, which may be a pipe: `--config <(…)`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::clock::Clock;
use crate::ownership::{distrust, distrust_file};

/// How often it is looked whether somebody writes to a pipe, and how long it takes until the next time.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens it to be read to its end. Opening a named pipe would wait for a writer, who may never come. A user who may write
/// the configuration decides who gets in, so only this user and root may; a device such as `/dev/null` is not judged.
///
/// # Errors
/// What the system said; [`ErrorKind::TimedOut`] for a pipe that nobody writes to; [`ErrorKind::PermissionDenied`] with a
/// sentence for a file that others may change.
pub(super) fn open(path: &Path, clock: &dyn Clock) -> io::Result<impl Read + use<>> {
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let metadata = file.metadata()?;
    let file_type = metadata.file_type();
    // Only a regular file can be replaced by another one.
    let distrust = if file_type.is_file() {
        distrust_file(path, &metadata)
    } else if file_type.is_char_device() {
        None
    } else {
        distrust(&metadata).map(|distrust| distrust.to_string())
    };
    if let Some(distrust) = distrust {
        return Err(io::Error::new(ErrorKind::PermissionDenied, format!("it {distrust}")));
    }
    let first = if file_type.is_fifo() { first_byte(&mut file, clock)? } else { Vec::new() };
    if !file_type.is_file() {
        // From here on there is somebody to wait for.
        fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    }
    Ok(io::Cursor::new(first).chain(file))
}

/// Reads a byte from a pipe that has one, or none from one that somebody is writing to.
fn first_byte(pipe: &mut File, clock: &dyn Clock) -> io::Result<Vec<u8>> {
    for _ in 0..LOOKS {
        let mut byte = vec![0];
        match pipe.read(&mut byte) {
            // Nobody writes yet.
            Ok(0) => clock.sleep(PAUSE),
            Ok(_) => return Ok(byte),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::TimedOut, "nobody writes to this pipe"))
}
