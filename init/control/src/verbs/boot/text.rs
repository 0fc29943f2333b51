//! The waterfall in a terminal: as wide as that is, coloured when it can be.

use super::axis;
use super::chart::{Chart, Group, Mark, Phase, Row};
use crate::verbs::Screen;
use crate::verbs::table::escape;

/// Less would show nothing.
const LEAST_BARS: usize = 12;
/// More says no more.
const MOST_BARS: usize = 120;
/// Names are cut beyond.
const MOST_NAME: usize = 24;

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const BLUE: &str = "34";
const CYAN: &str = "36";

/// The whole of it: axis, rows, what the bars are, the slowest path.
pub(crate) fn text(chart: &Chart, screen: Screen) -> String {
    let page = Page::new(chart, screen);
    let mut text = format!("{}\n\n", page.paint(BOLD, &escape(&chart.title)));
    text.push_str(&page.axis());
    text.push_str(&page.kernel());
    let mut services = false;
    for row in &chart.rows {
        if row.group == Group::Service && !std::mem::replace(&mut services, true) {
            text.push('\n');
        }
        text.push_str(&page.row(row));
    }
    text.push_str(&page.legend());
    text.push_str(&page.path());
    text
}

struct Page<'a> {
    chart: &'a Chart,
    columns: usize,
    colours: bool,
    names: usize,
    figures: usize,
    bars: usize,
}

