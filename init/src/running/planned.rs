//! A launch's plan, kept over restarts: most are of the same as before, and a plan is long.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use orlop_config::Service;
use orlop_container::plan::{
    FileBind, LaunchInputs, LaunchPlan, Notify, PlanError, ResolvedVolume, plan,
};

use super::STAGING;
use super::image::Place;
use crate::names::{hosts_file, resolv_conf_file};

/// What stays as it is for as long as the machine runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed<'a> {
    /// The manifest.
    pub(super) service: &'a Service,
    /// The first of its ids.
    pub(super) id_base: u32,
    /// Where its files are, and who it runs as.
    pub(super) place: &'a Place,
}

/// What one launch may be given that another was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// Its volumes, found on the machine.
    pub(super) volumes: Vec<ResolvedVolume>,
    /// Names of the passed sockets.
    pub(super) listen_names: Vec<String>,
    /// Its control socket on the machine.
    pub(super) control_socket: Option<PathBuf>,
    /// The number of its readiness pipe.
    pub(super) ready_fd: Option<u32>,
    /// Its socket of sd_notify(3) on the machine.
    pub(super) notify: Option<PathBuf>,
}

/// A plan and what it was made for.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    given: Given,
    plan: Rc<LaunchPlan>,
}

impl Planned {
    /// What was planned before when it was for the same, else a new plan.
    ///
    /// # Errors
    /// [`PlanError`].
    pub(super) fn new(
        before: Option<Self>,
        fixed: Fixed<'_>,
        given: Given,
    ) -> Result<Self, PlanError> {
        match before {
            Some(before) if before.given == given => Ok(before),
            _ => Ok(Self {
                plan: Rc::new(decide(fixed, &given)?),
                given,
            }),
        }
    }

    /// The plan.
    pub(super) fn plan(&self) -> Rc<LaunchPlan> {
        self.plan.clone()
    }
}

fn decide(fixed: Fixed<'_>, given: &Given) -> Result<LaunchPlan, PlanError> {
    let Fixed {
        service,
        id_base,
        place,
    } = fixed;
    let bind = |source: Option<PathBuf>, target| {
        source.map(|source| FileBind {
            source,
            target: PathBuf::from(target),
            required: false,
        })
    };
    let file_binds: Vec<FileBind> = [
        bind(hosts_file(service), "/etc/hosts"),
        bind(resolv_conf_file(service), "/etc/resolv.conf"),
    ]
    .into_iter()
    .flatten()
    .collect();
    plan(&LaunchInputs {
        service,
        rootfs: &place.rootfs,
        staging: Path::new(STAGING),
        user: &place.user,
        id_base,
        volumes: &given.volumes,
        file_binds: &file_binds,
        control_socket: given.control_socket.as_deref(),
        listen_names: &given.listen_names,
        ready_fd: given.ready_fd,
        notify: given.notify.as_deref().map(|socket| Notify {
            socket,
            watchdog: service.supervision.watchdog,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_config::{ServiceName, SourceFile, Sources, check};
    use orlop_container::user::User;

    fn service() -> Service {
        let file = SourceFile {
            path: "service.toml".to_owned(),
            text: "image = \"web\"\ncommand = [\"/bin/web\"]\n".to_owned(),
        };
        let mut checked = check(&Sources {
            services: [("web".to_owned(), file)].into(),
            images: ["web".to_owned()].into(),
            ..Sources::default()
        });
        let name = ServiceName::new("web").unwrap();
        checked.services.remove(&name).unwrap()
    }

    /// One of each, by what is changed of it.
    fn changes() -> Vec<Given> {
        let volume = ResolvedVolume {
            name: Some("data".to_owned()),
            source: PathBuf::from("/state/volumes/data"),
            target: PathBuf::from("/data"),
            read_only: false,
            idmap: true,
        };
        vec![
            Given {
                volumes: vec![volume],
                ..Given::default()
            },
            Given {
                listen_names: vec!["dhcp4.eth0".to_owned()],
                ..Given::default()
            },
            Given {
                control_socket: Some(PathBuf::from("/run/orlop/control/web.sock")),
                ..Given::default()
            },
            Given {
                ready_fd: Some(4),
                ..Given::default()
            },
            Given {
                notify: Some(PathBuf::from("/run/orlop/notify/web.sock")),
                ..Given::default()
            },
        ]
    }

    #[test]
    fn a_plan_is_kept_for_the_same_and_made_anew_for_anything_else() {
        let service = service();
        let place = Place {
            rootfs: PathBuf::from("/images/web"),
            user: User {
                uid: 0,
                gid: 0,
                groups: vec![0],
                home: "/".to_owned(),
            },
        };
        let fixed = Fixed {
            service: &service,
            id_base: 65_536,
            place: &place,
        };
        let of = |before, given: &Given| Planned::new(before, fixed, given.clone()).unwrap();
        let first = of(None, &Given::default());
        let second = of(Some(first.clone()), &Given::default());
        assert!(Rc::ptr_eq(&first.plan(), &second.plan()));
        for given in changes() {
            let changed = of(Some(first.clone()), &given);
            assert_ne!(changed.plan(), first.plan(), "{given:?}");
            assert_eq!(changed.plan(), of(None, &given).plan());
            // And back.
            let back = of(Some(changed), &Given::default());
            assert_eq!(back.plan(), first.plan());
        }
    }
}
