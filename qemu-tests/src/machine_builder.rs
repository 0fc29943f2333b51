//! A machine's folder for a test: what `orlop new` writes, changed, built and booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::tool::{Outcome, orlop};
use crate::{HANG_LIMIT, Vm};

/// Writes a machine; every method takes it and gives it back.
#[derive(Debug)]
pub struct MachineBuilder {
    name: String,
    keep: TempDir,
    arguments: Vec<String>,
}

impl MachineBuilder {
    /// The machine that `orlop new` writes.
    ///
    /// # Errors
    /// When `orlop new` fails.
    pub fn starter() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        let keep = TempDir::with_prefix("orlop-test-").context("make a folder")?;
        let machine = Self {
            name,
            keep,
            arguments: Vec::new(),
        };
        orlop(&["new".as_ref(), machine.folder().as_os_str()])?.success()?;
        Ok(machine)
    }

    /// Without the services that are not named.
    ///
    /// # Errors
    /// When a named one is not there.
    pub fn only(self, services: &[&str]) -> Result<Self> {
        let folder = self.folder().join("services");
        for service in services {
            ensure!(
                folder.join(service).is_dir(),
                "there is no service {service}"
            );
        }
        for entry in fs::read_dir(&folder).context("list the services")? {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str());
            if !name.is_some_and(|name| services.contains(&name)) {
                fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
        Ok(self)
    }

    /// With one more service, or one replaced.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn service(self, name: &str, service_toml: &str) -> Result<Self> {
        self.file(&format!("services/{name}/service.toml"), service_toml)
    }

    /// A service whose image is Debian's static busybox, running `script` in its shell; `more` are
    /// further lines of its service.toml.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn shell_service(self, name: &str, script: &str, more: &str) -> Result<Self> {
        let toml = format!(
            "build = {{ debian = [\"busybox-static\"] }}\n\
             entrypoint = [\"/bin/busybox\", \"sh\", \"-c\"]\n\
             command = ['''{script}''']\n{more}\n"
        );
        self.service(name, &toml)
    }

    /// With this file below the machine's folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(self, path: &str, text: &str) -> Result<Self> {
        let path = self.folder().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(self)
    }

    /// With one more argument of `orlop run`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With more arguments of `orlop run`.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|a| (*a).to_owned()));
        self
    }

    /// What `orlop VERB <the machine's folder>` and these arguments answers.
    ///
    /// # Errors
    /// When the tool cannot be started.
    pub fn tool(&self, verb: &str, arguments: &[&str]) -> Result<Outcome> {
        let folder = self.folder();
        let mut all = vec![verb.as_ref(), folder.as_os_str()];
        all.extend(arguments.iter().map(std::ffi::OsStr::new));
        orlop(&all)
    }

    /// Builds and starts the machine.
    ///
    /// # Errors
    /// When `orlop run` ends before the machine is there; nothing runs for longer than
    /// [`HANG_LIMIT`] unanswered.
    pub fn boot(self) -> Result<Vm> {
        let limit = HANG_LIMIT.as_secs();
        // Not in the limit: the first build of all fetches packages.
        let build: Vec<&str> = self.build_arguments();
        self.tool("build", &build)?
            .success()
            .context("orlop build")?;
        Vm::start(self).with_context(|| format!("within {limit} s"))
    }

    fn build_arguments(&self) -> Vec<&str> {
        let both = ["--keep-going", "--initramfs-system"];
        self.arguments
            .iter()
            .map(String::as_str)
            .filter(|argument| both.contains(argument))
            .collect()
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
        let folder = self.folder().display().to_string();
        let own = ["--headless", "--json", "--forward-any", "--accel", "tcg"];
        let mut all = vec!["run".to_owned(), folder, "--name".into(), self.name.clone()];
        let network = !self.arguments.iter().any(|a| a == "--no-network");
        let own = own.into_iter().filter(|a| network || *a != "--forward-any");
        all.extend(own.map(str::to_owned));
        all.extend(self.arguments.iter().cloned());
        all
    }

    /// Where a file of the folder is.
    #[must_use]
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder().join(relative)
    }
}
