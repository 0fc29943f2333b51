//! Disks that a machine boots from or keeps its state on (`docs/architecture.md`, "A disk").
//!
//! A disk is planned as a whole ([`Disk::plan`]), since the boot loader, the command line and the
//! partition table name what comes later on it, and then written once, front to back, into a sparse
//! file. Same inputs, same bytes.

pub mod bios;
pub mod esp;
mod ext4;
pub mod fat;
pub mod format;
pub mod gpt;
pub mod guid;
pub mod initramfs;
pub mod layout;
pub mod report;
pub mod sparse;
pub mod state_template;
pub mod uki;
pub mod verity;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::tree::{Kind, Tree};
use crate::{BuildInfo, cmdline};
use bios::Syslinux;
pub(crate) use ext4::{Purpose, format};
use fat::Volume;
pub use format::DiskFormat;
use guid::Guid;
use layout::{Content, Layout};
pub use report::DiskReport;
use sparse::SparseFile;
pub use state_template::StateTemplate;
use verity::HashTree;

/// What a disk is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What was built.
    pub info: &'a BuildInfo,
    /// The text of it.
    pub build_json: &'a str,
    /// `system.erofs`.
    pub system: &'a Path,
    /// The kernel.
    pub vmlinuz: &'a [u8],
    /// The disk's initramfs.
    pub initramfs: &'a [u8],
    /// systemd's stub.
    pub stub: &'a [u8],
    /// The BIOS's boot loader.
    pub syslinux: &'a Syslinux,
    /// The last partition.
    pub state: &'a StateTemplate,
}

/// A planned disk.
#[derive(Debug)]
pub struct Disk<'a> {
    parts: &'a Parts<'a>,
    /// Bytes of the system, in whole blocks.
    system: u64,
    verity: HashTree,
    layout: Layout,
    table: gpt::TableBytes,
    esp: Volume,
    boot_sector: [u8; 512],
    /// Each file of the ESP and its bytes.
    files: Vec<(String, u64)>,
}

impl<'a> Disk<'a> {
    /// Hashes the system and gives everything its place.
    ///
    /// # Errors
    /// When the system cannot be read, or a boot loader is not the one that is known here.
    pub fn plan(parts: &'a Parts<'a>) -> Result<Self> {
        let (system, verity) =
            hashed_system(parts).with_context(|| format!("hash {}", parts.system.display()))?;
        let cmdline = cmdline::on_disk(&parts.info.cmdline, &verity.root);
        let tree = esp::tree(&esp::Parts {
            stub: parts.stub,
            syslinux: parts.syslinux,
            machine: &parts.info.machine,
            kernel_release: &parts.info.kernel_release,
            vmlinuz: parts.vmlinuz,
            initramfs: parts.initramfs,
            cmdline: &cmdline,
            build_json: parts.build_json,
        })?;
        let files = files_of(&tree);
        let layout = Layout::plan(&Content {
            esp: files.iter().map(|(_, len)| len).sum(),
            system: system + verity.bytes.len() as u64,
            state: state_template::SIZE,
        });
        let content = digest(&tree, &verity.root);
        let id = Guid::derived("volume", &content).text_order();
        let id = id
            .iter()
            .take(4)
            .fold(0, |id, byte| id << 8 | u32::from(*byte));
        let mut esp = Volume::plan(&tree, layout.esp.len, layout.esp.start, id)
            .context("lay out the EFI system partition")?;
        let boot_sector = parts.syslinux.install(&mut esp)?;
        let table = gpt::Table {
            id: Guid::derived("disk", &content),
            disk: layout.disk,
            partitions: layout.partitions(&content, &verity.root),
        };
        Ok(Self {
            parts,
            system,
            verity,
            layout,
            table: table.to_bytes(&parts.syslinux.mbr),
            esp,
            boot_sector,
            files,
        })
    }

