//! `orlop build`: from a machine's folder to its kernel, initramfs and system image.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use orlop_config::{Build, Checked, Protocol, Service};
use sha2::{Digest, Sha256};

use crate::boot_json::{self, BootJson};
use crate::cache::CacheFolder;
use crate::catalogue::{self, catalogue};
use crate::kernel::{self, Kernel};
use crate::lock::{Lock, Owner, Pin};
use crate::machine_folder::MachineFolder;
use crate::packages::Packages;
use crate::progress::Progress;
use crate::runtime::Runtime;
use crate::tree::{Blob, Kind, Tree};
use crate::{BuildInfo, BuildOptions, Built, ForwardedPort};
use crate::{check, erofs, image, initramfs, system};

/// Where the emergency console's busybox comes from.
const BUSYBOX: &str = "busybox-static";

/// Builds the machine in `dir`. Nothing is done when every input is as it was.
///
/// # Errors
/// When a manifest has an error (unless `keep_going`), a package cannot be had, or an output
/// cannot be written.
pub fn build(dir: &Path, options: &BuildOptions) -> Result<Built> {
    let progress = Progress::new(options.quiet);
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
    if let Some(built) = output.if_up_to_date(&inputs.digest(&lock)?, &lock) {
        progress.step(&format!("{} is up to date", output.folder.display()));
        return Ok(built);
    }
    let cache = match &options.cache {
        Some(folder) => CacheFolder::at(folder),
        None => CacheFolder::of_user()?,
    };
    let mut packages = Packages::new(cache, lock, options.update, progress);
    let made = make(&inputs, &mut packages, &output, progress)?;
    packages.lock().save(&lock_path)?;
    output.finish(made, inputs.digest(packages.lock())?)
}

/// All that decides the outputs, beside the packages.
#[derive(Debug)]
struct Inputs<'a> {
    folder: &'a MachineFolder,
    checked: &'a Checked,
    init: Blob,
    program: Blob,
    options: &'a BuildOptions,
}

impl Inputs<'_> {
    /// SHA-256 over the inputs and the lock: equal digests, equal outputs.
    fn digest(&self, lock: &Lock) -> Result<String> {
        let mut hasher = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        // The tool itself: another one may build otherwise.
        let tool = std::env::current_exe()
            .ok()
            .and_then(|path| Blob::from_file(&path).ok());
        add(tool.as_ref().map_or(&[][..], |blob| blob.sha256()));
        add(self.folder.name.as_bytes());
        add(self.init.sha256());
        add(self.program.sha256());
        add(&[
            u8::from(self.options.initramfs_system),
            u8::from(self.options.keep_going),
        ]);
        add(self.folder.system_toml().unwrap_or_default().as_bytes());
        for (name, tree) in &self.folder.services {
            add(name.as_bytes());
            for (name, node) in tree.iter() {
                add(name.as_bytes());
                add(&node.mode.to_le_bytes());
                match &node.kind {
                    Kind::File(blob) => add(blob.sha256()),
                    Kind::Symlink(target) => add(target.as_bytes()),
                    Kind::Directory | Kind::CharDevice { .. } => add(b"/"),
                }
            }
        }
        add(lock.to_text()?.as_bytes());
        Ok(hex::encode(hasher.finalize()))
    }
}

/// `<machine>/build/` and what is in it.
#[derive(Debug)]
struct Output {
    folder: PathBuf,
}

