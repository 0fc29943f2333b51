//! PID 1: the boot stages in order, then the loop that keeps what runs as the manifests say.
//!
//! Start reading at [`boot::boot`]. Decisions are pure and elsewhere (`orlop-config`,
//! `orlop-supervisor`, the plans of `orlop-container`); here are the effects, on one thread.

pub mod boot;
pub mod boot_info;
pub mod children;
pub mod clock;
pub mod cmdline;
mod drivers;
pub mod emergency;
pub mod journal;
pub mod logs;
pub mod machine;
pub mod names;
pub mod needs;
pub mod network;
pub mod notify;
pub mod ports;
pub mod reaper;
pub mod report;
pub mod running;
pub mod shutdown;
pub mod signals;
pub mod stage;
pub mod stages;
pub mod task;
pub mod watchdog;
pub mod watched;

use std::process::ExitCode;

use crate::stage::chain;

/// The entry of `/init`. Returns only when it is not process 1.
#[must_use]
pub fn main() -> ExitCode {
    if std::process::id() != 1 {
        let text = "init: this is Orlop's PID 1; boot it with `orlop run`\n";
        let _nobody_reads = nix::unistd::write(std::io::stderr(), text.as_bytes());
        return ExitCode::FAILURE;
    }
    emergency::install_hooks();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, boot::boot())
        }
        Err(error) => emergency::enter(&format!("starting PID 1's loop: {}", chain(&error))),
    }
}
