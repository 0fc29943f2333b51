//! The state disk: made where there is none, grown, given sizes, checked, full, read-only, gone; and
//! what is somebody else's stays as it is.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, Vm};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn host(program: &str, arguments: &[&str], file: &str) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .arg(file)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .with_context(|| program.to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{program}: {text}{output:?}");
    Ok(text)
}

/// The state partition of a disk: its first byte, and how many there are.
fn partition(disk: &Path) -> Result<(u64, u64)> {
    let entry = 3 * 128;
    let mut bytes = [0; 16];
    File::open(disk)?.read_exact_at(&mut bytes, 2 * 512 + entry + 32)?;
    let (first, last) = bytes.split_at(8);
    let number = |bytes: &[u8]| -> Result<u64> { Ok(u64::from_le_bytes(bytes.try_into()?)) };
    let (first, last) = (number(first)?, number(last)?);
    Ok((first * 512, (last + 1 - first) * 512))
}

/// What dumpe2fs says of it, once e2fsck has found nothing.
fn sound(disk: &Path) -> Result<String> {
    let (start, _) = partition(disk)?;
    let at = format!("{}?offset={start}", disk.display());
    host("e2fsck", &["-fn"], &at)?;
    host("dumpe2fs", &["-h"], &at)
}

fn blocks(dump: &str) -> Result<u64> {
    let line = dump
        .lines()
        .find_map(|line| line.strip_prefix("Block count:"));
    Ok(line.context("Block count")?.trim().parse()?)
}

fn resize(disk: &Path, size: u64) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(disk)?.set_len(size)?)
}

fn said(vm: &Vm, words: &str) -> Result<()> {
    vm.transcript_until(words).map(drop)
}

const SYSTEM: &str =
    "[volumes.data]\ndriver_opts = { size = \"20m\" }\n[volumes.other]\n[volumes.logs]\n";
/// Writes until it may not, and says why.
const FILLS: &str = "exec 2>&1; cat /data/word; echo word >/data/word; \
     dd if=/dev/zero of=/data/fill bs=1M count=40 conv=fsync; ls -l /data/fill; df -k /data | tail -n 1; \
     rm /data/fill; sync; echo done; exec sleep 1000000";
const WRITES: &str = "exec 2>&1; dd if=/dev/zero of=/other/file bs=1M count=25 conv=fsync && echo written; exec sleep 1000000";

fn flashed() -> Result<MachineBuilder> {
    Ok(MachineBuilder::with(&["log", "gateway"])?
        .file("system.toml", SYSTEM)
        .shell_service("fills", &busybox(FILLS), "volumes = [\"data:/data\"]\n")
        .shell_service("writes", &busybox(WRITES), "volumes = [\"other:/other\"]\n")
        .image("raw"))
}

/// Each command by busybox, as the image has no links.
fn busybox(script: &str) -> String {
    let functions = ["cat", "dd", "ls", "df", "tail", "rm", "sync", "sleep"];
    let functions = functions.map(|name| format!("{name}() {{ /bin/busybox {name} \"$@\"; }}; "));
    format!(
        "{}{}",
        functions.concat(),
        script.replace("exec sleep", "exec /bin/busybox sleep")
    )
}

/// From 64 MiB to 2 GiB and to 64 GiB.
#[test]
fn a_flashed_disk_grows_with_its_volumes_in_their_sizes() {
    let machine = flashed().unwrap();
    machine.build().unwrap();
    let disk = machine.image_path().unwrap();
    resize(&disk, 2 * GIB).unwrap();
    let mut vm = machine.start().unwrap();
    said(&vm, "the state grew from 64 MiB to").unwrap();
    // EDQUOT, after about 20 MiB; the other volume has room for more.
    let log = vm.log_until("fills", "done").unwrap().join("\n");
    assert!(
        log.contains("quota exceeded") || log.contains("No space left"),
        "{log}"
    );
    let size = log
        .lines()
        .find_map(|line| line.split_whitespace().nth(4)?.parse::<u64>().ok());
    assert!(
        size.is_some_and(|size| size > 15 * MIB && size <= 20 * MIB),
        "{log}"
    );
    vm.log_until("writes", "written").unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    vm.wait_exit().unwrap();
    let dump = sound(&disk).unwrap();
    assert!(
        !dump.contains("6f726c6f-7073-7461-8465-000000000001"),
        "{dump}"
    );
    let (_, length) = partition(&disk).unwrap();
    assert!(
        length > 3 * GIB / 2 && blocks(&dump).unwrap() > length / 4096 - 32768,
        "{dump}"
    );

    resize(&disk, 64 * GIB).unwrap();
    vm.run_again().unwrap();
    said(&vm, "MiB to 63 GiB").unwrap();
    let log = vm.log_until("fills", "done").unwrap().join("\n");
    assert!(log.contains("word"), "what was written is there: {log}");
    vm.orlop(&["poweroff"]).unwrap();
    vm.wait_exit().unwrap();
    assert!(blocks(&sound(&disk).unwrap()).unwrap() > 60 * GIB / 4096);
    let checked = host("sgdisk", &["-v"], &disk.display().to_string()).unwrap();
    assert!(checked.contains("No problems found"), "{checked}");
}

