//! A service's filter: what becomes of each call, from the classes of `table`.

use orlop_sys::credentials::CapabilitySet;

use super::compile::{Architecture, Mode};
use super::gated::{MOST_FAMILIES, USUAL_FAMILIES, Without};
use super::rule::{Action, Verdict};
use super::table::{
    AARCH64, ABSENT, ALLOWED_CLASS, DENIED, FIRST_GATED, I386, OPENING, UNNAMED, X86_64,
};

/// Which kinds of sockets may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Families {
    /// Unix, IPv4, IPv6, netlink and packet: `restricted`.
    #[default]
    Usual,
    /// All but ALG and VSOCK, as Docker: `baseline`.
    Most,
}

/// What decides a service's filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Profile {
    /// What its processes may hold.
    pub capabilities: CapabilitySet,
    /// Its sockets.
    pub families: Families,
    /// Whether refusals happen.
    pub mode: Mode,
}

impl Profile {
    /// The same filter under one key: without the capabilities that open no call.
    pub(super) fn reduced(self) -> Self {
        Self {
            capabilities: self.capabilities & OPENING,
            ..self
        }
    }

    /// What happens to each call that the architecture has; ascending.
    #[must_use]
    pub fn verdicts(&self, architecture: Architecture) -> Vec<(u32, Verdict<'static>)> {
        let classes: &[u8] = match architecture {
            Architecture::X86_64 => &X86_64,
            Architecture::I386 => &I386,
            Architecture::Aarch64 => &AARCH64,
        };
        (0..)
            .zip(classes)
            .filter_map(|(number, &class)| Some((number, self.verdict(class)?)))
            .collect()
    }

    fn verdict(&self, class: u8) -> Option<Verdict<'static>> {
        match class {
            ABSENT => None,
            DENIED => Some(Verdict::always(Action::DENIED)),
            ALLOWED_CLASS => Some(Verdict::always(Action::Allow)),
            _ => {
                let index = usize::from(class - FIRST_GATED);
                // The classes are made of indices of this very list.
                let &(opened_by, without) = UNNAMED.get(index)?;
                Some(match without {
                    _ if self.capabilities & opened_by != 0 => Verdict::always(Action::Allow),
                    Without::Always(verdict) => verdict,
                    Without::Families => match self.families {
                        Families::Usual => USUAL_FAMILIES,
                        Families::Most => MOST_FAMILIES,
                    },
                })
            }
        }
    }
}
