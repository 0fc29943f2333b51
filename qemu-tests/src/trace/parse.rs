//! Text of trace_pipe becomes facts.

use std::time::Duration;

use super::{Fact, What};

/// Every line that holds a fact, in the kernel's order. The last one may be cut off.
#[must_use]
pub fn parse(text: &str) -> Vec<Fact> {
    text.lines().filter_map(fact).collect()
}

/// `            init-1       [001] d..2.    12.345678: sched_process_exit: comm=init pid=1 prio=120`
fn fact(line: &str) -> Option<Fact> {
    // A comm may hold brackets; a processor's number is in brackets and has three digits.
    let is_cpu = |at: &usize| {
        let cpu = line.get(at + 2..at + 6).unwrap_or_default();
        cpu.ends_with(']') && cpu.starts_with(|c: char| c.is_ascii_digit())
    };
    let at = line.match_indices(" [").map(|(at, _)| at).find(is_cpu)?;
    let (task, rest) = (line.get(..at)?, line.get(at + 6..)?);
    let actor = task.trim_end().rsplit_once('-')?.1.parse().ok()?;
    let mut words = rest.splitn(2, ": ");
    let at = time(words.next()?.split_ascii_whitespace().last()?)?;
    let (event, values) = words.next()?.split_once(':')?;
    let what = what(event, values.trim_start())?;
    Some(Fact { at, actor, what })
}

/// Seconds with six decimals.
fn time(text: &str) -> Option<Duration> {
    let (seconds, micros) = text.split_once('.')?;
    let micros: u64 = micros.parse().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros))
}

fn what(event: &str, values: &str) -> Option<What> {
    // A comm may hold blanks and equal signs; what is read stands behind it.
    let value = |key: &str| {
        let (_, rest) = values.rsplit_once(&format!("{key}="))?;
        rest.split(' ').next()
    };
    let number = |key: &str| value(key)?.parse::<i32>().ok();
    Some(match event {
        "sched_process_fork" => What::Fork {
            child: number("child_pid")?,
        },
        "sched_process_exec" => What::Exec {
            program: value("filename")?.to_owned(),
        },
        "sched_process_exit" => What::Exit,
        "signal_generate" => What::Signal {
            number: number("sig")?,
            target: number(" pid")?,
        },
        "cgroup_notify_populated" => What::Populated {
            cgroup: value("path")?.to_owned(),
            populated: value("val")? == "1",
        },
        // Which calls are recorded is the witness's choice.
        "sys_enter" => What::Waits,
        "sys_exit" => What::GoesOn,
        "tracing_mark_write" => What::Mark(values.trim_end().to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read_and_others_are_passed_over() {
        let text = "\
            init-1       [001] .....     1.000002: sched_process_fork: comm=init pid=1 child_comm=init child_pid=77
   tokio - [x]-77      [000] d..2.    61.500000: cgroup_notify_populated: root=0 id=12 level=2 path=/services/web val=1
             web-77      [000] .....    62.000000: sched_process_exec: filename=/bin/main-web pid=77 old_pid=77
              sh-9       [000] d..1.    63.000000: signal_generate: sig=9 errno=0 code=0 comm=main-web pid=77 grp=1 res=0
             web-77      [000] .....    64.000000: sched_process_exit: comm=main-web pid=77 prio=120
              sh-9       [000] .....    65.000000: tracing_mark_write: stop web
CPU:1 [LOST 17 EVENTS]
             web-77      [000] .....    64.0";
        let facts = parse(text);
        let actors: Vec<i32> = facts.iter().map(|fact| fact.actor).collect();
        assert_eq!(actors, [1, 77, 77, 9, 77, 9]);
        assert_eq!(facts[0].at, Duration::from_micros(1_000_002));
        let whats: Vec<What> = facts.into_iter().map(|fact| fact.what).collect();
        let populated = What::Populated {
            cgroup: "/services/web".to_owned(),
            populated: true,
        };
        let wanted = [
            What::Fork { child: 77 },
            populated,
            What::Exec {
                program: "/bin/main-web".to_owned(),
            },
            What::Signal {
                number: 9,
                target: 77,
            },
            What::Exit,
            What::Mark("stop web".to_owned()),
        ];
        assert_eq!(whats, wanted);
    }
}
