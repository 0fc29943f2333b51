//! `/etc/passwd` and `/etc/group` of an image: Debian's base users and those that the manifest
//! declares (passwd(5), group(5)).

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use orlop_config::BuildUser;

use super::read_text;
use crate::tree::Tree;

/// The lines that an image starts from.
#[derive(Debug, Clone)]
pub(super) struct BaseUsers {
    passwd: String,
    group: String,
}

/// Two users cannot both be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum UserError {
    /// Declared with another uid than Debian's.
    #[error(
        "{name} is declared with uid {declared}, but Debian's {name} has {base}; leave it out or use that"
    )]
    OtherUid {
        name: String,
        declared: u32,
        base: u16,
    },
    /// The uid belongs to somebody else.
    #[error("{name} is declared with uid {uid}, which is {other}'s")]
    UidTaken {
        name: String,
        uid: u32,
        other: String,
    },
    /// Beyond what an image can hold.
    #[error("{name} is declared with uid {uid}; a container has the ids 0 to 65535")]
    UidTooLarge { name: String, uid: u32 },
    /// A path with a colon or a line break.
    #[error("{name}: {path} cannot stand in /etc/passwd")]
    BadPath { name: String, path: PathBuf },
}

/// The merged users of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passwd {
    users: Vec<(String, u16, String)>,
    groups: Vec<(String, u16, String)>,
}

impl BaseUsers {
    /// For an image without Debian packages.
    pub(super) fn minimal() -> Self {
        Self {
            passwd: "root:*:0:0:root:/root:/bin/sh\n\
                     nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
                .to_owned(),
            group: "root:*:0:\nnogroup:*:65534:\n".to_owned(),
        }
    }

    /// The master files of base-passwd.
    pub(super) fn from_package(files: &Tree) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("usr/share/base-passwd/{name}");
            read_text(files, &path)?.with_context(|| format!("/{path} is missing"))
        };
        Ok(Self {
            passwd: read("passwd.master")?,
            group: read("group.master")?,
        })
    }
}

/// Adds the declared users, each with a group of the same name and id.
pub(super) fn merge(
    base: &BaseUsers,
    declared: &BTreeMap<String, BuildUser>,
) -> Result<Passwd, UserError> {
    let mut users = lines(&base.passwd);
    let mut groups = lines(&base.group);
    for (name, user) in declared {
        let name = name.clone();
        let Ok(uid) = u16::try_from(user.uid) else {
            return Err(UserError::UidTooLarge {
                name,
                uid: user.uid,
            });
        };
        if let Some((_, base, _)) = users.iter().find(|(known, ..)| *known == name) {
            if *base == uid {
                continue;
            }
            return Err(UserError::OtherUid {
                name,
                declared: user.uid,
                base: *base,
            });
        }
        if let Some((other, ..)) = users.iter().find(|(_, id, _)| *id == uid) {
            return Err(UserError::UidTaken {
                name,
                uid: user.uid,
                other: other.clone(),
            });
        }
        let (home, shell) = (
            path_field(&name, &user.home)?,
            path_field(&name, &user.shell)?,
        );
        users.push((
            name.clone(),
            uid,
            format!("{name}:x:{uid}:{uid}::{home}:{shell}"),
        ));
        if !groups.iter().any(|(known, ..)| *known == name) {
            groups.push((name.clone(), uid, format!("{name}:x:{uid}:")));
        }
    }
    Ok(Passwd { users, groups })
}

fn path_field(name: &str, path: &std::path::Path) -> Result<String, UserError> {
    path.to_str()
        .filter(|text| !text.contains([':', '\n']))
        .map(str::to_owned)
        .ok_or_else(|| UserError::BadPath {
            name: name.to_owned(),
            path: path.to_owned(),
        })
}

/// Name and id of each line; lines that are none are left out.
fn lines(text: &str) -> Vec<(String, u16, String)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let id = fields.nth(1)?.parse().ok()?;
            Some((name, id, line.to_owned()))
        })
        .collect()
}

impl Passwd {
    /// A user's id.
    pub(super) fn uid(&self, name: &str) -> Option<u16> {
        id_of(&self.users, name)
    }

    /// A group's id.
    pub(super) fn gid(&self, name: &str) -> Option<u16> {
        id_of(&self.groups, name)
    }

    pub(super) fn passwd_text(&self) -> String {
        join(&self.users)
    }

    pub(super) fn group_text(&self) -> String {
        join(&self.groups)
    }
}

/// By name, or a decimal id.
fn id_of(list: &[(String, u16, String)], name: &str) -> Option<u16> {
    let found = list
        .iter()
        .find(|(known, ..)| known == name)
        .map(|(_, id, _)| *id);
    found.or_else(|| name.parse().ok())
}

fn join(list: &[(String, u16, String)]) -> String {
    list.iter()
        .map(|(_, _, line)| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> BaseUsers {
        BaseUsers {
            passwd: "root:*:0:0:root:/root:/bin/bash\nwww-data:*:33:33:www-data:/var/www:/usr/sbin/nologin\n".to_owned(),
            group: "root:*:0:\nwww-data:*:33:\nredis:*:7:\n".to_owned(),
        }
    }

    fn user(uid: u32) -> BuildUser {
        BuildUser {
            uid,
            home: "/var/lib/redis".into(),
            shell: "/usr/sbin/nologin".into(),
        }
    }

    #[test]
    fn a_declared_user_follows_the_base_users() {
        let declared = BTreeMap::from([
            ("redis".to_owned(), user(100)),
            ("www-data".to_owned(), user(33)),
        ]);
        let merged = merge(&base(), &declared).unwrap();
        assert_eq!(
            merged.passwd_text(),
            format!(
                "{}redis:x:100:100::/var/lib/redis:/usr/sbin/nologin\n",
                base().passwd
            )
        );
        // The group was there already, and stays as it is.
        assert_eq!(merged.group_text(), base().group);
        assert_eq!(
            (merged.uid("redis"), merged.gid("redis")),
            (Some(100), Some(7))
        );
        assert_eq!(
            (merged.uid("4711"), merged.uid("nobody")),
            (Some(4711), None)
        );
    }

    #[test]
    fn collisions_are_named() {
        let say = |name: &str, uid: u32| {
            let declared = BTreeMap::from([(name.to_owned(), user(uid))]);
            merge(&base(), &declared).unwrap_err().to_string()
        };
        assert_eq!(
            say("redis", 33),
            "redis is declared with uid 33, which is www-data's"
        );
        assert!(say("www-data", 34).starts_with("www-data is declared with uid 34, but Debian's"));
        assert!(say("big", 70_000).contains("0 to 65535"));
    }
}
