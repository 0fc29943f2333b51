//! Whether `orlop boot --json` agrees with what PID 1 said at the time and with what the kernel saw.

use serde_json::Value;

use crate::trace::{Fact, What};

/// Everything that does not: of a boot that is complete, by its events and, of services whose main
/// process is `/bin/main-<name>`, the kernel's trace.
#[must_use]
pub fn disagreements(boot: &Value, events: &[Value], trace: &[Fact]) -> Vec<String> {
    let mut wrong = Vec::new();
    stages(boot, events, &mut wrong);
    let started = services(boot, events, trace, &mut wrong);
    path(boot, &mut wrong);
    if started == 0 {
        wrong.push("no service ever began".to_owned());
    }
    let complete = number(boot, "complete_us");
    let told = events.iter().find(|e| text(e, "event") == "boot-complete");
    let told = told.and_then(|event| number(event, "uptime_ms"));
    if told
        .zip(complete)
        .is_none_or(|(told, complete)| complete / 1000 > told)
    {
        wrong.push(format!(
            "complete at {complete:?} µs, which was told at {told:?} ms"
        ));
    }
    wrong
}

/// Each stage's event says how long it took, a moment after its end.
fn stages(boot: &Value, events: &[Value], wrong: &mut Vec<String>) {
    let told: Vec<&Value> = events
        .iter()
        .filter(|e| text(e, "event") == "stage")
        .collect();
    if told.len() < 8 {
        wrong.push(format!("only {} stages were told", told.len()));
    }
    for event in told {
        let name = text(event, "stage");
        let span =
            spans(boot).find(|span| text(span, "kind") == "stage" && text(span, "name") == name);
        let times = span.and_then(|span| number(span, "begin_us").zip(number(span, "end_us")));
        let Some((begin, end)) = times else {
            wrong.push(format!("stage {name} is not there"));
            continue;
        };
        // In tenths of a millisecond; both ends are cut to microseconds, the event's time is not.
        let tenths = event
            .get("elapsed_ms")
            .and_then(Value::as_f64)
            .map(|ms| (ms * 10.0).round());
        let took = Some((end.saturating_sub(begin)) / 100);
        let near = |a: u64, b: f64| {
            [a, a.saturating_sub(1)]
                .iter()
                .any(|a| a.to_string() == b.to_string())
        };
        if !took
            .zip(tenths)
            .is_some_and(|(took, tenths)| near(took, tenths))
        {
            wrong.push(format!(
                "stage {name} took {took:?}, told was {tenths:?} tenths of a ms"
            ));
        }
        if number(event, "uptime_ms").is_none_or(|told| end / 1000 > told) {
            wrong.push(format!("stage {name} ended at {end} µs: {event}"));
        }
    }
}

/// Each first start lies between the events of its beginning and its end, and the kernel saw the
/// program begin between PID 1's decision and PID 1's knowledge of it. Gives how many there were.
fn services(boot: &Value, events: &[Value], trace: &[Fact], wrong: &mut Vec<String>) -> usize {
    let mut started = 0;
    for span in spans(boot).filter(|span| text(span, "kind") == "service") {
        let name = text(span, "name");
        let at = |key| number(span, key);
        let Some((begin, end)) = at("begin_us").zip(at("end_us")) else {
            continue;
        };
        started += 1;
        let told = |state: &str| {
            let is_it = |e: &&Value| text(e, "service") == name && text(e, "state") == state;
            events
                .iter()
                .find(is_it)
                .and_then(|event| number(event, "uptime_ms"))
        };
        let (starting, ended) = (told("starting"), told(text(span, "state")));
        if starting.is_none_or(|told| begin / 1000 > told || told > end / 1000)
            || ended.is_none_or(|told| end / 1000 > told)
        {
            wrong.push(format!(
                "{name}: told {starting:?} and {ended:?} ms of {span}"
            ));
        }
        let program = format!("/bin/main-{name}");
        let is_main =
            |fact: &&Fact| matches!(&fact.what, What::Exec { program: of } if *of == program);
        let Some(first) = trace.iter().find(is_main) else {
            continue;
        };
        let ran = first.at.as_micros();
        let launched = at("launched_us").map(u128::from);
        if ran < u128::from(begin) || launched.is_none_or(|launched| ran > launched) {
            wrong.push(format!("{name}: by the kernel at {ran} µs: {span}"));
        }
        for on in span
            .get("after")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let on = spans(boot).find(|other| other.get("name") == Some(on));
            let ready = on.and_then(|on| number(on, "end_us"));
            if ready.is_none_or(|ready| ready > begin) {
                wrong.push(format!("{name} began at {begin} µs, before {on:?}"));
            }
        }
    }
    started
}

