//! The folder that a build writes: whole, or without `build.json`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::lock::Lock;
use crate::{BuildInfo, Built};

/// `<machine>/build/` and what is in it.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) folder: PathBuf,
}

impl Output {
    pub(super) fn of(machine: &Path) -> Self {
        Self {
            folder: machine.join("build"),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn built(&self, info: BuildInfo, up_to_date: bool) -> Built {
        Built {
            vmlinuz: self.path("vmlinuz"),
            initramfs: self.path("initramfs"),
            system: self.path("system.erofs"),
            disks: Vec::new(),
            info,
            up_to_date,
        }
    }

    /// What an earlier build left, if it was of the same inputs and is whole.
    pub(super) fn if_up_to_date(&self, digest: &str, lock: &Lock) -> Option<Built> {
        if *lock == Lock::default() {
            return None;
        }
        let info = BuildInfo::load(&self.folder).ok()?;
        let whole = ["vmlinuz", "initramfs", "system.erofs"]
            .iter()
            .all(|name| self.path(name).is_file());
        (whole && info.inputs_sha256 == digest).then(|| self.built(info, true))
    }

    /// Makes the folder, and waits until no other build writes to it; until the result is dropped.
    pub(super) fn lock(&self) -> Result<File> {
        let lock = || {
            fs::create_dir_all(&self.folder)?;
            let folder = File::open(&self.folder)?;
            folder.lock()?;
            Ok::<_, io::Error>(folder)
        };
        lock().with_context(|| format!("lock {}", self.folder.display()))
    }

    /// `build.json` is removed first and written last: with it, the rest is whole.
    pub(super) fn begin(&self) -> Result<()> {
        match fs::remove_file(self.path("build.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.path("build.json").display()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&self, mut info: BuildInfo, digest: String) -> Result<Built> {
        info.inputs_sha256 = digest;
        let text = serde_json::to_string_pretty(&info).context("write build.json")?;
        let path = self.path("build.json");
        fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))?;
        Ok(self.built(info, false))
    }
}
