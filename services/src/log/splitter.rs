//! Bytes become lines. Pure.

/// The longest line in bytes; a longer one goes on as the next.
pub(super) const MAX_LINE: usize = 16 * 1024;

/// Collects the bytes of one pipe.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    /// Takes in bytes and gives each line that is complete, without its newline.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = MAX_LINE - self.partial.len();
            let window = bytes.get(..room).unwrap_or(bytes);
            let (length, used, complete) = match window.iter().position(|b| *b == b'\n') {
                Some(at) => (at, at + 1, true),
                None => (window.len(), window.len(), window.len() == room),
            };
            let piece = bytes.get(..length).unwrap_or_default();
            if complete && self.partial.is_empty() {
                line(piece);
            } else {
                self.partial.extend_from_slice(piece);
                if complete {
                    line(&self.partial);
                    self.partial.clear();
                }
            }
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// The last line, when it lacks its newline and nothing will follow.
    pub(super) fn finish(&mut self, line: impl FnOnce(&[u8])) {
        if !self.partial.is_empty() {
            line(&self.partial);
            self.partial = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(bytes: &[u8], cut: usize) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for chunk in bytes.chunks(cut) {
            splitter.push(chunk, |line| lines.push(line.to_vec()));
        }
        splitter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_cutting(
            lines in proptest::collection::vec("[a-z]{0,30}", 0..20),
            last in "[a-z]{1,5}",
            cut in 1usize..40,
        ) {
            let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
            let got = split(format!("{text}{last}").as_bytes(), cut);
            let expected: Vec<Vec<u8>> = lines.iter().chain([&last]).map(|l| l.clone().into_bytes()).collect();
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_loses_nothing() {
        for cut in [1000, MAX_LINE, 100_000] {
            let lines = split(&vec![b'x'; 40_000], cut);
            let lengths: Vec<usize> = lines.iter().map(Vec::len).collect();
            assert_eq!(lengths, [MAX_LINE, MAX_LINE, 40_000 - 2 * MAX_LINE]);
        }
    }
}
