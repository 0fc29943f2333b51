//! The findings of one file, collected by place and turned into diagnostics at the end.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::compact::{gather, sort_by};
use crate::tree::text::Text;
use crate::{Diagnostic, Severity, SourceFile};

/// How many findings of one file are told; the rest is counted.
const TOLD: usize = 100;

/// A place in a file: where, and the key that stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Byte offsets.
    pub(crate) span: Range<usize>,
    /// Such as `depends_on.db.condition`; empty for the file as a whole.
    pub(crate) key: String,
}

#[derive(Debug)]
struct Finding {
    severity: Severity,
    place: Place,
    message: String,
}

/// Collects what is found in one file.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub(crate) text: Text<'a>,
    list: Vec<Finding>,
    /// What was found in files that this one names.
    elsewhere: Vec<Diagnostic>,
    untold: usize,
    errors: usize,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(source: &'a SourceFile) -> Self {
        Self {
            text: Text::new(&source.path, &source.text),
            list: Vec::new(),
            elsewhere: Vec::new(),
            untold: 0,
            errors: 0,
        }
    }

    /// Adds an error.
    pub(crate) fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.errors += 1;
        self.add(Severity::Error, place, message.into());
    }

    /// Adds a warning.
    pub(crate) fn warning(&mut self, place: &Place, message: impl Into<String>) {
        self.add(Severity::Warning, place, message.into());
    }

    fn add(&mut self, severity: Severity, place: &Place, message: String) {
        if self.list.len() < TOLD {
            let place = place.clone();
            self.list.push(Finding {
                severity,
                place,
                message,
            });
        } else {
            self.untold += 1;
        }
    }

    /// Reads another file that this one names: what is found there is told after this one's own.
    pub(crate) fn elsewhere(&mut self, source: &SourceFile, read: impl FnOnce(&mut Findings<'_>)) {
        let mut findings = Findings::new(source);
        read(&mut findings);
        self.errors += findings.errors;
        self.elsewhere.append(&mut findings.into_diagnostics());
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Drops the findings made after the first `kept` that share a line with one of these, or stand
    /// behind `swallowed_from`: what the parser guessed there is worth no second sentence.
    pub(crate) fn drop_echoes(&mut self, kept: usize, swallowed_from: Option<usize>) {
        let line = |finding: &Finding| self.text.line_number(finding.place.span.start);
        let lines: BTreeSet<usize> = gather(self.list.iter().take(kept).map(line));
        let swallowed = |f: &Finding| swallowed_from.is_some_and(|at| f.place.span.start >= at);
        let is_echo = |f: &Finding| lines.contains(&line(f)) || swallowed(f);
        let echoes: Vec<bool> = self.list.iter().map(is_echo).collect();
        let mut echoes = echoes.into_iter().enumerate();
        self.list
            .retain(|_| !echoes.next().is_some_and(|(at, echo)| at >= kept && echo));
    }

    /// Whether what is added from now on is only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= TOLD
    }

    /// How many findings are kept so far.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Everything found, in line order.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        let place = |f: &Finding| (f.place.span.start, f.severity);
        sort_by(&mut self.list, |a, b| place(a).cmp(&place(b)));
        let (text, untold) = (&self.text, self.untold);
        let mut all: Vec<Diagnostic> = self
            .list
            .into_iter()
            .map(|f| diagnostic(text, f.severity, f.place, f.message))
            .collect();
        if untold > 0 {
            let end = text.text.len();
            let place = Place {
                span: end..end,
                key: String::new(),
            };
            let message = format!("has {untold} more errors; fix the ones above first");
            all.push(diagnostic(text, Severity::Error, place, message));
        }
        all.append(&mut self.elsewhere);
        all
    }
}

fn diagnostic(text: &Text<'_>, severity: Severity, place: Place, message: String) -> Diagnostic {
    let located = text.locate(&place.span);
    Diagnostic {
        severity,
        file: text.path.to_owned(),
        line: located.line,
        column: located.column,
        line_text: located.line_text,
        caret: located.caret,
        caret_width: located.caret_width,
        key: place.key,
        message,
    }
}
