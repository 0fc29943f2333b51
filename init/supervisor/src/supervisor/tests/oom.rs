//! Want of memory, by policy.

use orlop_config::{OomPolicy, RestartPolicy, Service};

use super::world::*;
use crate::{Event, ExitStatus, ServiceState};

fn with(policy: OomPolicy) -> Service {
    let db = service("db").policy(RestartPolicy::OnAbnormal);
    db.set(|s| s.oom_policy = policy)
}

#[test]
fn edge_21_two_kills_with_policy_continue_leave_it_up() {
    let mut world = World::up([with(OomPolicy::Continue)]);
    world.oom("db", 1);
    world.pass(SEC);
    world.oom("db", 1);
    assert_eq!(world.state("db"), ServiceState::Up);
    assert_eq!(world.status("db").oom_kills, 2);
    assert_eq!(world.did(), [""; 0]);
}

#[test]
fn edge_21_policy_kill_ends_all_of_it_and_says_why() {
    let mut world = World::up([with(OomPolicy::Kill)]);
    world.oom("db", 1);
    assert_eq!(world.did(), ["kill db"]);
    world.oom("db", 0);
    assert_eq!(world.did(), [""; 0], "once");
    world.ends("db", ExitStatus::Signaled(9));
    world.empty("db");
    assert_eq!(world.status("db").oom_kills, 1);
    assert!(
        world
            .cause("db")
            .starts_with("killed for want of memory, restarting")
    );
}

#[test]
fn policy_stop_stops_what_is_left() {
    let mut world = World::up([with(OomPolicy::Stop)]);
    world.oom("db", 1);
    assert_eq!(world.did(), ["signal db 15", "signal db 18"]);
    world.oom("db", 2);
    assert_eq!(world.did(), [""; 0]);
    world.pass(SEC * 10);
    assert_eq!(world.did(), ["kill db"]);
    world.gone("db", 0);
    assert_eq!(world.status("db").oom_kills, 3);
    assert!(
        world
            .cause("db")
            .starts_with("killed for want of memory, restarting")
    );
}

#[test]
fn a_main_process_killed_for_want_of_memory_says_so() {
    let mut world = World::up([with(OomPolicy::Continue)]);
    world.oom("db", 1);
    world.pass(SEC);
    world.ends("db", ExitStatus::Signaled(9));
    world.empty("db");
    assert!(world.cause("db").starts_with("killed for want of memory"));
    // Long after a child's, it was somebody else's kill.
    world.pass(SEC);
    world.launched("db");
    world.oom("db", 1);
    world.pass(SEC + MS);
    world.ends("db", ExitStatus::Signaled(9));
    world.empty("db");
    assert!(world.cause("db").starts_with("killed by SIGKILL"));
    // Told after the exit, it still is the cause.
    world.pass(SEC);
    world.launched("db");
    world.ends("db", ExitStatus::Signaled(9));
    world.oom("db", 1);
    world.empty("db");
    assert!(world.cause("db").starts_with("killed for want of memory"));
}

#[test]
fn of_an_earlier_life_it_is_counted_and_that_is_all() {
    let mut world = World::up([with(OomPolicy::Kill)]);
    world.step(Event::OomKilled {
        service: name("db"),
        life: 7,
        count: 1,
    });
    assert_eq!(world.state("db"), ServiceState::Up);
    assert_eq!(world.status("db").oom_kills, 1);
}
