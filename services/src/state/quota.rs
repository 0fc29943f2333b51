//! A volume's size: its directory is a project of its own, and the project has a limit (ext4 project
//! quotas). The kernel answers EDQUOT to who writes beyond it; from within a user namespace neither
//! the project nor the limit can be changed.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, OpenHow, ResolveFlag, openat2};
use orlop_sys::ext4;

/// What kept a volume from having its size.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// A directory or file of a volume.
    #[error("open {}", path.display())]
    Open {
        /// It.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// FS_IOC_FSSETXATTR.
    #[error("count {} for its volume", path.display())]
    Project {
        /// It.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// quotactl_fd(2).
    #[error("limit {}", path.display())]
    Limit {
        /// The volume.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// Gives the volume in `directory` this size, in bytes; 0 takes the limit away.
pub(super) fn run(directory: &Path, bytes: u64) -> Result<(), QuotaError> {
    let volume = open(directory)?;
    let volumes = open(directory.parent().unwrap_or(directory))?;
    let locked = Flock::lock(volumes, FlockArg::LockExclusive);
    let volumes = locked.map_err(|(_, source)| QuotaError::Project {
        path: directory.to_owned(),
        source,
    })?;
    let known = project(directory, &volume)?;
    let number = match known {
        0 => next(directory, directory.parent().unwrap_or(directory))?,
        known => known,
    };
    if known == 0 {
        // The directory last: one that is cut off begins anew.
        count_below(directory, number)?;
        set(directory, &volume, number, true)?;
    }
    let limited = ext4::limit_project(volume.as_fd(), number, bytes);
    drop(volumes);
    limited.map_err(|source| QuotaError::Limit {
        path: directory.to_owned(),
        source,
    })
}

/// Through no symbolic link: a service that runs may have made one meanwhile.
fn open(path: &Path) -> Result<File, QuotaError> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let opened = openat2(AT_FDCWD, path, how).map(File::from);
    opened.map_err(|errno| QuotaError::Open {
        path: path.to_owned(),
        source: errno.into(),
    })
}

fn project(path: &Path, file: &File) -> Result<u32, QuotaError> {
    ext4::project(file.as_fd()).map_err(|source| QuotaError::Project {
        path: path.to_owned(),
        source,
    })
}

fn set(path: &Path, file: &File, number: u32, is_directory: bool) -> Result<(), QuotaError> {
    let set = ext4::set_project(file.as_fd(), number, is_directory);
    set.map_err(|source| QuotaError::Project {
        path: path.to_owned(),
        source,
    })
}

/// A number that no other volume has. One that was begun and cut off may have files of it.
fn next(own: &Path, volumes: &Path) -> Result<u32, QuotaError> {
    let mut highest = 0;
    for path in entries(volumes)? {
        if path != own && path.is_dir() {
            highest = highest.max(project(&path, &open(&path)?)?);
        }
    }
    Ok(highest + 1)
}

/// What is in the volume already. Neither links nor other kinds than files and directories are
/// opened: they have no blocks to speak of.
fn count_below(directory: &Path, number: u32) -> Result<(), QuotaError> {
    let mut waiting = entries(directory)?;
    while let Some(path) = waiting.pop() {
        let Ok(kind) = fs::symlink_metadata(&path).map(|found| found.file_type()) else {
            continue;
        };
        if kind.is_dir() {
            waiting.extend(entries(&path)?);
        }
        if kind.is_dir() || kind.is_file() {
            set(&path, &open(&path)?, number, kind.is_dir())?;
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, QuotaError> {
    let list = fs::read_dir(directory).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    });
    list.map_err(|source| QuotaError::Open {
        path: directory.to_owned(),
        source,
    })
}
