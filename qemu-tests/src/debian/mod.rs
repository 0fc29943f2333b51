//! A small Debian with the workstation tool in it, and disks to write to.
//!
//! Its packages are unpacked by `orlop build`, as those of a service's image; kernel and modules are
//! those of the same build. Nobody needs to be root for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{MachineBuilder, Vm, Witness, tool};

/// What the tool is linked with and calls, and a shell.
const SERVICE: &str = "command = [\"/bin/busybox\"]\n\
     build = { debian = [\"bsdutils\", \"busybox-static\", \"coreutils\", \"libgcc-s1\", \"mount\", \"util-linux\"] }\n";
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// The machine that runs, and its disks.
#[derive(Debug)]
pub struct Debian {
    /// QEMU's side of it.
    pub vm: Vm,
    /// Root's shell in it.
    pub shell: Witness,
    folder: PathBuf,
}

/// A disk beside the root's.
#[derive(Debug)]
pub struct Disk {
    /// Its name in QEMU, and its serial number.
    pub name: &'static str,
    /// Its size in MiB.
    pub mib: u64,
    /// More options of `-drive`, each after a comma.
    pub options: &'static str,
    /// Writes to its file what is on it.
    pub content: fn(&Path) -> Result<()>,
}

impl Debian {
    /// Boots it with `image` at `/disk.raw` and these disks.
    ///
    /// # Errors
    /// When a package, a program of the workstation or QEMU is missing.
    pub fn boot(image: &Path, disks: &[Disk]) -> Result<Self> {
        let machine = MachineBuilder::with(&[])?.service("debian", SERVICE);
        machine.build()?;
        let folder = machine.folder();
        make_root(&folder, image)?;
        let socket = folder.join("shell.sock");
        let mut words = vec![
            "-initrd".to_owned(),
            make_initramfs(&folder)?.display().to_string(),
            "-chardev".to_owned(),
            format!(
                "socket,id=shell,server=on,wait=off,path={}",
                socket.display()
            ),
            "-serial".to_owned(),
            "chardev:shell".to_owned(),
        ];
        words.extend(attached(&folder, 1, "root", ""));
        for (number, disk) in (2..).zip(disks) {
            let file = folder.join(format!("{}.img", disk.name));
            File::create(&file)?.set_len(disk.mib << 20)?;
            (disk.content)(&file)?;
            words.extend(attached(&folder, number, disk.name, disk.options));
        }
        let words = words.iter().map(|word| format!("--qemu-arg={word}"));
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let vm = machine
            .append(&format!("rdinit=/debian/start -- {}", modules(&folder)?))
            .arguments(&["--no-build", "--no-network", "--no-state"])
            .arguments(&words)
            .start()?;
        let mut shell = Witness::at(&socket)?;
        shell.hear("the shell's begin")?;
        Ok(Self { vm, shell, folder })
    }

    /// What a line of the shell says, and its status.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn run(&mut self, line: &str) -> Result<(String, i32)> {
        let said = self.shell.run(&format!("({line}); echo \"status $?\""))?;
        let (before, status) = said.rsplit_once("status ").context("no status")?;
        let status = status.trim().parse().context("the status")?;
        Ok((before.to_owned(), status))
    }

    /// The name below `/dev` of a disk.
    ///
    /// # Errors
    /// When it is not there.
    pub fn device(&mut self, disk: &str) -> Result<String> {
        let found = self
            .shell
            .run(&format!("grep -lx {disk} /sys/block/*/serial"))?;
        let name = found.trim().split('/').nth(3);
        Ok(name.context("no such disk")?.to_owned())
    }

    /// The file of a disk.
    #[must_use]
    pub fn file(&self, disk: &str) -> PathBuf {
        self.folder.join(format!("{disk}.img"))
    }
}

/// A disk in a slot of its own, from which it can be pulled out.
fn attached(folder: &Path, slot: u32, name: &str, options: &str) -> [String; 6] {
    let file = folder.join(format!("{name}.img"));
    [
        "-drive".to_owned(),
        format!(
            "if=none,format=raw,id={name},file={}{options}",
            file.display()
        ),
        "-device".to_owned(),
        format!("pcie-root-port,id=slot-{name},chassis={slot}"),
        "-device".to_owned(),
        format!("virtio-blk-pci,drive={name},id=disk-{name},serial={name},bus=slot-{name}"),
    ]
}

/// The root's disk: Debian's packages, the tool, the image.
fn make_root(folder: &Path, image: &Path) -> Result<()> {
    let unpacked = folder.join("unpacked");
    let extract = format!("--extract={}", unpacked.display());
    let system = folder.join("build/system.erofs");
    call(
        Command::new("fsck.erofs")
            .arg(extract)
            .arg("--no-preserve-owner")
            .arg(system),
    )?;
    let root = unpacked.join("images/debian");
    let tool = tool::path()?;
    fs::copy(&tool, root.join("usr/bin/orlop")).context("copy the tool")?;
    fs::write(root.join("serve"), include_str!("serve")).context("write the shell")?;
    // Its holes too: mke2fs leaves them.
    call(
        Command::new("cp")
            .arg("--sparse=always")
            .arg(image)
            .arg(root.join("disk.raw")),
    )?;
    let disk = folder.join("root.img");
    File::create(&disk)?.set_len(2 << 30)?;
    call(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .arg(&root)
            .arg(&disk),
    )
}

/// What `orlop build` made, and a first process behind it.
fn make_initramfs(folder: &Path) -> Result<PathBuf> {
    let more = folder.join("more");
    fs::create_dir_all(more.join("debian")).context("make a folder")?;
    fs::write(more.join("debian/start"), include_str!("start")).context("write the start")?;
    let script = "chmod -R 755 debian; find debian | cpio -o -H newc -R 0:0 --quiet >../more.cpio";
    call(Command::new("sh").args(["-euc", script]).current_dir(&more))?;
    let mut both = fs::read(folder.join("build/initramfs")).context("read the initramfs")?;
    both.extend(fs::read(folder.join("more.cpio")).context("read the archive")?);
    let path = folder.join("initramfs");
    fs::write(&path, both).context("write the initramfs")?;
    Ok(path)
}

/// What finding the root's disk needs, in load order.
fn modules(folder: &Path) -> Result<String> {
    let unpacked = folder.join("unpacked/etc/orlop/boot.json");
    let text = fs::read_to_string(unpacked).context("read boot.json")?;
    let boot: Value = serde_json::from_str(&text).context("parse boot.json")?;
    let modules = boot.pointer("/modules/boot").and_then(Value::as_array);
    let modules = modules.context("no modules")?;
    let names: Vec<&str> = modules.iter().filter_map(Value::as_str).collect();
    Ok(names.join(" "))
}

/// Runs a program of the workstation, which may be where only root's PATH leads.
fn call(command: &mut Command) -> Result<()> {
    let outcome = tool::run(command.env("PATH", PATH))?;
    let shown = format!("{command:?}");
    outcome.success().map(|_| ()).context(shown)
}
