//! All services and the edges between them, resolved once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};

use orlop_config::ServiceName;

use crate::unit::{Id, Unit};

/// Every service; none is ever added or removed, so an [`Id`] stays good.
#[derive(Debug, Clone)]
pub(crate) struct Units {
    units: Vec<Unit>,
    ids: BTreeMap<ServiceName, Id>,
}

impl Units {
    /// Resolves names to ids and sets `dependents` and `late`. Edges on itself and edges that close
    /// a cycle cannot come out of the config room; they are dropped, so that no wait is endless.
    pub(crate) fn new(units: impl Iterator<Item = Unit>) -> Self {
        let by_name: BTreeMap<ServiceName, Unit> = units.map(|u| (u.name.clone(), u)).collect();
        let ids: BTreeMap<_, _> = by_name.keys().cloned().zip((0..).map(Id)).collect();
        let mut all = Self {
            units: by_name.into_values().collect(),
            ids,
        };
        for unit in &mut all.units {
            for edge in &mut unit.edges {
                edge.on = all.ids.get(&edge.name).copied();
            }
        }
        all.drop_cycles();
        for id in all.ids() {
            let on: Vec<Id> = all[id].edges.iter().filter_map(|edge| edge.on).collect();
            for dependency in on {
                all[dependency].dependents.push(id);
            }
        }
        let holders: Vec<Id> = all.ids().filter(|id| all[*id].late).collect();
        for id in all.requirements(&holders) {
            all[id].late = true;
        }
        all
    }

    /// Every id, in the order of the names.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..self.units.len()).map(Id)
    }

    /// Every service, in the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter()
    }

    /// The id of a name.
    pub(crate) fn id(&self, name: &ServiceName) -> Option<Id> {
        self.ids.get(name).copied()
    }

    /// Those and all that they depend on, directly or not.
    fn requirements(&self, of: &[Id]) -> BTreeSet<Id> {
        let mut seen = BTreeSet::new();
        let mut open = of.to_vec();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self[id].edges.iter().filter_map(|edge| edge.on));
            }
        }
        seen
    }

    /// Removes the edges among services that cannot be put into an order (Kahn's algorithm).
    fn drop_cycles(&mut self) {
        let mut placed: BTreeSet<Id> = BTreeSet::new();
        loop {
            let next: Vec<Id> = self
                .ids()
                .filter(|id| !placed.contains(id))
                .filter(|id| {
                    let mut on = self[*id].edges.iter().filter_map(|edge| edge.on);
                    on.all(|dependency| placed.contains(&dependency))
                })
                .collect();
            if next.is_empty() {
                break;
            }
            placed.extend(next);
        }
        for id in self.ids().filter(|id| !placed.contains(id)) {
            self[id]
                .edges
                .retain(|edge| edge.on.is_none_or(|on| placed.contains(&on)));
        }
    }
}

impl Index<Id> for Units {
    type Output = Unit;

    #[expect(
        clippy::indexing_slicing,
        reason = "only Units::new makes ids, one for each unit, and no unit is ever removed"
    )]
    fn index(&self, id: Id) -> &Unit {
        &self.units[id.0]
    }
}

impl IndexMut<Id> for Units {
    #[expect(
        clippy::indexing_slicing,
        reason = "only Units::new makes ids, one for each unit, and no unit is ever removed"
    )]
    fn index_mut(&mut self, id: Id) -> &mut Unit {
        &mut self.units[id.0]
    }
}
