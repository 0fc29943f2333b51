//! The tables for the terminal, and `docs/benchmarks.md`.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use crate::RESTART_ROUNDS;
use crate::boot::{Boot, Clock, QEMU};
use crate::disks;
use crate::engines::{Engines, ORLOP};
use crate::figures::{Figures, Row, Spread};
use crate::machines::Sizes;
use crate::many::{Many, SERVICES};
use crate::restart_figures::RestartRow;
use crate::variant::{MEMORY, RESTARTS};

/// The page, with `{name}` for what a run puts in.
const PAGE: &str = include_str!("benchmarks.md.in");

/// The section that follows the one on disks.
const BEFORE: &str = "## The same isolation";
/// What stands for the disks there.
const DISKS: &str = "{disks}";

/// Limits, MiB.
const INIT_LIMIT: f64 = 2.0;
const MEMORY_LIMIT: f64 = 5.0;
const INITRAMFS_LIMIT: f64 = 5.0;

/// One run's figures as text.
#[derive(Debug)]
pub(crate) struct Text {
    /// What is printed.
    pub(crate) terminal: String,
    /// `docs/benchmarks.md`.
    pub(crate) page: String,
}

/// Everything that the page tells.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) figures: Figures,
    pub(crate) restarts: Vec<RestartRow>,
    pub(crate) many: Many,
    pub(crate) engines: Engines,
    /// The tables of the section on disks.
    pub(crate) disks: String,
    pub(crate) sizes: Sizes,
    /// What it was taken on: what, which.
    pub(crate) host: Vec<(String, String)>,
    /// How often each variant was booted.
    pub(crate) rounds: usize,
}

/// Writes both.
pub(crate) fn write(measured: &Measured) -> Result<Text> {
    let Measured {
        figures,
        restarts,
        many,
        engines,
        disks,
        sizes,
        host,
        rounds,
    } = measured;
    let ready = ready_table(figures)?;
    let restarts = restart_table(restarts)?;
    let many = many_table(many);
    let sizes = size_table(figures, sizes)?;
    let parts = parts_table(figures)?;
    let isolation = isolation_table(figures)?;
    let engines = engine_table(engines)?;
    let mut machine = String::new();
    for (what, which) in host {
        writeln!(machine, "* {what}: {which}")?;
    }
    let put_in = [
        ("{rounds}", rounds.to_string()),
        ("{ready}", ready.clone()),
        ("{restart_rounds}", RESTART_ROUNDS.to_string()),
        ("{restarts}", restarts.clone()),
        ("{many}", many.clone()),
        ("{sizes}", sizes.clone()),
        ("{parts}", parts.clone()),
        ("{isolation}", isolation),
        ("{engines}", engines.clone()),
        (DISKS, disks.clone()),
        ("{machine}", machine),
        ("{qemu}", commands(figures)),
    ];
    let mut page = PAGE.to_owned();
    for (name, text) in put_in {
        page = page.replace(name, text.trim_end());
    }
    let terminal = format!(
        "\nFrom the hand-over until ten services run, milliseconds: median (least–most) of {rounds}\n\n\
         {ready}\nFrom SIGKILL of a main process until its replacement begins\n\n{restarts}\n\
         A thousand services\n\n{many}\nWhere it goes, milliseconds\n\n{parts}\nWhat is always there\n\n{sizes}\n\
         A launch on the workstation itself\n\n{engines}\n\
         Disks\n\n{disks}\n\
         docs/benchmarks.md has been written anew."
    );
    Ok(Text { terminal, page })
}

/// The page with its section on disks anew, and the rest as it is: a section goes from its heading to
/// the next one.
pub(crate) fn with_disks(page: &str, tables: &str) -> Result<String> {
    let section = section(PAGE).context("the template has no section on disks")?;
    let section = section.replace(DISKS, tables.trim_end());
    if let Some(old) = self::section(page) {
        return Ok(page.replace(old, &section));
    }
    let (before, after) = page
        .split_once(BEFORE)
        .context("the page has no commands")?;
    Ok(format!("{before}{section}{BEFORE}{after}"))
}

