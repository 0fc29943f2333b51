//! One boot in QEMU, and what the agent in it says.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::figures::Spread;
use crate::variant::Variant;

/// How many payloads a boot ends with.
const SERVICES: usize = 10;

/// QEMU's arguments, the same for every variant; `{…}` is put in. The machine's own ports and network
/// card are those of `orlop run --no-state --accel tcg`; the second serial line is the agent's.
pub(crate) const QEMU: &str = "qemu-system-x86_64 -nodefaults -no-user-config -display none \
     -machine q35 -accel tcg -cpu max -m 512M \
     -kernel {machine}/vmlinuz -initrd {work}/initrd \
     -device virtio-rng-pci \
     -netdev user,id=net0 -device virtio-net-pci,netdev=net0,romfile= \
     -device virtio-serial-pci \
     -chardev file,id=events,path={work}/events.json \
     -device virtserialport,chardev=events,name=orlop.events \
     -chardev null,id=control -device virtserialport,chardev=control,name=orlop.control \
     -serial file:{work}/console.log -serial file:{work}/agent.log";

/// What a boot's clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time that passes.
    Wall,
    /// Instructions of one CPU: a million is a millisecond of the machine's clock, however busy the
    /// workstation is. Waiting for a disk of the workstation would not be counted in instructions, so
    /// the machine has none: its initramfs carries the system.
    Instructions,
}

impl Clock {
    /// What follows [`QEMU`].
    pub(crate) const fn arguments(self) -> &'static str {
        match self {
            Self::Wall => {
                " -smp 2 -drive if=none,format=raw,id=system,readonly=on,file={machine}/system.erofs \
                 -device virtio-blk-pci,drive=system,serial=orlop-system"
            }
            Self::Instructions => " -smp 1 -icount shift=0,sleep=off",
        }
    }
}

/// What is booted.
#[derive(Debug)]
pub(crate) struct Boot<'a> {
    /// Where vmlinuz, initramfs and system.erofs are.
    pub(crate) machine: &'a Path,
    /// The archive that follows the machine's own initramfs.
    pub(crate) extra: &'a Path,
    /// Where the logs go.
    pub(crate) work: &'a Path,
    /// Which PID 1.
    pub(crate) variant: &'a Variant,
    /// By which clock.
    pub(crate) clock: Clock,
}

/// What one boot has shown. Times are microseconds of the machine's CLOCK_BOOTTIME.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// The agent's last reading before it becomes the PID 1 that is measured.
    pub(crate) handed_over: u64,
    /// Each payload's own first reading.
    pub(crate) ready: Vec<u64>,
    /// What each payload's process has used of a CPU since its clone3.
    pub(crate) launch_cpu: Vec<u64>,
    /// Microseconds from each kill to the first reading of the replacement.
    pub(crate) restarts: Vec<u64>,
    /// What a payload is: namespaces, capabilities, filter, mounts.
    pub(crate) isolation: Vec<String>,
    /// KiB of proportional set size by process name; PID 1 first.
    pub(crate) pss: Vec<(u64, String)>,
    /// Milliseconds by stage, as PID 1's events say (Orlop only).
    pub(crate) stages: Vec<(String, f64)>,
    /// Milliseconds by batch of modules, as the floor says (floor only).
    pub(crate) modules: Vec<(String, f64)>,
}

impl Sample {
    /// From the hand-over until the last of the ten runs, milliseconds.
    pub(crate) fn ready_ms(&self) -> f64 {
        let last = self.ready.iter().copied().max().unwrap_or_default();
        milliseconds(last.saturating_sub(self.handed_over))
    }

    /// The middle one of its replacements, milliseconds.
    pub(crate) fn restart_ms(&self) -> Option<f64> {
        let all = self.restarts.iter().map(|micros| milliseconds(*micros));
        Spread::of(all).map(|spread| spread.median)
    }

    /// What all launches have used of a CPU between clone3 and the program, milliseconds.
    pub(crate) fn launches_ms(&self) -> f64 {
        milliseconds(self.launch_cpu.iter().sum())
    }

