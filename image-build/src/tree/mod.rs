//! A file tree in memory: names, kinds, modes and owners, with content by reference.
//!
//! Every image is one, and so are the system and the initramfs. Nothing is staged on the disk, so
//! that ownership needs neither root nor fakeroot.

mod blob;
mod node;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use blob::{Blob, HashWriter};
pub use node::{Kind, Node};

/// A path cannot be put into the tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// `..`, an empty or an overlong component: a package that tries to leave its root.
    #[error("{path}: not a path inside the image")]
    Escapes {
        /// The path as given.
        path: PathBuf,
    },
    /// The path, or one above it, goes through too many symbolic links.
    #[error("{path}: too many symbolic links")]
    Loop {
        /// The path as given.
        path: PathBuf,
    },
    /// Something above the path is a file.
    #[error("{path}: {above} is not a directory")]
    NotDirectory {
        /// The path as given.
        path: PathBuf,
        /// The component in the way.
        above: String,
    },
}

/// Names relative to the tree's root, without a leading slash, to nodes; `""` is the root itself.
///
/// Invariant: each name's parent is in the tree, and is a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(String::new(), Node::directory(0o755))]),
        }
    }
}

impl Tree {
    /// Every name with its node, in byte order of the names; the root first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// The node at a name that is written without symbolic links.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name.trim_start_matches('/'))
    }

    /// The node that a path leads to, symbolic links followed inside the tree.
    #[must_use]
    pub fn follow(&self, path: &str) -> Option<&Node> {
        let name = self.resolve(path, true).ok()?;
        self.nodes.get(&name)
    }

    /// Puts a node at a path. Symbolic links above it are followed inside the tree (so `bin/sh`
    /// lands in `usr/bin` once `bin` is a link); missing directories are made; a directory over a
    /// directory keeps the children and takes the new mode and owner. A symbolic link over a
    /// directory that has something in it is passed over, as dpkg does.
    ///
    /// # Errors
    /// When the path leaves the tree or runs into a file.
    pub fn insert(&mut self, path: &str, node: Node) -> Result<(), TreeError> {
        let follow_last = node.is_directory();
        let name = self.resolve(path, follow_last)?;
        self.make_parents(path, &name)?;
        if name.is_empty() && !node.is_directory() {
            return Err(TreeError::Escapes { path: path.into() });
        }
        let directory_is_there = self.nodes.get(&name).is_some_and(Node::is_directory);
        if directory_is_there && !node.is_directory() && self.has_children(&name) {
            return Ok(());
        }
        self.nodes.insert(name, node);
        Ok(())
    }

    /// Makes a directory (mode 0755, root's) and those above it where nothing is yet.
    ///
    /// # Errors
    /// When the path leaves the tree or runs into a file.
    pub fn make_directory(&mut self, path: &str) -> Result<(), TreeError> {
        let name = self.resolve(path, true)?;
        self.make_parents(path, &name)?;
        self.nodes
            .entry(name)
            .or_insert_with(|| Node::directory(0o755));
        Ok(())
    }

    /// Puts a whole tree below a path.
    ///
    /// # Errors
    /// As [`Tree::insert`].
    pub fn graft(&mut self, path: &str, other: Tree) -> Result<(), TreeError> {
        let prefix = self.resolve(path, true)?;
        self.make_parents(path, &prefix)?;
        for (name, node) in other.nodes {
            let full = match (prefix.as_str(), name.as_str()) {
                ("", _) => name,
                (_, "") => prefix.clone(),
                _ => format!("{prefix}/{name}"),
            };
            self.nodes.insert(full, node);
        }
        Ok(())
    }

    /// What is at a name and below it, as a tree of its own; `None` when nothing is there or it is
    /// no directory.
    #[must_use]
    pub fn subtree(&self, name: &str) -> Option<Tree> {
        let name = name.trim_start_matches('/');
        let root = self.nodes.get(name).filter(|node| node.is_directory())?;
        let mut nodes = BTreeMap::from([(String::new(), root.clone())]);
        let below = if name.is_empty() {
            String::new()
        } else {
            format!("{name}/")
        };
        for (key, node) in &self.nodes {
            if let Some(rest) = key.strip_prefix(&below).filter(|rest| !rest.is_empty()) {
                nodes.insert(rest.to_owned(), node.clone());
            }
        }
        Some(Tree { nodes })
    }

    /// Takes out a name and all below it.
    pub fn remove(&mut self, name: &str) {
        let name = name.trim_start_matches('/');
        let below = format!("{name}/");
        self.nodes
            .retain(|key, _| key != name && !key.starts_with(&below));
    }

    /// Changes the node at a path, symbolic links followed; false when nothing is there.
    pub fn update(&mut self, path: &str, change: impl FnOnce(&mut Node)) -> bool {
        let Ok(name) = self.resolve(path, true) else {
            return false;
        };
        match self.nodes.get_mut(&name) {
            Some(node) => {
                change(node);
                true
            }
            None => false,
        }
    }

    fn has_children(&self, name: &str) -> bool {
        let below = format!("{name}/");
        self.nodes
            .range(below.clone()..)
            .next()
            .is_some_and(|(key, _)| key.starts_with(&below))
    }

    fn make_parents(&mut self, path: &str, name: &str) -> Result<(), TreeError> {
        for (at, _) in name.match_indices('/') {
            let parent = name.get(..at).unwrap_or_default();
            match self.nodes.get(parent) {
                None => {
                    self.nodes.insert(parent.to_owned(), Node::directory(0o755));
                }
                Some(node) if node.is_directory() => {}
                Some(_) => {
                    return Err(TreeError::NotDirectory {
                        path: path.into(),
                        above: parent.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The name that a path leads to: absolute link targets start at the tree's root.
    fn resolve(&self, path: &str, follow_last: bool) -> Result<String, TreeError> {
        let escapes = || TreeError::Escapes { path: path.into() };
        let mut pending: Vec<String> = components(path).rev().map(str::to_owned).collect();
        if pending.iter().any(|part| part == "..") {
            return Err(escapes());
        }
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            if part.len() > 255 || part.contains('\0') {
                return Err(escapes());
            }
            done.push(part);
            let target = match self.nodes.get(&done.join("/")) {
                Some(Node {
                    kind: Kind::Symlink(target),
                    ..
                }) if follow_last || !pending.is_empty() => target,
                _ => continue,
            };
            links += 1;
            if links > 40 {
                return Err(TreeError::Loop { path: path.into() });
            }
            if target.starts_with('/') {
                done.clear();
            } else {
                done.pop();
            }
            pending.extend(components(target).rev().map(str::to_owned));
        }
        Ok(done.join("/"))
    }
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &str) -> Node {
        Node::file(Blob::from_bytes(bytes.as_bytes()), 0o644)
    }

    #[test]
    fn a_path_through_a_link_lands_where_the_link_points() {
        let mut tree = Tree::default();
        tree.insert("bin", Node::symlink("usr/bin")).unwrap();
        tree.insert("./bin/sh", text("sh")).unwrap();
        assert_eq!(tree.get("usr/bin/sh"), Some(&text("sh")));
        assert_eq!(tree.follow("/bin/sh"), Some(&text("sh")));
        // A package that ships the directory /bin must not replace the link.
        tree.insert("bin", Node::directory(0o755)).unwrap();
        assert!(matches!(tree.get("bin").unwrap().kind, Kind::Symlink(_)));
    }

    #[test]
    fn a_path_that_leaves_the_tree_is_refused() {
        let mut tree = Tree::default();
        for path in ["../etc/passwd", "a/../../b", "/.."] {
            let error = tree.insert(path, text("x")).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{path}: not a path inside the image")
            );
        }
    }

    #[test]
    fn a_link_target_cannot_lead_out() {
        let mut tree = Tree::default();
        tree.insert("out", Node::symlink("../../../tmp")).unwrap();
        tree.insert("out/file", text("x")).unwrap();
        assert_eq!(tree.get("tmp/file"), Some(&text("x")));
        tree.insert("loop", Node::symlink("loop")).unwrap();
        let error = tree.insert("loop/file", text("x")).unwrap_err();
        assert_eq!(error.to_string(), "loop/file: too many symbolic links");
    }

    #[test]
    fn a_file_is_no_directory() {
        let mut tree = Tree::default();
        tree.insert("etc/x", text("x")).unwrap();
        let error = tree.insert("etc/x/y", text("x")).unwrap_err();
        assert_eq!(error.to_string(), "etc/x/y: etc/x is not a directory");
    }

    #[test]
    fn a_directory_again_keeps_its_children() {
        let mut tree = Tree::default();
        tree.insert("var/lib/x", text("x")).unwrap();
        tree.insert("var/lib", Node::directory(0o700)).unwrap();
        assert_eq!(tree.get("var/lib").unwrap().mode, 0o700);
        assert!(tree.get("var/lib/x").is_some());
        tree.remove("var");
        assert_eq!(tree.iter().count(), 1);
    }
}
