//! An image as it lies in the system: a tree, and who its users are.

use std::fs;
use std::path::{Path, PathBuf};

use orlop_config::Service;

use crate::stages::load_config::IMAGES_ROOT;

/// An image of the system, read-only.
#[derive(Debug)]
pub(super) struct Image {
    /// The tree's root.
    pub(super) rootfs: PathBuf,
    /// Its /etc/passwd, empty without one.
    pub(super) passwd: String,
    /// Its /etc/group, empty without one.
    pub(super) group: String,
}

impl Image {
    /// Finds the image that a service names.
    ///
    /// # Errors
    /// When the system has none of that name.
    pub(super) fn load(service: &Service) -> Result<Self, String> {
        let name = service.image.as_str();
        let rootfs = Path::new(IMAGES_ROOT).join(name);
        if !rootfs.is_dir() {
            return Err(format!(
                "image \"{name}\" is not in this system image (add a build for it and run `orlop build`)"
            ));
        }
        let text = |file: &str| fs::read_to_string(rootfs.join(file)).unwrap_or_default();
        Ok(Self {
            passwd: text("etc/passwd"),
            group: text("etc/group"),
            rootfs,
        })
    }
}
