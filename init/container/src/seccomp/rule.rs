//! What a filter says, before it becomes a program: ordered rules with conditions on arguments.

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It runs.
    Allow,
    /// It fails with this errno (at most 4095, which the kernel sees to).
    Errno(u16),
    /// It runs, and the kernel log says so.
    Log,
    /// The process ends by SIGSYS.
    KillProcess,
}

impl Action {
    /// EPERM: the kernel has it, the service may not.
    pub const DENIED: Action = Action::Errno(1);
    /// ENOSYS: as if the kernel did not have it, so that programs try what older ones have (R20).
    pub const MISSING: Action = Action::Errno(38);

    /// What the filter returns (linux/seccomp.h).
    pub(super) const fn code(self) -> u32 {
        match self {
            Action::Allow => 0x7FFF_0000,
            Action::Log => 0x7FFC_0000,
            // The errno fits the lower half.
            Action::Errno(errno) => 0x0005_0000 | errno as u32,
            Action::KillProcess => 0x8000_0000,
        }
    }
}

/// How an argument is compared; all values are unsigned and 64 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Eq(u64),
    /// Not equal.
    Ne(u64),
    /// Less.
    Lt(u64),
    /// Less or equal.
    Le(u64),
    /// Greater or equal.
    Ge(u64),
    /// Greater.
    Gt(u64),
    /// Equal in the bits of the mask. What the kernel reads as an `int` must be compared under a
    /// mask of 32 bits: it passes over the upper ones (CVE-2019-10063).
    MaskedEq {
        /// Which bits count.
        mask: u64,
        /// What they must be; never true with a bit outside the mask.
        value: u64,
    },
}

/// A condition on one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// What it must be.
    pub comparison: Comparison,
}

/// An action when every condition holds; the same argument may be asked more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule<'a> {
    /// All of these; none is always true.
    pub conditions: &'a [Condition],
    /// Then this.
    pub action: Action,
}

/// What happens to one system call: the first rule that holds decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// In this order.
    pub rules: &'a [Rule<'a>],
    /// When none of them holds.
    pub otherwise: Action,
}

impl Verdict<'_> {
    /// The same whatever the arguments are.
    #[must_use]
    pub const fn always(action: Action) -> Self {
        Verdict {
            rules: &[],
            otherwise: action,
        }
    }
}
