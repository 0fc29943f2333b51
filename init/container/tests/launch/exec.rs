//! A further process in a running service: as confined as the main process, and hidden on its way.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use orlop_container::cgroup::Cgroup;
use orlop_container::exec::{Entered, ExecFds, ExecInputs, Program, exec, plan_exec};
use orlop_container::launch::LaunchOutcome;
use orlop_container::namespaces::KeptNamespaces;
use orlop_container::user::{parse_spec, resolve};
use orlop_sys::pidfd;

use super::ground::{Ended, Ground, Started, Trial, ground, wait};

/// A running service, killed at the end.
struct Running<'a> {
    trial: Trial<'a>,
    ground: &'a Ground,
    cgroup: Cgroup,
    _kept: KeptNamespaces,
    started: Started,
}

impl<'a> Running<'a> {
    /// Launches it and reads its output up to the line `end`.
    fn start(ground: &'a Ground, trial: Trial<'a>) -> (Self, String) {
        let kept = trial.namespaces(ground);
        let cgroup = trial.cgroup(ground);
        let mut started = trial.start(ground, &kept, cgroup.as_fd()).unwrap();
        let output = started.read_until("end\n");
        let running = Self {
            trial,
            ground,
            cgroup,
            _kept: kept,
            started,
        };
        (running, output)
    }

    fn exec(&self, words: &[&str], user: Option<&str>) -> Result<Ended, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let spec = user.map(parse_spec);
        let rootfs = self.trial.rootfs(self.ground);
        let text = |file| fs::read_to_string(rootfs.join(file)).unwrap();
        let spec = spec.as_ref().unwrap_or(&self.trial.service.user);
        let user = resolve(spec, &text("etc/passwd"), &text("etc/group"))
            .map_err(|error| error.to_string())?;
        let inputs = ExecInputs {
            service: &self.trial.service,
            user: &user,
            program: Program::Container(&words),
            environment: &[("EXTRA".to_owned(), "yes".to_owned())].into(),
            working_dir: None,
        };
        let plan = plan_exec(&inputs).map_err(|error| error.to_string())?;
        let null = fs::File::open("/dev/null").unwrap();
        let (mut output, writer) = std::io::pipe().unwrap();
        let launching = &self.started.launching;
        let cgroup = self
            .cgroup
            .of(self.ground.proc(), launching.pid)
            .map_err(|error| error.to_string())?;
        let fds = ExecFds {
            proc: self.ground.proc(),
            main: launching.pidfd.as_fd(),
            cgroup: cgroup.as_fd(),
            streams: [null.as_fd(), writer.as_fd(), writer.as_fd()],
            multi_call: None,
        };
        let entrance = exec(&plan, &fds).map_err(|error| error.to_string())?;
        drop(writer);
        wait(entrance.as_fd());
        let entered = entrance.process(&plan);
        reaped(&entrance.entrant.pidfd);
        let process = match entered {
            Entered::Process(process) => process,
            Entered::Failed(failure) => return Err(failure.to_string()),
            other => return Err(format!("{other:?}")),
        };
        entrance.go(&process).unwrap();
        wait(entrance.as_fd());
        let outcome = entrance.outcome(&plan);
        let mut text = Vec::new();
        output.read_to_end(&mut text).unwrap();
        let status = reaped(&process.pidfd);
        match outcome {
            LaunchOutcome::Executed => Ok(Ended {
                output: String::from_utf8_lossy(&text).into_owned(),
                status,
            }),
            LaunchOutcome::Failed(failure) => Err(failure.to_string()),
            LaunchOutcome::Pending => panic!("readable, and no answer"),
        }
    }

    fn shell(&self, script: &str) -> String {
        self.exec(&["sh", "-c", script], None).unwrap().output
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.cgroup.kill().unwrap();
        reaped(&self.started.launching.pidfd);
        super::ground::emptied(&self.cgroup);
        self.cgroup.remove().unwrap();
    }
}

fn reaped(pidfd: &impl AsFd) -> WaitStatus {
    wait(pidfd.as_fd());
    waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED).unwrap()
}

