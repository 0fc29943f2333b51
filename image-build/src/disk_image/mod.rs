//! A disk image as a file: its format, its partition table, and what `build.json` on its EFI system
//! partition says of the machine in it. For `orlop run IMAGE` and `orlop flash`.

mod format;
pub(crate) mod gpt;
pub(crate) mod qemu_img;
mod unpack;
mod window;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fatfs::{FileSystem, FsOptions};
use tempfile::NamedTempFile;

use crate::BuildInfo;
pub(crate) use format::Format;
use gpt::{SECTOR, TABLE_BYTES, TAIL_BYTES, Table};
pub(crate) use qemu_img::grow;
pub(crate) use unpack::unpack;
use window::Window;

/// Where `orlop build` leaves it on the EFI system partition.
const BUILD_JSON: &str = "orlop/build.json";
/// No EFI system partition of ours is larger; what is read of an image ends there.
const LARGEST_ESP: u64 = 1 << 30;

/// An image that `orlop build` made.
#[derive(Debug)]
pub(crate) struct DiskImage {
    /// Where it is, absolute.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) table: Table,
    pub(crate) info: BuildInfo,
}

impl DiskImage {
    /// Reads what the image says of itself.
    ///
    /// # Errors
    /// When it is missing, of an unknown format, compressed, or not of `orlop build`'s making.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let absolute = path.canonicalize();
        let path = absolute.with_context(|| format!("open {}", path.display()))?;
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        let format = detect(&file, &path)?;
        let (table, info) = match format.of_qemu() {
            Some("raw") => read(&file, &path)?,
            Some(name) => read_through_qemu(&path, name)?,
            None => bail!(
                "{} is compressed; unpack it first: zstd -d {}",
                path.display(),
                path.display()
            ),
        };
        Ok(Self {
            path,
            format,
            table,
            info,
        })
    }
}

/// The format by the file's content.
pub(crate) fn detect(file: &File, path: &Path) -> Result<Format> {
    let read = |at: u64, bytes: usize| -> Result<Vec<u8>> {
        let mut found = Vec::new();
        let length = file.metadata().context("look at the image")?.len();
        let bytes = (bytes as u64).min(length.saturating_sub(at));
        let mut window = Window::new(file, at, bytes);
        window.read_to_end(&mut found).context("read the image")?;
        Ok(found)
    };
    let length = file.metadata().context("look at the image")?.len();
    let head = read(0, format::HEAD)?;
    let tail = read(length.saturating_sub(format::TAIL as u64), format::TAIL)?;
    let found = Format::detect(&head, &tail);
    found.with_context(|| {
        format!(
            "{} is neither a machine's folder nor a disk image (raw, qcow2, vmdk, vhd); \
             `orlop build --format raw` makes one",
            path.display()
        )
    })
}

/// Table and build.json of a whole disk that lies sector by sector in `disk`; `path` is for messages.
pub(crate) fn read(disk: &File, path: &Path) -> Result<(Table, BuildInfo)> {
    let table = table(disk, path)?;
    let has = disk.metadata().context("look at the image")?.len();
    let wants = table.sectors().saturating_mul(SECTOR);
    if has < wants {
        bail!(
            "{} is cut off: it has {has} bytes of {wants}; copy or download it again",
            path.display()
        );
    }
    let info = build_info(disk, &table, path)?;
    Ok((table, info))
}

fn table(disk: &File, path: &Path) -> Result<Table> {
    let mut begin = vec![0; TABLE_BYTES];
    disk.read_exact_at(&mut begin, 0)
        .with_context(|| format!("read {}", path.display()))?;
    // As UEFI and the kernel do: the power may have gone while a machine made itself at home on a larger
    // disk, and it repairs the first copy at its next boot.
    let table = Table::parse(&begin).or_else(|error| tail(disk).map_err(|_| error));
    table.with_context(|| not_ours(path))
}

