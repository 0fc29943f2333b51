//! Cron expressions held against another implementation: `cron.tsv` has what Python's croniter says
//! of random expressions at random instants. And text that is none is survived.

use orlop_config::Cron;
use proptest::prelude::*;

const VECTORS: &str = include_str!("cron.tsv");

#[test]
fn due_when_croniter_says_so() {
    let mut compared = 0;
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[expression, after, next] = fields.as_slice() else {
            panic!("{line}")
        };
        let found = Cron::parse(expression)
            .unwrap()
            .next(after.parse().unwrap());
        assert_eq!(found, next.parse().ok(), "{line}");
        compared += 1;
    }
    assert_eq!(compared, 1368);
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
