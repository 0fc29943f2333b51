//! Runs by the clock.

use std::time::Duration;

use orlop_config::{Cron, Missed, Overlap, RestartPolicy, Schedule, Service, Trigger};

use super::world::*;
use crate::{Event, ServiceState};

/// 2026-01-01 00:00:30 UTC.
const NEW_YEAR: u64 = 1_767_225_630;

fn scheduled(trigger: Trigger, missed: Missed, overlap: Overlap) -> Service {
    service("job").policy(RestartPolicy::No).set(|s| {
        s.start_at_boot = false;
        s.schedule = Some(Schedule {
            trigger,
            missed,
            overlap,
        });
    })
}

fn hourly() -> Trigger {
    Trigger::Cron(Cron::parse("0 * * * *").unwrap())
}

fn clock(world: &mut World, unix: u64) {
    world.step(Event::WallClock {
        unix: Duration::from_secs(unix),
    });
}

fn booted(service: Service) -> World {
    let mut world = World::new([service]);
    world.boot();
    assert_eq!(world.did(), ["boot complete"]);
    world
}

fn due_in(world: &World) -> Option<Duration> {
    world.supervisor.next_deadline().map(|at| at - world.now)
}

#[test]
fn by_interval_without_a_clock_and_without_drift() {
    let every = Trigger::Every(SEC * 60);
    let mut world = booted(scheduled(every, Missed::Skip, Overlap::Skip));
    assert_eq!(world.state("job"), ServiceState::Down);
    assert_eq!(due_in(&world), Some(SEC * 60));
    assert_eq!(world.status("job").next_run, None);
    world.pass(SEC * 60);
    assert_eq!(world.did(), ["launch job"]);
    assert_eq!(world.cause("job"), "started by its schedule");
    world.launched("job");
    world.pass(SEC * 7);
    world.gone("job", 0);
    assert_eq!(due_in(&world), Some(SEC * 53));
    clock(&mut world, NEW_YEAR);
    assert_eq!(due_in(&world), Some(SEC * 53), "jumps do not matter");
    assert_eq!(world.status("job").next_run, Some(NEW_YEAR + 53));
    // Noticed late by a little: no drift.
    world.now += SEC * 55;
    world.step(Event::Deadline);
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(due_in(&world), Some(SEC * 58));
    // Noticed much later: that was missed.
    world.now += SEC * 600;
    world.step(Event::Deadline);
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(due_in(&world), Some(SEC * 60));
}

#[test]
fn what_is_due_at_that_very_moment_is_run_once_with_what_was_missed() {
    let every = Trigger::Every(SEC * 60);
    let mut world = booted(scheduled(every, Missed::Run, Overlap::Queue));
    world.now += SEC * 120;
    world.step(Event::Deadline);
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(world.did(), ["kill job", "release job"], "and not again");
    assert_eq!(due_in(&world), Some(SEC * 60));
}

#[test]
fn by_cron_once_the_clock_is_known() {
    let mut world = booted(scheduled(hourly(), Missed::Skip, Overlap::Skip));
    assert_eq!(world.supervisor.next_deadline(), None);
    clock(&mut world, NEW_YEAR);
    assert_eq!(world.status("job").next_run, Some(NEW_YEAR + 3570));
    assert_eq!(due_in(&world), Some(SEC * 3570));
    world.pass(SEC * 3570);
    assert_eq!(world.did(), ["launch job"]);
    assert_eq!(world.status("job").next_run, Some(NEW_YEAR + 3570 + 3600));
    world.launched("job");
    world.gone("job", 1);
    assert_eq!(world.state("job"), ServiceState::Failed);
    world.pass(SEC * 3600);
    assert_eq!(
        world.did(),
        ["launch job"],
        "a failure does not end the schedule"
    );
}

