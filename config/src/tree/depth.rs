//! A bound on how deep tables lie in tables, before the parser builds (and drops) them.
//!
//! The toml crate stops at 80 nested brackets, but a dotted key `a.a.a.…` nests one table a dot,
//! and dropping half a million of them would overflow the stack of PID 1.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// How many dots a key may have. No key of ours has more than three.
const DOTS: usize = 16;

/// The first key with too many dots, if any.
pub(crate) fn too_deep(text: &str) -> Option<Range<usize>> {
    if is_plainly_shallow(text) {
        return None;
    }
    let (mut dots, mut start) = (0, 0);
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Newline
            | TokenKind::Equals
            | TokenKind::Comma
            | TokenKind::LeftSquareBracket
            | TokenKind::RightSquareBracket
            | TokenKind::LeftCurlyBracket
            | TokenKind::RightCurlyBracket => {
                dots = 0;
                start = token.span().end();
            }
            _ => {}
        }
        if dots > DOTS {
            return Some(start..token.span().end());
        }
    }
    None
}

/// Whether no line has so many dots that a key could, which a look at each byte tells: an eighth of
/// the check's time less than reading every file's tokens twice. What spans lines is left to those.
fn is_plainly_shallow(text: &str) -> bool {
    text.split('\n').all(|line| {
        let line = line.as_bytes();
        let (mut dots, mut quotes, mut last) = (0, 0, 0);
        for &byte in line.iter().take_while(|_| line.first() != Some(&b'#')) {
            match byte {
                b'.' => dots += 1,
                b'"' | b'\'' if byte == last => quotes += 1,
                _ => quotes = 0,
            }
            if dots > DOTS || quotes == 2 {
                return false;
            }
            last = byte;
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_in_strings_and_comments_do_not_count() {
        let dots = ".".repeat(1000);
        assert_eq!(
            too_deep(&format!("a.b = \"{dots}\" # {dots}\n'{dots}' = 0.5")),
            None
        );
    }

    #[test]
    fn a_key_over_lines_is_counted_as_one() {
        for quotes in ["\"\"\"", "'''"] {
            let part = format!("a.{quotes}\n{quotes}.");
            assert!(!is_plainly_shallow(&part), "{part}");
            assert!(too_deep(&format!("{}a = 1", part.repeat(9))).is_some());
        }
        assert!(is_plainly_shallow("a = \"\"\nb = ''\nc = \"it's\"\n"));
    }

    #[test]
    fn a_deep_key_is_found_where_it_stands() {
        let deep = "a.".repeat(1000);
        assert_eq!(
            too_deep(&format!("x = 1\n[{deep}a]")).map(|r| r.start),
            Some(7)
        );
        assert!(too_deep(&format!("x = {{ {deep}a = 1 }}")).is_some());
    }
}
