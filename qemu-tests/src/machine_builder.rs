//! A machine's folder for a test: what `orlop new` writes, changed, built and booted.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::Vm;
use crate::tool::{Outcome, orlop};
use crate::witness;

/// Writes a machine; every method takes it and gives it back. What goes wrong on the way is said by
/// the method that ends it ([`boot`](Self::boot), [`tool`](Self::tool)).
#[derive(Debug)]
pub struct MachineBuilder {
    name: String,
    keep: Arc<TempDir>,
    arguments: Vec<String>,
    append: String,
    witness: Option<witness::Place>,
    image: Option<Image>,
    written: Result<()>,
}

/// Arguments that `orlop build` takes.
const OF_BUILD: [&str; 3] = ["--compress", "--initramfs-system", "--keep-going"];

/// What is run instead of the folder.
#[derive(Debug)]
enum Image {
    /// Of a format of `orlop build --format`, built from the folder.
    Built(String),
    /// There already.
    File(PathBuf),
}

impl MachineBuilder {
    /// The machine that `orlop new` writes.
    ///
    /// # Errors
    /// When `orlop new` fails.
    pub fn starter() -> Result<Self> {
        let machine = Self::empty()?;
        orlop(&["new".as_ref(), machine.folder().as_os_str()])?.success()?;
        Ok(machine)
    }

