//! The boot, from the kernel's hand-over to the first service, top to bottom.
//!
//! Each stage takes the typed result of the ones before it, so the types force the order. A stage
//! ends well, degraded (said, and the boot goes on), or fatally (the emergency console).

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use orlop_config::ConsoleAccess;
use orlop_container::seccomp::Profile;
use serde_json::json;

use crate::boot_info::BootInfo;
use crate::clock::{boottime, seconds};
use crate::emergency;
use crate::machine::{self, Booted, Notices};
use crate::reaper::Reaper;
use crate::report::Report;
use crate::signals;
use crate::stage::chain;
use crate::stage::{Done, Fatal, Stage};
use crate::stages::storage::NEW_ROOT;
use crate::stages::{
    devices, early_mounts, identity, kernel_modules, load_config, storage, switch_root,
};

/// Boots, runs the machine until somebody ends it, ends it.
pub async fn boot() -> ! {
    let report = Report::new();
    let notices = Notices::new(&report);
    let handed_over = boottime();
    let mounted = early_mounts::run();
    open_console(&report);
    greet(&report);
    let early = ended(&report, Stage::EarlyMounts, handed_over, mounted);
    let reaper = start_reaper(&report);

    // The modules load in a child: PID 1 has time for what it needs later.
    let modules = stage(
        &report,
        Stage::KernelModules,
        kernel_modules::run(&report, &reaper),
    );
    let (info, ()) = tokio::join!(modules, prepare(&report));
    emergency::allow_shell(info.console != "off");
    require_memory(&report, &info);
    let find = devices::run(&report, &reaper, &info, &early.cmdline);
    let devices = stage(&report, Stage::Devices, find).await;
    let mount = storage::run(&report, &reaper, &info, devices, &notices);
    let storage = stage(&report, Stage::Storage, mount).await;
    let root = Path::new(NEW_ROOT);
    let switch = async { notices.explain(switch_root::run(root)).await };
    stage(&report, Stage::SwitchRoot, switch).await;

    let config_root = Path::new(load_config::CONFIG_ROOT);
    let images = Path::new(load_config::IMAGES_ROOT);
    let load = async { load_config::run(config_root, images) };
    let config = stage(&report, Stage::LoadConfig, load).await;
    // Both: a system.toml that cannot be read falls back to its defaults, which allow a shell.
    emergency::allow_shell(
        info.console != "off" && config.machine.access.console == ConsoleAccess::Shell,
    );
    if early.cmdline.emergency {
        emergency::enter_with_report(
            &report,
            "asked for by orlop.emergency on the kernel's command line",
        );
    }
    let identify = identity::run(&reaper, &config.machine, info.epoch, storage.persistent);
    let identity = stage(&report, Stage::Identity, identify).await;

    // From here on the loop owns everything; stage `network` runs in its background.
    machine::run(Booted {
        report,
        notices,
        reaper,
        info,
        storage,
        config,
        identity,
        handed_over,
    })
    .await
}

/// Runs one stage, says how long it took, and ends on the emergency console when it is fatal.
async fn stage<T>(
    report: &Report,
    stage: Stage,
    work: impl Future<Output = Result<Done<T>, Fatal>>,
) -> T {
    let started = boottime();
    let how = work.await;
    open_console(report);
    ended(report, stage, started, how)
}

/// Opens the console when it was not there before: that of a virtio port needs its driver first, and
/// its host. What was said before follows.
pub(crate) fn open_console(report: &Report) {
    if report.open_console() {
        // What the kernel opened serves as well.
        let _as_they_are = early_mounts::open_standard_streams();
    }
}

fn ended<T>(report: &Report, stage: Stage, started: Duration, how: Result<Done<T>, Fatal>) -> T {
    match how {
        Ok(done) => {
            report.stage(stage, boottime().saturating_sub(started), &done.degraded);
            done.value
        }
        Err(Fatal(reason)) => {
            emergency::enter_with_report(report, &format!("stage {stage}: {reason}"))
        }
    }
}

/// What no stage waits for, and some later one needs: the emergency shell, before the initramfs is
/// emptied; the filter that most services share.
async fn prepare(report: &Report) {
    if let Err(reason) = emergency::keep_shell() {
        report.warn(&reason);
    }
    let _kept_for_all = orlop_container::seccomp::program(&Profile::default());
}

fn greet(report: &Report) {
    report.line(&format!(
        "\x1b[1mOrlop {}\x1b[0m on Linux {}, {} s after power-on",
        env!("CARGO_PKG_VERSION"),
        kernel_release(),
        seconds(boottime())
    ));
}

/// As `uname -r` prints it.
pub(crate) fn kernel_release() -> String {
    nix::sys::utsname::uname()
        .map(|names| names.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The reaper runs from the first forked child on, beside the stages.
fn start_reaper(report: &Report) -> Reaper {
    let reaper = Reaper::new();
    match signals::child_ended() {
        Ok(mut ended) => {
            let reaper = reaper.clone();
            crate::task::spawn(async move {
                loop {
                    ended.recv().await;
                    while reaper.reap() {
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        Err(error) => {
            emergency::enter_with_report(report, &format!("catching SIGCHLD: {}", chain(&error)))
        }
    }
    reaper
}

/// Says in words what would otherwise end in the kernel's out-of-memory killer.
fn require_memory(report: &Report, info: &BootInfo) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let Some(total) = total_mib(&text) else {
        return;
    };
    // What the kernel keeps for itself is not in MemTotal: seen on Debian's 6.1 with 96 to 512 MiB.
    let given = total + 40 + total / 64;
    if given < info.min_memory_mib {
        let reason = format!(
            "the machine has about {given} MiB of memory and its services need at least {} MiB: give it more \
             (`orlop run --memory {}M`)",
            info.min_memory_mib, info.min_memory_mib
        );
        report.event(
            &json!({"event": "low-memory", "total_mib": given, "min_mib": info.min_memory_mib}),
        );
        report.warn(&reason);
    }
}

fn total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// How long after the hand-over to PID 1 something happened.
#[must_use]
pub fn since(handed_over: Duration) -> Duration {
    boottime().saturating_sub(handed_over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_mebibytes() {
        assert_eq!(
            total_mib("MemTotal:         498612 kB\nMemFree: 1 kB\n"),
            Some(486)
        );
        assert_eq!(total_mib(""), None);
    }
}
