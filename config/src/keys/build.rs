//! The keys of `build`.

use super::{Table, key, not_yet, table};

pub(super) const BUILD: Table = table!(&[
    key(
        "debian",
        "list of package names",
        "empty",
        "Debian packages, with all that they depend on.",
        "debian = [\"nginx-light\"]",
    ),
    key(
        "suite",
        "text",
        "`bookworm`",
        "The Debian suite that the packages are from.",
        "suite = \"bookworm\"",
    ),
    key(
        "files",
        "table of `\"source\" = \"/path\"`",
        "empty",
        "Files and folders of the service's folder that go into the image.",
        "files = { \"app.conf\" = \"/etc/app.conf\" }",
    ),
    key(
        "programs",
        "list",
        "empty",
        "First-party programs: `dhcp`, `log`, `gateway`, `console`, `orlop`; each becomes `/usr/bin/<name>`.",
        "programs = [\"orlop\"]",
    ),
    key(
        "users",
        "table of users",
        "empty",
        "Users (with a group of the same name and id) that the image gets.",
        "users = { app = { uid = 100, home = \"/var/lib/app\" } }",
    ),
    key(
        "directories",
        "table of `\"/path\" = \"user:group mode\"`",
        "empty",
        "Directories that the image gets, with owner and mode.",
        "directories = { \"/var/lib/app\" = \"app:app 0755\" }",
    ),
    not_yet("context", FROM_PACKAGES),
    not_yet("dockerfile", FROM_PACKAGES),
    not_yet("dockerfile_inline", FROM_PACKAGES),
    not_yet("additional_contexts", FROM_PACKAGES),
    not_yet("args", FROM_PACKAGES),
    not_yet(
        "cache_from",
        "remove it: packages are cached by their checksum",
    ),
    not_yet(
        "cache_to",
        "remove it: packages are cached by their checksum",
    ),
    not_yet("entitlements", "remove it: a build runs nothing"),
    not_yet("extra_hosts", "remove it: a build runs nothing"),
    not_yet("isolation", "remove it: a build runs nothing"),
    not_yet("labels", "remove it, or keep them as # comments"),
    not_yet("network", "remove it: a build runs nothing"),
    not_yet(
        "no_cache",
        "remove it; `orlop build --update` looks for newer packages",
    ),
    not_yet(
        "platforms",
        "remove it: images are for the machine's own architecture",
    ),
    not_yet("privileged", "remove it: a build runs nothing"),
    not_yet(
        "provenance",
        "remove it: orlop.lock records what an image is made of",
    ),
    not_yet(
        "pull",
        "remove it; `orlop build --update` looks for newer packages",
    ),
    not_yet(
        "sbom",
        "remove it: orlop.lock records what an image is made of",
    ),
    not_yet("secrets", "remove it: a build runs nothing"),
    not_yet("shm_size", "remove it: a build runs nothing"),
    not_yet("ssh", "remove it: a build runs nothing"),
    not_yet(
        "tags",
        "remove it, and name the image with the service's key image",
    ),
    not_yet("target", FROM_PACKAGES),
    not_yet("ulimits", "remove it: a build runs nothing"),
]);

const FROM_PACKAGES: &str = "an image is made of packages and files: write debian = [\"nginx-light\"] and files = { \"app.conf\" = \"/etc/app.conf\" }";

pub(super) const BUILD_USER: Table = table!(&[
    key(
        "uid",
        "number, 1 to 65534",
        "–",
        "The user's id, and the id of the group of the same name.",
        "uid = 100",
    ),
    key(
        "home",
        "absolute path",
        "`/nonexistent`",
        "The home directory; not created by this.",
        "home = \"/var/lib/app\"",
    ),
    key(
        "shell",
        "absolute path",
        "`/usr/sbin/nologin`",
        "The login shell.",
        "shell = \"/usr/sbin/nologin\"",
    ),
]);
