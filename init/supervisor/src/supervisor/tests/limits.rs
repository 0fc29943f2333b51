//! The window of automatic restarts, quarantine, and what a failure for good sets off.

use orlop_config::{
    EndStatus, MachineAction, OnFailure, Readiness, RestartPolicy, Service, StartLimit,
};

use super::world::*;
use crate::{ServiceState, Shutdown};

fn limited(retry: bool) -> Service {
    service("db").set(|s| {
        s.start_limit = Some(StartLimit {
            burst: 2,
            interval: SEC * 10,
            retry_after: retry.then_some(SEC * 60),
        });
    })
}

/// Its launch fails at once, and once more after each back-off.
fn fail_until_it_stays(world: &mut World) -> u32 {
    let mut launches = 0;
    while world.state("db") != ServiceState::Failed {
        if world.state("db") == ServiceState::BackingOff {
            world.pass(MS * 500);
        }
        world.launch_failed("db");
        launches += 1;
    }
    launches
}

#[test]
fn over_the_limit_is_quarantine_with_the_last_ends() {
    let db = limited(false).set(|s| {
        s.readiness = Readiness::Notify;
        s.start_timeout = Some(SEC * 5);
    });
    let mut world = World::new([db, service("web").needs("db")]);
    world.boot();
    world.launched("db");
    world.pass(SEC * 5);
    world.gone("db", 0);
    assert_eq!(fail_until_it_stays(&mut world), 2);
    assert_eq!(
        world.cause("db"),
        "image \"x\": no such image, quarantined after 2 restarts within 10 s; before that not ready \
         after 5 s"
    );
    let exits = &world.status("db").last_exits;
    assert_eq!(exits.len(), 3);
    assert_eq!(exits[0].status, Some(crate::ExitStatus::Exited(0)));
    assert_eq!(exits[2].status, None);
    assert_eq!(exits[2].at, world.now);
    assert_eq!(world.state("web"), ServiceState::Failed, "edge 2");
    world.pass(SEC * 1000);
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn the_last_five_ends_are_kept() {
    let mut world = World::up([service("db")]);
    for code in 1..=7 {
        world.gone("db", code);
        world.pass(SEC * 20);
        world.launched("db");
    }
    let causes = world.status("db").last_exits.iter();
    let causes: Vec<&str> = causes.map(|exit| exit.cause.as_str()).collect();
    let expected: Vec<String> = (3..=7).map(|n| format!("exited with code {n}")).collect();
    assert_eq!(causes, expected);
}

#[test]
fn edge_03_a_manual_start_lifts_the_quarantine() {
    let mut world = World::new([limited(false)]);
    world.boot();
    assert_eq!(fail_until_it_stays(&mut world), 3);
    world.start("db");
    assert_eq!(fail_until_it_stays(&mut world), 3, "the window begins anew");
}

#[test]
fn edge_04_who_hit_the_limit_is_retried_after_the_window_when_asked() {
    let mut world = World::new([limited(true), service("web").needs("db")]);
    world.boot();
    fail_until_it_stays(&mut world);
    assert!(world.cause("db").ends_with("; next try in 60 s"));
    world.pass(SEC * 60 - MS);
    assert_eq!(world.did(), [""; 0]);
    world.pass(MS);
    assert_eq!(world.did(), ["launch db"]);
    world.launched("db");
    world.launched("web");
    world.gone("db", 1);
    assert_eq!(
        world.state("db"),
        ServiceState::BackingOff,
        "the old restarts are out of the window"
    );
    // A stop ends the retrying.
    fail_until_it_stays(&mut world);
    world.stop("db");
    assert_eq!(world.state("db"), ServiceState::Down);
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn a_retry_after_the_limit_does_not_survive_a_shutdown() {
    let mut world = World::new([limited(true)]);
    world.boot();
    fail_until_it_stays(&mut world);
    world.shut_down();
    assert_eq!(world.supervisor.next_deadline(), None);
}

#[test]
fn restarts_by_request_do_not_count() {
    let mut world = World::up([limited(false)]);
    for _ in 0..9 {
        world.restart("db");
        world.gone("db", 0);
        world.launched("db");
    }
    assert_eq!(world.state("db"), ServiceState::Up);
}

#[test]
fn lists_of_codes_and_signals() {
    let db = service("db").policy(RestartPolicy::OnFailure { max_retries: None });
    let db = db.set(|s| {
        s.success_exit_status = vec![EndStatus::Code(3)];
        s.restart_prevent_exit_status = vec![EndStatus::Code(4)];
        s.restart_force_exit_status = vec![EndStatus::Code(0)];
    });
    for (code, state) in [
        (3, ServiceState::Down),
        (4, ServiceState::Failed),
        (0, ServiceState::BackingOff),
        (5, ServiceState::BackingOff),
    ] {
        let mut world = World::up([db.clone()]);
        world.gone("db", code);
        assert_eq!(world.state("db"), state, "{code}");
    }
}

#[test]
fn a_clean_signal_ends_it_and_completes_nothing() {
    let db = service("db").policy(RestartPolicy::OnFailure { max_retries: None });
    let mut world = World::new([db, service("web").after_completion_of("db")]);
    world.boot();
    world.launched("db");
    world.ends("db", crate::ExitStatus::Signaled(15));
    world.empty("db");
    assert_eq!(world.state("db"), ServiceState::Down);
    assert_eq!(world.state("web"), ServiceState::Waiting);
}

#[test]
fn own_delays() {
    let db = service("db").set(|s| {
        s.restart_delay = SEC * 2;
        s.restart_max_delay = SEC * 3;
        s.restart_reset_after = SEC;
    });
    let mut world = World::up([db]);
    let delay = |world: &mut World| {
        world.gone("db", 1);
        let at = world.supervisor.next_deadline().unwrap();
        let delay = at - world.now;
        world.pass(delay);
        world.launched("db");
        delay.as_millis()
    };
    assert!((1800..=2200).contains(&delay(&mut world)));
    assert!((2700..=3300).contains(&delay(&mut world)));
    world.pass(SEC);
    world.gone("db", 1);
    assert_eq!(world.state("db"), ServiceState::Starting);
    world.launched("db");
    assert!((3600..=4400).contains(&delay(&mut world)) || delay(&mut world) <= 3300);
}

#[test]
fn max_attempts_of_other_policies() {
    let mut world = World::up([service("db").set(|s| s.max_attempts = Some(1))]);
    world.gone("db", 1);
    world.pass(SEC);
    world.launched("db");
    world.gone("db", 1);
    assert_eq!(
        world.cause("db"),
        "exited with code 1, gave up after 1 restart"
    );
}

fn fails(action: OnFailure) -> Service {
    service("db")
        .policy(RestartPolicy::No)
        .set(|s| s.on_failure = action)
}

#[test]
fn on_failure_starts_another_one_and_ends_the_machine() {
    let rescue = service("rescue")
        .needs("tool")
        .set(|s| s.start_at_boot = false);
    let tool = service("tool").set(|s| s.start_at_boot = false);
    let action = OnFailure {
        restart_dependents: false,
        start: Some(name("rescue")),
        machine: Some(MachineAction::Reboot),
    };
    let mut world = World::up([fails(action), rescue, tool]);
    assert_eq!(world.state("rescue"), ServiceState::Down);
    assert_eq!(world.cause("rescue"), "not started at boot");
    world.gone("db", 1);
    assert_eq!(
        world.did(),
        [
            "kill db",
            "release db",
            "launch tool",
            "end machine db Reboot"
        ]
    );
    assert_eq!(world.cause("tool"), "started because \"db\" failed");
    world.launched("tool");
    assert_eq!(world.did(), ["launch rescue"]);
}

#[test]
fn on_failure_restarts_dependents_that_run() {
    let action = OnFailure {
        restart_dependents: true,
        ..OnFailure::default()
    };
    let web = service("web").likes("db");
    let mut world = World::up([fails(action), web, service("other")]);
    world.gone("db", 1);
    assert_eq!(
        world.did(),
        ["kill db", "release db", "signal web 15", "signal web 18"]
    );
    assert_eq!(world.cause("web"), "restarted because \"db\" failed");
    world.gone("web", 0);
    assert_eq!(world.did(), ["kill web", "launch web"]);
}

#[test]
fn power_off_is_not_reboot_and_a_shutdown_sets_nothing_off() {
    let action = OnFailure {
        machine: Some(MachineAction::PowerOff),
        ..OnFailure::default()
    };
    let mut world = World::up([fails(action.clone())]);
    world.gone("db", 1);
    assert_eq!(world.did().last().unwrap(), "end machine db PowerOff");
    let mut world = World::up([fails(action)]);
    world.exits("db", 1);
    world.step(crate::Event::Shutdown(Shutdown::Halt));
    world.empty("db");
    assert_eq!(world.did(), ["release db", "shutdown complete Halt"]);
}

#[test]
fn two_that_start_one_another_do_not_spin() {
    let starts = |this: &str, other: &str| {
        let other = name(other);
        service(this)
            .policy(RestartPolicy::No)
            .set(|s| s.on_failure.start = Some(other))
    };
    let mut world = World::up([starts("a", "b"), starts("b", "a")]);
    let begin = world.now;
    let mut launches = 0;
    while world.now - begin < SEC * 60 {
        for this in ["a", "b"] {
            if world.state(this) == ServiceState::Starting {
                world.launched(this);
                launches += 1;
            }
            if world.state(this) == ServiceState::Up {
                world.gone(this, 1);
            }
        }
        world.pass(MS * 10);
    }
    assert!((4..30).contains(&launches), "{launches}");
}
