//! Applet `gateway`: the workstation's verbs over a virtio-serial port, so that they work with the
//! network dead. Each of the workstation's connections becomes one to the control socket.

mod calls;
mod exec;
mod port;
mod run;
#[cfg(test)]
mod tests;
mod wire;

pub use port::PortError;
pub use run::{GatewayError, run};
