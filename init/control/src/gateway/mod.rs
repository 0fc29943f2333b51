//! The virtio-serial port `orlop.control`: frames of many control connections.
//!
//! Used by the service `gateway` in the machine and by `orlop run` on the workstation. The bytes
//! are in `docs/architecture.md`.

mod frame;
mod mux;
#[cfg(test)]
mod mux_tests;

pub use frame::{Decoder, Frame, MAGIC, MAX_PAYLOAD};
pub use mux::{MAX_CHANNELS, Mux, MuxEvent, Side};