/// All that a process can say about how it is confined.
const SELF: &str = "cat /proc/self/status | grep -v -E '^(Pid|PPid|Tgid|NSpid|NStgid|NSpgid|NSsid|Vm|Rss|Hugetlb|voluntary|nonvoluntary|Name|State|Cpus_allowed|Mems|Threads|SigQ|FDSize|Ngid|CoreDumping|THP|untag)'; \
    for n in pid mnt net ipc uts cgroup user; do echo ns-$n $(readlink /proc/self/ns/$n); done; \
    cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup /proc/self/uid_map /proc/self/mountinfo; \
    env | grep -v -E '^(EXTRA|SHLVL|_)=' | sort; pwd; umask; id; hostname; ls -l /proc/self/fd | grep -v -E 'pipe:|/proc/|null' | wc -l; echo end";

#[test]
fn edge_65_an_exec_is_confined_exactly_as_the_main_process() {
    let Some(ground) = ground() else { return };
    for keys in [
        "",
        "user = \"probe\"\nhostname = \"probe-host\"\nworking_dir = \"/tmp\"\nenvironment = { A = \"b\", PATH = \"/bin\" }",
        "user = \"probe\"\ncap_add = [\"NET_ADMIN\", \"CHOWN\"]",
        "cap_add = [\"SYS_ADMIN\"]",
        "isolation = \"baseline\"",
        "isolation = \"privileged\"\ncap_drop = [\"SYS_RESOURCE\"]",
        "userns_mode = \"host\"",
        "network_mode = \"host\"\nuser = \"probe\"",
        "network_mode = \"none\"\nread_only = false",
    ] {
        let trial = Trial::shell(keys, &format!("{SELF}; exec sleep 600"));
        let (running, main) = Running::start(ground, trial);
        assert_eq!(running.shell(SELF), main, "{keys}");
        assert!(main.contains("CapBnd") && main.contains("Max open files"));
        // What is added is added, and wins.
        assert_eq!(running.shell("echo $EXTRA"), "yes\n");
    }
}

#[test]
fn r02_an_exec_has_its_three_streams_and_nothing_else() {
    let Some(ground) = ground() else { return };
    for keys in ["", "userns_mode = \"host\""] {
        let (running, _) = Running::start(ground, Trial::shell(keys, "echo end; exec sleep 600"));
        // 3 is what ls has open itself.
        let output = running.shell("exec ls /proc/self/fd");
        assert_eq!(output, "0\n1\n2\n3\n", "{keys}");
        let session = running.shell("cut -d' ' -f1,6,7 /proc/self/stat; echo $$");
        let words: Vec<_> = session.split_whitespace().collect();
        assert_eq!((words[1], words[2]), (words[3], "0"), "{session}");
    }
}

#[test]
fn r10_another_user_keeps_the_services_bounds() {
    let Some(ground) = ground() else { return };
    let trial = Trial::shell(
        "user = \"probe\"\ncap_add = [\"CHOWN\"]",
        "echo end; exec sleep 600",
    );
    let (running, _) = Running::start(ground, trial);
    let script = "id; echo $HOME; grep -E '^Cap' /proc/self/status | tr '\\t' ' '";
    let as_user = |user| {
        running
            .exec(&["sh", "-c", script], user)
            .map(|ended| ended.output)
    };
    let root = as_user(Some("0")).unwrap();
    assert_eq!(
        root,
        "uid=0(root) gid=0(root) groups=0(root)\n/root\nCapInh: 0000000000000000\nCapPrm: 0000000000000001\n\
         CapEff: 0000000000000001\nCapBnd: 0000000000000001\nCapAmb: 0000000000000000\n"
    );
    let probe = as_user(Some("probe:0")).unwrap();
    assert!(
        probe.starts_with("uid=100(probe) gid=0(root) groups=0(root)\n/var/lib/probe\n"),
        "{probe}"
    );
    for user in ["nobody", "", "0:", "-1", "100:101:0"] {
        assert!(as_user(Some(user)).is_err(), "{user:?}");
    }
}

