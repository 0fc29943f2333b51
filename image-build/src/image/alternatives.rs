//! The alternatives that packages' scripts would have registered (update-alternatives(1)): read
//! from the scripts' text, the highest priority wins.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::tree::{Node, Tree};

/// One name and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alternative {
    link: String,
    name: String,
    path: String,
    priority: i64,
    /// Link, name and path of what follows the choice, such as manual pages.
    slaves: Vec<(String, String, String)>,
}

/// Every registration found, in the order found.
#[derive(Debug, Default)]
pub(super) struct Choices(Vec<Alternative>);

impl Choices {
    /// Reads the registrations in a script; false when one of them could not be understood.
    pub(super) fn read(&mut self, script: &str) -> bool {
        let found = parse(script);
        let before = self.0.len();
        let all = found.len();
        self.0.extend(found.into_iter().flatten());
        self.0.len() == before + all
    }

    /// Makes the links, the higher priority over the lower, the earlier over the later. One whose
    /// program is not carried is passed over.
    pub(super) fn apply(self, tree: &mut Tree) -> Result<()> {
        let mut best: BTreeMap<String, Alternative> = BTreeMap::new();
        for choice in self.0 {
            if tree.follow(&choice.path).is_none() {
                continue;
            }
            let better = best
                .get(&choice.name)
                .is_none_or(|old| choice.priority > old.priority);
            if better {
                best.insert(choice.name.clone(), choice);
            }
        }
        for choice in best.into_values() {
            link(tree, &choice.link, &choice.name, &choice.path)?;
            for (slave, name, path) in &choice.slaves {
                if tree.follow(path).is_some() {
                    link(tree, slave, name, path)?;
                }
            }
        }
        Ok(())
    }
}

fn link(tree: &mut Tree, link: &str, name: &str, path: &str) -> Result<()> {
    let middle = format!("etc/alternatives/{name}");
    tree.insert(&middle, Node::symlink(path))?;
    tree.insert(link, Node::symlink(&format!("/{middle}")))?;
    Ok(())
}

/// The registrations of a shell script: line continuations joined, a plain `for` over words
/// unrolled, anything else with a variable `None`.
fn parse(script: &str) -> Vec<Option<Alternative>> {
    let joined = script.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut loop_over: Option<(&str, Vec<&str>)> = None;
    for line in joined.lines() {
        let line = line.trim();
        if let Some((variable, words)) = line
            .strip_prefix("for ")
            .and_then(|rest| rest.split_once(" in "))
        {
            let words = words.split(';').next().unwrap_or_default();
            loop_over = Some((variable.trim(), words.split_whitespace().collect()));
        } else if line == "done" || line.starts_with("done ") || line.starts_with("done;") {
            loop_over = None;
        }
        let Some((_, arguments)) = line.split_once("update-alternatives") else {
            continue;
        };
        match &loop_over {
            Some((variable, words)) => {
                for word in words {
                    let line = arguments
                        .replace(&format!("${{{variable}}}"), word)
                        .replace(&format!("${variable}"), word);
                    found.extend(registration(&line));
                }
            }
            None => found.extend(registration(arguments)),
        }
    }
    found
}

/// `--install LINK NAME PATH PRIORITY [--slave LINK NAME PATH]…`: `None` when it is no
/// registration, `Some(None)` when it is one that only a shell understands.
fn registration(arguments: &str) -> Option<Option<Alternative>> {
    let at = arguments.find("--install ")?;
    Some(read_registration(arguments.get(at..)?))
}

fn read_registration(arguments: &str) -> Option<Alternative> {
    let words: Vec<String> = arguments
        .split(';')
        .next()?
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']).to_owned())
        .collect();
    if words.iter().any(|word| word.contains(['$', '`'])) {
        return None;
    }
    let mut words = words.into_iter().skip(1);
    let mut alternative = Alternative {
        link: words.next()?,
        name: words.next()?,
        path: words.next()?,
        priority: words.next()?.parse().ok()?,
        slaves: Vec::new(),
    };
    while let Some(word) = words.next() {
        if word == "--slave" {
            alternative
                .slaves
                .push((words.next()?, words.next()?, words.next()?));
        }
    }
    Some(alternative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Blob, Kind};

    /// As in mawk and vim-common.
    const SCRIPT: &str = r#"
case "$1" in
configure)
    update-alternatives --quiet \
        --install /usr/bin/awk awk /usr/bin/mawk 5 \
        --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz \
        --slave /usr/bin/nawk nawk /usr/bin/mawk
    for i in vi view ; do
        update-alternatives --install /usr/bin/$i $i /usr/bin/vim.tiny 15
    done
    update-alternatives --install /usr/bin/x x "$DYNAMIC" 15
    ;;
esac
"#;

    fn program(tree: &mut Tree, path: &str) {
        tree.insert(path, Node::file(Blob::from_bytes(path.as_bytes()), 0o755))
            .unwrap();
    }

    fn leads_to(tree: &Tree, path: &str) -> String {
        match tree.follow(path).map(|node| &node.kind) {
            Some(Kind::File(blob)) => String::from_utf8(blob.read().unwrap()).unwrap(),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn links_are_made_for_what_is_carried() {
        let mut tree = Tree::default();
        program(&mut tree, "usr/bin/mawk");
        program(&mut tree, "usr/bin/vim.tiny");
        let mut choices = Choices::default();
        assert!(!choices.read(SCRIPT), "x was understood");
        choices.apply(&mut tree).unwrap();
        assert_eq!(leads_to(&tree, "usr/bin/awk"), "usr/bin/mawk");
        assert_eq!(leads_to(&tree, "usr/bin/nawk"), "usr/bin/mawk");
        assert_eq!(leads_to(&tree, "usr/bin/view"), "usr/bin/vim.tiny");
        // Its page is not carried, so there is no dangling link.
        assert!(tree.get("usr/share/man/man1/awk.1.gz").is_none());
        assert!(tree.get("usr/bin/x").is_none());
    }

    #[test]
    fn the_higher_priority_wins() {
        let mut tree = Tree::default();
        program(&mut tree, "usr/bin/mawk");
        program(&mut tree, "usr/bin/gawk");
        let mut choices = Choices::default();
        assert!(choices.read("update-alternatives --install /usr/bin/awk awk /usr/bin/gawk 10"));
        choices.read(SCRIPT);
        choices.apply(&mut tree).unwrap();
        assert_eq!(leads_to(&tree, "usr/bin/awk"), "usr/bin/gawk");
    }
}
