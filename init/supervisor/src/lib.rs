//! The pure supervisor: `step(event, now) -> effects`.
//!
//! No IO, no clock, no async: time is an argument, so tests simulate millions of steps. PID 1
//! performs the effects and reports what came of them as events. Only this crate changes the state
//! of a service.
#![forbid(unsafe_code)]

mod cause;
mod event;
mod graph;
mod nearest;
mod restart;
mod supervisor;
mod unit;

pub use event::{
    Effect, Event, ExitStatus, Request, RequestError, ServiceState, ServiceStatus, Shutdown, Time,
};
pub use supervisor::Supervisor;
