//! What stands against the machine itself until the power goes: a bad block of its system, a state
//! disk that is gone. Not a service's trouble, which its own state tells.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use orlop_config::ServiceName;
use serde_json::json;
use tokio::time::sleep;

use crate::logs::{LogBroker, LogMessage};
use crate::report::Report;
use crate::stage::Fatal;

/// How long those who listen to the kernel get to hear it.
const HEARD: Duration = Duration::from_millis(50);

/// The one list, shared by handle on PID 1's single thread; from the first stage on.
#[derive(Debug, Clone)]
pub struct Notices(Rc<RefCell<Standing>>);

#[derive(Debug)]
struct Standing {
    report: Report,
    /// The log service, once there is one, and the name that it keeps them under.
    log: Option<(LogBroker, ServiceName)>,
    list: Vec<(&'static str, String)>,
}

impl Notices {
    /// None yet.
    #[must_use]
    pub fn new(report: &Report) -> Self {
        Self(Rc::new(RefCell::new(Standing {
            report: report.clone(),
            log: None,
            list: Vec::new(),
        })))
    }

    /// One sentence stands from now on. The first under a key is said: console, kernel's log, events,
    /// `log`. A later one takes its place and is only listed: what goes on and on is said once.
    pub fn add(&self, key: &'static str, sentence: String) {
        let standing = &mut *self.0.borrow_mut();
        let found = standing.list.iter_mut().find(|(known, _)| *known == key);
        if let Some((_, listed)) = found {
            *listed = sentence;
            return;
        }
        standing.report.warn(&format!("  ! {sentence}"));
        standing
            .report
            .event(&json!({"event": "notice", "key": key, "text": sentence}));
        if let Some((broker, service)) = &standing.log {
            note(broker, service, &sentence);
        }
        standing.list.push((key, sentence));
    }

    /// What stands, in the order that it came.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let standing = self.0.borrow();
        let sentences = standing.list.iter().map(|(_, sentence)| sentence.clone());
        sentences.collect()
    }

    /// What a stage came to; one that failed says too what stands against the machine, which may be
    /// why: what the kernel has told of is heard first.
    ///
    /// # Errors
    /// The stage's own.
    pub async fn explain<T>(&self, mut how: Result<T, Fatal>) -> Result<T, Fatal> {
        if let Err(Fatal(reason)) = &mut how {
            sleep(HEARD).await;
            for sentence in self.list() {
                reason.push_str("; ");
                reason.push_str(&sentence);
            }
        }
        how
    }

    /// From now on also in the records of the log service, under its own name; what stands already
    /// follows.
    pub(super) fn keep_in(&self, broker: LogBroker, service: ServiceName) {
        let standing = &mut *self.0.borrow_mut();
        for (_, sentence) in &standing.list {
            note(&broker, &service, sentence);
        }
        standing.log = Some((broker, service));
    }
}

fn note(broker: &LogBroker, service: &ServiceName, sentence: &str) {
    broker.tell(LogMessage::Note {
        service: service.clone(),
        text: sentence.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_sentence_the_last_one() {
        let notices = Notices::new(&Report::new());
        notices.add("slot", "one bad block".to_owned());
        notices.add("state", "read-only".to_owned());
        notices.add("slot", "two bad blocks".to_owned());
        assert_eq!(notices.list(), ["two bad blocks", "read-only"]);
    }
}
