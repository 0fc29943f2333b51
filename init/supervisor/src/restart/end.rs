//! How a life ended, in systemd's words, and which policy starts it again after which end.

use orlop_config::{EndStatus, RestartPolicy, Service, Signal};

use crate::ExitStatus;

/// The kind of an end. [`policy_restarts`] is the table over these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Exit code 0 or one of `success_exit_status`.
    Clean,
    /// SIGHUP, SIGINT, SIGTERM or SIGPIPE, which are a clean end of what runs long: it completes
    /// nothing that somebody may wait for.
    CleanSignal,
    /// Another exit code.
    Code,
    /// Another signal.
    Signal,
    /// A signal with a core dump.
    CoreDump,
    /// Not ready within `start_timeout`, or a launch of more than 30 s.
    Timeout,
    /// The watchdog heard nothing, or the service pulled it.
    Watchdog,
    /// The kernel killed it for want of memory.
    OutOfMemory,
    /// Its health check failed too often.
    Unhealthy,
    /// A clean end before it was ready.
    Protocol,
    /// It never reached `execve`.
    Launch,
}

impl Kind {
    /// Whether it is a success.
    pub(crate) fn is_clean(self) -> bool {
        matches!(self, Kind::Clean | Kind::CleanSignal)
    }
}

/// Whether a policy starts a service again after such an end: systemd.service(5)'s table, with rows
/// for what systemd has no name for.
///
/// | end | no | on-success | on-failure | on-abnormal | on-abort | on-watchdog | always, unless-stopped |
/// |---|---|---|---|---|---|---|---|
/// | clean exit code, clean signal | | × | | | | | × |
/// | unclean exit code | | | × | | | | × |
/// | unclean signal, core dump | | | × | × | × | | × |
/// | timeout | | | × | × | | | × |
/// | watchdog | | | × | × | | × | × |
/// | out of memory, unhealthy | | | × | × | | | × |
/// | protocol, launch failure | | | × | × | | | × |
pub(crate) fn policy_restarts(policy: RestartPolicy, end: Kind) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnSuccess => end.is_clean(),
        RestartPolicy::OnFailure { .. } => !end.is_clean(),
        RestartPolicy::OnAbnormal => !end.is_clean() && end != Kind::Code,
        RestartPolicy::OnAbort => matches!(end, Kind::Signal | Kind::CoreDump),
        RestartPolicy::OnWatchdog => end == Kind::Watchdog,
    }
}

/// What a manifest says of exit codes and signals.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    /// What runs long may end by a signal that asks for its end, and that is a success.
    pub(crate) signals_are_clean: bool,
    /// `success_exit_status`.
    pub(crate) success: Vec<EndStatus>,
    /// `restart_prevent_exit_status`.
    pub(crate) prevent: Vec<EndStatus>,
    /// `restart_force_exit_status`.
    pub(crate) force: Vec<EndStatus>,
}

impl Lists {
    /// A service's lists.
    pub(crate) fn new(service: &Service) -> Self {
        let supervision = &service.supervision;
        Self {
            signals_are_clean: supervision.kind == orlop_config::Kind::Service,
            success: supervision.success_exit_status.clone(),
            prevent: supervision.restart_prevent_exit_status.clone(),
            force: supervision.restart_force_exit_status.clone(),
        }
    }
}

/// Whether one of the entries is this end.
pub(crate) fn listed(list: &[EndStatus], status: ExitStatus) -> bool {
    list.iter().any(|entry| match (entry, status) {
        (EndStatus::Code(code), ExitStatus::Exited(exited)) => i32::from(*code) == exited,
        (EndStatus::Signal(signal), ExitStatus::Signaled(ended) | ExitStatus::Dumped(ended)) => {
            signal.number() == ended
        }
        _ => false,
    })
}

/// SIGHUP, SIGINT, SIGPIPE, SIGTERM (systemd.service(5), SuccessExitStatus=).
const CLEAN_SIGNALS: [i32; 4] = [1, 2, 13, 15];

