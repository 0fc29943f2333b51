//! Which disks were asked what they are called, and which are to be asked again. Pure.
//!
//! The kernel names a disk before it can always be read (a controller that still starts, a medium that
//! still comes): such a disk is asked again when a uevent says that something has changed since. One
//! that is only slow has said nothing, and is waited for.

use orlop_config::compact::sort_by;

/// What a disk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is called so.
    Yes,
    /// It is called otherwise.
    No,
    /// It could not be read.
    Unread,
}

/// The disks by name, each with what it said.
#[derive(Debug, Default)]
pub(super) struct Asked {
    disks: Vec<Disk>,
    /// How many uevents there were.
    changes: u64,
}

#[derive(Debug)]
struct Disk {
    name: String,
    /// How many uevents there were when it was asked.
    asked_at: u64,
    /// `None` until it answers.
    answer: Option<Answer>,
}

impl Asked {
    /// A uevent has come.
    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }

    /// Whether a disk is to be asked now; it counts as asked from then on.
    pub(super) fn is_to_be_asked(&mut self, name: &str) -> bool {
        let changes = self.changes;
        let Some(disk) = self.disks.iter_mut().find(|disk| disk.name == name) else {
            self.disks.push(Disk {
                name: name.to_owned(),
                asked_at: changes,
                answer: None,
            });
            return true;
        };
        // What came while it was being read may have been what it lacked.
        let again = disk.answer == Some(Answer::Unread) && disk.asked_at < changes;
        if again {
            (disk.asked_at, disk.answer) = (changes, None);
        }
        again
    }

    /// It has answered.
    pub(super) fn answered(&mut self, name: &str, answer: Answer) {
        if let Some(disk) = self.disks.iter_mut().find(|disk| disk.name == name) {
            disk.answer = Some(answer);
        }
    }

    /// Whether nobody is waited for.
    pub(super) fn all_answered(&self) -> bool {
        self.disks.iter().all(|disk| disk.answer.is_some())
    }

    /// All that were asked, for people.
    pub(super) fn disks(&self) -> String {
        let mut names: Vec<&str> = self.disks.iter().map(|disk| disk.name.as_str()).collect();
        sort_by(&mut names, |a, b| a.cmp(b));
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_could_not_be_read_is_asked_again_at_the_next_change() {
        let mut asked = Asked::default();
        assert!(asked.is_to_be_asked("sda"));
        asked.answered("sda", Answer::Unread);
        assert!(asked.all_answered());
        // Not before: it would be asked without pause.
        assert!(!asked.is_to_be_asked("sda"));
        asked.changed();
        assert!(asked.is_to_be_asked("sda"));
        assert!(!asked.is_to_be_asked("sda") && !asked.all_answered());
        asked.answered("sda", Answer::Yes);
        asked.changed();
        assert!(!asked.is_to_be_asked("sda") && asked.all_answered());
    }

    #[test]
    fn a_change_while_the_disk_was_read_is_not_missed() {
        let mut asked = Asked::default();
        assert!(asked.is_to_be_asked("sda"));
        asked.changed();
        assert!(!asked.is_to_be_asked("sda"), "it has not answered");
        asked.answered("sda", Answer::Unread);
        assert!(asked.is_to_be_asked("sda"));
        asked.answered("sda", Answer::Unread);
        assert!(!asked.is_to_be_asked("sda"), "once a change");
    }

    #[test]
    fn who_is_called_otherwise_is_asked_once_and_named() {
        let mut asked = Asked::default();
        for disk in ["vdb", "vda"] {
            assert!(asked.is_to_be_asked(disk));
            asked.answered(disk, Answer::No);
        }
        asked.changed();
        assert!(!asked.is_to_be_asked("vda") && !asked.is_to_be_asked("vdb"));
        assert_eq!(asked.disks(), "vda, vdb");
    }
}