#[test]
fn the_clock_jumps_forth() {
    for (missed, did) in [(Missed::Skip, vec![]), (Missed::Run, vec!["launch job"])] {
        let mut world = booted(scheduled(hourly(), missed, Overlap::Skip));
        clock(&mut world, NEW_YEAR);
        clock(&mut world, NEW_YEAR + 36_000);
        assert_eq!(world.did(), did, "one for all that were missed");
        assert_eq!(world.status("job").next_run, Some(NEW_YEAR + 39_570));
    }
    // By a few seconds over the time: that is only late.
    let mut world = booted(scheduled(hourly(), Missed::Skip, Overlap::Skip));
    clock(&mut world, NEW_YEAR + 3560);
    clock(&mut world, NEW_YEAR + 3630);
    assert_eq!(world.did(), ["launch job"]);
    // Not as far as the time.
    let mut world = booted(scheduled(hourly(), Missed::Run, Overlap::Skip));
    clock(&mut world, NEW_YEAR);
    clock(&mut world, NEW_YEAR + 3569);
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(due_in(&world), Some(SEC));
}

#[test]
fn the_clock_jumps_back() {
    let mut world = booted(scheduled(hourly(), Missed::Skip, Overlap::Skip));
    clock(&mut world, NEW_YEAR + 3565);
    world.pass(SEC * 5);
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    world.gone("job", 0);
    clock(&mut world, NEW_YEAR + 3500);
    assert_eq!(
        due_in(&world),
        Some(SEC * 3670),
        "that hour was run already"
    );
    clock(&mut world, NEW_YEAR - 86_400);
    assert_eq!(
        due_in(&world),
        Some(SEC * 3570),
        "so far back it was wrong before"
    );
}

#[test]
fn due_during_a_run() {
    let run = |overlap| {
        let every = Trigger::Every(SEC * 60);
        let mut world = booted(scheduled(every, Missed::Skip, overlap));
        world.pass(SEC * 60);
        world.launched("job");
        world.pass(SEC * 60);
        let during = world.did();
        world.pass(SEC * 2);
        world.gone("job", 0);
        (during, world)
    };
    let (during, world) = run(Overlap::Skip);
    assert_eq!((during, world.state("job")), (vec![], ServiceState::Down));
    let (during, mut world) = run(Overlap::Queue);
    assert_eq!(
        (during, world.state("job")),
        (vec![], ServiceState::Starting)
    );
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(
        world.state("job"),
        ServiceState::Down,
        "once more, not for ever"
    );
    let (during, world) = run(Overlap::Restart);
    assert_eq!(during, ["signal job 15", "signal job 18"]);
    assert_eq!(world.state("job"), ServiceState::Starting);
    assert_eq!(world.cause("job"), "restarted by its schedule");
}

#[test]
fn due_while_a_run_ends() {
    for (overlap, state) in [
        (Overlap::Skip, ServiceState::Failed),
        (Overlap::Queue, ServiceState::Starting),
        (Overlap::Restart, ServiceState::Starting),
    ] {
        let every = Trigger::Every(SEC * 60);
        let mut world = booted(scheduled(every, Missed::Skip, overlap));
        world.pass(SEC * 60);
        world.launched("job");
        world.pass(SEC * 55);
        world.exits("job", 1);
        world.pass(SEC * 5);
        world.empty("job");
        assert_eq!(world.state("job"), state, "{overlap:?}");
    }
}

#[test]
fn a_stop_suspends_and_a_start_runs_and_resumes() {
    let mut world = booted(scheduled(hourly(), Missed::Run, Overlap::Queue));
    clock(&mut world, NEW_YEAR);
    world.stop("job");
    assert_eq!(world.supervisor.next_deadline(), None);
    assert_eq!(world.status("job").next_run, None);
    world.start("job");
    assert_eq!(world.did(), ["launch job"]);
    assert_eq!(world.status("job").next_run, Some(NEW_YEAR + 3570));
    world.launched("job");
    world.pass(SEC * 3570);
    world.stop("job");
    world.gone("job", 0);
    assert_eq!(
        world.state("job"),
        ServiceState::Down,
        "the queued run went with the stop"
    );
    world.start("job");
    world.shut_down();
    assert_eq!(world.status("job").next_run, None);
}

