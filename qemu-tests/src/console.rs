//! The serial console of a headless machine: text is waited for and typed.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::HANG_LIMIT;

/// A connection to the console. It sees what is written from now on; earlier text is in the
/// transcript ([`crate::Vm::transcript`]).
#[derive(Debug)]
pub struct Console {
    stream: UnixStream,
    text: String,
}

impl Console {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("connect to {}", socket.display()))?;
        let text = String::new();
        Ok(Self { stream, text })
    }

    /// Types a line as a person would.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let typed = self.stream.write_all(format!("{line}\r").as_bytes());
        typed.with_context(|| format!("type {line:?}"))
    }

    /// Types these characters and nothing else, such as Ctrl-S.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn type_raw(&mut self, text: &str) -> Result<()> {
        let typed = self.stream.write_all(text.as_bytes());
        typed.with_context(|| format!("type {text:?}"))
    }

    /// Waits for `wanted` and gives what came before it since the last call.
    ///
    /// # Errors
    /// When the machine ends or [`HANG_LIMIT`] is over, with what came instead.
    pub fn expect(&mut self, wanted: &str) -> Result<String> {
        let limit = Instant::now() + HANG_LIMIT;
        loop {
            if let Some(at) = self.text.find(wanted) {
                let before: String = self.text.drain(..at).collect();
                self.text.drain(..wanted.len());
                return Ok(before);
            }
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the console never said {wanted:?} but {:?}", self.text);
            }
            self.stream
                .set_read_timeout(Some(left))
                .context("set the console's limit")?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the machine ended before its console said {wanted:?}"),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.text.push_str(&String::from_utf8_lossy(bytes));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("read the console"),
            }
        }
    }
}
