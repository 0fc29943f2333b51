//! `make bench`: how long ten isolated services take from the hand-over to PID 1, beside what the
//! kernel itself charges and beside plain processes; and how large what runs always is.
//!
//! ```text
//! programs: C sources -> static programs -> a second initramfs that is appended to every first one
//! machines: manifests of ten services -> orlop build
//! rounds:   every variant boots once, in another order each time -> one Sample a boot
//! figures:  medians, ranges, ratios within each round -> the terminal and docs/benchmarks.md
//! ```
//! Nothing is asserted: figures are for people, and depend on the machine.

mod boot;
mod disks;
mod engines;
mod figures;
mod flash;
mod host;
mod machines;
mod many;
mod peers;
mod programs;
mod report;
mod restart_figures;
mod variant;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use boot::{Boot, Clock, Sample};
use many::Many;
use restart_figures::RestartRow;
use variant::{MEMORY, RESTARTS, VARIANTS, Variant};

/// Rounds when `ROUNDS` does not say otherwise: about five minutes on two cores.
const ROUNDS: usize = 7;
/// Rounds of the restarts, of ten each.
const RESTART_ROUNDS: usize = 3;

/// Rounds of the engines: they take seconds.
const ENGINE_ROUNDS: usize = 25;

fn main() -> Result<()> {
    let rounds = rounds(ROUNDS)?;
    let work = target().join("bench");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
    if std::env::args().nth(1).as_deref() == Some("flash") {
        return say(&flash::table(&flash::run(say)?));
    }
    let page = sources.join("../../docs/benchmarks.md");
    if std::env::args().nth(1).as_deref() == Some("disks") {
        let tables = disks()?;
        let old = std::fs::read_to_string(&page).context("read docs/benchmarks.md")?;
        let new = report::with_disks(&old, &tables)?;
        std::fs::write(&page, new).context("write docs/benchmarks.md")?;
        return say(&tables);
    }
    say("compiling the floor, the agent and the payload")?;
    if std::env::args().nth(1).as_deref() == Some("engines") {
        return say(&report::engine_table(&engines(&sources, &work)?)?);
    }
    let extra = programs::build(&sources, &work)?;
    if std::env::args().nth(1).as_deref() == Some("many") {
        return say(&report::many_table(&many::run(&programs::payload(&work))?));
    }
    say("building the machines")?;
    let machines = machines::build(&work)?;
    peers::build(&machines)?;
    if std::env::args().nth(1).as_deref() == Some("restarts") {
        let (restarts, many) = supervision(&machines, &extra, &work)?;
        say(&report::restart_table(&restarts)?)?;
        return say(&report::many_table(&many));
    }
    let mut samples: Vec<(&Variant, Sample)> = Vec::new();
    for round in 0..rounds {
        let mut order: Vec<&Variant> = VARIANTS.iter().collect();
        order.rotate_left(round % VARIANTS.len());
        for variant in order {
            let sample = boot(&machines, &extra, &work, variant, Clock::Wall)?;
            say(&format!(
                "round {} of {rounds}: {:24} {:7.0} ms",
                round + 1,
                variant.title,
                sample.ready_ms()
            ))?;
            samples.push((variant, sample));
        }
    }
    say("memory of PID 1 and log")?;
    let memory = boot(&machines, &extra, &work, &MEMORY, Clock::Wall)?;
    let mut counted = Vec::new();
    for variant in &VARIANTS {
        let sample = boot(&machines, &extra, &work, variant, Clock::Instructions)?;
        say(&format!(
            "instructions: {:24} {:7.0} million",
            variant.title,
            sample.ready_ms()
        ))?;
        counted.push((variant, sample));
    }
    let engines = engines(&sources, &work)?;
    let (restarts, many) = supervision(&machines, &extra, &work)?;
    let all = report::Measured {
        figures: figures::Figures::of(&samples, &counted, &memory)?,
        restarts,
        many,
        engines,
        disks: disks()?,
        sizes: machines::sizes(&machines, &runtime())?,
        host: host::describe(&machines)?,
        rounds,
    };
    let text = report::write(&all)?;
    std::fs::write(&page, text.page).context("write docs/benchmarks.md")?;
    say(&text.terminal)
}