    /// Writes the raw disk; the file is there as a whole or not at all.
    ///
    /// # Errors
    /// When the workstation's disk is full, for example.
    pub fn write(&self, path: &Path) -> Result<()> {
        let part = Unfinished::of(path);
        let write = || -> io::Result<()> {
            let disk = SparseFile::create(&part.path, self.layout.disk)?;
            disk.write_at(&self.table.begin, 0)?;
            self.esp
                .write(&self.boot_sector, &disk, self.layout.esp.start)?;
            let slot = self.layout.slot_a.start;
            disk.copy_at(&mut File::open(self.parts.system)?, slot)?;
            disk.write_at(&self.verity.bytes, slot + self.system)?;
            self.parts
                .state
                .write(disk.file(), self.layout.state.start)?;
            let end = self.layout.disk - self.table.end.len() as u64;
            disk.write_at(&self.table.end, end)?;
            std::fs::rename(&part.path, path)
        };
        write().with_context(|| format!("write {}", path.display()))
    }

    /// The root hash, hexadecimal.
    #[must_use]
    pub fn root_hash(&self) -> String {
        hex::encode(self.verity.root)
    }

    /// What the disk's bytes are, and how many.
    #[must_use]
    pub fn report(&self, inputs_sha256: &str) -> DiskReport {
        let Layout {
            esp,
            slot_a,
            slot_b,
            state,
            disk,
        } = self.layout;
        let file = |name: &str| {
            let mut files = self.files.iter();
            files
                .find(|(other, _)| other == name)
                .map_or(0, |(_, len)| *len)
        };
        let kernel = self.parts.vmlinuz.len() as u64;
        let initramfs = self.parts.initramfs.len() as u64;
        let used = file(esp::UKI) + kernel + initramfs;
        let hashes = self.verity.bytes.len() as u64;
        let parts = [
            ("kernel, for UEFI", kernel),
            ("initramfs, for UEFI", initramfs),
            ("UEFI stub", file(esp::UKI) - kernel - initramfs),
            ("kernel, for a BIOS", kernel),
            ("initramfs, for a BIOS", initramfs),
            ("room on the EFI system partition", esp.len - used),
            ("system, slot A", self.system),
            ("its dm-verity hashes", hashes),
            ("room in slot A", slot_a.len - self.system - hashes),
            ("slot B, empty", slot_b.len),
            ("state", state.len),
            (
                "partition tables",
                disk - esp.len - slot_a.len - slot_b.len - state.len,
            ),
        ];
        DiskReport {
            inputs_sha256: inputs_sha256.to_owned(),
            root_hash: self.root_hash(),
            bytes: disk,
            parts: report::parts(&parts, disk),
            files: Vec::new(),
        }
    }
}

/// The system's bytes in whole blocks, and its hashes.
fn hashed_system(parts: &Parts<'_>) -> Result<(u64, HashTree)> {
    let file = File::open(parts.system)?;
    let len = file.metadata()?.len();
    // PID 1 finds the hashes by what the file system says of itself (`blocks` of `struct
    // erofs_super_block`, at byte 1024).
    let mut blocks = [0; 4];
    file.read_exact_at(&mut blocks, 1024 + 36)?;
    let blocks = u64::from(u32::from_le_bytes(blocks));
    let system = blocks * verity::BLOCK;
    ensure!(
        len <= system && blocks > 0,
        "{len} bytes, but its superblock says {blocks} blocks"
    );
    let mut hasher = Sha256::new_with_prefix(b"orlop verity salt");
    hasher.update(&parts.info.system_sha256);
    let salt = hasher.finalize().into();
    let mut padded = io::BufReader::with_capacity(1 << 20, file).chain(io::repeat(0));
    Ok((system, verity::hash_tree(&mut padded, blocks, &salt)?))
}

fn files_of(tree: &Tree) -> Vec<(String, u64)> {
    let files = tree.iter().filter_map(|(name, node)| match &node.kind {
        Kind::File(blob) => Some((name.to_owned(), blob.len())),
        _ => None,
    });
    files.collect()
}

/// Over all that is on the disk but the empty state: what its GUIDs follow from.
fn digest(esp: &Tree, root_hash: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(root_hash);
    for (name, node) in esp.iter() {
        if let Kind::File(blob) = &node.kind {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update(blob.sha256());
        }
    }
    hasher.finalize().into()
}

/// A file under a name of its own until it is whole, and gone when it does not come to that: disks
/// are large, and one of the reasons is that there is no room.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// Where it is meanwhile.
    pub(crate) path: PathBuf,
}

impl Unfinished {
    /// For the file at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        Self { path: name.into() }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Renamed it is not there any more.
        let _ = std::fs::remove_file(&self.path);
    }
}
