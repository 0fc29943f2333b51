//! Build script: embeds the catalogue's folders (`services/<name>/`, those with a `service.toml`)
//! into the tool, so that `orlop new` needs nothing but the one executable.
#![expect(
    clippy::print_stdout,
    reason = "cargo reads a build script's instructions from its output"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../services");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut code = String::from("&[\n");
    let mut services: Vec<PathBuf> = children(&root)?;
    services.retain(|folder| folder.join("service.toml").is_file());
    for service in &services {
        println!("cargo::rerun-if-changed={}", service.display());
        embed(&root, service, &mut code)?;
    }
    code.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("catalogue.rs");
    fs::write(out, code)
}

/// One `(path below services/, content)` line for each file, in sorted order.
fn embed(root: &Path, folder: &Path, code: &mut String) -> io::Result<()> {
    for path in children(folder)? {
        if path.is_dir() {
            embed(root, &path, code)?;
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        let absolute = path.canonicalize()?;
        println!("cargo::rerun-if-changed={}", absolute.display());
        let _ = writeln!(
            code,
            "(r#\"{}\"#, include_bytes!(r#\"{}\"#) as &[u8]),",
            name.display(),
            absolute.display()
        );
    }
    Ok(())
}

fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}
