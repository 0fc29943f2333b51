//! Descriptors over unix sockets (SCM_RIGHTS, unix(7)). Used by PID 1 and by services.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// The most descriptors in one message here.
pub const MAX_FDS: usize = 32;

/// One received message.
#[derive(Debug)]
pub struct Received {
    /// How many bytes of the buffer were filled; 0 is the end of the stream.
    pub bytes: usize,
    /// The descriptors that came along, close-on-exec.
    pub fds: Vec<OwnedFd>,
    /// Bytes or descriptors did not fit and are lost.
    pub truncated: bool,
}

/// Sends bytes with descriptors; blocks only if the socket does. No SIGPIPE. Child-safe. On a
/// stream socket `bytes` must not be empty, or the descriptors go nowhere.
///
/// # Errors
/// EINVAL for more than [`MAX_FDS`]; the errno of sendmsg(2).
pub fn send_with_fds(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    if fds.len() > MAX_FDS {
        return Err(Errno::EINVAL);
    }
    let mut control = Control([0; CONTROL_WORDS]);
    let mut vector = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut message = message(&mut vector);
    if !fds.is_empty() {
        let payload = u32::try_from(size_of_val(fds)).map_err(|_| Errno::EINVAL)?;
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE only computes.
        let space = unsafe { libc::CMSG_SPACE(payload) };
        message.msg_controllen = space as _;
        // SAFETY: msg_control points to a live buffer of at least msg_controllen bytes, aligned to 8.
        let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        // SAFETY: the buffer is large enough for one header (CMSG_SPACE), so it is not null, and
        // nothing else refers to it.
        let header = unsafe { header.as_mut() }.ok_or(Errno::EINVAL)?;
        header.cmsg_level = libc::SOL_SOCKET;
        header.cmsg_type = libc::SCM_RIGHTS;
        // SAFETY: CMSG_LEN only computes.
        let length = unsafe { libc::CMSG_LEN(payload) };
        header.cmsg_len = length as _;
        // SAFETY: `header` is a valid header in the buffer; the result points behind it.
        let slot = unsafe { libc::CMSG_DATA(header) }.cast::<RawFd>();
        for (index, fd) in fds.iter().enumerate() {
            // SAFETY: index < fds.len(), for which CMSG_SPACE has reserved room.
            let slot = unsafe { slot.add(index) };
            // SAFETY: in bounds as above; unaligned writes are allowed by this function.
            unsafe { slot.write_unaligned(fd.as_raw_fd()) };
        }
    }
    // SAFETY: `message` refers to a live iovec and control buffer, neither of which sendmsg changes.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    Errno::result(sent).map(isize::unsigned_abs)
}

/// Receives one message (or what a stream holds) with its descriptors; blocks only if the socket
/// does.
///
/// # Errors
/// The errno of recvmsg(2).
pub fn recv_with_fds(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received, Errno> {
    let mut control = Control([0; CONTROL_WORDS]);
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut message = message(&mut vector);
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE only computes.
    let space = unsafe { libc::CMSG_SPACE(CONTROL_PAYLOAD) };
    message.msg_controllen = space as _;
    // SAFETY: `message` refers to a live, writable iovec and control buffer with their true sizes.
    let bytes =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let bytes = Errno::result(bytes)?.unsigned_abs();
    let mut fds = Vec::new();
    // SAFETY: recvmsg has set msg_control and msg_controllen to what it filled.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: the C macros return null or a header inside the control buffer, which lives here.
    while let Some(header) = unsafe { next.as_ref() } {
        if (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: CMSG_LEN only computes.
            let empty = u64::from(unsafe { libc::CMSG_LEN(0) });
            // SAFETY: the header lies in the buffer with its payload behind it.
            let slot = unsafe { libc::CMSG_DATA(header) }.cast::<RawFd>();
            for index in 0..(header.cmsg_len as u64).saturating_sub(empty) / 4 {
                let index = usize::try_from(index).map_err(|_| Errno::EOVERFLOW)?;
                // SAFETY: cmsg_len covers `index`.
                let slot = unsafe { slot.add(index) };
                // SAFETY: in bounds as above; unaligned reads are allowed by this function.
                let number = unsafe { slot.read_unaligned() };
                // SAFETY: the kernel has just installed this descriptor and nobody else owns it.
                fds.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
        // SAFETY: `header` came from the same message.
        next = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    let truncated = message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
    Ok(Received {
        bytes,
        fds,
        truncated,
    })
}

fn message(vector: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: msghdr is plain old data (with private padding on musl); zero is a valid start.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vector;
    message.msg_iovlen = 1;
    message
}

/// A header of 16 bytes and the descriptors, in whole words for the alignment.
const CONTROL_WORDS: usize = 2 + MAX_FDS.div_ceil(2);
const CONTROL_PAYLOAD: u32 = 4 * 32;
const _: () = assert!(CONTROL_PAYLOAD as usize == 4 * MAX_FDS);

#[repr(align(8))]
struct Control([u64; CONTROL_WORDS]);

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::os::fd::AsFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        socketpair(AddressFamily::Unix, kind, None, flags).unwrap()
    }

    #[test]
    fn descriptors_arrive_and_work() {
        let (left, right) = pair();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        send_with_fds(
            left.as_fd(),
            b"take",
            &[reader.as_fd(), writer.as_fd(), reader.as_fd()],
        )
        .unwrap();
        let mut buffer = [0; 16];
        let received = recv_with_fds(right.as_fd(), &mut buffer).unwrap();
        assert_eq!(
            (received.bytes, received.fds.len(), received.truncated),
            (4, 3, false)
        );
        nix::unistd::write(&received.fds[1], b"x").unwrap();
        let mut byte = [0];
        assert_eq!(nix::unistd::read(&received.fds[2], &mut byte), Ok(1));
    }

    #[test]
    fn plain_bytes_the_largest_list_and_the_end_of_the_stream() {
        let (left, right) = pair();
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut buffer = [0; 2];
        send_with_fds(left.as_fd(), b"abc", &[]).unwrap();
        assert!(recv_with_fds(right.as_fd(), &mut buffer).unwrap().truncated);
        assert_eq!(
            send_with_fds(left.as_fd(), b"a", &[null.as_fd(); MAX_FDS + 1]),
            Err(Errno::EINVAL)
        );
        send_with_fds(left.as_fd(), b"a", &[null.as_fd(); MAX_FDS]).unwrap();
        assert_eq!(
            recv_with_fds(right.as_fd(), &mut buffer).unwrap().fds.len(),
            MAX_FDS
        );
        drop(left);
        assert_eq!(recv_with_fds(right.as_fd(), &mut buffer).unwrap().bytes, 0);
    }
}
