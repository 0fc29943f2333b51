//! Faults of PID 1 itself: SIGSEGV, SIGILL, SIGBUS, SIGFPE and SIGABRT by raw sigaction(2), on a
//! stack of their own (signal-hook refuses these signals).

use std::ffi::{c_int, c_void};
use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

static ON_FAULT: OnceLock<fn(&str) -> !> = OnceLock::new();
static IN_FAULT: AtomicBool = AtomicBool::new(false);

const STACK: usize = 128 * 1024;
const SIGNALS: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGABRT, "SIGABRT"),
];

/// Calls `on_fault` with one sentence (`SIGSEGV at address 0x10`) when this process faults.
///
/// `on_fault` runs in a signal handler on a stack of 128 KiB, with the faulting signal unblocked:
/// it must not allocate or lock (the fault may have come from inside the allocator); before an
/// exec it calls [`crate::signals::reset`]. A second fault inside it stops the process forever,
/// since PID 1 must not exit. Called once; a second call changes nothing.
///
/// # Errors
/// The errno of sigaltstack(2) or sigaction(2).
pub fn install(on_fault: fn(&str) -> !) -> Result<(), Errno> {
    let _ = ON_FAULT.get_or_init(|| on_fault);
    let stack: &'static mut [u8] = Box::leak(vec![0; STACK].into_boxed_slice());
    let stack = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast::<c_void>(),
        ss_flags: 0,
        ss_size: STACK,
    };
    // SAFETY: the stack is writable, STACK bytes long and never freed.
    Errno::result(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) })?;
    // SAFETY: sigaction is plain old data; all bytes zero is a valid start.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction =
        (handle as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    for (signal, _) in SIGNALS {
        // SAFETY: `action` names a handler of the SA_SIGINFO signature that never unwinds.
        Errno::result(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
    }
    Ok(())
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    if IN_FAULT.swap(true, Ordering::SeqCst) {
        loop {
            nix::unistd::pause();
        }
    }
    let name = SIGNALS
        .iter()
        .find(|(number, _)| *number == signal)
        .map_or("a fault signal", |(_, name)| name);
    let mut sentence = Sentence {
        bytes: [0; 64],
        length: 0,
    };
    // A sentence of at most 64 bytes always fits; were it cut, the name is still there.
    let _ = match signal {
        libc::SIGABRT => write!(sentence, "{name}"),
        _ => {
            // SAFETY: the kernel passes a valid siginfo to an SA_SIGINFO handler.
            let info = unsafe { &*info };
            // SAFETY: these signals are faults, for which si_addr is the field that is set.
            let address = unsafe { info.si_addr() };
            write!(sentence, "{name} at address {:#x}", address.addr())
        }
    };
    if let Some(on_fault) = ON_FAULT.get() {
        on_fault(sentence.as_str());
    }
    crate::clone::exit_now(128);
}

/// Text on the stack: a signal handler must not allocate.
struct Sentence {
    bytes: [u8; 64],
    length: usize,
}

impl Sentence {
    fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or(&[]);
        std::str::from_utf8(written).unwrap_or("a fault signal")
    }
}

impl Write for Sentence {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let room = self
            .bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const KIND: &str = "ORLOP_TEST_FAULT";

    fn say_and_leave(sentence: &str) -> ! {
        let _ = crate::console::write_now(
            std::os::fd::AsFd::as_fd(&std::io::stdout()),
            sentence.as_bytes(),
        );
        crate::clone::exit_now(42)
    }

    /// Not a test of its own: the next one runs it in a fresh process.
    #[test]
    fn fault_here_when_told() {
        let Ok(kind) = std::env::var(KIND) else {
            return;
        };
        install(say_and_leave).unwrap();
        match kind.as_str() {
            "abort" => std::process::abort(),
            _ => {
                // SAFETY: none: the fault is what is tested, in a process made for it.
                unsafe { std::ptr::with_exposed_provenance_mut::<u8>(0x10).write_volatile(1) };
            }
        }
    }

    #[test]
    fn a_fault_calls_back_with_its_sentence() {
        for (kind, sentence) in [("abort", "SIGABRT"), ("write", "SIGSEGV at address 0x10")] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "fault::tests::fault_here_when_told",
                    "--nocapture",
                ])
                .env(KIND, kind)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(42), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.ends_with(sentence), "{text}");
        }
    }
}
