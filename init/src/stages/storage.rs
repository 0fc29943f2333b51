//! Stage `storage`: the system mounted read-only, the state read-write below it.
//!
//! mount(2) waits on the disk, so forked children do it.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use orlop_sys::loop_device::LoopDevice;

use super::devices::{Devices, SystemSource};
use super::slot::{self, Slot};
use super::state_disk::{self, Mounted};
use crate::boot_info::BootInfo;
use crate::children;
use crate::machine::Notices;
use crate::reaper::Reaper;
use crate::report::Report;
use crate::stage::{Done, Fatal, chain};

/// Where the system is mounted until it becomes `/`.
pub const NEW_ROOT: &str = "/sysroot";
const DEADLINE: Duration = Duration::from_secs(30);

/// What the stage hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Whether `/state` outlives the power.
    pub persistent: bool,
    /// The state disk, when there is one.
    pub state: Option<Mounted>,
    /// Where the system lies, when it is on a disk's slot.
    pub slot: Option<Slot>,
}

/// Mounts the system at [`NEW_ROOT`] and the state at its `/state`.
///
/// # Errors
/// When the system does not mount. Without a state disk the boot goes on with a tmpfs, and says so.
pub async fn run(
    report: &Report,
    reaper: &Reaper,
    info: &BootInfo,
    devices: Devices,
    notices: &Notices,
) -> Result<Done<Storage>, Fatal> {
    let mut degraded = Vec::new();
    let _exists_already = fs::create_dir(NEW_ROOT);
    // The kernel detaches a loop device that nobody holds open: it is held until it is mounted.
    let (system, held, opened) = match devices.system {
        SystemSource::Disk(path) => (path, None, None),
        SystemSource::File(path) => {
            let device = attach_loop(&path)?;
            (device.path, Some(device.device), None)
        }
        SystemSource::Slot(slot, root) => {
            let opened = slot::open(reaper, slot, &root).await?;
            (opened.device(), None, Some(opened))
        }
    };
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    let mounted = mount_in_child(reaper, &system, NEW_ROOT.as_ref(), "erofs", flags, None).await;
    if let Err(reason) = mounted {
        let reason = format!("mounting the system {} (erofs): {reason}", system.display());
        return Err(match opened {
            Some(opened) => opened.failed(reason),
            None => Fatal(format!(
                "{reason}; the disk is not one that `orlop build` made, or it is damaged: build and flash it again"
            )),
        });
    }
    drop(held);
    let slot = opened.map(|opened| opened.listen(notices));
    let state = Path::new(NEW_ROOT).join("state");
    let mounted = match &devices.state {
        Ok(disk) => {
            let quota = &info.modules.quota;
            let mounted = state_disk::mount(report, reaper, quota, disk, &state, &mut degraded);
            mounted.await.or_else(|| {
                // Why it cannot be had was said last.
                if let Some(why) = degraded.last_mut() {
                    why.push_str("; volumes and logs are lost at power-off");
                }
                None
            })
        }
        Err(why) => {
            degraded.push(format!("{why}: volumes and logs are lost at power-off"));
            None
        }
    };
    if mounted.is_none() {
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(
            Some("tmpfs"),
            &state,
            Some("tmpfs"),
            flags,
            Some("mode=0755"),
        )
        .map_err(|errno| Fatal(format!("mounting a tmpfs on /state: {errno:?}")))?;
    }
    Ok(Done {
        value: Storage {
            persistent: mounted.is_some(),
            state: mounted,
            slot,
        },
        degraded,
    })
}

async fn mount_in_child(
    reaper: &Reaper,
    source: &Path,
    target: &Path,
    fstype: &'static str,
    flags: MsFlags,
    options: Option<&'static str>,
) -> Result<(), String> {
    children::run(reaper, DEADLINE, &[], || {
        mount(Some(source), target, Some(fstype), flags, options)
    })
    .await
    .map_err(|error| chain(&error))
}

fn attach_loop(path: &Path) -> Result<LoopDevice, Fatal> {
    let attach = || -> Result<LoopDevice, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        orlop_sys::loop_device::attach(file.as_fd(), true).map_err(|error| chain(&error))
    };
    attach().map_err(|reason| {
        Fatal(format!(
            "attaching {} to a loop device: {reason}; is the module \"loop\" in batch \"boot\" of /boot.json?",
            path.display()
        ))
    })
}
