//! Named volumes: a directory on the state disk each, made at first use.
//!
//! The disk may be slow or stuck, so a forked child looks and makes.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::{VolumeName, VolumeSource};
use orlop_container::plan::ResolvedVolume;
use orlop_sys::credentials::CapabilitySet;
use orlop_sys::ext4;

use super::{Shared, Unit};
use crate::children;
use crate::stage::chain;
use crate::stages::load_config::CONFIG_ROOT;

/// Where volumes live.
pub(super) const VOLUMES: &str = "/state/volumes";
const DEADLINE: Duration = Duration::from_secs(20);
/// How long counting what is in a volume may take.
const COUNT: Duration = Duration::from_secs(300);
/// The multi-call binary.
const SERVICES: &CStr = c"/usr/lib/orlop/services";
/// CAP_SYS_ADMIN for limits; CAP_DAC_READ_SEARCH and CAP_FOWNER for what the services own.
const CAPABILITIES: CapabilitySet = 1 << 21 | 1 << 3 | 1 << 2;

/// Resolves the manifest's volumes to paths of the machine, and makes what is new.
///
/// A new volume takes owner and mode of the directory that it covers in the image, as Docker's do:
/// so a database finds its data directory its own.
///
/// # Errors
/// One fragment with the volume's name.
pub(super) async fn prepare(
    shared: &Shared,
    unit: &Unit,
    rootfs: &Path,
) -> Result<Vec<ResolvedVolume>, String> {
    let service = &unit.service;
    // On a tmpfs, which cannot be idmapped, the ids are the machine's (kernel-facts).
    let shift = if shared.storage.persistent {
        0
    } else {
        unit.id_base
    };
    let mut volumes = Vec::new();
    let mut new = Vec::new();
    for mount in &service.volumes {
        let (source, name) = match &mount.source {
            VolumeSource::Named(name) => {
                let path = Path::new(VOLUMES).join(name.as_str());
                new.push((path.clone(), below(rootfs, &mount.target)));
                (path, Some(name.to_string()))
            }
            VolumeSource::Folder(folder) => {
                let own = Path::new(CONFIG_ROOT)
                    .join("services")
                    .join(service.folder().as_str());
                (own.join(folder), None)
            }
        };
        volumes.push(ResolvedVolume {
            idmap: name.is_none() || shared.storage.persistent,
            name,
            source,
            target: mount.target.clone(),
            read_only: mount.read_only,
        });
    }
    if new.is_empty() {
        return Ok(volumes);
    }
    let quota = shared
        .storage
        .state
        .as_ref()
        .is_some_and(|state| state.has_quota);
    let unlimited = |path: &Path| quota && size_of(shared, path).is_none();
    let make = || make_all(&new, shift, unlimited);
    children::run(&shared.reaper, DEADLINE, &[], make)
        .await
        .map_err(|error| {
            let named = volumes.iter().filter_map(|volume| volume.name.as_ref());
            let names: Vec<String> = named.map(|name| format!("{name:?}")).collect();
            let said = chain(&error);
            let remedy = match said.as_str() {
                "ENOSPC" => " (the state disk is full)",
                "EROFS" => " (the state disk is read-only; see the kernel's messages)",
                _ => "",
            };
            format!("making volume {}: {said}{remedy}", names.join(", "))
        })?;
    for (path, _) in &new {
        if let Some(size) = size_of(shared, path) {
            limit(shared, path, size, quota).await;
        }
    }
    Ok(volumes)
}

/// `size` of a volume's `driver_opts`.
fn size_of(shared: &Shared, volume: &Path) -> Option<u64> {
    let sizes = &shared.machine.volume_sizes;
    let is_it = |name: &VolumeName| volume.ends_with(name.as_str());
    sizes
        .iter()
        .find(|(name, _)| is_it(name))
        .map(|(_, size)| *size)
}

/// Has the applet `state` give a volume its size: what is in it already has to be counted. A volume
/// without its size is better than a service without its volume, and it is said.
async fn limit(shared: &Shared, volume: &Path, size: u64, quota: bool) {
    let what = match quota {
        false => {
            "the state is kept on what has no quota: a disk of before sizes, or memory".to_owned()
        }
        true => {
            let path = CString::new(volume.as_os_str().as_bytes()).unwrap_or_default();
            let size = CString::new(size.to_string()).unwrap_or_default();
            let words = [SERVICES, c"state", c"quota", path.as_ref(), size.as_ref()];
            match children::exec(&shared.reaper, COUNT, &words, CAPABILITIES).await {
                Ok(()) => return,
                Err(error) => chain(&error),
            }
        }
    };
    shared.notices.add(
        "volume-size",
        format!(
            "{what}; the size in [volumes.{}] does not hold",
            shown(volume)
        ),
    );
}

fn shown(volume: &Path) -> String {
    volume
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn below(rootfs: &Path, target: &Path) -> PathBuf {
    rootfs.join(target.strip_prefix("/").unwrap_or(target))
}

fn make_all(
    new: &[(PathBuf, PathBuf)],
    shift: u32,
    unlimited: impl Fn(&Path) -> bool,
) -> Result<(), Errno> {
    let errno =
        |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32));
    for (path, covered) in new {
        make(path, covered, shift).map_err(errno)?;
        if unlimited(path) {
            // It may have had a size before.
            let volume = fs::File::open(path).map_err(errno)?;
            let project = ext4::project(volume.as_fd())?;
            if project != 0 {
                ext4::limit_project(volume.as_fd(), project, 0)?;
            }
        }
    }
    Ok(())
}

fn make(path: &Path, covered: &Path, shift: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    // Owner and mode first, under another name: a power cut in between leaves no volume that a
    // service cannot write to.
    // A volume's name never starts with a dot.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".new-{name}"));
    fs::create_dir_all(&beside)?;
    let (uid, gid, mode) = fs::symlink_metadata(covered)
        .map_or((0, 0, 0o755), |meta| (meta.uid(), meta.gid(), meta.mode()));
    chown(&beside, Some(shift + uid), Some(shift + gid))?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode & 0o7777))?;
    fs::rename(&beside, path)?;
    fs::File::open(path.parent().unwrap_or(path))?.sync_all()
}
