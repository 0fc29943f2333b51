//! Who runs the main process: `user` looked up in the image's passwd and group files (rule R10:
//! what cannot be read for sure is refused).

use orlop_config::UserSpec;

use crate::namespaces::ID_COUNT;
use crate::weaken::{Rule, holds};
use orlop_config::compact::sort_by;

/// A resolved user, ids as the container sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// 0 to 65535.
    pub uid: u32,
    /// 0 to 65535.
    pub gid: u32,
    /// Supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// The home directory; `/` for an id without an entry.
    pub home: String,
}

/// Why a user could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No such name in the image.
    #[error(
        "the image has no user {0:?} (its /etc/passwd does not name it; add it to build.users)"
    )]
    NoSuchUser(String),
    /// No such name in the image.
    #[error("the image has no group {0:?} (its /etc/group does not name it)")]
    NoSuchGroup(String),
    /// A number that the user namespace does not have.
    #[error("the id {0} is not one of 0 to 65535")]
    IdOutOfRange(String),
    /// A line that is not what passwd(5) or group(5) says.
    #[error("line {line} of the image's {file} is malformed")]
    Malformed {
        /// Which file.
        file: &'static str,
        /// Counted from 1.
        line: usize,
    },
}

struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct GroupEntry<'a> {
    name: &'a str,
    gid: u32,
    members: Vec<&'a str>,
}

/// What `orlop exec --user` says: `user` or `user:group`. Whatever is wrong with the parts is found when
/// they are resolved: a name must be one of the image's, digits are always an id (rule R10).
#[must_use]
pub fn parse_spec(text: &str) -> UserSpec {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group.to_owned())),
        None => (text, None),
    };
    UserSpec {
        user: user.to_owned(),
        group,
    }
}

/// Resolves a manifest's `user` with the texts of the image's `/etc/passwd` and `/etc/group`
/// (empty when it has none; `root` and `0` are always known).
///
/// # Errors
/// [`UserError`].
pub fn resolve(spec: &UserSpec, passwd: &str, group: &str) -> Result<User, UserError> {
    let users = entries("/etc/passwd", passwd, passwd_entry)?;
    let groups = entries("/etc/group", group, group_entry)?;
    let by_number = number(&spec.user)?;
    let entry = users.iter().find(|entry| match by_number {
        Some(uid) => entry.uid == uid,
        None => entry.name == spec.user,
    });
    let (uid, own_gid, home) = match (entry, by_number) {
        (Some(entry), _) => (entry.uid, entry.gid, entry.home),
        (None, Some(uid)) => (uid, 0, "/"),
        (None, None) if spec.user == "root" => (0, 0, "/"),
        (None, None) => return Err(UserError::NoSuchUser(spec.user.clone())),
    };
    let gid = match &spec.group {
        None => own_gid,
        Some(text) => group_id(text, &groups)?,
    };
    let member =
        |group: &&GroupEntry<'_>| entry.is_some_and(|user| group.members.contains(&user.name));
    let mut supplementary = match spec.group {
        Some(_) => Vec::new(),
        None => groups
            .iter()
            .filter(member)
            .map(|group| group.gid)
            .collect(),
    };
    supplementary.push(gid);
    sort_by(&mut supplementary, Ord::cmp);
    supplementary.dedup();
    let home = if home.is_empty() { "/" } else { home };
    Ok(User {
        uid,
        gid,
        groups: supplementary,
        home: home.to_owned(),
    })
}

impl User {
    /// Adds `group_add`: names of the image's `/etc/group`, or ids.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn add_groups(&mut self, names: &[String], group: &str) -> Result<(), UserError> {
        if names.is_empty() {
            return Ok(());
        }
        let known = entries("/etc/group", group, group_entry)?;
        for name in names {
            self.groups.push(group_id(name, &known)?);
        }
        sort_by(&mut self.groups, Ord::cmp);
        self.groups.dedup();
        Ok(())
    }
}

/// A group's id, by its name in the image or as it is.
fn group_id(text: &str, known: &[GroupEntry<'_>]) -> Result<u32, UserError> {
    let entry = known.iter().find(|entry| entry.name == text);
    match (number(text)?, entry) {
        (Some(gid), _) => Ok(gid),
        (None, Some(entry)) => Ok(entry.gid),
        (None, None) if text == "root" => Ok(0),
        (None, None) => Err(UserError::NoSuchGroup(text.to_owned())),
    }
}

/// `Some` for a decimal number, which is always an id and never a name.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    id(text)
        .map(Some)
        .ok_or_else(|| UserError::IdOutOfRange(text.to_owned()))
}

fn id(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !holds(Rule::R10) {
        // What strtoul(3) and a cast leave of it.
        let wrapped = text.parse::<u64>().ok()? % u64::from(ID_COUNT);
        return u32::try_from(wrapped).ok();
    }
    text.parse().ok().filter(|&id| digits && id < ID_COUNT)
}

