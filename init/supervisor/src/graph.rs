//! All services and the edges between them, resolved once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};

use orlop_config::{Service, ServiceName};

use crate::unit::{Edge, Id, Unit};
use orlop_config::compact::gather;

/// Every service; none is ever added or removed, so an [`Id`] stays good.
#[derive(Debug, Clone)]
pub(crate) struct Units {
    units: Vec<Unit>,
    ids: BTreeMap<ServiceName, Id>,
}

impl Units {
    /// Resolves names to ids, turns `before` around, and sets `dependents` and `late`. Edges on itself and edges that close
    /// a cycle cannot come out of the config room; they are dropped, so that no wait is endless.
    pub(crate) fn new<'a>(services: impl Iterator<Item = &'a Service>) -> Self {
        let mut by_name: BTreeMap<ServiceName, Unit> = BTreeMap::new();
        let mut before: Vec<(ServiceName, ServiceName)> = Vec::new();
        for service in services {
            let name = &service.name;
            let others = service.supervision.before.iter();
            before.extend(others.map(|other| (other.clone(), name.clone())));
            by_name.insert(name.clone(), Unit::new(service));
        }
        for (later, earlier) in before {
            let unit = by_name.get_mut(&later);
            let unit = unit.filter(|unit| unit.edges.iter().all(|edge| edge.name != earlier));
            if let Some(unit) = unit {
                unit.edges.push(Edge::order(&earlier));
            }
        }
        let ids: BTreeMap<_, _> = gather(by_name.keys().cloned().zip((0..).map(Id)));
        let mut all = Self {
            units: by_name.into_values().collect(),
            ids,
        };
        for unit in &mut all.units {
            for edge in &mut unit.edges {
                edge.on = all.ids.get(&edge.name).copied();
            }
        }
        all.link();
        all.drop_cycles();
        all.link();
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

    /// Sets `dependents` from the edges.
    fn link(&mut self) {
        for unit in &mut self.units {
            unit.dependents.clear();
        }
        for id in self.ids() {
            for on in self.on(id) {
                self[on].dependents.push(id);
            }
        }
    }

    /// What a service has edges to.
    fn on(&self, id: Id) -> Vec<Id> {
        self[id].edges.iter().filter_map(|edge| edge.on).collect()
    }

    /// Removes the edges to services that cannot be put into an order (Kahn's algorithm).
    fn drop_cycles(&mut self) {
        let mut before: BTreeMap<Id, usize> = gather(self.ids().map(|id| (id, self.on(id).len())));
        let mut open: Vec<Id> = self.ids().filter(|id| self.on(*id).is_empty()).collect();
        while let Some(id) = open.pop() {
            before.remove(&id);
            for dependent in &self[id].dependents {
                if let Some(count) = before.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        open.push(*dependent);
                    }
                }
            }
        }
        for id in before.keys() {
            self[*id]
                .edges
                .retain(|edge| edge.on.is_none_or(|on| !before.contains_key(&on)));
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
