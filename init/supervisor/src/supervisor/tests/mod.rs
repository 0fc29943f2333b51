//! One test a behaviour; `edge_NN_…` is the number in the list of the field's edge cases.

mod cost;
mod dependencies;
mod health;
mod kinds;
mod launches;
mod lifetime;
mod limits;
mod needs;
mod oom;
mod propagation;
mod readiness;
mod requests;
mod restarts;
mod schedule;
#[path = "../../../tests/simulation/service.rs"]
mod service;
mod shutdown;
mod watchdog;
mod world;
