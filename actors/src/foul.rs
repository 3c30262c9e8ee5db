//! Lives here: how often the world refused what sessions asked, by rule and session: whoever tries
//! what the rules forbid leaves a trail, though each attempt leaves none in the world.
//! Not here: the rules (worlds), what their clients are told (`hub`), who may look (`src/admin`).
//!
//! Invariant: bounded, and it is not the worst who are forgotten.

use metrics::counter;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use uuid::Uuid;
use world_data::{Caller, SessionId};

/// Sessions remembered; above, the one with the fewest refusals is forgotten, of those the oldest.
pub(crate) const SESSIONS_KEPT: usize = 1_024;
/// Rules told apart per session, and as label values of the metric. The rest is [`OTHER`].
pub(crate) const RULES_KEPT: usize = 32;
/// Characters of a rule's name. What is longer, or holds other characters than small letters, digits
/// and `_`, is words for people, perhaps another each time: it is counted as [`OTHER`].
pub(crate) const RULE_LIMIT: usize = 32;
/// The name of all rules without a name.
pub(crate) const OTHER: &str = "other";

/// How often one session was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The session; it may be over by now.
    pub session: Uuid,
    /// Its account.
    pub account: String,
    /// All refusals.
    pub total: u64,
    /// By rule, the most frequent first.
    pub rules: Vec<(String, u64)>,
}

#[derive(Debug)]
struct Trail {
    account: String,
    total: u64,
    rules: Vec<(String, u64)>,
    /// The number of the newest refusal, counted over all.
    newest: u64,
}

/// The trails of one host.
#[derive(Debug, Default)]
pub(crate) struct Fouls(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    trails: FxHashMap<SessionId, Trail>,
    /// The rules that are label values already.
    labels: FxHashSet<String>,
    count: u64,
}

impl Fouls {
    /// None yet. A recorder must be installed before, if there is to be one.
    pub(crate) fn new() -> Self {
        // So that the first refusal is a rise, not a beginning.
        counter!("brightstar_refusals_total", "rule" => OTHER).increment(0);
        Self::default()
    }

    /// Counts a refusal. `message` is what the client is told.
    pub(crate) fn count(&self, caller: &Caller, message: &str) {
        let mut inner = self.0.lock();
        let rule = inner.count(caller, message);
        drop(inner);
        counter!("brightstar_refusals_total", "rule" => rule).increment(1);
    }

    /// The `most` sessions with the most refusals, those first.
    pub(crate) fn worst(&self, most: usize) -> Vec<Refused> {
        let inner = self.0.lock();
        let mut all: Vec<_> = inner.trails.iter().collect();
        all.sort_unstable_by_key(|(_, trail)| (u64::MAX - trail.total, trail.newest));
        all.truncate(most);
        let told = all.into_iter().map(|(session, trail)| {
            let mut rules = trail.rules.clone();
            rules.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            Refused {
                session: session.0,
                account: trail.account.clone(),
                total: trail.total,
                rules,
            }
        });
        told.collect()
    }
}

impl Inner {
    /// Counts it, and says under which label.
    fn count(&mut self, caller: &Caller, message: &str) -> String {
        self.count += 1;
        if self.trails.len() >= SESSIONS_KEPT && !self.trails.contains_key(&caller.session) {
            let least = self
                .trails
                .iter()
                .min_by_key(|(_, trail)| (trail.total, trail.newest))
                .map(|(session, _)| *session);
            if let Some(least) = least {
                self.trails.remove(&least);
            }
        }
        let rule = named(message);
        let trail = self.trails.entry(caller.session).or_insert_with(|| Trail {
            account: caller.name.clone(),
            total: 0,
            rules: Vec::new(),
            newest: 0,
        });
        trail.total += 1;
        trail.newest = self.count;
        // One place is left for what has none of its own.
        let full = trail.rules.len() >= RULES_KEPT - 1;
        let known = trail.rules.iter().any(|(name, _)| name == rule);
        let own = if known || !full { rule } else { OTHER };
        match trail.rules.iter_mut().find(|(name, _)| name == own) {
            Some((_, count)) => *count += 1,
            None => trail.rules.push((own.to_owned(), 1)),
        }
        if self.labels.contains(rule) {
            return rule.to_owned();
        }
        if self.labels.len() >= RULES_KEPT - 1 {
            return OTHER.to_owned();
        }
        self.labels.insert(rule.to_owned());
        rule.to_owned()
    }
}

/// The name of the rule that a refusal's words are, or [`OTHER`].
fn named(message: &str) -> &str {
    let simple = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name = (1..=RULE_LIMIT).contains(&message.len()) && message.bytes().all(simple);
    if is_name { message } else { OTHER }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(n: u128) -> Caller {
        Caller {
            session: SessionId(Uuid::from_u128(n)),
            name: format!("account {n}"),
            you: None,
        }
    }

    fn rules(of: &[(&str, u64)]) -> Vec<(String, u64)> {
        of.iter()
            .map(|(rule, count)| ((*rule).to_owned(), *count))
            .collect()
    }

    #[test]
    fn refusals_are_counted_by_session_and_rule_and_the_worst_is_told_first() {
        let fouls = Fouls::default();
        for _ in 0..3 {
            fouls.count(&caller(1), "too_far");
        }
        fouls.count(&caller(1), "gone");
        fouls.count(&caller(2), "there are 7 eggs left");
        let worst = fouls.worst(10);
        assert_eq!(worst[0].account, "account 1");
        assert_eq!(
            (worst[0].total, &worst[0].rules),
            (4, &rules(&[("too_far", 3), ("gone", 1)]))
        );
        assert_eq!(worst[1].rules, rules(&[(OTHER, 1)]));
        assert_eq!(fouls.worst(1).len(), 1);
    }

    #[test]
    fn only_so_many_rules_are_told_apart() {
        let fouls = Fouls::default();
        for n in 0..1_000 {
            fouls.count(&caller(1), &format!("rule_{n}"));
        }
        let worst = fouls.worst(1);
        assert_eq!((worst[0].total, worst[0].rules.len()), (1_000, RULES_KEPT));
        let other = worst[0].rules.iter().find(|(name, _)| name == OTHER);
        assert_eq!(other.unwrap().1, 1_000 - (RULES_KEPT as u64 - 1));
        assert!(fouls.0.lock().labels.len() < RULES_KEPT);
    }

    #[test]
    fn only_so_many_sessions_are_kept_and_the_worst_of_them_stay() {
        let fouls = Fouls::default();
        for _ in 0..2 {
            fouls.count(&caller(0), "too_far");
        }
        for n in 1..=10 * SESSIONS_KEPT as u128 {
            fouls.count(&caller(n), "gone");
        }
        let kept = fouls.worst(usize::MAX);
        assert_eq!(kept.len(), SESSIONS_KEPT);
        assert_eq!((kept[0].account.as_str(), kept[0].total), ("account 0", 2));
        let newest = format!("account {}", 10 * SESSIONS_KEPT);
        assert!(kept.iter().any(|trail| trail.account == newest));
    }
}
