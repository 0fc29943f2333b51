//! `io.orlop.services.Exec`, and how its streams travel to the workstation.

#[cfg(feature = "client")]
mod message;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(feature = "client")]
pub use message::{Base64, ExecMessage, WINDOW};

/// What is to run, and where. Whether there are such a service, user, directory and program is the
/// machine's to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecRequest {
    /// The service, or the scaled one of whose instances any will do.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Added to the manifest's environment, and winning.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// `user` or `user:group`, names of the image's or ids; the manifest's user when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Absolute; the manifest's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Whether something will be written to its standard input, which is /dev/null otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stdin: bool,
}