/// Whether a machine ran from this disk: its last partition is an ext4 that was mounted once
/// (Documentation/filesystems/ext4/super.rst: `s_magic`, `s_mtime`).
pub(crate) fn was_run(disk: &File, table: &Table) -> bool {
    let read = || {
        let state = table.partitions().pop()?;
        let mut superblock = [0; 64];
        let at = state.first.checked_mul(SECTOR)?.checked_add(1024)?;
        disk.read_exact_at(&mut superblock, at).ok()?;
        let is_ext4 = superblock.get(0x38..0x3a)? == [0x53, 0xef];
        let mounted = superblock.get(0x2c..0x30)?.iter().any(|byte| *byte != 0);
        Some(is_ext4 && mounted)
    };
    read().unwrap_or(false)
}

fn tail(disk: &File) -> Result<Table> {
    let length = disk.metadata()?.len();
    let mut tail = vec![0; TAIL_BYTES];
    disk.read_exact_at(&mut tail, length.saturating_sub(TAIL_BYTES as u64))?;
    Ok(Table::parse_tail(&tail, length)?)
}

fn build_info(disk: &File, table: &Table, path: &Path) -> Result<BuildInfo> {
    let esp = table.esp().with_context(|| not_ours(path))?;
    let bytes = (esp.last - esp.first + 1).saturating_mul(SECTOR);
    let window = Window::new(disk, esp.first.saturating_mul(SECTOR), bytes);
    let text = file_in_esp(window).with_context(|| not_ours(path))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{}: its /{BUILD_JSON} is of another version of orlop; build the image anew",
            path.display()
        )
    })
}

