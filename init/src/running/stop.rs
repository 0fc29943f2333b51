//! A stop signal that is heard.
//!
//! The main process is process 1 of its pid namespace: the kernel drops a signal that it has not
//! installed a handler for (pid_namespaces(7)). A program that is still starting would miss its stop
//! signal and be killed at the end of the grace period. So the signal waits until somebody listens.

use std::fs;
use std::rc::Rc;
use std::time::Duration;

use orlop_config::Signal;

use super::Unit;
use super::main_process::MainProcess;

/// Nothing tells when a handler is installed: it is looked for this often, until the process ends or
/// the supervisor kills it at the end of its grace period.
const LOOK: Duration = Duration::from_millis(50);

/// Sends the unit's stop signal once its main process catches, blocks or ignores it.
pub(super) async fn deliver(unit: Unit, main: Rc<MainProcess>, signal: Signal) {
    while unit.is_main(&main) {
        let status = fs::read_to_string(format!("/proc/{}/status", main.pid)).unwrap_or_default();
        if is_heard(&status, signal) {
            main.signal(signal);
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether a process with this /proc/<pid>/status (proc_pid_status(5)) does something with a
/// signal: it has a handler, blocks it for later, or ignores it on purpose.
fn is_heard(status: &str, signal: Signal) -> bool {
    let Some(bit) = u32::try_from(signal.number() - 1)
        .ok()
        .and_then(|shift| 1_u64.checked_shl(shift))
    else {
        return true;
    };
    // SIGKILL and SIGSTOP are never caught, and from the parent namespace never dropped.
    if matches!(signal.number(), 9 | 19) {
        return true;
    }
    status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| matches!(*key, "SigCgt" | "SigBlk" | "SigIgn"))
        .filter_map(|(_, mask)| u64::from_str_radix(mask.trim(), 16).ok())
        .any(|mask| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTING: &str = "Name:\tredis\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n";

    #[test]
    fn a_program_without_a_handler_is_not_told_yet() {
        assert!(!is_heard(STARTING, Signal::TERM));
        assert!(!is_heard("", Signal::TERM));
    }

    #[test]
    fn a_handler_a_mask_or_a_decision_is_enough() {
        for field in ["SigCgt", "SigBlk", "SigIgn"] {
            let from = format!("{field}:\t0000000000000000");
            let to = format!("{field}:\t0000000000004000");
            assert!(
                is_heard(&STARTING.replace(&from, &to), Signal::TERM),
                "{field}"
            );
        }
    }

    #[test]
    fn sigkill_needs_nobody_to_listen() {
        assert!(is_heard(STARTING, Signal::KILL));
    }
}
