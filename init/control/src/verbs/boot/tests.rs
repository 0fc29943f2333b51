//! A boot as a small machine has it: what is drawn of it, and what is said.

use super::*;
use crate::verbs::Screen;
use crate::{BootSpan, SpanKind, State};

fn span(kind: SpanKind, name: &str, begin: u64, end: u64) -> BootSpan {
    BootSpan {
        kind,
        name: name.to_owned(),
        begin_us: Some(begin),
        end_us: Some(end),
        ..BootSpan::default()
    }
}

fn service(name: &str, times: [u64; 4], after: &[&str]) -> BootSpan {
    let [begin, held, launched, end] = times;
    BootSpan {
        held_us: (held > 0).then_some(held),
        launched_us: Some(launched),
        state: Some(State::Up),
        after: after.iter().map(|name| (*name).to_owned()).collect(),
        ..span(SpanKind::Service, name, begin, end)
    }
}

/// Times in milliseconds become what PID 1 notes.
fn times() -> BootTimes {
    let stage = |name, begin, end| span(SpanKind::Stage, name, begin, end);
    let modules = |name, begin, end| span(SpanKind::Modules, name, begin, end);
    let mut crashes = service("crashes", [1_655_000, 0, 1_671_000, 1_672_000], &[]);
    crashes.state = Some(State::BackingOff);
    let mut web = service("web", [1_950_000, 0, 1_961_000, 2_061_000], &[]);
    web.after_healthy = vec!["db".to_owned()];
    let mut db = service("db", [1_654_000, 1_860_000, 1_870_000, 1_871_000], &[]);
    db.healthy_us = Some(1_949_000);
    let idle = BootSpan {
        kind: SpanKind::Service,
        name: "by-hand".to_owned(),
        ..BootSpan::default()
    };
    BootTimes {
        hostname: "box".to_owned(),
        kernel: "6.1.0-32-cloud-amd64".to_owned(),
        handed_over_us: 1_500_000,
        complete_us: Some(2_062_000),
        now_us: 9_000_000,
        spans: vec![
            stage("early_mounts", 1_500_100, 1_512_000),
            modules("boot", 1_513_000, 1_559_000),
            stage("kernel_modules", 1_512_500, 1_560_000),
            stage("devices", 1_560_100, 1_590_000),
            stage("storage", 1_590_200, 1_630_000),
            stage("switch_root", 1_630_100, 1_640_000),
            stage("load_config", 1_640_100, 1_645_000),
            stage("identity", 1_645_100, 1_652_000),
            stage("supervise", 1_652_100, 1_656_000),
            modules("network", 1_653_000, 1_820_000),
            stage("network", 1_652_500, 1_859_000),
            modules("machine", 1_821_000, 1_840_000),
            idle,
            crashes,
            db,
            service("log", [1_653_000, 0, 1_664_000, 1_664_500], &[]),
            web,
        ],
    }
}

#[test]
fn the_text() {
    let drawn = text(&Chart::new(&times()), Screen::PLAIN);
    let golden = include_str!("golden.txt");
    if std::env::var_os("ORLOP_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/verbs/boot/golden.txt");
        std::fs::write(path, &drawn).unwrap();
        return;
    }
    assert_eq!(drawn, golden, "ORLOP_BLESS=1 writes it anew");
}

#[test]
fn every_line_fits_whatever_the_width() {
    let mut times = times();
    times.spans.push(service(
        "a-service-with-a-name-that-no-column-holds",
        [1_653_000, 0, 1_664_000, 1_900_000],
        &[],
    ));
    let chart = Chart::new(&times);
    for columns in [70, 80, 99, 160, 400] {
        let screen = Screen {
            columns,
            ..Screen::PLAIN
        };
        let drawn = text(&chart, screen);
        // The title is a sentence, which a terminal may break.
        let rows = drawn.lines().skip(1);
        let widest = rows.map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns, "{widest} of {columns}:\n{drawn}");
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let chart = Chart::new(&times());
    let coloured = Screen {
        colours: true,
        ..Screen::PLAIN
    };
    let coloured = text(&chart, coloured);
    assert!(coloured.contains("\x1b[32m●\x1b[0m"), "{coloured}");
    let mut plain = String::new();
    for piece in coloured.split("\x1b[") {
        match plain.is_empty() {
            true => plain.push_str(piece),
            false => plain.push_str(piece.split_once('m').unwrap().1),
        }
    }
    // The title is painted from its first letter on.
    let plain = plain
        .split_once('m')
        .map_or(plain.clone(), |(sgr, rest)| match sgr {
            "1" => rest.to_owned(),
            _ => plain.clone(),
        });
    assert_eq!(plain, text(&chart, Screen::PLAIN));
}

