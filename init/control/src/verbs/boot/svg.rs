//! The waterfall as a picture: readable on light and on dark, without scripts or fonts of its own.

use std::fmt::Write as _;

use super::axis;
use super::chart::{Chart, Group, Mark, Phase, Row};

/// Widths and heights, user units.
const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 28.0;
/// Where the kernel's bar begins, which has no place on the axis.
const NAMES: f64 = 150.0;
const KERNEL: f64 = 56.0;
/// Where the axis begins and ends.
const LEFT: f64 = NAMES + KERNEL + 10.0;
const RIGHT: f64 = WIDTH - 130.0;
const TOP: f64 = 108.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans','DejaVu Sans',sans-serif;fill:#1f2933}\
.t{font-size:17px;font-weight:600}.d{fill:#66788a}.n{font-variant-numeric:tabular-nums}.b{font-weight:600}\
.bg{fill:#fff}.fr{fill:none;stroke:#d9e2ec}.grid{stroke:#e6ecf2}.zebra{fill:#f7f9fb}.end{stroke:#2f9e6e;stroke-dasharray:4 4}\
.stage{fill:#5b7fa6}.modules{fill:#a9c1da}.waits{stroke:#b3c0cc;stroke-width:1.5;stroke-dasharray:2 4}\
.held{fill:#d8e0e8}.launch{fill:#f0b45a}.program{fill:#4fa3b5}.ok{fill:#2f9e6e}.no{fill:#d64545}\
.path{stroke:#e0663b;fill:none;stroke-width:2;stroke-linejoin:round}.dot{fill:#e0663b}\
@media (prefers-color-scheme:dark){text{fill:#dfe8ec}.d{fill:#8fa3ad}.bg{fill:#10191e}.fr{stroke:#2b3c45}\
.grid{stroke:#22313a}.zebra{fill:#141f25}.end{stroke:#7fd1a0}.stage{fill:#6f97c2}.modules{fill:#3d5a78}\
.waits{stroke:#526570}.held{fill:#2a3a44}.launch{fill:#d9a04a}.program{fill:#4fa3b5}.ok{fill:#7fd1a0}\
.no{fill:#ef7a7a}.path{stroke:#f08a5d}.dot{fill:#f08a5d}}";

/// The whole picture.
pub(crate) fn svg(chart: &Chart) -> String {
    let places = places(chart);
    let bottom = places.last().map_or(TOP + ROW, |(y, _)| y + ROW);
    let steps = path_lines(chart);
    let height = bottom + 50.0 + 20.0 * count(steps.len()) + MARGIN;
    let mut out = String::new();
    let title = escape(&chart.title);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\" rx=\"10\"/>\
         <rect class=\"fr\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"9.5\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    head(&mut out, chart);
    grid(&mut out, chart, bottom);
    kernel(&mut out, chart);
    slowest(&mut out, chart, &places);
    for (y, row) in &places {
        draw(&mut out, chart, *y, row);
    }
    legend(&mut out, chart, bottom + 40.0);
    for (index, line) in steps.iter().enumerate() {
        let y = bottom + 70.0 + 20.0 * count(index);
        let class = if index == 0 { "b" } else { "n" };
        text(&mut out, MARGIN, y, class, "start", line);
    }
    out.push_str("</svg>\n");
    out
}

/// Where the middle of each row is; the services have a gap above.
fn places<'a>(chart: &'a Chart) -> Vec<(f64, &'a Row)> {
    let mut y = TOP + ROW * 1.5;
    let mut services = false;
    let place = |row: &'a Row| {
        if row.group == Group::Service && !std::mem::replace(&mut services, true) {
            y += ROW * 0.5;
        }
        let here = y;
        y += ROW;
        (here, row)
    };
    chart.rows.iter().map(place).collect()
}

fn head(out: &mut String, chart: &Chart) {
    let (name, rest) = chart.title.split_once(" · ").unwrap_or((&chart.title, ""));
    text(out, MARGIN, 40.0, "t", "start", name);
    text(out, MARGIN, 62.0, "d", "start", rest);
}

