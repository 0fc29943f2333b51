//! The plug is pulled: from one recording of a machine's first boot and its databases' work many disks
//! are made that a power cut could have left behind, and each boots with nothing lost that was
//! acknowledged. See `power_cut` for what must be there, and why.
//!
//! `ORLOP_SEED` repeats a trial, on the recording that `ORLOP_RECORDING` names: a trial that fails
//! leaves its own, and says both.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use orlop_qemu_tests::power_cut::{Cut, Entry, Recording, disk, ext4, throw};
use orlop_qemu_tests::{Conversation, Dice, MachineBuilder, Vm, psql, redis, rounds, seed};
use serde_json::{Value, json};

/// Trials of `make test`.
const TRIALS: usize = 5;
/// Trials at a time.
const AT_ONCE: usize = 2;
/// Transactions of each database.
const TRANSACTIONS: usize = 120;
/// How large the disk is that the image is put on.
const DISK: u64 = 1 << 30;
const PASSWORD: &str = "known-to-the-test";

const TABLES: &str = "CREATE TABLE kept (n int PRIMARY KEY, word text); \
     CREATE TABLE total (n int); INSERT INTO total VALUES (0);";

fn machine() -> Result<MachineBuilder> {
    let machine = MachineBuilder::with(&["dhcp", "gateway", "log", "redis"])?;
    let machine = machine.catalogue(&["postgres"])?;
    edit(
        &machine.path("services/redis/redis.conf"),
        "appendfsync everysec",
        "appendfsync always",
    )?;
    let known = format!("LANG = \"C.UTF-8\", POSTGRES_PASSWORD = \"{PASSWORD}\"");
    let postgres = machine.path("services/postgres/service.toml");
    edit(&postgres, "LANG = \"C.UTF-8\"", &known)?;
    let machine = machine.image("raw");
    machine.build()?;
    Ok(machine)
}

fn edit(file: &Path, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(file)?;
    ensure!(text.contains(from), "no {from} in {}", file.display());
    Ok(fs::write(file, text.replace(from, to))?)
}

/// The machine on this disk.
fn on_disk(disk: &Path) -> Result<MachineBuilder> {
    Ok(MachineBuilder::of_image(disk)?.arguments(&["--memory", "768M"]))
}

/// What was recorded, and what was said to be kept meanwhile: positions of the log, in order.
#[derive(Debug)]
struct Recorded {
    recording: Recording,
    entries: Vec<Entry>,
    /// When the first service was up, and the disk's table and state partition were prepared.
    begun: u64,
    /// When the boot was complete.
    booted: u64,
    /// When each transaction was acknowledged.
    postgres: Vec<u64>,
    redis: Vec<u64>,
    machine_id: String,
}

impl Recorded {
    fn read(folder: &Path) -> Result<Self> {
        let said: Value = serde_json::from_str(&fs::read_to_string(folder.join("said.json"))?)?;
        let recording = Recording::of(folder);
        Ok(Self {
            entries: recording.entries()?,
            recording,
            begun: serde_json::from_value(said["begun"].clone())?,
            booted: serde_json::from_value(said["booted"].clone())?,
            postgres: serde_json::from_value(said["postgres"].clone())?,
            redis: serde_json::from_value(said["redis"].clone())?,
            machine_id: serde_json::from_value(said["machine-id"].clone())?,
        })
    }

    /// Where the cut is thrown: one trial of five while the disk is made fit for the machine, one in
    /// the rest of the first boot, in which the state grows and the database makes its cluster, the
    /// others while the databases work.
    fn scenario(&self, seed: u64) -> Range<u64> {
        match seed % 5 {
            0 => 0..self.begun,
            1 => self.begun..self.booted,
            _ => self.booted..u64::MAX,
        }
    }
}