/// The slowest path begins with the power and leads without a step back to the last first start.
fn path(boot: &Value, wrong: &mut Vec<String>) {
    let path = boot.get("slowest_path").and_then(Value::as_array);
    let times = |step: &Value| number(step, "begin_us").zip(number(step, "end_us"));
    let times: Vec<(u64, u64)> = path.into_iter().flatten().filter_map(times).collect();
    let back = |pair: &[(u64, u64)]| matches!(pair, [(_, end), (begin, _)] if end > begin);
    let complete = number(boot, "complete_us").unwrap_or_default();
    let ends = spans(boot).filter(|span| text(span, "kind") == "service");
    let ends = ends
        .filter_map(|span| number(span, "end_us"))
        .filter(|end| *end <= complete);
    if times.first().is_none_or(|(begin, _)| *begin != 0)
        || times.windows(2).any(back)
        || times.last().map(|(_, end)| *end) != ends.max()
    {
        wrong.push(format!("the slowest path: {path:?}"));
    }
}

fn spans(boot: &Value) -> impl Iterator<Item = &Value> {
    let spans = boot.get("spans").and_then(Value::as_array);
    spans.into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn boot() -> Value {
        let stage = |index: u64| json!({"kind": "stage", "name": index.to_string(), "begin_us": index * 1000, "end_us": index * 1000 + 950});
        let service = |name: &str, begin: u64, after: &[&str]| {
            json!({"kind": "service", "name": name, "begin_us": begin, "launched_us": begin + 500,
                   "end_us": begin + 600, "state": "up", "after": after})
        };
        let mut spans: Vec<Value> = (1..9).map(stage).collect();
        spans.extend([service("web", 12_000, &["db"]), service("db", 10_000, &[])]);
        json!({"complete_us": 12_700, "spans": spans, "slowest_path": [
            {"begin_us": 0, "end_us": 1000}, {"begin_us": 10_000, "end_us": 10_600}, {"begin_us": 12_000, "end_us": 12_600}]})
    }

    fn events() -> Vec<Value> {
        let stage = |index: u64| json!({"event": "stage", "stage": index.to_string(), "elapsed_ms": 0.9, "uptime_ms": index + 1});
        let mut events: Vec<Value> = (1..9).map(stage).collect();
        for (name, at) in [("db", 10), ("web", 12)] {
            for state in ["starting", "up"] {
                events.push(json!({"service": name, "state": state, "uptime_ms": at}));
            }
        }
        events.push(json!({"event": "boot-complete", "uptime_ms": 13}));
        events
    }

    fn trace(at: u64) -> Vec<Fact> {
        let program = "/bin/main-web".to_owned();
        let what = What::Exec { program };
        let at = Duration::from_micros(at);
        vec![Fact { at, actor: 1, what }]
    }

    #[test]
    fn what_agrees_is_right_and_each_lie_is_found() {
        let none: [&str; 0] = [];
        assert_eq!(disagreements(&boot(), &events(), &trace(12_300)), none);
        for late in [11_999, 12_501] {
            assert_eq!(disagreements(&boot(), &events(), &trace(late)).len(), 1);
        }
        let lies: [fn(&mut Value); 6] = [
            |boot| boot["complete_us"] = json!(14_000),
            |boot| boot["spans"][3]["end_us"] = json!(9_000),
            |boot| boot["spans"][0]["name"] = json!("other"),
            |boot| boot["spans"][9]["end_us"] = json!(12_001),
            |boot| boot["spans"][8]["begin_us"] = json!(14_000),
            |boot| boot["slowest_path"][1]["end_us"] = json!(12_100),
        ];
        for lie in lies {
            let mut boot = boot();
            lie(&mut boot);
            assert_ne!(
                disagreements(&boot, &events(), &trace(12_300)),
                none,
                "{boot}"
            );
        }
    }
}
