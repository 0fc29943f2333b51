//! The keys of `build`.

use super::{Section, Shape, Table, form, key, not_yet, table};
use crate::PROGRAMS;

pub(super) const BUILD: Table = table!(&[
    key(
        "debian",
        Shape::List(&Shape::Text(&form::PACKAGE)),
        "empty",
        "Debian packages, with all that they depend on.",
        "debian = [\"nginx-light\"]",
    ),
    key(
        "suite",
        Shape::Text(&form::SUITE),
        "`bookworm`",
        "The Debian suite that the packages are from.",
        "suite = \"bookworm\"",
    ),
    key(
        "files",
        Shape::Named(&form::SOURCE, &Shape::Text(&form::PATH)),
        "empty",
        "Files and folders of the service's folder that go into the image.",
        "files = { \"app.conf\" = \"/etc/app.conf\" }",
    ),
    key(
        "programs",
        Shape::List(&Shape::Choice(&PROGRAMS)),
        "empty",
        "First-party programs, each of which becomes `/usr/bin/<name>`.",
        "programs = [\"orlop\"]",
    ),
    key(
        "users",
        Shape::Named(&form::ACCOUNT, &Shape::Table(Section::BuildUser)),
        "empty",
        "Users (with a group of the same name and id) that the image gets.",
        "users = { app = { uid = 100, home = \"/var/lib/app\" } }",
    ),
    key(
        "directories",
        Shape::Named(&form::PATH, &Shape::Text(&form::OWNER)),
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
        Shape::Whole(1, 65534),
        "–",
        "The user's id, and the id of the group of the same name.",
        "uid = 100",
    ),
    key(
        "home",
        Shape::Text(&form::PATH),
        "`/nonexistent`",
        "The home directory; not created by this.",
        "home = \"/var/lib/app\"",
    ),
    key(
        "shell",
        Shape::Text(&form::PATH),
        "`/usr/sbin/nologin`",
        "The login shell.",
        "shell = \"/usr/sbin/nologin\"",
    ),
]);
