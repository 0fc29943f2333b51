//! Puts the modules that each batch asks for into load order, dependencies first. Pure.

use std::collections::BTreeSet;

use super::modinfo::ModuleInfo;

/// Where modules are looked up.
pub trait Modules {
    /// What the module of this (normalized) name depends on, or that it is built in, or absent.
    ///
    /// # Errors
    /// When the module's file cannot be read.
    fn look_up(&mut self, name: &str) -> anyhow::Result<Found>;

    /// The modules that bring what no module is named after, such as `crc32c`, on any processor.
    ///
    /// # Errors
    /// When a module's file cannot be read.
    fn providers(&mut self, algorithm: &str) -> anyhow::Result<Vec<String>>;
}

/// What a kernel has under a module's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A loadable module.
    Module(ModuleInfo),
    /// Part of the kernel itself.
    BuiltIn,
    /// Nothing.
    Absent,
}

/// A module that a batch asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether a kernel without it is of no use.
    pub required: bool,
}

/// The load order of each batch. A module is in the first batch that needs it, and only there.
///
/// # Errors
/// When a required module, or a dependency of one, is in neither the kernel nor its modules.
pub fn order(
    batches: &[&[Wanted<'_>]],
    modules: &mut dyn Modules,
) -> anyhow::Result<Vec<Vec<String>>> {
    let mut seen = BTreeSet::new();
    let mut result = Vec::new();
    for batch in batches {
        let mut list = Vec::new();
        for wanted in *batch {
            let name = super::modinfo::normalize(wanted.name);
            match visit(&name, modules, &mut seen, &mut list)? {
                Visited::Absent if wanted.required => {
                    anyhow::bail!("the kernel has no module {}", wanted.name)
                }
                Visited::Absent | Visited::Ready => {}
            }
        }
        result.push(list);
    }
    Ok(result)
}

enum Visited {
    Ready,
    Absent,
}

fn visit(
    name: &str,
    modules: &mut dyn Modules,
    seen: &mut BTreeSet<String>,
    list: &mut Vec<String>,
) -> anyhow::Result<Visited> {
    if seen.contains(name) {
        return Ok(Visited::Ready);
    }
    let info = match modules.look_up(name)? {
        Found::BuiltIn => return Ok(Visited::Ready),
        Found::Absent => return Ok(Visited::Absent),
        Found::Module(info) => info,
    };
    seen.insert(name.to_owned());
    for dependency in &info.soft_pre {
        // A soft dependency that is not there is passed over, and may be an alias (modprobe.d(5)).
        if matches!(visit(dependency, modules, seen, list)?, Visited::Absent) {
            for provider in modules.providers(dependency)? {
                visit(&provider, modules, seen, list)?;
            }
        }
    }
    for dependency in &info.depends {
        if matches!(visit(dependency, modules, seen, list)?, Visited::Absent) {
            anyhow::bail!("module {name} depends on {dependency}, which the kernel does not have");
        }
    }
    list.push(name.to_owned());
    Ok(Visited::Ready)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Sample(BTreeMap<&'static str, (Vec<&'static str>, Vec<&'static str>)>);

    impl Modules for Sample {
        fn look_up(&mut self, name: &str) -> anyhow::Result<Found> {
            if name == "ext4" {
                return Ok(Found::BuiltIn);
            }
            let owned = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect();
            Ok(self.0.get(name).map_or(Found::Absent, |(depends, soft)| {
                Found::Module(ModuleInfo {
                    name: name.to_owned(),
                    depends: owned(depends),
                    soft_pre: owned(soft),
                    alias: Vec::new(),
                })
            }))
        }

        fn providers(&mut self, algorithm: &str) -> anyhow::Result<Vec<String>> {
            let known = algorithm == "crc32c";
            Ok(known
                .then(|| "crc32c_generic".to_owned())
                .into_iter()
                .collect())
        }
    }

    fn sample() -> Sample {
        Sample(BTreeMap::from([
            ("virtio_blk", (vec!["virtio", "virtio_ring"], vec![])),
            ("virtio", (vec![], vec![])),
            ("virtio_ring", (vec!["virtio"], vec![])),
            (
                "virtio_net",
                (vec!["virtio", "net_failover"], vec!["no_such"]),
            ),
            ("net_failover", (vec![], vec!["failover"])),
            ("failover", (vec![], vec![])),
            ("broken", (vec!["gone"], vec![])),
            ("libcrc32c", (vec![], vec!["crc32c"])),
            ("crc32c_generic", (vec![], vec![])),
        ]))
    }

    const fn required(name: &'static str) -> Wanted<'static> {
        Wanted {
            name,
            required: true,
        }
    }

    #[test]
    fn dependencies_come_first_and_once_over_all_batches() {
        let boot = [required("virtio-blk"), required("ext4")];
        let network = [
            required("virtio_net"),
            Wanted {
                name: "absent",
                required: false,
            },
        ];
        let found = order(&[&boot, &network], &mut sample()).unwrap();
        assert_eq!(found[0], ["virtio", "virtio_ring", "virtio_blk"]);
        assert_eq!(found[1], ["failover", "net_failover", "virtio_net"]);
    }

    #[test]
    fn what_a_soft_dependency_is_an_alias_of_comes_first() {
        let found = order(&[&[required("libcrc32c")]], &mut sample()).unwrap();
        assert_eq!(found[0], ["crc32c_generic", "libcrc32c"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = order(&[&[required("gone")]], &mut sample()).unwrap_err();
        assert_eq!(error.to_string(), "the kernel has no module gone");
        let error = order(&[&[required("broken")]], &mut sample()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "module broken depends on gone, which the kernel does not have"
        );
    }
}
