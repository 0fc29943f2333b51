//! Names and lists become one byte for each number, at compile time: PID 1 holds no names and looks
//! for none. A name that no architecture has does not compile.

use orlop_sys::credentials::CapabilitySet;

use super::allowed::ALLOWED;
use super::calls::{CALLS, NO};
use super::gated::{GATED, Gated, Without};

/// The architecture has no such call.
pub(super) const ABSENT: u8 = 0;
/// It has it, and nobody may make it.
pub(super) const DENIED: u8 = 1;
/// Anybody may.
pub(super) const ALLOWED_CLASS: u8 = 2;
/// From here on: indices of [`GATED`].
pub(super) const FIRST_GATED: u8 = 3;

pub(super) static X86_64: [u8; length(0)] = classes(0);
pub(super) static I386: [u8; length(1)] = classes(1);
pub(super) static AARCH64: [u8; length(2)] = classes(2);

/// [`GATED`] without its names, which PID 1 need not hold.
pub(super) static UNNAMED: [(CapabilitySet, Without); GATED.len()] = {
    let mut unnamed = [(0, Without::Families); GATED.len()];
    let mut index = 0;
    while index < GATED.len() {
        let Gated {
            opened_by, without, ..
        } = GATED[index];
        unnamed[index] = (opened_by, without);
        index += 1;
    }
    unnamed
};

/// Every capability that opens a call.
pub(super) const OPENING: CapabilitySet = {
    let (mut all, mut index) = (0, 0);
    while index < GATED.len() {
        all |= GATED[index].opened_by;
        index += 1;
    }
    all
};

/// One more than an architecture's highest number.
const fn length(column: usize) -> usize {
    let (mut length, mut row) = (0, 0);
    while row < CALLS.len() {
        let number = CALLS[row].1[column];
        if number != NO && number as usize >= length {
            length = number as usize + 1;
        }
        row += 1;
    }
    length
}

/// All three lists are sorted by name: one pass.
const fn classes<const LENGTH: usize>(column: usize) -> [u8; LENGTH] {
    let mut classes = [ABSENT; LENGTH];
    let (mut row, mut allowed, mut gated) = (0, 0, 0);
    while row < CALLS.len() {
        let (name, numbers) = CALLS[row];
        assert!(
            row == 0 || precedes(CALLS[row - 1].0, name),
            "CALLS is sorted"
        );
        let mut class = DENIED;
        if allowed < ALLOWED.len() && same(ALLOWED[allowed], name) {
            class = ALLOWED_CLASS;
            allowed += 1;
        } else if gated < GATED.len() && same(GATED[gated].name, name) {
            class = index_class(gated);
            gated += 1;
        }
        if numbers[column] != NO {
            classes[numbers[column] as usize] = class;
        }
        row += 1;
    }
    // A misspelt, doubled or misplaced name stops the pass.
    assert!(
        allowed == ALLOWED.len(),
        "ALLOWED has a name that CALLS has not, or not in order"
    );
    assert!(
        gated == GATED.len(),
        "GATED has a name that CALLS has not, or not in order"
    );
    classes
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked in the line before, at compile time"
)]
const fn index_class(index: usize) -> u8 {
    assert!(index <= (u8::MAX - FIRST_GATED) as usize);
    FIRST_GATED + index as u8
}

const fn same(left: &str, right: &str) -> bool {
    !precedes(left, right) && !precedes(right, left)
}

const fn precedes(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}
