//! The emergency console: where a boot that cannot go on ends, and a PID 1 that fell over.
//!
//! Never a kernel panic: PID 1 says the reason in one sentence, leaves the services as they are,
//! gives a shell where `access` allows one, and goes on reaping. Its busybox sits in a sealed memfd,
//! so that no disk and no initramfs is needed for it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::report::Report;

/// The shell's program, once it is in memory.
static BUSYBOX: OnceLock<OwnedFd> = OnceLock::new();
/// Whether a shell is allowed; `[access] console = "off"` clears it.
static SHELL_ALLOWED: AtomicBool = AtomicBool::new(true);

/// Copies the shell's program into a sealed memory file, while the initramfs still holds it.
///
/// # Errors
/// One sentence.
pub fn keep_shell() -> Result<(), String> {
    const PATH: &str = "/busybox";
    let failed = |error: &(dyn std::error::Error + 'static)| {
        format!(
            "keeping {PATH} for the emergency console: {}",
            crate::stage::chain(error)
        )
    };
    if BUSYBOX.get().is_none() {
        let file = File::open(PATH).map_err(|error| failed(&error))?;
        let copy = orlop_sys::memfd::sealed_copy(c"busybox", file.as_fd())
            .map_err(|errno| failed(&errno))?;
        let _another_was_first = BUSYBOX.set(copy);
    }
    Ok(())
}

/// Follows `[access] console`.
pub fn allow_shell(allowed: bool) {
    SHELL_ALLOWED.store(allowed, Ordering::Relaxed);
}

/// Catches what would end PID 1 otherwise: panics and fatal signals.
pub fn install_hooks() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info
            .location()
            .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let what = info.payload_as_str().unwrap_or("no message");
        enter(&format!("PID 1 panicked at {place}: {what}"));
    }));
    let _signals_that_cannot_be_caught =
        orlop_sys::fault::install(|signal| enter(&format!("PID 1 got {signal}")));
}

/// Tells also the programs that listen, then ends on the emergency console.
pub fn enter_with_report(report: &Report, reason: &str) -> ! {
    report.event(&json!({"event": "emergency", "reason": reason}));
    report.flush();
    enter(reason)
}

/// Says why, and stays.
pub fn enter(reason: &str) -> ! {
    let how = "services that run are left running; `reboot -f` or `poweroff -f` ends the machine";
    // An emergency that is earlier than the copy.
    let _said_below = keep_shell();
    let shell = if SHELL_ALLOWED.load(Ordering::Relaxed) {
        BUSYBOX.get()
    } else {
        None
    };
    let no_shell = if shell.is_some() {
        ""
    } else if SHELL_ALLOWED.load(Ordering::Relaxed) {
        " No shell: the initramfs holds no /busybox."
    } else {
        " No shell: [access] console is \"off\" in system.toml."
    };
    let text = format!("\r\n\x1b[1;31mEMERGENCY\x1b[0m {reason}\r\n{how}.{no_shell}\r\n\r\n");
    orlop_sys::kmsg::write(&format!("<2>orlop: emergency: {reason}\n"));
    orlop_sys::emergency::stay(text.as_bytes(), shell.map(AsFd::as_fd))
}