    /// The kernel's own boot, milliseconds: says how busy the workstation was.
    pub(crate) fn kernel_ms(&self) -> f64 {
        milliseconds(self.handed_over)
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of minutes")]
pub(crate) fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

impl Boot<'_> {
    /// Boots and waits until the machine has powered itself off.
    pub(crate) fn run(&self) -> Result<Sample> {
        let mut initrd = fs::read(self.machine.join("initramfs")).context("read the initramfs")?;
        initrd.extend(fs::read(self.extra).context("read the programs")?);
        fs::write(self.work.join("initrd"), initrd).context("write the initrd")?;
        let machine = self.machine.display().to_string();
        let work = self.work.display().to_string();
        let arguments = [QEMU, self.clock.arguments()].concat();
        let arguments = arguments
            .split_ascii_whitespace()
            .map(|word| word.replace("{machine}", &machine).replace("{work}", &work));
        let status = Command::new("timeout")
            .args(["--foreground", "180"])
            .args(arguments)
            .args(["-append", &self.cmdline()])
            .stdin(Stdio::null())
            .status()
            .context("start QEMU")?;
        ensure!(status.success(), "QEMU ended with {status}");
        let log =
            |name: &str| fs::read(self.work.join(name)).with_context(|| format!("read {name}"));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let mut sample = Sample::default();
        sample.read_agent(&text(log("agent.log")?))?;
        sample.read_events(&text(log("events.json")?));
        sample.read_floor(&text(log("console.log")?));
        Ok(sample)
    }

    /// The kernel's command line: as `orlop build` writes it, then the agent.
    pub(crate) fn cmdline(&self) -> String {
        let waits = [
            ("settle_ms", self.variant.settle_ms),
            ("restart_ms", self.variant.restart_ms),
        ];
        let waits = waits.map(|(name, ms)| ms.map(|ms| format!(" {name}={ms}")));
        let waits: String = waits.into_iter().flatten().collect();
        format!(
            "console=ttyS0 quiet panic=-1 rdinit=/bench/agent{waits} -- {}",
            self.variant.init
        )
    }
}

impl Sample {
    fn read_agent(&mut self, log: &str) -> Result<()> {
        for line in log.lines() {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "handover_us" => self.handed_over = rest.parse().context("read the hand-over")?,
                "ready_us" => self
                    .ready
                    .push(rest.parse().context("read a payload's time")?),
                "service_cpu_us" => {
                    self.launch_cpu
                        .push(rest.parse().context("read a service's CPU time")?);
                }
                "restart_us" => {
                    let micros = rest.parse().context("read a replacement's time")?;
                    self.restarts.push(micros);
                }
                "isolation" => self.isolation.push(rest.to_owned()),
                "pss" => {
                    let (size, name) = rest.split_once(' ').context("read a process's memory")?;
                    self.pss
                        .push((size.parse().context("read memory")?, name.to_owned()));
                }
                "error" => bail!("the agent says: {rest}"),
                _ => {}
            }
        }
        ensure!(
            self.ready.len() == SERVICES,
            "{} of {SERVICES} services ran",
            self.ready.len()
        );
        Ok(())
    }

    fn read_events(&mut self, log: &str) {
        for line in log.lines() {
            let event: Value = serde_json::from_str(line).unwrap_or_default();
            let stage = event.get("stage").and_then(Value::as_str);
            let elapsed = event.get("elapsed_ms").and_then(Value::as_f64);
            if let (Some(stage), Some(elapsed)) = (stage, elapsed) {
                self.stages.push((stage.to_owned(), elapsed));
            }
        }
    }

    /// `modules boot 61000 network 120000 machine 9000 us`.
    fn read_floor(&mut self, log: &str) {
        let Some((_, words)) = log.split_once("modules ") else {
            return;
        };
        let words: Vec<&str> = words.split_ascii_whitespace().take(6).collect();
        for pair in words.chunks_exact(2) {
            if let [name, micros] = pair
                && let Ok(micros) = micros.parse()
            {
                self.modules
                    .push(((*name).to_owned(), milliseconds(micros)));
            }
        }
    }
}
