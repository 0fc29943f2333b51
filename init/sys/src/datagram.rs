//! Datagrams whose sender the kernel names (SO_PASSCRED, unix(7)), with no descriptor installed.
//!
//! A descriptor that comes along (SCM_RIGHTS) belongs to whoever sent it: closing it may take as long
//! as that one likes (a FUSE file, a lingering socket). The room for control messages here is that
//! of the credentials alone, so the kernel never puts one into the caller's table; but the last
//! reference goes with the message, and is released by whoever takes that message off the socket.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket};

/// One datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// How many bytes of the buffer were filled.
    pub bytes: usize,
    /// The sender in the receiver's pid namespace, 0 when it is not in it; it may have ended.
    pub pid: i32,
    /// The sender's user in the receiver's user namespace.
    pub uid: u32,
    /// The message was longer than the buffer.
    pub cut: bool,
    /// Descriptors came along.
    pub has_fds: bool,
}

/// A non-blocking datagram socket bound to a path, whose receiver learns who sent.
///
/// # Errors
/// The errno of socket(2), setsockopt(2) or bind(2).
pub fn listen(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    setsockopt(&socket, PassCred, &true)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
}

/// Looks at the next message and leaves it on the socket.
///
/// # Errors
/// EAGAIN when none waits; the errno of recvmsg(2).
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Datagram, Errno> {
    receive(socket, buffer, libc::MSG_PEEK)
}

/// Takes the next message off the socket; releases the descriptors that came with it.
///
/// # Errors
/// EAGAIN when none waits; the errno of recvmsg(2).
pub fn take(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Datagram, Errno> {
    receive(socket, buffer, 0)
}

fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: libc::c_int,
) -> Result<Datagram, Errno> {
    let mut control = Control([0; CREDENTIALS_SPACE]);
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: msghdr is plain old data (with private padding on musl); zero is a valid start.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CREDENTIALS_SPACE as _;
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: `message` refers to a live, writable iovec and control buffer with their true sizes.
    let bytes = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let bytes = Errno::result(bytes)?.unsigned_abs();
    // Credentials come first (scm_recv of net/core/scm.c): what did not fit behind them are
    // descriptors.
    // SAFETY: recvmsg has set msg_control and msg_controllen to what it filled.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: null, or a header inside the control buffer, which lives here.
    let sender = match unsafe { first.as_ref() } {
        Some(header)
            if (header.cmsg_level, header.cmsg_type)
                == (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) =>
        {
            // SAFETY: the header lies in the buffer with its payload behind it.
            let payload = unsafe { libc::CMSG_DATA(header) }.cast::<libc::ucred>();
            // SAFETY: the payload of SCM_CREDENTIALS is one ucred; unaligned reads are allowed.
            Some(unsafe { payload.read_unaligned() })
        }
        _ => None,
    };
    Ok(Datagram {
        bytes,
        pid: sender.map_or(0, |sender| sender.pid),
        uid: sender.map_or(u32::MAX, |sender| sender.uid),
        cut: message.msg_flags & libc::MSG_TRUNC != 0,
        has_fds: message.msg_flags & libc::MSG_CTRUNC != 0,
    })
}

/// CMSG_SPACE of one ucred: a header of 16 bytes, 12 of credentials, padding.
const CREDENTIALS_SPACE: usize = 32;

#[repr(align(8))]
struct Control([u8; CREDENTIALS_SPACE]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scm::send_with_fds;
    use nix::sys::socket::{UnixAddr, connect};
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    fn pair() -> (tempdir::Folder, OwnedFd, OwnedFd) {
        let folder = tempdir::Folder::new();
        let path = folder.0.join("notify.sock");
        let ours = listen(&path).unwrap();
        let kind = SockType::Datagram;
        let theirs = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        connect(theirs.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        (folder, ours, theirs)
    }

    /// The crate has no use for a temporary folder anywhere else.
    mod tempdir {
        use std::path::PathBuf;
        use std::sync::atomic::{AtomicU32, Ordering};

        static NEXT: AtomicU32 = AtomicU32::new(0);

        pub(super) struct Folder(pub(super) PathBuf);

        impl Folder {
            pub(super) fn new() -> Self {
                let (pid, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
                let path = std::env::temp_dir().join(format!("orlop-datagram-{pid}-{next}"));
                std::fs::create_dir(&path).unwrap();
                Self(path)
            }
        }

        impl Drop for Folder {
            fn drop(&mut self) {
                std::fs::remove_dir_all(&self.0).unwrap();
            }
        }
    }

    #[test]
    fn the_kernel_names_the_sender() {
        let (folder, ours, theirs) = pair();
        let mut buffer = [0; 16];
        assert_eq!(take(ours.as_fd(), &mut buffer), Err(Errno::EAGAIN));
        nix::unistd::write(&theirs, b"READY=1").unwrap();
        let expected = Datagram {
            bytes: 7,
            pid: i32::try_from(std::process::id()).unwrap(),
            uid: std::fs::metadata(&folder.0).unwrap().uid(),
            cut: false,
            has_fds: false,
        };
        assert_eq!(peek(ours.as_fd(), &mut buffer), Ok(expected));
        assert_eq!(take(ours.as_fd(), &mut buffer), Ok(expected));
        assert_eq!(take(ours.as_fd(), &mut buffer), Err(Errno::EAGAIN));
        nix::unistd::write(&theirs, &[b'x'; 17]).unwrap();
        assert!(take(ours.as_fd(), &mut buffer).unwrap().cut);
    }

    #[test]
    fn descriptors_are_seen_and_never_installed() {
        let (_folder, ours, theirs) = pair();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        crate::fd::set_nonblocking(reader.as_fd()).unwrap();
        send_with_fds(theirs.as_fd(), b"BARRIER=1", &[writer.as_fd(); 3]).unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        let mut byte = [0];
        let seen = peek(ours.as_fd(), &mut buffer).unwrap();
        assert!(seen.has_fds && seen.pid != 0, "{seen:?}");
        // It is still in flight: nobody has let go of the pipe's end.
        assert_eq!(nix::unistd::read(&reader, &mut byte), Err(Errno::EAGAIN));
        assert_eq!(take(ours.as_fd(), &mut buffer), Ok(seen));
        assert_eq!(nix::unistd::read(&reader, &mut byte), Ok(0));
    }
}