#[test]
fn the_slowest_path_goes_through_what_was_waited_for() {
    let names = |times: &BootTimes| -> Vec<String> {
        path(times).into_iter().map(|step| step.name).collect()
    };
    let stages = [
        "kernel",
        "early_mounts",
        "kernel_modules",
        "devices",
        "storage",
        "switch_root",
        "load_config",
        "identity",
    ];
    let expected = [&stages[..], &["network", "db", "db healthy", "web"]].concat();
    assert_eq!(names(&times()), expected);

    // Without the wait for its health, web would have begun after db alone.
    let mut started = times();
    for span in &mut started.spans {
        span.after.append(&mut span.after_healthy);
    }
    let expected = [&stages[..], &["network", "db", "web"]].concat();
    assert_eq!(names(&started), expected);

    // Before web was up, the boot was not complete.
    let mut early = times();
    early.complete_us = None;
    early.now_us = 1_700_000;
    early
        .spans
        .retain(|span| span.end_us.is_some_and(|end| end < 1_700_000));
    assert_eq!(names(&early), [&stages[..], &["crashes"]].concat());

    let nothing = BootTimes {
        handed_over_us: 7,
        ..BootTimes::default()
    };
    assert_eq!(names(&nothing), ["kernel"]);
}

#[test]
fn a_need_is_a_step_of_the_path() {
    let mut times = times();
    times
        .spans
        .push(span(SpanKind::Need, "online", 1_940_000, 1_940_000));
    for span in times.spans.iter_mut().filter(|span| span.name == "web") {
        span.after_healthy.clear();
        span.needs = vec!["online".to_owned()];
    }
    let names: Vec<String> = path(&times).into_iter().map(|step| step.name).collect();
    assert!(
        names.ends_with(&["network".into(), "needs online".into(), "web".into()]),
        "{names:?}"
    );
}

#[test]
fn the_json_has_both_times_and_path() {
    let times = times();
    let json = serde_json::to_value(Report::new(&times)).unwrap();
    assert_eq!(json["handed_over_us"], 1_500_000);
    let last = &json["slowest_path"].as_array().unwrap().last().unwrap();
    assert_eq!(last["name"], "web");
    assert_eq!(last["end_us"], 2_061_000);
    let again: BootTimes = serde_json::from_value(json).unwrap();
    assert_eq!(again, times);
}

#[test]
fn the_picture_is_xml_with_everything_in_it() {
    let mut times = times();
    times.hostname = "<b>&\"box\u{1b}".to_owned();
    let drawn = svg(&Chart::new(&times));
    let document = roxmltree::Document::parse(&drawn).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "svg");
    let words: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .filter_map(|node| node.text())
        .collect();
    assert!(words.contains(&"<b>&\"box"), "{words:?}");
    for word in [
        "kernel",
        "storage",
        "network modules",
        "db",
        "web",
        "at 0.56 s",
        "failed at 0.17 s",
        "500 ms",
    ] {
        assert!(words.contains(&word), "{word} in {words:?}");
    }
    // Who never began has no row.
    assert!(!words.contains(&"by-hand"));
    let number = |node: &roxmltree::Node<'_, '_>, name: &str| -> f64 {
        node.attribute(name)
            .map_or(0.0, |text| text.parse().unwrap())
    };
    let (width, height) = (number(&root, "width"), number(&root, "height"));
    for node in document.descendants().filter(|node| node.is_element()) {
        assert!(
            number(&node, "x") + number(&node, "width") <= width,
            "{node:?}"
        );
        assert!(
            number(&node, "y") + number(&node, "height") <= height,
            "{node:?}"
        );
        assert!(
            number(&node, "width") >= 0.0 && number(&node, "x") >= 0.0,
            "{node:?}"
        );
    }
    if let Some(path) = std::env::var_os("ORLOP_SVG") {
        std::fs::write(path, &drawn).unwrap();
    }
}
