//! The socket of one service, and the task that reads it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use orlop_supervisor::Notice;
use orlop_sys::datagram;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::message::{MOST_BYTES, is_barrier, parse};
use super::{Origin, main_pid, sender};
use crate::children;
use crate::reaper::Reaper;
use crate::watched::watch;

/// Where the sockets are: only root gets into it.
pub const NOTIFY: &str = "/run/orlop/notify";

/// So many messages are read without a pause: a service that does nothing but notify cannot keep
/// PID 1 from its other work. Its own queue in the kernel is then full, and it waits.
const BURST: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);
/// After a message that costs PID 1 more: a child to take it, processes to look through.
const LONG_PAUSE: Duration = Duration::from_millis(200);
/// How long a child may take to let go of a message's descriptors.
const CHILD: Duration = Duration::from_secs(5);
/// How long to wait for a process or a descriptor that is not to be had (EAGAIN, EMFILE).
const NO_CHILD: Duration = Duration::from_secs(1);
/// How often and how long a launch looks whether the last life's messages are read.
const LOOK: Duration = Duration::from_millis(5);
const READ_OUT: Duration = Duration::from_secs(10);

/// One service's socket. It stays open for as long as the machine runs, over restarts and stops: to
/// close it would release the descriptors that wait in it, and that takes as long as their sender
/// likes.
#[derive(Debug, Clone)]
pub struct NotifySocket {
    socket: Rc<AsyncFd<OwnedFd>>,
    path: Rc<PathBuf>,
}

/// What the reading task tells of a service's message.
#[derive(Debug)]
pub enum Said {
    /// One statement; a `MainPid` is the machine's.
    Notice(Notice),
    /// Somebody else's message, which was passed over.
    Stranger(i32),
    /// All statements before this one are to be acted upon, then this is to be answered.
    Reached(oneshot::Sender<()>),
}

impl NotifySocket {
    /// Listens for the service. Everybody may write, as with systemd: a daemon drops to a user of
    /// its choice. Only the service's own container reaches the path.
    ///
    /// # Errors
    /// What making it says.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let _of_a_pid_1_before = fs::remove_file(&path);
        let socket = datagram::listen(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
        Ok(Self {
            socket: Rc::new(watch(socket, Interest::READABLE)?),
            path: Rc::new(path),
        })
    }