/// From the heading to the next one.
fn section(page: &str) -> Option<&str> {
    let start = page.find(disks::HEADING)?;
    let rest = page.get(start..)?;
    let end = rest.get(1..)?.find("\n## ")? + 2;
    rest.get(..end)
}

fn ready_table(figures: &Figures) -> Result<String> {
    let mut table = String::from(
        "| PID 1 | ten services ready, ms | modules before, ms | ÷ floor | least ÷ least | ÷ busybox | kernel before, ms | instructions, 10⁶ | ÷ floor | of these in the launches |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &figures.rows {
        let of_floor = |figure: fn(&Row) -> f64| {
            let floor = row.variant.floor.unwrap_or_default();
            let floor = figures.rows.iter().find(|row| row.variant.title == floor);
            floor.map_or("–".to_owned(), |floor| {
                format!("{:.2}", figure(row) / figure(floor))
            })
        };
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} | {} | {:.1} |",
            row.variant.title,
            spread(Some(row.ready), 0),
            modules(row).map_or("–".to_owned(), |ms| format!("{ms:.0}")),
            spread(row.to_floor, 2),
            of_floor(|row| row.ready.least),
            spread(row.to_plain, 2),
            spread(Some(row.kernel), 0),
            row.counted,
            of_floor(|row| row.counted),
            row.counted_launches,
        )?;
    }
    Ok(table)
}

pub(crate) fn restart_table(rows: &[RestartRow]) -> Result<String> {
    let mut table = String::from(
        "| PID 1 | SIGKILL to the replacement, ms | ÷ floor | instructions, 10⁶ | ÷ floor |\n\
         |---|---|---|---|---|\n",
    );
    let floor = rows.first().and_then(|row| row.counted);
    for row in rows {
        let ratio = row.to_floor.and(row.counted.zip(floor));
        writeln!(
            table,
            "| {} | {} | {} | {} | {} |",
            row.title,
            spread(Some(row.all), 1),
            spread(row.to_floor, 2),
            row.counted
                .map_or("–".to_owned(), |counted| format!("{counted:.2}")),
            ratio.map_or("–".to_owned(), |(own, floor)| format!(
                "{:.2}",
                own / floor
            )),
        )?;
    }
    Ok(table)
}

pub(crate) fn many_table(many: &Many) -> String {
    format!(
        "| what | ms |\n|---|---|\n\
         | hand-over to PID 1 until {SERVICES} programs have begun, each after the one above it in a tree | {} |\n\
         | the longest time that PID 1's loop was away meanwhile | {:.1} |\n",
        many.all_up_ms,
        many.away.as_secs_f64() * 1000.0
    )
}

/// Milliseconds of modules that the services wait for: batch `boot`, and `network` when they have a
/// bridge. Orlop's stage `network` has bridge and rules in it. Medians.
fn modules(row: &Row) -> Option<f64> {
    let part = |names: [&str; 2]| {
        let mut parts = row.parts.iter();
        let found = parts.find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, ms)| ms.median)
    };
    let boot = part(["boot", "kernel_modules"])?;
    match row.variant.bridged {
        true => Some(boot + part(["network", "network"])?),
        false => Some(boot),
    }
}

/// Batches of modules as the floor loads them, stages as Orlop's events tell them.
fn parts_table(figures: &Figures) -> Result<String> {
    let mut table = String::from("| PID 1 | part | ms |\n|---|---|---|\n");
    for row in &figures.rows {
        for (name, ms) in &row.parts {
            let kind = if row.variant.floor.is_none() {
                "modules: "
            } else {
                "stage "
            };
            writeln!(
                table,
                "| {} | {kind}{name} | {} |",
                row.variant.title,
                spread(Some(*ms), 1)
            )?;
        }
    }
    Ok(table)
}

fn isolation_table(figures: &Figures) -> Result<String> {
    let mut table = String::from("| PID 1 | one of its services |\n|---|---|\n");
    for Row {
        variant, isolation, ..
    } in &figures.rows
    {
        writeln!(table, "| {} | {} |", variant.title, isolation.join("; "))?;
    }
    Ok(table)
}

