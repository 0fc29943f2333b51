//! Collecting and sorting in less code: the standard library's bring about 3 KB for every type, and
//! there is room for 2 MiB in all of PID 1.

use std::cmp::Ordering;

/// Collects item by item. `BTreeMap` and `BTreeSet` sort first when they are collected into.
pub fn gather<C, I>(items: I) -> C
where
    C: Default + Extend<I::Item>,
    I: IntoIterator,
{
    let mut all = C::default();
    all.extend(items);
    all
}

/// As `slice::sort_by`, stable, in O(n log n): what is sorted is the positions, by one code for all
/// types.
pub fn sort_by<T>(items: &mut Vec<T>, mut compare: impl FnMut(&T, &T) -> Ordering) {
    let order = {
        let at = |position: usize| items.get(position);
        positions(
            items.len(),
            &mut |left, right| match (at(left), at(right)) {
                (Some(left), Some(right)) => compare(left, right),
                _ => Ordering::Equal,
            },
        )
    };
    let mut slots: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.iter().filter_map(|at| slots.get_mut(*at)?.take()));
}

fn positions(count: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|left, right| compare(*left, *right));
    order
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_do_what_the_standard_library_does(items: Vec<(u8, u16)>) {
            let mut sorted = items.clone();
            sort_by(&mut sorted, |left, right| left.0.cmp(&right.0));
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(sorted, expected);
            let map: BTreeMap<u8, u16> = gather(items.clone());
            prop_assert_eq!(map, items.iter().copied().collect());
            let set: BTreeSet<(u8, u16)> = gather(items.clone());
            prop_assert_eq!(set, items.into_iter().collect());
        }
    }
}
