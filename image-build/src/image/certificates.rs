//! The CA bundle that `update-ca-certificates` would have written.

use anyhow::{Context, Result};

use crate::tree::{Blob, Kind, Node, Tree};

/// Where ca-certificates keeps its certificates.
const SOURCE: &str = "usr/share/ca-certificates/";
/// What nearly every TLS library of Debian reads.
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Writes the bundle when the package is in the image. OpenSSL's own default name leads to it, so
/// that the folder of hashed links is not needed.
pub(super) fn bundle(tree: &mut Tree) -> Result<()> {
    let mut bundle = Vec::new();
    for (name, node) in tree.iter() {
        if let (true, Kind::File(blob)) = (
            name.starts_with(SOURCE) && name.ends_with(".crt"),
            &node.kind,
        ) {
            bundle.extend(blob.read().with_context(|| format!("read {name}"))?);
            if !bundle.ends_with(b"\n") {
                bundle.push(b'\n');
            }
        }
    }
    if bundle.is_empty() {
        return Ok(());
    }
    tree.insert(BUNDLE, Node::file(Blob::from_bytes(bundle), 0o644))?;
    tree.insert("usr/lib/ssl/cert.pem", Node::symlink(&format!("/{BUNDLE}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_joined_in_the_order_of_their_names() {
        let mut tree = Tree::default();
        bundle(&mut tree).unwrap();
        assert!(tree.get(BUNDLE).is_none());
        for (name, text) in [("b", "B\n"), ("a", "A")] {
            let node = Node::file(Blob::from_bytes(text.as_bytes()), 0o644);
            tree.insert(&format!("{SOURCE}mozilla/{name}.crt"), node)
                .unwrap();
        }
        bundle(&mut tree).unwrap();
        let Kind::File(blob) = &tree.follow("usr/lib/ssl/cert.pem").unwrap().kind else {
            panic!()
        };
        assert_eq!(blob.read().unwrap(), b"A\nB\n");
    }
}
