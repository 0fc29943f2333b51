//! The name that a person probably meant.

use orlop_config::ServiceName;

/// The name with the least edit distance to `text`, when that is at most a third of its length (at
/// least 1); the first in order among equals.
pub(crate) fn nearest<'a>(
    text: &str,
    names: impl Iterator<Item = &'a ServiceName>,
) -> Option<ServiceName> {
    let limit = (text.chars().count() / 3).max(1);
    names
        .map(|name| (distance(text, name.as_str()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name.clone())
}

/// Levenshtein's distance with one row.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (b, above) in right.chars().zip(row.iter().skip(1)) {
            let cost = (diagonal + usize::from(a != b))
                .min(above + 1)
                .min(before + 1);
            diagonal = *above;
            before = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("nginx", "nginx"), 0);
    }

    #[test]
    fn only_what_is_near() {
        let names: Vec<_> = ["nginx", "redis", "log"]
            .iter()
            .map(|n| ServiceName::new(n).unwrap())
            .collect();
        let near = |text| nearest(text, names.iter()).map(|n| n.to_string());
        assert_eq!(near("ngnx").as_deref(), Some("nginx"));
        assert_eq!(near("lgo"), None);
        assert_eq!(near("logs").as_deref(), Some("log"));
        assert_eq!(near("postgres"), None);
    }
}
