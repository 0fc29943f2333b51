//! Many boots become medians, ranges and ratios. Pure.

use anyhow::{Context, Result};

use crate::boot::Sample;
use crate::variant::{VARIANTS, Variant};

/// The variant that everything is compared with for orientation.
const PLAIN: &str = "busybox init, plain";

/// The middle of several values and how far they reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        let median = f64::midpoint(lower, upper);
        Some(Self {
            median,
            least,
            most,
        })
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) variant: &'static Variant,
    /// Hand-over until all ten ran, milliseconds.
    pub(crate) ready: Spread,
    /// The same within each round, divided by the floor's.
    pub(crate) to_floor: Option<Spread>,
    /// The same within each round, divided by busybox's.
    pub(crate) to_plain: Option<Spread>,
    /// The same in million instructions, one boot.
    pub(crate) counted: f64,
    /// Of these, those of the ten processes between clone3 and their program.
    pub(crate) counted_launches: f64,
    /// Power-on until the hand-over, milliseconds.
    pub(crate) kernel: Spread,
    /// Milliseconds that this variant says of itself: batches of modules or stages, in order.
    pub(crate) parts: Vec<(String, Spread)>,
    /// What the last boot's first payload was to itself.
    pub(crate) isolation: Vec<String>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) rows: Vec<Row>,
    /// KiB of PID 1 and of `log` after ten services.
    pub(crate) pid_1_kib: u64,
    pub(crate) log_kib: u64,
}

impl Figures {
    /// Every variant has one sample a round, in the order of the rounds, and a counted one.
    pub(crate) fn of(
        samples: &[(&Variant, Sample)],
        counted: &[(&Variant, Sample)],
        memory: &Sample,
    ) -> Result<Self> {
        let instructions = |title: &str| {
            let same = counted.iter().find(|(variant, _)| variant.title == title);
            same.map(|(_, sample)| sample)
        };
        let of = |title: &str| -> Vec<&Sample> {
            let same = samples.iter().filter(|(variant, _)| variant.title == title);
            same.map(|(_, sample)| sample).collect()
        };
        let rows = VARIANTS
            .iter()
            .map(|variant| {
                row(variant, instructions(variant.title), &of)
                    .with_context(|| format!("no boot of {}", variant.title))
            })
            .collect::<Result<_>>()?;
        let log = memory.pss.iter().skip(1).find(|(_, name)| name == "log");
        let pid_1 = memory.pss.first().context("PID 1 has no memory")?;
        Ok(Self {
            rows,
            pid_1_kib: pid_1.0,
            log_kib: log.context("no process is named log")?.0,
        })
    }
}

fn row<'a>(
    variant: &'static Variant,
    counted: Option<&Sample>,
    of: &impl Fn(&str) -> Vec<&'a Sample>,
) -> Option<Row> {
    let own = of(variant.title);
    let to = |other: &str| {
        let pairs = own.iter().zip(of(other));
        Spread::of(pairs.map(|(own, other)| own.ready_ms() / other.ready_ms()))
    };
    let mut parts: Vec<(String, Vec<f64>)> = Vec::new();
    for (name, ms) in own
        .iter()
        .flat_map(|sample| sample.modules.iter().chain(&sample.stages))
    {
        match parts.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(*ms),
            None => parts.push((name.clone(), vec![*ms])),
        }
    }
    Some(Row {
        variant,
        ready: Spread::of(own.iter().map(|sample| sample.ready_ms()))?,
        to_floor: variant.floor.and_then(to),
        to_plain: (variant.title != PLAIN).then(|| to(PLAIN)).flatten(),
        counted: counted?.ready_ms(),
        counted_launches: counted?.launches_ms(),
        kernel: Spread::of(own.iter().map(|sample| sample.kernel_ms()))?,
        parts: parts
            .into_iter()
            .filter_map(|(name, values)| Some((name, Spread::of(values)?)))
            .collect(),
        isolation: own.last()?.isolation.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of([7.0]).unwrap().median, 7.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let sample = |ready: u64| Sample {
            ready: vec![ready],
            pss: vec![(900, "init".to_owned()), (300, "log".to_owned())],
            ..Sample::default()
        };
        let mut samples = Vec::new();
        for load in [1, 10] {
            for variant in &VARIANTS {
                let own = if variant.floor.is_some() { 3000 } else { 2000 };
                samples.push((variant, sample(own * load)));
            }
        }
        let figures = Figures::of(&samples, &samples[..VARIANTS.len()], &sample(1)).unwrap();
        let ratio = figures.rows[1].to_floor.unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (1.5, 1.5, 1.5));
        assert_eq!((figures.pid_1_kib, figures.log_kib), (900, 300));
    }
}
