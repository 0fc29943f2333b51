//! Control-file stanzas (deb822(5)): what `apt-get indextargets` and `apt-cache show` print.

use std::collections::BTreeMap;

/// One stanza: field name to value; continuation lines keep their line breaks.
pub(super) type Stanza = BTreeMap<String, String>;

/// The stanzas of a text, in order.
pub(super) fn parse(text: &str) -> Vec<Stanza> {
    let mut stanzas = Vec::new();
    let mut current = Stanza::new();
    let mut last: Option<String> = None;
    for line in text.lines() {
        if line.trim().is_empty() {
            if !current.is_empty() {
                stanzas.push(std::mem::take(&mut current));
            }
            last = None;
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = last.as_ref().and_then(|field| current.get_mut(field)) {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((field, value)) = line.split_once(':') {
            current.insert(field.to_owned(), value.trim().to_owned());
            last = Some(field.to_owned());
        }
    }
    if !current.is_empty() {
        stanzas.push(current);
    }
    stanzas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_and_continuation_lines() {
        let found = parse("A: 1\nB: two\n three\n\n\nA: 2\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["B"], "two\n three");
        assert_eq!(found[1]["A"], "2");
    }
}