fn grid(out: &mut String, chart: &Chart, bottom: f64) {
    for tick in axis::ticks(chart.length, 8) {
        let at = x(chart, tick);
        line(out, "grid", (at, TOP), (at, bottom - ROW * 0.5));
        text(out, at, TOP - 8.0, "d n", "middle", &axis::label(tick));
    }
    if let Some(complete) = chart.complete {
        let at = x(chart, complete);
        line(out, "end", (at, TOP), (at, bottom - ROW * 0.5));
    }
}

/// The kernel's time is of another order than the rest: its bar has no scale, and is cut to say so.
fn kernel(out: &mut String, chart: &Chart) {
    let (y, from, to) = (TOP + ROW * 0.5, NAMES, LEFT);
    name(out, y, "kernel", 0.0, true);
    let (top, cut) = (y - BAR / 2.0, from + KERNEL / 2.0);
    let (left, right) = (cut - 3.0 - from, to - cut - 3.0);
    let _ = writeln!(
        out,
        "<g><title>kernel: {0}, not to scale</title><path class=\"stage\" d=\"M{from} {top}h{1}l-4 {BAR}H{from}z\
         M{2} {top}h{right}v{BAR}h{3}z\"/></g>",
        axis::duration(chart.kernel),
        left + 4.0,
        cut + 3.0,
        -(right + 4.0)
    );
    figure(out, y, &axis::duration(chart.kernel));
}

fn draw(out: &mut String, chart: &Chart, y: f64, row: &Row) {
    let indent = if row.group == Group::Modules {
        14.0
    } else {
        0.0
    };
    let _ = write!(
        out,
        "<g><title>{}: {}</title>",
        escape(&row.name),
        escape(&row.figure)
    );
    name(out, y, &row.name, indent, row.slowest);
    for bar in &row.bars {
        let (from, to) = (x(chart, bar.from), x(chart, bar.to));
        let class = match bar.phase {
            Phase::Waits => {
                line(out, "waits", (from, y), (to, y));
                continue;
            }
            Phase::Stage => "stage",
            Phase::Modules => "modules",
            Phase::Held => "held",
            Phase::Launch => "launch",
            Phase::Program => "program",
        };
        let thin = matches!(bar.phase, Phase::Modules | Phase::Held);
        let height = if thin { BAR - 6.0 } else { BAR };
        // What took next to nothing is seen all the same.
        let width = (to - from).max(1.5);
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height}\" rx=\"2\"/>",
            y - height / 2.0
        );
    }
    match row.mark {
        Some((Mark::Ready, at)) => {
            let at = x(chart, at);
            let _ = write!(
                out,
                "<circle class=\"ok\" cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"5\"/>"
            );
        }
        Some((Mark::Failed, at)) => {
            let (left, top) = (x(chart, at) - 4.5, y - 4.5);
            let _ = write!(
                out,
                "<path class=\"no\" d=\"M{left:.1} {top:.1}l9 9m0 -9l-9 9\" stroke=\"#d64545\" stroke-width=\"2.5\"/>"
            );
        }
        None => {}
    }
    figure(out, y, &row.figure);
    out.push_str("</g>\n");
}

/// A line from each step of the slowest path down to the next one that has a row.
fn slowest(out: &mut String, chart: &Chart, places: &[(f64, &Row)]) {
    let mut before = Some((TOP + ROW * 0.5, LEFT));
    for step in &chart.path {
        let place = places.iter().find(|(_, row)| row.name == step.name);
        let Some((y, _)) = place else { continue };
        let from = step.begin_us.saturating_sub(chart.kernel);
        let end = step.end_us.saturating_sub(chart.kernel);
        let (begin_x, end_x) = (x(chart, from), x(chart, end));
        if let Some((above, at)) = before {
            let _ = writeln!(
                out,
                "<path class=\"path\" d=\"M{at:.1} {above:.1}V{y:.1}H{:.1}\"/>",
                begin_x.max(at)
            );
        }
        before = Some((*y, end_x));
    }
}