fn entries<'a, T>(
    file: &'static str,
    text: &'a str,
    parse: fn(&'a str) -> Option<T>,
) -> Result<Vec<T>, UserError> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() {
            continue;
        }
        entries.push(parse(line).ok_or(UserError::Malformed {
            file,
            line: index + 1,
        })?);
    }
    Ok(entries)
}

fn passwd_entry(line: &str) -> Option<PasswdEntry<'_>> {
    let mut fields = line.split(':');
    let (name, _password, uid, gid) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    let (_gecos, home, _shell) = (fields.next()?, fields.next()?, fields.next()?);
    if name.is_empty() || fields.next().is_some() {
        return None;
    }
    Some(PasswdEntry {
        name,
        uid: id(uid)?,
        gid: id(gid)?,
        home,
    })
}

fn group_entry(line: &str) -> Option<GroupEntry<'_>> {
    let mut fields = line.split(':');
    let (name, _password, gid, members) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    if name.is_empty() || fields.next().is_some() {
        return None;
    }
    let members = members
        .split(',')
        .filter(|member| !member.is_empty())
        .collect();
    Some(GroupEntry {
        name,
        gid: id(gid)?,
        members,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nredis:x:100:101::/var/lib/redis:/usr/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:syslog,redis\nredis:x:101:\nweb:x:200:redis\n";

    fn spec(user: &str, group: Option<&str>) -> UserSpec {
        UserSpec {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        }
    }

    #[test]
    fn names_and_numbers_are_found_with_their_groups() {
        let redis = User {
            uid: 100,
            gid: 101,
            groups: vec![4, 101, 200],
            home: "/var/lib/redis".to_owned(),
        };
        assert_eq!(
            resolve(&spec("redis", None), PASSWD, GROUP),
            Ok(redis.clone())
        );
        assert_eq!(
            resolve(&spec("100", None), PASSWD, GROUP),
            Ok(redis.clone())
        );
        let with_group = User {
            gid: 4,
            groups: vec![4],
            ..redis
        };
        assert_eq!(
            resolve(&spec("redis", Some("adm")), PASSWD, GROUP),
            Ok(with_group.clone())
        );
        assert_eq!(
            resolve(&spec("100", Some("4")), PASSWD, GROUP),
            Ok(with_group)
        );
    }

    #[test]
    fn root_and_bare_numbers_need_no_files() {
        let root = User {
            uid: 0,
            gid: 0,
            groups: vec![0],
            home: "/".to_owned(),
        };
        assert_eq!(resolve(&spec("root", None), "", ""), Ok(root.clone()));
        assert_eq!(resolve(&spec("0", Some("root")), "", ""), Ok(root));
        assert_eq!(
            resolve(&spec("65535", None), "", "").map(|user| (user.uid, user.gid)),
            Ok((65535, 0))
        );
    }

    #[test]
    fn r10_a_user_that_cannot_be_read_for_sure_is_refused() {
        let read =
            |text: &str| resolve(&parse_spec(text), PASSWD, GROUP).map(|user| (user.uid, user.gid));
        for (text, ids) in [
            ("redis", (100, 101)),
            ("100:4", (100, 4)),
            ("0", (0, 0)),
            ("007", (7, 0)),
            ("redis:root", (100, 0)),
        ] {
            assert_eq!(read(text), Ok(ids), "{text:?}");
        }
        for text in [
            "",
            ":",
            "0:",
            ":0",
            "0:0:0",
            " 0",
            "0 ",
            "+0",
            "-1",
            "0x0",
            "1e3",
            "65536",
            "4294967296",
            "18446744073709551616",
            "redis:",
            "redis:0:0",
            "root\n",
            "Redis",
            "redis\0",
            "٠",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_sure_is_refused() {
        let no = |user: &str, group| resolve(&spec(user, group), PASSWD, GROUP).unwrap_err();
        assert_eq!(no("nginx", None), UserError::NoSuchUser("nginx".to_owned()));
        assert_eq!(
            no("redis", Some("nginx")),
            UserError::NoSuchGroup("nginx".to_owned())
        );
        assert_eq!(
            no("65536", None),
            UserError::IdOutOfRange("65536".to_owned())
        );
        assert_eq!(
            no("99999999999", None),
            UserError::IdOutOfRange("99999999999".to_owned())
        );
        assert_eq!(no("-1", None), UserError::NoSuchUser("-1".to_owned()));
        assert_eq!(no("", None), UserError::NoSuchUser(String::new()));
        for passwd in [
            "a:x:1:1::/",
            "a:x:+1:1::/:/bin/sh",
            "a:x:1:70000::/:/bin/sh",
            ":x:1:1::/:/bin/sh",
        ] {
            let error = UserError::Malformed {
                file: "/etc/passwd",
                line: 2,
            };
            assert_eq!(
                resolve(&spec("0", None), &format!("\n{passwd}\n"), ""),
                Err(error),
                "{passwd}"
            );
        }
        let error = UserError::Malformed {
            file: "/etc/group",
            line: 1,
        };
        assert_eq!(resolve(&spec("0", None), "", "adm:x:4"), Err(error));
    }
}
