//! Named volumes: a directory on the state disk each, made at first use.
//!
//! The disk may be slow or stuck, so a forked child looks and makes.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::VolumeSource;
use orlop_container::plan::ResolvedVolume;

use super::{Shared, Unit};
use crate::children;
use crate::stage::chain;
use crate::stages::load_config::CONFIG_ROOT;

/// Where volumes live.
pub(super) const VOLUMES: &str = "/state/volumes";
const DEADLINE: Duration = Duration::from_secs(20);

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
    children::run(&shared.reaper, DEADLINE, &[], || make_all(&new, shift))
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
    Ok(volumes)
}

fn below(rootfs: &Path, target: &Path) -> PathBuf {
    rootfs.join(target.strip_prefix("/").unwrap_or(target))
}

fn make_all(new: &[(PathBuf, PathBuf)], shift: u32) -> Result<(), Errno> {
    for (path, covered) in new {
        make(path, covered, shift)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))?;
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
