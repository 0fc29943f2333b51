//! Who calls, and what that caller may.

use std::ops::Range;

use orlop_config::{Grant, ServiceName};

use crate::{ControlError, Method};

/// Whose listener accepted the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Real root of the machine.
    Root,
    /// A service, over its own socket.
    Service(ServiceName),
}

/// What a listener's connections may do.
#[derive(Debug, Clone)]
pub struct Access {
    pub(super) caller: Caller,
    /// `None`: everything.
    grants: Option<Vec<Grant>>,
    uids: Range<u32>,
    /// The most connections at a time.
    pub(super) connections: usize,
}

impl Access {
    /// For `/run/orlop/control.sock`: uid 0, all methods.
    #[must_use]
    pub fn root() -> Self {
        Self {
            caller: Caller::Root,
            grants: None,
            uids: 0..1,
            connections: 64,
        }
    }

    /// For `/run/orlop/control/<service>.sock`: the service's ids as the machine sees them (its id
    /// range, or those of the machine for `userns_mode = "host"`), and what its manifest grants.
    #[must_use]
    pub fn service(name: ServiceName, grants: Vec<Grant>, uids: Range<u32>) -> Self {
        Self {
            caller: Caller::Service(name),
            grants: Some(grants),
            uids,
            connections: 64,
        }
    }

    /// Whether a peer with this uid (SO_PEERCRED) is the one the listener is for.
    pub(super) fn knows(&self, uid: u32) -> bool {
        self.uids.contains(&uid)
    }

    /// Refuses what is not granted.
    pub(super) fn check(&self, method: Method) -> Result<(), ControlError> {
        let granted = match &self.grants {
            None => true,
            Some(grants) => grants.iter().any(|grant| grant.covers(method.grant())),
        };
        if granted {
            return Ok(());
        }
        Err(ControlError::Denied {
            method: method.name().to_owned(),
            grant: method.grant().to_owned(),
        })
    }
}
