//! One machine for several tests of a file.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::Vm;

/// A machine in a `static`, which is never dropped: it dies with the test process (see `spawner`).
/// Tests hold it one at a time.
#[derive(Debug)]
pub struct Shared(Mutex<Result<Vm, String>>);

/// The machine while one test holds it; a test that panics leaves the transcript.
#[derive(Debug)]
pub struct Held<'a>(MutexGuard<'a, Result<Vm, String>>);

impl Shared {
    /// Keeps what a boot gave, so that every test of the file names why there is no machine.
    #[must_use]
    pub fn new(booted: Result<Vm>) -> Self {
        Self(Mutex::new(booted.map_err(|error| format!("{error:#}"))))
    }

    /// The machine, when it booted and no other test holds it.
    ///
    /// # Errors
    /// Why it did not boot.
    pub fn hold(&self) -> Result<Held<'_>, String> {
        // A test that failed leaves the machine to the next one.
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*guard {
            Ok(_) => Ok(Held(guard)),
            Err(reason) => Err(reason.clone()),
        }
    }

    /// The machine of [`Shared::hold`], once its boot is complete.
    ///
    /// # Errors
    /// As [`Shared::hold`] and [`Vm::wait_boot`].
    pub fn hold_booted(&self) -> Result<Held<'_>> {
        let vm = self.hold().map_err(anyhow::Error::msg)?;
        vm.wait_boot()?;
        Ok(vm)
    }
}

impl Deref for Held<'_> {
    type Target = Vm;

    fn deref(&self) -> &Vm {
        match &*self.0 {
            Ok(vm) => vm,
            Err(reason) => unreachable!("held without a machine: {reason}"),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_transcript();
        }
    }
}