fn file_in_esp(esp: Window<'_>) -> std::io::Result<String> {
    let fat = FileSystem::new(esp, FsOptions::new())?;
    let mut text = String::new();
    let root = fat.root_dir();
    root.open_file(BUILD_JSON)?
        .take(1 << 20)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn not_ours(path: &Path) -> String {
    format!(
        "{} is a disk image, but not one that `orlop build --format` made",
        path.display()
    )
}

/// As [`read`], of a format that only QEMU reads: of the disk only what is needed is unpacked.
fn read_through_qemu(path: &Path, format: &str) -> Result<(Table, BuildInfo)> {
    let part = NamedTempFile::with_prefix("orlop-esp-").context("make a temporary file")?;
    qemu_img::first_part(path, format, (TABLE_BYTES as u64) >> 20, part.path())?;
    let table = table(part.as_file(), path)?;
    let esp = table.esp().with_context(|| not_ours(path))?;
    let end = (esp.last + 1).saturating_mul(SECTOR);
    if end > LARGEST_ESP {
        bail!(not_ours(path));
    }
    qemu_img::first_part(path, format, end.div_ceil(1 << 20), part.path())?;
    let info = build_info(part.as_file(), &table, path)?;
    Ok((table, info))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{Cursor, Write};
    use std::process::Command;

    use super::*;

    /// Sectors of [`sample`]: 4 MiB.
    pub(crate) const SECTORS: u64 = 8192;

    pub(crate) fn sample_info() -> BuildInfo {
        BuildInfo {
            machine: "shop".to_owned(),
            hostname: "orlop".to_owned(),
            kernel_release: "6.1.0-1-cloud-amd64".to_owned(),
            disk_drivers: vec!["virtio_blk".to_owned()],
            cmdline: "console=ttyS0".to_owned(),
            min_memory_mib: 128,
            initramfs_system: false,
            has_volumes: false,
            has_volume_sizes: false,
            system_sha256: String::new(),
            ports: Vec::new(),
            inputs_sha256: String::new(),
        }
    }

    /// A raw disk image with a table and an EFI system partition that holds `build_json`.
    pub(crate) fn sample(build_json: &str) -> Vec<u8> {
        let esp_last = SECTORS - 2048;
        let mut esp = Cursor::new(vec![
            0;
            usize::try_from((esp_last - 2047) * SECTOR).unwrap()
        ]);
        fatfs::format_volume(&mut esp, fatfs::FormatVolumeOptions::new()).unwrap();
        {
            let fat = FileSystem::new(&mut esp, FsOptions::new()).unwrap();
            let folder = fat.root_dir().create_dir("orlop").unwrap();
            let mut file = folder.create_file("build.json").unwrap();
            file.write_all(build_json.as_bytes()).unwrap();
        }
        let mut disk = gpt::tests::sample(SECTORS, esp_last);
        disk.extend(esp.into_inner());
        disk.resize(usize::try_from(SECTORS * SECTOR).unwrap(), 0);
        disk
    }

    fn refusal(path: &Path) -> String {
        format!("{:#}", DiskImage::open(path).unwrap_err())
    }

    #[test]
    fn every_format_says_what_machine_is_in_it_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("a");
        let text = serde_json::to_string(&sample_info()).unwrap();
        std::fs::write(&raw, sample(&text)).unwrap();
        let formats = [
            ("qcow2", Format::Qcow2, ""),
            (
                "vmdk",
                Format::Vmdk {
                    stream_optimized: false,
                },
                "",
            ),
            (
                "vmdk",
                Format::Vmdk {
                    stream_optimized: true,
                },
                "subformat=streamOptimized",
            ),
            ("vpc", Format::Vhd, "force_size=on"),
            ("vpc", Format::Vhd, "subformat=fixed,force_size=on"),
        ];
        let opened = DiskImage::open(&raw).unwrap();
        assert_eq!(opened.format, Format::Raw);
        assert_eq!(opened.info, sample_info());
        assert_eq!(opened.table.sectors(), SECTORS);
        for (number, (name, format, options)) in formats.into_iter().enumerate() {
            let path = folder.path().join(format!("image-{number}"));
            let mut convert = Command::new("qemu-img");
            convert.args(["convert", "-f", "raw", "-O", name]);
            if !options.is_empty() {
                convert.args(["-o", options]);
            }
            let made = convert.args([&raw, &path]).output().unwrap();
            assert!(made.status.success(), "{made:?}");
            let opened = DiskImage::open(&path).unwrap();
            assert_eq!(opened.format, format, "{options}");
            assert_eq!(opened.info, sample_info(), "{options}");
        }
    }

    #[test]
    fn an_ext4_that_was_mounted_tells_that_a_machine_ran() {
        let mut disk = sample("{}");
        // In the place of the only partition of the sample.
        let superblock = 2048 * 512 + 1024;
        disk[superblock..superblock + 64].fill(0);
        let was_run = |disk: &[u8]| {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(disk, 0).unwrap();
            was_run(&file, &Table::parse(disk).unwrap())
        };
        disk[superblock + 0x2c] = 1;
        assert!(!was_run(&disk), "no ext4");
        disk[superblock + 0x38..superblock + 0x3a].copy_from_slice(&[0x53, 0xef]);
        assert!(was_run(&disk));
        disk[superblock + 0x2c] = 0;
        assert!(!was_run(&disk), "never mounted");
    }

    #[test]
    fn what_is_no_image_of_ours_is_told_from_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let shown = path.display();
        assert_eq!(
            refusal(&path),
            format!("open {shown}: No such file or directory (os error 2)")
        );
        std::fs::write(&path, "hello").unwrap();
        assert_eq!(
            refusal(&path),
            format!(
                "{shown} is neither a machine's folder nor a disk image (raw, qcow2, vmdk, vhd); \
                 `orlop build --format raw` makes one"
            )
        );
        std::fs::write(&path, b"\x28\xb5\x2f\xfd and more").unwrap();
        assert_eq!(
            refusal(&path),
            format!("{shown} is compressed; unpack it first: zstd -d {shown}")
        );
        let not_ours =
            format!("{shown} is a disk image, but not one that `orlop build --format` made: ");
        let mut disk = gpt::tests::sample(SECTORS, SECTORS - 2048);
        disk.resize(usize::try_from(SECTORS * SECTOR).unwrap(), 0);
        std::fs::write(&path, &disk[..disk.len() - 512]).unwrap();
        assert_eq!(
            refusal(&path),
            format!(
                "{shown} is cut off: it has 4193792 bytes of 4194304; copy or download it again"
            )
        );
        std::fs::write(&path, &disk).unwrap();
        assert!(refusal(&path).starts_with(&not_ours), "{}", refusal(&path));
        disk[512 + 50] ^= 1;
        std::fs::write(&path, &disk).unwrap();
        assert!(refusal(&path).starts_with(&not_ours), "{}", refusal(&path));
        std::fs::write(&path, sample("{\"machine\":\"shop\"}")).unwrap();
        assert!(
            refusal(&path).contains("is of another version of orlop; build the image anew"),
            "{}",
            refusal(&path)
        );
    }
}
