//! Names that one file uses and another one declares: images, services, volumes.

use std::collections::{BTreeMap, BTreeSet};

use super::Files;
use crate::nearest::nearest;
use crate::parse::{MachineDraft, build_for};
use crate::tree::quoted;
use crate::{ImageName, ServiceName};

/// Every `image` must be made by some build, and by one only.
pub(super) fn check_images(files: &mut Files<'_>, existing: &BTreeSet<String>) {
    let mut made: BTreeMap<ImageName, ServiceName> = BTreeMap::new();
    for (name, file) in files.iter_mut() {
        let Some((image, place)) = file.draft.image.as_ref().filter(|_| file.draft.builds) else {
            continue;
        };
        match made.get(image) {
            Some(other) => file.findings.error(
                place,
                format!(
                    "the image {} is built by the service {} too; write image = {} here, or leave build to one of the two",
                    quoted(image.as_str()), quoted(other.as_str()), quoted(name.as_str()),
                ),
            ),
            None => {
                made.insert(image.clone(), name.clone());
            }
        }
    }
    for file in files.values_mut().filter(|file| !file.draft.builds) {
        let Some((image, place)) = &file.draft.image else {
            continue;
        };
        if made.contains_key(image) || existing.contains(image.as_str()) {
            continue;
        }
        let known = made
            .keys()
            .map(ImageName::as_str)
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

/// Every dependency must be a service's folder; one that is not required may be missing.
pub(super) fn check_dependencies<'n>(
    files: &mut Files<'_>,
    misnamed: impl Iterator<Item = &'n str>,
) {
    let known: BTreeSet<String> = files
        .keys()
        .map(ServiceName::to_string)
        .chain(misnamed.map(str::to_owned))
        .collect();
    for (name, file) in files.iter_mut() {
        for (needed, how, place) in &file.draft.depends_on {
            if known.contains(needed.as_str()) {
                continue;
            }
            let others = known
                .iter()
                .map(String::as_str)
                .filter(|other| *other != name.as_str());
            let instead = match nearest(needed.as_str(), others) {
                Some(near) => format!("write {}", quoted(near)),
                None => "remove it, or make a folder of that name below services/".to_owned(),
            };
            let message = format!("there is no service {}; {instead}", quoted(needed.as_str()));
            if how.required {
                file.findings.error(place, message);
            } else {
                file.findings.warning(place, message);
            }
        }
    }
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
            let instead = match nearest(
                volume.as_str(),
                declared.iter().map(crate::VolumeName::as_str),
            ) {
                Some(near) => format!(
                    "write {}, or [volumes.{volume}] in system.toml",
                    quoted(near)
                ),
                None => format!("write [volumes.{volume}] in system.toml"),
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
