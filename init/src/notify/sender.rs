//! Who sent a message: the service whose socket it came over, or nobody.
//!
//! The socket lies where only the machine's root and the service's own container reach it. On top of
//! that the sender's process must be in the service's cgroup or below it. A sender that has ended
//! already (a shell's one-line helper) has no cgroup any more: it counts when its user is one of the
//! service's own id range, which the kernel gives to no other service, and not otherwise.

use std::ops::Range;
use std::os::fd::AsFd;

use orlop_sys::datagram::Datagram;
use orlop_sys::pidfd;

use super::proc::Process;

/// The service as the kernel shows its processes.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The path of its cgroup below the mount, as /proc/<pid>/cgroup has it: `/services/web`.
    pub cgroup: String,
    /// Its own ids in the machine; `None` when it runs in the machine's user namespace.
    pub uids: Option<Range<u32>>,
}

/// Whether a message came from the service.
#[must_use]
pub(super) fn is_from(origin: &Origin, message: &Datagram) -> bool {
    // Opened first: what is read of the pid afterwards is true of the process that the pidfd names,
    // if that one still has not been reaped at the end.
    match pidfd::open(message.pid) {
        Ok(pidfd) => {
            let inside = is_inside(origin, message.pid);
            match pidfd::send_signal(pidfd.as_fd(), 0) {
                Ok(()) => inside,
                Err(_reaped) => is_own_user(origin, message.uid),
            }
        }
        Err(_reaped) => is_own_user(origin, message.uid),
    }
}

/// Whether a process is in the service's cgroup now.
pub(super) fn is_inside(origin: &Origin, pid: i32) -> bool {
    Process(pid)
        .cgroup()
        .is_some_and(|path| is_at_or_below(&path, &origin.cgroup))
}

fn is_own_user(origin: &Origin, uid: u32) -> bool {
    origin.uids.as_ref().is_some_and(|uids| uids.contains(&uid))
}

fn is_at_or_below(path: &str, cgroup: &str) -> bool {
    path.strip_prefix(cgroup)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_services_cgroup_may_begin_with_the_same_letters() {
        assert!(is_at_or_below("/services/web", "/services/web"));
        assert!(is_at_or_below("/services/web/worker", "/services/web"));
        assert!(!is_at_or_below("/services/web-2", "/services/web"));
        assert!(!is_at_or_below("/services", "/services/web"));
        assert!(!is_at_or_below("/", "/services/web"));
    }

    fn message(pid: i32, uid: u32) -> Datagram {
        Datagram {
            bytes: 7,
            pid,
            uid,
            cut: false,
            has_fds: false,
        }
    }

    #[test]
    fn edge_30_a_living_sender_is_judged_by_its_cgroup_alone() {
        let this = std::process::id().try_into().unwrap();
        let here = Process(this).cgroup().unwrap();
        let origin = |cgroup: &str, uids| Origin {
            cgroup: cgroup.to_owned(),
            uids,
        };
        assert!(is_from(&origin(&here, None), &message(this, 0)));
        // The right user does not help who lives elsewhere.
        let elsewhere = origin("/services/web", Some(0..u32::MAX));
        assert!(!is_from(&elsewhere, &message(this, 0)));
    }

    #[test]
    fn edge_30_a_sender_that_has_ended_is_judged_by_its_user() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let gone = child.id().try_into().unwrap();
        let origin = |uids| Origin {
            cgroup: "/services/web".to_owned(),
            uids,
        };
        let own = Some(65_536..131_072);
        assert!(is_from(&origin(own.clone()), &message(gone, 65_635)));
        assert!(!is_from(&origin(own), &message(gone, 0)));
        assert!(!is_from(&origin(None), &message(gone, 0)));
    }
}
