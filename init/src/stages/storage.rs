//! Stage `storage`: the system mounted read-only, the state read-write below it.
//!
//! mount(2) waits on the disk, so forked children do it.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use orlop_sys::loop_device::LoopDevice;

use super::devices::{Devices, SystemSource};
use super::slot::{self, Slot};
use crate::children;
use crate::machine::Notices;
use crate::reaper::Reaper;
use crate::stage::{Done, Fatal, chain};

/// Where the system is mounted until it becomes `/`.
pub const NEW_ROOT: &str = "/sysroot";
/// Whatever its superblock says (`errors=panic`, tune2fs(8)), a damaged state disk panics no kernel.
const STATE_OPTIONS: &str = "errors=remount-ro";
const DEADLINE: Duration = Duration::from_secs(30);

/// What the stage hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Whether `/state` outlives the power.
    pub persistent: bool,
    /// Where the system lies, when it is on a disk's slot.
    pub slot: Option<Slot>,
}

/// Mounts the system at [`NEW_ROOT`] and the state at its `/state`.
///
/// # Errors
/// When the system does not mount. Without a state disk the boot goes on with a tmpfs, and says so.
pub async fn run(
    reaper: &Reaper,
    devices: Devices,
    notices: &Notices,
) -> Result<Done<Storage>, Fatal> {
    let mut degraded = Vec::new();
    let _exists_already = fs::create_dir(NEW_ROOT);
    let slot = match devices.system {
        SystemSource::Disk(path) => {
            mount_system(reaper, path).await.map_err(not_ours)?;
            None
        }
        SystemSource::File(path) => {
            // The kernel detaches a loop device that nobody holds open.
            let device = attach_loop(&path)?;
            mount_system(reaper, device.path).await.map_err(not_ours)?;
            drop(device.device);
            None
        }
        SystemSource::Slot(slot, root) => {
            let mount = |device| mount_system(reaper, device);
            slot::open(reaper, &slot, &root, notices, mount).await?;
            Some(slot)
        }
    };
    let state = Path::new(NEW_ROOT).join("state");
    let persistent = match &devices.state {
        Ok(disk) => mount_state(reaper, disk, &state, &mut degraded).await,
        Err(why) => {
            degraded.push(format!("{why}: volumes and logs are lost at power-off"));
            false
        }
    };
    if !persistent {
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
        value: Storage { persistent, slot },
        degraded,
    })
}

/// # Errors
/// One fragment that names the device.
async fn mount_system(reaper: &Reaper, system: PathBuf) -> Result<(), String> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    let mounted = mount_in_child(reaper, &system, NEW_ROOT.as_ref(), "erofs", flags, None);
    mounted
        .await
        .map_err(|reason| format!("mounting the system {} (erofs): {reason}", system.display()))
}

fn not_ours(mut reason: String) -> Fatal {
    reason.push_str(
        "; the disk is not one that `orlop build` made, or it is damaged: build and flash it again",
    );
    Fatal(reason)
}

async fn mount_state(
    reaper: &Reaper,
    disk: &Path,
    target: &Path,
    degraded: &mut Vec<String>,
) -> bool {
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOATIME;
    match mount_in_child(reaper, disk, target, "ext4", flags, Some(STATE_OPTIONS)).await {
        Ok(()) => true,
        Err(reason) => {
            degraded.push(format!(
                "mounting the state disk {} (ext4): {reason}; volumes and logs are lost at power-off",
                disk.display()
            ));
            false
        }
    }
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
