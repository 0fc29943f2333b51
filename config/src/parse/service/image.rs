//! `image`: a name that a build makes, never a registry's.

use crate::tree::{Fields, Findings, Place, quoted, shown};
use crate::{ImageName, ServiceName};

/// Docker's names of well-known images whose Debian package is called otherwise.
const PACKAGES: &[(&str, &str)] = &[
    ("alpine", "busybox-static"),
    ("busybox", "busybox-static"),
    ("debian", "dash"),
    ("httpd", "apache2"),
    ("mariadb", "mariadb-server"),
    ("mysql", "mariadb-server"),
    ("nginx", "nginx-light"),
    ("node", "nodejs"),
    ("php", "php-cli"),
    ("postgres", "postgresql"),
    ("python", "python3"),
    ("rabbitmq", "rabbitmq-server"),
    ("redis", "redis-server"),
    ("ubuntu", "dash"),
];

/// The image that the service runs, and where it says so.
pub(super) fn image(
    service: &ServiceName,
    fields: &Fields<'_>,
    whole: bool,
    head: &Place,
    findings: &mut Findings<'_>,
) -> Option<(ImageName, Place)> {
    let Some(node) = fields.get("image") else {
        if let Some(place) = fields.place("build") {
            return Some((ImageName::new(service.as_str())?, place.clone()));
        }
        if whole && !fields.meant(&["image", "build"]) {
            let place = Place {
                span: head.span.clone(),
                key: "image".to_owned(),
            };
            let package = shown(service.as_str());
            findings.error(
                &place,
                format!("is missing, and so is build; write image = \"name\" for one that exists, or {}", make(&package)),
            );
        }
        return None;
    };
    let text = node.string(findings)?;
    if text.contains(['/', ':', '@']) {
        let name = last_component(text);
        let instead = match fields.get("build") {
            Some(_) => format!("image = {}", quoted(name)),
            None => make(name),
        };
        node.error(
            findings,
            format!("{} is on a registry, and images are built here, never pulled; write {instead} instead", quoted(text)),
        );
        return None;
    }
    let name = ImageName::new(text);
    if name.is_none() {
        node.error(
            findings,
            format!(
                "{} is no image's name; write small letters, digits, - _ and . only, at most 63",
                quoted(text)
            ),
        );
    }
    Some((name?, node.place.clone()))
}

/// The build that makes an image of a package of that name.
pub(crate) fn make(name: &str) -> String {
    let package = PACKAGES.iter().find(|(image, _)| *image == name);
    let package = package.map_or(name, |(_, package)| package);
    format!("build = {{ debian = [{}] }}", quoted(package))
}

/// `registry.example:5000/library/nginx:1.25@sha256:…` → `nginx`.
fn last_component(reference: &str) -> &str {
    let untagged = reference.split('@').next().unwrap_or("");
    let last = untagged
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or("");
    match last.split(':').next() {
        Some(name) if !name.is_empty() => name,
        _ => "package",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_is_the_guess() {
        for (reference, name) in [
            ("nginx:1.25", "nginx"),
            ("registry.example:5000/library/nginx", "nginx"),
            ("a/b/c:tag@sha256:0123", "c"),
            ("redis@sha256:0123", "redis"),
            (":", "package"),
            ("/", "package"),
        ] {
            assert_eq!(last_component(reference), name, "{reference}");
        }
    }
}
