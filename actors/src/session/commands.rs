//! Lives here: the numbering of one session's commands, and what came of the last of them.
//! Not here: when a command runs (`link`, `region`).
//!
//! Invariant: `seq` runs 1, 2, 3 … without a gap; each number is accepted once, and each accepted
//! one is answered once.

use std::collections::VecDeque;

use tokio::time::Instant;
use world_data::Outcome;

use crate::refusal::Refusal;

/// Outcomes kept to answer a command that is sent again.
pub(crate) const OUTCOMES_KEPT: usize = 64;

/// What to do with a command that came in.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It is the next one: run it.
    Run,
    /// It is done: this is what came of it.
    Done(Outcome),
    /// It is on its way; the answer will come.
    Underway,
}

#[derive(Debug)]
struct Record {
    received: Instant,
    outcome: Option<Outcome>,
}

/// One session's commands by number.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    /// The highest number accepted.
    accepted: u64,
    /// All up to this number are answered.
    answered_to: u64,
    unanswered: usize,
    /// The newest ones, the last being `accepted`.
    records: VecDeque<Record>,
}

impl Commands {
    /// The commands of a session of an earlier run: all up to `done` are answered, the last of them
    /// as `outcomes` say.
    pub(crate) fn restore(done: u64, outcomes: Vec<(u64, Outcome)>) -> Self {
        let received = Instant::now();
        let mut commands = Self {
            accepted: done,
            answered_to: done,
            ..Self::default()
        };
        // From the last one on, as long as there is no gap: what is behind one can't be answered.
        let mut next = done;
        for (seq, outcome) in outcomes.into_iter().rev() {
            if seq != next {
                tracing::warn!(
                    seq,
                    next,
                    "an outcome is missing; those before it are left out"
                );
                break;
            }
            let outcome = Some(outcome);
            commands.records.push_front(Record { received, outcome });
            next -= 1;
        }
        commands
    }

    /// Commands that run and have no outcome yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// The highest number up to which every command has an outcome.
    pub(crate) fn last_done(&self) -> u64 {
        self.answered_to
    }

    /// Says what to do with command `seq`; changes nothing.
    pub(crate) fn turn(&self, seq: u64) -> Result<Turn, Refusal> {
        let next = self.accepted + 1;
        if seq == next {
            return Ok(Turn::Run);
        }
        if seq == 0 || seq > next {
            return Err(Refusal::bad_message(format!(
                "command {seq} is out of turn, the next one is {next}"
            )));
        }
        match self.index(seq).map(|at| &self.records[at].outcome) {
            Some(Some(outcome)) => Ok(Turn::Done(outcome.clone())),
            Some(None) => Ok(Turn::Underway),
            None => Err(Refusal::bad_message(format!(
                "command {seq} is long done; only the last {OUTCOMES_KEPT} outcomes are kept"
            ))),
        }
    }

    /// Takes the next command: it is on its way now.
    pub(crate) fn accept(&mut self, received: Instant) {
        self.accepted += 1;
        self.unanswered += 1;
        self.records.push_back(Record {
            received,
            outcome: None,
        });
        // What is unanswered is never dropped, so the list is bounded by the window besides.
        while self.records.len() > OUTCOMES_KEPT + self.unanswered
            && self
                .records
                .front()
                .is_some_and(|record| record.outcome.is_some())
        {
            self.records.pop_front();
        }
    }

    /// Keeps what came of command `seq`; returns when it was received, or `None` if no such
    /// command is on its way.
    pub(crate) fn answer(&mut self, seq: u64, outcome: Outcome) -> Option<Instant> {
        let at = self.index(seq)?;
        let record = &mut self.records[at];
        if record.outcome.replace(outcome).is_some() {
            return None;
        }
        let received = record.received;
        self.unanswered -= 1;
        while self.answered_to < self.accepted
            && self
                .index(self.answered_to + 1)
                .is_none_or(|at| self.records[at].outcome.is_some())
        {
            self.answered_to += 1;
        }
        Some(received)
    }

    /// Where command `seq` is in `records`.
    fn index(&self, seq: u64) -> Option<usize> {
        let behind = usize::try_from(self.accepted.checked_sub(seq)?).ok()?;
        self.records.len().checked_sub(behind + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use world_data::Payload;

    fn done() -> Outcome {
        Outcome::Ok(Payload::new(()))
    }

    #[test]
    fn numbers_run_without_a_gap() {
        let mut commands = Commands::default();
        assert!(commands.turn(0).is_err());
        assert!(
            commands
                .turn(2)
                .unwrap_err()
                .message
                .contains("the next one is 1")
        );
        assert!(matches!(commands.turn(1), Ok(Turn::Run)));
        commands.accept(Instant::now());
        assert!(matches!(commands.turn(1), Ok(Turn::Underway)));
        assert!(commands.answer(1, done()).is_some());
        assert!(commands.answer(1, done()).is_none(), "answered once");
        assert!(matches!(commands.turn(1), Ok(Turn::Done(_))));
        assert!(matches!(commands.turn(2), Ok(Turn::Run)));
        assert!(commands.answer(2, done()).is_none(), "never accepted");
    }

    #[test]
    fn the_last_outcomes_are_kept_and_no_more() {
        let mut commands = Commands::default();
        for seq in 1..=1000 {
            commands.accept(Instant::now());
            assert!(commands.answer(seq, done()).is_some());
        }
        assert_eq!(commands.last_done(), 1000);
        assert!(commands.records.len() <= OUTCOMES_KEPT + 1);
        assert!(matches!(
            commands.turn(1000 - OUTCOMES_KEPT as u64 + 1),
            Ok(Turn::Done(_))
        ));
        assert!(
            commands
                .turn(900)
                .unwrap_err()
                .message
                .contains("long done")
        );
    }

    #[test]
    fn what_an_earlier_run_concluded_is_answered_and_the_next_one_runs() {
        let outcomes = |seqs: &[u64]| seqs.iter().map(|seq| (*seq, done())).collect();
        let commands = Commands::restore(7, outcomes(&[5, 6, 7]));
        assert_eq!((commands.last_done(), commands.unanswered()), (7, 0));
        for seq in 5..=7 {
            assert!(matches!(commands.turn(seq), Ok(Turn::Done(_))), "{seq}");
        }
        assert!(commands.turn(4).unwrap_err().message.contains("long done"));
        assert!(matches!(commands.turn(8), Ok(Turn::Run)));
        let torn = Commands::restore(7, outcomes(&[4, 6, 7]));
        assert!(torn.turn(4).is_err() && torn.turn(6).is_ok());
        let fresh = Commands::restore(0, Vec::new());
        assert!(matches!(fresh.turn(1), Ok(Turn::Run)));
    }

    #[test]
    fn answers_may_come_in_any_order() {
        let mut commands = Commands::default();
        for _ in 0..3 {
            commands.accept(Instant::now());
        }
        commands.answer(3, done());
        commands.answer(1, done());
        assert_eq!((commands.last_done(), commands.unanswered()), (1, 1));
        commands.answer(2, done());
        assert_eq!((commands.last_done(), commands.unanswered()), (3, 0));
    }
}
