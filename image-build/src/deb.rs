//! Reads a `.deb` (deb(5)): its files into a [`Tree`], its scripts as text.
//!
//! dpkg-deb decompresses; the plain tar is kept in the cache, and files are ranges of it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType};

use crate::tree::{Blob, HashWriter, Node, Tree};

/// A package, taken apart.
#[derive(Debug)]
pub struct Deb {
    data: Arc<Path>,
    control: Arc<Path>,
}

impl Deb {
    /// Takes `deb` apart into plain tar files in `folder`, named after `key`; uses them when they
    /// are there. `deb` is called for only when they are not.
    ///
    /// # Errors
    /// When the package is not there or broken, or the folder cannot be written.
    pub fn open(
        folder: &Path,
        key: &str,
        deb: impl FnOnce() -> Result<std::path::PathBuf>,
    ) -> Result<Self> {
        let data = folder.join(format!("{key}.data.tar"));
        let control = folder.join(format!("{key}.control.tar"));
        if !(data.is_file() && control.is_file()) {
            let deb = deb()?;
            unpack(&deb, "--ctrl-tarfile", &control)?;
            unpack(&deb, "--fsys-tarfile", &data)?;
        }
        Ok(Self {
            data: data.into(),
            control: control.into(),
        })
    }

    /// Puts every file that `wanted` says yes to (by its path without `./`) into the tree, and
    /// returns the newest modification time among the package's members.
    ///
    /// # Errors
    /// When the tar is broken, a path leaves the root, or an owner is not within 0–65535.
    pub fn extract(&self, tree: &mut Tree, wanted: impl Fn(&str) -> bool) -> Result<u64> {
        let mut newest = 0;
        let mut archive = open_tar(&self.data)?;
        for entry in archive.entries().context("read a package's files")? {
            let mut entry = entry.context("read a package's files")?;
            let path = entry.path().context("read a package's files")?;
            let path = path
                .to_str()
                .context("a file name is not UTF-8")?
                .to_owned();
            let name = path.trim_start_matches("./").trim_end_matches('/');
            newest = newest.max(entry.header().mtime().unwrap_or(0));
            if !wanted(name) {
                continue;
            }
            let Some(node) = self.node(&mut entry, tree, name)? else {
                continue;
            };
            tree.insert(name, node)?;
        }
        Ok(newest)
    }

    /// A maintainer script, such as `postinst`; `None` when the package has none.
    ///
    /// # Errors
    /// When the tar is broken.
    pub fn script(&self, name: &str) -> Result<Option<String>> {
        let mut archive = open_tar(&self.control)?;
        for entry in archive.entries().context("read a package's scripts")? {
            let mut entry = entry.context("read a package's scripts")?;
            let found = entry.path().context("read a package's scripts")?;
            if found.strip_prefix(".").unwrap_or(&found) == Path::new(name) {
                let mut bytes = Vec::new();
                entry
                    .read_to_end(&mut bytes)
                    .context("read a package's script")?;
                return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        Ok(None)
    }

    fn node<R: Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
        tree: &Tree,
        name: &str,
    ) -> Result<Option<Node>> {
        let header = entry.header();
        let owner = |id: u64| u16::try_from(id).with_context(|| format!("{name}: owner {id}"));
        let mode = u16::try_from(header.mode()? & 0o7777).unwrap_or(0o644);
        let (uid, gid) = (owner(header.uid()?)?, owner(header.gid()?)?);
        let target = || -> Result<String> {
            let target = entry
                .link_name()?
                .with_context(|| format!("{name}: no link target"))?;
            Ok(target
                .to_str()
                .context("a link target is not UTF-8")?
                .to_owned())
        };
        let node = match header.entry_type() {
            EntryType::Directory => Node::directory(mode),
            EntryType::Symlink => Node::symlink(&target()?),
            EntryType::Link => {
                let target = target()?;
                tree.follow(target.trim_start_matches("./"))
                    .with_context(|| format!("{name}: link to {target}, which is not there"))?
                    .clone()
            }
            EntryType::Regular | EntryType::Continuous => {
                let offset = entry.raw_file_position();
                let mut hasher = Sha256::new();
                let len = std::io::copy(entry, &mut HashWriter(&mut hasher))
                    .with_context(|| format!("read {name}"))?;
                let blob = Blob::from_range(
                    Arc::clone(&self.data),
                    offset,
                    len,
                    hasher.finalize().into(),
                );
                Node::file(blob, mode)
            }
            // Devices and pipes: a container's /dev is made at its start.
            _ => return Ok(None),
        };
        Ok(Some(Node { uid, gid, ..node }))
    }
}

fn open_tar(path: &Path) -> Result<Archive<BufReader<File>>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    Ok(Archive::new(BufReader::with_capacity(1 << 18, file)))
}

/// Writes one member of the package as a plain tar, complete or not at all.
fn unpack(deb: &Path, what: &str, to: &Path) -> Result<()> {
    let folder = to.parent().context("a cache folder")?;
    let part = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("make a file in {}", folder.display()))?;
    let status = Command::new("dpkg-deb")
        .arg(what)
        .arg(deb)
        .stdout(Stdio::from(
            part.reopen().context("reopen a file of the cache")?,
        ))
        .status()
        .context("run dpkg-deb; it is part of Debian's package dpkg")?;
    if !status.success() {
        bail!("{}: dpkg-deb {what}: {status}", deb.display());
    }
    part.persist(to)
        .with_context(|| format!("write {}", to.display()))?;
    Ok(())
}
