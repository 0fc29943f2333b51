//! From the times to what waited for what.

use std::collections::BTreeMap;

use super::slowest_path::Activity;
use crate::{BootSpan, BootTimes, SpanKind};

/// The stage that runs beside the services.
const NETWORK: &str = "network";
/// The stage that is the loop's beginning, in which the first services begin.
const SUPERVISE: &str = "supervise";

/// Everything that something waited for, and the index of what ended last: the boot is complete when
/// the last of its services is up, done or has failed once.
pub(super) fn activities(times: &BootTimes) -> (Vec<Activity>, usize) {
    let mut all = Graph::default();
    all.push("kernel", 0, times.handed_over_us, Vec::new());
    let mut stages: Vec<&BootSpan> = of_kind(times, SpanKind::Stage).collect();
    stages.sort_by_key(|span| span.begin_us);
    let mut row = vec![0];
    for span in stages.iter().filter(|span| span.name != NETWORK) {
        let before = row.last().copied().into_iter().collect();
        row.push(all.span(&span.name, span, before));
    }
    // What begins while `supervise` is under way waited for the stage before it.
    let from: Vec<usize> = row.iter().rev().take(2).copied().collect();
    let mut held_by = Vec::new();
    for span in stages.iter().filter(|span| span.name == NETWORK) {
        held_by.push(all.span(NETWORK, span, from.clone()));
    }
    // One after the other, as the kernel would have it anyway; the first is a part of the stage.
    let batch = |name: &str| of_kind(times, SpanKind::Modules).find(|span| span.name == name);
    let mut before = from.clone();
    if let Some(span) = batch(NETWORK) {
        before.push(all.span("network modules", span, from.clone()));
    }
    if let Some(span) = batch("machine") {
        held_by.push(all.span("machine modules", span, before));
    }
    let network = held_by.clone();
    let needs = of_kind(times, SpanKind::Need).map(|span| {
        let before = [network.clone(), from.clone()].concat();
        (
            span.name.as_str(),
            all.span(&format!("needs {}", span.name), span, before),
        )
    });
    let needs: Vec<(&str, usize)> = needs.collect();
    let last = services(times, &mut all, &from, &held_by, &needs);
    let last = last.or_else(|| all.of.get(SUPERVISE).copied());
    let last = last.unwrap_or_else(|| all.activities.len().saturating_sub(1));
    (all.activities, last)
}

/// Adds the services; gives the one that ended last before the boot was complete.
fn services(
    times: &BootTimes,
    all: &mut Graph,
    from: &[usize],
    held_by: &[usize],
    needs: &[(&str, usize)],
) -> Option<usize> {
    let complete = times.complete_us.unwrap_or(times.now_us);
    let begun = |span: &&BootSpan| span.begin_us.is_some_and(|begin| begin <= complete);
    let spans: Vec<&BootSpan> = of_kind(times, SpanKind::Service).filter(begun).collect();
    // All first: a service may wait for one that comes later in the list.
    for span in &spans {
        let begin = went_on(span);
        let end = span.end_us.unwrap_or(complete).max(begin);
        let index = all.push(&span.name, begin, end, Vec::new());
        if let Some(healthy) = span.healthy_us.filter(|healthy| *healthy > end) {
            all.push(&healthy_name(&span.name), end, healthy, vec![index]);
        }
    }
    let mut last: Option<(u64, usize)> = None;
    for span in &spans {
        let Some(index) = all.of.get(&span.name).copied() else {
            continue;
        };
        let mut waits_for = from.to_vec();
        if span.held_us.is_some() {
            waits_for.extend(held_by);
        }
        waits_for.extend(span.after.iter().filter_map(|name| all.of.get(name)));
        for name in &span.after_healthy {
            let healthy = all.of.get(&healthy_name(name));
            waits_for.extend(healthy.or_else(|| all.of.get(name)));
        }
        let wanted = |name: &str| span.needs.iter().any(|need| need == name);
        let needed = needs.iter().filter(|(name, _)| wanted(name));
        waits_for.extend(needed.map(|(_, index)| *index));
        if let Some(activity) = all.activities.get_mut(index) {
            activity.waits_for = waits_for;
            // Who began and did not end was waited for until the wait was given up.
            let end = activity.end.min(complete);
            if activity.end <= complete || span.end_us.is_none() {
                last = last.max(Some((end, index)));
            }
        }
    }
    last.map(|(_, index)| index)
}

/// When a service's own start began: nothing held it any more.
fn went_on(span: &BootSpan) -> u64 {
    span.held_us.max(span.begin_us).unwrap_or_default()
}

fn healthy_name(service: &str) -> String {
    format!("{service} healthy")
}

fn of_kind(times: &BootTimes, kind: SpanKind) -> impl Iterator<Item = &BootSpan> {
    times.spans.iter().filter(move |span| span.kind == kind)
}

#[derive(Default)]
struct Graph {
    activities: Vec<Activity>,
    of: BTreeMap<String, usize>,
}

impl Graph {
    fn push(&mut self, name: &str, begin: u64, end: u64, waits_for: Vec<usize>) -> usize {
        let index = self.activities.len();
        self.activities.push(Activity {
            name: name.to_owned(),
            begin,
            end,
            waits_for,
        });
        self.of.insert(name.to_owned(), index);
        index
    }

    fn span(&mut self, name: &str, span: &BootSpan, waits_for: Vec<usize>) -> usize {
        let end = span.end_us.unwrap_or_default();
        self.push(name, span.begin_us.unwrap_or(end), end, waits_for)
    }
}
