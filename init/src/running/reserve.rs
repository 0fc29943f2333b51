//! Descriptors kept back, so that PID 1 can stop and end what runs when it has none left (EMFILE).

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

/// More than any one step of a stop needs.
const KEPT: usize = 8;

/// The descriptors.
#[derive(Debug)]
pub struct Reserve(RefCell<Vec<OwnedFd>>);

impl Reserve {
    /// Takes them, as far as they are to be had.
    #[must_use]
    pub fn new() -> Self {
        let reserve = Self(RefCell::default());
        let _fewer_to_spare = reserve.fill();
        reserve
    }

    /// Does the work; once more with the reserve let go of when it fails.
    ///
    /// # Errors
    /// The second failure.
    pub fn with<T, E>(&self, work: impl Fn() -> Result<T, E>) -> Result<T, E> {
        work().or_else(|_without| {
            self.0.borrow_mut().clear();
            let result = work();
            // PID 1 has one thread: nobody has taken them meanwhile but the work.
            let _fewer_to_spare = self.fill();
            result
        })
    }

    /// Lets go of them for good: the machine ends.
    pub fn release(&self) {
        self.0.borrow_mut().clear();
    }

    fn fill(&self) -> io::Result<()> {
        let mut kept = self.0.borrow_mut();
        while kept.len() < KEPT {
            kept.push(File::open("/dev/null")?.into());
        }
        Ok(())
    }
}

impl Default for Reserve {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_for_want_of_descriptors_works_with_the_reserve() {
        const ALONE: &str = "ORLOP_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            // In a process of its own: other tests would miss the descriptors.
            let name = "running::reserve::tests::what_failed_for_want_of_descriptors_works_with_the_reserve";
            let status = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name])
                .env(ALONE, "1")
                .status()
                .unwrap();
            assert!(status.success());
            return;
        }
        let reserve = Reserve::new();
        orlop_sys::credentials::set_limit(orlop_config::Ulimit::NOFILE.number, 40, 40).unwrap();
        let open = || File::open("/dev/null");
        let mut all = vec![];
        while let Ok(file) = open() {
            all.push(file);
        }
        for _ in 0..3 {
            assert!(open().is_err());
            assert!(reserve.with(|| open().map(drop)).is_ok());
        }
    }
}
