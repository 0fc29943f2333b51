//! Finds the static programs that go into a machine: `init` and `services`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The two programs.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// PID 1.
    pub init: PathBuf,
    /// The multi-call binary of the first-party services.
    pub services: PathBuf,
}

/// The target that they are built for.
const TARGET: &str = "x86_64-unknown-linux-musl";

impl Runtime {
    /// In `folder` when given, else in `ORLOP_RUNTIME`, else in the target folder that the tool
    /// itself was built in.
    ///
    /// # Errors
    /// When one is not there, or needs a dynamic loader.
    pub fn find(folder: Option<&Path>) -> Result<Self> {
        let folder = match (folder, env::var_os("ORLOP_RUNTIME")) {
            (Some(folder), _) => folder.to_owned(),
            (None, Some(folder)) => PathBuf::from(folder),
            (None, None) => beside_tool()?,
        };
        let find = |name: &str| {
            let path = folder.join(name);
            if !path.is_file() {
                bail!(
                    "{}: not there; run `make programs`, which builds it",
                    path.display()
                );
            }
            let elf = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            match needs_loader(&elf) {
                Some(false) => Ok(path),
                Some(true) => bail!(
                    "{}: needs a dynamic loader; run `make programs`, which builds it static",
                    path.display()
                ),
                None => bail!("{}: not a program for x86-64", path.display()),
            }
        };
        Ok(Self {
            init: find("init")?,
            services: find("services")?,
        })
    }
}

/// `target/<profile>/orlop` → `target/x86_64-unknown-linux-musl/release`.
fn beside_tool() -> Result<PathBuf> {
    let tool = env::current_exe().context("find the tool's own path")?;
    let target = tool
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"));
    // A test program is one folder deeper (`deps`).
    let target = if target.join(TARGET).is_dir() {
        target
    } else {
        target.parent().unwrap_or(target)
    };
    Ok(target.join(TARGET).join("release"))
}

/// Whether an ELF64 program has a PT_INTERP segment (elf(5)); `None` when it is no x86-64 program.
fn needs_loader(elf: &[u8]) -> Option<bool> {
    let number = |at: usize, len: usize| {
        let bytes = elf.get(at..at.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_u64, |value, byte| value << 8 | u64::from(*byte)),
        )
    };
    if elf.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] || number(0x12, 2)? != 62 {
        return None;
    }
    let table = usize::try_from(number(0x20, 8)?).ok()?;
    let (size, count) = (number(0x36, 2)?, number(0x38, 2)?);
    for index in 0..count {
        let at = table.checked_add(usize::try_from(index * size).ok()?)?;
        const PT_INTERP: u64 = 3;
        if number(at, 4)? == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_told_from_a_static_one() {
        // This test program is dynamic, Debian's busybox-static is not.
        let this = fs::read(env::current_exe().unwrap()).unwrap();
        assert_eq!(needs_loader(&this), Some(true));
        let busybox = fs::read("/bin/busybox").expect("package busybox-static");
        assert_eq!(needs_loader(&busybox), Some(false));
        assert_eq!(needs_loader(b"#!/bin/sh\n"), None);
        assert_eq!(needs_loader(&this[..70]), None);
    }

    #[test]
    fn a_missing_program_says_make() {
        let folder = tempfile::tempdir().unwrap();
        let error = Runtime::find(Some(folder.path())).unwrap_err().to_string();
        assert!(
            error.ends_with("init: not there; run `make programs`, which builds it"),
            "{error}"
        );
    }
}
