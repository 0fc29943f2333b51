//! `volumes`: declared volumes and files of the service's own folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::scalar::{absolute, folder_relative};
use crate::tree::{Findings, Node, Place, quoted, shown};
use crate::{TmpfsMount, VolumeMount, VolumeName, VolumeSource};

pub(super) fn volumes(node: &Node<'_>, findings: &mut Findings<'_>) -> Vec<(VolumeMount, Place)> {
    let mut mounts = Vec::new();
    if node.value.is_table() {
        node.error(findings, "volumes are declared in system.toml, as [volumes.data]; here write volumes = [\"data:/path\"]");
        return mounts;
    }
    for entry in node.list(findings).unwrap_or_default() {
        if let DeValue::Table(table) = entry.value {
            entry.error(findings, long_syntax(table));
            continue;
        }
        let Some(text) = entry.string(findings) else {
            continue;
        };
        match mount(text) {
            Ok(mount) => mounts.push((mount, entry.place)),
            Err(message) => entry.error(findings, message),
        }
    }
    mounts
}

/// The named volumes among them.
pub(super) fn named(mounts: &[(VolumeMount, Place)]) -> Vec<(VolumeName, Place)> {
    let name = |(mount, place): &(VolumeMount, Place)| match &mount.source {
        VolumeSource::Named(name) => Some((name.clone(), place.clone())),
        VolumeSource::Folder(_) => None,
    };
    mounts.iter().filter_map(name).collect()
}

/// Two mounts at one path: the second would hide the first.
pub(super) fn refuse_shared_targets(
    volumes: &[(VolumeMount, Place)],
    tmpfs: &[(TmpfsMount, Place)],
    findings: &mut Findings<'_>,
) {
    let volumes = volumes.iter().map(|(mount, place)| (&mount.target, place));
    let tmpfs = tmpfs.iter().map(|(mount, place)| (&mount.target, place));
    let mut taken: BTreeMap<&PathBuf, &Place> = BTreeMap::new();
    for (target, place) in volumes.chain(tmpfs) {
        if let Some(other) = taken.insert(target, place) {
            let target = quoted(&target.to_string_lossy());
            findings.error(
                place,
                format!(
                    "{target} is the target of {} too; write another path",
                    other.key
                ),
            );
        }
    }
}

fn mount(text: &str) -> Result<VolumeMount, String> {
    if text.starts_with('$') {
        return Err(format!(
            "{} has a variable, and nothing replaces it here; write \"data:/path\" or \"./folder:/path\"",
            quoted(text)
        ));
    }
    if text.get(1..3) == Some(":\\") {
        return Err(format!(
            "{} has a path of the host, which no service sees; write \"data:/path\" with [volumes.data] in system.toml, or \"./folder:/path\" for files of the service's folder",
            quoted(text)
        ));
    }
    let mut parts = text.split(':');
    let (source, target, options) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(source), Some(target), options, None) => (source, target, options),
        (Some(path), None, ..) if path.starts_with('.') => {
            return Err(format!(
                "{} does not say where the service finds it; write \"{}:/path\"",
                quoted(text),
                shown(path)
            ));
        }
        (Some(path), None, ..) => {
            return Err(format!(
                "{} has no name to keep it by; write \"data:/{}\" with [volumes.data] in system.toml",
                quoted(text),
                shown(path.trim_start_matches('/'))
            ));
        }
        _ => {
            return Err(format!(
                "{} has too many parts; write \"data:/path\" or \"data:/path:ro\"",
                quoted(text)
            ));
        }
    };
    let target_path =
        mount_point(target).map_err(|what| format!("{what}; write \"{}:/path\"", shown(source)))?;
    let source = parse_source(source, target)?;
    let read_only = match (options, &source) {
        (None, VolumeSource::Named(_)) | (Some("rw"), VolumeSource::Named(_)) => false,
        (None | Some("ro"), _) => true,
        (Some("rw"), VolumeSource::Folder(folder)) => {
            let folder = folder.to_string_lossy();
            return Err(format!(
                "files of the service's folder are part of the system and read-only; write \"./{}:{}\", or a volume for what changes",
                shown(&folder),
                shown(target)
            ));
        }
        (Some(option), _) => {
            return Err(format!(
                "the option {} is not supported yet; write \":ro\" or nothing",
                quoted(option)
            ));
        }
    };
    Ok(VolumeMount {
        source,
        target: target_path,
        read_only,
    })
}