/// Boots the machine for the first time, on a disk larger than the image, has its databases work, and
/// pulls the plug.
fn record(machine: &MachineBuilder, folder: &Path) -> Result<()> {
    let disk = folder.join("disk.img");
    disk::copy(&machine.image_path().context("no image")?, &disk)?;
    File::options().write(true).open(&disk)?.set_len(DISK)?;
    let recording = Recording::begin(folder, &disk)?;
    let words = recording.arguments("disk");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let vm = on_disk(&disk)?.arguments(&words).start()?;
    vm.wait_service("log", "up")?;
    let begun = recording.position()?;
    vm.wait_service("redis", "up")?;
    vm.wait_boot()?;
    vm.wait_address_after(0)?;
    let booted = recording.position()?;
    let (postgres, redis) = std::thread::scope(|scope| -> Result<_> {
        let postgres = scope.spawn(|| load_postgres(&vm, &recording));
        let redis = load_redis(&vm, &recording)?;
        let postgres = postgres.join().map_err(|_| anyhow!("psql's thread died"))?;
        Ok((postgres?, redis))
    })?;
    vm.qmp("quit", &json!({}))?;
    vm.wait_event("the end", |event| event["event"] == "exit")?;
    let id = check_disk(&disk)?;
    fs::remove_file(&disk)?;
    let said = json!({
        "begun": begun, "booted": booted, "postgres": postgres, "redis": redis, "machine-id": id,
    });
    Ok(fs::write(folder.join("said.json"), said.to_string())?)
}

/// The state of a disk that no machine runs on is whole, and as large as it can be; gives its
/// machine-id.
fn check_disk(disk: &Path) -> Result<String> {
    let place = state_partition(disk)?;
    ensure!(place.end > DISK - (2 << 20), "the state is at {place:?}");
    let state = disk.with_extension("state");
    ext4::take_out(disk, &place, &state)?;
    ext4::check(&state)?;
    let id = ext4::file(&state, "machine-id")?.context("no machine-id")?;
    fs::remove_file(&state)?;
    Ok(id)
}

/// Where the fourth partition of the table's first copy is, in bytes.
fn state_partition(disk: &Path) -> Result<Range<u64>> {
    let mut entry = [0; 48];
    File::open(disk)?.read_exact_at(&mut entry, 1024 + 3 * 128)?;
    let [_, _, _, _, first, last] = entry.as_chunks().0 else {
        bail!("an entry begins with six words");
    };
    let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    Ok(first * 512..(last + 1) * 512)
}

/// Each transaction writes two tables: half of one must never be there.
fn load_postgres(vm: &Vm, recording: &Recording) -> Result<Vec<u64>> {
    let port = vm.forward(5432)?;
    psql(port, PASSWORD, TABLES)?;
    let mut client = Conversation::psql(port, PASSWORD)?;
    let mut acknowledged = Vec::new();
    for n in 1..=TRANSACTIONS {
        let checkpoint = if n == TRANSACTIONS / 2 {
            "CHECKPOINT;"
        } else {
            ""
        };
        let said = client.ask(&format!(
            "{checkpoint} BEGIN; INSERT INTO kept VALUES ({n}, md5('{n}')); \
             UPDATE total SET n = n + 1; COMMIT; \\echo kept {n}"
        ))?;
        let position = recording.position()?;
        ensure!(said == format!("kept {n}"), "psql says {said}");
        acknowledged.push(position);
    }
    Ok(acknowledged)
}

fn load_redis(vm: &Vm, recording: &Recording) -> Result<Vec<u64>> {
    let port = vm.forward(6379)?;
    redis(port, &["PING"])?;
    let mut client = Conversation::redis(port)?;
    let mut acknowledged = Vec::new();
    for n in 1..=TRANSACTIONS {
        if n == TRANSACTIONS / 2 {
            client.ask("BGREWRITEAOF")?;
        }
        let said = client.ask(&format!("RPUSH kept {n}"))?;
        let position = recording.position()?;
        ensure!(said == n.to_string(), "redis-cli says {said}");
        acknowledged.push(position);
    }
    Ok(acknowledged)
}

/// When the power goes, by the seed.
fn cut(recorded: &Recorded, seed: u64) -> Result<Cut> {
    let within = recorded.scenario(seed);
    throw(&recorded.entries, &within, &mut Dice::new(seed))
}

