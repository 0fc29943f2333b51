//! `tmpfs`: `/path[:size=64m,mode=1777]`, one or a list.

use crate::TmpfsMount;
use crate::scalar::size;
use crate::tree::{Findings, Node, Place, quoted};

use super::volumes::mount_point;

/// The size when none is written.
const SIZE: u64 = 64 << 20;

pub(super) fn tmpfs(
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<(TmpfsMount, Place)>> {
    let mut mounts = Vec::new();
    for entry in node.one_or_list(findings)? {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        match mount(text) {
            Ok(mount) => mounts.push((mount, entry.place)),
            Err(what) => entry.refuse(findings, &what),
        }
    }
    Some(mounts)
}

fn mount(text: &str) -> Result<TmpfsMount, String> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = TmpfsMount {
        target: mount_point(path)?,
        size: SIZE,
        mode: 0o1777,
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => {
                let bytes = size(value).filter(|bytes| *bytes > 0 && i64::try_from(*bytes).is_ok());
                mount.size = bytes.ok_or_else(|| format!("{} is no size", quoted(value)))?;
            }
            Some(("mode", value)) => {
                let octal = (3..=4).contains(&value.len())
                    && value.bytes().all(|b| matches!(b, b'0'..=b'7'));
                let mode = u32::from_str_radix(value, 8).ok().filter(|_| octal);
                mount.mode =
                    mode.ok_or_else(|| format!("{} is no mode such as 1777", quoted(value)))?;
            }
            _ => {
                return Err(format!(
                    "the option {} is not supported yet, only size= and mode=",
                    quoted(option)
                ));
            }
        }
    }
    Ok(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_defaults() {
        let plain = mount("/run").unwrap();
        assert_eq!((plain.size, plain.mode), (SIZE, 0o1777));
        let full = mount("/tmp:size=1m,mode=755").unwrap();
        assert_eq!((full.size, full.mode), (1 << 20, 0o755));
        for text in [
            "",
            "run",
            "/",
            "/proc/x",
            "/run:noexec",
            "/run:size=",
            "/run:size=0",
            "/run:mode=9",
            "/run:mode=77777",
        ] {
            assert!(mount(text).is_err(), "{text}");
        }
    }
}
