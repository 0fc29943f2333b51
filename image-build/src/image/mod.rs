//! One image's root file system: packages, programs, files, users, directories.
//!
//! No maintainer script runs. What the scripts of ordinary packages leave behind the builder makes
//! itself: merged `/usr`, base users, the CA bundle, alternatives; what a manifest declares comes
//! on top. A package whose scripts did more is named.

mod alternatives;
mod certificates;
mod scripts;
mod targets;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use orlop_config::{Build, Service};

use crate::lock::{Owner, Pin};
use crate::packages::Packages;
use crate::progress::Progress;
use crate::tree::{Blob, Kind, Node, Tree};

/// What an image is made from.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The image's name.
    pub name: &'a str,
    /// The manifest's `build`.
    pub build: &'a Build,
    /// The folder that `build.files` is relative to.
    pub folder: &'a Tree,
    /// The services that run from it, each with its folder: what they mount needs a place in a
    /// read-only root.
    pub services: Vec<(&'a Service, &'a Tree)>,
}

/// The package that carries Debian's base users.
const BASE_USERS: &str = "base-passwd";

/// Top-level links of a merged `/usr`, and where they lead.
const MERGED: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
];

/// Folders of documentation, translations and the workstation's completions: not carried. The
/// copyright files stay, as the licences ask.
const DROPPED: [&str; 9] = [
    "usr/share/man/",
    "usr/share/info/",
    "usr/share/locale/",
    "usr/share/lintian/",
    "usr/share/linda/",
    "usr/share/bash-completion/",
    "usr/share/doc-base/",
    "usr/share/bug/",
    "usr/share/zsh/",
];

/// Builds the tree; `program` is the multi-call binary, put at each name of `build.programs`.
///
/// # Errors
/// When a package cannot be had, a file of the manifest is missing, or users collide.
pub fn build(
    recipe: &Recipe<'_>,
    program: &Blob,
    packages: &mut Packages,
    progress: Progress,
) -> Result<Tree> {
    let build = recipe.build;
    let mut tree = skeleton()?;
    let pins = resolve(recipe, packages)?;
    packages.fetch(&build.suite, &pins)?;
    let base = extract(&pins, &mut tree, packages, recipe, progress)?;
    let passwd = users::merge(&base, &build.users)
        .with_context(|| format!("image {}: users", recipe.name))?;
    tree.insert("etc/passwd", file(passwd.passwd_text(), 0o644))?;
    tree.insert("etc/group", file(passwd.group_text(), 0o644))?;
    for (path, text) in [
        ("etc/nsswitch.conf", NSSWITCH),
        ("etc/host.conf", HOST_CONF),
    ] {
        if tree.follow(path).is_none() {
            tree.insert(path, file(text.to_owned(), 0o644))?;
        }
    }
    for name in &build.programs {
        tree.insert(
            &format!("usr/bin/{name}"),
            Node::file(program.clone(), 0o755),
        )?;
    }
    copy_files(recipe, &mut tree)?;
    for (path, (user, group, mode)) in &build.directories {
        let node = Node {
            uid: passwd
                .uid(user)
                .with_context(|| format!("{}: no user {user}", path.display()))?,
            gid: passwd
                .gid(group)
                .with_context(|| format!("{}: no group {group}", path.display()))?,
            ..Node::directory(u16::try_from(*mode).unwrap_or(0o755))
        };
        tree.insert(text(path)?, node)?;
    }
    targets::make(&mut tree, &recipe.services)?;
    Ok(tree)
}

/// glibc reads this; there is no other source of names in a container.
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n\
                        networks: files\nprotocols: files\nservices: files\n";

/// Debian's own: without it glibc finds but the first instance of a scaled service in `/etc/hosts`.
const HOST_CONF: &str = "multi on\n";

/// Directories and links that are there before any package.
fn skeleton() -> Result<Tree> {
    let mut tree = Tree::default();
    for (link, target) in MERGED {
        tree.make_directory(target)?;
        tree.insert(link, Node::symlink(target))?;
    }
    for name in [
        "dev", "etc", "proc", "root", "run", "sys", "var/lib", "var/log",
    ] {
        tree.make_directory(name)?;
    }
    tree.insert("root", Node::directory(0o700))?;
    for name in ["tmp", "var/tmp"] {
        tree.insert(name, Node::directory(0o1777))?;
    }
    tree.insert("var/run", Node::symlink("/run"))?;
    tree.insert("var/lock", Node::symlink("/run/lock"))?;
    Ok(tree)
}

/// The closure, and base-passwd beside it.
fn resolve(recipe: &Recipe<'_>, packages: &mut Packages) -> Result<Vec<Pin>> {
    let requested = &recipe.build.debian;
    if requested.is_empty() {
        return Ok(Vec::new());
    }
    packages
        .pinned(
            Owner::Image(recipe.name),
            &recipe.build.suite,
            requested,
            |root| {
                let mut found = root.closure(requested)?;
                if !found.iter().any(|package| package.name == BASE_USERS) {
                    let base = root.closure(&[BASE_USERS.to_owned()])?;
                    found.extend(
                        base.into_iter()
                            .filter(|package| package.name == BASE_USERS),
                    );
                }
                Ok(found)
            },
        )
        .with_context(|| format!("image {}", recipe.name))
}

