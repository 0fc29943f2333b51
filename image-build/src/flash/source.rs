//! The image of `orlop flash`, as a raw disk.
//!
//! What is not raw is unpacked whole before the disk is touched: an image that is damaged, cut off
//! or not of Orlop costs nobody a disk.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use crate::BuildInfo;
use crate::disk_image::gpt::{SECTOR, Table};
use crate::disk_image::{self, Format};

/// A file of a known format.
#[derive(Debug)]
pub(super) struct Given {
    path: PathBuf,
    file: File,
    format: Format,
}

/// A raw disk image.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    pub(super) table: Table,
    pub(super) info: BuildInfo,
    /// Gone when it is dropped.
    _unpacked: Option<NamedTempFile>,
}

impl Given {
    /// Opens the image, which takes no time.
    ///
    /// # Errors
    /// When it is missing or of an unknown format.
    pub(super) fn open(given: &Path) -> Result<Self> {
        let path = given.canonicalize();
        let path = path.with_context(|| format!("open {}", given.display()))?;
        let file = File::open(&path).with_context(|| format!("open {}", given.display()))?;
        if file.metadata().context("look at the image")?.is_dir() {
            bail!(
                "{} is a folder; build an image of the machine in it: orlop build --format raw {}",
                given.display(),
                given.display()
            );
        }
        let format = disk_image::detect(&file, given)?;
        Ok(Self { path, file, format })
    }

    /// The disk in it; `unpacking` is told when that takes a while.
    ///
    /// # Errors
    /// When it is damaged, cut off or no image of `orlop build`.
    pub(super) fn unpacked(self, unpacking: impl FnOnce(Format)) -> Result<Source> {
        let (file, unpacked) = match self.format {
            Format::Raw => (self.file, None),
            format => {
                unpacking(format);
                let output = temporary()?;
                disk_image::unpack(&self.path, format, &output)?;
                let again = output.reopen().context("open what was unpacked")?;
                (again, Some(output))
            }
        };
        let (table, info) = disk_image::read(&file, &self.path)?;
        Ok(Source {
            file,
            table,
            info,
            _unpacked: unpacked,
        })
    }
}

impl Source {
    /// The bytes of the disk that the image is one of.
    pub(super) fn bytes(&self) -> u64 {
        self.table.sectors().saturating_mul(SECTOR)
    }
}

/// On a disk rather than in memory, as /tmp may be.
fn temporary() -> Result<NamedTempFile> {
    let asked = std::env::var_os("TMPDIR").map(PathBuf::from);
    let folder = asked.unwrap_or_else(|| PathBuf::from("/var/tmp"));
    tempfile::Builder::new()
        .prefix("orlop-disk-")
        .tempfile_in(&folder)
        .with_context(|| format!("make a file in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::disk_image::tests::{SECTORS, sample, sample_info};

    fn image() -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        let bytes = sample(&serde_json::to_string(&sample_info()).unwrap());
        file.as_file().write_all_at(&bytes, 0).unwrap();
        file
    }

    fn open(path: &Path) -> Result<(Source, Option<Format>)> {
        let mut packed = None;
        let source = Given::open(path)?.unpacked(|format| packed = Some(format))?;
        Ok((source, packed))
    }

    #[test]
    fn a_raw_image_is_read_where_it_is_and_others_are_unpacked() {
        let raw = image();
        let (source, packed) = open(raw.path()).unwrap();
        assert_eq!((source.bytes(), packed), (SECTORS * SECTOR, None));
        let folder = tempfile::tempdir().unwrap();
        let qcow2 = folder.path().join("raw");
        let made = std::process::Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", "qcow2"])
            .args([raw.path(), &qcow2])
            .status();
        assert!(made.unwrap().success());
        let (source, packed) = open(&qcow2).unwrap();
        assert_eq!(source.info, sample_info());
        assert_eq!(
            (source.bytes(), packed),
            (SECTORS * SECTOR, Some(Format::Qcow2))
        );
    }

    #[test]
    fn a_folder_names_the_command_for_an_image() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        let shown = folder.path().display();
        assert_eq!(
            error,
            format!(
                "{shown} is a folder; build an image of the machine in it: orlop build --format \
                 raw {shown}"
            )
        );
    }
}
