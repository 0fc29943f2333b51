//! Names that one file uses and another one declares: images, services, volumes.

use std::collections::BTreeSet;

use super::Files;
use crate::nearest::nearest;
use crate::parse::{MachineDraft, build_for};
use crate::tree::{key_text, quoted};
use crate::{ImageName, ServiceName};

/// Every `image` must be made by some build, and by one only.
pub(super) fn check_images(files: &mut Files<'_>, existing: &BTreeSet<String>) {
    let mut made: Vec<(ImageName, ServiceName)> = Vec::new();
    for (name, file) in files.iter_mut() {
        let Some((image, place)) = file.draft.image.as_ref().filter(|_| file.draft.builds) else {
            continue;
        };
        match made.iter().find(|(other, _)| other == image) {
            Some((_, other)) => file.findings.error(
                place,
                format!(
                    "the image {} is built by the service {} too; write image = {} here, or leave build to one of the two",
                    quoted(image.as_str()), quoted(other.as_str()), quoted(name.as_str()),
                ),
            ),
            None => made.push((image.clone(), name.clone())),
        }
    }
    for file in files.values_mut().filter(|file| !file.draft.builds) {
        let Some((image, place)) = &file.draft.image else {
            continue;
        };
        if made.iter().any(|(other, _)| other == image) || existing.contains(image.as_str()) {
            continue;
        }
        let known = made
            .iter()
            .map(|(image, _)| image.as_str())
            .chain(existing.iter().map(String::as_str));
        let instead = match nearest(image.as_str(), known) {
            Some(near) => format!("write image = {}", quoted(near)),
            None => format!("write {} instead of image", build_for(image.as_str())),
        };
        let image = quoted(image.as_str());
        file.findings.error(
            place,
            format!("there is no image {image}: no build makes one of that name; {instead}"),
        );
    }
}

/// Every dependency, and what `on_failure` starts, must be a service's folder. A dependency that is
/// not required may be missing, and so may what only the order is said of, as in systemd.
pub(super) fn check_services(
    files: &mut Files<'_>,
    known: &BTreeSet<String>,
    catalogue: &BTreeSet<String>,
) {
    let scaled: Vec<ServiceName> = files
        .iter()
        .filter(|(_, file)| file.draft.instances() > 1)
        .map(|(name, _)| name.clone())
        .collect();
    for (name, file) in files.iter_mut() {
        let draft = &file.draft;
        let depends_on = draft.depends_on.iter();
        let depends_on = depends_on.map(|(needed, how, place)| (needed, how.required, place));
        let order = draft
            .order
            .iter()
            .map(|order| (&order.name, false, &order.place));
        let rescue = draft
            .rescue
            .iter()
            .map(|(rescue, place)| (rescue, true, place));
        for (needed, required, place) in depends_on.chain(order).chain(rescue) {
            if known.contains(needed.as_str()) {
                continue;
            }
            let others = known.iter().map(String::as_str);
            let others = others.filter(|other| *other != name.as_str());
            let instead = if let Some(of) = instance_of(needed, &scaled) {
                format!("write {}, which is all of its instances", quoted(of))
            } else if catalogue.contains(needed.as_str()) {
                format!(
                    "put the catalogue's into the machine by `orlop add {needed}`, or write services/{needed}/service.toml"
                )
            } else if let Some(near) = nearest(needed.as_str(), others) {
                format!("write {}", quoted(near))
            } else if let Some(near) =
                nearest(needed.as_str(), catalogue.iter().map(String::as_str))
            {
                format!(
                    "write {}, and put that into the machine by `orlop add {near}`",
                    quoted(near)
                )
            } else {
                format!("remove it, or write services/{needed}/service.toml")
            };
            let message = format!("there is no service {}; {instead}", quoted(needed.as_str()));
            if required {
                file.findings.error(place, message);
            } else {
                file.findings.warning(place, message);
            }
        }
    }
}

/// The scaled service that `web-2` is one of.
fn instance_of<'n>(name: &'n ServiceName, scaled: &[ServiceName]) -> Option<&'n str> {
    let (of, number) = name.as_str().rsplit_once('-')?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    scaled
        .contains(&ServiceName::new(of)?)
        .then_some(of)
        .filter(|_| digits)
}

/// Every named volume must be declared in `system.toml`. When that could not be read throughout,
/// a volume that is used counts as declared: a service keeps its data over a typing error there.
pub(super) fn check_volumes(files: &mut Files<'_>, machine: &mut MachineDraft) {
    let declared = machine.machine.volumes.clone();
    for file in files.values_mut() {
        for (volume, place) in &file.draft.volumes {
            if declared.contains(volume) {
                continue;
            }
            if !machine.volumes_known {
                machine.machine.volumes.insert(volume.clone());
                continue;
            }
            // A dot would begin a table of its own.
            let section = format!("[volumes.{}]", key_text(volume.as_str()));
            let instead = match nearest(
                volume.as_str(),
                declared.iter().map(crate::VolumeName::as_str),
            ) {
                Some(near) => format!("write {}, or {section} in system.toml", quoted(near)),
                None => format!("write {section} in system.toml"),
            };
            file.findings.error(
                place,
                format!(
                    "the volume {} is not declared; {instead}",
                    quoted(volume.as_str())
                ),
            );
        }
    }
}