impl Output {
    fn of(machine: &Path) -> Self {
        Self {
            folder: machine.join("build"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn built(&self, info: BuildInfo, up_to_date: bool) -> Built {
        Built {
            vmlinuz: self.path("vmlinuz"),
            initramfs: self.path("initramfs"),
            system: self.path("system.erofs"),
            info,
            up_to_date,
        }
    }

    /// What an earlier build left, if it was of the same inputs and is whole.
    fn if_up_to_date(&self, digest: &str, lock: &Lock) -> Option<Built> {
        if *lock == Lock::default() {
            return None;
        }
        let info = BuildInfo::load(&self.folder).ok()?;
        let whole = ["vmlinuz", "initramfs", "system.erofs"]
            .iter()
            .all(|name| self.path(name).is_file());
        (whole && info.inputs_sha256 == digest).then(|| self.built(info, true))
    }

    /// Makes the folder, and waits until no other build writes to it; until the result is dropped.
    fn lock(&self) -> Result<File> {
        let lock = || {
            fs::create_dir_all(&self.folder)?;
            let folder = File::open(&self.folder)?;
            folder.lock()?;
            Ok::<_, io::Error>(folder)
        };
        lock().with_context(|| format!("lock {}", self.folder.display()))
    }

    /// `build.json` is removed first and written last: with it, the rest is whole.
    fn begin(&self) -> Result<()> {
        match fs::remove_file(self.path("build.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.path("build.json").display()))
            }
            _ => Ok(()),
        }
    }

    fn finish(&self, mut info: BuildInfo, digest: String) -> Result<Built> {
        info.inputs_sha256 = digest;
        let text = serde_json::to_string_pretty(&info).context("write build.json")?;
        let path = self.path("build.json");
        fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))?;
        Ok(self.built(info, false))
    }
}

fn make(
    inputs: &Inputs<'_>,
    packages: &mut Packages,
    output: &Output,
    progress: Progress,
) -> Result<BuildInfo> {
    let machine = &inputs.checked.machine;
    output.begin()?;
    let (kernel, busybox) = boot_parts(inputs, packages)?;
    let images = images(inputs, packages, progress)?;
    let min_memory_mib = least_memory(inputs, &images);
    let none: Vec<String> = Vec::new();
    let batch = |at: usize| kernel.batches.get(at).unwrap_or(&none).as_slice();
    let boot_json = BootJson {
        kernel_release: &kernel.release,
        epoch: kernel.epoch,
        console: boot_json::console(machine.access.console),
        min_memory_mib,
        modules: boot_json::Batches {
            boot: batch(0),
            machine: batch(1),
            network: batch(2),
            overlay: batch(3),
        },
    }
    .to_text()?;
    let tree = system::tree(system::Parts {
        system_toml: inputs.folder.system_toml(),
        services: &inputs.folder.services,
        images,
        kernel: &kernel,
        boot_json: &boot_json,
        program: &inputs.program,
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
        cmdline: cmdline(&machine.kernel.cmdline),
        min_memory_mib,
        initramfs_system: inputs.options.initramfs_system,
        has_volumes: inputs
            .checked
            .services
            .values()
            .any(|service| !service.volumes.is_empty()),
        system_sha256: hex::encode(system_sha256),
        ports: ports(inputs.checked),
        inputs_sha256: String::new(),
    })
}

/// The kernel and the emergency busybox.
fn boot_parts(inputs: &Inputs<'_>, packages: &mut Packages) -> Result<(Kernel, Blob)> {
    let wanted = &inputs.checked.machine.kernel;
    let requested = [wanted.debian.clone(), BUSYBOX.to_owned()];
    let pins = packages
        .pinned(Owner::Kernel, &wanted.suite, &requested, |root| {
            let mut found = root.closure(&requested)?;
            found.retain(|package| package.name == BUSYBOX || is_kernel_image(&package.name));
            Ok(found)
        })
        .with_context(|| format!("kernel {}", wanted.debian))?;
    packages.fetch(&wanted.suite, &pins)?;
    let pin = |what: &dyn Fn(&Pin) -> bool, name: &str| {
        pins.iter()
            .find(|pin| what(pin))
            .with_context(|| format!("{name}: no such package"))
    };
    let kernel = pin(&|pin| is_kernel_image(&pin.name), &wanted.debian)?;
    let writable = inputs
        .checked
        .services
        .values()
        .any(|service| !service.read_only);
    let batches = kernel::batches(inputs.options.initramfs_system, writable);
    let kernel = Kernel::from_package(&packages.open(kernel)?, &batches)
        .with_context(|| format!("kernel {}", kernel.name))?;
    let mut files = Tree::default();
    packages
        .open(pin(&|pin| pin.name == BUSYBOX, BUSYBOX)?)?
        .extract(&mut files, |name| name.ends_with("bin/busybox"))?;
    let busybox = files.iter().find_map(|(_, node)| match &node.kind {
        Kind::File(blob) => Some(blob.clone()),
        _ => None,
    });
    Ok((kernel, busybox.context("busybox-static has no busybox")?))
}

/// `linux-image-6.1.0-1-cloud-amd64`, not the package that only depends on the newest.
fn is_kernel_image(name: &str) -> bool {
    name.strip_prefix("linux-image-")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Every image that a service runs from.
fn images(
    inputs: &Inputs<'_>,
    packages: &mut Packages,
    progress: Progress,
) -> Result<BTreeMap<String, Tree>> {
    let known = Known::of(inputs)?;
    let mut wanted: BTreeMap<&str, Vec<(&Service, &Tree)>> = BTreeMap::new();
    for service in inputs.checked.services.values() {
        let folder = inputs
            .folder
            .services
            .get(service.name.as_str())
            .unwrap_or(&known.nothing);
        wanted
            .entry(service.image.as_str())
            .or_default()
            .push((service, folder));
    }
    let bar = progress.bar("make images", wanted.len() as u64);
    let mut images = BTreeMap::new();
    for (name, services) in wanted {
        // A missing image is the machine's to say, service by service; check has said it already.
        if let Some((build, folder)) = known.builds.get(name) {
            let recipe = image::Recipe {
                name,
                build,
                folder,
                services,
            };
            let tree = image::build(&recipe, &inputs.program, packages, progress)?;
            images.insert(name.to_owned(), tree);
        }
        bar.advance(1);
    }
    Ok(images)
}

/// Every `build` by the name of its image; the machine's own before the catalogue's.
#[derive(Debug)]
struct Known {
    builds: BTreeMap<String, (Build, Tree)>,
    nothing: Tree,
}

impl Known {
    fn of(inputs: &Inputs<'_>) -> Result<Self> {
        let mut builds = BTreeMap::new();
        let ready = catalogue::check();
        for folder in catalogue() {
            let service = ready
                .services
                .values()
                .find(|service| service.name.as_str() == folder.name);
            if let Some((service, build)) = service.and_then(|s| Some((s, s.build.clone()?))) {
                builds.insert(service.image.as_str().to_owned(), (build, folder.tree()?));
            }
        }
        for service in inputs.checked.services.values() {
            if let Some(build) = service.build.clone() {
                let folder = inputs.folder.services.get(service.name.as_str()).cloned();
                builds.insert(
                    service.image.as_str().to_owned(),
                    (build, folder.unwrap_or_default()),
                );
            }
        }
        Ok(Self {
            builds,
            nothing: Tree::default(),
        })
    }
}

/// What the kernel is started with; the machine's own words come last, so that they win.
fn cmdline(own: &str) -> String {
    let base = "console=ttyS0 quiet panic=-1";
    if own.is_empty() {
        base.to_owned()
    } else {
        format!("{base} {own}")
    }
}

/// The kernel and PID 1 (measured: the cloud kernel reaches PID 1 with 96 MiB and prints nothing
/// with 64), what each service needs at the least, and twice a system that is unpacked into RAM.
fn least_memory(inputs: &Inputs<'_>, images: &BTreeMap<String, Tree>) -> u64 {
    const MIB: u64 = 1 << 20;
    let services = inputs.checked.services.len() as u64;
    let in_ram: u64 = if inputs.options.initramfs_system {
        images
            .values()
            .flat_map(Tree::iter)
            .map(|(_, node)| match &node.kind {
                Kind::File(blob) => blob.len(),
                _ => 0,
            })
            .sum()
    } else {
        0
    };
    let least = 128 + 4 * services + (2 * in_ram).div_ceil(MIB);
    least.next_multiple_of(16)
}

fn ports(checked: &Checked) -> Vec<ForwardedPort> {
    let mut ports = Vec::new();
    for service in checked.services.values() {
        for port in &service.ports {
            ports.push(ForwardedPort {
                service: service.name.as_str().to_owned(),
                host_ip: port.host_ip,
                published: port.published,
                target: port.target,
                protocol: match port.protocol {
                    Protocol::Tcp => "tcp".to_owned(),
                    Protocol::Udp => "udp".to_owned(),
                },
            });
        }
    }
    ports
}
