//! The terminal's settings before QEMU made it raw, put back however QEMU ends.

use std::io::{IsTerminal, Stdin, stdin};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

/// Puts the settings back when dropped; nothing when stdin is no terminal.
pub(super) struct SavedTerminal(Option<(Stdin, Termios)>);

impl SavedTerminal {
    pub(super) fn save() -> Self {
        let input = stdin();
        if !input.is_terminal() {
            return Self(None);
        }
        Self(tcgetattr(&input).ok().map(|settings| (input, settings)))
    }
}

impl Drop for SavedTerminal {
    fn drop(&mut self) {
        if let Some((input, settings)) = &self.0 {
            let _ = tcsetattr(input, SetArg::TCSANOW, settings);
        }
    }
}
