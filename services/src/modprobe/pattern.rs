//! Patterns of modules.alias: those of fnmatch(3) that scripts/mod/file2alias.c writes, which are
//! `*`, `?` and a set such as `[0-9a-f]`. Pure.

/// Whether the whole text is what the pattern says. Linear but for a `*`, which is taken as short as
/// goes, as fnmatch(3) does.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Behind the last `*`, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(at..).unwrap_or_default();
        if let [b'*', ..] = rest {
            at += 1;
            star = Some((at, seen));
            continue;
        }
        match text.get(seen) {
            None if rest.is_empty() => return true,
            None => return false,
            Some(byte) => {
                if let Some(length) = one(rest, *byte) {
                    at += length;
                    seen += 1;
                    continue;
                }
            }
        }
        // The `*` takes one more.
        let Some((behind, taken)) = star else {
            return false;
        };
        star = Some((behind, taken + 1));
        (at, seen) = (behind, taken + 1);
    }
}

/// The length of the pattern's first part when it stands for this byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => {
            let end = set.iter().position(|b| *b == b']')?;
            is_in(set.get(..end)?, byte).then_some(end + 2)
        }
        [first, ..] if *first == byte => Some(1),
        _ => None,
    }
}

/// Single bytes and ranges: `0-9af`.
fn is_in(mut set: &[u8], byte: u8) -> bool {
    loop {
        set = match set {
            [from, b'-', to, ..] if (*from..=*to).contains(&byte) => return true,
            [_, b'-', _, rest @ ..] => rest,
            [single, ..] if *single == byte => return true,
            [_, rest @ ..] => rest,
            [] => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_real_drivers() {
        for (pattern, text) in [
            (
                "pci:v00001AF4d00001004sv*sd*bc*sc*i*",
                "pci:v00001AF4d00001004sv00001AF4sd00000008bc01sc00i00",
            ),
            ("virtio:d00000008v*", "virtio:d00000008v00001AF4"),
            (
                "usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*",
                "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00",
            ),
            ("usb:v0525pA4A5d[0-2]*dc*", "usb:v0525pA4A5d2999dc00"),
            ("acpi*:PNP0C0C:*", "acpi:PNP0C0C:"),
            ("acpi*:IPI0*:*", "acpi:IPI0001:"),
            ("hid:b*g0001v*p*", "hid:b0003g0001v00000627p00000001"),
            ("platform:iTCO_wdt", "platform:iTCO_wdt"),
            ("a[b-df]?*", "afx"),
            ("*", ""),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("pci:v00001AF4d00001004sv*", "pci:v00001AF4d00001005sv0"),
            ("usb:v0525pA4A5d[0-2]*dc*", "usb:v0525pA4A5d3999dc00"),
            ("a*b", "ab-"),
            ("abc", "ab"),
            ("ab", "abc"),
            ("a[b", "ab"),
            ("a[b-d]", "ae"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    proptest::proptest! {
        /// One that tries everything decides the same.
        #[test]
        fn as_the_simplest_matcher_does(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], []) => true,
                    ([b'*', rest @ ..], text) => {
                        (0..=text.len()).any(|taken| slow(rest, &text[taken..]))
                    }
                    ([b'?', rest @ ..], [_, text @ ..]) => slow(rest, text),
                    ([first, rest @ ..], [byte, text @ ..]) => first == byte && slow(rest, text),
                    _ => false,
                }
            }
            proptest::prop_assert_eq!(
                matches(&pattern, &text),
                slow(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
