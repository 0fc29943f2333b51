//! Processes that hang in the kernel (D state): named, never doubled, and no obstacle to the end.

use std::time::{Duration, Instant};

use anyhow::Result;
use orlop_qemu_tests::{MachineBuilder, Vm};
use serde_json::{Value, json};

/// Grace and kill, each with its bound, and TCG: long before this a stuck service is known as such.
const SHORT: &str = "stop_grace_period = \"1s\"";

/// Writes to the second disk when asked to. It forks for that, so that process 1 of the container
/// is another one than the one that hangs: the kernel lets no pid namespace go before that has ended.
const WRITER: &str = "trap 'exit 0' TERM; mkdir -p /tmp/disk; mount -t ext4 /dev/vdc /tmp/disk || exit; \
     echo mounted; while :; do echo x >/tmp/disk/file; sleep 0.2; done";

/// A disk of the test's own, formatted, as `/dev/vdc`.
fn with_disk(machine: MachineBuilder) -> Result<MachineBuilder> {
    let path = machine.path("disk.img");
    std::fs::File::create(&path)?.set_len(64 << 20)?;
    let made = std::process::Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-F"])
        .arg(&path)
        .status()?;
    anyhow::ensure!(made.success(), "mke2fs");
    let drive = format!(
        "--qemu-arg=if=none,format=raw,id=second,file={}",
        path.display()
    );
    Ok(machine.arguments(&[
        "--qemu-arg=-drive",
        &drive,
        "--qemu-arg=-device",
        "--qemu-arg=virtio-blk-pci,drive=second,serial=second",
    ]))
}

fn boot() -> Result<Vm> {
    let more = format!("isolation = \"privileged\"\n{SHORT}");
    let machine = MachineBuilder::with(&["gateway", "log"])?
        .main_service("writer", WRITER, &more)
        .shell_service(
            "other",
            "exec busybox sleep 1000000",
            "devices = [\"/dev/vdc:/dev/vdc:r\"]\n",
        )
        .witness();
    let vm = with_disk(machine)?.boot()?;
    vm.wait_boot()?;
    vm.log_until("writer", "mounted")?;
    Ok(vm)
}

/// Who hangs: processes in D state in a service's cgroup, by number.
const HANGING: &str = "for pid in $(cat /cgroup/services/writer/cgroup.procs); do \
     read -r _ _ state _ </proc/$pid/stat; [ $state = D ] && echo $pid; done; true";

fn cause(vm: &Vm, service: &str, state: &str) -> Result<String> {
    let event = vm.wait_service(service, state)?;
    let cause = event.get("cause").and_then(Value::as_str);
    Ok(cause.unwrap_or_default().to_owned())
}

fn listed(vm: &Vm, service: &str) -> Result<Value> {
    let found = vm
        .services()?
        .into_iter()
        .find(|info| info["name"] == service);
    Ok(found.unwrap_or_default())
}

