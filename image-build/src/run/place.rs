//! Where running machines are found: one folder for each in the user's runtime folder.
//!
//! `$XDG_RUNTIME_DIR/orlop`, else `/tmp/orlop-<uid>`; below it `<name>/` with `lock` (held by the
//! `orlop run` that owns the name), `control.sock` (the machine's control interface), and of a
//! headless machine `console.sock`, `console.log` and `qmp.sock`.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::astray::is_machine;

/// `sun_path` of unix(7) less its NUL, less the longest file name below.
const LONGEST_FOLDER: usize = 107 - "/control.sock".len();

/// A name that this process owns until it is dropped.
#[derive(Debug)]
pub struct Place {
    /// The machine's name.
    pub name: String,
    /// The machine's folder of sockets.
    pub folder: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes the name for the machine built in `machine`.
    ///
    /// # Errors
    /// When a machine of that name runs, and when the name is none.
    pub fn claim(name: &str, machine: &Path) -> Result<Self> {
        if orlop_config::ServiceName::new(&name.to_ascii_lowercase()).is_none() {
            bail!(
                "{name:?} is no name for a machine: letters, digits, '-', '_' and '.' make one; \
                 give it another with --name"
            );
        }
        let folder = runtime_folder()?.join(name);
        private_folder(&folder)?;
        if folder.as_os_str().len() > LONGEST_FOLDER {
            bail!("{}: too long for a socket's path", folder.display());
        }
        let lock = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock)
            .with_context(|| format!("open {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                bail!(
                    "a machine named \"{name}\" runs already ({}); end it with `orlop -m {name} \
                     poweroff`, or give this one another name with --name",
                    owner.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", lock.display()));
            }
        }
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| {
            writeln!(
                file,
                "process {}, {}",
                std::process::id(),
                machine.display()
            )
        });
        written.with_context(|| format!("write {}", lock.display()))?;
        Ok(Self {
            name: name.to_owned(),
            folder,
            _lock: file,
        })
    }

    /// A file of this machine, such as `console.log`; what an earlier run left there is removed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn fresh_file(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", path.display()))
            }
            _ => Ok(path),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The console's transcript stays for whoever wants to read it, and the lock's file, since
        // removing it would let two runs lock two files of one name.
        for socket in ["control.sock", "console.sock", "qmp.sock"] {
            let _ = fs::remove_file(self.folder.join(socket));
        }
    }
}

/// The runtime folder, made when it is not there, of nobody else's making.
///
/// # Errors
/// When it cannot be made or belongs to somebody else.
pub fn runtime_folder() -> Result<PathBuf> {
    let folder = match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(base) if base.is_dir() => base.join("orlop"),
        _ => PathBuf::from(format!("/tmp/orlop-{}", Uid::current())),
    };
    private_folder(&folder)?;
    Ok(folder)
}

/// The names of the machines that run, sorted.
///
/// # Errors
/// When the runtime folder cannot be read.
pub fn running() -> Result<Vec<String>> {
    let folder = runtime_folder()?;
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| UnixStream::connect(entry.path().join("control.sock")).is_ok())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// A connection to the control interface of the machine `name`, or of the one that runs.
///
/// # Errors
/// A sentence that names what runs.
pub fn connect(name: Option<&str>) -> Result<UnixStream> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => only_one(&running()?)?,
    };
    let socket = runtime_folder()?.join(&name).join("control.sock");
    UnixStream::connect(&socket).map_err(|_| match running() {
        Ok(names) if !names.is_empty() => anyhow::anyhow!(
            "no machine named \"{name}\" runs here; these do: {}",
            names.join(", ")
        ),
        _ => {
            let dir = if is_machine(Path::new(&name)) {
                &name
            } else {
                "DIR"
            };
            anyhow::anyhow!("no machine named \"{name}\" runs here; `orlop run {dir}` starts one")
        }
    })
}

fn only_one(names: &[String]) -> Result<String> {
    match names {
        [name] => Ok(name.clone()),
        [] => bail!("no machine runs here; `orlop run DIR` starts one"),
        names => bail!(
            "{} machines run here: say which with -m: {}",
            names.len(),
            names.join(", ")
        ),
    }
}

fn private_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("make {}", folder.display()))?;
    let meta =
        fs::symlink_metadata(folder).with_context(|| format!("look at {}", folder.display()))?;
    if !meta.is_dir() || meta.uid() != Uid::current().as_raw() || meta.mode() & 0o022 != 0 {
        bail!(
            "{} is not a folder of yours alone; remove it or set XDG_RUNTIME_DIR",
            folder.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_be_left_out_for_one_machine_only() {
        let one = ["web".to_owned()];
        let two = ["db".to_owned(), "web".to_owned()];
        assert_eq!(only_one(&one).unwrap(), "web");
        assert_eq!(
            only_one(&two).unwrap_err().to_string(),
            "2 machines run here: say which with -m: db, web"
        );
        assert_eq!(
            only_one(&[]).unwrap_err().to_string(),
            "no machine runs here; `orlop run DIR` starts one"
        );
    }
}
