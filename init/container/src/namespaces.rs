//! The namespaces that a service keeps over its restarts: user and network.
//!
//! A *holder* child is cloned into them, the parent writes its id maps, the child readies the
//! network namespace and passes the descriptors up, then ends. PID 1 never calls setns, and never
//! waits: it polls the holder's socket.
//!
//! ```text
//! PID 1                              holder (clone3 NEWUSER NEWNET)
//!   writes uid_map, gid_map            blocked on its socket
//!   "go" ----------------------------> sysctls, lo up, netlink socket
//!   readable <------------------------ {step, errno} + descriptors; exits
//! ```

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::write;
use orlop_sys::clone::{CloneArgs, Process, clone_process};
use orlop_sys::{fd, namespace, pidfd, scm, signals};

use crate::private_proc::PrivateProc;
use crate::weaken::{Rule, holds};

/// How many ids a service's user namespace has: container ids 0 to 65535.
pub const ID_COUNT: u32 = 65_536;

/// Which namespaces to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespaceSpec {
    /// The machine's id of the service's root (the map is `0 <base> 65536`); `None` for
    /// `userns_mode = "host"`.
    pub id_base: Option<u32>,
    /// An own network namespace, inside that user namespace.
    pub network: bool,
}

/// The kept namespaces. Drop them when the service is no longer wanted.
#[derive(Debug, Default)]
pub struct KeptNamespaces {
    /// `None` when the service runs in the machine's.
    pub user: Option<OwnedFd>,
    /// `None` when the service runs in the machine's.
    pub net: Option<OwnedFd>,
    /// A NETLINK_ROUTE socket that speaks to `net` from PID 1; close-on-exec, non-blocking.
    pub netlink: Option<OwnedFd>,
}

/// What the holder was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderStep {
    /// Resetting signals.
    Signals,
    /// Waiting for the id maps.
    Go,
    /// Opening its user namespace.
    OpenUser,
    /// Opening its network namespace.
    OpenNet,
    /// Letting every port be bound without a capability.
    PortSysctl,
    /// Letting every group ping.
    PingSysctl,
    /// Setting lo up.
    Loopback,
    /// Opening the netlink socket.
    Netlink,
    /// All done.
    Done,
}

/// Why the namespaces could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceError {
    /// The socket between the two.
    #[error("making the holder's socket")]
    Socket(#[source] Errno),
    /// The namespaces themselves.
    #[error("cloning into new namespaces")]
    Clone(#[source] Errno),
    /// `uid_map` or `gid_map`.
    #[error("writing the holder's {file}")]
    Map {
        /// Which file.
        file: &'static str,
        /// Its errno.
        source: Errno,
    },
    /// A step inside the namespaces.
    #[error("readying the namespaces: {step:?}")]
    Inside {
        /// Which.
        step: HolderStep,
        /// Its errno.
        source: Errno,
    },
    /// The holder ended without a message: it was killed.
    #[error("the holder of the namespaces ended without an answer")]
    Died,
    /// Not readable yet: poll the holder.
    #[error("the holder has not answered yet")]
    NotReady,
}

/// A holder at work. Its process ends by itself, at the latest when this is dropped; the caller's
/// reaper reaps [`Holder::pid`].
#[derive(Debug)]
pub struct Holder {
    spec: NamespaceSpec,
    process: Process,
    socket: OwnedFd,
}

impl Holder {
    /// Makes the namespaces and writes the id maps. Takes a clone and two writes; does not block.
    ///
    /// # Errors
    /// [`NamespaceError`]; nothing is left but a zombie for the reaper when a map cannot be written.
    pub fn start(spec: NamespaceSpec, proc: &PrivateProc) -> Result<Self, NamespaceError> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(NamespaceError::Socket)?;
        let mut namespaces = CloneFlags::empty();
        namespaces.set(CloneFlags::CLONE_NEWUSER, spec.id_base.is_some());
        namespaces.set(CloneFlags::CLONE_NEWNET, spec.network);
        let args = CloneArgs {
            namespaces,
            cgroup: None,
        };
        let (socket, parent) = (theirs.as_fd(), ours.as_raw_fd());
        let process = clone_process(&args, || hold(spec, proc.as_fd(), socket, parent))
            .map_err(NamespaceError::Clone)?;
        drop(theirs);
        let holder = Self {
            spec,
            process,
            socket: ours,
        };
        holder.release(proc.as_fd())?;
        Ok(holder)
    }

    /// Its pid, for the reaper's table.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Its pidfd: readable when it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.process.pidfd.as_fd()
    }

    /// The namespaces, once the holder is readable; does not block.
    ///
    /// # Errors
    /// [`NamespaceError::NotReady`] when it is not readable yet, a step's
    /// error, or its death.
    pub fn finish(&self) -> Result<KeptNamespaces, NamespaceError> {
        let mut bytes = [0; MESSAGE];
        let mut received = scm::recv_with_fds(self.socket.as_fd(), &mut bytes);
        if matches!(received, Err(Errno::ECONNRESET)) {
            // It ended before it read its "go": that is told once, and before its own answer.
            received = scm::recv_with_fds(self.socket.as_fd(), &mut bytes);
        }
        let received = received.map_err(|errno| match errno {
            Errno::EAGAIN => NamespaceError::NotReady,
            errno => NamespaceError::Socket(errno),
        })?;
        if received.bytes != MESSAGE {
            return Err(NamespaceError::Died);
        }
        let [step, errno @ ..] = bytes;
        let step = STEPS
            .get(usize::from(step))
            .copied()
            .ok_or(NamespaceError::Died)?;
        if step != HolderStep::Done {
            return Err(NamespaceError::Inside {
                step,
                source: Errno::from_raw(i32::from_ne_bytes(errno)),
            });
        }
        let mut fds = received.fds.into_iter();
        let mut take = |wanted: bool| match wanted {
            true => fds.next().map(Some).ok_or(NamespaceError::Died),
            false => Ok(None),
        };
        Ok(KeptNamespaces {
            user: take(self.spec.id_base.is_some())?,
            net: take(self.spec.network)?,
            netlink: take(self.spec.network)?,
        })
    }

    fn release(&self, proc: BorrowedFd<'_>) -> Result<(), NamespaceError> {
        if let Some(base) = self.spec.id_base {
            let map = format!("0 {base} {ID_COUNT}");
            for file in ["uid_map", "gid_map"] {
                let path = format!("{}/{file}", self.process.pid);
                proc_write(proc, path.as_str(), map.as_bytes())
                    .map_err(|source| NamespaceError::Map { file, source })?;
            }
        }
        fd::set_nonblocking(self.socket.as_fd()).map_err(NamespaceError::Socket)?;
        match send(self.socket.as_raw_fd(), b"g", MsgFlags::MSG_NOSIGNAL) {
            // It has died: finish() says so.
            Ok(_) | Err(Errno::EPIPE) => Ok(()),
            Err(errno) => Err(NamespaceError::Socket(errno)),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // ESRCH: it has ended, as it should.
        let _ended = pidfd::send_signal(self.pidfd(), libc::SIGKILL);
    }
}