fn parse_source(source: &str, target: &str) -> Result<VolumeSource, String> {
    if source.ends_with("/docker.sock") {
        return Err(format!(
            "{} is Docker's, which does not run here; remove it, or write control = [\"services.list\"] for Orlop's own control socket",
            quoted(source)
        ));
    }
    if source.starts_with('/') || source.starts_with('~') {
        let guess = Path::new(source)
            .file_name()
            .and_then(|name| VolumeName::new(name.to_str()?));
        let guess = guess.map_or("data".to_owned(), |name| name.to_string());
        return Err(format!(
            "{} is a path of the host, which no service sees; write \"{guess}:{}\" with [volumes.{guess}] in system.toml, or put the files into the service's folder and write \"./{guess}:{}\"",
            quoted(source),
            shown(target),
            shown(target),
        ));
    }
    if source.starts_with('.') {
        return match folder_relative(source) {
            Ok(path) => Ok(VolumeSource::Folder(path)),
            Err(what) => Err(format!(
                "{} {what}, but a service sees only its own folder; put the files there and write \"./folder:{}\"",
                quoted(source),
                shown(target),
            )),
        };
    }
    if source.contains('/') {
        return Err(format!(
            "{} is neither a volume nor a folder; write \"./{}:{}\" for a folder",
            quoted(source),
            shown(source),
            shown(target)
        ));
    }
    match VolumeName::new(source) {
        Some(name) => Ok(VolumeSource::Named(name)),
        None => Err(format!(
            "{} is no volume's name; write small letters, digits, - _ and . only, at most 63",
            quoted(source)
        )),
    }
}

/// A path in the container that may be mounted on.
pub(super) fn mount_point(text: &str) -> Result<PathBuf, String> {
    let path = absolute(text).map_err(|what| format!("the target {} {what}", quoted(text)))?;
    if path == Path::new("/") {
        return Err("the target \"/\" is the whole image".to_owned());
    }
    match ["/proc", "/sys", "/dev"]
        .iter()
        .find(|own| path.starts_with(own))
    {
        Some(own) => Err(format!(
            "the target {} lies in {own}, which is made new for every container",
            quoted(text)
        )),
        None => Ok(path),
    }
}

/// Compose's long syntax, in the short one.
fn long_syntax(table: &DeTable<'_>) -> String {
    let text = |name: &str| match table.get(name).map(|value| value.get_ref()) {
        Some(DeValue::String(text)) => Some(shown(text)),
        _ => None,
    };
    let source = text("source").unwrap_or_else(|| "data".to_owned());
    let target = text("target").unwrap_or_else(|| "/path".to_owned());
    let read_only = table
        .get("read_only")
        .and_then(|value| value.get_ref().as_bool());
    let option = if read_only == Some(true) { ":ro" } else { "" };
    if text("type").as_deref() == Some("tmpfs") {
        return format!("a volume as a table is not supported yet; write tmpfs = [\"{target}\"]");
    }
    format!("a volume as a table is not supported yet; write \"{source}:{target}{option}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_syntax() {
        let named = mount("data:/var/lib/app").unwrap();
        assert!(matches!(named.source, VolumeSource::Named(_)) && !named.read_only);
        assert!(mount("data:/x:ro").unwrap().read_only);
        assert!(!mount("data:/x:rw").unwrap().read_only);
        let folder = mount("./conf//app.conf:/etc/app.conf").unwrap();
        assert_eq!(folder.source, VolumeSource::Folder("conf/app.conf".into()));
        assert!(folder.read_only && mount("./a:/x:ro").unwrap().read_only);
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "data",
            "/data",
            "data:",
            "data:rel",
            "data:/",
            "data:/proc",
            "data:/dev/shm",
            "data:/sys/x",
            "/srv:/srv",
            "~/x:/x",
            "../x:/x",
            "./a/../../b:/x",
            "./a:/x:rw",
            "data:/x:z",
            "a/b:/x",
            "Data:/x",
            "data:/x:ro:y",
            ":/x",
            "data:/a/../b",
        ] {
            assert!(mount(text).is_err(), "{text}");
        }
    }
}
