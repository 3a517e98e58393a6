//! A small checker for protocols with more threads than loom can take: every state, and every fair way on from it.
//!
//! loom explores the real code, two or three threads of it, with stale values. Here a protocol is written down as a
//! state and the steps of its processes, one after the other, and the question is another one: *does what should
//! happen happen in the end*, whatever the order, if only every process that can go on for ever does go on some time
//! (weak fairness)?
//!
//! A counterexample is a way to a set of states that can be left no more, or need not be left: the goal is not among
//! them, they reach each other, and every fair process either takes a step inside or cannot take one somewhere.
//!
//! The crate `stateright` was tried: it brings a web server, and its *eventually* is documented to miss cycles, which
//! is where a busy thread that goes on for ever beside a forgotten task hides.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

/// A protocol.
pub trait Protocol {
    /// All that the steps depend on.
    type State: Clone + Eq + Hash;

    /// Where it begins.
    fn begin(&self) -> Self::State;

    /// The number of processes.
    fn processes(&self) -> usize;

    /// False for a process that may stop at any time.
    fn is_fair(&self, process: usize) -> bool;

    /// What a process may do now: each step with its name and where it leads. None: it waits.
    fn steps(&self, state: &Self::State, process: usize) -> Vec<(&'static str, Self::State)>;

    /// True when what should happen has happened; it stays so.
    fn is_reached(&self, state: &Self::State) -> bool;

    /// A complaint about a state that must never be.
    fn wrong(&self, state: &Self::State) -> Option<String>;
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// States that can be reached.
    pub states: usize,
    /// The way to what is wrong, step by step.
    pub counterexample: Option<String>,
}

struct Edge {
    process: usize,
    name: &'static str,
    to: usize,
}

struct Graph<S> {
    states: Vec<Rc<S>>,
    edges: Vec<Vec<Edge>>,
    /// The state that each was first reached from.
    from: Vec<usize>,
}

/// Looks at every state that can be reached.
///
/// # Panics
///
/// If there are more than `most`: an exploration that is cut off proves nothing.
pub fn explore<P: Protocol>(protocol: &P, most: usize) -> Found {
    let mut graph = Graph {
        states: vec![Rc::new(protocol.begin())],
        edges: Vec::new(),
        from: vec![0],
    };
    let mut known = HashMap::from([(graph.states[0].clone(), 0)]);
    while graph.edges.len() < graph.states.len() {
        let here = graph.edges.len();
        let state = graph.states[here].clone();
        if let Some(wrong) = protocol.wrong(&state) {
            return graph.found(here, &wrong);
        }
        let mut edges = Vec::new();
        for process in 0..protocol.processes() {
            for (name, next) in protocol.steps(&state, process) {
                let to = *known.entry(Rc::new(next)).or_insert_with_key(|next| {
                    graph.states.push(next.clone());
                    graph.from.push(here);
                    graph.states.len() - 1
                });
                edges.push(Edge { process, name, to });
            }
        }
        assert!(graph.states.len() <= most, "cut off at {most} states");
        graph.edges.push(edges);
    }
    match graph.stuck(protocol) {
        Some(state) => graph.found(state, "it goes on for ever without reaching its goal"),
        None => Found {
            states: graph.states.len(),
            counterexample: None,
        },
    }
}

impl<S> Graph<S> {
    fn found(&self, mut state: usize, wrong: &str) -> Found {
        let mut way = vec![wrong.to_owned()];
        while state != 0 {
            let from = self.from[state];
            let edge = self.edges[from].iter().find(|edge| edge.to == state);
            let edge = edge.expect("a state was reached by an edge");
            way.push(format!("{}: {}", edge.process, edge.name));
            state = from;
        }
        way.reverse();
        Found {
            states: self.states.len(),
            counterexample: Some(way.join("\n")),
        }
    }

    /// A state in a fair set that is not left.
    fn stuck<P: Protocol<State = S>>(&self, protocol: &P) -> Option<usize> {
        let open: Vec<bool> = self
            .states
            .iter()
            .map(|state| !protocol.is_reached(state))
            .collect();
        let component = self.components(&open);
        let count = component.iter().flatten().max().map_or(0, |last| last + 1);
        // Per set and process: a step inside, or a state in which it waits.
        let mut content = vec![vec![false; protocol.processes()]; count];
        let mut first = vec![usize::MAX; count];
        for (state, set) in component.iter().enumerate() {
            let Some(set) = *set else { continue };
            first[set] = first[set].min(state);
            for (process, content) in content[set].iter_mut().enumerate() {
                let mut own = self.edges[state]
                    .iter()
                    .filter(|edge| edge.process == process)
                    .peekable();
                *content |= !protocol.is_fair(process)
                    || own.peek().is_none()
                    || own.any(|edge| component[edge.to] == Some(set));
            }
        }
        let fair = content.iter().position(|set| set.iter().all(|&it| it))?;
        Some(first[fair])
    }

    /// The sets of open states that reach each other (Tarjan, without recursion).
    fn components(&self, open: &[bool]) -> Vec<Option<usize>> {
        let count = self.states.len();
        let (mut index, mut low) = (vec![usize::MAX; count], vec![0; count]);
        let mut component = vec![None; count];
        let (mut stack, mut visited, mut sets) = (Vec::new(), 0, 0);
        for root in (0..count).filter(|&state| open[state]) {
            if index[root] != usize::MAX {
                continue;
            }
            let mut calls = vec![(root, 0)];
            while let Some((state, next)) = calls.pop() {
                if next == 0 {
                    (index[state], low[state]) = (visited, visited);
                    visited += 1;
                    stack.push(state);
                }
                if let Some(edge) = self.edges[state].get(next) {
                    calls.push((state, next + 1));
                    if open[edge.to] && index[edge.to] == usize::MAX {
                        calls.push((edge.to, 0));
                    } else if open[edge.to] && component[edge.to].is_none() {
                        low[state] = low[state].min(index[edge.to]);
                    }
                    continue;
                }
                if low[state] == index[state] {
                    while let Some(member) = stack.pop() {
                        component[member] = Some(sets);
                        if member == state {
                            break;
                        }
                    }
                    sets += 1;
                }
                if let Some((caller, _)) = calls.last() {
                    low[*caller] = low[*caller].min(low[state]);
                }
            }
        }
        component
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One process counts round and round, another may take it out at 2.
    struct Round {
        fair: bool,
        at: u8,
    }

    impl Protocol for Round {
        type State = u8;

        fn begin(&self) -> u8 {
            0
        }

        fn processes(&self) -> usize {
            2
        }

        fn is_fair(&self, process: usize) -> bool {
            process == 0 || self.fair
        }

        fn steps(&self, state: &u8, process: usize) -> Vec<(&'static str, u8)> {
            match process {
                _ if *state == 9 => vec![],
                0 => vec![("count", (state + 1) % 3)],
                _ if self.at == 3 || *state == self.at => vec![("leave", 9)],
                _ => vec![],
            }
        }

        fn is_reached(&self, state: &u8) -> bool {
            *state == 9
        }

        fn wrong(&self, _: &u8) -> Option<String> {
            None
        }
    }

    fn found(fair: bool, at: u8) -> bool {
        explore(&Round { fair, at }, 10).counterexample.is_some()
    }

    #[test]
    fn a_process_that_always_can_go_on_does() {
        assert!(!found(true, 3));
        assert!(found(false, 3));
    }

    #[test]
    fn a_process_that_can_go_on_now_and_then_need_not() {
        assert!(found(true, 2));
    }
}
