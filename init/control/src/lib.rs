//! The control interface: varlink messages, their types, the server side for PID 1, the client side
//! for services and the workstation, and the command-line verbs that both ends share.
//!
//! Without features only what is pure; `server`, `client` and `verbs` add one end each.
#![forbid(unsafe_code)]

pub mod gateway;
