//! Which of the keys that are not written could be, without changing anything: some contradict another
//! one, as a oneshot's readiness does.

use super::EffectiveKey;

/// Tells it of each key by writing it. `outcome` is what a file of these lines means: it reads that one
/// file and no other, which keeps a machine of many services quick.
pub(super) fn settle<T: PartialEq>(keys: &mut [EffectiveKey], outcome: impl Fn(&str) -> T) {
    let lines = |keys: &[EffectiveKey]| -> String {
        let written = keys.iter().filter(|key| key.writable);
        written
            .filter_map(EffectiveKey::line)
            .map(|line| line + "\n")
            .collect()
    };
    let mut text = lines(keys);
    let meant = outcome(&text);
    let written: Vec<bool> = keys.iter().map(|key| key.writable).collect();
    for key in keys.iter_mut().filter(|key| !key.writable) {
        let line = key.line();
        key.writable = line.is_some_and(|line| outcome(&format!("{text}{line}\n")) == meant);
    }
    if outcome(&lines(keys)) == meant {
        return;
    }
    // Two spellings of one thing, each good alone: the first of them.
    for (key, _) in keys.iter_mut().zip(written).filter(|(_, written)| !written) {
        let line = key.line().filter(|_| key.writable);
        let more = format!("{text}{}\n", line.unwrap_or_default());
        key.writable &= outcome(&more) == meant;
        if key.writable {
            text = more;
        }
    }
}
