//! Packet sockets (packet(7)): bound to one link, with a classic BPF filter from before the first
//! packet on.

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// One instruction of a classic BPF filter (`struct sock_filter`, bpf in linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    operand: u32,
}

impl Instruction {
    /// An instruction by its parts: code, jump when true, jump when false, operand.
    #[must_use]
    pub const fn new(code: u16, jump_true: u8, jump_false: u8, operand: u32) -> Self {
        Self {
            code,
            jump_true,
            jump_false,
            operand,
        }
    }
}

/// Opens a non-blocking, close-on-exec SOCK_DGRAM packet socket for packets of an Ethernet
/// protocol (host order, such as 0x0800) on one link that the filter lets through.
///
/// The socket is made for no protocol and bound last, so that it never holds a packet that the
/// filter has not seen.
///
/// # Errors
/// The errno of socket(2), setsockopt(2) or bind(2).
pub fn open(link: u32, protocol: u16, filter: &[Instruction]) -> Result<OwnedFd, Errno> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes three numbers.
    let number = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: `program` points at `len` instructions of the layout of sock_filter (repr(C), same
    // fields), which the kernel only reads and copies; both live until the call returns.
    let attached = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            length_of::<libc::sock_fprog>(),
        )
    };
    Errno::result(attached)?;
    let address = address(link, protocol, None)?;
    // SAFETY: the pointer and the length are those of one sockaddr_ll, which is only read.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            ADDRESS_LENGTH,
        )
    };
    Errno::result(bound)?;
    Ok(socket)
}

/// Sends one packet, which starts at its network header, to a hardware address on the link.
///
/// # Errors
/// The errno of sendto(2): ENETDOWN while the link is down, EAGAIN when the queue is full.
pub fn send(
    socket: BorrowedFd<'_>,
    link: u32,
    protocol: u16,
    hardware: [u8; 6],
    packet: &[u8],
) -> Result<usize, Errno> {
    let address = address(link, protocol, Some(hardware))?;
    // SAFETY: both pointers come with the length of what they point at, and are only read.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            (&raw const address).cast(),
            ADDRESS_LENGTH,
        )
    };
    let sent = Errno::result(sent)?;
    usize::try_from(sent).map_err(|_| Errno::EIO)
}

/// The link that a packet socket is bound to, and that link's Ethernet address.
///
/// # Errors
/// The errno of getsockname(2); ENODEV when it is bound to none, EADDRNOTAVAIL when the link has
/// no address of 6 bytes.
pub fn bound_to(socket: BorrowedFd<'_>) -> Result<(u32, [u8; 6]), Errno> {
    let mut address = address(0, 0, None)?;
    let mut length = ADDRESS_LENGTH;
    // SAFETY: the pointers are to a sockaddr_ll and to its length, both live and writable; the
    // kernel writes at most that length.
    let result = unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            (&raw mut address).cast(),
            &raw mut length,
        )
    };
    Errno::result(result)?;
    let link = u32::try_from(address.sll_ifindex).map_err(|_| Errno::ENODEV)?;
    if i32::from(address.sll_family) != libc::AF_PACKET || link == 0 {
        return Err(Errno::ENODEV);
    }
    match (address.sll_halen, address.sll_addr) {
        (6, [a, b, c, d, e, f, ..]) => Ok((link, [a, b, c, d, e, f])),
        _ => Err(Errno::EADDRNOTAVAIL),
    }
}

const ADDRESS_LENGTH: libc::socklen_t = length_of::<libc::sockaddr_ll>();

#[expect(
    clippy::cast_possible_truncation,
    reason = "the structs named here have some 20 bytes"
)]
const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

fn address(
    link: u32,
    protocol: u16,
    hardware: Option<[u8; 6]>,
) -> Result<libc::sockaddr_ll, Errno> {
    let mut address = [0; 8];
    let mut length = 0;
    if let Some(hardware) = hardware {
        for (byte, given) in address.iter_mut().zip(hardware) {
            *byte = given;
            length += 1;
        }
    }
    Ok(libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(|_| Errno::EINVAL)?,
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(link).map_err(|_| Errno::ENODEV)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: length,
        sll_addr: address,
    })
}
