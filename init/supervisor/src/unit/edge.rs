//! An edge from a service to one that it depends on.

use orlop_config::{Condition, Dependency, Propagate, ServiceName};

use super::Id;

/// One entry of `depends_on`, or an order without a dependency, which is the same as one that is not
/// required: waited for while it makes progress, passed over otherwise, stopped after this one.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// As written.
    pub(crate) name: ServiceName,
    /// The service; `None` when no good manifest has that name.
    pub(crate) on: Option<Id>,
    /// What it has to have reached.
    pub(crate) condition: Condition,
    /// Whether its failure is this service's too.
    pub(crate) required: bool,
    /// `restart`: its restart by request restarts this one.
    pub(crate) restart: bool,
    /// `propagate`: what its end by itself does to this one.
    pub(crate) propagate: Propagate,
}

impl Edge {
    /// From `depends_on`.
    pub(crate) fn of(name: &ServiceName, dependency: &Dependency) -> Self {
        Self {
            name: name.clone(),
            on: None,
            condition: dependency.condition,
            required: dependency.required,
            restart: dependency.restart,
            propagate: dependency.propagate,
        }
    }

    /// From `after` and `before`.
    pub(crate) fn order(name: &ServiceName) -> Self {
        let dependency = Dependency {
            required: false,
            ..Dependency::default()
        };
        Self::of(name, &dependency)
    }
}