impl<'a> Page<'a> {
    fn new(chart: &'a Chart, screen: Screen) -> Self {
        let widest = |width: fn(&Row) -> usize, least| {
            chart.rows.iter().map(width).max().unwrap_or(0).max(least)
        };
        let names = widest(|row| indent(row).len() + row.name.chars().count(), 6).min(MOST_NAME);
        let figures = widest(|row| row.figure.chars().count(), 6);
        // The marker of the slowest path, and two gaps: two columns each.
        let left = screen.columns.saturating_sub(names + figures + 6);
        Self {
            chart,
            columns: screen.columns,
            colours: screen.colours,
            names,
            figures,
            bars: left.clamp(LEAST_BARS, MOST_BARS),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.colours && !text.trim().is_empty() {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// The column of a moment, from 0 to below `bars`.
    fn column(&self, at: u64) -> usize {
        let last = self.bars.saturating_sub(1);
        let scaled = u128::from(at) * u128::try_from(last).unwrap_or(0);
        usize::try_from(scaled / u128::from(self.chart.length)).map_or(last, |at| at.min(last))
    }

    fn axis(&self) -> String {
        let most = u64::try_from(self.bars / 11).unwrap_or(1).max(2);
        let mut line: Vec<char> = Vec::new();
        for tick in axis::ticks(self.chart.length, most) {
            let (at, label) = (self.column(tick), axis::label(tick));
            // A label stands where its tick is, or nowhere.
            if at >= line.len() && at + label.chars().count() <= self.bars + self.figures {
                line.resize(at, ' ');
                line.extend(label.chars());
                line.push(' ');
            }
        }
        let line: String = line.into_iter().collect();
        let left = " ".repeat(self.names + 4);
        format!("{left}{}\n", self.paint(DIM, line.trim_end()))
    }

    fn kernel(&self) -> String {
        let slowest = self
            .chart
            .path
            .first()
            .is_some_and(|step| step.name == "kernel");
        let gap = " ".repeat(self.bars);
        let figure = format!("{:>1$}", axis::duration(self.chart.kernel), self.figures);
        format!("{}{gap}  {figure}\n", self.head("kernel", "", slowest))
    }

    /// The marker of the slowest path and the name.
    fn head(&self, name: &str, indent: &str, slowest: bool) -> String {
        let shown = cut(&escape(name), self.names - indent.len());
        let padding = " ".repeat(self.names - indent.len() - shown.chars().count());
        match slowest {
            true => {
                let (marker, shown) = (self.paint(YELLOW, "▸"), self.paint(BOLD, &shown));
                format!("{marker} {indent}{shown}{padding}  ")
            }
            false => format!("  {indent}{shown}{padding}  "),
        }
    }

    fn row(&self, row: &Row) -> String {
        let mut cells = vec![(' ', DIM); self.bars];
        for bar in &row.bars {
            let (from, to) = (self.column(bar.from), self.column(bar.to));
            // What took less than a column is seen all the same.
            let cells = cells.iter_mut().take(to.max(from + 1)).skip(from);
            for cell in cells {
                *cell = look(bar.phase);
            }
        }
        if let Some((mark, at)) = row.mark
            && let Some(cell) = cells.get_mut(self.column(at))
        {
            *cell = match mark {
                Mark::Ready => ('●', GREEN),
                Mark::Failed => ('✗', RED),
            };
        }
        let mut drawn = String::new();
        for run in cells.chunk_by(|a, b| a.1 == b.1) {
            let text: String = run.iter().map(|(letter, _)| letter).collect();
            let colour = run.first().map_or(DIM, |(_, colour)| colour);
            drawn.push_str(&self.paint(colour, &text));
        }
        let figure = format!("{:>1$}", row.figure, self.figures);
        format!(
            "{}{drawn}  {figure}\n",
            self.head(&row.name, indent(row), row.slowest)
        )
    }

    fn legend(&self) -> String {
        let phases = [
            (Phase::Stage, "stage"),
            (Phase::Modules, "modules load"),
            (Phase::Waits, "waits for a service"),
            (Phase::Held, "waits for network or devices"),
            (Phase::Launch, "launch"),
            (Phase::Program, "gets ready"),
        ];
        let drawn = phases.iter().filter(|(phase, _)| self.chart.shows(*phase));
        let mut words: Vec<(char, &str, &str)> = drawn
            .map(|(phase, name)| {
                let (letter, colour) = look(*phase);
                (letter, colour, *name)
            })
            .collect();
        words.push(('●', GREEN, "ready"));
        let mut marks = self.chart.rows.iter().filter_map(|row| row.mark);
        if marks.any(|(mark, _)| mark == Mark::Failed) {
            words.push(('✗', RED, "failed"));
        }
        words.push(('▸', YELLOW, "slowest path"));
        let (mut text, mut at) = ("\n".to_owned(), 0);
        for (letter, colour, name) in words {
            let width = name.chars().count() + 5;
            if at > 0 && at + width > self.columns {
                text.push('\n');
                at = 0;
            }
            let gap = if at == 0 { "  " } else { "   " };
            text.push_str(&format!(
                "{gap}{} {name}",
                self.paint(colour, &letter.to_string())
            ));
            at += width;
        }
        text.push('\n');
        text
    }

    fn path(&self) -> String {
        let Some(end) = self.chart.path.last().map(|step| step.end_us) else {
            return String::new();
        };
        let steps = self.chart.path.iter();
        let width = steps.clone().map(|step| step.name.chars().count()).max();
        let width = width.unwrap_or(0);
        let longest = steps
            .clone()
            .skip(1)
            .map(|step| step.end_us - step.begin_us)
            .max();
        let title = format!("The slowest path, {}:", axis::seconds(end));
        let mut text = format!("\n{}\n", self.paint(BOLD, &title));
        let mut before: Option<u64> = None;
        for step in steps {
            let took = step.end_us.saturating_sub(step.begin_us);
            let mut line = format!(
                "  {:width$}  {:>8}",
                escape(&step.name),
                axis::duration(took)
            );
            let gap = before.map_or(0, |before| step.begin_us.saturating_sub(before));
            if gap >= 1000 {
                line.push_str(&format!("   {} after the step before", axis::duration(gap)));
            }
            if before.is_some() && Some(took) == longest {
                line.push_str("   the longest step after the kernel");
                line = self.paint(YELLOW, &line);
            }
            before = Some(step.end_us);
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

fn indent(row: &Row) -> &'static str {
    match row.group {
        Group::Modules => "  ",
        Group::Stage | Group::Service => "",
    }
}

fn look(phase: Phase) -> (char, &'static str) {
    match phase {
        Phase::Stage => ('█', BLUE),
        Phase::Modules => ('▄', BLUE),
        Phase::Waits => ('·', DIM),
        Phase::Held => ('░', DIM),
        Phase::Launch => ('▒', CYAN),
        Phase::Program => ('█', CYAN),
    }
}

/// At most `most` letters.
fn cut(name: &str, most: usize) -> String {
    match name.chars().count() > most {
        true => name
            .chars()
            .take(most.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => name.to_owned(),
    }
}
