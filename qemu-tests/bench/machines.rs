//! The machines: ten small services each, written as a user would and built by `orlop build`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::programs;

const SERVICES: usize = 10;

/// Without a DHCP service there is no link to configure: nothing but the ten services starts.
const SYSTEM: &str = "[network]\ndhcp = false\n";
/// What the catalogue's `log` wants.
const VOLUME: &str = "[volumes.logs]\n";

/// The suffix of a machine whose initramfs carries the system: it needs no disk.
pub(crate) const CARRIED: &str = "-carried";

/// Writes and builds them all; gives the folder that they are in.
pub(crate) fn build(work: &Path) -> Result<PathBuf> {
    let folder = work.join("machines");
    for name in ["none", "bridge", "memory", "none-carried", "bridge-carried"] {
        let machine = folder.join(name);
        let network = if name.starts_with("none") {
            "none"
        } else {
            "bridge"
        };
        write(&machine, network, &programs::payload(work))?;
        if name == "memory" {
            copy_service("log", &machine)?;
            fs::write(machine.join("system.toml"), format!("{SYSTEM}{VOLUME}"))
                .context("write system.toml")?;
        }
        let mut arguments = vec!["build".as_ref(), machine.as_os_str()];
        if name.ends_with(CARRIED) {
            arguments.push("--initramfs-system".as_ref());
        }
        orlop_qemu_tests::orlop(&arguments)?
            .success()
            .with_context(|| format!("build the machine {name}"))?;
    }
    Ok(folder)
}

fn write(machine: &Path, network: &str, payload: &Path) -> Result<()> {
    let _not_there = fs::remove_dir_all(machine.join("services"));
    for number in 0..SERVICES {
        let service = machine.join(format!("services/s{number}"));
        fs::create_dir_all(&service).with_context(|| format!("make {}", service.display()))?;
        let mut manifest = format!(
            "image = \"bench\"\ncommand = [\"/usr/bin/payload\"]\nnetwork_mode = \"{network}\"\n"
        );
        if number == 0 {
            manifest.push_str("build = { files = { \"payload\" = \"/usr/bin/payload\" } }\n");
            fs::copy(payload, service.join("payload")).context("copy the payload")?;
        }
        fs::write(service.join("service.toml"), manifest).context("write a manifest")?;
    }
    fs::write(machine.join("system.toml"), SYSTEM).context("write system.toml")
}

/// A service of the catalogue, as `orlop new` would bring it.
fn copy_service(name: &str, machine: &Path) -> Result<()> {
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    let (from, to) = (catalogue.join(name), machine.join("services").join(name));
    fs::create_dir_all(&to).with_context(|| format!("make {}", to.display()))?;
    for entry in fs::read_dir(&from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))
            .with_context(|| format!("copy {}", entry.path().display()))?;
    }
    Ok(())
}

/// Bytes of what is always there.
#[derive(Debug)]
pub(crate) struct Sizes {
    /// The static `init`, stripped.
    pub(crate) init: u64,
    /// The initramfs without the system file.
    pub(crate) initramfs: u64,
}

/// Looks at what was built.
pub(crate) fn sizes(machines: &Path, runtime: &Path) -> Result<Sizes> {
    let size = |path: PathBuf| {
        fs::metadata(&path)
            .map(|meta| meta.len())
            .with_context(|| format!("look at {}", path.display()))
    };
    Ok(Sizes {
        init: size(runtime.join("init"))?,
        initramfs: size(machines.join("bridge/build/initramfs"))?,
    })
}
