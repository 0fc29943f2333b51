//! The end of the machine (reboot(2)).

use std::convert::Infallible;

use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, set_cad_enabled};

/// How the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    /// Power off.
    PowerOff,
    /// Restart.
    Reboot,
    /// Stop the CPUs, keep the power.
    Halt,
}

/// Ends the machine at once, without sync or unmount: the caller has done that.
///
/// # Errors
/// The errno of reboot(2); it does not return otherwise.
pub fn end_machine(action: PowerAction) -> Result<Infallible, Errno> {
    nix::sys::reboot::reboot(match action {
        PowerAction::PowerOff => RebootMode::RB_POWER_OFF,
        PowerAction::Reboot => RebootMode::RB_AUTOBOOT,
        PowerAction::Halt => RebootMode::RB_HALT_SYSTEM,
    })
}

/// Makes Ctrl-Alt-Del a SIGINT to PID 1 instead of an immediate restart.
///
/// # Errors
/// The errno of reboot(2).
pub fn route_ctrl_alt_del_to_init() -> Result<(), Errno> {
    set_cad_enabled(false)
}