fn legend(out: &mut String, chart: &Chart, y: f64) {
    let all = [
        (Phase::Stage, "stage", "a stage of PID 1"),
        (Phase::Modules, "modules", "modules load"),
        (Phase::Held, "held", "waits for network or devices"),
        (Phase::Launch, "launch", "launch"),
        (Phase::Program, "program", "gets ready"),
    ];
    let mut at = MARGIN;
    let mut word = |out: &mut String, shape: String, words: &str| {
        out.push_str(&shape);
        text(out, at + 20.0, y, "d", "start", words);
        at += 34.0 + 6.5 * count(words.chars().count());
        at
    };
    let middle = y - 4.5;
    let mut from = MARGIN;
    for (_, class, words) in all.iter().filter(|(phase, ..)| chart.shows(*phase)) {
        let top = middle - 5.0;
        let shape = format!(
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"14\" height=\"10\" rx=\"2\"/>"
        );
        from = word(out, shape, words);
    }
    if chart.shows(Phase::Waits) {
        let to = from + 14.0;
        let shape = format!("<path class=\"waits\" d=\"M{from:.1} {middle:.1}H{to:.1}\"/>");
        from = word(out, shape, "waits for a service");
    }
    let centre = from + 7.0;
    let shape = format!("<circle class=\"ok\" cx=\"{centre:.1}\" cy=\"{middle:.1}\" r=\"5\"/>");
    from = word(out, shape, "ready");
    let to = from + 14.0;
    let shape = format!("<path class=\"path\" d=\"M{from:.1} {middle:.1}H{to:.1}\"/>");
    let _ = word(out, shape, "slowest path");
}

/// The slowest path in words, in lines that fit.
fn path_lines(chart: &Chart) -> Vec<String> {
    const MOST: usize = 125;
    let Some(end) = chart.path.last() else {
        return Vec::new();
    };
    let mut lines = vec![format!("The slowest path, {}", axis::seconds(end.end_us))];
    let mut current = String::new();
    for (index, step) in chart.path.iter().enumerate() {
        let took = axis::duration(step.end_us.saturating_sub(step.begin_us));
        let arrow = if index == 0 { "" } else { " → " };
        let word = format!("{arrow}{} {took}", step.name);
        if current.chars().count() + word.chars().count() > MOST {
            lines.push(std::mem::take(&mut current));
        }
        current.push_str(
            word.strip_prefix(' ')
                .filter(|_| current.is_empty())
                .unwrap_or(&word),
        );
    }
    lines.push(current);
    lines
}

fn name(out: &mut String, y: f64, words: &str, indent: f64, slowest: bool) {
    const MOST: usize = 17;
    let shown: String = match words.chars().count() > MOST {
        true => words.chars().take(MOST - 1).chain(['…']).collect(),
        false => words.to_owned(),
    };
    let class = match (slowest, indent > 0.0) {
        (true, _) => "b",
        (false, true) => "d",
        (false, false) => "",
    };
    text(out, MARGIN + indent, y + 4.5, class, "start", &shown);
}

fn figure(out: &mut String, y: f64, words: &str) {
    text(out, WIDTH - MARGIN, y + 4.5, "d n", "end", words);
}

fn text(out: &mut String, x: f64, y: f64, class: &str, anchor: &str, words: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{}</text>",
        escape(words)
    );
}

fn line(out: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        out,
        "<path class=\"{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// Where a moment is.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a boot in user units"
)]
fn x(chart: &Chart, at: u64) -> f64 {
    LEFT + (RIGHT - LEFT) * (at.min(chart.length) as f64 / chart.length as f64)
}

#[expect(clippy::cast_precision_loss, reason = "letters and lines")]
fn count(number: usize) -> f64 {
    number as f64
}

/// For text and attribute values; what XML cannot hold is left out.
fn escape(words: &str) -> String {
    let mut safe = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ if letter.is_control() => {}
            _ => safe.push(letter),
        }
    }
    safe
}
