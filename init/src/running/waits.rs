//! A launch that waits for a stage of the machine, before it has a process.

use std::time::Duration;

use orlop_supervisor::Event;
use tokio::sync::{mpsc, watch};

use super::{Unit, settled};
use crate::machine::LoopEvent;

/// More than a stage takes: each load of modules has 60 s, its other steps less.
const STAGE: Duration = Duration::from_secs(180);

/// Waits for the stage's end. The supervisor's bound of a launch begins after it; its kill ends the
/// wait, for there is no process that it could reach.
///
/// # Errors
/// That it was killed.
pub(super) async fn stage(
    events: &mpsc::UnboundedSender<LoopEvent>,
    unit: &Unit,
    stage: &watch::Sender<bool>,
) -> Result<(), String> {
    if *stage.borrow() {
        return Ok(());
    }
    let life = unit.held().life;
    let tell = |bound| {
        let event = Event::LaunchWaits {
            service: unit.service.name.clone(),
            life,
            bound,
        };
        let _loop_never_ends = events.send(LoopEvent::Supervisor(event));
    };
    tell(STAGE);
    let killed = unit.killed();
    tokio::select! {
        () = settled(stage) => {}
        () = killed.notified() => return Err("stopped before it began".to_owned()),
    }
    tell(Duration::ZERO);
    Ok(())
}

#[cfg(test)]
mod tests {
    use orlop_config::{SourceFile, Sources, check};

    use super::*;

    /// Lets a launch of life 7 wait for a stage until `act` ends the wait; the bounds it told.
    fn waits(
        settled: bool,
        act: impl FnOnce(&Unit, &watch::Sender<bool>),
    ) -> (Result<(), String>, Vec<Duration>) {
        let file = SourceFile {
            path: "service.toml".to_owned(),
            text: "image = \"base\"\ncommand = [\"/x\"]\n".to_owned(),
        };
        let sources = Sources {
            services: [("web".to_owned(), file)].into(),
            images: ["base".to_owned()].into(),
            ..Sources::default()
        };
        let service = check(&sources).services.pop_first().unwrap().1;
        let unit = Unit::new(&service, 1 << 16);
        unit.held_mut().life = 7;
        let (events, mut told) = mpsc::unbounded_channel();
        let network = watch::Sender::new(settled);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let (result, ()) = runtime.unwrap().block_on(async {
            tokio::join!(biased; stage(&events, &unit, &network), async { act(&unit, &network) })
        });
        drop(events);
        let mut bounds = Vec::new();
        while let Some(event) = told.blocking_recv() {
            let LoopEvent::Supervisor(Event::LaunchWaits { life, bound, .. }) = event else {
                panic!("{event:?}");
            };
            assert_eq!(life, 7);
            bounds.push(bound);
        }
        (result, bounds)
    }

    #[test]
    fn a_stage_that_has_ended_is_not_waited_for() {
        assert_eq!(waits(true, |_, _| {}), (Ok(()), vec![]));
    }

    #[test]
    fn the_bound_of_a_launch_begins_when_the_stage_has_ended() {
        let told = waits(false, |_, network| {
            network.send_replace(true);
        });
        assert_eq!(told, (Ok(()), vec![STAGE, Duration::ZERO]));
    }

    #[test]
    fn a_kill_ends_a_launch_that_has_no_process() {
        let (result, bounds) = waits(false, |unit, _| unit.kill_cgroup().unwrap());
        assert_eq!(result, Err("stopped before it began".to_owned()));
        assert_eq!(bounds, [STAGE]);
    }
}