/// The kind of an end of the main process about which nothing else is known.
pub(crate) fn classify(lists: &Lists, status: ExitStatus, out_of_memory: bool) -> Kind {
    match status {
        ExitStatus::Exited(0) => Kind::Clean,
        ExitStatus::Exited(_) | ExitStatus::Signaled(_) if listed(&lists.success, status) => {
            Kind::Clean
        }
        ExitStatus::Exited(_) => Kind::Code,
        ExitStatus::Signaled(signal) if signal == Signal::KILL.number() && out_of_memory => {
            Kind::OutOfMemory
        }
        ExitStatus::Signaled(signal)
            if lists.signals_are_clean && CLEAN_SIGNALS.contains(&signal) =>
        {
            Kind::CleanSignal
        }
        ExitStatus::Signaled(_) => Kind::Signal,
        ExitStatus::Dumped(_) => Kind::CoreDump,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation, each cell.
    #[test]
    fn every_policy_after_every_end() {
        let all = [
            Kind::Clean,
            Kind::CleanSignal,
            Kind::Code,
            Kind::Signal,
            Kind::CoreDump,
            Kind::Timeout,
            Kind::Watchdog,
            Kind::OutOfMemory,
            Kind::Unhealthy,
            Kind::Protocol,
            Kind::Launch,
        ];
        let row = |policy| {
            let cells = all.map(|end| match policy_restarts(policy, end) {
                true => 'x',
                false => '-',
            });
            cells.iter().collect::<String>()
        };
        let failure = RestartPolicy::OnFailure {
            max_retries: Some(3),
        };
        assert_eq!(row(RestartPolicy::No), "-----------");
        assert_eq!(row(RestartPolicy::OnSuccess), "xx---------");
        assert_eq!(row(failure), "--xxxxxxxxx");
        assert_eq!(row(RestartPolicy::OnAbnormal), "---xxxxxxxx");
        assert_eq!(row(RestartPolicy::OnAbort), "---xx------");
        assert_eq!(row(RestartPolicy::OnWatchdog), "------x----");
        assert_eq!(row(RestartPolicy::Always), "xxxxxxxxxxx");
        assert_eq!(row(RestartPolicy::UnlessStopped), "xxxxxxxxxxx");
    }

    #[test]
    fn ends_are_told_apart() {
        let signal = |name| EndStatus::Signal(Signal::parse(name).unwrap());
        let service = Lists {
            signals_are_clean: true,
            success: vec![EndStatus::Code(3), signal("SIGUSR1")],
            ..Lists::default()
        };
        let oneshot = Lists::default();
        for (status, of_service, of_oneshot) in [
            (ExitStatus::Exited(0), Kind::Clean, Kind::Clean),
            (ExitStatus::Exited(3), Kind::Clean, Kind::Code),
            (ExitStatus::Exited(10), Kind::Code, Kind::Code),
            (ExitStatus::Exited(15), Kind::Code, Kind::Code),
            (ExitStatus::Signaled(10), Kind::Clean, Kind::Signal),
            (ExitStatus::Dumped(10), Kind::CoreDump, Kind::CoreDump),
            (ExitStatus::Signaled(3), Kind::Signal, Kind::Signal),
            (ExitStatus::Signaled(9), Kind::Signal, Kind::Signal),
            (ExitStatus::Dumped(6), Kind::CoreDump, Kind::CoreDump),
            (ExitStatus::Dumped(15), Kind::CoreDump, Kind::CoreDump),
            (ExitStatus::Signaled(1), Kind::CleanSignal, Kind::Signal),
            (ExitStatus::Signaled(2), Kind::CleanSignal, Kind::Signal),
            (ExitStatus::Signaled(13), Kind::CleanSignal, Kind::Signal),
            (ExitStatus::Signaled(15), Kind::CleanSignal, Kind::Signal),
        ] {
            assert_eq!(classify(&service, status, false), of_service, "{status:?}");
            assert_eq!(classify(&oneshot, status, false), of_oneshot, "{status:?}");
        }
        let killed = ExitStatus::Signaled(9);
        assert_eq!(classify(&service, killed, true), Kind::OutOfMemory);
        // Want of memory kills by SIGKILL only: another end is its own.
        let crashed = ExitStatus::Signaled(11);
        assert_eq!(classify(&service, crashed, true), Kind::Signal);
        assert_eq!(classify(&service, ExitStatus::Exited(9), true), Kind::Code);
    }
}
