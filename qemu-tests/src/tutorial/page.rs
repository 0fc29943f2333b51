//! A page, run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::blocks::{Command, Place, commands, rewritten};
use super::compare::same_as;
use super::terminal::{Ended, Machine, Shell};
use crate::{HANG_LIMIT, tool};

/// Commands that only ask: what they ask for may take a moment longer than a reader does.
const QUESTIONS: [&str; 6] = [
    "curl ",
    "redis-cli ",
    "orlop ps",
    "orlop logs",
    "orlop exec",
    "ssh ",
];

/// How long what is written may take to come true before it is blessed away.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where a reader's folder is, whose name is `shop`.
const READERS: &str = "/home/you/orlop/target";

/// A page that is being run.
pub struct Page {
    path: PathBuf,
    markdown: String,
    /// Rewrites the page with what was printed.
    bless: bool,
    keep: TempDir,
    shell: Shell,
    machine: Option<Machine>,
    /// The page's ports and those of this run.
    ports: Vec<(u16, u16)>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Page {
    /// Reads the page and opens its terminals in an empty folder. With `ORLOP_BLESS` in the environment
    /// what is printed takes the place of what is written where they differ.
    ///
    /// # Errors
    /// When the page cannot be read, or there is no tool.
    pub fn open(path: &Path) -> Result<Self> {
        let markdown =
            fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let keep = TempDir::with_prefix("orlop-page-").context("make a folder")?;
        let [folder, bin, runtime] = ["shop", "bin", "run"].map(|name| keep.path().join(name));
        for folder in [&folder, &bin, &runtime] {
            fs::create_dir(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let wrapped = bin.join("orlop");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = run ] || exec '{0}' \"$@\"\nshift\n\
             exec '{0}' run --accel tcg --forward-any --append no_timer_check \"$@\"\n",
            tool::path()?.display()
        );
        fs::write(&wrapped, script).context("write the tool's wrapper")?;
        fs::set_permissions(&wrapped, fs::Permissions::from_mode(0o755))
            .context("make it executable")?;
        Ok(Self {
            path: path.to_owned(),
            markdown,
            bless: std::env::var_os("ORLOP_BLESS").is_some(),
            shell: Shell::start(&folder, &bin, &runtime)?,
            keep,
            machine: None,
            ports: Vec::new(),
        })
    }

    /// Runs every command of the page, in order.
    ///
    /// # Errors
    /// What a command printed, where that is not what is written.
    pub fn run(mut self) -> Result<()> {
        let mut printed = Vec::new();
        let mut done = Ok(());
        for command in commands(&self.markdown) {
            let (line, typed) = (command.lines.start, &command.typed);
            let at = format!("{}:{line}: {typed}", self.path.display());
            match self.settle(&command).context(at) {
                Ok(lines) => printed.push((command, lines)),
                Err(error) => {
                    let console = self.machine.as_mut().map(Machine::said).unwrap_or_default();
                    done = Err(error.context(format!("the console said:\n{console}")));
                    break;
                }
            }
        }
        if self.bless {
            let page = rewritten(&self.markdown, &printed);
            fs::write(&self.path, page)
                .with_context(|| format!("write {}", self.path.display()))?;
        }
        done
    }

    /// Runs a command until it prints what is written, and gives what shall be written.
    fn settle(&mut self, command: &Command) -> Result<Vec<String>> {
        let limit = Instant::now() + HANG_LIMIT;
        let asks = QUESTIONS
            .iter()
            .any(|question| command.typed.starts_with(question));
        loop {
            let lines = self.perform(command)?;
            if same_as(&command.prints, &lines, command.comparison) {
                return Ok(command.prints.clone());
            }
            // Not yet what a reader would see.
            let early =
                |line: &String| line.contains("health: starting") || line.contains("LOADING");
            let settled = !lines.is_empty() && !lines.iter().any(early);
            let given_up =
                command.prints.is_empty() || Instant::now() + HANG_LIMIT >= limit + PATIENCE;
            if self.bless && (settled && given_up || !asks) {
                if command.prints.iter().any(|line| line.starts_with('…')) {
                    bail!(
                        "lines are left out, so this is mended by hand; printed was:\n{}",
                        lines.join("\n")
                    );
                }
                return Ok(lines);
            }
            if !asks || Instant::now() >= limit {
                let (written, printed) = (command.prints.join("\n"), lines.join("\n"));
                bail!("written is\n{written}\n---- printed was\n{printed}\n----");
            }
            // What it asks about tells nobody when it has changed.
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn perform(&mut self, command: &Command) -> Result<Vec<String>> {
        let typed = self.with_ports(&command.typed, |(page, here)| (page, here));
        let lines = match command.place {
            Place::Workstation if typed.starts_with("orlop run") => self.boot(command, &typed)?,
            Place::Workstation => {
                let Ended { mut lines, status } = self.shell.run(&typed)?;
                if typed.starts_with("orlop poweroff") && status == 0 {
                    let machine = self.machine.take().context("no machine runs")?;
                    machine.wait()?;
                }
                lines.retain(|line| !line.is_empty() || status == 0);
                lines
            }
            Place::Console => {
                let machine = self.machine.as_mut().context("no machine runs")?;
                let mut lines = machine.run(&typed)?;
                if typed.starts_with("orlop poweroff") {
                    let machine = self.machine.take().context("no machine runs")?;
                    lines.extend(machine.wait()?);
                }
                lines
            }
        };
        let here = self.keep.path().display().to_string();
        let back = lines.iter().map(|line| {
            let line = line.replace(&here, READERS);
            self.with_ports(&line, |(page, here)| (here, page))
        });
        Ok(back.collect())
    }

    /// `orlop run`: the ports of its services are free ones, and known from here on.
    fn boot(&mut self, command: &Command, typed: &str) -> Result<Vec<String>> {
        if let Some(machine) = self.machine.take() {
            machine.wait()?;
        }
        let [folder, bin, runtime] = ["shop", "bin", "run"].map(|name| self.keep.path().join(name));
        let (machine, lines) = Machine::start(typed, &folder, &bin, &runtime)?;
        self.machine = Some(machine);
        let written: Vec<(u16, &str)> = command.prints.iter().filter_map(|l| forward(l)).collect();
        let here = lines.iter().filter_map(|line| forward(line));
        let known = here.filter_map(|(port, service)| {
            let (page, _) = written.iter().find(|(_, name)| *name == service)?;
            Some((*page, port))
        });
        self.ports = known.collect();
        Ok(lines)
    }

    /// The text with one of each pair of ports in the place of the other.
    fn with_ports(&self, text: &str, turn: impl Fn((u16, u16)) -> (u16, u16)) -> String {
        let mut text = text.to_owned();
        for ports in &self.ports {
            let (from, to) = turn(*ports);
            for before in ["127.0.0.1:", "-p ", "localhost:"] {
                text = text.replace(&format!("{before}{from}"), &format!("{before}{to}"));
            }
        }
        text
    }
}

/// `forward   http://127.0.0.1:8080/ (nginx)`: the port and the service.
fn forward(line: &str) -> Option<(u16, &str)> {
    let (address, service) = line.strip_prefix("forward ")?.trim().split_once(' ')?;
    let address = address.trim_end_matches("/udp").trim_end_matches('/');
    let (_, port) = address.rsplit_once(':')?;
    Some((port.parse().ok()?, service))
}

#[cfg(test)]
mod tests {
    use super::forward;

    #[test]
    fn forwards_are_known_by_their_service() {
        let web = forward("forward   http://127.0.0.1:8080/ (nginx)");
        assert_eq!(web, Some((8080, "(nginx)")));
        assert_eq!(
            forward("forward   127.0.0.1:53/udp (dns)"),
            Some((53, "(dns)"))
        );
        assert_eq!(forward("machine   shop (512 MiB, 2 CPUs)"), None);
    }
}
