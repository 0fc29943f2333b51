//! The user's cache folder: the one place outside the machine's folder that a build writes to.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// `$XDG_CACHE_HOME/orlop`, else `~/.cache/orlop` (XDG Base Directory Specification).
#[derive(Debug, Clone)]
pub struct CacheFolder {
    root: PathBuf,
}

impl CacheFolder {
    /// The user's.
    ///
    /// # Errors
    /// When neither `XDG_CACHE_HOME` nor `HOME` is set.
    pub fn of_user() -> Result<Self> {
        let absolute = |name: &str| {
            let path = PathBuf::from(env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        match (absolute("XDG_CACHE_HOME"), absolute("HOME")) {
            (Some(cache), _) => Ok(Self::at(&cache.join("orlop"))),
            (None, Some(home)) => Ok(Self::at(&home.join(".cache/orlop"))),
            (None, None) => bail!("neither XDG_CACHE_HOME nor HOME is set; set one of them"),
        }
    }

    /// One at a path of its own, for tests.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// apt's lists for a suite; made when missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn apt(&self, suite: &str) -> Result<PathBuf> {
        self.folder(&format!("apt/{suite}"))
    }

    /// Waits until no other build uses apt's lists, whatever their suite; until the result is
    /// dropped.
    ///
    /// # Errors
    /// When the lock cannot be made or taken.
    pub fn lock_apt(&self) -> Result<File> {
        let path = self.folder("apt")?.join("lock");
        let lock = || {
            let file = File::create(&path)?;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        };
        lock().with_context(|| format!("lock {}", path.display()))
    }

    /// Packages by hash, `<sha256>.deb`; made when missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn packages(&self) -> Result<PathBuf> {
        self.folder("packages")
    }

    /// Packages' members as plain tar files, by the package's hash; made when missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn unpacked(&self) -> Result<PathBuf> {
        self.folder("unpacked")
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }
}
