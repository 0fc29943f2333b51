//! What a build is asked for and what it answers.

use std::path::PathBuf;

use crate::BuildInfo;
use crate::disk::DiskFormat;

/// What `orlop build` is asked for beside the machine's folder.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Resolve every package anew instead of honouring `orlop.lock`.
    pub update: bool,
    /// Leave services with errors out of the images and go on; their folders are still in the
    /// system, so that the machine says the same sentence. For tests.
    pub keep_going: bool,
    /// Where the static programs `init` and `services` are; else `ORLOP_RUNTIME`, else beside the
    /// tool's own target folder.
    pub runtime: Option<PathBuf>,
    /// Carry `system.erofs` inside the initramfs as well, for machines without a disk.
    pub initramfs_system: bool,
    /// Which disks to make of it.
    pub formats: Vec<DiskFormat>,
    /// Compress them.
    pub compress: bool,
    /// The cache folder; else `$XDG_CACHE_HOME/orlop`, else `~/.cache/orlop`.
    pub cache: Option<PathBuf>,
    /// No progress and no lines on stderr but warnings.
    pub quiet: bool,
}

/// What a build made, all below `<machine>/build/`.
#[derive(Debug, Clone)]
pub struct Built {
    /// Debian's kernel.
    pub vmlinuz: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The system image. Made also when the initramfs carries it.
    pub system: PathBuf,
    /// The disks that were asked for.
    pub disks: Vec<PathBuf>,
    /// The content of `build.json`.
    pub info: BuildInfo,
    /// Whether every output was there already and good.
    pub up_to_date: bool,
}
