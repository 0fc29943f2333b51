//! The C programs, compiled static, in an archive that the kernel unpacks after the machine's own
//! initramfs: so every variant boots the same bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// musl-gcc does not look for the kernel's own headers.
const FLAGS: [&str; 9] = [
    "-static",
    "-Os",
    "-s",
    "-Wall",
    "-Wextra",
    "-idirafter",
    "/usr/include",
    "-idirafter",
    "/usr/include/x86_64-linux-gnu",
];

/// busybox init as a user would set it up: the kernel's file systems, then ten services kept alive.
const MOUNTS: &str = "#!/busybox sh
/busybox mkdir -p /dev /proc /sys /run
/busybox mount -t devtmpfs devtmpfs /dev
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sysfs /sys
/busybox mount -t tmpfs tmpfs /run
";

/// Compiles everything below `sources` into `work` and gives the archive.
pub(crate) fn build(sources: &Path, work: &Path) -> Result<PathBuf> {
    let root = work.join("initramfs");
    let bench = root.join("bench");
    fs::create_dir_all(&bench).with_context(|| format!("make {}", bench.display()))?;
    fs::create_dir_all(root.join("etc")).context("make etc")?;
    compile(&[sources.join("agent.c")], &bench.join("agent"))?;
    compile(&[sources.join("payload.c")], &bench.join("payload"))?;
    compile(&c_files(&sources.join("floor"))?, &bench.join("floor"))?;
    let mounts = bench.join("mounts");
    fs::write(&mounts, MOUNTS).context("write mounts")?;
    fs::set_permissions(&mounts, fs::Permissions::from_mode(0o755)).context("chmod mounts")?;
    // The number only makes the lines differ: busybox takes equal ones for one.
    let services = (0..10).map(|number| format!("::respawn:/bench/payload {number}\n"));
    let inittab = format!("::sysinit:/bench/mounts\n{}", services.collect::<String>());
    fs::write(root.join("etc/inittab"), inittab).context("write inittab")?;
    archive(&root, &work.join("extra.cpio"))
}

/// The payload, for the machines' image.
pub(crate) fn payload(work: &Path) -> PathBuf {
    work.join("initramfs/bench/payload")
}

fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn compile(sources: &[PathBuf], program: &Path) -> Result<()> {
    let mut compiler = Command::new("musl-gcc");
    compiler.args(FLAGS).args(sources).arg("-o").arg(program);
    let status = compiler
        .status()
        .context("musl-gcc is missing; apt-get install musl-tools")?;
    ensure!(status.success(), "compiling {}", program.display());
    Ok(())
}

/// The folder as the kernel unpacks it, everything root's.
pub(crate) fn archive(root: &Path, out: &Path) -> Result<PathBuf> {
    let file = fs::File::create(out).with_context(|| format!("make {}", out.display()))?;
    let script = "find . -print | LC_ALL=C sort | cpio --create --format=newc --owner=0:0 --quiet";
    let status = Command::new("sh")
        .args(["-euc", script])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(file)
        .status()
        .context("start sh")?;
    ensure!(status.success(), "cpio is missing; apt-get install cpio");
    Ok(out.to_owned())
}
