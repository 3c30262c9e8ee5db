//! Lives here: the checker of histories: what tasks appended to lists and read of them, and when,
//! is it what some serial order that agrees with real time would give? After Elle (Kingsbury and
//! Alvaro, 2020): each value is appended once, so a read list tells the order of its writers.
//! Not here: where histories come from (`simulation`, `guarantees`).

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// One committed task.
#[derive(Debug, Clone)]
pub(crate) struct Entry<K> {
    /// When it was called and when it had returned: any clock that only goes forward.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) acts: Vec<Act<K>>,
}

/// What a task did to a list.
#[derive(Debug, Clone)]
pub(crate) enum Act<K> {
    Append(K, u32),
    Read(K, Vec<u32>),
}

/// A fault of a history, in words.
pub(crate) type Verdict = Result<(), String>;

struct Checker<'h, K> {
    history: &'h [Entry<K>],
    /// Who appended a value.
    writer: HashMap<(&'h K, u32), usize>,
    /// The longest list that was read.
    order: HashMap<&'h K, &'h [u32]>,
    /// Edges to tasks that must come later, with the reason.
    later: Vec<Vec<(usize, &'static str)>>,
}

/// Checks that a serial order exists which explains every read and agrees with real time. To prove
/// that no append was lost, let the last entry read all lists.
pub(crate) fn serial_order_exists<K: Hash + Eq + std::fmt::Debug>(history: &[Entry<K>]) -> Verdict {
    let mut checker = Checker {
        history,
        writer: HashMap::new(),
        order: HashMap::new(),
        later: vec![Vec::new(); history.len()],
    };
    checker.learn_writers()?;
    checker.learn_order()?;
    checker.check_reads()?;
    checker.add_dependencies();
    checker.add_real_time();
    checker.find_cycle()
}

impl<'h, K: Hash + Eq + std::fmt::Debug> Checker<'h, K> {
    fn reads(&self) -> impl Iterator<Item = (usize, &'h K, &'h [u32])> + use<'h, K> {
        let history = self.history;
        history.iter().enumerate().flat_map(|(task, entry)| {
            entry.acts.iter().filter_map(move |act| match act {
                Act::Read(key, list) => Some((task, key, &list[..])),
                Act::Append(..) => None,
            })
        })
    }

    fn learn_writers(&mut self) -> Verdict {
        for (task, entry) in self.history.iter().enumerate() {
            for act in &entry.acts {
                let Act::Append(key, value) = act else {
                    continue;
                };
                if let Some(other) = self.writer.insert((key, *value), task) {
                    return Err(format!(
                        "tasks {other} and {task} both append {value} to {key:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn learn_order(&mut self) -> Verdict {
        for (task, key, list) in self.reads() {
            let longest = self.order.entry(key).or_insert(list);
            let (short, long) = if list.len() <= longest.len() {
                (list, *longest)
            } else {
                (*longest, list)
            };
            if !long.starts_with(short) {
                return Err(format!(
                    "task {task} read {short:?} or {long:?} of {key:?}: two orders of one list"
                ));
            }
            *longest = long;
        }
        for (key, list) in &self.order {
            for (at, value) in list.iter().enumerate() {
                if list[..at].contains(value) {
                    return Err(format!("{value} stands twice in {key:?}: {list:?}"));
                }
                if !self.writer.contains_key(&(*key, *value)) {
                    return Err(format!(
                        "{value} in {key:?} was appended by no committed task"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Within a task reads see its own appends, and of any other task all appends or none.
    fn check_reads(&self) -> Verdict {
        for (task, entry) in self.history.iter().enumerate() {
            let mut own: HashMap<&K, Vec<u32>> = HashMap::new();
            for act in &entry.acts {
                match act {
                    Act::Append(key, value) => own.entry(key).or_default().push(*value),
                    Act::Read(key, list) => {
                        let own = own.get(key).map_or(&[][..], |own| own);
                        if !list.ends_with(own) {
                            return Err(format!(
                                "task {task} read {list:?} of {key:?} after appending {own:?}"
                            ));
                        }
                        self.check_intermediate(task, key, &list[..list.len() - own.len()])?;
                    }
                }
            }
        }
        Ok(())
    }

    fn check_intermediate(&self, task: usize, key: &K, list: &[u32]) -> Verdict {
        let Some(last) = list.last() else {
            return Ok(());
        };
        let writer = self.writer[&(key, *last)];
        let last_append = self.history[writer]
            .acts
            .iter()
            .rev()
            .find_map(|act| match act {
                Act::Append(other, value) if other == key => Some(*value),
                _ => None,
            });
        if writer != task && last_append != Some(*last) {
            return Err(format!(
                "task {task} read {list:?} of {key:?}: half of what task {writer} appended"
            ));
        }
        Ok(())
    }

    fn edge(&mut self, from: usize, to: usize, why: &'static str) {
        if from != to {
            self.later[from].push((to, why));
        }
    }

    fn add_dependencies(&mut self) {
        let lists: Vec<_> = self.order.iter().map(|(key, list)| (*key, *list)).collect();
        for (key, list) in lists {
            for pair in list.windows(2) {
                let (a, b) = (self.writer[&(key, pair[0])], self.writer[&(key, pair[1])]);
                self.edge(a, b, "appended before");
            }
        }
        for (task, key, list) in self.reads().collect::<Vec<_>>() {
            let whole = self.order[key];
            if let Some(last) = list.last() {
                let writer = self.writer[&(key, *last)];
                self.edge(writer, task, "was read by");
            }
            if let Some(next) = whole.get(list.len()) {
                let writer = self.writer[&(key, *next)];
                self.edge(task, writer, "did not see");
            }
        }
        self.add_unseen();
    }

    /// What no read has seen was appended after all that was read.
    fn add_unseen(&mut self) {
        let mut readers: HashMap<&K, Vec<usize>> = HashMap::new();
        for (task, key, _) in self.reads() {
            readers.entry(key).or_default().push(task);
        }
        let unseen: Vec<_> = self
            .writer
            .iter()
            .filter(|((key, value), _)| !self.order.get(key).is_some_and(|l| l.contains(value)))
            .map(|((key, _), task)| (*key, *task))
            .collect();
        for (key, task) in unseen {
            let last = self.order.get(key).and_then(|list| list.last());
            if let Some(last) = last {
                let writer = self.writer[&(key, *last)];
                self.edge(writer, task, "appended before");
            }
            for reader in readers.get(key).into_iter().flatten() {
                self.edge(*reader, task, "did not see");
            }
        }
    }

    /// Who had returned before another was called comes before it. A chain of moments stands
    /// between them, so that there are few edges.
    fn add_real_time(&mut self) {
        let mut moments: BTreeMap<(u64, bool), Vec<usize>> = BTreeMap::new();
        for (task, entry) in self.history.iter().enumerate() {
            // Of two events at one moment the call comes first: they may have overlapped.
            moments.entry((entry.from, false)).or_default().push(task);
            moments.entry((entry.to, true)).or_default().push(task);
        }
        let mut last: Option<usize> = None;
        for ((_, returned), tasks) in moments {
            if returned {
                let moment = self.later.len();
                self.later.push(Vec::new());
                for task in tasks {
                    self.later[task].push((moment, "returned"));
                }
                if let Some(last) = last.replace(moment) {
                    self.later[last].push((moment, "then"));
                }
            } else if let Some(last) = last {
                for task in tasks {
                    self.later[last].push((task, "then was called"));
                }
            }
        }
    }

    /// Takes away whoever nobody must come before, again and again; what stays is a cycle.
    fn find_cycle(&self) -> Verdict {
        let mut earlier = vec![0; self.later.len()];
        for (to, _) in self.later.iter().flatten() {
            earlier[*to] += 1;
        }
        let mut free: Vec<_> = (0..earlier.len())
            .filter(|task| earlier[*task] == 0)
            .collect();
        let mut left = earlier.len();
        while let Some(task) = free.pop() {
            left -= 1;
            for (to, _) in &self.later[task] {
                earlier[*to] -= 1;
                if earlier[*to] == 0 {
                    free.push(*to);
                }
            }
        }
        if left == 0 {
            Ok(())
        } else {
            Err(self.describe_cycle(&earlier))
        }
    }

    /// Walks against the arrows among what is left: the walk must come back to where it was.
    fn describe_cycle(&self, earlier: &[usize]) -> String {
        let mut before: HashMap<usize, (usize, &str)> = HashMap::new();
        for from in (0..earlier.len()).filter(|task| earlier[*task] > 0) {
            for (to, why) in &self.later[from] {
                before.insert(*to, (from, why));
            }
        }
        let mut walk = Vec::new();
        let mut at = (0..earlier.len())
            .find(|task| earlier[*task] > 0)
            .unwrap_or_default();
        while let Some((from, why)) = before.remove(&at) {
            walk.push((from, why, at));
            at = from;
        }
        let start = walk.iter().position(|(_, _, to)| *to == at).unwrap_or(0);
        let mut text = String::from("a cycle:");
        for (from, why, to) in walk[start..].iter().rev() {
            let name = |task: usize| match self.history.get(task) {
                Some(entry) => format!("task {task} {:?}", entry.acts),
                None => "a moment".into(),
            };
            text = format!("{text}\n  {} {why} {}", name(*from), name(*to));
        }
        text
    }
}

/// The checker itself is checked with the anomalies it is there to find.
#[cfg(test)]
mod tests {
    use super::*;
    use Act::{Append, Read};

    fn at(from: u64, to: u64, acts: Vec<Act<char>>) -> Entry<char> {
        Entry { from, to, acts }
    }

    fn fault(history: &[Entry<char>]) -> String {
        serial_order_exists(history).unwrap_err()
    }

    #[test]
    fn a_serial_history_is_accepted() {
        let history = [
            at(0, 1, vec![Append('x', 1), Append('y', 2)]),
            at(
                2,
                9,
                vec![Read('x', vec![1]), Append('x', 3), Read('x', vec![1, 3])],
            ),
            at(3, 8, vec![Read('y', vec![2]), Read('x', vec![1])]),
            at(10, 11, vec![Read('x', vec![1, 3]), Read('y', vec![2])]),
        ];
        serial_order_exists(&history).unwrap();
    }

    #[test]
    fn a_lost_append_is_found() {
        let both = |value| vec![Read('x', vec![]), Append('x', value)];
        let history = [
            at(0, 5, both(1)),
            at(0, 5, both(2)),
            at(6, 7, vec![Read('x', vec![1])]),
        ];
        assert!(fault(&history).contains("cycle"));
    }

    #[test]
    fn a_doubled_append_is_found() {
        let history = [
            at(0, 1, vec![Append('x', 1)]),
            at(2, 3, vec![Read('x', vec![1, 1])]),
        ];
        assert!(fault(&history).contains("twice"));
    }

    #[test]
    fn an_aborted_and_an_intermediate_read_are_found() {
        let aborted = [at(0, 1, vec![Read('x', vec![7])])];
        assert!(fault(&aborted).contains("no committed task"));
        let half = [
            at(0, 9, vec![Append('x', 1), Append('x', 2)]),
            at(0, 9, vec![Read('x', vec![1])]),
            at(10, 11, vec![Read('x', vec![1, 2])]),
        ];
        assert!(fault(&half).contains("half"));
    }

    #[test]
    fn a_stale_read_is_found() {
        let history = [
            at(0, 1, vec![Append('x', 1)]),
            at(2, 3, vec![Read('x', vec![])]),
            at(4, 5, vec![Read('x', vec![1])]),
        ];
        assert!(fault(&history).contains("cycle"));
    }

    #[test]
    fn write_skew_is_found() {
        let history = [
            at(0, 9, vec![Read('x', vec![]), Append('y', 1)]),
            at(0, 9, vec![Read('y', vec![]), Append('x', 2)]),
            at(10, 11, vec![Read('x', vec![2]), Read('y', vec![1])]),
        ];
        assert!(fault(&history).contains("cycle"));
    }

    #[test]
    fn two_orders_of_one_list_are_found() {
        let history = [
            at(0, 9, vec![Append('x', 1)]),
            at(0, 9, vec![Append('x', 2)]),
            at(0, 9, vec![Read('x', vec![1, 2])]),
            at(0, 9, vec![Read('x', vec![2, 1])]),
        ];
        assert!(fault(&history).contains("two orders"));
    }
}
