//! The end of the machine: every exit goes down this one path, and each step has a deadline.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::tcdrain;
use nix::unistd::{Pid, sync};
use orlop_supervisor::Shutdown;
use orlop_sys::power::{PowerAction, end_machine};

use crate::children;
use crate::emergency;
use crate::reaper::Reaper;
use crate::report::Report;
use crate::running::Shared;
use crate::stage::chain;
use crate::stages::identity::save_for_next_boot;

const DISK_DEADLINE: Duration = Duration::from_secs(10);
/// A person at the console wonders after this long what a shutdown waits for.
pub const PATIENCE: Duration = Duration::from_secs(2);
const CONSOLE_DEADLINE: Duration = Duration::from_secs(1);
const STATE: &str = "/state";

/// The word in messages and events: `poweroff`, `reboot`, `halt`.
#[must_use]
pub fn name(kind: Shutdown) -> &'static str {
    match kind {
        Shutdown::PowerOff => "poweroff",
        Shutdown::Reboot => "reboot",
        Shutdown::Halt => "halt",
    }
}

/// After the services: kills what is left, writes what the next boot wants to know, unmounts,
/// syncs, and asks the kernel (reboot(2)).
pub async fn finish(shared: &Shared, kind: Shutdown) -> ! {
    let (report, reaper) = (&shared.report, &shared.reaper);
    let watchdog = shared.watchdog.get().and_then(Option::as_ref);
    if let Some(watchdog) = watchdog {
        watchdog.begin_end();
    }
    // Orphans and children of PID 1 that no service owns. ESRCH: there are none.
    let _none_left = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while reaper.reap() {}
    release_state(report, reaper).await;
    report.line(match kind {
        Shutdown::PowerOff => "Powering off.",
        Shutdown::Reboot => "Rebooting.",
        Shutdown::Halt => "Halted: the machine may be switched off.",
    });
    report.flush();
    // The last lines are still on their way through the serial port.
    let _console_under_xoff =
        children::run(reaper, CONSOLE_DEADLINE, &[], || tcdrain(std::io::stdout())).await;
    let action = match kind {
        Shutdown::PowerOff => PowerAction::PowerOff,
        Shutdown::Reboot => PowerAction::Reboot,
        Shutdown::Halt => PowerAction::Halt,
    };
    if let Some(watchdog) = watchdog {
        watchdog.end(kind);
    }
    match end_machine(action) {
        Ok(never) => match never {},
        Err(errno) => {
            let reason = format!("asking the kernel to {}: {errno:?}", name(kind));
            emergency::enter_with_report(report, &reason)
        }
    }
}

async fn release_state(report: &Report, reaper: &Reaper) {
    let state = Path::new(STATE);
    type Work = fn() -> nix::Result<()>;
    let steps: [(&str, Work); 2] = [
        ("saving the clock and the seed", || {
            save_for_next_boot(Path::new(STATE))
        }),
        ("unmounting /state", || {
            // What cannot be unmounted is made read-only, which also writes everything out.
            umount2(STATE, MntFlags::empty()).or_else(|_busy| {
                sync();
                let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
                mount(None::<&str>, STATE, None::<&str>, flags, None::<&str>)
            })
        }),
    ];
    for (what, work) in steps {
        let done = children::run(reaper, DISK_DEADLINE, &[], work);
        if let Err(error) = say_if_slow(report, what, done).await {
            report.warn(&format!("{what} ({}): {}", state.display(), chain(&error)));
        }
    }
}

/// Says what a person waits for, and for how long at the most.
async fn say_if_slow<T>(report: &Report, what: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let mut waited = Duration::ZERO;
    loop {
        match tokio::time::timeout(PATIENCE, &mut work).await {
            Ok(done) => return done,
            Err(_) => {
                waited += PATIENCE;
                let (so_far, most) = (waited.as_secs(), DISK_DEADLINE.as_secs());
                report.line(&format!("Waiting for {what} ({so_far} s of {most} s)"));
            }
        }
    }
}
