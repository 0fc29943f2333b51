//! Cron expressions held against another implementation, the crate `croner` over `chrono`'s calendar:
//! random expressions, each from random instants and on from what was found.

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};
use orlop_config::Cron;
use proptest::prelude::*;

/// Until the year 2199, over a century that has no leap day.
const LATEST: u64 = 7_226_582_400;
/// How far croner is believed: over such a gap ours says never.
const FORTY_YEARS: u64 = 40 * 366 * 86_400;

/// What croner finds after that many seconds.
#[expect(
    clippy::unwrap_used,
    reason = "what croner does not take fails the test"
)]
fn croners(expression: &str, after: u64) -> Option<u64> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    // crontab(5): either day will do only when none of the two fields starts with a star. croner
    // takes nothing but a lone star for one, unless told to.
    let starred = [2, 4]
        .iter()
        .any(|at| fields.get(*at).is_some_and(|field| field.starts_with('*')));
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(starred)
        .build();
    let cron = parser.parse(expression).unwrap();
    let after = DateTime::<Utc>::from_timestamp(i64::try_from(after).unwrap(), 0).unwrap();
    let next = cron.find_next_occurrence(&after, false).ok()?;
    u64::try_from(next.timestamp()).ok()
}

/// One part of a field: a value, a range, a step.
fn part(first: u32, last: u32, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = move |value: u32, named: bool| {
        let mut named = (first..).zip(names).filter(|_| named);
        match named.find(|(at, _)| *at == value) {
            Some((_, name)) => (*name).to_owned(),
            None => value.to_string(),
        }
    };
    let value = (first..=last, any::<bool>()).prop_map(move |(value, named)| word(value, named));
    let pair = (first..=last, first..=last).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let range = (pair.clone(), any::<bool>())
        .prop_map(move |((a, b), named)| format!("{}-{}", word(a, named), word(b, named)));
    let stepped = (pair, 1u32..=60).prop_filter_map("a step within the range", |((a, b), step)| {
        (step <= b - a).then(|| format!("{a}-{b}/{step}"))
    });
    let every = (1..=last - first).prop_map(|step| format!("*/{step}"));
    prop_oneof![4 => value, 2 => range, 2 => stepped, 1 => every]
}

fn field(first: u32, last: u32, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let parts = prop::collection::vec(part(first, last, names), 1..4);
    prop_oneof![1 => Just("*".to_owned()), 2 => parts.prop_map(|parts| parts.join(","))]
}

fn expression() -> impl Strategy<Value = String> {
    const MONTHS: &[&str] = &[
        "jan", "FEB", "mar", "apr", "May", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    const WEEKDAYS: &[&str] = &["Sun", "mon", "TUE", "wed", "thu", "fri", "sat", "Sun"];
    let fields = (
        field(0, 59, &[]),
        field(0, 23, &[]),
        field(1, 31, &[]),
        field(1, 12, MONTHS),
        field(0, 7, WEEKDAYS),
    );
    fields.prop_map(|(minute, hour, day, month, weekday)| {
        format!("{minute} {hour} {day} {month} {weekday}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn due_when_croner_says_so(expression in expression(), starts in prop::collection::vec(0..LATEST, 3)) {
        let Ok(cron) = Cron::parse(&expression) else {
            // Such as 30 February.
            prop_assert_eq!(croners(&expression, 0).filter(|at| *at < FORTY_YEARS), None, "{}", expression);
            return Ok(());
        };
        for start in starts {
            let mut at = start;
            for _ in 0..4 {
                let next = cron.next(at);
                prop_assert_eq!(next, croners(&expression, at), "{} after {}", &expression, at);
                at = next.unwrap();
            }
        }
    }
}

#[test]
fn due_when_croner_says_so_over_the_longest_gap() {
    // 29 February on a Monday, Wednesday or so: 28 years apart, 40 over the year 2100.
    for weekday in 0..7 {
        let expression = format!("0 0 29 2 */7,{weekday}");
        let Ok(cron) = Cron::parse(&expression) else {
            panic!("{expression}")
        };
        let mut at = 0;
        for _ in 0..20 {
            let next = cron.next(at);
            assert_eq!(next, croners(&expression, at), "{expression} after {at}");
            at = next.unwrap();
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,40}", after in any::<u64>()) {
        if let Ok(cron) = Cron::parse(&text) {
            let next = cron.next(after);
            prop_assert!(next.is_none_or(|next| next > after && next % 60 == 0));
        }
    }

    #[test]
    fn text_of_crons_own_characters_is_survived(text in "[0-9*/,a-z@ -]{0,30}", after in any::<u64>()) {
        if let Ok(cron) = Cron::parse(&text) {
            let next = cron.next(after);
            prop_assert!(next.is_none_or(|next| next > after && next % 60 == 0));
        }
    }
}
