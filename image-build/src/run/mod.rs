//! `orlop run`: a built machine, or the disk image of one, in QEMU, with its console in the terminal
//! and its ports forwarded.
//!
//! What is decided (arguments of QEMU, forwards, accelerator) is computed from values in
//! [`command`], [`forward`] and [`accel`]; [`session`] has the effects: it owns the QEMU process
//! and everything that belongs to it, and nothing of it outlives the tool.

mod accel;
mod command;
mod console_log;
mod firmware;
mod forward;
mod image;
pub mod place;
mod probe_rom;
mod progress;
mod qmp;
mod relay;
mod run_options;
mod session;
mod start;
mod state_disk;
mod terminal;

pub use accel::Accel;
pub use firmware::Firmware;
pub use forward::ForwardSpec;
pub use run_options::{DiskBus, Memory, RunOptions};
pub use start::run;
