//! A service's cgroup (cgroup v2 only, rule R12): `<base>/<service>` with its limits.
//!
//! All of these are files of cgroupfs: no call waits for a disk.

mod events;
mod limits;

use std::cell::RefCell;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{major, minor, stat};

use crate::devices::{DeviceError, DeviceFilter, DeviceRules};
use crate::private_proc::PrivateProc;
pub use events::EventsFile;
pub use limits::{Controller, Limit, plan_limits, reserved};

/// What went wrong with a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A directory could not be made.
    #[error("making the cgroup {}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// mkdir(2)'s.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("writing {value:?} to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was to be written.
        value: String,
        /// write(2)'s.
        source: io::Error,
    },
    /// A file or directory could not be opened or read.
    #[error("reading {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// open(2)'s or read(2)'s.
        source: io::Error,
    },
    /// It is there already and lives: two services are never merged into one (edge 49).
    #[error("the cgroup {} is still in use", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// rmdir(2)'s.
        source: io::Error,
    },
    /// It has no device filter: nothing may be launched in it.
    #[error("the cgroup {}", path.display())]
    Devices {
        /// The directory.
        path: PathBuf,
        /// bpf(2)'s.
        source: DeviceError,
    },
    /// A directory could not be removed: a process is still in it.
    #[error("removing the cgroup {}", path.display())]
    Remove {
        /// The directory.
        path: PathBuf,
        /// rmdir(2)'s.
        source: io::Error,
    },
}

/// Makes the controllers usable in the children of `base`. What `base`'s parents need is the
/// caller's. Those that are on already cost nothing.
///
/// # Errors
/// [`CgroupError::Write`]; ENOENT when the kernel or the parent does not have the controller.
pub fn enable_controllers(base: &Path, needed: &[Controller]) -> Result<(), CgroupError> {
    let file = base.join("cgroup.subtree_control");
    let enabled = read(&file)?;
    let missing = needed.iter().filter(|controller| {
        !enabled
            .split_whitespace()
            .any(|name| name == controller.name())
    });
    // One at a time: one that the kernel lacks is no reason to go without the others.
    let mut result = Ok(());
    for controller in missing {
        let written = write(file.clone(), &format!("+{}", controller.name()));
        result = result.and(written);
    }
    result
}

/// A service's cgroup. Dropping it leaves the directory.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    directory: OwnedFd,
    events: EventsFile,
    /// None without the controller.
    memory_events: Option<EventsFile>,
    devices: RefCell<Option<Rc<DeviceFilter>>>,
}

/// What is open of a cgroup for as long as it is used.
struct Opened {
    directory: OwnedFd,
    events: EventsFile,
    memory_events: Option<EventsFile>,
}

impl Cgroup {
    /// Makes `<base>/<name>` and writes the limits. `base` exists. An empty one that was left behind
    /// is made anew; one in use is refused.
    ///
    /// # Errors
    /// [`CgroupError`]; a directory that was made here is gone then.
    pub fn create(base: &Path, name: &str, limits: &[Limit]) -> Result<Self, CgroupError> {
        let path = base.join(name);
        let made = match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove(&path).map_err(in_use)?;
                fs::create_dir(&path)
            }
            made => made,
        };
        if let Err(source) = made {
            return Err(CgroupError::Create { path, source });
        }
        let filled = fill(&path, limits);
        if filled.is_err() {
            // Nothing can be in it yet; the first error says more than a second one.
            let _gone = fs::remove_dir(&path);
        }
        let Opened {
            directory,
            events,
            memory_events,
        } = filled?;
        Ok(Self {
            path,
            directory,
            events,
            memory_events,
            devices: RefCell::new(None),
        })
    }

    /// Lets its processes use these devices and no others, from now on. The same rules again cost
    /// nothing; others take the place of the earlier ones in one step.
    ///
    /// # Errors
    /// [`CgroupError::Devices`]; what held before still does.
    pub fn restrict_devices(&self, rules: &DeviceRules) -> Result<(), CgroupError> {
        let mut attached = self.devices.borrow_mut();
        if attached.as_ref().is_some_and(|old| old.rules() == rules) {
            return Ok(());
        }
        let failed = |source| CgroupError::Devices {
            path: self.path.clone(),
            source,
        };
        let filter = DeviceFilter::load(rules).map_err(failed)?;
        filter
            .attach(self.as_fd(), attached.as_deref())
            .map_err(failed)?;
        *attached = Some(filter);
        Ok(())
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `cgroup.events`, which is reported as changed when `populated` changes (read it again: changes
    /// may be merged, edge 15).
    #[must_use]
    pub fn events(&self) -> &EventsFile {
        &self.events
    }

    /// `memory.events.local`, which is reported as changed when the kernel kills in this very cgroup
    /// for want of memory; `None` without the controller.
    #[must_use]
    pub fn memory_events(&self) -> Option<&EventsFile> {
        self.memory_events.as_ref()
    }

    /// How often the kernel has killed in this very cgroup for want of memory, not in one below it:
    /// single processes, or all of them at once (`memory.oom.group`), which counts as one. 0
    /// without the controller.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let kills = self.memory_events.as_ref().map(EventsFile::oom_kills);
        kills.and_then(Result::ok).unwrap_or(0)
    }

    /// The cgroup that a process of the service is in: this one, or one that the service made below it
    /// and moved the process to. A further process joins that one, since with controllers on for what
    /// is below none can be in this one (edge 48; cgroups(7), "no internal processes").
    ///
    /// # Errors
    /// [`CgroupError::Read`]; ESRCH when the process has ended.
    pub fn of(&self, proc: &PrivateProc, pid: i32) -> Result<OwnedFd, CgroupError> {
        let open = |directory: BorrowedFd<'_>, path: &str, flags| {
            let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
            let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC);
            openat2(directory, path, how.resolve(resolve)).map_err(io::Error::from)
        };
        let file = format!("{pid}/cgroup");
        let text = open(proc.as_fd(), &file, OFlag::O_RDONLY)
            .and_then(|fd| io::read_to_string(fs::File::from(fd)))
            .map_err(|source| CgroupError::Read {
                path: Path::new("/proc").join(file),
                source,
            })?;
        let below = below(&text, &self.path).unwrap_or_default();
        let below = if below.is_empty() { "." } else { &below };
        open(self.as_fd(), below, OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(|source| {
            CgroupError::Read {
                path: self.path.join(below),
                source,
            }
        })
    }

    /// Whether a living process is in it or below.
    ///
    /// # Errors
    /// [`CgroupError::Read`].
    pub fn is_populated(&self) -> Result<bool, CgroupError> {
        let populated = self.events.count("populated");
        let populated = populated.map_err(|source| CgroupError::Read {
            path: self.path.join(EVENTS),
            source,
        })?;
        Ok(populated == Some(1))
    }

    /// SIGKILL to every process in it and below.
    ///
    /// # Errors
    /// [`CgroupError::Write`].
    pub fn kill(&self) -> Result<(), CgroupError> {
        write(self.path.join("cgroup.kill"), "1")
    }

    /// Removes it and the cgroups that the service made in it, deepest first (edge 20).
    ///
    /// # Errors
    /// [`CgroupError::Remove`]; EBUSY while it is populated.
    pub fn remove(&self) -> Result<(), CgroupError> {
        match fs::remove_dir(&self.path) {
            Ok(()) => Ok(()),
            // Something is in it, which may only be the service's own cgroups.
            Err(_) => remove(&self.path),
        }
    }
}

