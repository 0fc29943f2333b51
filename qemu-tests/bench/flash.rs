//! How fast a disk is written: `orlop flash` beside dd(1), on a virtio disk of a Debian machine.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use orlop_qemu_tests::MachineBuilder;
use orlop_qemu_tests::debian::{Debian, Disk};

use crate::figures::Spread;
use crate::report::spread;

/// Of each, in turn.
const ROUNDS: usize = 5;
/// Bytes of noise in the system, so that there is something to write.
const BALLAST: u64 = 256 << 20;
/// What it is compared with.
const DD: &str = "dd if=disk.raw bs=4M conv=fsync of=…";

/// What was measured, a round an entry.
#[derive(Debug, Default)]
pub(crate) struct Flash {
    /// Seconds of dd.
    dd: Vec<f64>,
    /// Seconds of `orlop flash` without reading back.
    written: Vec<f64>,
    /// All seconds of `orlop flash`, from its start to its end.
    whole: Vec<f64>,
    /// The image's MiB, zeroes too.
    mib: f64,
}

/// Writes one image over and over, each time by the other first; `say` hears of each round.
pub(crate) fn run(say: fn(&str) -> Result<()>) -> Result<Flash> {
    let more = "network_mode = \"none\"\nbuild.files = { \"ballast\" = \"/ballast\" }\n";
    let ballast = "command = [\"/ballast\"]\n";
    let machine = MachineBuilder::with(&["gateway", "log"])?
        .service("ballast", &format!("{ballast}{more}"))
        .image("raw");
    let noise = std::fs::File::open("/dev/urandom").context("open /dev/urandom")?;
    let path = machine.path("services/ballast/ballast");
    let mut file = std::fs::File::create(path).context("make the ballast")?;
    std::io::copy(&mut noise.take(BALLAST), &mut file).context("write the ballast")?;
    machine.build()?;
    let image = machine.image_path().context("an image")?;
    let target = Disk {
        name: "target",
        mib: 2048,
        options: ",discard=unmap",
        content: |_: &Path| Ok(()),
    };
    let bytes = std::fs::metadata(&image).context("look at the image")?;
    let mut flash = Flash {
        mib: crate::report::mebibytes(bytes.len()),
        ..Flash::default()
    };
    let mut debian = Debian::boot(&image, &[target])?;
    let device = debian.device("target")?;
    // By its path: the shell is busybox, which has a dd too.
    let dd = format!("/usr/bin/{DD}").replace("disk.raw", "/disk.raw");
    let dd = dd.replace('…', &format!("/dev/{device}"));
    for round in 0..ROUNDS {
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                let (_, took) = timed(&mut debian, &dd)?;
                flash.dd.push(took);
            } else {
                let line = format!("orlop flash /disk.raw /dev/{device} --yes");
                let (said, took) = timed(&mut debian, &line)?;
                flash.written.push(seconds_of_writing(&said)?);
                flash.whole.push(took);
            }
        }
        say(&format!("flash, round {} of {ROUNDS}", round + 1))?;
    }
    Ok(flash)
}

/// What a line says, and its seconds by the machine's clock, with nothing of the image in memory.
fn timed(debian: &mut Debian, line: &str) -> Result<(String, f64)> {
    let clock = "read -r now _ </proc/uptime; echo \"at $now\"";
    let all = format!(
        "sync; echo 3 >/proc/sys/vm/drop_caches; {clock}; \
         {line} >/tmp/said 2>&1 || exit; {clock}; cat /tmp/said"
    );
    let (said, status) = debian.run(&all)?;
    ensure!(status == 0, "{line} ended with {status}: {said}");
    let at = said.lines().filter_map(|line| line.strip_prefix("at "));
    let at: Vec<f64> = at.map(str::parse).collect::<Result<_, _>>()?;
    let [begin, end] = at[..] else {
        anyhow::bail!("no times in {said}");
    };
    Ok((said, end - begin))
}

/// `wrote … in 1.5 s (…), verified in …`.
fn seconds_of_writing(said: &str) -> Result<f64> {
    let line = said.lines().find(|line| line.starts_with("wrote "));
    let seconds = line.and_then(|line| line.split(" in ").nth(1)?.split(' ').next());
    let seconds = seconds.with_context(|| format!("no time in {said}"))?;
    seconds.parse().context("the time")
}

/// The table.
pub(crate) fn table(flash: &Flash) -> String {
    let mib = flash.mib;
    let row = |what: &str, seconds: &[f64]| {
        let rate = Spread::of(seconds.iter().map(|seconds| mib / seconds));
        let ratio = Spread::of(seconds.iter().zip(&flash.dd).map(|(own, dd)| own / dd));
        format!(
            "| {what} | {} | {} | {} |\n",
            spread(Spread::of(seconds.iter().copied()), 1),
            spread(rate, 0),
            spread(ratio, 2)
        )
    };
    [
        format!(
            "An image of {mib:.0} MiB, zeros with it, from a file onto a virtio disk, {ROUNDS} \
             rounds of each in turn.\n\n| | s | MiB/s of the image | ÷ dd |\n|---|---|---|---|\n"
        ),
        row(&format!("`{DD}`"), &flash.dd),
        row("`orlop flash`, until it is written", &flash.written),
        row("`orlop flash`, with reading all back", &flash.whole),
    ]
    .concat()
}