/// The engines, and who was left out.
pub(crate) fn engine_table(engines: &Engines) -> Result<String> {
    let mut table = String::from(
        "| engine | one launch, ms | ÷ floor | Orlop ÷ it | least ÷ least | isolation |\n|---|---|---|---|---|---|\n",
    );
    let least = |engine: &str| {
        let mut rows = engines.rows.iter();
        rows.find(|row| row.engine == engine)
            .map(|row| row.launch.least)
    };
    let orlop = least(ORLOP).unwrap_or(f64::NAN);
    for row in &engines.rows {
        writeln!(
            table,
            "| {} | {} | {} | {} | {:.2} | {} |",
            row.engine,
            spread(Some(row.launch), 2),
            spread(Some(row.to_floor), 2),
            spread(Some(row.orlop_to), 2),
            orlop / row.launch.least,
            row.isolation,
        )?;
    }
    for line in &engines.left_out {
        writeln!(table, "\nLeft out: {line}")?;
    }
    Ok(table)
}

fn size_table(figures: &Figures, sizes: &Sizes) -> Result<String> {
    let memory = figures.pid_1_kib + figures.log_kib;
    let rows = [
        (
            "static `init`, stripped",
            mebibytes(sizes.init),
            INIT_LIMIT,
            "`stat -c %s init`",
        ),
        (
            "memory (PSS) of PID 1 and `log`, ten services",
            mebibytes(memory * 1024),
            MEMORY_LIMIT,
            "`/proc/<pid>/smaps_rollup`, 3 s after the tenth",
        ),
        (
            "initramfs without the system",
            mebibytes(sizes.initramfs),
            INITRAMFS_LIMIT,
            "`stat -c %s build/initramfs`",
        ),
    ];
    let mut table = String::from("| what | MiB | limit, MiB | how |\n|---|---|---|---|\n");
    for (what, size, limit, how) in rows {
        writeln!(table, "| {what} | {size:.2} | {limit:.0} | {how} |")?;
    }
    writeln!(
        table,
        "\nOf the memory, PID 1 has {} KiB and `log` {} KiB.",
        figures.pid_1_kib, figures.log_kib
    )?;
    Ok(table)
}

/// The exact command beside each figure.
fn commands(figures: &Figures) -> String {
    let mut text = shown(QEMU);
    text.push_str("\n\ntime:         ");
    text.push_str(&shown(Clock::Wall.arguments()));
    text.push_str("\ninstructions: ");
    text.push_str(&shown(Clock::Instructions.arguments()));
    text.push_str("\n\n");
    let variants = figures.rows.iter().map(|row| row.variant);
    for variant in variants.chain([&MEMORY]).chain(&RESTARTS) {
        let nowhere = std::path::Path::new("");
        let boot = Boot {
            machine: nowhere,
            extra: nowhere,
            work: nowhere,
            variant,
            clock: Clock::Wall,
        };
        text.push_str(&format!(
            "{:22}-append \"{}\"\n",
            variant.title,
            boot.cmdline()
        ));
    }
    text
}

/// Arguments without this workstation's paths, one option a line.
fn shown(arguments: &str) -> String {
    let words: Vec<&str> = arguments.split_ascii_whitespace().collect();
    let text = words
        .join(" ")
        .replace("{machine}", "build")
        .replace("{work}/", "");
    text.replace(" -", " \\\n  -")
}

pub(crate) fn spread(value: Option<Spread>, decimals: usize) -> String {
    match value {
        None => "–".to_owned(),
        Some(Spread {
            median,
            least,
            most,
        }) => format!("{median:.decimals$} ({least:.decimals$}–{most:.decimals$})"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_on_disks_is_put_in_and_replaced() {
        let old = "# Benchmarks\n\n## Before\n\nkept\n\n## The same isolation\n\nkept too\n";
        let first = with_disks(old, "| 1 |\n").unwrap();
        assert!(
            first.contains("kept\n\n## Disks\n") && first.contains("| 1 |\n"),
            "{first}"
        );
        let second = with_disks(&first, "| 2 |\n").unwrap();
        assert_eq!(second, first.replace("| 1 |", "| 2 |"));
        assert!(
            second.ends_with("\n\n## The same isolation\n\nkept too\n"),
            "{second}"
        );
    }
}
