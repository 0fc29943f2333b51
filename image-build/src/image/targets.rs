//! Places for what is mounted at a service's start: the root is read-only, so that they must be
//! there beforehand.

use anyhow::{Context, Result};
use orlop_config::{Service, VolumeSource};

use crate::tree::{Blob, Node, Tree};

/// Files that PID 1 binds for most containers, with what the others find there: who has no network
/// is still told where `localhost` is.
const FILES: [(&str, &str); 3] = [
    (
        "etc/hosts",
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    ),
    ("etc/hostname", ""),
    ("etc/resolv.conf", ""),
];

/// Makes the targets of every service that runs from the image. Each comes with its own folder,
/// which says whether `./x` is a file.
pub(super) fn make(tree: &mut Tree, services: &[(&Service, &Tree)]) -> Result<()> {
    for (name, text) in FILES {
        make_file(tree, name, text)?;
    }
    for (service, folder) in services {
        for volume in &service.volumes {
            let target = path_text(&volume.target)?;
            match &volume.source {
                VolumeSource::Folder(source) if is_file(folder, path_text(source)?) => {
                    make_file(tree, target, "")?;
                }
                VolumeSource::Folder(_) | VolumeSource::Named(_) => tree.make_directory(target)?,
            }
        }
        for tmpfs in &service.tmpfs {
            tree.make_directory(path_text(&tmpfs.target)?)?;
        }
        tree.make_directory(path_text(&service.working_dir)?)?;
        if !service.control.is_empty() {
            make_file(tree, "run/orlop/control.sock", "")?;
        }
    }
    Ok(())
}

fn is_file(folder: &Tree, source: &str) -> bool {
    let source = source.trim_start_matches("./").trim_end_matches('/');
    folder
        .follow(source)
        .is_some_and(|node| !node.is_directory())
}

fn make_file(tree: &mut Tree, path: &str, text: &str) -> Result<()> {
    if tree.follow(path).is_none() {
        // A dangling link would lead the mount elsewhere.
        tree.remove(path);
        tree.insert(
            path,
            Node::file(Blob::from_bytes(text.as_bytes().to_vec()), 0o644),
        )?;
    }
    Ok(())
}

fn path_text(path: &std::path::Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{}: not UTF-8", path.display()))
}
