//! The workstation tool `orlop`: what `new`, `check`, `build` and `run` do, as plain functions.
//!
//! No root, no Docker, no loop device; nothing of the host's is changed but the user's cache
//! folder. `main.rs` is the command line over this library.
//!
//! The way of a build: the machine's folder is read and checked ([`machine_folder`], `check`),
//! packages are resolved and fetched (`apt`), each image becomes a [`tree::Tree`] in memory
//! (`image`), all of them become one EROFS file (`system`, `erofs`), and the kernel's modules and
//! PID 1 become the initramfs (`kernel`, `initramfs`).
#![forbid(unsafe_code)]

pub mod build_info;
pub mod options;
pub mod run;

pub use build_info::{BuildInfo, ForwardedPort};
pub use options::{BuildOptions, Built};
