//! Errors as a person reads them: each cause once, the kernel's by its errno's name.

use std::error::Error;
use std::io;

use nix::errno::Errno;

/// A chain of errors as one fragment: `mounting /dev/vda on /sysroot: EINVAL`.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = one(error);
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&one(cause));
        source = cause.source();
    }
    text
}

/// What the kernel said, by name: `ENOENT`. Another kind of error says its own sentence.
#[must_use]
pub fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => error.to_string(),
    }
}

fn one(error: &(dyn Error + 'static)) -> String {
    if let Some(errno) = error.downcast_ref::<Errno>() {
        return format!("{errno:?}");
    }
    match error.downcast_ref::<io::Error>() {
        Some(error) => name(error),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading /x")]
    struct Outer<T: Error + 'static>(#[source] T);

    #[test]
    fn the_kernels_answer_is_a_name() {
        let missing = || io::Error::from_raw_os_error(2);
        assert_eq!(chain(&Outer(missing())), "reading /x: ENOENT");
        assert_eq!(chain(&Outer(Errno::EUCLEAN)), "reading /x: EUCLEAN");
        assert_eq!(chain(&missing()), "ENOENT");
        assert_eq!(
            chain(&Outer(Outer(io::Error::other("a line without =")))),
            "reading /x: reading /x: a line without ="
        );
    }
}
