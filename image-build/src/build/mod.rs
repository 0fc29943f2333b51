//! `orlop build`: from a machine's folder to its kernel, initramfs and system image.

mod disks;
mod info;
mod inputs;
mod output;
mod parts;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::boot_json::{self, BootJson};
use crate::cache::CacheFolder;
use crate::disk::StateTemplate;
use crate::kernel::Kernel;
use crate::lock::Lock;
use crate::machine_folder::MachineFolder;
use crate::packages::Packages;
use crate::progress::Progress;
use crate::runtime::Runtime;
use crate::tree::Blob;
use crate::{BuildInfo, BuildOptions, Built};
use crate::{check, cmdline, erofs, initramfs, system};

use inputs::Inputs;
use output::Output;

/// Builds the machine in `dir`, and the disks that `options` ask for. Nothing is done when every input is as it was.
///
/// # Errors
/// When a manifest has an error (unless `keep_going`), a package cannot be had, or an output
/// cannot be written.
pub fn build(dir: &Path, options: &BuildOptions) -> Result<Built> {
    let progress = Progress::new(options.quiet);
    disks::check(&options.formats, options.compress)?;
    let folder = MachineFolder::load(dir)?;
    let checked = folder.check();
    let report = check::report(&checked);
    if !report.is_empty() {
        let _ = io::stderr().write_all(report.as_bytes());
    }
    if check::has_errors(&checked) && !options.keep_going {
        bail!(
            "{}: the manifests have errors; nothing was built",
            folder.path.display()
        );
    }
    let runtime = Runtime::find(options.runtime.as_deref())?;
    let init = Blob::from_file(&runtime.init)
        .with_context(|| format!("read {}", runtime.init.display()))?;
    let program = Blob::from_file(&runtime.services)
        .with_context(|| format!("read {}", runtime.services.display()))?;
    let lock_path = folder.path.join("orlop.lock");
    let lock = if options.update {
        Lock::default()
    } else {
        Lock::load(&lock_path)?
    };
    let inputs = Inputs {
        folder: &folder,
        checked: &checked,
        init,
        program,
        options,
    };
    let output = Output::of(&folder.path);
    let _locked = output.lock()?;
    let up_to_date = output.if_up_to_date(&inputs.digest(&lock)?, &lock);
    let cache = match &options.cache {
        Some(folder) => CacheFolder::at(folder),
        None => CacheFolder::of_user()?,
    };
    let mut packages = Packages::new(cache, lock, options.update, progress);
    let mut built = match up_to_date {
        Some(built) => {
            progress.step(&format!("{} is up to date", output.folder.display()));
            built
        }
        None => {
            let made = make(&inputs, &mut packages, &output, progress)?;
            packages.lock().save(&lock_path)?;
            let built = output.finish(made, inputs.digest(packages.lock())?)?;
            progress.step(&summary(&built)?);
            built
        }
    };
    disks::make(&inputs, &mut packages, &output, &mut built, progress)?;
    Ok(built)
}

/// One line: what was built and how large it is.
fn summary(built: &Built) -> Result<String> {
    let mib = |path: &Path| {
        let found = fs::metadata(path).with_context(|| format!("read {}", path.display()))?;
        let tenths = found.len() * 10 / (1 << 20);
        Ok::<_, anyhow::Error>(format!("{}.{} MiB", tenths / 10, tenths % 10))
    };
    Ok(format!(
        "built {}: system {}, initramfs {}, needs {} MiB of memory",
        built.info.machine,
        mib(&built.system)?,
        mib(&built.initramfs)?,
        built.info.min_memory_mib
    ))
}

fn make(
    inputs: &Inputs<'_>,
    packages: &mut Packages,
    output: &Output,
    progress: Progress,
) -> Result<BuildInfo> {
    let machine = &inputs.checked.machine;
    output.begin()?;
    let parts::BootParts {
        kernel,
        busybox,
        e2fsck,
    } = parts::boot_parts(inputs, packages)?;
    let template = StateTemplate::make(kernel.epoch)?;
    let images = parts::images(inputs, packages, progress)?;
    let min_memory_mib = info::least_memory(inputs, &images);
    let boot_json = boot_json(inputs, &kernel, min_memory_mib)?;
    let tree = system::tree(system::Parts {
        system_toml: inputs.folder.system_toml(),
        services: &inputs.folder.services,
        images,
        kernel: &kernel,
        boot_json: &boot_json,
        program: &inputs.program,
        e2fsck,
        state_template: Blob::from_bytes(template.to_stream()),
    })?;
    progress.step("write system.erofs");
    let system_path = output.path("system.erofs");
    let system_sha256 = erofs::write(&tree, kernel.epoch, &system_path)?;
    let system = match inputs.options.initramfs_system {
        true => Some(Blob::from_file(&system_path).context("read the system image")?),
        false => None,
    };
    progress.step("write initramfs and kernel");
    let tree = initramfs::tree(initramfs::Parts {
        init: inputs.init.clone(),
        busybox,
        boot_json: &boot_json,
        kernel: &kernel,
        system,
    })?;
    initramfs::write(&tree, &output.path("initramfs"))?;
    let vmlinuz = output.path("vmlinuz");
    fs::write(&vmlinuz, kernel.vmlinuz.read().context("read the kernel")?)
        .with_context(|| format!("write {}", vmlinuz.display()))?;
    Ok(BuildInfo {
        machine: inputs.folder.name.clone(),
        hostname: machine.hostname.clone(),
        kernel_release: kernel.release,
        disk_drivers: kernel.disk_drivers,
        cmdline: cmdline::cmdline(&machine.kernel.cmdline),
        min_memory_mib,
        initramfs_system: inputs.options.initramfs_system,
        has_volumes: inputs
            .checked
            .services
            .values()
            .any(|service| !service.volumes.is_empty()),
        has_volume_sizes: !machine.volume_sizes.is_empty(),
        system_sha256: hex::encode(system_sha256),
        ports: info::ports(inputs.checked),
        inputs_sha256: String::new(),
    })
}

/// What PID 1 knows before it has read a manifest: the same text in every initramfs and in the system.
fn boot_json(inputs: &Inputs<'_>, kernel: &Kernel, min_memory_mib: u64) -> Result<String> {
    let machine = &inputs.checked.machine;
    let none: Vec<String> = Vec::new();
    let batch = |at: usize| kernel.batches.get(at).unwrap_or(&none).as_slice();
    BootJson {
        kernel_release: &kernel.release,
        epoch: kernel.epoch,
        console: boot_json::console(machine.access.console),
        state: machine.state.as_ref().map(ToString::to_string),
        min_memory_mib,
        modules: boot_json::Batches {
            boot: batch(0),
            disk: &kernel.disk,
            machine: batch(1),
            network: batch(2),
            overlay: batch(3),
            quota: batch(4),
        },
    }
    .to_text()
}
