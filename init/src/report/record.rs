//! What is said on the console, as the kernel's log takes it. Pure.

/// The text of one record in the kernel's log.
pub(super) const RECORD_BYTES: usize = 900;

/// The text in pieces of at most `most` bytes, cut between characters.
pub(super) fn pieces(mut text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() > most {
        let cut = text.floor_char_boundary(most.max(4));
        let (piece, rest) = text.split_at(cut);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

/// The text without its SGR sequences: the kernel's log escapes them into noise.
pub(super) fn strip_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\x1b[") {
        plain.push_str(rest.get(..start).unwrap_or_default());
        rest = rest.get(start..).unwrap_or_default();
        let end = rest.find('m').map_or(rest.len(), |m| m + 1);
        rest = rest.get(end..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_reach_the_kernels_log() {
        assert_eq!(strip_colours("\x1b[33mlow\x1b[0m memory"), "low memory");
        assert_eq!(strip_colours("plain \x1b[1"), "plain ");
    }

    #[test]
    fn a_long_text_becomes_records_that_fit() {
        let text = "ä".repeat(1000);
        let cut = pieces(&text, RECORD_BYTES);
        assert!(cut.iter().all(|piece| piece.len() <= RECORD_BYTES));
        assert_eq!(cut.concat(), text);
        assert_eq!(pieces("short", RECORD_BYTES), ["short"]);
    }
}
