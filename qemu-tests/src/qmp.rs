//! One command to QEMU over its machine protocol.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::HANG_LIMIT;

/// Connects, sends one command, gives its `return`.
pub(crate) fn execute(socket: &Path, command: &str, arguments: &Value) -> Result<Value> {
    let mut stream =
        UnixStream::connect(socket).with_context(|| format!("connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(HANG_LIMIT))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut ask = |request: &Value| -> Result<Value> {
        stream.write_all(format!("{request}\n").as_bytes())?;
        for line in &mut lines {
            let answer: Value = serde_json::from_str(&line?)?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {request}: {error}");
            }
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
        bail!("QEMU closed the connection before it answered {request}")
    };
    ask(&json!({"execute": "qmp_capabilities"}))?;
    ask(&json!({"execute": command, "arguments": arguments}))
}
