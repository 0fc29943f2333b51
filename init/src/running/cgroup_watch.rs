//! Changes of a service's cgroup.events and memory.events.local
//! (Documentation/admin-guide/cgroup-v2): poll(2) reports them as POLLPRI.
//!
//! Changes may be merged: one only says "look"; the loop reads the file (edge case 15). Not by
//! inotify: its watches and its queue are bounded by what all services together may use, and a
//! service that uses them up would keep PID 1 from hearing of the others.

use std::io;

use orlop_container::cgroup::EventsFile;
use tokio::io::Interest;
use tokio::task::JoinHandle;

use crate::watched::watch;

/// Tells of one file until it is dropped.
#[derive(Debug)]
pub(super) struct CgroupWatch(JoinHandle<()>);

impl CgroupWatch {
    /// Calls `tell` after each change since it was read last: whoever reads it does what is to be
    /// done about what it says.
    ///
    /// # Errors
    /// What epoll_ctl(2) says.
    pub(super) fn start(file: &EventsFile, tell: impl Fn() + 'static) -> io::Result<Self> {
        let watched = watch(file.clone(), Interest::PRIORITY)?;
        Ok(Self(crate::task::spawn(async move {
            while let Ok(mut ready) = watched.ready(Interest::PRIORITY).await {
                ready.clear_ready();
                // ENODEV: the cgroup is gone, and this task with its service's hold on it.
                let read = watched.get_ref().look();
                tell();
                if read.is_err() {
                    return;
                }
            }
        })))
    }
}

impl Drop for CgroupWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    fn cgroup2() -> Option<PathBuf> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let words = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let found = words.filter(|words| words.get(2) == Some(&"cgroup2"));
        let place = found.map(|words| PathBuf::from(words[1])).next()?;
        let path = place.join(format!("orlop-test-{}", std::process::id()));
        fs::create_dir(&path).ok().map(|()| path)
    }

    #[test]
    fn edge_15_each_change_of_a_cgroup_is_heard() {
        let Some(cgroup) = cgroup2() else {
            println!("SKIPPED: making a cgroup needs root and cgroup2");
            return;
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let tasks = tokio::task::LocalSet::new();
        let events = cgroup.join("cgroup.events");
        let populated = || fs::read_to_string(&events).unwrap().contains("populated 1");
        tasks.block_on(&runtime, async {
            let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
            let tell = move || sender.send(()).unwrap();
            let file = EventsFile::open(&events).unwrap();
            let watch = CgroupWatch::start(&file, tell).unwrap();
            for _ in 0..3 {
                let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
                fs::write(cgroup.join("cgroup.procs"), child.id().to_string()).unwrap();
                while !populated() {
                    told.recv().await.unwrap();
                }
                child.kill().unwrap();
                child.wait().unwrap();
                while populated() {
                    told.recv().await.unwrap();
                }
            }
            // Nothing is told of a cgroup in which nothing happens.
            while told.try_recv().is_ok() {}
            tokio::task::yield_now().await;
            assert!(told.try_recv().is_err());
            drop(watch);
        });
        fs::remove_dir(&cgroup).unwrap();
    }
}
