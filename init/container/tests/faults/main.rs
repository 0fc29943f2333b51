//! Every system call of a launch made to fail in turn: the launcher's own, the holder's and the
//! container's up to execve. Whatever fails, nothing is left, and the sentence names the errno.
//!
//! Not the test harness's: the launches happen in this very program, which must have one thread.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stdout,
    reason = "a test program of its own prints its result"
)]

#[cfg(test)]
mod census;
#[cfg(test)]
#[path = "../launch/ground.rs"]
#[expect(dead_code, reason = "the other test program uses more of it")]
mod ground;
#[cfg(test)]
mod tracer;
#[cfg(test)]
mod victim;

use std::process::Command;

use nix::errno::Errno;
use nix::sys::wait::WaitStatus;

use ground::Ground;
use tracer::{ROLES, Role, Traced};

const VICTIM: &str = "ORLOP_TEST_VICTIM";

/// No system call of a launch answers this one by itself.
const FAULT: Errno = Errno::EUCLEAN;

fn main() {
    if let Some(which) = std::env::var_os(VICTIM) {
        return victim::run(which.to_str().unwrap());
    }
    let Some(ground) = ground::ground() else {
        return;
    };
    let mut bad = Vec::new();
    for (manifest, _) in victim::MANIFESTS {
        for role in ROLES {
            let count = fail_each(ground, manifest, role, &mut bad);
            println!("{manifest}: {role:?}: {count} system calls made to fail");
            assert!(count >= 8, "the launch makes more calls than that");
        }
    }
    for line in &bad {
        println!("{line}");
    }
    assert!(bad.is_empty(), "{} faults ended badly", bad.len());
    println!("test result: ok. 1 passed; 0 failed;");
}

fn fail_each(ground: &Ground, manifest: &str, role: Role, bad: &mut Vec<String>) -> usize {
    for nth in 1.. {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(VICTIM, manifest)
            .env("ORLOP_TEST_IMAGES", &ground.images);
        let traced = tracer::run(&mut command, role, nth, FAULT);
        let Some(number) = traced.failed else {
            return nth - 1;
        };
        if let Some(complaint) = judge(&traced, number) {
            bad.push(format!(
                "{manifest}: {role:?}: call {nth} (number {number}): {complaint}"
            ));
        }
    }
    unreachable!("a launch ends")
}

/// What is wrong with the end of a run, if anything is.
fn judge(traced: &Traced, number: i64) -> Option<String> {
    if !matches!(traced.end, WaitStatus::Exited(_, 0)) {
        return Some(format!("{:?}: {}", traced.end, traced.output));
    }
    let said = traced.output.lines().next().unwrap_or_default();
    let left: Vec<_> = traced.output.lines().skip(1).collect();
    if !left.is_empty() {
        return Some(format!("{said}: {}", left.join(", ")));
    }
    let named = said.contains("EUCLEAN");
    // A holder that cannot answer can only end.
    let silent = number == libc::SYS_sendmsg && said.ends_with("ended without an answer");
    // Restoring the launcher's own signal mask: the child exists by then, and is not given up for it.
    let tolerated = number == libc::SYS_rt_sigprocmask && said == "executed";
    (!named && !silent && !tolerated).then(|| format!("said {said:?}"))
}
