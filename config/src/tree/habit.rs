//! What people write by habit, from YAML, JSON, a shell, a Dockerfile or an editor that means well, and
//! what it is in TOML.

use crate::tree::text::shown;

/// The instructions that a Dockerfile's lines begin with.
const DOCKERFILE: [&str; 8] = [
    "FROM ", "RUN ", "COPY ", "ADD ", "CMD ", "ENV ", "EXPOSE ", "WORKDIR ",
];

/// What a line that is not TOML was probably meant to be. `at` is where the parser stopped, in bytes.
pub(super) fn habit(line: &str, at: usize) -> Option<String> {
    let whole = line;
    let line = line.trim();
    let fixed = match line {
        _ if ["<<<<<<<", "=======", ">>>>>>>"]
            .iter()
            .any(|mark| line.starts_with(mark)) =>
        {
            "was left by git; keep one of the two sides, and remove the lines that mark them"
        }
        _ if line.starts_with("//") || line.starts_with("/*") || line.starts_with(';') => {
            "a comment begins with #; write # in front of it"
        }
        "---" | "..." => "is YAML; remove this line",
        "{" | "}" | "}," => {
            "is JSON; remove the outer braces, and write each key = value on a line of its own"
        }
        _ if line.starts_with("<<:") => "is YAML's; copy the keys to here",
        _ if line.starts_with("services:") => {
            "is a whole project; write each service into a file of its own, services/<name>/service.toml"
        }
        _ if line.starts_with("version:") => "nothing reads a version here; remove it",
        _ if line.starts_with("export ") => {
            "is a shell's; write the variable as environment = { KEY = \"value\" }"
        }
        _ if DOCKERFILE.iter().any(|word| line.starts_with(word)) => {
            "is a Dockerfile's; write build = { debian = [\"nginx-light\"] } for an image of packages"
        }
        _ if line.contains("{{") => "templates are not filled in; write the value itself",
        _ if line.contains(['“', '”', '„', '‘', '’', '`']) => {
            "these are no quotes in TOML; write straight ones: \"text\""
        }
        _ => "",
    };
    if !fixed.is_empty() {
        return Some(fixed.to_owned());
    }
    from_yaml(line).or_else(|| at_the_place(whole, at))
}

/// What the parser stopped at says more than the line.
fn at_the_place(line: &str, at: usize) -> Option<String> {
    let (before, after) = line.split_at_checked(at)?;
    let (key, value) = before.split_once('=').unwrap_or((before, ""));
    let key = shown(key.trim());
    let value = value.trim();
    // Also behind a quoted key, as in JSON.
    if after.starts_with(':') && before.contains('{') {
        return Some("a colon is YAML's; write KEY = \"value\" in a table".to_owned());
    }
    // Text that ended sooner than it was meant to: a blank or a comma would come next.
    if before.ends_with(['"', '\'']) && !after.starts_with([' ', ',', ';', ']', '}']) {
        return Some(
            "the text ends at the quote before this; write '…' around text with \" in it"
                .to_owned(),
        );
    }
    match after.chars().next()? {
        ';' => Some("a line ends without ; in TOML; remove it".to_owned()),
        ',' if !value.is_empty() && !value.contains(['[', '{']) => Some(format!(
            "several values are a list, which has brackets; write {key} = [{}, …]",
            shown(value)
        )),
        _ => {
            let (words, _) = line.split_once('=')?;
            let words: Vec<&str> = words.split_whitespace().collect();
            let bare = |word: &&str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            (words.len() == 2 && words.iter().all(bare) && at < line.find('=')?)
                .then(|| format!("a key has no blanks; write {} = value", words.join("_")))
        }
    }
}

/// What a line of YAML, which Compose users know, is in TOML.
fn from_yaml(line: &str) -> Option<String> {
    if let Some(entry) = line.strip_prefix("- ") {
        let entry = entry.trim().trim_matches(['"', '\'']);
        return Some(yaml(&format!("lists in brackets: [\"{}\"]", shown(entry))));
    }
    let (key, value) = line.split_once(':')?;
    let key = key.trim_matches('"');
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let value = value.strip_prefix('=').unwrap_or(value);
    if key.is_empty()
        || !key.trim_end().bytes().all(word)
        || !(value.is_empty() || value.starts_with(' '))
    {
        return None;
    }
    let (key, value) = (key.trim_end(), value.trim().trim_end_matches(','));
    let quotes = value.contains(['"', '\'']);
    let text = value.trim_matches(['"', '\'']);
    Some(yaml(&match text {
        "" => format!("{key} = […] or [{key}]"),
        "|" | ">" | "|-" | ">-" => format!("{key} = \"\"\", the lines, and \"\"\" at their end"),
        "true" | "false" => format!("{key} = {text}"),
        _ if !quotes && text.parse::<i64>().is_ok() => format!("{key} = {text}"),
        _ if value.starts_with(['[', '{']) => format!("{key} = {}", shown(value)),
        _ => format!("{key} = \"{}\"", shown(text)),
    }))
}

fn yaml(instead: &str) -> String {
    format!("is YAML; in TOML write {instead}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_recognised_and_translated() {
        for (line, toml) in [
            ("image: nginx", "image = \"nginx\""),
            ("  read_only: true", "read_only = true"),
            ("  - \"80:80\"", "lists in brackets: [\"80:80\"]"),
            ("scale: 3", "scale = 3"),
            ("cpus: \"3\"", "cpus = \"3\""),
            ("\"image\": \"nginx\",", "image = \"nginx\""),
            ("image := \"nginx\"", "image = \"nginx\""),
            (
                "command: |",
                "command = \"\"\", the lines, and \"\"\" at their end",
            ),
        ] {
            assert_eq!(habit(line, 0), Some(yaml(toml)), "{line}");
        }
        assert_eq!(from_yaml("image = nginx:1.25"), None);
    }

    #[test]
    fn what_stands_at_the_place_is_told() {
        let said = |line: &str, at| at_the_place(line, at).unwrap_or_default();
        assert!(said("a = \"x\";", 7).starts_with("a line ends without ;"));
        assert!(said("a = \"x\", \"y\"", 7).contains("write a = [\"x\", …]"));
        assert!(said("a = \"sh -c \"echo\"\"", 12).contains("the text ends at the quote"));
        assert!(said("working dir = 1", 8).contains("write working_dir = value"));
        assert!(said("a = { TZ: 1 }", 8).contains("a colon is YAML's"));
        assert!(said("a = {\"TZ\": \"UTC\"}", 9).contains("a colon is YAML's"));
        assert_eq!(said("a = \"x\" b", 8), "");
        assert_eq!(said("ä", 1), "");
    }
}
