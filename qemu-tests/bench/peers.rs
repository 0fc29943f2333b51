//! Other supervisors, from Debian's packages: the tree of an image that `orlop build` has made becomes
//! an initramfs, in which each of them is PID 1 and keeps ten plain processes alive.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::programs;

const MANIFEST: &str = "command = [\"/bin/true\"]\nnetwork_mode = \"none\"\n\
     build = { debian = [\"runit\", \"finit\", \"systemd\"] }\n";

/// Restart at once and for ever, as Orlop's services are; nothing of a full system beside it.
const UNIT: &str = "[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n\
     [Service]\nExecStart=/bench/payload\nRestart=always\nRestartSec=0\n";

/// Builds below `machines` the folder `peers-tree`, which is booted as a machine's `build` is.
pub(crate) fn build(machines: &Path) -> Result<()> {
    let machine = machines.join("peers");
    let service = machine.join("services/peers");
    fs::create_dir_all(&service).with_context(|| format!("make {}", service.display()))?;
    fs::write(service.join("service.toml"), MANIFEST).context("write a manifest")?;
    fs::write(machine.join("system.toml"), "").context("write system.toml")?;
    orlop_qemu_tests::orlop(&["build".as_ref(), machine.as_os_str()])?
        .success()
        .context("build the machine peers")?;

    let folder = machines.join("peers-tree");
    let _not_there = fs::remove_dir_all(&folder);
    let built = folder.join("build");
    fs::create_dir_all(&built).with_context(|| format!("make {}", built.display()))?;
    for name in ["vmlinuz", "system.erofs"] {
        fs::copy(machine.join("build").join(name), built.join(name)).context("copy the kernel")?;
    }
    let all = folder.join("system");
    let extracted = Command::new("fsck.erofs")
        .arg(format!("--extract={}", all.display()))
        .arg(built.join("system.erofs"))
        .output()
        .context("fsck.erofs is missing; apt-get install erofs-utils")?;
    ensure!(extracted.status.success(), "fsck.erofs: {extracted:?}");
    let tree = all.join("images/peers");
    configure(&tree).context("configure the other supervisors")?;
    programs::archive(&tree, &built.join("initramfs"))?;
    Ok(())
}

fn configure(tree: &Path) -> Result<()> {
    let units = tree.join("etc/systemd/system");
    let wants = units.join("bench.target.wants");
    fs::create_dir_all(&wants)?;
    fs::write(
        units.join("bench.target"),
        "[Unit]\nDefaultDependencies=no\n",
    )?;
    fs::write(units.join("payload@.service"), UNIT)?;
    let mut finit = String::from("runlevel 2\n");
    for number in 0..10 {
        symlink(
            "../payload@.service",
            wants.join(format!("payload@{number}.service")),
        )?;
        let run = tree.join(format!("etc/sv/s{number}"));
        fs::create_dir_all(&run)?;
        symlink("/bench/payload", run.join("run"))?;
        finit.push_str(&format!(
            "service :{number} [2] /bench/payload {number} -- payload\n"
        ));
    }
    fs::write(tree.join("etc/finit.conf"), finit)?;
    // What only a whole system wants.
    for name in ["usr/share", "usr/lib/udev", "var/lib/dpkg"] {
        let _not_there = fs::remove_dir_all(tree.join(name));
    }
    Ok(())
}
