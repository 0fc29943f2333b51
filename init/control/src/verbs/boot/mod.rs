//! `orlop boot`: the waterfall of the last boot, drawn by the caller from the times that PID 1 noted.
//!
//! [`activities`] makes of the times what waits for what, [`slowest_path`] is pure over that,
//! [`Chart`] is rows for a reader, [`text`] and [`svg`] draw them.

mod activities;
mod axis;
mod chart;
mod slowest_path;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;

use crate::BootTimes;

pub(super) use chart::Chart;
pub(super) use svg::svg;
pub(super) use text::text;

/// `--json`: the times as they came, and what they say.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    #[serde(flatten)]
    times: &'a BootTimes,
    /// From power-on to the end of the boot, each step waited for by the next.
    slowest_path: Vec<Step>,
}

/// One step of the slowest path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    /// `kernel`, a stage, `needs online`, a service, `db healthy`.
    pub(super) name: String,
    /// When what it waited for had ended and it went on, microseconds since power-on.
    pub(super) begin_us: u64,
    /// When it ended.
    pub(super) end_us: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(times: &'a BootTimes) -> Self {
        Self {
            slowest_path: path(times),
            times,
        }
    }
}

/// The slowest path of this boot.
fn path(times: &BootTimes) -> Vec<Step> {
    let (activities, last) = activities::activities(times);
    let indices = slowest_path::slowest_path(&activities, last);
    let steps = indices.into_iter().filter_map(|index| {
        let activity = activities.get(index)?;
        Some(Step {
            name: activity.name.clone(),
            begin_us: activity.begin,
            end_us: activity.end,
        })
    });
    steps.collect()
}
