//! The errors that a call may be answered with.

use serde::{Deserialize, Serialize};

/// An error of the interface. Its serde form is the varlink reply: `{"error": …, "parameters": …}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum ControlError {
    /// The caller's manifest does not grant the method.
    #[error("{method} is not granted; the manifest would need control = [\"{grant}\"]")]
    #[serde(rename = "io.orlop.Denied")]
    Denied {
        /// The full name of the method.
        method: String,
        /// The grant that would allow it.
        grant: String,
    },
    /// No service has that name.
    #[error("no service is called {name}{}", near(nearest.as_ref()))]
    #[serde(rename = "io.orlop.services.NoSuchService")]
    NoSuchService {
        /// The name asked for.
        name: String,
        /// A service of a similar name.
        nearest: Option<String>,
    },
    /// The service has no process to do that with.
    #[error("{name} is not running")]
    #[serde(rename = "io.orlop.services.NotRunning")]
    NotRunning {
        /// Whose.
        name: String,
    },
    /// It was tried.
    #[error("{name}: {reason}")]
    #[serde(rename = "io.orlop.services.Failed")]
    Failed {
        /// Whose.
        name: String,
        /// Why, one fragment.
        reason: String,
    },
    /// The process of an `Exec` could not be started.
    #[error("{name}: {reason}")]
    #[serde(rename = "io.orlop.services.NotExecuted")]
    NotExecuted {
        /// In which service.
        name: String,
        /// Why, one fragment.
        reason: String,
        /// What a shell would exit with: 127 for what is not there, else 126.
        code: u8,
    },
    /// The machine is on its way down.
    #[error("the machine is shutting down")]
    #[serde(rename = "io.orlop.machine.ShuttingDown")]
    ShuttingDown {},
    /// No such method (in an interface that may exist).
    #[error("no method is called {method}")]
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// The full name asked for.
        method: String,
    },
    /// No such interface.
    #[error("no interface is called {interface}")]
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// The name asked for.
        interface: String,
    },
    /// The method answers with a stream, and was called without `more`.
    #[error("the call lacks more")]
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    ExpectedMore {},
    /// The parameters are not what the method takes.
    #[error("invalid parameter: {parameter}")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// Which, and what is wrong with it.
        parameter: String,
    },
}

fn near(nearest: Option<&String>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

impl ControlError {
    /// The error reply as it travels, NUL included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Strings have a JSON form always; an empty message would be no worse than none.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_varlink_replies() {
        let error = ControlError::ShuttingDown {};
        let text = r#"{"error":"io.orlop.machine.ShuttingDown","parameters":{}}"#;
        assert_eq!(error.encode(), [text.as_bytes(), b"\0"].concat());
        assert_eq!(serde_json::from_str::<ControlError>(text).unwrap(), error);
        let missing = ControlError::NoSuchService {
            name: "wbe".to_owned(),
            nearest: Some("web".to_owned()),
        };
        assert_eq!(
            missing.to_string(),
            "no service is called wbe; did you mean web?"
        );
    }
}
