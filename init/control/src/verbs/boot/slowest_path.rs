//! Which chain of waits the end of the boot came from. Pure.

/// Something that took its time and then let others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Activity {
    /// For people.
    pub(super) name: String,
    /// When it could go on.
    pub(super) begin: u64,
    /// When it was done.
    pub(super) end: u64,
    /// What had to be done first: indices.
    pub(super) waits_for: Vec<usize>,
}

/// From the first activity to `last`, each the one that its successor waited for: of all that a
/// successor had to wait for, the one that was done last. What was done only after the successor had
/// begun was not waited for, whatever a manifest says.
pub(super) fn slowest_path(activities: &[Activity], last: usize) -> Vec<usize> {
    let mut path = Vec::new();
    let mut next = Some(last);
    while let Some((index, activity)) = next.and_then(|index| Some((index, activities.get(index)?)))
    {
        // Two that took no time may wait for each other only in times that no clock gave.
        if path.contains(&index) {
            break;
        }
        path.push(index);
        let done = activity.waits_for.iter().copied().filter(|before| {
            let end = activities.get(*before).map(|before| before.end);
            end.is_some_and(|end| end <= activity.begin)
        });
        // Of two that were done at once, the one that began later: the other is behind it.
        next = done.max_by_key(|before| activities.get(*before).map(|a| (a.end, a.begin)));
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Activities that begin as soon as all that they wait for is done. Each waits for earlier ones.
    fn scheduled(plan: &[(u64, Vec<usize>)]) -> Vec<Activity> {
        let mut all: Vec<Activity> = Vec::new();
        for (index, (takes, waits_for)) in plan.iter().enumerate() {
            let waits_for: Vec<usize> = match index {
                0 => vec![],
                _ => waits_for.iter().map(|before| before % index).collect(),
            };
            let begin = waits_for.iter().map(|before| all[*before].end).max();
            let begin = begin.unwrap_or(0);
            all.push(Activity {
                name: index.to_string(),
                begin,
                end: begin + takes,
                waits_for,
            });
        }
        all
    }

    /// How long the longest of all chains that end here takes: each tried.
    fn longest(plan: &[(u64, Vec<usize>)], all: &[Activity], last: usize) -> u64 {
        let before = all[last].waits_for.iter();
        let before = before.map(|before| longest(plan, all, *before)).max();
        plan[last].0 + before.unwrap_or(0)
    }

    /// Every chain of waits that were over in time, as the ends backwards from the last.
    fn chains(all: &[Activity], last: usize) -> Vec<Vec<u64>> {
        let activity = &all[last];
        let before = activity
            .waits_for
            .iter()
            .filter(|b| all[**b].end <= activity.begin);
        let mut found: Vec<Vec<u64>> = before
            .flat_map(|before| chains(all, *before))
            .map(|rest| [vec![activity.end], rest].concat())
            .collect();
        if found.is_empty() {
            found.push(vec![activity.end]);
        }
        found
    }

    fn plans() -> impl Strategy<Value = Vec<(u64, Vec<usize>)>> {
        vec((0_u64..50, vec(0_usize..100, 0..4)), 1..9)
    }

    proptest! {
        #[test]
        fn it_takes_as_long_as_the_longest_of_all_chains(plan in plans()) {
            let all = scheduled(&plan);
            let last = all.len() - 1;
            let path = slowest_path(&all, last);
            let takes: u64 = path.iter().map(|index| plan[*index].0).sum();
            prop_assert_eq!(takes, longest(&plan, &all, last));
            prop_assert_eq!(takes, all[last].end);
            for pair in path.windows(2) {
                prop_assert!(all[pair[1]].waits_for.contains(&pair[0]));
                prop_assert_eq!(all[pair[0]].end, all[pair[1]].begin);
            }
        }

        /// Whatever the clock said: beside gaps, waits that were passed over.
        #[test]
        fn no_other_chain_ends_later_anywhere(
            plan in plans(),
            late in vec((0_u64..20, 0_u64..20), 9)
        ) {
            let mut all = scheduled(&plan);
            for (activity, (begin, end)) in all.iter_mut().zip(&late) {
                activity.begin = (activity.begin + begin).saturating_sub(10);
                activity.end = activity.begin.max((activity.end + end).saturating_sub(5));
            }
            let last = all.len() - 1;
            let path = slowest_path(&all, last);
            let ends: Vec<u64> = path.iter().rev().map(|index| all[*index].end).collect();
            prop_assert!(chains(&all, last).iter().all(|chain| chain[1..].first() <= ends[1..].first()));
            for pair in path.windows(2) {
                prop_assert!(all[pair[1]].waits_for.contains(&pair[0]));
                prop_assert!(all[pair[0]].end <= all[pair[1]].begin);
            }
        }
    }

    #[test]
    fn what_was_done_too_late_was_not_waited_for() {
        let activity = |begin, end, waits_for: &[usize]| Activity {
            name: String::new(),
            begin,
            end,
            waits_for: waits_for.to_vec(),
        };
        let all = [
            activity(0, 10, &[]),
            activity(10, 40, &[0]),
            // An optional dependency that was passed over.
            activity(20, 50, &[0, 1]),
        ];
        assert_eq!(slowest_path(&all, 2), [0, 2]);
        assert_eq!(slowest_path(&all, 7), [0; 0]);
        let round = [activity(5, 5, &[1]), activity(5, 5, &[0])];
        assert_eq!(slowest_path(&round, 0), [1, 0]);
    }
}