#[test]
fn stopped_before_the_boot_it_rests_and_the_clock_is_kept_for_it() {
    let job = scheduled(hourly(), Missed::Run, Overlap::Skip);
    let mut world = World::new([job.clone()]);
    world.stop("job");
    clock(&mut world, NEW_YEAR);
    world.boot();
    assert_eq!(world.supervisor.next_deadline(), None);
    let mut world = World::new([job]);
    clock(&mut world, NEW_YEAR);
    assert_eq!(world.supervisor.next_deadline(), None);
    world.boot();
    assert_eq!(due_in(&world), Some(SEC * 3570));
}

#[test]
fn a_suspended_schedule_stays_so_when_the_clock_jumps() {
    let mut world = booted(scheduled(hourly(), Missed::Run, Overlap::Queue));
    clock(&mut world, NEW_YEAR);
    world.stop("job");
    clock(&mut world, NEW_YEAR + 36_000);
    assert_eq!(world.supervisor.next_deadline(), None);
    assert_eq!(world.did(), [""; 0]);
}

#[test]
fn who_waits_for_a_run_gets_one() {
    let mut world = World::new([
        scheduled(Trigger::Every(SEC * 5), Missed::Skip, Overlap::Skip),
        service("web").after_completion_of("job"),
    ]);
    world.boot();
    assert_eq!(world.did(), ["boot complete"]);
    world.pass(SEC * 5);
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(world.state("web"), ServiceState::Starting);
}

#[test]
fn a_scheduled_service_is_not_restarted_after_a_success() {
    let job = scheduled(Trigger::Every(SEC * 60), Missed::Skip, Overlap::Skip);
    let mut world = booted(job.policy(RestartPolicy::Always));
    world.pass(SEC * 60);
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(world.state("job"), ServiceState::Down);
}

#[test]
fn late_by_a_minute_is_late_and_by_more_is_missed() {
    for (late, did) in [(60, vec!["launch job"]), (61, vec![])] {
        let every = Trigger::Every(SEC * 600);
        let mut world = booted(scheduled(every, Missed::Skip, Overlap::Skip));
        world.now += SEC * (600 + late);
        world.step(Event::Deadline);
        assert_eq!(world.did(), did, "{late}");
    }
}

#[test]
fn back_by_an_hour_repeats_nothing_and_by_more_it_was_wrong() {
    for (back, next) in [(3600, 3600), (3601, 0)] {
        let mut world = booted(scheduled(hourly(), Missed::Skip, Overlap::Skip));
        // Due at the full hour.
        clock(&mut world, NEW_YEAR + 3569);
        world.pass(SEC);
        assert_eq!(world.did(), ["launch job"]);
        let hour = NEW_YEAR + 3570;
        clock(&mut world, hour - back);
        let run = world.status("job").next_run.unwrap();
        let expected = match next {
            0 => hour - 3600,
            later => hour + later,
        };
        assert_eq!(run, expected, "{back}");
    }
}

#[test]
fn a_second_is_the_shortest_interval() {
    let every = Trigger::Every(Duration::ZERO);
    let world = booted(scheduled(every, Missed::Skip, Overlap::Skip));
    assert_eq!(due_in(&world), Some(SEC));
}

#[test]
fn a_start_does_not_move_the_next_time() {
    let every = Trigger::Every(SEC * 60);
    let mut world = booted(scheduled(every, Missed::Skip, Overlap::Skip));
    world.pass(SEC * 20);
    world.start("job");
    assert_eq!(world.did(), ["launch job"]);
    world.launched("job");
    world.gone("job", 0);
    assert_eq!(due_in(&world), Some(SEC * 40));
}

#[test]
fn the_clock_does_not_matter_to_an_interval() {
    let every = Trigger::Every(SEC * 60);
    let mut world = booted(scheduled(every, Missed::Run, Overlap::Skip));
    clock(&mut world, NEW_YEAR);
    world.pass(SEC * 10);
    clock(&mut world, NEW_YEAR + 36_000);
    assert_eq!(world.did(), [""; 0]);
    assert_eq!(due_in(&world), Some(SEC * 50));
    assert_eq!(world.status("job").next_run, Some(NEW_YEAR + 36_050));
}
