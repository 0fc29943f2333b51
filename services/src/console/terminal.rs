//! Modes of a terminal as a shell expects them (termios(3)), whatever the last program left.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, tcgetattr,
    tcsetattr,
};

/// Sets what `stty sane` sets.
pub(super) fn make_sane(tty: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut modes = tcgetattr(tty)?;
    modes.input_flags = InputFlags::ICRNL | InputFlags::IXON | InputFlags::BRKINT;
    modes.input_flags |= InputFlags::IUTF8 | InputFlags::IMAXBEL;
    modes.output_flags = OutputFlags::OPOST | OutputFlags::ONLCR;
    modes.control_flags |= ControlFlags::CREAD | ControlFlags::CS8;
    // A serial line without modem lines is a line all the same.
    modes.control_flags |= ControlFlags::CLOCAL;
    modes.local_flags = LocalFlags::ICANON | LocalFlags::ISIG | LocalFlags::IEXTEN;
    modes.local_flags |= LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK;
    modes.local_flags |= LocalFlags::ECHOCTL | LocalFlags::ECHOKE;
    let characters = [
        (SpecialCharacterIndices::VINTR, 3),
        (SpecialCharacterIndices::VQUIT, 28),
        (SpecialCharacterIndices::VERASE, 127),
        (SpecialCharacterIndices::VKILL, 21),
        (SpecialCharacterIndices::VEOF, 4),
        (SpecialCharacterIndices::VSTART, 17),
        (SpecialCharacterIndices::VSTOP, 19),
        (SpecialCharacterIndices::VSUSP, 26),
        (SpecialCharacterIndices::VWERASE, 23),
        (SpecialCharacterIndices::VLNEXT, 22),
    ];
    for (index, value) in characters {
        if let Some(character) = modes.control_chars.get_mut(index as usize) {
            *character = value;
        }
    }
    tcsetattr(tty, SetArg::TCSANOW, &modes)
}
