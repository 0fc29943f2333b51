//! A path that is to be there.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::Interest;

use crate::children;
use crate::reaper::Reaper;
use crate::watched;

/// Here a child looks: the first is a disk, which may not answer; the others tell inotify nothing.
const LOOKED_AT: [&str; 3] = ["/state", "/proc", "/sys"];
/// How often a child looks, and how long it may take.
const LOOK: Duration = Duration::from_secs(2);
const CHILD: Duration = Duration::from_secs(5);

/// Tells whether the path is there, now and at each change, for ever.
pub(super) async fn watch(path: PathBuf, device: bool, reaper: Reaper, tell: impl Fn(bool)) {
    if LOOKED_AT.iter().any(|place| path.starts_with(place)) {
        loop {
            let work = || match is_there(&path, device) {
                true => Ok(()),
                false => Err(Errno::ENOENT),
            };
            let seen = children::run(&reaper, CHILD, &[], work).await;
            tell(seen.is_ok());
            tokio::time::sleep(LOOK).await;
        }
    }
    loop {
        // Watched first, looked at then: nothing slips in between.
        let changes = listen(&path);
        tell(is_there(&path, device));
        match changes {
            Ok(changes) => {
                let _something_changed = changes.readable().await;
            }
            // No descriptor, or no watch, is to be had.
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

fn is_there(path: &Path, device: bool) -> bool {
    fs::metadata(path).is_ok_and(|found| {
        let kind = found.file_type();
        !device || kind.is_char_device() || kind.is_block_device()
    })
}

/// Hears of what comes and goes in the nearest directory above the path that is there.
fn listen(path: &Path) -> io::Result<tokio::io::unix::AsyncFd<Changes>> {
    let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let directory = path.ancestors().skip(1).find(|above| above.is_dir());
    let flags = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF;
    changes.add_watch(directory.unwrap_or(Path::new("/")), flags)?;
    watched::watch(Changes(changes), Interest::READABLE)
}

/// What tokio can watch.
struct Changes(Inotify);

impl AsRawFd for Changes {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn a_path_that_comes_goes_and_comes_is_told_each_time() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/yet/there");
        let seen = Rc::new(RefCell::new(vec![]));
        let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
        let tell = {
            let seen = seen.clone();
            move |present| {
                if seen.borrow().last() != Some(&present) {
                    seen.borrow_mut().push(present);
                    sender.send(()).unwrap();
                }
            }
        };
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async {
            crate::task::spawn(watch(path.clone(), false, Reaper::new(), tell));
            told.recv().await;
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            told.recv().await;
            fs::remove_dir_all(folder.path().join("not")).unwrap();
            told.recv().await;
            fs::create_dir_all(&path).unwrap();
            told.recv().await;
        });
        assert_eq!(*seen.borrow(), [false, true, false, true]);
    }

    #[test]
    fn a_file_is_no_device() {
        assert!(is_there(Path::new("/dev/null"), true));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_there(file.path(), false));
        assert!(!is_there(file.path(), true));
    }
}
