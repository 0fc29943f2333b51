//! What may stand as a key's value: the words of the reference page and the JSON Schema both come
//! from it. Only the workstation asks; the linker leaves it out of PID 1.

use super::{Section, Support};

/// What may stand as a value. Wider than the parser where only a program could say more: a schema
/// must never refuse what the parser takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `true` or `false`.
    Boolean,
    /// A whole number within these bounds, both included.
    Whole(i64, i64),
    /// Text of a form.
    Text(&'static Form),
    /// Text of a form, or the same as a number without quotes.
    TextOrNumber(&'static Form),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list, each entry of this shape.
    List(&'static Shape),
    /// A table with the keys of a section.
    Table(Section),
    /// A table whose keys are names of the person's own, of this form.
    Named(&'static Form, &'static Shape),
    /// Any of these.
    Any(&'static [Shape]),
}

/// What a text looks like.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    /// In words, such as `duration`.
    pub one: &'static str,
    /// In words, of a list: `durations`.
    pub many: &'static str,
    /// A regular expression that every text of the form matches, of ECMA 262's without flags;
    /// empty when nothing can be said.
    pub pattern: &'static str,
    /// Texts that an editor offers; the pattern takes others too.
    pub known: &'static [&'static str],
}

/// Keys of a table that are shown within one line.
const SHOWN_KEYS: usize = 4;

impl Shape {
    /// The type as the reference page shows it, such as ``list of `host:container` ``.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Shape::Boolean => "true or false".to_owned(),
            Shape::Whole(least, most) if least == most => format!("`{least}`"),
            Shape::Whole(least, 0xffff_ffff..) => format!("number from {least}"),
            Shape::Whole(least, most) => format!("number, {least} to {most}"),
            Shape::Text(form) | Shape::TextOrNumber(form) => form.one.to_owned(),
            Shape::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                alternatives(&words)
            }
            Shape::List(of) => format!("list of {}", of.plural()),
            Shape::Table(section) => match in_braces(*section) {
                Some(keys) => format!("table of {keys}"),
                None => "table".to_owned(),
            },
            Shape::Named(form, of) => match of {
                Shape::Table(section) => match in_braces(*section) {
                    Some(keys) => format!("table of {}, each {keys}", form.many),
                    None => format!("table of {}, each a table", form.many),
                },
                _ => format!("table of {} = {}", form.one, of.words()),
            },
            Shape::Any(shapes) => {
                let words: Vec<String> = shapes.iter().map(Shape::words).collect();
                alternatives(&words)
            }
        }
    }

    /// The same of several.
    fn plural(&self) -> String {
        match self {
            Shape::Text(form) | Shape::TextOrNumber(form) => form.many.to_owned(),
            Shape::Whole(least, most) => format!("numbers, {least} to {most}"),
            Shape::Any(shapes) => {
                let words: Vec<String> = shapes.iter().map(Shape::plural).collect();
                alternatives(&words)
            }
            Shape::Choice(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                words.join(", ")
            }
            _ => self.words(),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        // A comma in one of them would hide where the next begins.
        [first @ .., last] if words.iter().any(|word| word.contains(", ")) => {
            format!("{}, or {last}", first.join(", "))
        }
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The keys of a small section, as they are written.
fn in_braces(section: Section) -> Option<String> {
    let keys = section.keys().iter();
    let supported = keys.filter(|key| key.support == Support::Supported);
    let names: Vec<&str> = supported.map(|key| key.name).collect();
    (1..=SHOWN_KEYS)
        .contains(&names.len())
        .then(|| format!("`{{ {} }}`", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::form;

    #[test]
    fn words_are_those_of_the_reference_page() {
        let words = |shape: Shape| shape.words();
        assert_eq!(words(Shape::Whole(1, i64::from(u32::MAX))), "number from 1");
        assert_eq!(words(Shape::Whole(576, 65_535)), "number, 576 to 65535");
        assert_eq!(words(Shape::Choice(&["a", "b", "c"])), "`a`, `b` or `c`");
        let both = Shape::Any(&[
            Shape::Text(&form::SERVICE),
            Shape::List(&Shape::Text(&form::SERVICE)),
        ]);
        assert_eq!(words(both), "service's name or list of services");
        assert_eq!(
            words(Shape::Table(Section::StartLimit)),
            "table of `{ burst, interval, retry_after }`"
        );
        assert_eq!(words(Shape::Table(Section::Healthcheck)), "table");
    }
}
