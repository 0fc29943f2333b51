//! The kernel's log as a sink (Documentation/ABI/testing/dev-kmsg).

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

/// Writes one record, such as `<4>orlop: module loop: ENOENT\n`; a machine without /dev/kmsg says
/// nothing. The kernel's ring never blocks a writer.
pub fn write(record: &str) {
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open("/dev/kmsg");
    if let Ok(mut kmsg) = opened {
        // Nothing can be said about a log that does not take a record.
        let _lost = kmsg.write_all(record.as_bytes());
    }
}
