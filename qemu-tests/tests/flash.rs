//! `orlop flash` on real disks, in a Debian of its own; and what it wrote boots.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use orlop_qemu_tests::MachineBuilder;
use orlop_qemu_tests::debian::{Debian, Disk};
use serde_json::json;

const SBIN: &str = "/usr/sbin:/sbin:/usr/bin:/bin";
const FLASH: &str = "orlop flash /disk.raw";

fn nothing(_: &Path) -> Result<()> {
    Ok(())
}

/// Runs a program of the workstation to its end and gives what it says.
fn call(program: &str, arguments: &[&str], disk: &Path) -> Result<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).arg(disk).env("PATH", SBIN).output();
    let output = output.with_context(|| format!("start {program}"))?;
    ensure!(output.status.success(), "{program}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first bytes of a file.
fn begin(path: &Path, bytes: usize) -> Result<Vec<u8>> {
    let mut begin = vec![0; bytes];
    File::open(path)?.read_exact_at(&mut begin, 0)?;
    Ok(begin)
}

/// A partition with a file system.
fn precious(disk: &Path) -> Result<()> {
    call("sgdisk", &["-n1:2048:+64M", "-c1:photos"], disk)?;
    // The file system's size stands behind the file: mke2fs takes the file's without it.
    let ext4 = "-q -t ext4 -b 1024 -L precious -E offset=1048576";
    let words: Vec<&str> = ext4.split(' ').collect();
    let mut mke2fs = Command::new("mke2fs");
    let made = mke2fs
        .args(words)
        .arg(disk)
        .arg("64M")
        .env("PATH", SBIN)
        .output();
    let made = made.context("start mke2fs")?;
    ensure!(made.status.success(), "mke2fs: {made:?}");
    Ok(())
}

fn disks() -> [Disk; 3] {
    let disk = |name, mib, options, content| Disk {
        name,
        mib,
        options,
        content,
    };
    [
        // Larger than the image, as sticks are.
        disk("target", 3000, ",discard=unmap", precious),
        disk("small", 64, "", nothing),
        // So slow that it is pulled out in the middle.
        disk("pulled", 3000, ",throttling.bps-write=4194304", precious),
    ]
}

/// What `orlop flash` answers for a disk, and that it did not do it.
fn refused(debian: &mut Debian, line: &str) -> Result<String> {
    let (said, status) = debian.run(line)?;
    assert_eq!(status, 1, "{line}: {said}");
    Ok(said)
}

/// Every refusal of a disk that is somebody's.
fn refuses_what_is_in_use(debian: &mut Debian, target: &str) -> Result<()> {
    let root = debian.device("root")?;
    let said = refused(debian, &format!("{FLASH} /dev/{root} --yes"))?;
    let sentence = format!(
        "orlop: /dev/{root}: this workstation runs from it (/ is on /dev/{root}); take another \
         disk; nothing was written\n"
    );
    assert_eq!(said, sentence);
    debian.shell.run(&format!("mount /dev/{target}1 /mnt"))?;
    let said = refused(debian, &format!("{FLASH} /dev/{target} --yes"))?;
    let sentence = format!(
        "orlop: /dev/{target}: /dev/{target}1 is mounted at /mnt; first: umount /mnt; nothing was \
         written\n"
    );
    assert_eq!(said, sentence);
    // A mount that this process does not see holds the disk all the same.
    let hidden = format!("unshare -m sh -c 'umount /mnt; {FLASH} /dev/{target} --yes'");
    let said = refused(debian, &hidden)?;
    assert!(said.contains("is in use, by another program"), "{said}");
    debian.shell.run("umount /mnt")?;
    Ok(())
}

fn refuses_what_is_no_disk_for_it(debian: &mut Debian, target: &str) -> Result<()> {
    let said = refused(debian, &format!("{FLASH} /dev/{target}1 --yes"))?;
    assert!(
        said.contains(&format!(
            "and an image is a whole disk: give /dev/{target}\n"
        )),
        "{said}"
    );
    let small = debian.device("small")?;
    let said = refused(debian, &format!("{FLASH} /dev/{small} --yes"))?;
    assert!(
        said.contains("it has 64.0 MiB (67108864 bytes), and the image needs"),
        "{said}"
    );
    let said = refused(debian, &format!("{FLASH} /dev/nonsense --yes"))?;
    assert!(
        said.contains(&format!("/dev/{target}  2.9 GiB  serial target")),
        "{said}"
    );
    debian
        .shell
        .run("dd if=/disk.raw of=/tmp/cut bs=1M count=5")?;
    let said = refused(debian, &format!("orlop flash /tmp/cut /dev/{target} --yes"))?;
    assert!(
        said.contains("/tmp/cut is cut off: it has 5242880 bytes of"),
        "{said}"
    );
    let user = "/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups";
    let said = refused(debian, &format!("{user} {FLASH} /dev/{target} --yes"))?;
    let sentence = format!(
        "may be written by root alone; run: sudo /usr/bin/orlop flash /disk.raw /dev/{target}\n"
    );
    assert!(said.ends_with(&sentence), "{said}");
    Ok(())
}

/// What would be lost is shown, and only the disk's name is a yes.
fn asks(debian: &mut Debian, target: &str) -> Result<()> {
    let said = refused(debian, &format!("{FLASH} /dev/{target}"))?;
    assert!(said.contains("nobody is there to be asked"), "{said}");
    let partition = format!("  /dev/{target}1  64.0 MiB  ext4 \"precious\" \"photos\"\n");
    assert!(said.contains(&partition), "{said}");
    let typed = format!("echo y | script -qec '{FLASH} /dev/{target}' /dev/null");
    let said = refused(debian, &typed)?;
    assert!(said.contains(&format!("Type {target} to go on:")), "{said}");
    assert!(
        said.contains(&format!("that was not {target}; nothing was written")),
        "{said}"
    );
    Ok(())
}

/// A disk that is pulled out has no table, and the person is told.
fn tells_of_a_disk_that_was_pulled_out(debian: &mut Debian) -> Result<()> {
    let pulled = debian.device("pulled")?;
    let flash = format!("({FLASH} /dev/{pulled} --yes; echo status $?) >/tmp/pulled 2>&1 &");
    debian.shell.run(&flash)?;
    // Sectors written, of the kernel's own count: the first MiB is empty by then.
    let written = format!(
        "until read -r _ _ _ _ _ _ sectors _ </sys/block/{pulled}/stat; [ $sectors -gt 16384 ]; do \
         if grep -q status /tmp/pulled; then cat /tmp/pulled; exit 1; fi; sleep 0.1; done"
    );
    debian.shell.run(&written)?;
    let id = json!({"id": "disk-pulled"});
    debian.vm.qmp("device_del", &id)?;
    let end = "until grep -q status /tmp/pulled; do sleep 0.1; done; cat /tmp/pulled";
    let (said, _) = debian.run(end)?;
    let sentence = format!(
        "orlop: /dev/{pulled} was pulled out while it was written to: it is not bootable now, and what was on it is lost;"
    );
    assert!(said.contains(&sentence), "{said}");
    assert!(said.ends_with("status 3\n"), "{said}");
    let begin = begin(&debian.file("pulled"), 1 << 20)?;
    assert!(begin.iter().all(|byte| *byte == 0), "a table is there");
    Ok(())
}

#[test]
fn disks_in_use_are_refused_a_disk_is_written_and_it_boots() {
    let machine = MachineBuilder::with(&["gateway", "log"])
        .unwrap()
        .image("raw");
    machine.build().unwrap();
    let mut debian = Debian::boot(&machine.image_path().unwrap(), &disks()).unwrap();
    let target = debian.device("target").unwrap();
    let before = begin(&debian.file("target"), 8 << 20).unwrap();
    refuses_what_is_in_use(&mut debian, &target).unwrap();
    refuses_what_is_no_disk_for_it(&mut debian, &target).unwrap();
    asks(&mut debian, &target).unwrap();
    debian.shell.run("sync").unwrap();
    let after = begin(&debian.file("target"), 1 << 20).unwrap();
    assert!(before[..1 << 20] == after, "nothing was written");
    tells_of_a_disk_that_was_pulled_out(&mut debian).unwrap();

    let typed = format!("echo {target} | script -qec '{FLASH} /dev/{target}' /dev/null");
    let (said, status) = debian.run(&typed).unwrap();
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("verified in"), "{said}");
    assert!(!said.contains("warning"), "{said}");
    // The kernel has read the table.
    let names = format!("cd /sys/block/{target}; cat {target}*/uevent | grep PARTNAME");
    let (names, _) = debian.run(&names).unwrap();
    let wanted = ["esp", "orlop-system-a", "orlop-system-b", "orlop-state"];
    let wanted = wanted.map(|name| format!("PARTNAME={name}\n")).concat();
    assert_eq!(names, wanted);
    let disk = debian.file("target");
    let flashed = machine.path("flashed.raw");
    debian.shell.run("sync").unwrap();
    std::fs::rename(&disk, &flashed).unwrap();
    drop(debian);
    let checked = call("sgdisk", &["-v"], &flashed).unwrap();
    assert!(checked.contains("No problems found"), "{checked}");

    let vm = MachineBuilder::of_image(&flashed).unwrap().start().unwrap();
    vm.wait_boot().unwrap();
    for service in ["gateway", "log"] {
        vm.wait_service(service, "up").unwrap();
    }
    let said = vm.orlop(&["ps"]).unwrap();
    let names: Vec<_> = said
        .lines()
        .skip(1)
        .filter_map(|l| l.split(' ').next())
        .collect();
    assert_eq!(names, ["gateway", "log"], "{said}");
}
