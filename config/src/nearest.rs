//! The word that was probably meant.

/// The longest word that is compared.
const LONGEST: usize = 64;

/// The candidate that differs least from `word`, when it differs by no more than a third of its
/// letters, but may by one; the first among equals. Neighbours that changed places count as one
/// difference. `None` for an empty word and one of more than 64 letters.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(word, &mut candidates.into_iter())
}

/// The same, once for all kinds of lists.
fn nearest_of<'a>(word: &str, candidates: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length == 0 || length > LONGEST {
        return None;
    }
    let allowed = (length / 3).max(1);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        if candidate.len().abs_diff(word.len()) > 4 * allowed || candidate.len() > 4 * LONGEST {
            continue;
        }
        let distance = distance(word, candidate);
        // A one-letter word differs from every other one in all its letters.
        let same_letter_left = distance < length.max(candidate.chars().count());
        if distance <= allowed && same_letter_left && best.is_none_or(|(least, _)| distance < least)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edits between two words: insert, delete, replace a letter, swap two neighbours.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, ca) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        let mut left = i + 1;
        let mut previous_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = get(&last, j) + usize::from(ca != cb);
            let mut least = replaced.min(get(&last, j + 1) + 1).min(left + 1);
            if j > 0 && previous_a == Some(cb) && previous_b == Some(ca) {
                least = least.min(get(&before_last, j - 1) + 1);
            }
            row.push(least);
            left = least;
            previous_b = Some(cb);
        }
        before_last = std::mem::replace(&mut last, row);
        previous_a = Some(ca);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_known_pairs() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("prots", "ports"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn near_words_are_found_and_far_ones_not() {
        let words = ["ports", "volumes", "environment"];
        assert_eq!(nearest("port", words), Some("ports"));
        assert_eq!(nearest("enviroment", words), Some("environment"));
        assert_eq!(nearest("zebra", words), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest(&"a".repeat(100_000), words), None);
    }
}