const SLOT: [&str; 4] = [
    "--no-state",
    "--qemu-arg=-device",
    "--qemu-arg=pcie-root-port,id=pull-port,chassis=7",
    "--qemu-arg=-drive",
];

/// A machine whose state is on `/dev/vdb`, a disk that can be pulled out.
fn named() -> Result<MachineBuilder> {
    let system = "[storage]\nstate = \"/dev/vdb\"\n[volumes.data]\n[volumes.logs]\n";
    let script = "cat /data/word; while :; do echo line >>/data/word; sync; sleep 1; done";
    let machine = MachineBuilder::with(&["log", "gateway"])?
        .file("system.toml", system)
        .shell_service("keeps", &busybox(script), "volumes = [\"data:/data\"]\n")
        .shell_service("lives", "exec /bin/busybox sleep 1000000", "");
    let disk = machine.path("data.img");
    let drive = format!(
        "--qemu-arg=file={},if=none,id=data,format=raw,cache=unsafe",
        disk.display()
    );
    Ok(machine
        .arguments(&SLOT)
        .arguments(&[&drive, "--qemu-arg=-device"])
        .argument("--qemu-arg=virtio-blk-pci,drive=data,id=pulled,bus=pull-port")
        .witness())
}

fn storage(vm: &Vm, mark: usize) -> Result<String> {
    let storage = |event: &Value| event.get("stage") == Some(&json!("storage"));
    let event = vm.wait_event_after(mark, "the stage storage", storage)?;
    Ok(event.get("degraded").context("degraded")?.to_string())
}

fn notices(vm: &Vm) -> Result<String> {
    Ok(vm.listing()?.get("notices").context("notices")?.to_string())
}

#[test]
fn a_named_disk_is_written_to_when_it_is_blank_and_watched_until_it_is_gone() {
    let machine = named().unwrap();
    let path = machine.path("data.img");
    File::create(&path).unwrap().set_len(320 * MIB).unwrap();
    host("mkfs.xfs", &["-q"], &path.display().to_string()).unwrap();
    let foreign = fs::read(&path).unwrap();
    let mut vm = machine.boot().unwrap();
    let degraded = storage(&vm, 0).unwrap();
    assert!(
        degraded.contains("/dev/vdb holds XFS and is left alone"),
        "{degraded}"
    );
    assert!(
        degraded.contains("volumes and logs are lost at power-off"),
        "{degraded}"
    );
    vm.wait_boot().unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    vm.wait_exit().unwrap();
    assert!(
        fs::read(&path).unwrap() == foreign,
        "not a byte was written"
    );

    // Blank: the template goes there, and grows.
    File::create(&path).unwrap().set_len(320 * MIB).unwrap();
    vm.run_again().unwrap();
    said(&vm, "/dev/vdb was blank, and holds the state from now on").unwrap();
    said(&vm, "the state grew from 64 MiB to 320 MiB").unwrap();
    vm.wait_service("keeps", "up").unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    vm.wait_exit().unwrap();

    // An error that the kernel has met is what e2fsck is for.
    let disk = path.display().to_string();
    host("debugfs", &["-w", "-R", "set_super_value state 2"], &disk).unwrap();
    vm.run_again().unwrap();
    said(&vm, "e2fsck").unwrap();
    let log = vm.log_until("keeps", "line").unwrap();
    assert!(!log.is_empty());
    let mark = vm.mark();
    vm.wait_service("lives", "up").unwrap();

    // Full: only those who write notice.
    let mut witness = vm.witness().unwrap();
    witness
        .run("fallocate -l 1T /proc/1/root/state/none 2>/dev/null; dd if=/dev/zero of=/proc/1/root/state/fill bs=1M; true")
        .unwrap();
    assert!(
        notices(&vm).unwrap().contains("is full"),
        "{}",
        notices(&vm).unwrap()
    );
    witness.run("rm /proc/1/root/state/fill").unwrap();
    assert!(!notices(&vm).unwrap().contains("is full"));

    // Read-only, by the kernel's own error.
    witness
        .run("echo gone bad >/proc/1/root/sys/fs/ext4/vdb/trigger_fs_error")
        .unwrap();
    let is = |key: &str| {
        let key = key.to_owned();
        move |event: &Value| event.get("key") == Some(&json!(key))
    };
    vm.wait_event_after(mark, "the notice", is("state-read-only"))
        .unwrap();
    assert!(notices(&vm).unwrap().contains("read-only"));
    said(&vm, "the state disk vdb had an error and is read-only").unwrap();

    // And pulled out: PID 1 and `log` go on.
    vm.qmp("device_del", &json!({"id": "pulled"})).unwrap();
    vm.wait_event_after(mark, "the notice", is("state-gone"))
        .unwrap();
    let ps = vm.orlop(&["ps"]).unwrap();
    assert!(ps.contains("the state disk vdb is gone"), "{ps}");
    assert!(
        vm.orlop(&["logs"])
            .unwrap()
            .contains("the state disk vdb is gone")
    );
    vm.orlop(&["restart", "lives"]).unwrap();
    vm.wait_service_after(mark, "lives", "up").unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    vm.wait_exit().unwrap();
}
