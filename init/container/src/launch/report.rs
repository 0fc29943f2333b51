//! What the child says when a step fails: fixed bytes, one write.

use nix::errno::Errno;

/// Which part of a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The step as a whole.
    Whole,
    /// What is mounted, or the device that is copied.
    Source,
    /// The place it goes to.
    Target,
    /// Showing owners as the user namespace maps them.
    Idmap,
    /// Putting it there.
    Attach,
    /// The writable layer.
    Overlay,
}

/// A failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) step: u16,
    pub(crate) part: Part,
    pub(crate) errno: Errno,
}

impl Report {
    pub(crate) const LENGTH: usize = 7;

    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [low, high] = self.step.to_ne_bytes();
        let [a, b, c, d] = (self.errno as i32).to_ne_bytes();
        [low, high, self.part as u8, a, b, c, d]
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let [low, high, part, a, b, c, d] = bytes;
        let part = PARTS
            .iter()
            .copied()
            .find(|known| *known as u8 == part)
            .unwrap_or(Part::Whole);
        let errno = Errno::from_raw(i32::from_ne_bytes([a, b, c, d]));
        Self {
            step: u16::from_ne_bytes([low, high]),
            part,
            errno,
        }
    }
}

const PARTS: [Part; 6] = [
    Part::Whole,
    Part::Source,
    Part::Target,
    Part::Idmap,
    Part::Attach,
    Part::Overlay,
];

/// A failure inside a step, before its number is known.
pub(crate) type StepError = (Part, Errno);

/// A failure of a step as a whole.
pub(crate) fn whole(errno: Errno) -> StepError {
    (Part::Whole, errno)
}

/// For `map_err`.
pub(super) fn at(part: Part) -> impl Fn(Errno) -> StepError {
    move |errno| (part, errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_pipe() {
        for part in PARTS {
            let report = Report {
                step: 300,
                part,
                errno: Errno::EMEDIUMTYPE,
            };
            assert_eq!(Report::from_bytes(report.to_bytes()), report);
        }
    }
}
