//! The rows of the waterfall. Times are microseconds since the kernel's hand-over to PID 1.

use super::{Step, axis};
use crate::{BootSpan, BootTimes, SpanKind, State};

/// What a reader sees, before it is drawn.
#[derive(Debug)]
pub(crate) struct Chart {
    /// The machine, its kernel and the figure of the boot.
    pub(super) title: String,
    /// What the kernel took.
    pub(super) kernel: u64,
    /// The length of the time axis.
    pub(super) length: u64,
    /// When the boot was complete.
    pub(super) complete: Option<u64>,
    /// Stages with their modules, then services, each in the order of their beginnings.
    pub(super) rows: Vec<Row>,
    /// The slowest path.
    pub(super) path: Vec<Step>,
}

/// One line of the waterfall.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) group: Group,
    pub(super) bars: Vec<Bar>,
    /// How and when it ended; of services only.
    pub(super) mark: Option<(Mark, u64)>,
    /// The figure: how long a stage took, when a service was ready.
    pub(super) figure: String,
    /// On the slowest path.
    pub(super) slowest: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Stage,
    Modules,
    Service,
}

/// A time in one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) phase: Phase,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What something does with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A stage works.
    Stage,
    /// Modules load.
    Modules,
    /// A service waits for what it depends on.
    Waits,
    /// Its launch waits for the network or a device.
    Held,
    /// Its container is made.
    Launch,
    /// Its program gets ready.
    Program,
}

/// How a first start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Ready,
    Failed,
}

impl Chart {
    /// Whether a bar of this phase is long enough to be seen.
    pub(super) fn shows(&self, phase: Phase) -> bool {
        let bars = self.rows.iter().flat_map(|row| &row.bars);
        let mut lengths = bars
            .filter(|bar| bar.phase == phase)
            .map(|bar| bar.to - bar.from);
        lengths.any(|length| length >= self.length / 200)
    }

    /// Rows for these times.
    pub(crate) fn new(times: &BootTimes) -> Self {
        let zero = times.handed_over_us;
        let since = |at: u64| at.saturating_sub(zero);
        let path = super::path(times);
        let is_slowest = |name: &str| path.iter().any(|step| step.name == name);
        let now = times.now_us;
        let mut rows = stages(times, zero, &is_slowest);
        let begun = times
            .spans
            .iter()
            .filter(|span| span.kind == SpanKind::Service);
        let mut services: Vec<&BootSpan> = begun.filter(|span| moved(span).is_some()).collect();
        services.sort_by_key(|span| (moved(span), &span.name));
        // All are wanted from the moment on at which the first of them begins.
        let wanted = services
            .first()
            .and_then(|span| moved(span))
            .unwrap_or(zero);
        for span in services {
            rows.push(service(span, zero, wanted, now, is_slowest(&span.name)));
        }
        let ends = rows.iter().flat_map(|row| {
            let bars = row.bars.iter().map(|bar| bar.to);
            bars.chain(row.mark.map(|(_, at)| at))
        });
        let complete = times.complete_us.map(since);
        let length = ends.chain(complete).max().unwrap_or(1).max(1);
        let figure = match times.complete_us {
            Some(at) => format!(
                "ready {} after power-on, {} after the kernel",
                axis::seconds(at),
                axis::duration(since(at))
            ),
            None => format!("still booting, {} after power-on", axis::seconds(now)),
        };
        Self {
            title: format!("{} · Linux {} · {figure}", times.hostname, times.kernel),
            kernel: zero,
            length,
            complete,
            rows,
            path,
        }
    }
}

/// The first that is known of a service.
fn moved(span: &BootSpan) -> Option<u64> {
    span.begin_us.or(span.end_us)
}

fn stages(times: &BootTimes, zero: u64, is_slowest: &impl Fn(&str) -> bool) -> Vec<Row> {
    let spans = times.spans.iter();
    let mut spans: Vec<&BootSpan> = spans
        .filter(|span| matches!(span.kind, SpanKind::Stage | SpanKind::Modules))
        .collect();
    spans.sort_by_key(|span| (span.begin_us, span.kind == SpanKind::Modules));
    let rows = spans.iter().map(|span| {
        let (group, phase, name) = match span.kind {
            SpanKind::Modules => (
                Group::Modules,
                Phase::Modules,
                format!("{} modules", span.name),
            ),
            _ => (Group::Stage, Phase::Stage, span.name.clone()),
        };
        let (begin, end) = (
            span.begin_us.unwrap_or_default(),
            span.end_us.unwrap_or_default(),
        );
        Row {
            group,
            bars: vec![Bar {
                phase,
                from: begin.saturating_sub(zero),
                to: end.saturating_sub(zero),
            }],
            mark: None,
            figure: axis::duration(end.saturating_sub(begin)),
            slowest: is_slowest(&name),
            name,
        }
    });
    rows.collect()
}

fn service(span: &BootSpan, zero: u64, wanted: u64, now: u64, slowest: bool) -> Row {
    let end = span.end_us;
    let until = end.unwrap_or(now);
    let mut bars = Vec::new();
    let mut from = wanted;
    let mut bar = |phase, to: Option<u64>| {
        let to = to.unwrap_or(until).min(until);
        if to > from {
            bars.push(Bar {
                phase,
                from: from.saturating_sub(zero),
                to: to.saturating_sub(zero),
            });
            from = to;
        }
    };
    bar(Phase::Waits, span.begin_us);
    if span.held_us.is_some() {
        bar(Phase::Held, span.held_us);
    }
    if span.begin_us.is_some() {
        bar(Phase::Launch, span.launched_us);
        bar(Phase::Program, None);
    }
    let mark = match span.state {
        Some(State::Up | State::Down) => Some(Mark::Ready),
        Some(_) => Some(Mark::Failed),
        None => None,
    };
    let at = axis::seconds(until.saturating_sub(zero));
    let figure = match span.state {
        Some(State::Up) => format!("at {at}"),
        Some(State::Down) => format!("done at {at}"),
        Some(_) => format!("failed at {at}"),
        None => "not yet".to_owned(),
    };
    Row {
        name: span.name.clone(),
        group: Group::Service,
        bars,
        mark: mark.zip(end.map(|end| end.saturating_sub(zero))),
        figure,
        slowest,
    }
}