    /// Where it is in the machine.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until every message that was sent so far has been told.
    ///
    /// # Errors
    /// One fragment when that takes longer than ten seconds.
    pub async fn read_out(&self) -> Result<(), String> {
        let empty = async {
            while self.peek(&mut [0]).is_ok() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(READ_OUT, empty)
            .await
            .map_err(|_| "notifications of its last life are still unread after 10 s".to_owned())
    }

    /// Reads for ever; `tell` is called once for each statement, in order.
    pub async fn read(
        self,
        reaper: Reaper,
        origin: Origin,
        cgroup: PathBuf,
        mut tell: impl FnMut(Said),
    ) {
        let mut buffer = vec![0; MOST_BYTES];
        let mut read = 0_u32;
        while let Ok(mut ready) = self.socket.readable().await {
            let seen = match self.peek(&mut buffer) {
                Ok(seen) => seen,
                Err(Errno::EAGAIN) => {
                    ready.clear_ready();
                    read = 0;
                    continue;
                }
                Err(_) => {
                    tokio::time::sleep(NO_CHILD).await;
                    continue;
                }
            };
            let bytes = buffer.get(..seen.bytes).unwrap_or_default();
            let mut costly = seen.has_fds;
            if !sender::is_from(&origin, &seen) {
                tell(Said::Stranger(seen.pid));
            } else if !seen.cut && !is_barrier(bytes) {
                for notice in parse(bytes) {
                    costly |= matches!(notice, Notice::MainPid(_));
                    if let Some(notice) = translate(notice, &origin, &cgroup, seen.pid) {
                        tell(Said::Notice(notice));
                    }
                }
            }
            if seen.has_fds {
                let (answer, reached) = oneshot::channel();
                tell(Said::Reached(answer));
                let _loop_never_ends = reached.await;
            }
            self.take(seen.has_fds, &reaper).await;
            read += 1;
            if costly {
                tokio::time::sleep(LONG_PAUSE).await;
            } else if read.is_multiple_of(BURST) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn peek(&self, buffer: &mut [u8]) -> Result<datagram::Datagram, Errno> {
        datagram::peek(self.socket.get_ref().as_fd(), buffer)
    }

    /// Takes the message off the socket. What is sent along is let go of by a child: the last one
    /// to close a descriptor may have to wait for it.
    ///
    /// That closing is the answer to a `BARRIER=1`: all messages before it were acted upon before.
    async fn take(&self, has_fds: bool, reaper: &Reaper) {
        let socket = self.socket.get_ref().as_fd();
        if !has_fds {
            let _as_peeked = datagram::take(socket, &mut [0]);
            return;
        }
        let work = || datagram::take(socket, &mut [0]).map(drop);
        let taken = children::run(reaper, CHILD, &[socket], work).await;
        if let Err(children::ChildError::Start(_)) = taken {
            // No process is to be had: the message stays, and is looked at again.
            tokio::time::sleep(NO_CHILD).await;
        }
    }
}

/// A pid as the sender counts it becomes one of the machine; `None` when it is nobody's (edge cases
/// 29 and 31).
fn translate(notice: Notice, origin: &Origin, cgroup: &Path, from: i32) -> Option<Notice> {
    let Notice::MainPid(inner) = notice else {
        return Some(notice);
    };
    let inner = i32::try_from(inner).ok()?;
    let pid = main_pid::find(origin, cgroup, from, inner)?;
    u32::try_from(pid).ok().map(Notice::MainPid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::proc::Process;
    use nix::fcntl::OFlag;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    use orlop_sys::scm::send_with_fds;
    use std::cell::RefCell;
    use std::os::fd::AsRawFd;

    /// Reads until the waiting future is done, and gives back what was said.
    fn listen<T>(
        cgroup: Option<&str>,
        act: impl AsyncFnOnce(OwnedFd, Rc<RefCell<Vec<Notice>>>) -> T,
    ) -> (T, Vec<Notice>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("web.sock");
            let ours = NotifySocket::open(path.clone()).unwrap();
            let kind = SockType::Datagram;
            let theirs = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
            connect(theirs.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
            let this = i32::try_from(std::process::id()).unwrap();
            let here = Process(this).cgroup().unwrap();
            let origin = Origin {
                cgroup: cgroup.map_or(here, str::to_owned),
                uids: None,
            };
            let notices = Rc::new(RefCell::new(Vec::new()));
            let strangers = Rc::new(RefCell::new(0));
            let (told, counted) = (notices.clone(), strangers.clone());
            let reaper = Reaper::new();
            let reap = reaper.clone();
            crate::task::spawn(ours.clone().read(
                reaper,
                origin,
                folder.path().to_owned(),
                move |said| match said {
                    Said::Notice(notice) => told.borrow_mut().push(notice),
                    Said::Stranger(_) => *counted.borrow_mut() += 1,
                    Said::Reached(answer) => answer.send(()).unwrap(),
                },
            ));
            // What SIGCHLD does in PID 1.
            crate::task::spawn(async move {
                loop {
                    while reap.reap() {}
                    tokio::time::sleep(LOOK).await;
                }
            });
            let result = act(theirs, notices.clone()).await;
            ours.read_out().await.unwrap();
            let notices = notices.take();
            (result, notices, strangers.take())
        })
    }

    fn send(socket: &OwnedFd, text: &str) {
        nix::unistd::write(socket, text.as_bytes()).unwrap();
    }

    #[test]
    fn what_the_service_says_is_told_in_order() {
        let (_, notices, strangers) = listen(None, async |socket, _| {
            send(&socket, "STATUS=warming up");
            send(&socket, "READY=1\nFDSTORE=1");
            send(&socket, &"x".repeat(MOST_BYTES + 1));
            send(&socket, "WATCHDOG=1");
        });
        let status = Notice::Status("warming up".to_owned());
        assert_eq!(notices, [status, Notice::Ready, Notice::WatchdogPing]);
        assert_eq!(strangers, 0);
    }

    #[test]
    fn edge_30_what_comes_from_outside_the_cgroup_is_ignored() {
        let (_, notices, strangers) = listen(Some("/services/web"), async |socket, _| {
            send(&socket, "READY=1");
            send(&socket, "MAINPID=1");
        });
        assert_eq!((notices, strangers), (vec![], 2));
    }

    /// In a process of its own: its reaper would take other tests' children away.
    fn alone(test: &str) -> bool {
        const ALONE: &str = "ORLOP_TEST_ALONE";
        if std::env::var_os(ALONE).is_some() {
            return true;
        }
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("notify::socket::tests::{test}")])
            .env(ALONE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        false
    }

    #[test]
    fn edge_30_a_barrier_is_answered_after_all_that_came_before() {
        if !alone("edge_30_a_barrier_is_answered_after_all_that_came_before") {
            return;
        }
        let (seen, notices, _) = listen(None, async |socket, notices| {
            let (reading, writing) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
            for number in 0..5 {
                send(&socket, &format!("STATUS={number}"));
            }
            send_with_fds(socket.as_fd(), b"BARRIER=1", &[writing.as_fd()]).unwrap();
            send(&socket, "READY=1");
            drop(writing);
            let closed = watch(reading, Interest::READABLE).unwrap();
            let ready = closed.readable().await.unwrap();
            assert!(ready.ready().is_read_closed());
            notices.borrow().len()
        });
        assert!(
            (5..=6).contains(&seen),
            "{seen} were told before the barrier"
        );
        assert_eq!(notices.len(), 6);
    }
}
