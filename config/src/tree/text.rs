//! Byte offsets of a manifest as lines and columns, and text made fit to be shown.

use std::cell::OnceCell;
use std::ops::Range;

/// How much of a long line is shown, in characters.
const SHOWN: usize = 120;

/// A manifest's text with the starts of its lines.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    /// Found when the first place is shown: a file without a finding needs none.
    starts: OnceCell<Vec<usize>>,
}

/// Where a span lies and how its line is shown.
pub(crate) struct Located {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) line_text: String,
    pub(crate) caret: usize,
    pub(crate) caret_width: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        // A byte order mark is no character of the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let starts = OnceCell::new();
        Self { path, text, starts }
    }

    fn starts(&self) -> &[usize] {
        self.starts.get_or_init(|| {
            let newlines = self.text.match_indices('\n');
            std::iter::once(0)
                .chain(newlines.map(|(at, _)| at + 1))
                // What follows the last newline is a line only when there is something.
                .filter(|&start| start == 0 || start < self.text.len())
                .collect()
        })
    }

    /// The line of an offset, counted from 0, and where it starts.
    fn line_of(&self, offset: usize) -> (usize, usize) {
        let starts = self.starts();
        let line = starts
            .partition_point(|&start| start <= offset)
            .saturating_sub(1);
        (line, starts.get(line).copied().unwrap_or(0))
    }

    /// The line of an offset, counted from 1.
    pub(crate) fn line_number(&self, offset: usize) -> usize {
        self.line_of(offset).0 + 1
    }

    /// Where the line of an offset begins, behind its blanks.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        let line = self.line_at(offset);
        self.line_of(offset).1 + (line.len() - line.trim_start().len())
    }

    /// The whole line that an offset is on, without its line end.
    pub(crate) fn line_at(&self, offset: usize) -> &'a str {
        let (_, start) = self.line_of(offset);
        let rest = self.text.get(start..).unwrap_or("");
        rest.split(['\n', '\r']).next().unwrap_or("")
    }

    /// Where in its line an offset is, in bytes.
    pub(crate) fn offset_in_line(&self, offset: usize) -> usize {
        offset.saturating_sub(self.line_of(offset).1)
    }

    /// Line, column and the shown line of a span; what lies outside the text is drawn to its end.
    pub(crate) fn locate(&self, span: &Range<usize>) -> Located {
        let (line, start) = self.line_of(span.start);
        let full = self.line_at(span.start);
        let offset = span.start.saturating_sub(start).min(full.len());
        let before = full.get(..offset).unwrap_or(full).chars().count();
        let last = span.end.saturating_sub(start).clamp(offset, full.len());
        let width = full.get(offset..last).unwrap_or("").chars().count().max(1);

        // A window around the place when the line is long.
        let skip = if before < SHOWN * 3 / 4 {
            0
        } else {
            before - SHOWN / 2
        };
        let mut shown: String = full.chars().skip(skip).take(SHOWN).map(visible).collect();
        if full.chars().nth(skip + SHOWN).is_some() {
            shown.push('…');
        }
        let mut caret = before - skip;
        if skip > 0 {
            shown.insert(0, '…');
            caret += 1;
        }
        let room = shown.chars().count().saturating_sub(caret).max(1);
        Located {
            line: line + 1,
            column: before + 1,
            line_text: shown,
            caret,
            caret_width: width.min(room),
        }
    }
}

/// A character that a terminal prints as one cell and does not obey.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Someone's text inside a message: shortened, and nothing in it a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(60).map(visible).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

/// The same in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let text = Text::new("f", "a = 1\nbä = 2\r\n");
        let at = |range: Range<usize>| {
            let l = text.locate(&range);
            (l.line, l.column, l.caret_width, l.line_text)
        };
        assert_eq!(at(0..1), (1, 1, 1, "a = 1".into()));
        assert_eq!(at(12..13), (2, 6, 1, "bä = 2".into()));
        assert_eq!(at(99..200), (2, 7, 1, "bä = 2".into()));
    }

    #[test]
    fn a_long_line_is_shown_as_a_window_around_the_place() {
        let line = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let located = Text::new("f", &line).locate(&(500..501));
        assert_eq!(located.column, 501);
        assert_eq!(located.line_text.chars().nth(located.caret), Some('X'));
        assert!(located.line_text.chars().count() <= SHOWN + 2);
    }

    #[test]
    fn nothing_shown_reaches_the_terminal_as_an_escape() {
        assert_eq!(quoted("a\u{1b}[2J"), "\"a\u{fffd}[2J\"");
    }
}
