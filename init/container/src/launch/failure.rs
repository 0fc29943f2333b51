//! A failed launch in one sentence: who, which step, the errno by name, what to do about it.

use std::fmt;
use std::path::Path;

use nix::errno::Errno;

use super::report::{Part, Report};
use crate::plan::{Device, LaunchPlan, Links, Mount, MountSource, Step};

/// Why a launch failed before execve. Its `Display` is the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchFailure {
    /// The service.
    pub service: String,
    /// What was being done, such as `executing /usr/sbin/nginx`.
    pub action: String,
    /// The kernel's answer.
    pub errno: Errno,
    /// What it means and what to do, when that is known.
    pub remedy: Option<String>,
}

impl std::error::Error for LaunchFailure {}

impl fmt::Display for LaunchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {:?}", self.service, self.action, self.errno)?;
        match &self.remedy {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

impl LaunchFailure {
    /// The sentence where the service's name is said already.
    #[must_use]
    pub fn without_service(&self) -> String {
        let text = self.to_string();
        let name = format!("{}: ", self.service);
        text.strip_prefix(&name).unwrap_or(&text).to_owned()
    }

    /// The report itself could not be read.
    pub(crate) fn unread(plan: &LaunchPlan, errno: Errno) -> Self {
        Self {
            service: plan.service.clone(),
            action: "reading the report of its start".to_owned(),
            errno,
            remedy: None,
        }
    }

    pub(crate) fn new(plan: &LaunchPlan, report: Report) -> Self {
        let step = plan.steps.get(usize::from(report.step));
        Self {
            service: plan.service.clone(),
            action: step.map_or_else(
                || format!("step {}", report.step),
                |step| action(step, plan),
            ),
            errno: report.errno,
            remedy: step.and_then(|step| remedy(step, plan, report)),
        }
    }
}

fn action(step: &Step, plan: &LaunchPlan) -> String {
    match step {
        Step::ResetSignals => "resetting signals".to_owned(),
        Step::NewSession => "starting a session".to_owned(),
        Step::Umask(_) => "setting the umask".to_owned(),
        Step::WriteProc { file, value } => {
            let file = file.to_string_lossy();
            let name = file.split_once('/').map_or(&*file, |(_, name)| name);
            format!("setting {name} to {value:?}")
        }
        Step::PrivateMounts => "making mounts private".to_owned(),
        Step::JoinNetwork => "joining the network namespace".to_owned(),
        Step::Hostname(name) => format!("setting the hostname {name:?}"),
        Step::Domainname(name) => format!("setting the domain name {name:?}"),
        Step::OpenNull => "opening the machine's /dev/null".to_owned(),
        Step::AttachRoot(root) => format!("mounting the image {}", root.image.to_string_lossy()),
        Step::Mount(mount) => {
            let target = mount.target.to_string_lossy();
            match &mount.source {
                MountSource::Fresh { fstype, .. } => {
                    format!("mounting {} on /{target}", fstype.to_string_lossy())
                }
                MountSource::Machine {
                    volume: Some(volume),
                    ..
                } => format!("mounting volume {volume:?} on /{target}"),
                MountSource::Machine { path, .. } => {
                    format!("mounting {} on /{target}", path.to_string_lossy())
                }
            }
        }
        Step::Directory(place) => format!(
            "making /{}/{}",
            place.parent.to_string_lossy(),
            place.name.to_string_lossy()
        ),
        Step::Node { path, device, .. } => {
            let at = format!(
                "/{}/{}",
                path.parent.to_string_lossy(),
                path.name.to_string_lossy()
            );
            match device {
                Device::SameAs(source) => format!(
                    "making {at} from the machine's {}",
                    source.to_string_lossy()
                ),
                Device::Character { .. } => format!("making {at}"),
            }
        }
        Step::Symlink { path, .. } => {
            format!(
                "making the link /{}/{}",
                path.parent.to_string_lossy(),
                path.name.to_string_lossy()
            )
        }
        Step::MakeReadOnly(path) | Step::ReadOnlyPath(path) => {
            format!("making /{} read-only", path.to_string_lossy())
        }
        Step::Mask(path) => format!("hiding /{}", path.to_string_lossy()),
        Step::PivotRoot => "entering the root file system".to_owned(),
        Step::EnterUser => "entering the user namespace".to_owned(),
        Step::Credentials(user) => format!("becoming user {}:{}", user.uid, user.gid),
        Step::Limit(limit) => format!("setting the limit {}", limit.name),
        Step::WorkingDir(path) => {
            format!("entering the working directory {}", path.to_string_lossy())
        }
        Step::Descriptors => "placing descriptors".to_owned(),
        Step::NoNewPrivileges => "setting no_new_privs".to_owned(),
        Step::Seccomp(_) => "installing the seccomp filter".to_owned(),
        Step::Exec(candidates) => match candidates.as_slice() {
            [path] => format!("executing {}", path.to_string_lossy()),
            _ => format!("executing {}", first_argument(plan)),
        },
        Step::ExecMultiCall => "executing the machine's own program".to_owned(),
        Step::Hide => "hiding before entering".to_owned(),
        Step::EnterProcess(_) => "entering the namespaces of its main process".to_owned(),
        Step::Fork => "starting a process in its pid namespace".to_owned(),
    }
}

fn remedy(step: &Step, plan: &LaunchPlan, report: Report) -> Option<String> {
    let image = &plan.image;
    match (step, report.part, report.errno) {
        (Step::Exec(candidates), _, Errno::ENOENT) => Some(match candidates.as_slice() {
            [_] => format!(
                "the image {image:?} has no such file, or not the interpreter that it names; list its package in build.debian or the file in build.files"
            ),
            _ => format!(
                "the image {image:?} has no such program in PATH; write its absolute path or add its package to build.debian"
            ),
        }),
        (Step::Exec(_), _, Errno::EACCES) => Some(format!(
            "in the image {image:?} it is not executable by this user; check its mode and `user`"
        )),
        (Step::Exec(_), _, Errno::ENOEXEC) => {
            Some("it is neither an x86-64 program nor a script that begins with #!".to_owned())
        }
        (Step::ExecMultiCall, _, Errno::EBADF) => {
            Some("the machine has no multi-call binary".to_owned())
        }
        (Step::EnterProcess(_), _, Errno::ESRCH) | (Step::Fork, _, Errno::ENOMEM) => {
            Some("its main process has ended".to_owned())
        }
        (Step::Fork, _, Errno::EAGAIN) => {
            Some("it has as many processes as `pids_limit` allows".to_owned())
        }
        (Step::ExecMultiCall, _, Errno::ETXTBSY) => Some(
            "it could be written from inside; it must be sealed or on a read-only mount".to_owned(),
        ),
        (Step::WorkingDir(_), _, Errno::ENOENT) => Some(format!(
            "the image {image:?} has no such directory; list it in build.directories or change working_dir"
        )),
        (Step::WorkingDir(_), _, Errno::EXDEV) => Some("it lies outside the container".to_owned()),
        (Step::AttachRoot(_), Part::Source, Errno::ENOENT) => {
            Some(format!("the system has no image {image:?}; build it again"))
        }
        (Step::AttachRoot(_), Part::Idmap, Errno::EINVAL) => {
            Some("its file system cannot be idmapped; images must lie on EROFS or ext4".to_owned())
        }
        (Step::Mount(mount), Part::Target, Errno::ENOENT | Errno::EROFS) => Some(format!(
            "the image {image:?} has no /{}, and is read-only; create it by build.directories",
            mount.target.to_string_lossy()
        )),
        (Step::Mount(mount), Part::Target, Errno::ELOOP) if mount.links == Links::Refused => {
            Some(link_of_a_volume(mount, plan))
        }
        (Step::Mount(_), Part::Target, Errno::ELOOP) => Some(format!(
            "it is a symbolic link in the image {image:?}, which is refused"
        )),
        (Step::Mount(_), Part::Idmap, Errno::EINVAL) => {
            Some("its file system cannot be idmapped; volumes must lie on ext4".to_owned())
        }
        (Step::Mount(_), Part::Source, Errno::EROFS) => {
            Some("what it lies on is read-only; write `:ro`, or look why".to_owned())
        }
        (Step::Mount(_), Part::Attach, Errno::ENOTDIR) => {
            Some("a file can only cover a file and a directory a directory".to_owned())
        }
        (Step::Mount(mount), Part::Source, Errno::ENOENT) if is_volume(mount) => {
            Some("declare it under [volumes] in system.toml".to_owned())
        }
        (Step::Mount(_) | Step::Node { .. }, Part::Source, Errno::ENOENT) => {
            Some("the machine does not have it".to_owned())
        }
        (Step::Node { .. }, Part::Source, Errno::ENODEV) => Some("it is not a device".to_owned()),
        (Step::WriteProc { .. }, _, Errno::ENOENT) => Some(
            "its own namespaces have no such setting; remove it, or write userns_mode = \"host\", where they have more"
                .to_owned(),
        ),
        (Step::Seccomp(_), _, Errno::EINVAL) => {
            Some("the kernel refuses the filter; is CONFIG_SECCOMP_FILTER on?".to_owned())
        }
        _ => None,
    }
}

/// Whoever writes the volume that the mount lies below would choose where it lands.
fn link_of_a_volume(mount: &Mount, plan: &LaunchPlan) -> String {
    let target = mount.target.to_string_lossy();
    let above = plan.steps.iter().rev().find_map(|step| match step {
        Step::Mount(above) if is_volume(above) && above.target != mount.target => {
            let path = above.target.to_string_lossy();
            Path::new(&*target).starts_with(&*path).then_some(above)
        }
        _ => None,
    });
    let through = match above.map(|above| &above.source) {
        Some(MountSource::Machine {
            volume: Some(volume),
            ..
        }) => format!("the volume {volume:?}"),
        _ => "a volume".to_owned(),
    };
    format!(
        "a symbolic link in {through} or on the way to it is refused: who writes it would choose where this lands"
    )
}

fn is_volume(mount: &Mount) -> bool {
    matches!(
        mount.source,
        MountSource::Machine {
            volume: Some(_),
            ..
        }
    )
}

fn first_argument(plan: &LaunchPlan) -> String {
    plan.argv
        .strings()
        .first()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
