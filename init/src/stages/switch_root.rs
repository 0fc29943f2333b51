//! Stage `switch_root`: the system becomes `/`, and the initramfs gives its memory back.
//!
//! It always happens, also without a disk: pivot_root(2), which every launch needs, fails while `/`
//! is the initramfs (kernel-facts).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, chroot};

use crate::stage::chain;
use crate::stage::{Done, Fatal};

/// What is mounted in the initramfs and goes along.
const CARRIED: [&str; 4] = ["dev", "proc", "sys", "run"];

/// Moves the carried mounts into `new_root`, empties the initramfs, makes `new_root` the root.
///
/// # Errors
/// When a mount cannot be moved: the image lacks a mount point, or is not what the builder made.
pub fn run(new_root: &Path) -> Result<Done<()>, Fatal> {
    for name in CARRIED {
        let target = new_root.join(name);
        let source = Path::new("/").join(name);
        mount(
            Some(&source),
            &target,
            None::<&str>,
            MsFlags::MS_MOVE,
            None::<&str>,
        )
        .map_err(|errno| {
            Fatal(format!(
                "moving {} to {}: {errno:?}; build the image again with `orlop build`",
                source.display(),
                target.display()
            ))
        })?;
    }
    let mut degraded = Vec::new();
    empty_initramfs(Path::new("/"), &mut degraded);
    let step = |what: &str, result: nix::Result<()>| {
        result.map_err(|errno| Fatal(format!("{what} the system's root: {errno:?}")))
    };
    step("entering", chdir(new_root))?;
    step(
        "moving",
        mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>),
    )?;
    step("chroot into", chroot("."))?;
    step("entering", chdir("/"))?;
    // Private from here on: what a launch mounts in its own namespace never comes back here.
    step(
        "making private",
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        ),
    )?;
    Ok(Done {
        value: (),
        degraded,
    })
}

/// Deletes what is on the initramfs itself and never crosses into another file system.
fn empty_initramfs(root: &Path, degraded: &mut Vec<String>) {
    let Ok(device) = fs::metadata(root).map(|meta| meta.dev()) else {
        return;
    };
    delete_below(root, device, degraded);
}

fn delete_below(directory: &Path, device: u64, degraded: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.dev() != device {
            continue;
        }
        let removed = if meta.is_dir() {
            delete_below(&path, device, degraded);
            // A directory that is a mount point stays: it costs nothing.
            let _mount_point = fs::remove_dir(&path);
            Ok(())
        } else {
            fs::remove_file(&path)
        };
        if let Err(error) = removed {
            degraded.push(format!("deleting {}: {}", path.display(), chain(&error)));
        }
    }
}