#[test]
fn edge_16_what_survives_sigkill_is_named_not_doubled_and_reaped_when_it_ends() {
    let mut vm = boot().unwrap();
    let mut witness = vm.witness().unwrap();
    // Through the service's own eyes: the mount is in its namespace.
    let freeze = |flag| {
        format!(
            "read -r pid </cgroup/services/writer/cgroup.procs; fsfreeze {flag} /proc/$pid/root/tmp/disk"
        )
    };
    witness.run(&freeze("--freeze")).unwrap();
    let hanging = format!("until [ -n \"$({HANGING})\" ]; do sleep 0.1; done; {HANGING}");
    let hanging = witness.run(&hanging).unwrap();

    let mark = vm.mark();
    let _it_fails = vm.orlop_outcome(&["stop", "writer"]).unwrap();
    let why = cause(&vm, "writer", "failed").unwrap();
    assert!(why.contains("SIGKILL"), "{why}");
    assert_eq!(listed(&vm, "writer").unwrap()["state"], "failed");
    let console = vm.transcript().unwrap();
    assert!(console.contains(&format!("writer: {why}")), "{console}");
    // Not started beside it, not even by request.
    let refused = vm.orlop_outcome(&["start", "writer"]).unwrap();
    assert_ne!(refused.status, 0, "{refused:?}");
    assert_eq!(witness.run(HANGING).unwrap(), hanging);

    // The kernel lets go: it is reaped, and as the last that was asked for is a start, it runs again.
    let thaw = format!("fsfreeze --unfreeze /proc/{}/root/tmp/disk", hanging.trim());
    witness.run(&thaw).unwrap();
    let after = vm
        .wait_event_after(mark, "writer free", |event| {
            event["service"] == "writer" && (event["state"] == "up" || event["state"] == "down")
        })
        .unwrap();
    assert_ne!(after["pid"].to_string(), hanging.trim());
    let _may_run = vm.orlop_outcome(&["start", "writer"]).unwrap();
    vm.wait_service("writer", "up").unwrap();
    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);
}

/// Powers off while something hangs, within the bounds that docs/supervision.md names.
fn powers_off(mut vm: Vm) -> Result<String> {
    let begin = Instant::now();
    vm.orlop(&["poweroff"])?;
    anyhow::ensure!(vm.wait_exit()? == 0);
    // Grace, 20 s for what survives the kill, three children of 10 s for the state, and TCG.
    let took = begin.elapsed();
    anyhow::ensure!(took < Duration::from_secs(75), "{took:?}");
    vm.transcript()
}

#[test]
fn edge_13_a_process_stuck_in_a_frozen_file_system_does_not_stop_the_power_off() {
    let vm = boot().unwrap();
    let mut witness = vm.witness().unwrap();
    let freeze = "read -r pid </cgroup/services/writer/cgroup.procs; fsfreeze --freeze /proc/$pid/root/tmp/disk";
    witness.run(freeze).unwrap();
    let wait = format!("until [ -n \"$({HANGING})\" ]; do sleep 0.1; done");
    witness.run(&wait).unwrap();
    let console = powers_off(vm).unwrap();
    assert!(console.contains("writer (killed "), "{console}");
    assert!(console.contains("D (disk sleep)"), "{console}");
}

#[test]
fn edge_10_a_disk_that_does_not_answer_does_not_stop_the_power_off() {
    let vm = boot().unwrap();
    let mut witness = vm.witness().unwrap();
    let throttle = json!({"device": "second", "bps": 1, "bps_rd": 0, "bps_wr": 0,
        "iops": 0, "iops_rd": 0, "iops_wr": 0});
    vm.qmp("block_set_io_throttle", &throttle).unwrap();
    // Two reads: the first one may be let through.
    let read = "cd /cgroup/services/other; for n in 1 2 3; do \
         (echo 0 >cgroup.procs; exec dd if=/dev/vdc of=/dev/null bs=64k count=1 skip=$n iflag=direct) >/dev/null 2>&1 & done; \
         until cat /proc/[0-9]*/stat 2>/dev/null | grep -q '(dd) D'; do sleep 0.1; done";
    witness.run(read).unwrap();
    let console = powers_off(vm).unwrap();
    assert!(console.contains("Waiting for other"), "{console}");
}

#[test]
fn edge_10_a_frozen_state_partition_does_not_stop_the_power_off() {
    let vm = boot().unwrap();
    let mut witness = vm.witness().unwrap();
    witness.run("fsfreeze --freeze /proc/1/root/state").unwrap();
    // `log` writes there and hangs with the next line.
    witness.run("echo a line >/proc/1/root/dev/kmsg; read -r pid </cgroup/services/writer/cgroup.procs; kill -9 $pid").unwrap();
    let console = powers_off(vm).unwrap();
    let said = "unmounting /state";
    assert!(console.contains(said), "{console}");
}