/// As `ROUNDS` says, or `usual`.
fn rounds(usual: usize) -> Result<usize> {
    match std::env::var("ROUNDS") {
        Ok(text) => text.parse().context("ROUNDS is a number of rounds"),
        Err(_) => Ok(usual),
    }
}

/// Booting from disks, and writing them; `make bench BENCH=disks` measures nothing else.
fn disks() -> Result<String> {
    let rounds = rounds(disks::ROUNDS)?;
    let boots = disks::tables(&disks::run(rounds, say)?)?;
    Ok([boots, flash::table(&flash::run(say)?)].join("\n"))
}

/// Container engines on the workstation itself; `make bench BENCH=engines` measures nothing else.
fn engines(sources: &Path, work: &Path) -> Result<engines::Engines> {
    say("container engines on this workstation")?;
    let engine = runtime().join("examples/engine");
    engines::measure(sources, work, &engine, ENGINE_ROUNDS)
}

/// Restarts and a thousand services; `make bench BENCH=restarts` measures nothing else.
fn supervision(machines: &Path, extra: &Path, work: &Path) -> Result<(Vec<RestartRow>, Many)> {
    let (samples, counted) = restarts(machines, extra, work)?;
    say("a thousand services")?;
    let many = many::run(&programs::payload(work))?;
    Ok((restart_figures::rows(&samples, &counted)?, many))
}

/// What each boot of a variant has shown.
type Samples = Vec<(&'static Variant, Sample)>;

/// Every supervisor's replacements, in rounds as the boots are; and once more by instructions, of
/// those that isolate.
fn restarts(machines: &Path, extra: &Path, work: &Path) -> Result<(Samples, Samples)> {
    let one = |variant: &'static Variant, clock, what: &str| -> Result<_> {
        let sample = boot(machines, extra, work, variant, clock)?;
        let middle = sample.restart_ms().context("nobody was killed")?;
        say(&format!("{what} {:16} {middle:7.1}", variant.title))?;
        Ok((variant, sample))
    };
    let mut samples = Vec::new();
    for round in 0..RESTART_ROUNDS {
        let mut order: Vec<&Variant> = RESTARTS.iter().collect();
        order.rotate_left(round % RESTARTS.len());
        let what = format!("restarts, round {} of {RESTART_ROUNDS}, ms:", round + 1);
        for variant in order {
            samples.push(one(variant, Clock::Wall, &what)?);
        }
    }
    let isolating = RESTARTS.iter().filter(|variant| variant.machine == "none");
    let counted = isolating.map(|variant| {
        one(
            variant,
            Clock::Instructions,
            "restart, million instructions:",
        )
    });
    Ok((samples, counted.collect::<Result<_>>()?))
}

/// Where `make programs` puts the machine's static programs.
fn runtime() -> PathBuf {
    match std::env::var_os("ORLOP_RUNTIME") {
        Some(folder) => PathBuf::from(folder),
        None => target().join("x86_64-unknown-linux-musl/release"),
    }
}

/// Cargo's target folder.
fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}

fn boot(
    machines: &Path,
    extra: &Path,
    work: &Path,
    variant: &Variant,
    clock: Clock,
) -> Result<Sample> {
    let name = match clock {
        Clock::Wall => variant.machine.to_owned(),
        Clock::Instructions => format!("{}{}", variant.machine, machines::CARRIED),
    };
    let folder = machines.join(name).join("build");
    let boot = Boot {
        machine: &folder,
        extra,
        work,
        variant,
        clock,
    };
    boot.run()
        .with_context(|| format!("boot {}; see {}", variant.title, work.display()))
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write to stdout")
}
