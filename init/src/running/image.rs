//! An image as it lies in the system: a tree, and who its users are.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use orlop_config::Service;
use orlop_container::user::{self, User};

use super::Unit;
use crate::stage::chain;
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

/// Where a service's files are, and who it runs as. The system is read-only: it is found once.
#[derive(Debug)]
pub(super) struct Place {
    /// The root of the image's tree.
    pub(super) rootfs: PathBuf,
    /// The manifest's `user`.
    pub(super) user: User,
}

impl Unit {
    /// The service's place.
    ///
    /// # Errors
    /// When the system has no such image, or the image no such user.
    pub(super) fn place(&self) -> Result<Rc<Place>, String> {
        if let Some(place) = &self.held().place {
            return Ok(place.clone());
        }
        let image = Image::load(&self.service)?;
        let user = user::resolve(&self.service.user, &image.passwd, &image.group)
            .map_err(|error| chain(&error))?;
        let place = Rc::new(Place {
            rootfs: image.rootfs,
            user,
        });
        self.held_mut().place = Some(place.clone());
        Ok(place)
    }
}
