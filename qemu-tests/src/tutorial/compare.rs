//! Whether two runs of a command have printed the same, but for what is never the same. Pure.

use super::blocks::Comparison;

/// A line that stands for any number of lines.
const ANY: &str = "…";
/// What bars and marks are drawn with.
const DRAWN: &str = "█▄░▒·●✗▸✓";

/// Whether this is the same as what is written, compared as the block says.
pub(super) fn same_as(written: &[String], printed: &[String], comparison: Comparison) -> bool {
    let kinds = |lines: &[String]| -> Vec<String> { lines.iter().map(|line| kind(line)).collect() };
    let (mut written, mut printed) = (kinds(written), kinds(printed));
    match comparison {
        Comparison::Ordered => {}
        Comparison::Unordered => {
            written.sort();
            printed.sort();
        }
        Comparison::Varies => {
            let first = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
            let printed: Vec<String> = printed.iter().map(first).collect();
            if written.is_empty() {
                return printed.is_empty();
            }
            let mut written = written.iter().filter(|line| !line.starts_with(ANY));
            return written.all(|line| printed.contains(&first(line)));
        }
    }
    matches(&written, &printed)
}

/// Whether two lines say the same, but for times, sizes, process ids, addresses of services, versions
/// of packages and of the kernel, bars, and the width of gaps.
#[must_use]
pub fn same(written: &str, printed: &str) -> bool {
    kind(written) == kind(printed)
}

fn matches(written: &[String], printed: &[String]) -> bool {
    match written.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line.starts_with(ANY) => {
            (0..=printed.len()).any(|from| matches(rest, printed.get(from..).unwrap_or_default()))
        }
        Some((line, rest)) => {
            let (first, others) = match printed.split_first() {
                Some((first, others)) => (first, others),
                None => return false,
            };
            line == first && matches(rest, others)
        }
    }
}

/// A line with the kind of what varies in its place.
fn kind(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut kinds: Vec<String> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or_default();
        if word.chars().all(|letter| DRAWN.contains(letter)) {
            continue;
        }
        let (head, core, tail) = punctuation(word);
        let before = kinds.last().map(String::as_str);
        let kind = word_kind(core, before, next.trim_end_matches([',', ';', ':', ')']));
        // `1m 2s` and `3s`, `90 ms` and `1.2 s` are one kind.
        let goes_on = kind == "TIME" || is_unit(core);
        match kinds.last_mut() {
            Some(last) if goes_on && last.ends_with("TIME") => last.push_str(tail),
            _ => kinds.push(format!("{head}{kind}{tail}")),
        }
    }
    kinds.join(" ")
}

fn is_unit(word: &str) -> bool {
    matches!(word, "s" | "ms" | "µs")
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn word_kind(word: &str, before: Option<&str>, next: &str) -> String {
    let service = word.strip_prefix("172.29.").is_some_and(is_number);
    let duration = ["ms", "s", "m", "h"]
        .iter()
        .any(|unit| word.strip_suffix(unit).is_some_and(is_number));
    let kernel = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains("-cloud-");
    let kind = match word {
        _ if service => "ADDRESS",
        _ if duration => "TIME",
        _ if kernel => "KERNEL",
        _ if is_number(word) && is_unit(next) => "TIME",
        _ if is_number(word) && matches!(next, "KiB" | "MiB" | "GiB") => "SIZE",
        _ if is_number(word) && matches!(before, Some("pid" | "process")) => "PID",
        other => other,
    };
    kind.to_owned()
}

/// Brackets and stops before and behind a word.
fn punctuation(word: &str) -> (&str, &str, &str) {
    let core = word.trim_start_matches(['(', '[']);
    let head = word.strip_suffix(core).unwrap_or_default();
    let inner = core.trim_end_matches([',', ';', ':', ')', ']']);
    let tail = core.strip_prefix(inner).unwrap_or_default();
    (head, inner, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_compared_by_its_kind() {
        for (a, b) in [
            (
                "web  web  up 1m 1s (healthy)  0  172.29.1.2",
                "web web up 3s (healthy) 0 172.29.77.6",
            ),
            (
                "  ✓ nginx  at 0.84 s  up, port 8080",
                "  ✓ nginx  at 1.02 s  up, port 8080",
            ),
            ("▸ storage ███    39.8 ms", "  storage █ 1.02 s"),
            (
                "on Linux 6.1.0-32-cloud-amd64, 2.1 s after",
                "on Linux 6.1.0-40-cloud-amd64, 900 ms after",
            ),
            ("built shop: system 62.3 MiB", "built shop: system 61 MiB"),
        ] {
            assert!(same(a, b), "{:?} {:?}", kind(a), kind(b));
        }
        for (a, b) in [
            ("web up 3s (healthy)", "web up 3s (unhealthy)"),
            ("8081->80", "8080->80"),
            ("up 3s 0 restarts", "up 3s 1 restarts"),
            ("status 200", "status 404"),
            ("10.0.2.15", "10.0.2.16"),
        ] {
            assert!(!same(a, b), "{:?} {:?}", kind(a), kind(b));
        }
    }

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_left_out_by_an_ellipsis_and_in_no_other_way() {
        let same =
            |written, printed, comparison| same_as(&lines(written), &lines(printed), comparison);
        assert!(same("a … d", "a b c d", Comparison::Ordered));
        assert!(same("a … d", "a d", Comparison::Ordered));
        assert!(!same("a … d", "a b c", Comparison::Ordered));
        assert!(!same("a b", "b a", Comparison::Ordered));
        assert!(same("a b", "b a", Comparison::Unordered));
        assert!(!same("a b", "b b", Comparison::Unordered));
        assert!(same("a … b", "b c a d", Comparison::Varies));
        assert!(!same("a b", "b b", Comparison::Varies));
    }
}