impl AsFd for Holder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Holder {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The child: system calls only.
fn hold(spec: NamespaceSpec, proc: BorrowedFd<'_>, socket: BorrowedFd<'_>, parent: RawFd) -> i32 {
    let answer = |step: HolderStep, errno: i32, fds: &[BorrowedFd<'_>]| {
        let mut bytes = [0; MESSAGE];
        let [first, rest @ ..] = &mut bytes;
        *first = step as u8;
        *rest = errno.to_ne_bytes();
        i32::from(scm::send_with_fds(socket, &bytes, fds).is_err())
    };
    match ready(spec, proc, socket, parent) {
        Ok(kept) => {
            let list = [kept.user.as_ref(), kept.net.as_ref(), kept.netlink.as_ref()];
            match list.map(|fd| fd.map(AsFd::as_fd)) {
                [Some(user), Some(net), Some(netlink)] => {
                    answer(HolderStep::Done, 0, &[user, net, netlink])
                }
                [None, Some(net), Some(netlink)] => answer(HolderStep::Done, 0, &[net, netlink]),
                [Some(user), _, _] => answer(HolderStep::Done, 0, &[user]),
                _ => answer(HolderStep::Done, 0, &[]),
            }
        }
        Err((step, errno)) => answer(step, errno as i32, &[]),
    }
}

fn ready(
    spec: NamespaceSpec,
    proc: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
    parent: RawFd,
) -> Result<KeptNamespaces, (HolderStep, Errno)> {
    let at = |step| move |errno| (step, errno);
    signals::reset().map_err(at(HolderStep::Signals))?;
    // Its copy of the parent's end: without it, the parent's death is the end of the stream here.
    fd::close_in_child(parent).map_err(at(HolderStep::Go))?;
    let mut go = [0];
    match recv(socket.as_raw_fd(), &mut go, MsgFlags::empty()) {
        Ok(1) => {}
        Ok(_) => return Err((HolderStep::Go, Errno::EPIPE)),
        Err(errno) => return Err((HolderStep::Go, errno)),
    }
    let mut kept = KeptNamespaces::default();
    let open = |path| openat2(proc, path, how(OFlag::O_RDONLY, ResolveFlag::empty()));
    if spec.id_base.is_some() {
        kept.user = Some(open(c"self/ns/user").map_err(at(HolderStep::OpenUser))?);
    }
    if spec.network {
        kept.net = Some(open(c"self/ns/net").map_err(at(HolderStep::OpenNet))?);
        proc_write(proc, c"sys/net/ipv4/ip_unprivileged_port_start", b"0")
            .map_err(at(HolderStep::PortSysctl))?;
        proc_write(proc, c"sys/net/ipv4/ping_group_range", b"0 65535")
            .map_err(at(HolderStep::PingSysctl))?;
        namespace::loopback_up().map_err(at(HolderStep::Loopback))?;
        kept.netlink = Some(namespace::netlink_route().map_err(at(HolderStep::Netlink))?);
    }
    Ok(kept)
}

/// Writes a file of the private proc in one write (rule R6).
pub(crate) fn proc_write<P: ?Sized + nix::NixPath>(
    proc: BorrowedFd<'_>,
    path: &P,
    bytes: &[u8],
) -> Result<(), Errno> {
    let mut resolve = ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_BENEATH;
    resolve.set(ResolveFlag::RESOLVE_NO_XDEV, holds(Rule::R06));
    let file = openat2(proc, path, how(OFlag::O_WRONLY, resolve))?;
    match write(&file, bytes)? {
        count if count == bytes.len() => Ok(()),
        _ => Err(Errno::EIO),
    }
}

fn how(flags: OFlag, resolve: ResolveFlag) -> OpenHow {
    OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(resolve)
}

/// One byte of step and an errno.
const MESSAGE: usize = 5;

/// By the number that the holder sends.
const STEPS: [HolderStep; 9] = [
    HolderStep::Signals,
    HolderStep::Go,
    HolderStep::OpenUser,
    HolderStep::OpenNet,
    HolderStep::PortSysctl,
    HolderStep::PingSysctl,
    HolderStep::Loopback,
    HolderStep::Netlink,
    HolderStep::Done,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_its_number() {
        for (number, step) in STEPS.iter().enumerate() {
            assert_eq!(*step as usize, number);
        }
    }
}
