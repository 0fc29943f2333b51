//! Volumes are idmapped, never chowned: the disk only ever holds ids as containers see them, so that
//! a service's id range may change from boot to boot.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use orlop_qemu_tests::{MachineBuilder, Vm};

/// Writes at the first boot, and each time says who owns what and from where its ids are.
const SCRIPT: &str = "PATH=/bin; B=/bin/busybox; \
    [ -e /data/file ] || { echo kept > /data/file; $B chown 1234:4321 /data/file; echo x > /data/root; }; \
    $B cat /data/file; $B stat -c '%n %u %g' /data /data/file /data/root; \
    $B awk '{ print \"range\", $2 }' /proc/self/uid_map; \
    echo x >> /data/looks; echo looked $($B wc -l < /data/looks); exec $B sleep 1000000";

fn boot() -> Result<Vm> {
    MachineBuilder::with(&["log", "gateway"])?
        .shell_service(
            "web",
            SCRIPT,
            "volumes = [\"data:/data\"]\ncap_add = [\"CHOWN\"]\nread_only = false",
        )
        .file("system.toml", "[volumes.data]\n[volumes.logs]\n")
        .boot()
}

/// What web has said until it looked for the `times`th time, and the first of its ids then.
fn seen(vm: &Vm, times: u32) -> Result<(Vec<String>, u64)> {
    let lines = vm.log_until("web", &format!("looked {times}"))?;
    let own = lines.iter().filter(|line| !line.starts_with("-- "));
    let (ranges, said): (Vec<&String>, Vec<&String>) =
        own.partition(|line| line.starts_with("range "));
    let range = ranges.last().and_then(|line| line.split(' ').nth(1));
    let range = range.context("no range")?.parse()?;
    Ok((said.into_iter().cloned().collect(), range))
}

/// Every uid and gid of the folder `path` on the state disk, read without the machine (debugfs(8)).
fn ids_on_disk(vm: &Vm, path: &str) -> Result<Vec<(u64, u64)>> {
    let disk = vm.machine().path("state.img");
    let output = Command::new("debugfs")
        .args(["-R", &format!("ls -l {path}")])
        .arg(&disk)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .context("debugfs is missing; apt-get install e2fsprogs")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut ids = Vec::new();
    for line in text.lines() {
        // inode mode (links) uid gid size date name
        let words: Vec<&str> = line
            .split_whitespace()
            .filter(|word| !word.starts_with('('))
            .collect();
        if let [_, _, uid, gid, ..] = words.as_slice() {
            ids.push((uid.parse()?, gid.parse()?));
        }
    }
    ensure!(
        !ids.is_empty(),
        "debugfs: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(ids)
}

#[test]
fn an_id_range_may_change_between_boots() {
    let mut vm = boot().unwrap();
    let (first, range) = seen(&vm, 1).unwrap();
    assert_eq!(
        first,
        [
            "kept",
            "/data 0 0",
            "/data/file 1234 4321",
            "/data/root 0 0"
        ]
    );
    vm.orlop(&["poweroff"]).unwrap();

    // A service that comes before it takes its place in the order, and its range.
    let toml = "image = \"web\"\ncommand = [\"/bin/busybox\", \"sleep\", \"1000000\"]\n";
    let path = vm.machine().path("services/aaa/service.toml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, toml).unwrap();
    vm.run_again().unwrap();
    let (second, moved) = seen(&vm, 2).unwrap();
    assert_ne!(range, moved, "the range is the same as before");
    assert!(range % 65_536 == 0 && moved % 65_536 == 0 && moved >= 65_536);
    assert_eq!(
        second.get(second.len() - 4..).unwrap(),
        first,
        "read back under other ids"
    );
    vm.orlop(&["poweroff"]).unwrap();
    assert_eq!(vm.wait_exit().unwrap(), 0);

    for folder in ["/volumes", "/volumes/data", "/volumes/logs"] {
        for (uid, gid) in ids_on_disk(&vm, folder).unwrap() {
            assert!(uid < 65_536 && gid < 65_536, "{folder}: {uid}:{gid}");
        }
    }
    let data = ids_on_disk(&vm, "/volumes/data").unwrap();
    assert!(data.contains(&(1234, 4321)), "{data:?}");
}
