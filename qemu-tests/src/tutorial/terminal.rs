//! The two terminals of a reader: a shell, and the one that `orlop run` takes.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::blocks::CONSOLE;
use crate::spawner;

/// No command of a page takes longer: a build beside other tests takes minutes.
const LIMIT: Duration = Duration::from_secs(600);
/// Begins the line that says how a command ended.
const ENDED: char = '\u{1}';

/// A process at the other end of two pipes; killed when dropped.
struct Spoken {
    child: Child,
    stdin: ChildStdin,
    heard: Receiver<Vec<u8>>,
    /// The begin of a letter whose rest was not heard yet.
    cut: Vec<u8>,
    text: String,
}

impl Spoken {
    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawner::spawn(command)?;
        let stdin = child.stdin.take().context("take stdin")?;
        let mut stdout = child.stdout.take().context("take stdout")?;
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if tell
                    .send(buffer.get(..count).unwrap_or_default().to_vec())
                    .is_err()
                {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            heard,
            cut: Vec::new(),
            text: String::new(),
        })
    }

    /// What comes before `wanted`; `None` and all that came when the process ends instead.
    fn until(&mut self, wanted: &str) -> Result<(String, bool)> {
        let limit = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.text.find(wanted) {
                let before: String = self.text.drain(..at).collect();
                self.text.drain(..wanted.len());
                return Ok((before, true));
            }
            match self
                .heard
                .recv_timeout(limit.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.hear(&bytes),
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok((std::mem::take(&mut self.text), false));
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("never said {wanted:?} but {:?}", self.text)
                }
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.cut.extend(bytes);
        let whole = match std::str::from_utf8(&self.cut) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.cut.len(),
        };
        let rest = self.cut.split_off(whole);
        let whole = std::mem::replace(&mut self.cut, rest);
        self.text.push_str(&String::from_utf8_lossy(&whole));
    }

    fn say(&mut self, text: &str) -> Result<()> {
        let said = self.stdin.write_all(text.as_bytes());
        said.with_context(|| format!("type {text:?}"))
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The workstation's shell.
pub(super) struct Shell(Spoken);

/// How a command ended, and what it printed to both of its streams.
pub(super) struct Ended {
    pub(super) status: i32,
    pub(super) lines: Vec<String>,
}

impl Shell {
    /// In this folder, with the programs of `bin` before all others and machines' sockets in `runtime`.
    pub(super) fn start(folder: &Path, bin: &Path, runtime: &Path) -> Result<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = spawner::mortal();
        command
            .args(["bash", "--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("XDG_RUNTIME_DIR", runtime)
            .env("TERM", "dumb");
        let mut spoken = Spoken::start(command)?;
        spoken.say("exec 2>&1\n")?;
        Ok(Self(spoken))
    }

    /// Runs a command, which may have several lines, to its end.
    pub(super) fn run(&mut self, command: &str) -> Result<Ended> {
        let line = format!("{{ {command}\n}} </dev/null; printf '{ENDED}%s{ENDED}' $?\n");
        self.0.say(&line)?;
        let mut part = || -> Result<String> {
            match self.0.until(&ENDED.to_string())? {
                (text, true) => Ok(text),
                (text, false) => bail!("the shell ended at {command:?}: {text}"),
            }
        };
        let text = part()?;
        let status = part()?.parse().context("read the status")?;
        Ok(Ended {
            status,
            lines: plain(&text),
        })
    }
}

/// `orlop run` in a terminal of its own (script(1)).
pub(super) struct Machine(Spoken);

impl Machine {
    /// Starts the command and waits for the console's prompt; gives what was there before it.
    pub(super) fn start(
        command: &str,
        folder: &Path,
        bin: &Path,
        runtime: &Path,
    ) -> Result<(Self, Vec<String>)> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut script = spawner::mortal();
        script
            .args(["script", "-qefc", command, "/dev/null"])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("XDG_RUNTIME_DIR", runtime)
            .env("SHELL", "/bin/sh")
            .env("TERM", "dumb");
        let mut machine = Self(Spoken::start(script)?);
        match machine.0.until(CONSOLE)? {
            (text, true) => Ok((machine, plain(&text))),
            (text, false) => bail!("{command:?} ended before the console's prompt: {text}"),
        }
    }

    /// Types a line at the prompt; gives what follows up to the next prompt, or to the end.
    pub(super) fn run(&mut self, command: &str) -> Result<Vec<String>> {
        self.0.say(&format!("{command}\r"))?;
        let (text, _goes_on) = self.0.until(CONSOLE)?;
        let mut lines = plain(&text);
        // The terminal's echo.
        if lines.first().is_some_and(|line| line.ends_with(command)) {
            lines.remove(0);
        }
        Ok(lines)
    }

    /// What it has said since the last prompt.
    pub(super) fn said(&mut self) -> String {
        let heard: Vec<Vec<u8>> = self.0.heard.try_iter().collect();
        for bytes in heard {
            self.0.hear(&bytes);
        }
        plain(&self.0.text).join("\n")
    }

    /// Waits for the end of `orlop run`, once the machine was asked to end; gives what it said until then.
    pub(super) fn wait(mut self) -> Result<Vec<String>> {
        let (mut text, mut goes_on) = self.0.until(CONSOLE)?;
        while goes_on {
            let (more, still) = self.0.until(CONSOLE)?;
            (text, goes_on) = (format!("{text}{more}"), still);
        }
        let status = self.0.child.wait().context("wait for orlop run")?;
        if !status.success() {
            bail!("orlop run ended with {status}: {text}");
        }
        Ok(plain(&text))
    }
}

/// Lines as they are seen: without escape sequences, carriage returns and what ends lines unseen.
fn plain(text: &str) -> Vec<String> {
    let mut seen = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => {
                // CSI: up to its final letter. Nothing else is printed here.
                let ends = |letter: char| letter != '[' && ('@'..='~').contains(&letter);
                let _ = letters.find(|letter| ends(*letter));
            }
            '\r' | '\u{7}' => {}
            _ => seen.push(letter),
        }
    }
    let mut lines: Vec<String> = seen
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let blank = |line: Option<&String>| line.is_some_and(String::is_empty);
    while blank(lines.last()) {
        lines.pop();
    }
    while blank(lines.first()) {
        lines.remove(0);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn lines_are_as_a_reader_sees_them() {
        let lines = plain("\r\n\u{1b}[?2004l\r\u{1b}[1mOrlop\u{1b}[0m  \r\n  ✓ log\r\n\r\n");
        assert_eq!(lines, ["Orlop", "  ✓ log"]);
    }
}
