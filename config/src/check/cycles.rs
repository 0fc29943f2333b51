//! Dependencies that run in a circle: no service of it could ever be the first to start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Files;
use crate::ServiceName;

type Graph = BTreeMap<ServiceName, BTreeSet<ServiceName>>;

/// Reports each cycle once, at its first service by name; returns all services of cycles, each
/// with the sentence.
pub(super) fn check_cycles(files: &mut Files<'_>) -> BTreeMap<ServiceName, String> {
    let mut graph = Graph::new();
    for (name, file) in files.iter() {
        let needs = file.draft.depends_on.iter().map(|(needed, ..)| needed);
        let needs = needs.filter(|needed| files.contains_key(*needed)).cloned();
        graph.insert(name.clone(), needs.collect());
    }
    let mut cyclic = BTreeMap::new();
    for cycle in cycles(graph) {
        let (Some(first), Some(second)) = (cycle.first(), cycle.get(1).or(cycle.first())) else {
            continue;
        };
        let names: Vec<&str> = cycle
            .iter()
            .chain([first])
            .map(ServiceName::as_str)
            .collect();
        let sentence = format!(
            "the dependencies go in a circle, {}; remove one of them",
            names.join(" → ")
        );
        for name in &cycle {
            cyclic.insert(name.clone(), sentence.clone());
        }
        if let Some(file) = files.get_mut(first)
            && let Some((.., place)) = file
                .draft
                .depends_on
                .iter()
                .find(|(needed, ..)| needed == second)
        {
            file.findings.error(place, sentence);
        }
    }
    cyclic
}

/// Disjoint cycles, each a shortest one from its first node by name, until none is left.
fn cycles(mut graph: Graph) -> Vec<Vec<ServiceName>> {
    let mut found = Vec::new();
    prune(&mut graph);
    while let Some(start) = graph.keys().next().cloned() {
        match shortest_cycle(&graph, &start) {
            Some(cycle) => {
                for name in &cycle {
                    graph.remove(name);
                }
                found.push(cycle);
            }
            None => {
                graph.remove(&start);
            }
        }
        prune(&mut graph);
    }
    found
}

/// Takes out what leads into no cycle, again and again.
fn prune(graph: &mut Graph) {
    loop {
        let leaf =
            |needs: &BTreeSet<ServiceName>| !needs.iter().any(|needed| graph.contains_key(needed));
        let leaves = graph
            .iter()
            .filter(|(_, needs)| leaf(needs))
            .map(|(name, _)| name.clone());
        let leaves: Vec<ServiceName> = leaves.collect();
        if leaves.is_empty() {
            return;
        }
        for name in leaves {
            graph.remove(&name);
        }
    }
}

/// A shortest way from `start` back to itself, breadth first.
fn shortest_cycle(graph: &Graph, start: &ServiceName) -> Option<Vec<ServiceName>> {
    let mut came_from: BTreeMap<&ServiceName, &ServiceName> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for needed in graph.get(at).into_iter().flatten() {
            if needed == start {
                let mut cycle = vec![at.clone()];
                let mut back = at;
                while back != start {
                    back = came_from.get(back)?;
                    cycle.push(back.clone());
                }
                cycle.reverse();
                return Some(cycle);
            }
            if let Some((needed, _)) = graph.get_key_value(needed)
                && !came_from.contains_key(needed)
            {
                came_from.insert(needed, at);
                queue.push_back(needed);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let name = |text: &str| ServiceName::new(text).unwrap();
        let node =
            |(from, to): &(&str, &[&str])| (name(from), to.iter().map(|to| name(to)).collect());
        edges.iter().map(node).collect()
    }

    fn names(edges: &[(&str, &[&str])]) -> Vec<String> {
        let join = |cycle: Vec<ServiceName>| {
            cycle
                .iter()
                .map(ServiceName::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        cycles(graph(edges)).into_iter().map(join).collect()
    }

    #[test]
    fn edge_40_precise_verdicts() {
        assert_eq!(names(&[("a", &["a"])]), ["a"]);
        assert_eq!(names(&[("a", &["b"]), ("b", &["a"])]), ["a b"]);
        assert_eq!(
            names(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]),
            Vec::<String>::new()
        );
        assert_eq!(
            names(&[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])]),
            ["a b c"]
        );
        assert_eq!(
            names(&[
                ("a", &["b"]),
                ("b", &["a"]),
                ("c", &["d", "a"]),
                ("d", &["c"])
            ]),
            ["a b", "c d"]
        );
    }

    #[test]
    fn a_chain_of_a_thousand_is_no_cycle() {
        let chain: Vec<String> = (0..1000).map(|n| format!("s{n}")).collect();
        let name = |text: &String| ServiceName::new(text).unwrap();
        let graph: Graph = chain
            .windows(2)
            .map(|two| (name(&two[0]), BTreeSet::from([name(&two[1])])))
            .collect();
        assert!(cycles(graph).is_empty());
    }
}
