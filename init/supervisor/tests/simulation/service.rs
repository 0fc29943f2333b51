//! A service with every default of the manifest, for tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use orlop_config::{
    HostNamespaces, ImageName, Isolation, NetworkMode, Resolver, Resources, RestartPolicy, Service,
    ServiceName, Signal, Supervision, UserSpec, UsernsMode,
};

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

pub(crate) fn service(text: &str) -> Service {
    Service {
        name: name(text),
        image: ImageName::new(text).unwrap(),
        build: None,
        entrypoint: vec!["/bin/true".to_owned()],
        command: Vec::new(),
        environment: BTreeMap::new(),
        user: UserSpec {
            user: "0".to_owned(),
            group: None,
        },
        working_dir: PathBuf::from("/"),
        hostname: text.to_owned(),
        domainname: None,
        extra_hosts: Vec::new(),
        resolver: Resolver::default(),
        volumes: Vec::new(),
        tmpfs: Vec::new(),
        read_only: true,
        ports: Vec::new(),
        network_mode: NetworkMode::Bridge,
        userns_mode: UsernsMode::Private,
        depends_on: BTreeMap::new(),
        restart: RestartPolicy::Always,
        stop_signal: Signal::TERM,
        stop_grace_period: Duration::from_secs(10),
        capabilities: Vec::new(),
        added_capabilities: Vec::new(),
        mem_limit: None,
        milli_cpus: None,
        pids_limit: Some(2048),
        devices: Vec::new(),
        init: false,
        isolation: Isolation::Restricted,
        group_add: Vec::new(),
        host_namespaces: HostNamespaces::default(),
        no_new_privileges: true,
        sysctls: BTreeMap::new(),
        ulimits: Vec::new(),
        shm_size: 64 << 20,
        oom_score_adj: None,
        resources: Resources::default(),
        labels: BTreeMap::new(),
        profiles: Vec::new(),
        control: Vec::new(),
        supervision: Supervision::default(),
    }
}
