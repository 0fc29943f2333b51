//! Packages by name: pinned in the lock, fetched once, verified, taken apart.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::apt::{AptRoot, Available};
use crate::cache::CacheFolder;
use crate::deb::Deb;
use crate::lock::{Lock, Owner, Pin, Pins};
use crate::progress::Progress;
use crate::tree::Blob;

/// How many packages one run of apt fetches: enough to keep a connection open, few enough for the
/// bar to move.
const BATCH: usize = 12;

/// The machine's packages: its lock, the cache, and apt for what neither has.
#[derive(Debug)]
pub struct Packages {
    cache: CacheFolder,
    lock: Lock,
    update: bool,
    roots: BTreeMap<String, AptRoot>,
    /// Taken with the first root, held to the end.
    apt_lock: Option<File>,
    progress: Progress,
}

impl Packages {
    /// Honours `lock` unless `update` is given.
    #[must_use]
    pub fn new(cache: CacheFolder, lock: Lock, update: bool, progress: Progress) -> Self {
        Self {
            cache,
            lock,
            update,
            roots: BTreeMap::new(),
            apt_lock: None,
            progress,
        }
    }

    /// The lock with all that was resolved meanwhile.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The packages that `requested` comes to: from the lock, else from the archive, where
    /// `resolve` picks them; then pinned.
    ///
    /// # Errors
    /// When apt cannot fetch its lists or resolve the packages.
    pub fn pinned(
        &mut self,
        owner: Owner<'_>,
        suite: &str,
        requested: &[String],
        resolve: impl FnOnce(&AptRoot) -> Result<Vec<Available>>,
    ) -> Result<Vec<Pin>> {
        if let Some(pins) = self
            .lock
            .pins(owner, suite, requested)
            .filter(|_| !self.update)
        {
            return Ok(pins.package.clone());
        }
        let update = self.update;
        let root = self.root(suite)?;
        root.update(update)?;
        let package = resolve(root)?
            .into_iter()
            .map(|found| Pin {
                name: found.name,
                version: found.version,
                sha256: found.sha256,
            })
            .collect();
        let pins = Pins {
            suite: suite.to_owned(),
            requested: requested.to_vec(),
            package,
        };
        self.lock.set(owner, pins);
        let pins = self.lock.pins(owner, suite, requested);
        Ok(pins.map(|pins| pins.package.clone()).unwrap_or_default())
    }

    /// Brings what is missing into the cache.
    ///
    /// # Errors
    /// When a package has left the archive or cannot be fetched.
    pub fn fetch(&mut self, suite: &str, pins: &[Pin]) -> Result<()> {
        let (packages, unpacked) = (self.cache.packages()?, self.cache.unpacked()?);
        let missing: Vec<&Pin> = pins
            .iter()
            .filter(|pin| {
                !unpacked.join(format!("{}.data.tar", pin.sha256)).is_file()
                    && !deb_path(&packages, pin).is_file()
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let progress = self.progress;
        let root = self.root(suite)?;
        require_in_archive(root, &missing)?;
        let text = format!("fetch {} packages of {suite}", missing.len());
        let bar = progress.bar(&text, missing.len() as u64);
        for batch in missing.chunks(BATCH) {
            let folder = tempfile::tempdir_in(&packages)
                .with_context(|| format!("make a folder in {}", packages.display()))?;
            let names: Vec<String> = batch.iter().map(|pin| name_and_version(pin)).collect();
            root.download(&names, folder.path())?;
            keep(folder.path(), batch, &packages)?;
            bar.advance(batch.len());
        }
        Ok(())
    }

    /// A fetched package, taken apart.
    ///
    /// # Errors
    /// When it is not in the cache or is not what was pinned.
    pub fn open(&self, pin: &Pin) -> Result<Deb> {
        let packages = self.cache.packages()?;
        Deb::open(&self.cache.unpacked()?, &pin.sha256, || {
            let path = deb_path(&packages, pin);
            verify(&path, &pin.sha256)?;
            Ok(path)
        })
    }

    fn root(&mut self, suite: &str) -> Result<&mut AptRoot> {
        if self.apt_lock.is_none() {
            self.apt_lock = Some(self.cache.lock_apt()?);
        }
        if !self.roots.contains_key(suite) {
            let root = AptRoot::open(&self.cache.apt(suite)?, suite)?;
            self.roots.insert(suite.to_owned(), root);
        }
        self.roots.get_mut(suite).context("an apt root")
    }
}

/// Names the pinned packages that are neither in the lists nor in fresh ones.
fn require_in_archive(root: &mut AptRoot, pins: &[&Pin]) -> Result<()> {
    root.update(false)?;
    if gone(root, pins).is_empty() {
        return Ok(());
    }
    root.update(true)?;
    let gone = gone(root, pins);
    if gone.is_empty() {
        return Ok(());
    }
    bail!(
        "pinned in orlop.lock, but in neither the archive nor the cache any more: {}; \
         `orlop build --update` takes what the archive has now",
        gone.join(", ")
    )
}

fn gone(root: &AptRoot, pins: &[&Pin]) -> Vec<String> {
    let all: Vec<String> = pins.iter().map(|pin| name_and_version(pin)).collect();
    let found = |names: &[String]| root.show(names).unwrap_or_default();
    // apt-cache fails as a whole when one is missing; only then are they asked for one by one.
    if found(&all).len() == all.len() {
        return Vec::new();
    }
    pins.iter()
        .filter(|pin| {
            !found(&[name_and_version(pin)])
                .iter()
                .any(|found| found.sha256 == pin.sha256)
        })
        .map(|pin| format!("{} {}", pin.name, pin.version))
        .collect()
}

/// Moves what apt fetched into the cache under its hash.
fn keep(folder: &Path, batch: &[&Pin], packages: &Path) -> Result<()> {
    let mut fetched = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry
            .with_context(|| format!("list {}", folder.display()))?
            .path();
        let blob = Blob::from_file(&path).with_context(|| format!("read {}", path.display()))?;
        fetched.insert(hex::encode(blob.sha256()), path);
    }
    for pin in batch {
        let path = fetched.get(&pin.sha256).with_context(|| {
            format!(
                "{} {}: the archive's file is not the pinned one",
                pin.name, pin.version
            )
        })?;
        let to = deb_path(packages, pin);
        fs::rename(path, &to).with_context(|| format!("write {}", to.display()))?;
    }
    Ok(())
}

fn verify(path: &Path, sha256: &str) -> Result<()> {
    let blob = Blob::from_file(path).with_context(|| format!("read {}", path.display()))?;
    if hex::encode(blob.sha256()) != sha256 {
        bail!(
            "{}: not the content that its name says; remove it",
            path.display()
        );
    }
    Ok(())
}

fn deb_path(packages: &Path, pin: &Pin) -> PathBuf {
    packages.join(format!("{}.deb", pin.sha256))
}

fn name_and_version(pin: &Pin) -> String {
    format!("{}={}", pin.name, pin.version)
}
