//! `orlop.lock`: which packages a machine is made of, to the byte.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The format's version.
const VERSION: u32 = 1;
/// What stands above the lock.
const HEAD: &str = "# Written by `orlop build`: the packages that this machine is made of. Keep it under version\n\
                    # control with the manifests; `orlop build --update` takes the archive's newest.\n\n";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// `kernel`, and one for each image, by name.
    #[serde(default)]
    kernel: Option<Pins>,
    /// Only once a disk was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disk: Option<Pins>,
    #[serde(default)]
    image: BTreeMap<String, Pins>,
}

/// What one image (or the kernel) was resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The suite it was resolved in.
    pub suite: String,
    /// What was asked for; another list is resolved anew.
    pub requested: Vec<String>,
    /// What that came to.
    pub package: Vec<Pin>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the `.deb`, hexadecimal.
    pub sha256: String,
}

/// Whose pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// The kernel's and the initramfs's.
    Kernel,
    /// The boot loaders' of disks.
    Disk,
    /// An image's.
    Image(&'a str),
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            version: VERSION,
            kernel: None,
            disk: None,
            image: BTreeMap::new(),
        }
    }
}

impl Lock {
    /// Reads the machine's lock; an empty one when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is not a lock of this version.
    pub fn load(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).with_context(|| {
                format!(
                    "parse {}; `orlop build --update` writes it anew",
                    path.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let lock: Self = toml::from_str(text)?;
        if lock.version != VERSION {
            bail!(
                "version {} of the lock, this tool knows {VERSION}",
                lock.version
            );
        }
        Ok(lock)
    }

    /// Writes it when it differs from what is there, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = self.to_text()?;
        if fs::read_to_string(path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let write = || -> Result<()> {
            let mut file = tempfile::Builder::new()
                .permissions(
                    <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644),
                )
                .tempfile_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.persist(path)?;
            Ok(())
        };
        write().with_context(|| format!("write {}", path.display()))
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never for these types; the toml crate's signature has one.
    pub fn to_text(&self) -> Result<String> {
        let body = toml::to_string(self).context("write the lock's text")?;
        Ok(format!("{HEAD}{body}"))
    }

    /// Without what only disks are made of.
    #[must_use]
    pub fn without_disk(&self) -> Self {
        Self {
            disk: None,
            ..self.clone()
        }
    }

    /// The pins, if they are for this suite and these packages.
    #[must_use]
    pub fn pins(&self, owner: Owner<'_>, suite: &str, requested: &[String]) -> Option<&Pins> {
        let pins = match owner {
            Owner::Kernel => self.kernel.as_ref(),
            Owner::Disk => self.disk.as_ref(),
            Owner::Image(name) => self.image.get(name),
        };
        pins.filter(|pins| pins.suite == suite && pins.requested == requested)
    }

    /// Sets the pins, in the order of their names.
    pub fn set(&mut self, owner: Owner<'_>, mut pins: Pins) {
        pins.package.sort();
        match owner {
            Owner::Kernel => self.kernel = Some(pins),
            Owner::Disk => self.disk = Some(pins),
            Owner::Image(name) => {
                self.image.insert(name.to_owned(), pins);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Lock {
        let pin = |name: &str| Pin {
            name: name.to_owned(),
            version: "1:2.3-4".to_owned(),
            sha256: "ab".repeat(32),
        };
        let mut lock = Lock::default();
        let pins = Pins {
            suite: "bookworm".to_owned(),
            requested: vec!["nginx-light".to_owned()],
            package: vec![pin("zlib1g"), pin("nginx-light")],
        };
        lock.set(Owner::Image("nginx"), pins.clone());
        lock.set(Owner::Kernel, pins);
        lock
    }

    #[test]
    fn a_lock_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orlop.lock");
        assert_eq!(Lock::load(&path).unwrap(), Lock::default());
        sample().save(&path).unwrap();
        assert_eq!(Lock::load(&path).unwrap(), sample());
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("[[image.nginx.package]]\nname = \"nginx-light\"\n"),
            "{text}"
        );
    }

    #[test]
    fn pins_for_another_list_or_suite_are_not_honoured() {
        let lock = sample();
        let asked = ["nginx-light".to_owned()];
        assert!(
            lock.pins(Owner::Image("nginx"), "bookworm", &asked)
                .is_some()
        );
        assert!(lock.pins(Owner::Image("nginx"), "trixie", &asked).is_none());
        assert!(lock.pins(Owner::Image("nginx"), "bookworm", &[]).is_none());
        assert!(lock.pins(Owner::Image("web"), "bookworm", &asked).is_none());
    }

    #[test]
    fn a_disks_pins_are_apart_from_the_machines() {
        let mut lock = sample();
        let pins = lock.kernel.clone().unwrap();
        lock.set(Owner::Disk, pins);
        assert!(lock.to_text().unwrap().contains("[disk]\n"));
        assert_eq!(lock.without_disk(), sample());
        assert!(!sample().to_text().unwrap().contains("disk"));
    }

    #[test]
    fn a_broken_lock_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orlop.lock");
        fs::write(&path, "version = 7\n").unwrap();
        let error = format!("{:#}", Lock::load(&path).unwrap_err());
        assert!(error.contains("orlop build --update"), "{error}");
        assert!(error.contains("version 7 of the lock"), "{error}");
    }
}