/// The disk that the cut leaves behind, booted; gives how many transactions had to be there.
fn trial(recorded: &Recorded, cut: &Cut, disk: &Path) -> Result<usize> {
    recorded.recording.after(cut, &recorded.entries, disk)?;
    let vm = on_disk(disk)?.start()?;
    // Making the cluster takes a wait of its own.
    vm.wait_service("redis", "up")?;
    let boot = vm.wait_boot()?;
    ensure!(
        boot["up"] == boot["services"],
        "not all services came up: {boot}"
    );
    for event in vm.events() {
        let complains = event["degraded"].is_string() || event["restarts"].as_u64() > Some(0);
        ensure!(!complains, "a boot after a power cut says {event}");
    }
    let said: Value = serde_json::from_str(&vm.orlop(&["ps", "--json"])?)?;
    let notices = &said["notices"];
    ensure!(
        *notices == json!([]),
        "something stands against the machine: {notices}"
    );
    vm.wait_address_after(0)?;
    let must = |acknowledged: &[u64]| acknowledged.iter().filter(|p| **p <= cut.position).count();
    let (postgres, redis) = (must(&recorded.postgres), must(&recorded.redis));
    check_postgres(&vm, postgres)?;
    check_redis(&vm, redis)?;
    // Once more without warning: the boot has left the file system whole, too.
    drop(vm);
    let id = check_disk(disk)?;
    if cut.position >= recorded.booted {
        ensure!(id == recorded.machine_id, "another machine-id: {id}");
    }
    fs::remove_file(disk)?;
    Ok(postgres + redis)
}

/// The first transactions are there, each whole, and at least so many.
fn check_postgres(vm: &Vm, least: usize) -> Result<()> {
    let port = vm.forward(5432)?;
    let there = "SELECT to_regclass('total') IS NOT NULL";
    if least == 0 && psql(port, PASSWORD, there)? == "f" {
        return Ok(());
    }
    let facts = "SELECT count(*), coalesce(max(kept.n), 0), (SELECT n FROM total), \
         count(*) FILTER (WHERE word <> md5(kept.n::text)) FROM kept";
    let said = psql(port, PASSWORD, facts)?;
    let facts: Vec<usize> = said.split('|').map(str::parse).collect::<Result<_, _>>()?;
    let &[count, last, total, wrong] = facts.as_slice() else {
        bail!("psql says {said}");
    };
    let whole = count == last && count == total && wrong == 0;
    ensure!(
        whole,
        "PostgreSQL has {count} to {last}, of {total}, {wrong} wrong"
    );
    ensure!(
        count >= least,
        "PostgreSQL has {count} of {least} transactions"
    );
    Ok(())
}

fn check_redis(vm: &Vm, least: usize) -> Result<()> {
    let said = redis(vm.forward(6379)?, &["LRANGE", "kept", "0", "-1"])?;
    let there: Vec<&str> = said.split_whitespace().collect();
    let right = (1..)
        .zip(&there)
        .all(|(n, word): (usize, _)| *word == n.to_string());
    ensure!(right, "Redis has {said}");
    ensure!(
        there.len() >= least,
        "Redis has {} of {least} transactions",
        there.len()
    );
    Ok(())
}

/// The recording that is named, or one that is made now in `folder`.
fn recorded(machine: &MachineBuilder, folder: &Path) -> Result<Recorded> {
    if let Some(old) = std::env::var_os("ORLOP_RECORDING") {
        return Recorded::read(Path::new(&old));
    }
    record(machine, folder)?;
    Recorded::read(folder)
}

#[test]
fn whenever_the_power_goes_the_machine_boots_with_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let first = seed();
    println!("ORLOP_SEED={first}");
    let machine = machine().unwrap();
    let recorded = recorded(&machine, folder.path()).unwrap();
    let trials = u64::try_from(TRIALS * rounds()).unwrap();
    let next = AtomicU64::new(0);
    let (wrong, checked) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= trials {
                break;
            }
            let seed = first + number;
            let disk = folder.path().join(format!("{number}.img"));
            let cut = cut(&recorded, seed).unwrap();
            let (after, of, more) = (cut.flush, recorded.entries.len(), cut.later.len());
            println!("ORLOP_SEED={seed}: a cut after request {after} of {of} and {more} more");
            match trial(&recorded, &cut, &disk) {
                Ok(there) => checked.fetch_add(there, Ordering::Relaxed),
                Err(error) => {
                    wrong
                        .lock()
                        .unwrap()
                        .push(format!("ORLOP_SEED={seed}: {error:#}"));
                    0
                }
            };
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    if !wrong.is_empty() {
        panic!(
            "{wrong:#?} with ORLOP_RECORDING={}",
            folder.keep().display()
        );
    }
    // Cuts that nothing had to outlive would show nothing.
    assert!(checked.into_inner() > 0);
}
