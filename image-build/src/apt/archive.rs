//! Where the host's apt gets Debian from, and what that means for the suite asked for.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};

use super::stanza;

/// Codenames and moving names of Debian's suites: what a source of the host's may be named.
const DEBIAN_SUITES: [&str; 11] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// All of Debian's releases are signed by a key in here; a host's own entry may name the keyring of
/// its own release only.
const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One source of packages, to be written for our own apt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSource {
    /// The repository.
    pub uri: String,
    /// Such as `trixie-security`.
    pub suite: String,
    /// Such as `main`, sorted.
    pub components: Vec<String>,
    /// `Signed-By` as the host has it; the host's trusted keyrings when empty.
    pub signed_by: String,
}

/// What of the output of `apt-get indextargets` serves `suite`: each Debian repository of the
/// host's under the asked suite's name, with updates and security where the host has them.
///
/// # Errors
/// When the host's apt knows no Debian archive.
pub fn sources_for(suite: &str, indextargets: &str) -> Result<Vec<ArchiveSource>> {
    let mut found: BTreeMap<(u8, String, String), ArchiveSource> = BTreeMap::new();
    for target in stanza::parse(indextargets) {
        let field = |name: &str| target.get(name).cloned().unwrap_or_default();
        if field("Created-By") != "Packages" || !matches!(field("Origin").as_str(), "" | "Debian") {
            continue;
        }
        let release = field("Release");
        let Some((rank, host_suite, part)) = split_release(&release) else {
            continue;
        };
        let suite_here = format!("{suite}{part}");
        let uri = field("Repo-URI");
        if uri.starts_with("cdrom:") {
            // The installer's disc, which nobody will put in.
            continue;
        }
        let source = found
            .entry((rank, uri.clone(), suite_here.clone()))
            .or_insert_with(|| ArchiveSource {
                uri,
                suite: suite_here,
                components: Vec::new(),
                signed_by: keyring(&field("Signed-By"), host_suite == suite),
            });
        let component = field("Component");
        if !source.components.contains(&component) {
            source.components.push(component);
            source.components.sort();
        }
    }
    let mut sources: Vec<ArchiveSource> = found.into_values().collect();
    // A third party that names its suites as Debian does has no component `main` of Debian's.
    sources.retain(|source| source.components.iter().any(|name| name == "main"));
    if !sources.iter().any(|source| source.suite == suite) {
        bail!(
            "the host's apt knows no Debian archive; \
             add one to /etc/apt/sources.list.d (sources.list(5)) and run apt-get update"
        );
    }
    Ok(sources)
}

/// `bookworm-security` → rank in our list, `bookworm`, `-security`.
fn split_release(release: &str) -> Option<(u8, &str, &str)> {
    let base = DEBIAN_SUITES.into_iter().find(|suite| {
        release
            .strip_prefix(suite)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']))
    })?;
    let rest = release.strip_prefix(base)?;
    match rest {
        "" => Some((0, base, "")),
        "-updates" => Some((1, base, rest)),
        "-security" | "/updates" => Some((2, base, "-security")),
        _ => None,
    }
}

fn keyring(signed_by: &str, same_suite: bool) -> String {
    if !same_suite && Path::new(DEBIAN_KEYRING).is_file() {
        DEBIAN_KEYRING.to_owned()
    } else {
        signed_by.to_owned()
    }
}

/// The text of a deb822 `.sources` file (sources.list(5)).
#[must_use]
pub fn sources_text(sources: &[ArchiveSource]) -> String {
    let mut text = String::new();
    for source in sources {
        let ArchiveSource {
            uri,
            suite,
            components,
            signed_by,
        } = source;
        text += &format!(
            "Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: {}\n",
            components.join(" ")
        );
        if !signed_by.is_empty() {
            text += &format!("Signed-By: {signed_by}\n");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(release: &str, origin: &str, component: &str, signed_by: &str) -> String {
        format!(
            "MetaKey: x\nCreated-By: Packages\nOrigin: {origin}\nRelease: {release}\n\
             Repo-URI: http://mirror.test/{origin}/\nComponent: {component}\nSigned-By: {signed_by}\n\n"
        )
    }

    fn host() -> String {
        [
            target("bookworm", "Debian", "main", "/k.gpg"),
            target("bookworm", "Debian", "contrib", "/k.gpg"),
            target("bookworm-updates", "Debian", "main", "/k.gpg"),
            target("bookworm-security", "Debian", "main", "/k.gpg"),
            target("bookworm-backports", "Debian", "main", "/k.gpg"),
            target("bookworm", "Docker", "stable", "/d.gpg"),
            target("bookworm", "Debian", "main", "").replace("http:", "cdrom:"),
            target("nodistro", "", "main", "/n.gpg"),
        ]
        .concat()
    }

    #[test]
    fn the_hosts_debian_serves_its_own_suite() {
        let sources = sources_for("bookworm", &host()).unwrap();
        let suites: Vec<&str> = sources.iter().map(|source| source.suite.as_str()).collect();
        assert_eq!(
            suites,
            ["bookworm", "bookworm-updates", "bookworm-security"]
        );
        assert_eq!(sources[0].components, ["contrib", "main"]);
        assert_eq!(sources[0].signed_by, "/k.gpg");
        let text = sources_text(&sources[..1]);
        assert_eq!(
            text,
            "Types: deb\nURIs: http://mirror.test/Debian/\nSuites: bookworm\n\
             Components: contrib main\nSigned-By: /k.gpg\n\n"
        );
    }

    #[test]
    fn another_suite_comes_from_the_same_mirror() {
        let sources = sources_for("trixie", &host()).unwrap();
        let suites: Vec<&str> = sources.iter().map(|source| source.suite.as_str()).collect();
        assert_eq!(suites, ["trixie", "trixie-updates", "trixie-security"]);
    }

    #[test]
    fn without_debian_it_says_what_to_do() {
        let error = sources_for("trixie", &target("noble", "Ubuntu", "main", "")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("add one to /etc/apt/sources.list.d"),
            "{error}"
        );
    }
}
