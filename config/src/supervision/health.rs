//! `healthcheck` and `on_unhealthy`: Compose's, with probes that need no program in the image.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// `healthcheck`, with Compose's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub test: HealthTest,
    /// `interval`: from the end of one probe to the start of the next; default 30 s.
    pub interval: Duration,
    /// `timeout`: a probe that takes longer has failed; default 30 s.
    pub timeout: Duration,
    /// `retries`: so many failures in a row make it unhealthy; default 3, at least 1.
    pub retries: u32,
    /// `start_period`: failures so soon after the start do not count; default 0 s.
    pub start_period: Duration,
    /// `start_interval`: the interval within `start_period`; default 5 s.
    pub start_interval: Duration,
}

/// What a probe does, inside of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthTest {
    /// `test = ["CMD", "/usr/bin/check", …]`: run; exit code 0 is a pass.
    Exec(Vec<String>),
    /// `test = "command line"` or `["CMD-SHELL", "command line"]`: run by the image's `/bin/sh -c`.
    Shell(String),
    /// `http = "http://localhost:80/health"` or `":80/health"`: a GET in the container's network.
    Http {
        /// The port on the container's loopback.
        port: u16,
        /// The path with its query, from `/`.
        path: String,
        /// `expect`: the status codes that are a pass; default 200 to 399.
        expect: RangeInclusive<u16>,
    },
    /// `tcp = 6379`: a connection to that port of the container's loopback.
    Tcp {
        /// The port.
        port: u16,
    },
    /// `file = "/run/ready"`: that file exists in the container.
    File(PathBuf),
}

/// `on_unhealthy`: what happens once a health check has failed `retries` times in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnhealthy {
    /// `"restart"`: it is stopped, and `restart` decides over the rest.
    #[default]
    Restart,
    /// `"none"`: it is only shown.
    None,
}