    /// No folder but a disk image that is there already; [`start`](Self::start) runs it.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn of_image(path: &Path) -> Result<Self> {
        let image = Some(Image::File(path.to_owned()));
        Ok(Self {
            image,
            ..Self::empty()?
        })
    }

    fn empty() -> Result<Self> {
        let folder = TempDir::with_prefix("orlop-test-").context("make a folder")?;
        Ok(Self::within(Arc::new(folder)))
    }

    fn within(keep: Arc<TempDir>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("test-{}-{number}", std::process::id()),
            keep,
            arguments: Vec::new(),
            append: String::new(),
            witness: None,
            image: None,
            written: Ok(()),
        }
    }

    /// Another machine from the same folder, with the same arguments, which runs as it was built: it
    /// may run beside this one, with disks of its own.
    #[must_use]
    pub fn twin(&self) -> Self {
        let twin = Self {
            arguments: self.arguments.clone(),
            append: self.append.clone(),
            image: self.image_path().map(Image::File),
            ..Self::within(Arc::clone(&self.keep))
        };
        let built = twin
            .arguments
            .iter()
            .any(|argument| argument == "--no-build");
        match twin.image {
            None if !built => twin.argument("--no-build"),
            _ => twin,
        }
    }

    /// The starter with these of its services alone.
    ///
    /// # Errors
    /// When `orlop new` fails.
    pub fn with(services: &[&str]) -> Result<Self> {
        let machine = Self::starter()?;
        let folder = machine.folder().join("services");
        for service in services {
            let there = folder.join(service).is_dir();
            ensure!(there, "there is no service {service}");
        }
        for entry in fs::read_dir(&folder).context("list the services")? {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str());
            if !name.is_some_and(|name| services.contains(&name)) {
                fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
        Ok(machine)
    }

    /// With these services of the catalogue, by `orlop add`.
    ///
    /// # Errors
    /// When `orlop add` fails.
    pub fn catalogue(self, services: &[&str]) -> Result<Self> {
        let folder = self.folder();
        let mut words = vec!["add".as_ref(), "-C".as_ref(), folder.as_os_str()];
        words.extend(services.iter().map(|name| OsStr::new(*name)));
        orlop(&words)?.success()?;
        Ok(self)
    }

    /// With one more service, or one replaced.
    #[must_use]
    pub fn service(self, name: &str, service_toml: &str) -> Self {
        self.file(&format!("services/{name}/service.toml"), service_toml)
    }

    /// A service whose image is Debian's static busybox, running `script` in its shell; `more` are
    /// further lines of its service.toml.
    #[must_use]
    pub fn shell_service(self, name: &str, script: &str, more: &str) -> Self {
        let toml = format!(
            "entrypoint = [\"/bin/busybox\", \"sh\", \"-c\"]\n\
             command = ['''{script}''']\n\
             {more}\n\
             build = {{ debian = [\"busybox-static\"] }}\n"
        );
        self.service(name, &toml)
    }

    /// A service whose main process is `script`, by the name `/bin/main-<name>`, under which the
    /// kernel's trace shows it; `more` are further lines of its service.toml.
    #[must_use]
    pub fn main_service(self, name: &str, script: &str, more: &str) -> Self {
        let toml = format!(
            "command = [\"/bin/main-{name}\"]\n{more}\n\
             build = {{ debian = [\"busybox-static\"], files = {{ \"main\" = \"/bin/main-{name}\" }} }}\n"
        );
        let file = format!("services/{name}/main");
        let service = self
            .service(name, &toml)
            .file(&file, &format!("#!/bin/busybox sh\n{script}\n"));
        let mode = fs::Permissions::from_mode(0o755);
        let set = fs::set_permissions(service.path(&file), mode).context("make it executable");
        Self {
            written: service.written.and(set),
            ..service
        }
    }

    /// With a process of the test in the machine, outside of all services: [`Vm::witness`] and
    /// [`Vm::trace`].
    #[must_use]
    pub fn witness(mut self) -> Self {
        self.witness = Some(witness::Place::new(self.keep.path()));
        self
    }

    /// With PID 1's waits in the trace of the witness, for [`crate::trace::longest_away`].
    #[must_use]
    pub fn witness_waits(self) -> Self {
        // The kernel hands a word that it does not know to the first process as a variable.
        self.witness().append("witness_waits=1")
    }

    /// With these words on the kernel's command line.
    #[must_use]
    pub fn append(mut self, words: &str) -> Self {
        self.append.push(' ');
        self.append.push_str(words);
        self
    }

    /// As a disk image of this format of `orlop build --format`: [`boot`](Self::boot) builds and runs
    /// that instead of the folder. [`append`](Self::append) goes into the image's system.toml.
    #[must_use]
    pub fn image(mut self, format: &str) -> Self {
        self.image = Some(Image::Built(format.to_owned()));
        self
    }

    /// With this file below the machine's folder.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        let path = self.path(path);
        let write = || -> Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
            }
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))
        };
        self.written = self.written.and_then(|()| write());
        self
    }

    /// With one more argument of `orlop run`.
    #[must_use]
    pub fn argument(self, argument: &str) -> Self {
        self.arguments(&[argument])
    }

    /// With more arguments of `orlop run`.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        let more = arguments.iter().map(|a| (*a).to_owned());
        self.arguments.extend(more);
        self
    }

    /// What `orlop VERB <the machine's folder>` and these arguments answers.
    ///
    /// # Errors
    /// When the tool cannot be started, or the machine could not be written.
    pub fn tool(&self, verb: &str, arguments: &[&str]) -> Result<Outcome> {
        if let Err(error) = &self.written {
            bail!("{error:#}");
        }
        let folder = self.folder();
        let mut all = vec![verb.as_ref(), folder.as_os_str()];
        all.extend(arguments.iter().map(OsStr::new));
        orlop(&all)
    }

    /// Builds and starts the machine; it boots while the test goes on.
    ///
    /// # Errors
    /// When the build fails, or `orlop run` ends before QEMU runs.
    pub fn boot(self) -> Result<Vm> {
        self.build()?;
        if let Some(place) = &self.witness {
            place.prepare(&self.path("build/initramfs"))?;
        }
        self.start()
    }

    /// Builds the machine, and its disk image if it is run as one.
    ///
    /// # Errors
    /// When the build fails, or an image wants a witness, which only an initramfs can take.
    pub fn build(&self) -> Result<()> {
        let mut arguments = self.build_arguments();
        if let Some(Image::Built(format)) = &self.image {
            ensure!(self.witness.is_none(), "a disk image takes no witness");
            arguments.extend(["--format", format]);
            self.write_kernel_words()?;
        }
        // Not in the limit: the first build of all fetches packages.
        let built = self.tool("build", &arguments)?;
        built.success().map(|_| ()).context("orlop build")
    }

    /// What QEMU takes from `--append` is in an image when it is built.
    fn write_kernel_words(&self) -> Result<()> {
        let path = self.path("system.toml");
        let text = fs::read_to_string(&path).context("read system.toml")?;
        let words = self.kernel_words();
        if text.contains(&words) {
            return Ok(());
        }
        let own = "\ncmdline = \"";
        let text = if text.contains(own) {
            text.replacen(own, &format!("{own}{words} "), 1)
        } else if text.contains("\n[kernel]\n") {
            let table = format!("\n[kernel]\ncmdline = \"{words}\"\n");
            text.replacen("\n[kernel]\n", &table, 1)
        } else {
            format!("{text}\n[kernel]\ncmdline = \"{words}\"\n")
        };
        fs::write(&path, text).context("write system.toml")
    }

    /// Starts the machine; with `--no-build` among its arguments, as it is in its folder.
    ///
    /// # Errors
    /// When `orlop run` ends before QEMU runs.
    pub fn start(self) -> Result<Vm> {
        Vm::start(self)
    }

    fn build_arguments(&self) -> Vec<&str> {
        let all = self.arguments.iter().map(String::as_str);
        all.filter(|argument| OF_BUILD.contains(argument)).collect()
    }

    /// The disk image, if the machine is run as one.
    #[must_use]
    pub fn image_path(&self) -> Option<PathBuf> {
        match self.image.as_ref()? {
            Image::Built(format) => Some(self.path(format!("build/disk.{format}"))),
            Image::File(path) => Some(path.clone()),
        }
    }

    /// The machine's folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.keep.path().join("machine")
    }

    /// The name that it gets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments of `orlop` that run it.
    pub(crate) fn run_arguments(&self) -> Vec<String> {
        let what = self.image_path().unwrap_or_else(|| self.folder());
        let what = what.display().to_string();
        let own = ["--headless", "--json", "--forward-any", "--accel", "tcg"];
        let mut all = vec!["run".to_owned(), what, "--name".into(), self.name.clone()];
        let network = !self.arguments.iter().any(|a| a == "--no-network");
        let own = own.into_iter().filter(|a| network || *a != "--forward-any");
        all.extend(own.map(str::to_owned));
        let of_run = |argument: &&String| {
            // An image is run as it was built.
            self.image.is_none() || !OF_BUILD.contains(&argument.as_str())
        };
        all.extend(self.arguments.iter().filter(of_run).cloned());
        if self.image.is_some() {
            return all;
        }
        if let Some(place) = &self.witness {
            all.extend(place.arguments());
        }
        all.extend(["--append".to_owned(), self.kernel_words()]);
        all
    }

    fn kernel_words(&self) -> String {
        let append = match &self.witness {
            Some(place) => place.append(&self.append),
            None => self.append.clone(),
        };
        // The kernel's look at its timer interrupt takes it for broken when the emulator has no
        // processor for some milliseconds, and panics.
        format!("no_timer_check{append}")
    }

    pub(crate) fn witness_place(&self) -> Result<&witness::Place> {
        self.witness.as_ref().context("the machine has no witness")
    }

    /// Where a file of the folder is.
    #[must_use]
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder().join(relative)
    }
}