/// Extracts every package; returns Debian's base users.
fn extract(
    pins: &[Pin],
    tree: &mut Tree,
    packages: &Packages,
    recipe: &Recipe<'_>,
    progress: Progress,
) -> Result<users::BaseUsers> {
    let mut base = users::BaseUsers::minimal();
    let mut choices = alternatives::Choices::default();
    let mut unknown = BTreeMap::new();
    let bar = progress.bar(&format!("image {}", recipe.name), pins.len() as u64);
    for pin in pins {
        bar.advance(1);
        let what = || format!("package {} {}", pin.name, pin.version);
        let deb = packages.open(pin).with_context(what)?;
        if pin.name == BASE_USERS {
            let mut files = Tree::default();
            deb.extract(&mut files, |name| name.starts_with("usr/share/base-passwd"))
                .with_context(what)?;
            base = users::BaseUsers::from_package(&files).with_context(what)?;
            continue;
        }
        deb.extract(tree, wanted).with_context(what)?;
        if let Some(script) = deb.script("postinst").with_context(what)? {
            let mut commands = scripts::unknown_commands(&pin.name, &script, recipe.build);
            if !choices.read(&script) && !scripts::is_known(&pin.name) {
                commands.insert("update-alternatives".to_owned());
            }
            if !commands.is_empty() {
                unknown.insert(pin.name.clone(), commands);
            }
        }
    }
    choices.apply(tree)?;
    link_sh(tree)?;
    warn_of_library_folders(recipe.name, tree, progress);
    certificates::bundle(tree)?;
    warn_of_scripts(recipe.name, &unknown, progress);
    Ok(base)
}

/// Every Debian machine has `/bin/sh`, so that no package depends on it (Policy 3.8); without dash
/// another shell of the image serves.
fn link_sh(tree: &mut Tree) -> Result<()> {
    if tree.follow("usr/bin/sh").is_none() {
        let shell = ["bash", "busybox"]
            .into_iter()
            .find(|name| tree.follow(&format!("usr/bin/{name}")).is_some());
        if let Some(shell) = shell {
            tree.insert("usr/bin/sh", Node::symlink(shell))?;
        }
    }
    Ok(())
}

/// No ld.so.cache is made: Debian's dynamic loader looks into `/usr/lib/x86_64-linux-gnu` by itself.
/// What a package adds to its path by `ld.so.conf.d` (ldconfig(8)) would not be found.
fn warn_of_library_folders(image: &str, tree: &Tree, progress: Progress) {
    for (name, _) in tree.iter() {
        let Some(file) = name.strip_prefix("etc/ld.so.conf.d/") else {
            continue;
        };
        if !matches!(file, "libc.conf" | "x86_64-linux-gnu.conf") {
            progress.warn(&format!(
                "image {image}: the libraries that /{name} names are found only by \
                 environment = {{ LD_LIBRARY_PATH = \"…\" }}"
            ));
        }
    }
}

fn warn_of_scripts(image: &str, unknown: &BTreeMap<String, BTreeSet<String>>, progress: Progress) {
    for (package, commands) in unknown {
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        progress.warn(&format!(
            "image {image}: {package}'s installation script was not run; it calls {}: \
             declare what the service needs of it under build.users, build.directories or build.files",
            commands.join(", ")
        ));
    }
}

/// Whether a package's file is carried.
fn wanted(name: &str) -> bool {
    if let Some(doc) = name.strip_prefix("usr/share/doc/") {
        return doc.ends_with("/copyright");
    }
    let folder = format!("{name}/");
    name != "usr/share/doc" && !DROPPED.iter().any(|dropped| folder.starts_with(dropped))
}

fn copy_files(recipe: &Recipe<'_>, tree: &mut Tree) -> Result<()> {
    for (source, target) in &recipe.build.files {
        let (from, to) = (text(source)?, text(target)?);
        let from = from.trim_start_matches("./").trim_end_matches('/');
        if let Some(folder) = recipe.folder.subtree(from) {
            for (name, node) in folder.iter() {
                tree.insert(&format!("{to}/{name}"), node.clone())?;
            }
        } else if let Some(node) = recipe.folder.get(from) {
            tree.insert(to, node.clone())?;
        } else {
            bail!(
                "image {}: build.files: {from} is not in the service's folder",
                recipe.name
            );
        }
    }
    Ok(())
}

fn file(text: String, mode: u16) -> Node {
    Node::file(Blob::from_bytes(text.into_bytes()), mode)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{}: not UTF-8", path.display()))
}

/// The text of a regular file, links followed.
fn read_text(tree: &Tree, path: &str) -> Result<Option<String>> {
    let Some(Node {
        kind: Kind::File(blob),
        ..
    }) = tree.follow(path)
    else {
        return Ok(None);
    };
    let bytes = blob.read().with_context(|| format!("read {path}"))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
