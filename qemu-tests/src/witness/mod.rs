//! A process in the machine that belongs to no service: it sees what the kernel says, and does to
//! PID 1 what no service may.
//!
//! ```text
//! kernel ─ rdinit=/witness/start ─┬─ exec ─► PID 1 under test
//!                                 └─ fork ─► serve ── ttyS1 ──────────► Witness::run
//!                                              └───── witness.trace ──► Vm::trace
//! ```
//! It is the machine's own busybox and three scripts, which ride along in an archive behind the
//! initramfs: PID 1 and the system are the very bytes that `orlop build` has made. It takes its
//! facts from the kernel's tracepoints, none from Orlop. PID 1 kills it where it kills all that is
//! left, after the services.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::HANG_LIMIT;

const FILES: [(&str, &str); 3] = [
    ("start", include_str!("start")),
    ("stay", include_str!("stay")),
    ("serve", include_str!("serve")),
];

/// Recorded from the kernel's first moments on; the times are those of the machine's events.
const TRACE: &str = "trace_clock=boot trace_buf_size=8M trace_event=\
     sched:sched_process_fork,sched:sched_process_exec,sched:sched_process_exit,\
     signal:signal_generate,cgroup:cgroup_notify_populated";

/// Where things of a machine with a witness are on the workstation.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// In this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// What the kernel writes.
    pub(crate) fn trace(&self) -> PathBuf {
        self.0.join("trace")
    }

    fn socket(&self) -> PathBuf {
        self.0.join("witness.sock")
    }

    fn initramfs(&self) -> PathBuf {
        self.0.join("initramfs")
    }

    /// The words for the kernel's command line, which end it.
    pub(crate) fn append(&self, more: &str) -> String {
        format!("{more} {TRACE} rdinit=/witness/start -- /init")
    }

    /// The arguments of `orlop run` beside them.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let show = |path: PathBuf| path.display().to_string();
        let words = [
            "-initrd".to_owned(),
            show(self.initramfs()),
            "-chardev".to_owned(),
            format!(
                "socket,id=witness,server=on,wait=off,path={}",
                show(self.socket())
            ),
            "-serial".to_owned(),
            "chardev:witness".to_owned(),
            "-chardev".to_owned(),
            // A reboot goes on in the same file.
            format!("file,id=trace,append=on,path={}", show(self.trace())),
            "-device".to_owned(),
            "virtserialport,chardev=trace,name=witness.trace".to_owned(),
        ];
        words
            .iter()
            .map(|word| format!("--qemu-arg={word}"))
            .collect()
    }

    /// Writes the initramfs that was built and the witness behind it.
    pub(crate) fn prepare(&self, built: &Path) -> Result<()> {
        let root = self.0.join("witness");
        fs::create_dir_all(root.join("witness")).context("make a folder for the witness")?;
        for (name, text) in FILES {
            fs::write(root.join("witness").join(name), text).context("write the witness")?;
        }
        // 0755, whatever the umask: the kernel executes `start`.
        let script = "chmod 755 witness witness/*; find witness | cpio -o -H newc -R 0:0 --quiet";
        let archive = Command::new("sh")
            .args(["-euc", script])
            .current_dir(&root)
            .stdin(Stdio::null())
            .output()
            .context("start sh")?;
        if !archive.status.success() {
            bail!("cpio: {}", String::from_utf8_lossy(&archive.stderr));
        }
        let mut both = fs::read(built).with_context(|| format!("read {}", built.display()))?;
        both.extend(archive.stdout);
        fs::write(self.initramfs(), both).context("write the initramfs with the witness")
    }

    pub(crate) fn connect(&self) -> Result<Witness> {
        Witness::at(&self.socket())
    }
}

/// The line to the process in the machine; one at a time.
#[derive(Debug)]
pub struct Witness {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Witness {
    /// The line to a shell of a test's own, which answers as the script `serve` does.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn at(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("connect to {}", socket.display()))?;
        stream.set_read_timeout(Some(HANG_LIMIT))?;
        let lines = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, lines })
    }

    /// What a line of busybox's shell prints there, as root of the machine and in its namespaces.
    /// Beside busybox there is `of SERVICE PROGRAM ARGUMENT…`, a program of a running service's image,
    /// and `mark WORDS…`, a line for the trace.
    ///
    /// # Errors
    /// When it ends with anything but 0, or is not heard of within [`HANG_LIMIT`].
    pub fn run(&mut self, line: &str) -> Result<String> {
        self.tell(line)?;
        self.hear(line)
    }

    /// Begins such a line; [`Witness::hear`] waits for its end.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        assert!(!line.contains('\n'), "one line: {line:?}");
        let sent = self.stream.write_all(format!("{line}\n").as_bytes());
        sent.with_context(|| format!("tell the witness {line:?}"))
    }

    /// What the line that was told has printed.
    ///
    /// # Errors
    /// As [`Witness::run`].
    pub fn hear(&mut self, line: &str) -> Result<String> {
        let mut said = String::new();
        loop {
            let from = said.len();
            let read = self.lines.read_line(&mut said);
            let count = read.with_context(|| format!("hear of {line:?}, after {said:?}"))?;
            if count == 0 {
                bail!("the machine ended before {line:?} did");
            }
            let last = said.get(from..).unwrap_or_default();
            let Some((before, status)) = last.split_once('\u{1}') else {
                continue;
            };
            let status = status.trim_end().to_owned();
            let keep = from + before.len();
            said.truncate(keep);
            if status != "0" {
                bail!("{line:?} ended with {status}: {said}");
            }
            return Ok(said);
        }
    }
}
