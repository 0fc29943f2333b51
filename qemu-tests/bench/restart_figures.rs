//! Replacements of killed processes become medians, ranges and ratios. Pure.

use anyhow::{Context, Result};

use crate::boot::{Sample, milliseconds};
use crate::figures::Spread;
use crate::variant::{RESTARTS, Variant};

/// One supervisor.
#[derive(Debug)]
pub(crate) struct RestartRow {
    pub(crate) title: &'static str,
    /// All its replacements, milliseconds.
    pub(crate) all: Spread,
    /// The medians within each round, divided by the floor's.
    pub(crate) to_floor: Option<Spread>,
    /// The median in million instructions, for who isolates.
    pub(crate) counted: Option<f64>,
}

/// The title of who is compared with.
const FLOOR: &str = RESTARTS[0].title;

/// In the order of [`RESTARTS`].
pub(crate) fn rows(
    samples: &[(&'static Variant, Sample)],
    counted: &[(&'static Variant, Sample)],
) -> Result<Vec<RestartRow>> {
    let of = |title: &str| -> Vec<&Sample> {
        let same = samples.iter().filter(|(variant, _)| variant.title == title);
        same.map(|(_, sample)| sample).collect()
    };
    let floor = of(FLOOR);
    let row = |variant: &'static Variant| {
        let own = of(variant.title);
        let all = own.iter().flat_map(|sample| &sample.restarts);
        let pairs = own.iter().zip(&floor);
        let ratios = pairs.filter_map(|(own, floor)| Some(own.restart_ms()? / floor.restart_ms()?));
        let count = counted.iter().find(|(other, _)| *other == variant);
        Some(RestartRow {
            title: variant.title,
            all: Spread::of(all.map(|micros| milliseconds(*micros)))?,
            to_floor: (variant.title != FLOOR)
                .then(|| Spread::of(ratios))
                .flatten(),
            counted: count.and_then(|(_, sample)| sample.restart_ms()),
        })
    };
    RESTARTS
        .iter()
        .map(|variant| {
            row(variant).with_context(|| format!("nobody killed under {}", variant.title))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_medians_of_a_round() {
        let mut samples = Vec::new();
        for load in [1, 10] {
            for variant in &RESTARTS {
                let own = if variant.floor.is_some() { 1500 } else { 1000 };
                let restarts = vec![own * load, own * load, 9 * own * load];
                samples.push((
                    variant,
                    Sample {
                        restarts,
                        ..Sample::default()
                    },
                ));
            }
        }
        let rows = rows(&samples, &samples[..2]).unwrap();
        assert_eq!(rows[0].to_floor, None);
        let ratio = rows[1].to_floor.unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (1.5, 1.5, 1.5));
        assert_eq!(rows[1].counted, Some(1.5));
        assert_eq!((rows[1].all.least, rows[1].all.most), (1.5, 135.0));
        assert_eq!(rows[2].counted, None);
    }
}
