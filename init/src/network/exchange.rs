//! A netlink socket on which finished bytes are sent and the kernel's answers awaited: for
//! nftables, and for the socket that a container's own network namespace gave us.
//!
//! netlink(7). One request at a time; the owner is the only user.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use tokio::io::unix::AsyncFd;

const NLMSG_ERROR: u16 = 2;
const NLMSG_HEADER: usize = 16;

/// The socket.
#[derive(Debug)]
pub(super) struct Exchange {
    socket: AsyncFd<OwnedFd>,
}

impl Exchange {
    /// Opens a socket to nfnetlink in this process's network namespace.
    pub(super) fn open_netfilter() -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkNetFilter,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self {
            socket: register(fd)?,
        })
    }

    /// Takes over a netlink socket that was opened elsewhere; it acts in the network namespace in
    /// which it was opened.
    pub(super) fn adopt(fd: OwnedFd) -> io::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self {
            socket: register(fd)?,
        })
    }

    /// Sends one datagram of messages and waits until the kernel acknowledges `sequence`, or
    /// refuses any message of it.
    pub(super) async fn request(&self, bytes: &[u8], sequence: u32) -> io::Result<()> {
        self.make_room(bytes.len())?;
        loop {
            let mut ready = self.socket.writable().await?;
            let sent = ready.try_io(|fd| Ok(send(fd.as_raw_fd(), bytes, MsgFlags::empty())?));
            match sent {
                Ok(result) => {
                    result?;
                    break;
                }
                Err(_would_block) => continue,
            }
        }
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let mut ready = self.socket.readable().await?;
            let received =
                ready.try_io(|fd| Ok(recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?));
            let Ok(result) = received else { continue };
            let datagram = buffer.get(..result?).unwrap_or_default();
            if answer(datagram, sequence)? {
                return Ok(());
            }
        }
    }

    /// A datagram larger than the send buffer is refused with EMSGSIZE, so the buffer grows first.
    fn make_room(&self, bytes: usize) -> io::Result<()> {
        let needed = bytes.saturating_mul(2);
        if needed > 128 * 1024 {
            setsockopt(&self.socket, sockopt::SndBufForce, &needed)?;
        }
        Ok(())
    }
}

#[expect(
    deprecated,
    reason = "`register` is unsafe for types that might swap their descriptor; OwnedFd cannot"
)]
fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}

/// Reads the NLMSG_ERROR messages of one datagram: whether the awaited acknowledgement is among
/// them, or the first refusal.
fn answer(mut datagram: &[u8], awaited: u32) -> io::Result<bool> {
    while let Some(header) = datagram.first_chunk::<NLMSG_HEADER>() {
        let [l0, l1, l2, l3, t0, t1, _, _, s0, s1, s2, s3, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let sequence = u32::from_ne_bytes([s0, s1, s2, s3]);
        let Some(body) = datagram.get(NLMSG_HEADER..length) else {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        };
        if u16::from_ne_bytes([t0, t1]) == NLMSG_ERROR {
            let code = body
                .first_chunk::<4>()
                .map_or(0, |code| i32::from_ne_bytes(*code));
            if code != 0 {
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            if sequence == awaited {
                return Ok(true);
            }
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sequence: u32, code: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&36_u32.to_ne_bytes());
        bytes.extend_from_slice(&NLMSG_ERROR.to_ne_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&code.to_ne_bytes());
        bytes.extend_from_slice(&[0; 16]);
        bytes
    }

    #[test]
    fn only_the_awaited_acknowledgement_ends_the_wait() {
        assert!(!answer(&error(3, 0), 4).unwrap());
        assert!(answer(&[error(3, 0), error(4, 0)].concat(), 4).unwrap());
    }

    #[test]
    fn a_refusal_of_any_message_is_the_answer() {
        let refused = answer(&[error(2, -17), error(4, 0)].concat(), 4).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(17));
    }

    #[test]
    fn a_cut_off_datagram_is_invalid_and_does_not_loop() {
        let mut cut = error(4, 0);
        cut.truncate(20);
        assert_eq!(
            answer(&cut, 4).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        let zero_length = vec![0; 16];
        assert!(answer(&zero_length, 4).is_err());
    }
}
