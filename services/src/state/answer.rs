//! What PID 1 is told: a file in /run, which it reads once the applet has ended. The first line is the
//! device to mount or nothing, the others are sentences; what is wrong has a `!` in front.

use std::fs;
use std::io;
use std::path::Path;

/// Where it is (`init/src/stages/state_disk/mount.rs`).
pub const PATH: &str = "/run/orlop-state";

/// What is told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What can be mounted.
    pub device: Option<String>,
    sentences: Vec<String>,
}

impl Answer {
    /// One thing that people may like to know.
    pub fn say(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into().replace('\n', " "));
    }

    /// One thing that is wrong.
    pub fn warn(&mut self, sentence: impl AsRef<str>) {
        self.say(format!("!{}", sentence.as_ref()));
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.device.clone().unwrap_or_default();
        for sentence in &self.sentences {
            text.push('\n');
            text.push_str(sentence);
        }
        text
    }

    /// Writes it for PID 1.
    ///
    /// # Errors
    /// Of the file.
    pub fn write(&self) -> io::Result<()> {
        fs::write(Path::new(PATH), self.to_text())
    }
}
