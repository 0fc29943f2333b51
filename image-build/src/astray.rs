//! What was probably meant where there is no machine, or no manifest.

use std::fs;
use std::path::Path;

use orlop_config::nearest;

/// The names that Compose looks for.
const COMPOSE: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// What to say of a machine's folder that is not there.
pub(crate) fn no_such_folder(path: &Path) -> String {
    let shown = path.display();
    let within = |folder: &&Path| *folder != Path::new("") && is_machine(folder);
    if let Some(machine) = path.ancestors().skip(1).find(within) {
        let machine = machine.display();
        return format!("{shown}: no such folder; the machine is {machine}, name that");
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let machines = machines_in(parent);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&name, machines.iter().map(String::as_str)) {
        Some(near) => format!(
            "{shown}: no such folder; did you mean {}?",
            path.with_file_name(near).display()
        ),
        // Perhaps a disk image.
        None if path.extension().is_some() => format!("{shown}: no such file or folder"),
        None => format!("{shown}: no such folder; `orlop new {shown}` makes a machine there"),
    }
}

/// Whether a folder is a machine's.
pub(crate) fn is_machine(folder: &Path) -> bool {
    folder.join("system.toml").exists() || folder.join("services").exists()
}

/// What to say of what is there (its whole path, links followed) and is no machine's folder.
pub(crate) fn no_machine(path: &Path) -> String {
    let shown = path.display();
    if let Some(machine) = path.ancestors().skip(1).find(|folder| is_machine(folder)) {
        let machine = machine.display();
        return format!("{shown}: only a part of a machine; name its folder, {machine}");
    }
    if !path.is_dir() {
        return format!("{shown}: no folder; a machine is one, and `orlop new DIR` makes one");
    }
    if let [machine] = machines_in(path).as_slice() {
        return format!("{shown}: no machine here, but in {machine}; name that folder");
    }
    let compose = match COMPOSE.iter().find(|name| path.join(name).is_file()) {
        Some(name) => format!("; Orlop reads no {name}"),
        None => String::new(),
    };
    format!(
        "{shown}: no machine here (neither system.toml nor services/){compose}; `orlop new DIR` makes one"
    )
}

/// The file of a service's folder without `service.toml` that stands for it, if any.
pub(crate) fn instead_of_manifest(folder: &Path) -> Option<String> {
    let names = names(folder);
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let others = COMPOSE.into_iter().chain(["Dockerfile", "Containerfile"]);
    let near = |name: &&String| {
        let name = name.to_lowercase();
        name.ends_with(".toml") || nearest(&name, ["service.toml"]).is_some()
    };
    let misnamed = names.iter().find(near).cloned();
    misnamed.or_else(|| others.into_iter().find(|name| has(name)).map(str::to_owned))
}

/// Files beside the services' folders that were probably meant as services, as name and ending.
pub(crate) fn services_without_folder(services: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in names(services) {
        let Some((name, ending)) = file.rsplit_once('.') else {
            continue;
        };
        // What is hidden, such as .taplo.toml, is an editor's.
        let manifest = ["toml", "yml", "yaml"].contains(&ending) && !name.starts_with('.');
        let manifest = manifest && !name.is_empty();
        if manifest && services.join(&file).is_file() && !services.join(name).is_dir() {
            found.push((name.to_owned(), ending.to_owned()));
        }
    }
    found
}

/// The machines directly in a folder.
fn machines_in(folder: &Path) -> Vec<String> {
    let mut names = names(folder);
    names.retain(|name| is_machine(&folder.join(name)));
    names
}

/// What is in a folder, sorted; nothing when that cannot be told, for it is only asked to advise.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("shop/services/web")).unwrap();
        fs::create_dir_all(at("project")).unwrap();
        fs::write(at("project/compose.yaml"), "").unwrap();
        fs::write(at("note"), "").unwrap();

        let near = format!("did you mean {}?", at("shop").display());
        assert!(no_such_folder(&at("shp")).ends_with(&near));
        assert!(
            no_such_folder(Path::new("nosuch"))
                .ends_with("`orlop new nosuch` makes a machine there")
        );
        assert!(no_machine(&at("shop/services/web")).contains("name its folder, "));
        assert!(no_machine(folder.path()).ends_with("in shop; name that folder"));
        assert!(no_machine(&at("project")).contains("; Orlop reads no compose.yaml; "));
        assert!(no_machine(&at("note")).contains("no folder"));
    }

    #[test]
    fn a_manifest_by_another_name_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let said = || instead_of_manifest(folder.path());
        assert_eq!(said(), None);
        for (name, found) in [
            ("readme", None),
            ("Dockerfile", Some("Dockerfile")),
            ("compose.yml", Some("compose.yml")),
            ("services.tml", Some("services.tml")),
            ("Service.toml", Some("Service.toml")),
        ] {
            fs::write(folder.path().join(name), "").unwrap();
            assert_eq!(said().as_deref(), found);
        }
        fs::write(folder.path().join("db.yml"), "").unwrap();
        fs::write(folder.path().join(".taplo.toml"), "").unwrap();
        let strays = services_without_folder(folder.path());
        assert!(!strays.iter().any(|(name, _)| name == ".taplo"));
        assert!(strays.contains(&("db".to_owned(), "yml".to_owned())));
    }
}