#[test]
fn edge_48_an_exec_joins_the_cgroup_that_the_main_process_is_in() {
    let Some(ground) = ground() else { return };
    let (running, _) = Running::start(ground, Trial::shell("", "echo end; exec sleep 600"));
    let leaf = running.cgroup.path().join("init.scope/leaf");
    fs::create_dir_all(&leaf).unwrap();
    let pid = running.started.launching.pid;
    fs::write(leaf.join("cgroup.procs"), pid.to_string()).unwrap();
    let main = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let own = running.shell("grep ^0:: /proc/self/cgroup");
    assert!(
        main.lines().any(|line| line.ends_with("/init.scope/leaf")),
        "{main}"
    );
    assert_eq!(own, "0::/init.scope/leaf\n");
}

#[test]
fn edge_58_short_lived_execs_end_with_their_codes() {
    let Some(ground) = ground() else { return };
    let (running, _) = Running::start(ground, Trial::shell("", "echo end; exec sleep 600"));
    for code in 0..50 {
        let ended = running
            .exec(&["sh", "-c", &format!("exit {code}")], None)
            .unwrap();
        assert!(
            matches!(ended.status, WaitStatus::Exited(_, found) if found == code),
            "{ended:?}"
        );
    }
    let killed = running.exec(&["sh", "-c", "kill -9 $$"], None).unwrap();
    assert!(
        matches!(killed.status, WaitStatus::Signaled(..)),
        "{killed:?}"
    );
}

#[test]
fn a_failed_exec_is_one_sentence_with_a_remedy() {
    let Some(ground) = ground() else { return };
    let (running, _) = Running::start(ground, Trial::shell("", "echo end; exec sleep 600"));
    let fails = |words: &[&str]| running.exec(words, None).unwrap_err();
    let name = running.trial.service.name.to_string();
    assert_eq!(
        fails(&["redis-cli"]),
        format!(
            "{name}: executing redis-cli: ENOENT (the image \"probe\" has no such program in PATH; write its absolute path or add its package to build.debian)"
        )
    );
    assert_eq!(
        fails(&["/bin/not-executable"]),
        format!(
            "{name}: executing /bin/not-executable: EACCES (in the image \"probe\" it is not executable by this user; check its mode and `user`)"
        )
    );
    assert_eq!(fails(&[]), "command: nothing to run");
    assert_eq!(
        fails(&["a\0b"]),
        "command: a NUL byte cannot be passed to the kernel"
    );
    pidfd::send_signal(running.started.launching.pidfd.as_fd(), 9).unwrap();
    wait(running.started.launching.pidfd.as_fd());
    // It is a zombie: its cgroup is known, its namespaces are gone.
    let ended = fails(&["true"]);
    assert_eq!(
        ended,
        format!(
            "{name}: entering the namespaces of its main process: ESRCH (its main process has ended)"
        )
    );
}

#[test]
fn r01_nothing_of_ours_can_be_looked_at_on_the_way_in() {
    let Some(ground) = ground() else { return };
    // A service with all that its own user namespace gives looks at every process that appears.
    let script = "echo end; cd /proc; while :; do for p in [0-9]*; do \
        [ $p = 1 ] || [ $p = $$ ] && continue; e=$(readlink $p/exe); \
        case $e in '') ;; /bin/busybox) [ $looked ] || echo looked; looked=1 ;; *) echo exe $p $e ;; esac; \
        ls -l $p/fd 2>/dev/null | grep -e '->' | grep -v -E 'pipe:|/dev/null|/proc/'; done; done";
    let trial = Trial::shell(
        "cap_add = [\"SYS_PTRACE\", \"DAC_OVERRIDE\", \"SYS_ADMIN\"]",
        script,
    );
    let (running, _) = Running::start(ground, trial);
    for _ in 0..200 {
        running.exec(&["/bin/sh", "-c", ":"], None).unwrap();
    }
    let mut seen = String::new();
    pidfd::send_signal(running.started.launching.pidfd.as_fd(), 9).unwrap();
    (&running.started.output).read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "looked\n");
}
