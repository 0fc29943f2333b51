//! One test a behaviour; `edge_NN_…` is the number in the list of the field's edge cases.

mod dependencies;
mod lifetime;
mod requests;
#[path = "../../../tests/simulation/service.rs"]
mod service;
mod shutdown;
mod world;
