//! Dependencies and orders that run in a circle: no service of it could ever be the first to start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{File, Files};
use crate::ServiceName;
use crate::tree::Place;

type Graph = BTreeMap<ServiceName, BTreeSet<ServiceName>>;

/// Reports each cycle once, at its first service by name; returns all services of cycles, each
/// with the sentence.
pub(super) fn check_cycles(files: &mut Files<'_>) -> Vec<(ServiceName, String)> {
    let mut graph = Graph::new();
    for (name, file) in files.iter() {
        graph.entry(name.clone()).or_default();
        for edge in edges(name, file) {
            if files.contains_key(edge.first) && files.contains_key(edge.second) {
                let second = graph.entry(edge.second.clone()).or_default();
                second.insert(edge.first.clone());
            }
        }
    }
    let mut cyclic = Vec::new();
    for cycle in cycles(graph) {
        let Some((sentence, name, place)) = sentence(&cycle, files) else {
            continue;
        };
        for name in &cycle {
            cyclic.push((name.clone(), sentence.clone()));
        }
        if let Some(file) = files.get_mut(&name) {
            file.findings.error(&place, sentence);
        }
    }
    cyclic
}

/// That one service starts before another one, as it is written.
struct Edge<'f> {
    first: &'f ServiceName,
    second: &'f ServiceName,
    key: &'static str,
    place: &'f Place,
}

/// What one file says about the order.
fn edges<'f>(name: &'f ServiceName, file: &'f File<'_>) -> impl Iterator<Item = Edge<'f>> {
    let depends_on = file.draft.depends_on.iter();
    let depends_on = depends_on.map(|(needed, _, place)| Edge {
        first: needed,
        second: name,
        key: "depends_on",
        place,
    });
    let order = file.draft.order.iter().map(|order| match order.after {
        true => Edge {
            first: &order.name,
            second: name,
            key: "after",
            place: &order.place,
        },
        false => Edge {
            first: name,
            second: &order.name,
            key: "before",
            place: &order.place,
        },
    });
    depends_on.chain(order)
}

/// What is said of a cycle, and where: at its first step, in the file that says it.
fn sentence(cycle: &[ServiceName], files: &Files<'_>) -> Option<(String, ServiceName, Place)> {
    let first = cycle.first()?;
    let mut names = vec![first.as_str()];
    let mut steps = Vec::new();
    let mut reported = None;
    let mut plain = true;
    let successors = cycle.iter().skip(1).chain([first]);
    for (second, first) in cycle.iter().zip(successors) {
        let files = [second, first]
            .into_iter()
            .filter_map(|name| Some((name, files.get(name)?)));
        let written =
            files.flat_map(|(name, file)| edges(name, file).map(move |edge| (name, edge)));
        let mut fitting = written.filter(|(_, edge)| edge.first == first && edge.second == second);
        let (name, edge) = fitting.next()?;
        plain &= edge.key == "depends_on";
        steps.push(match edge.key {
            "before" => format!("{first} before {second}"),
            key => format!("{second} {key} {first}"),
        });
        reported.get_or_insert_with(|| (name.clone(), edge.place.clone()));
        names.push(first.as_str());
    }
    let names = names.join(" → ");
    let sentence = match plain {
        _ if cycle.len() == 1 => "a service cannot wait for itself; remove it".to_owned(),
        true => format!("the dependencies go in a circle, {names}; remove one of them"),
        false => format!(
            "the order goes in a circle, {names} ({}); remove one of these",
            steps.join(", ")
        ),
    };
    let (name, place) = reported?;
    Some((sentence, name, place))
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
