use std::collections::BTreeMap;
use std::os::fd::AsFd;

use nix::sys::uio::pread;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn read(journal: &Journal) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(journal.length()).unwrap()];
    assert_eq!(
        pread(journal.file.as_fd(), &mut bytes, 0),
        Ok(bytes.len()),
        "the file is as long as the journal says"
    );
    bytes
}

/// What PID 1 may have to say.
#[derive(Debug, Clone)]
enum Word {
    Machine(u64),
    Service(Box<Facts>),
    Intent(Intent),
    /// The end of the nth of what is open.
    Done(usize),
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["web", "db", "a-very-long-name-of-a-service-42"])
        .prop_map(str::to_owned)
}

prop_compose! {
    fn facts()(
        name in name(),
        (wanted, since_us, life) in any::<(bool, u64, u64)>(),
        cause in ".{0,200}",
        (pid, start_time, cgroup) in any::<(Option<u32>, Option<u64>, Option<u64>)>(),
        (restarts, failing, oom_kills) in any::<(u32, u32, u64)>(),
        (phase_us, health_us) in any::<(Option<u64>, Option<u64>)>(),
        exits in vec((any::<u64>(), any::<Option<i32>>(), ".{0,160}"), 0..5),
    ) -> Facts {
        let exits = exits.into_iter().map(|(at_us, code, cause)| Exit { at_us, code, signal: None, cause });
        Facts {
            name, wanted, since_us, cause, life, pid, start_time, cgroup, restarts, failing, oom_kills,
            state: "up".to_owned(),
            due: Deadlines { phase_us, health_us, ..Deadlines::default() },
            exits: exits.collect(),
            ..Facts::default()
        }
    }
}

fn word() -> impl Strategy<Value = Word> {
    let deed = prop::sample::select(vec![Deed::Launch, Deed::Signal, Deed::Kill, Deed::Release]);
    prop_oneof![
        any::<u64>().prop_map(Word::Machine),
        facts().prop_map(Box::new).prop_map(Word::Service),
        (name(), deed, any::<u64>()).prop_map(|(service, deed, number)| Word::Intent(Intent {
            service,
            deed,
            number
        })),
        any::<usize>().prop_map(Word::Done),
    ]
}

/// Says it to the journal and to the model.
fn say(word: &Word, journal: &mut Journal, model: &mut Restored) {
    match word {
        Word::Machine(requests) => {
            model.machine = MachineFacts {
                requests: *requests,
                ..MachineFacts::default()
            };
            journal.machine(&model.machine).unwrap();
        }
        Word::Service(facts) => {
            let facts = Facts::clone(facts);
            model.services.insert(facts.name.clone(), facts.clone());
            journal.service(facts).unwrap();
        }
        Word::Intent(intent) => {
            let number = journal.intent(intent.clone()).unwrap();
            assert_eq!(model.open.insert(number, intent.clone()), None);
        }
        Word::Done(nth) => {
            let count = model.open.len().max(1);
            if let Some(number) = model.open.keys().nth(nth % count).copied() {
                model.open.remove(&number);
                journal.done(number).unwrap();
            }
        }
    }
}

fn same(restored: &Restored, model: &Restored) {
    assert_eq!(restored.machine, model.machine);
    assert_eq!(restored.services, model.services);
    assert_eq!(restored.open, model.open);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn torn_and_corrupt_tails_are_dropped_and_nothing_else(
        words in vec(word(), 1..12),
        bit in 0_u8..8,
    ) {
        let mut journal = Journal::start().unwrap();
        let mut model = Restored::default();
        let mut states = BTreeMap::from([(0, model.clone())]);
        for word in &words {
            say(word, &mut journal, &mut model);
            states.insert(usize::try_from(journal.length()).unwrap(), model.clone());
        }
        let bytes = read(&journal);
        same(&replay(&bytes), &model);
        let before = |at: usize| states.range(..=at).next_back().unwrap().1;
        for at in 0..bytes.len() {
            // Every prefix: PID 1 ended within a write.
            same(&replay(&bytes[..at]), before(at));
            // Every byte with a bit turned over.
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            same(&replay(&flipped), before(at));
            // A write that was cut short, with zeros or an older tail behind it.
            let mut torn = bytes[..at].to_vec();
            torn.extend([0; 100]);
            same(&replay(&torn), before(at));
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn it_stays_bounded_and_says_the_same(words in vec(word(), 2000)) {
        let mut journal = Journal::start().unwrap();
        let mut model = Restored::default();
        let mut highest = 0;
        for word in &words {
            say(word, &mut journal, &mut model);
            // The deeds that are open are not bounded by the number of services here: end the oldest.
            if model.open.len() > 20 {
                say(&Word::Done(0), &mut journal, &mut model);
            }
            highest = highest.max(journal.length());
        }
        same(&replay(&read(&journal)), &model);
        prop_assert!(highest < 2 * LEAST, "{highest}");
    }
}

#[test]
fn what_has_not_changed_is_not_written() {
    let mut journal = Journal::start().unwrap();
    let facts = Facts {
        name: "web".to_owned(),
        ..Facts::default()
    };
    journal.service(facts.clone()).unwrap();
    let length = journal.length();
    journal.service(facts.clone()).unwrap();
    journal.launched("web").unwrap();
    assert_eq!(journal.length(), length);
    let intent = |deed| Intent {
        service: "web".to_owned(),
        deed,
        number: 1,
    };
    journal.intent(intent(Deed::Launch)).unwrap();
    journal.intent(intent(Deed::Signal)).unwrap();
    journal.launched("web").unwrap();
    let open: Vec<_> = replay(&read(&journal)).open.into_values().collect();
    assert_eq!(open, [intent(Deed::Signal)]);
}

#[test]
fn a_line_is_what_the_documentation_shows() {
    let mut journal = Journal::start().unwrap();
    let intent = Intent {
        service: "web".to_owned(),
        deed: Deed::Launch,
        number: 3,
    };
    journal.intent(intent).unwrap();
    journal.done(0).unwrap();
    let text = String::from_utf8(read(&journal)).unwrap();
    assert_eq!(
        text,
        "7019a5e9 {\"n\":0,\"intent\":{\"service\":\"web\",\"deed\":\"launch\",\"number\":3}}\n\
         bc89afd0 {\"n\":1,\"done\":{\"intent\":0}}\n"
    );
}
