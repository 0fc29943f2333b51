//! `devices` and `control`.

use std::path::{Path, PathBuf};

use crate::scalar::absolute;
use crate::tree::{Findings, Node, Place, quoted};
use crate::{DeviceGrant, Grant};

pub(super) fn devices(
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<(DeviceGrant, Place)>> {
    let mut devices: Vec<(DeviceGrant, Place)> = Vec::new();
    for entry in node.list(findings)? {
        if entry.value.is_table() {
            entry.refuse(findings, "a device as a table is not supported yet");
            continue;
        }
        let Some(text) = entry.string(findings) else {
            continue;
        };
        let Some(device) = entry.parsed(findings, text, device(text)) else {
            continue;
        };
        if devices
            .iter()
            .any(|(other, _)| other.target == device.target)
        {
            let target = quoted(&device.target.to_string_lossy());
            entry.error(
                findings,
                format!("{target} is given a second time; keep one of the two"),
            );
        }
        devices.push((device, entry.place));
    }
    Some(devices)
}

/// `/dev/source[:/dev/target][:rw]`, as Docker reads it.
fn device(text: &str) -> Result<DeviceGrant, &'static str> {
    let mut parts = text.split(':');
    let source = parts.next().unwrap_or("");
    let (target, permissions) = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => (source, "rw"),
        (Some(target), None, _) if target.starts_with('/') => (target, "rw"),
        (Some(permissions), None, _) => (source, permissions),
        (Some(target), Some(permissions), None) => (target, permissions),
        _ => return Err("has too many parts"),
    };
    let (read, write) = match permissions {
        "r" => (true, false),
        "w" => (false, true),
        "rw" | "wr" => (true, true),
        _ if permissions.contains('m') => {
            return Err("has the permission m (to make nodes), which is not supported yet");
        }
        _ => return Err("has permissions other than r, w and rw"),
    };
    Ok(DeviceGrant {
        source: below_dev(source)?,
        target: below_dev(target)?,
        read,
        write,
    })
}

pub(in crate::parse) fn below_dev(text: &str) -> Result<PathBuf, &'static str> {
    let path = absolute(text).map_err(|_| "is no device node below /dev")?;
    if path.starts_with("/dev") && path != Path::new("/dev") {
        Ok(path)
    } else {
        Err("is no device node below /dev")
    }
}

pub(in crate::parse) fn control(
    node: &Node<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Grant>> {
    let mut grants = Vec::new();
    for entry in node.list(findings)? {
        let Some(text) = entry.string(findings) else {
            continue;
        };
        match Grant::parse(text) {
            Ok(grant) if grants.contains(&grant) => {
                entry.error(
                    findings,
                    format!("{} is here a second time; remove it", quoted(text)),
                );
            }
            Ok(grant) => grants.push(grant),
            Err(message) => entry.error(findings, message),
        }
    }
    Some(grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_as_docker_reads_them() {
        let grant = device("/dev/ttyS0:/dev/console:r").unwrap();
        assert_eq!(
            (grant.source.to_str(), grant.target.to_str()),
            (Some("/dev/ttyS0"), Some("/dev/console"))
        );
        assert!(grant.read && !grant.write);
        assert_eq!(device("/dev/x:w").unwrap().target, PathBuf::from("/dev/x"));
        assert!(device("/dev/x").unwrap().write);
        for text in [
            "",
            "/dev",
            "/dev/../etc",
            "/etc/passwd",
            "/dev/x:rwm",
            "/dev/x:/dev/y:z",
            "/dev/x:/dev/y:rw:z",
            "dev/x",
        ] {
            assert!(device(text).is_err(), "{text}");
        }
    }
}
