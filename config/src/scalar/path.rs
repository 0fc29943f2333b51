//! Paths as manifests write them. Pure text: nothing is looked up.

use std::path::PathBuf;

/// The longest path that the kernel takes (PATH_MAX, with its NUL).
const LONGEST: usize = 4095;

/// An absolute path without `..`, with doubled slashes and `.` taken out.
pub(crate) fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    if !text.starts_with('/') {
        return Err("is not an absolute path");
    }
    Ok(PathBuf::from("/").join(components(text)?))
}

/// A path below the service's folder; a leading `./` may be left out.
pub(crate) fn folder_relative(text: &str) -> Result<PathBuf, &'static str> {
    if text.starts_with('/') {
        return Err("is an absolute path");
    }
    components(text)
}

fn components(text: &str) -> Result<PathBuf, &'static str> {
    if text.len() > LONGEST {
        return Err("is longer than a path can be");
    }
    if text.chars().any(char::is_control) {
        return Err("contains a control character");
    }
    let mut path = PathBuf::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("goes up with .."),
            part if part.len() > 255 => return Err("has a name of more than 255 bytes"),
            part => path.push(part),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(absolute("/a//b/./c/"), Ok("/a/b/c".into()));
        assert_eq!(absolute("/"), Ok("/".into()));
        assert_eq!(
            folder_relative("./conf/app.conf"),
            Ok("conf/app.conf".into())
        );
        assert_eq!(folder_relative("."), Ok("".into()));
    }

    #[test]
    fn paths_that_leave_are_refused() {
        for text in ["", "a", "/a/../b", "/a\nb"] {
            assert!(absolute(text).is_err(), "{text}");
        }
        for text in ["/a", "../a", "a/..", &"a".repeat(256), &"a/".repeat(3000)] {
            assert!(folder_relative(text).is_err(), "{text}");
        }
    }
}
