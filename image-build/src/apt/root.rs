//! An apt root of our own for one suite: lists, sources and a dpkg status of stand-ins.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::archive;
use super::{stand_in, stanza};

/// Lists older than this are fetched anew before something is resolved from them.
const LISTS_MAX_AGE: Duration = Duration::from_hours(24);

/// One package in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the `.deb`, hexadecimal.
    pub sha256: String,
    /// Bytes of the `.deb`.
    pub size: u64,
}

/// apt's view of one suite.
#[derive(Debug)]
pub struct AptRoot {
    folder: PathBuf,
    suite: String,
    fresh: bool,
}

impl AptRoot {
    /// Opens the root in `folder` and writes its configuration; fetches nothing.
    ///
    /// # Errors
    /// When apt is missing, the host knows no Debian archive, or the folder cannot be written.
    pub fn open(folder: &Path, suite: &str) -> Result<Self> {
        let mut list_targets = Command::new("apt-get");
        list_targets.args(["indextargets", "Created-By: Packages"]);
        let sources = archive::sources_for(suite, &output_of(&mut list_targets)?)?;
        for name in ["lists/partial", "archives/partial"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        }
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("write {}", path.display()))
        };
        let text = archive::sources_text(&sources);
        let unchanged =
            fs::read_to_string(folder.join("orlop.sources")).is_ok_and(|old| old == text);
        if !unchanged {
            // Another mirror: the lists' age says nothing any more.
            let _ = fs::remove_file(folder.join("updated"));
            write("orlop.sources", &text)?;
        }
        write("apt.conf", &configuration(folder))?;
        write("status", &stand_in::status(&[]))?;
        Ok(Self {
            folder: folder.to_owned(),
            suite: suite.to_owned(),
            fresh: false,
        })
    }

    /// Fetches the lists when they are older than a day or `force` is given; once at the most.
    ///
    /// # Errors
    /// When apt cannot fetch or verify them.
    pub fn update(&mut self, force: bool) -> Result<()> {
        let stamp = self.folder.join("updated");
        let young = fs::metadata(&stamp)
            .and_then(|found| found.modified())
            .is_ok_and(|at| {
                SystemTime::now()
                    .duration_since(at)
                    .is_ok_and(|age| age < LISTS_MAX_AGE)
            });
        if self.fresh || (young && !force) {
            return Ok(());
        }
        let mut update = self.command("apt-get");
        output_of(update.args(["update", "--error-on=any"]))
            .with_context(|| format!("fetch the package lists of {}", self.suite))?;
        fs::write(&stamp, "").with_context(|| format!("write {}", stamp.display()))?;
        self.fresh = true;
        Ok(())
    }

    /// These packages and all that they depend on (without what they recommend), by name.
    ///
    /// # Errors
    /// When a package does not exist in the suite, or apt finds no consistent set.
    pub fn closure(&self, packages: &[String]) -> Result<Vec<Available>> {
        let status = self.folder.join("status");
        fs::write(&status, stand_in::status(packages))
            .with_context(|| format!("write {}", status.display()))?;
        let mut install = self.command("apt-get");
        install
            .args([
                "install",
                "--print-uris",
                "--yes",
                "--no-install-recommends",
                "--",
            ])
            .args(packages);
        let printed = output_of(&mut install)
            .with_context(|| format!("resolve {} in {}", packages.join(" "), self.suite))?;
        let chosen: Vec<String> = printed.lines().filter_map(package_of_uri_line).collect();
        self.show(&chosen)
    }

    /// Looks up `name=version` each.
    ///
    /// # Errors
    /// When one is not in the lists.
    pub fn show(&self, chosen: &[String]) -> Result<Vec<Available>> {
        let mut show = self.command("apt-cache");
        let printed = output_of(show.arg("show").args(chosen))?;
        let mut found = BTreeMap::new();
        for stanza in stanza::parse(&printed) {
            let field = |name: &str| {
                stanza
                    .get(name)
                    .cloned()
                    .with_context(|| format!("apt-cache show: no field {name}"))
            };
            let package = Available {
                name: field("Package")?,
                version: field("Version")?,
                sha256: field("SHA256")?,
                size: field("Size")?.parse().context("apt-cache show: Size")?,
            };
            found.insert(package.name.clone(), package);
        }
        Ok(found.into_values().collect())
    }

    /// Fetches `name=version` into `folder`; apt checks it against the signed lists.
    ///
    /// # Errors
    /// When the archive no longer has it, or it cannot be fetched.
    pub fn download(&self, packages: &[String], folder: &Path) -> Result<()> {
        let mut download = self.command("apt-get");
        download.arg("download").args(packages).current_dir(folder);
        output_of(&mut download).map(|_| ())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
            .arg("--config-file")
            .arg(self.folder.join("apt.conf"));
        command
    }
}

/// Read after the host's own configuration, whose proxy, credentials and keyrings stay. Its hooks
/// do not: they would touch the host.
fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let sandbox = if is_root() {
        "APT::Sandbox::User \"root\";\n"
    } else {
        ""
    };
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
#clear APT::Default-Release;
#clear Acquire::IndexTargets::deb;
#clear Acquire::Languages;
{sandbox}APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Install-Recommends "0";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Packages {{
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  Optional "0";
}};
Dir::State "{folder}/";
Dir::State::lists "{folder}/lists/";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/";
Dir::Cache::archives "{folder}/archives/";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Log "{folder}/";
Dir::Etc::sourcelist "{folder}/orlop.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
"#
    )
}

/// As root apt would drop to a user that cannot enter the cache folder.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// `'URI' name_version_arch.deb size hash` → `name=version`.
fn package_of_uri_line(line: &str) -> Option<String> {
    let file = line
        .strip_prefix('\'')?
        .split_once("' ")?
        .1
        .split(' ')
        .next()?;
    let mut parts = file.strip_suffix(".deb")?.splitn(3, '_');
    let (name, version) = (parts.next()?, parts.next()?);
    Some(format!("{name}={}", version.replace("%3a", ":")))
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// When it is not there, or fails; then with the lines of its own that say why.
fn output_of(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("run {program}; it is part of Debian's package apt"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let reasons: Vec<&str> = text
            .lines()
            .filter_map(|line| {
                // The longer words are apt 3's.
                ["E: ", "W: ", "Error: ", "Warning: "]
                    .into_iter()
                    .find_map(|mark| line.strip_prefix(mark))
            })
            .collect();
        let reason = if reasons.is_empty() {
            text.trim().to_owned()
        } else {
            reasons.join("; ")
        };
        bail!("{program}: {reason}");
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program}: output is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_line_names_package_and_version() {
        let line = "'http://mirror.test/z/zlib1g_1.2.13.dfsg-1_amd64.deb' zlib1g_1%3a1.2.13.dfsg-1_amd64.deb 86684 MD5Sum:ec42";
        assert_eq!(
            package_of_uri_line(line).as_deref(),
            Some("zlib1g=1:1.2.13.dfsg-1")
        );
        assert_eq!(
            package_of_uri_line("Need to get 9289 kB of archives."),
            None
        );
    }
}
