//! Whether and when a service that ended by itself is started once more. All of it pure: the same
//! end, record and policy give the same verdict.

mod back_off;
mod end;
mod limit;
mod verdict;

pub(crate) use back_off::{Jitter, delay};
pub(crate) use end::{Kind, classify};
pub(crate) use limit::Window;
pub(crate) use verdict::{Record, Rules, Verdict, verdict};
