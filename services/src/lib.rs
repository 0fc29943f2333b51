//! First-party programs of the service images: one multi-call binary, which program is meant says
//! the name it is called by, or its first argument.
#![forbid(unsafe_code)]

pub mod applet;
pub mod console;
pub mod dhcp;
mod exec;
pub mod gateway;
pub mod init;
pub mod log;
pub mod modprobe;
pub mod ntp;
pub mod orlop;
pub mod probe;
mod report;
pub mod state;
mod stop;
