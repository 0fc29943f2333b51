//! The watchdog: silence is an end.

use std::time::Duration;

use orlop_config::{Readiness, RestartPolicy, Service};

use super::world::*;
use crate::{Event, ExitStatus, Notice, ServiceState};

fn watched(text: &str) -> Service {
    service(text).set(|s| s.watchdog = Some(SEC * 3))
}

#[test]
fn silence_is_sigabrt_then_the_kill_then_the_policy() {
    let mut world = World::up([watched("db").policy(RestartPolicy::OnWatchdog)]);
    assert_eq!(world.status("db").watchdog, Some(SEC * 3));
    world.pass(SEC * 2);
    world.notice("db", Notice::WatchdogPing);
    world.pass(SEC * 3 - MS);
    assert_eq!(world.state("db"), ServiceState::Up);
    world.pass(MS);
    assert_eq!(world.did(), ["read out db"]);
    world.read_out("db");
    assert_eq!(world.did(), ["signal db 6"]);
    assert_eq!(world.cause("db"), "watchdog: nothing heard for 3 s");
    assert_eq!(world.status("db").watchdog, None);
    world.pass(SEC * 10);
    assert_eq!(world.did(), ["kill db"]);
    world.ends("db", ExitStatus::Dumped(6));
    world.empty("db");
    assert_eq!(world.state("db"), ServiceState::BackingOff);
    assert!(
        world
            .cause("db")
            .starts_with("watchdog: nothing heard for 3 s, restarting")
    );
}

#[test]
fn it_may_be_triggered_moved_turned_on_and_off() {
    let mut world = World::up([watched("db"), service("web")]);
    world.notice("db", Notice::WatchdogUsec(SEC * 60));
    world.notice("web", Notice::WatchdogUsec(SEC * 7));
    assert_eq!(world.status("db").watchdog, Some(SEC * 60));
    world.pass(SEC * 6);
    world.notice("web", Notice::WatchdogUsec(Duration::ZERO));
    assert_eq!(world.status("web").watchdog, None);
    world.notice("web", Notice::WatchdogPing);
    world.pass(SEC * 50);
    assert_eq!(world.state("web"), ServiceState::Up);
    world.notice("web", Notice::WatchdogTrigger);
    assert_eq!(world.did(), ["signal web 6"]);
    assert_eq!(world.cause("web"), "watchdog: triggered by the service");
    world.notice("web", Notice::WatchdogTrigger);
    assert_eq!(world.did(), [""; 0], "once");
    world.pass(SEC * 4);
    assert_eq!(world.did(), ["read out db"]);
    world.read_out("db");
    assert_eq!(world.did(), ["signal db 6"]);
}

#[test]
fn what_lies_unread_is_read_before_the_bite() {
    let mut world = World::up([watched("db")]);
    world.pass(SEC * 3);
    assert_eq!(world.did(), ["read out db"]);
    world.notice("db", Notice::WatchdogPing);
    world.read_out("db");
    assert_eq!(world.did(), [""; 0]);
    // From when it was heard.
    world.pass(SEC * 3 - MS);
    assert_eq!(world.state("db"), ServiceState::Up);
    world.pass(MS);
    assert_eq!(world.did(), ["read out db"]);
    world.notice("db", Notice::Status("not what was asked for".to_owned()));
    world.read_out("db");
    assert_eq!(world.did(), ["signal db 6"]);
    world.read_out("db");
    assert_eq!(world.did(), [""; 0], "once");
}

#[test]
fn reading_is_bounded_and_asked_for_once() {
    let mut world = World::up([watched("db")]);
    world.pass(SEC * 3);
    assert_eq!(world.did(), ["read out db"]);
    world.pass(SEC * 10 - MS);
    assert_eq!(world.did(), [""; 0]);
    world.pass(MS);
    assert_eq!(world.did(), ["signal db 6"]);
}

#[test]
fn what_an_earlier_life_was_asked_is_no_answer() {
    let mut world = World::up([watched("db")]);
    world.pass(SEC * 3);
    world.read_out("db");
    world.gone("db", 0);
    world.pass(SEC * 10);
    world.answer_launches();
    let life = world.status("db").life;
    world.pass(SEC * 3);
    assert_eq!(world.did(), ["read out db"]);
    world.step(Event::ReadOut {
        service: name("db"),
        life: life - 1,
    });
    assert_eq!(world.state("db"), ServiceState::Up);
    // Nor is an answer to nobody's question.
    world.notice("db", Notice::WatchdogPing);
    world.read_out("db");
    assert_eq!(world.state("db"), ServiceState::Up);
}

#[test]
fn it_begins_when_the_service_is_up_and_ends_with_it() {
    let db = watched("db").set(|s| s.readiness = Readiness::Notify);
    let mut world = World::new([db]);
    world.boot();
    world.launched("db");
    world.notice("db", Notice::WatchdogPing);
    world.notice("db", Notice::WatchdogUsec(SEC * 5));
    assert_eq!(world.status("db").watchdog, None);
    world.pass(SEC * 60);
    world.ready("db");
    assert_eq!(world.status("db").watchdog, Some(SEC * 5));
    world.stop("db");
    assert_eq!(world.status("db").watchdog, None);
    world.notice("db", Notice::WatchdogPing);
    assert_eq!(world.status("db").watchdog, None);
    world.gone("db", 0);
    assert_eq!(world.supervisor.next_deadline(), None);
    // What it asked for ends with its life.
    world.start("db");
    world.launched("db");
    world.ready("db");
    assert_eq!(world.status("db").watchdog, Some(SEC * 3));
}

#[test]
fn who_was_well_until_the_bite_starts_at_once() {
    for (every, state) in [
        (SEC * 10, ServiceState::Starting),
        (
            SEC * 10 - Duration::from_millis(1),
            ServiceState::BackingOff,
        ),
    ] {
        let mut world = World::up([service("db").set(|s| s.watchdog = Some(every))]);
        world.pass(every);
        world.read_out("db");
        assert_eq!(world.state("db"), ServiceState::Stopping);
        world.gone("db", 0);
        assert_eq!(world.state("db"), state, "{every:?}");
    }
}

#[test]
fn who_was_well_until_it_stopped_by_itself_starts_at_once() {
    for (up, state) in [
        (SEC * 10, ServiceState::Starting),
        (SEC * 9, ServiceState::BackingOff),
    ] {
        let mut world = World::up([service("db")]);
        world.pass(up);
        world.notice("db", Notice::Stopping);
        world.pass(SEC * 5);
        world.gone("db", 0);
        assert_eq!(world.state("db"), state, "{up:?}");
    }
}