fn fill(path: &Path, limits: &[Limit]) -> Result<Opened, CgroupError> {
    for limit in limits {
        let file = path.join(limit.file);
        if limit.controller.is_some() || file.exists() {
            apply(file, limit)?;
        }
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| CgroupError::Read { path, source }
    };
    let events = path.join(EVENTS);
    let memory_events = path.join(MEMORY_EVENTS);
    Ok(Opened {
        directory: fs::File::open(path).map_err(failed(path))?.into(),
        events: EventsFile::open(&events).map_err(failed(&events))?,
        memory_events: match EventsFile::open(&memory_events) {
            // No service of this machine has a limit of memory: the controller is off.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            opened => Some(opened.map_err(failed(&memory_events))?),
        },
    })
}

fn apply(file: PathBuf, limit: &Limit) -> Result<(), CgroupError> {
    let Some(device) = &limit.device else {
        return write(file, &limit.value);
    };
    let failed = |errno: Errno| CgroupError::Read {
        path: device.clone(),
        source: errno.into(),
    };
    let number = stat(device).map_err(failed)?.st_rdev;
    let value = format!("{}:{} {}", major(number), minor(number), limit.value);
    write(file, &value)
}

/// Writes a limit of the cgroup at `path`, which is there already.
///
/// # Errors
/// [`CgroupError`].
pub fn write_limit(path: &Path, limit: &Limit) -> Result<(), CgroupError> {
    apply(path.join(limit.file), limit)
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Where below the cgroup at `path` a process with this /proc/<pid>/cgroup is; `None` when it has left.
fn below(text: &str, path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let base = path.parent()?.file_name()?.to_str()?;
    let line = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let parts: Vec<&str> = line.split('/').collect();
    let within = parts.windows(2).position(|pair| pair == [base, name]);
    let own = match within {
        Some(at) => at + 1,
        // The base is the root of the hierarchy.
        None if parts.first() == Some(&name) => 0,
        None => return None,
    };
    let below = parts.get(own + 1..)?;
    (!below.contains(&"..")).then(|| below.join("/"))
}

fn in_use(error: CgroupError) -> CgroupError {
    match error {
        CgroupError::Remove { path, source } => CgroupError::InUse { path, source },
        other => other,
    }
}

fn remove(path: &Path) -> Result<(), CgroupError> {
    let failed = |source| CgroupError::Read {
        path: path.to_owned(),
        source,
    };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            remove(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.map_err(|source| CgroupError::Remove {
            path: path.to_owned(),
            source,
        }),
    }
}

fn read(path: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(path).map_err(|source| CgroupError::Read {
        path: path.to_owned(),
        source,
    })
}

fn write(path: PathBuf, value: &str) -> Result<(), CgroupError> {
    fs::write(&path, value).map_err(|source| CgroupError::Write {
        path,
        value: value.to_owned(),
        source,
    })
}

const EVENTS: &str = "cgroup.events";
const MEMORY_EVENTS: &str = "memory.events.local";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_below_its_services_cgroup_only() {
        let of =
            |text: &str, name: &str| below(text, &Path::new("/sys/fs/cgroup/services").join(name));
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(of("0::/services/web\n", "web"), some(""));
        assert_eq!(of("0::/services/web/init/a\n", "web"), some("init/a"));
        assert_eq!(
            of("2:cpu:/services/web/x\n0::/services/web/y\n", "web"),
            some("y")
        );
        assert_eq!(of("0::/web/leaf\n", "web"), some("leaf"));
        assert_eq!(of("0::/services/services/leaf\n", "services"), some("leaf"));
        for outside in [
            "",
            "0::/\n",
            "0::/services/other/web\n",
            "0::/services/web/../db\n",
            "0::/../web\n",
        ] {
            assert_eq!(of(outside, "web"), None, "{outside:?}");
        }
    }
}
