//! Stage `kernel_modules`, and every later batch: modules in the order that the builder resolved.
//!
//! finit_module(2) resolves no dependencies and takes up to a second a batch, so a forked child
//! loads them one by one. Only what the next step needs is loaded before it.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use orlop_control::SpanKind;

use crate::boot_info::{BootInfo, load_boot_info};
use crate::children;
use crate::clock::boottime;
use crate::reaper::Reaper;
use crate::report::Report;
use crate::stage::{Done, Fatal, chain};

/// Where a batch's files are before and after `switch_root`.
pub const INITRAMFS_MODULES: &str = "/modules";
/// Where the other batches' files are.
pub const SYSTEM_MODULES: &str = "/lib/modules";

const DEADLINE: Duration = Duration::from_secs(60);

/// Reads `/boot.json` and loads the batch `boot`.
///
/// # Errors
/// When the image has no `/boot.json`. A module that does not load is said; whether the boot can go
/// on without it shows when the system is looked for.
pub async fn run(report: &Report, reaper: &Reaper) -> Result<Done<BootInfo>, Fatal> {
    let info = load_boot_info(Path::new("/boot.json")).map_err(|error| {
        Fatal(format!(
            "{}; build the image again with `orlop build`",
            chain(&error)
        ))
    })?;
    let modules = Path::new(INITRAMFS_MODULES);
    let degraded = load_batch(report, reaper, modules, "boot", &info.modules.boot)
        .await
        .err()
        .into_iter()
        .collect();
    Ok(Done {
        value: info,
        degraded,
    })
}

/// Loads `names`, which are that batch, in order from `directory`, and notes when.
///
/// # Errors
/// One sentence that names the first module that did not load; the rest was tried all the same.
pub async fn load_batch(
    report: &Report,
    reaper: &Reaper,
    directory: &Path,
    batch: &str,
    names: &[String],
) -> Result<(), String> {
    if names.is_empty() {
        return Ok(());
    }
    let paths: Vec<PathBuf> = names
        .iter()
        .map(|name| directory.join(format!("{name}.ko")))
        .collect();
    let begin = boottime();
    // A faster SHA-256 is none on a processor without the instructions for it; the kernel has its own.
    let pass_over = (batch == "disk").then_some(Errno::ENODEV);
    let loaded = children::run(reaper, DEADLINE, &[], || load_all(&paths, pass_over)).await;
    report.span(SpanKind::Modules, batch, begin);
    loaded.map_err(|error| format!("loading modules {}: {}", names.join(" "), chain(&error)))
}

/// In the child: every module, then the first error that was not "there already".
fn load_all(paths: &[PathBuf], pass_over: Option<Errno>) -> Result<(), Errno> {
    let mut first = Ok(());
    for path in paths {
        let loaded = File::open(path)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))
            .and_then(|file| orlop_sys::module::load(file.as_fd(), c""));
        match loaded {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) if Some(errno) == pass_over => {}
            Err(errno) => {
                // The kernel's log has the details; this names the module.
                orlop_sys::kmsg::write(&format!(
                    "<4>orlop: module {}: {errno:?}\n",
                    path.display()
                ));
                first = first.and(Err(errno));
            }
        }
    }
    first
}
