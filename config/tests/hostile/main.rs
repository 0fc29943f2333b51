//! Text that no person would write: nothing panics, every finding points into the file, and what is
//! accepted can be supervised.

#[cfg(test)]
mod limits;
#[cfg(test)]
mod words;

use std::time::Duration;

use orlop_config::{
    Checked, Diagnostic, Kind, Readiness, RestartPolicy, Service, SourceFile, Sources, check,
};
use proptest::prelude::*;

use words::{GOOD, GOOD_KEYS, toml};

fn check_both(text: &str) -> (Checked, Checked) {
    let file = |path: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let service = Sources {
        services: [("web".to_owned(), file("services/web/service.toml"))].into(),
        images: ["nginx".to_owned()].into(),
        ..Sources::default()
    };
    let system = Sources {
        system: Some(file("system.toml")),
        ..Sources::default()
    };
    (check(&service), check(&system))
}

/// Every finding lies in the file and can be printed on a terminal.
#[expect(
    clippy::expect_used,
    reason = "a finding outside of the file fails the test"
)]
fn assert_inside(text: &str, diagnostics: &[Diagnostic]) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').collect();
    for diagnostic in diagnostics {
        let line = lines.get(diagnostic.line - 1).expect("a line of the file");
        let characters = line.chars().count();
        assert!(
            (1..=characters + 1).contains(&diagnostic.column),
            "{diagnostic:?}"
        );
        let shown = diagnostic.line_text.chars().count();
        assert!(shown <= 122, "{diagnostic:?}");
        assert!(diagnostic.caret <= shown, "{diagnostic:?}");
        assert!(diagnostic.caret_width >= 1);
        assert!(
            diagnostic.caret + diagnostic.caret_width <= shown + 1,
            "{diagnostic:?}"
        );
        assert!(!diagnostic.message.is_empty());
        let printed = diagnostic.render();
        assert!(
            !printed.chars().any(|c| c.is_control() && c != '\n'),
            "{printed:?}"
        );
        assert!(printed.split('\n').count() <= 3, "{printed:?}");
    }
}

fn assert_sound(text: &str) {
    let (service, system) = check_both(text);
    assert_inside(text, &service.diagnostics);
    assert_inside(text, &system.diagnostics);
    let runs = service.services.values().next().map(Service::folder);
    assert_eq!(usize::from(runs.is_some()) + service.broken.len(), 1);
    service.services.values().for_each(assert_supervisable);
    assert_eq!(service.has_errors(), !service.broken.is_empty());
}

/// What the supervisor may rely on, whatever was written.
fn assert_supervisable(service: &Service) {
    let supervision = &service.supervision;
    let delays = [
        supervision.restart_delay,
        supervision.restart_max_delay,
        supervision.restart_reset_after,
    ];
    assert!(delays.iter().all(|delay| !delay.is_zero()), "{service:?}");
    assert!(supervision.restart_delay <= supervision.restart_max_delay);
    assert_ne!(service.max_attempts(), Some(0));
    let again = [
        RestartPolicy::Always,
        RestartPolicy::UnlessStopped,
        RestartPolicy::OnSuccess,
    ];
    if supervision.kind != Kind::Service {
        assert!(!again.contains(&service.restart), "{service:?}");
        assert_eq!(supervision.readiness, Readiness::Started);
        assert!(supervision.health.is_none() && supervision.watchdog.is_none());
    }
    if supervision.readiness == Readiness::Healthy {
        assert!(supervision.health.is_some(), "{service:?}");
    }
    if let Some(health) = &supervision.health {
        assert!(health.interval >= Duration::from_millis(100) && health.retries > 0);
        assert!(health.start_interval >= Duration::from_millis(100));
        assert!(!health.timeout.is_zero());
    }
    if let Some(limit) = &supervision.start_limit {
        assert!(limit.burst > 0 && !limit.interval.is_zero());
    }
    if let Some(schedule) = &supervision.schedule {
        assert!(
            schedule
                .next(1_800_000_000)
                .is_some_and(|at| at > 1_800_000_000)
        );
        assert!(matches!(
            supervision.kind,
            Kind::Oneshot {
                remain_after_exit: false
            }
        ));
        assert!(!supervision.start_at_boot && supervision.replica.is_none());
    }
    if let Some(replica) = &supervision.replica {
        assert!((1..=replica.count).contains(&replica.index) && replica.count > 1);
        assert!(service.ports.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_survived(text in "(?s).{0,200}") {
        assert_sound(&text);
    }

    #[test]
    fn text_of_tomls_own_characters_is_survived(text in "[a-c=\\[\\]{}.,#\"' \n\r\\\\0-9_:-]{0,120}") {
        assert_sound(&text);
    }

    #[test]
    fn arbitrary_toml_is_survived(text in toml()) {
        assert_sound(&text);
    }

    /// Mostly good values, so that many a file is accepted.
    #[test]
    fn whatever_is_accepted_can_be_supervised(lines in prop::collection::btree_map(
        prop::sample::select(GOOD_KEYS), any::<prop::sample::Index>(), 1..8,
    )) {
        let lines: Vec<&str> = lines
            .iter()
            .map(|(alternatives, at)| *at.get(alternatives))
            .collect();
        assert_sound(&format!("{GOOD}{}\n", lines.join("\n")));
    }

    #[test]
    fn a_good_file_cut_anywhere_is_survived(at in 0usize..600, insert in "\\PC{0,2}") {
        let good = include_str!("../accept/every_key.toml");
        let at = good.char_indices().map(|(i, _)| i).nth(at).unwrap_or(good.len());
        assert_sound(&good[..at]);
        assert_sound(&format!("{}{insert}{}", &good[..at], &good[at..]));
    }
}
