//! `build/disk.json`: what the disk is made of, and which files hold it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::format::DiskFormat;

/// The file's name in `build/`.
pub const NAME: &str = "disk.json";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskReport {
    /// SHA-256 over all that the disk is made from, hexadecimal.
    pub inputs_sha256: String,
    /// The root hash of the system's dm-verity tree, hexadecimal.
    pub root_hash: String,
    /// The disk's size.
    pub bytes: u64,
    /// What takes it, in the order of their places; together the disk's size.
    pub parts: Vec<Part>,
    /// What was made of it.
    pub files: Vec<DiskFile>,
}

/// A part of the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is.
    pub part: String,
    /// Its bytes.
    pub bytes: u64,
    /// Of the disk's, in percent.
    pub share: f64,
}

/// A file that holds the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskFile {
    /// How it holds it.
    pub format: DiskFormat,
    /// Whether it is compressed.
    pub compressed: bool,
    /// Its name in `build/`.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// What of it the workstation's disk holds: the rest is zeros that nobody wrote.
    pub stored: u64,
}

impl DiskReport {
    /// Reads it; nothing when there is none that this tool wrote. Files that are gone or were changed
    /// since are left out: a machine that ran from one has left its identity in it.
    #[must_use]
    pub fn load(build: &Path) -> Option<Self> {
        let path = build.join(NAME);
        let text = fs::read_to_string(&path).ok()?;
        let written = fs::metadata(&path).ok()?.modified().ok()?;
        let mut report: Self = serde_json::from_str(&text).ok()?;
        report.files.retain(|file| {
            let found = fs::metadata(build.join(&file.file));
            found.is_ok_and(|found| {
                let changed = found.modified().is_ok_and(|at| at > written);
                found.len() == file.bytes && !changed
            })
        });
        Some(report)
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, build: &Path) -> Result<()> {
        let path = build.join(NAME);
        let text = serde_json::to_string_pretty(self).context("write disk.json")?;
        fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))
    }

    /// Removes it: the files are about to change.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(build: &Path) -> Result<()> {
        let path = build.join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a file holds the disk in this way.
    #[must_use]
    pub fn has(&self, format: DiskFormat, compressed: bool) -> bool {
        let mut files = self.files.iter();
        files.any(|file| (file.format, file.compressed) == (format, compressed))
    }

    /// Takes up a file that was written.
    ///
    /// # Errors
    /// When it is not there.
    pub fn add(&mut self, format: DiskFormat, compressed: bool, path: &Path) -> Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let found = fs::metadata(path).with_context(|| format!("read {}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // qcow2 and vmdk have one name, compressed or not.
        self.files.retain(|other| other.file != file);
        self.files.push(DiskFile {
            format,
            compressed,
            file: file.into_owned(),
            bytes: found.len(),
            stored: found.blocks() * 512,
        });
        Ok(())
    }

    /// The lines that a build prints: the disk's parts, and its files.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!("disk of {}:", mib(self.bytes));
        for Part { part, bytes, share } in &self.parts {
            let _ = write!(text, "\n  {share:5.1} %  {:>10}  {part}", mib(*bytes));
        }
        for file in &self.files {
            let _ = write!(text, "\n{}: {}", file.file, mib(file.bytes));
            if (file.format, file.compressed) == (DiskFormat::Raw, false) {
                let _ = write!(text, ", {} of it stored", mib(file.stored));
            }
        }
        text
    }
}

/// The parts with their shares of `disk` bytes.
#[must_use]
pub fn parts(parts: &[(&str, u64)], disk: u64) -> Vec<Part> {
    let share = |bytes: u64| {
        let permille = (bytes * 1000 + disk / 2) / disk.max(1);
        f64::from(u32::try_from(permille).unwrap_or(u32::MAX)) / 10.0
    };
    let part = |(part, bytes): &(&str, u64)| Part {
        part: (*part).to_owned(),
        bytes: *bytes,
        share: share(*bytes),
    };
    parts.iter().map(part).collect()
}

fn mib(bytes: u64) -> String {
    let tenths = (bytes * 10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DiskReport {
        DiskReport {
            inputs_sha256: "ab".to_owned(),
            root_hash: "cd".to_owned(),
            bytes: 4 << 20,
            parts: parts(&[("system", 1 << 20), ("state", 3 << 20)], 4 << 20),
            files: Vec::new(),
        }
    }

    #[test]
    fn a_file_counts_while_it_is_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.qcow2");
        fs::write(&path, [0; 1000]).unwrap();
        let mut written = report();
        written.add(DiskFormat::Qcow2, false, &path).unwrap();
        written.save(folder.path()).unwrap();
        let load = || DiskReport::load(folder.path()).unwrap();
        assert_eq!(load(), written);
        assert!(load().has(DiskFormat::Qcow2, false) && !load().has(DiskFormat::Qcow2, true));
        // A machine writes to it.
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(later).unwrap();
        assert!(!load().has(DiskFormat::Qcow2, false));
        // It is gone.
        written.save(folder.path()).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(load().files.is_empty());
        fs::write(&path, [0; 999]).unwrap();
        // Compressed it has the same name: the other one is gone.
        written.add(DiskFormat::Qcow2, true, &path).unwrap();
        assert_eq!(written.files.len(), 1);
    }

    #[test]
    fn the_summary_says_which_part_is_how_large() {
        let text = report().summary();
        assert!(text.starts_with("disk of 4.0 MiB:\n   25.0 %"), "{text}");
        assert!(text.contains("75.0 %     3.0 MiB  state"), "{text}");
    }
}
