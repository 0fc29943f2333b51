//! An image as it lies in the system: a tree, and who its users are.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use orlop_config::{Service, UserSpec};
use orlop_container::user::{self, User};
use orlop_sys::memfd;

use super::Unit;
use crate::children;
use crate::reaper::Reaper;
use crate::stage::chain;
use crate::stages::load_config::IMAGES_ROOT;

/// How long the system's disk may take to give two small files.
const READ: Duration = Duration::from_secs(5);

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

/// A user of an image, who may be any of its users, with `added` groups. The system's disk may not answer: a child reads.
///
/// # Errors
/// One fragment, when there is no such user or the image cannot be read.
pub(super) async fn user(
    reaper: &Reaper,
    rootfs: &Path,
    spec: &UserSpec,
    added: &[String],
) -> Result<User, String> {
    let copy = || memfd::growing(c"users").map(File::from);
    let copies = [copy(), copy()].map(|copy| copy.map_err(|errno| unread(&errno)));
    let [passwd, group] = copies;
    let (passwd, group) = (passwd?, group?);
    let files = [("etc/passwd", &passwd), ("etc/group", &group)];
    let work = || {
        files
            .into_iter()
            .try_for_each(|(name, to)| copy_of(&rootfs.join(name), to))
    };
    children::run(reaper, READ, &[passwd.as_fd(), group.as_fd()], work)
        .await
        .map_err(|error| unread(&error))?;
    let text = |mut file: &File| {
        let mut text = String::new();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
        read.map(|_| text).map_err(|error| unread(&error))
    };
    resolved(spec, added, &text(&passwd)?, &text(&group)?)
}

/// A user of an image with the groups of `group_add`.
fn resolved(spec: &UserSpec, added: &[String], passwd: &str, group: &str) -> Result<User, String> {
    let user = user::resolve(spec, passwd, group).and_then(|mut user| {
        user.add_groups(added, group)?;
        Ok(user)
    });
    user.map_err(|error| chain(&error))
}

fn unread(error: &(dyn std::error::Error + 'static)) -> String {
    format!("reading the image's users: {}", chain(error))
}

/// In the child. An image need not have the file.
fn copy_of(file: &Path, mut to: &File) -> Result<(), Errno> {
    let copied = match File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.and_then(|mut file| std::io::copy(&mut file, &mut to)),
    };
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    copied.map(drop).map_err(errno)
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
        let service = &self.service;
        let user = resolved(
            &service.user,
            &service.group_add,
            &image.passwd,
            &image.group,
        )?;
        let place = Rc::new(Place {
            rootfs: image.rootfs,
            user,
        });
        self.held_mut().place = Some(place.clone());
        Ok(place)
    }
}
