//! Lives here: the seeded scheduler: threads that hand one baton on, so that exactly one runs at a
//! time and a seed decides who. Not here: what the threads do (`simulation`).
//!
//! Invariant: whoever holds the baton runs; everybody else waits for it. So what a simulation does
//! follows from its seed alone.

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use world_data::Rng;

/// Hand-overs after which a simulation is taken to hang.
const MOST_TURNS: u64 = 400_000;

thread_local! {
    /// The runner that this thread is; none on threads that no scheduler knows.
    static ME: Cell<Option<usize>> = const { Cell::new(None) };
}

/// What a runner unwinds with when the simulated machine loses its power.
#[derive(Debug)]
pub(crate) struct PowerCut;

/// The baton, and who may get it.
#[derive(Debug)]
pub(crate) struct Baton {
    turn: Mutex<Turn>,
    bells: Vec<Condvar>,
}

#[derive(Debug)]
struct Turn {
    holder: usize,
    alive: Vec<bool>,
    rng: Rng,
    turns: u64,
    /// Of how many pauses one hands the baton on.
    patience: u32,
    /// Sums up who ran when.
    trace: u64,
    cut: bool,
    hangs: bool,
}

impl Baton {
    /// A baton for `runners` threads, the first of which will hold it.
    pub(crate) fn new(runners: usize, seed: u64) -> Arc<Self> {
        let mut rng = Rng::with_seed(seed);
        let patience = rng.u32(1..6);
        let turn = Turn {
            holder: 0,
            alive: vec![true; runners],
            rng,
            turns: 0,
            patience,
            trace: seed,
            cut: false,
            hangs: false,
        };
        let bells = (0..runners).map(|_| Condvar::new()).collect();
        Arc::new(Self {
            turn: Mutex::new(turn),
            bells,
        })
    }

    /// Runs `act` as runner `me`, from its first turn to its end. `None` if the power was cut.
    pub(crate) fn run<R>(&self, me: usize, act: impl FnOnce() -> R) -> Option<R> {
        ME.set(Some(me));
        self.wait_for_turn(me);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        ME.set(None);
        let mut turn = self.turn.lock();
        turn.alive[me] = false;
        self.hand_on(&mut turn);
        drop(turn);
        match result {
            Ok(result) => Some(result),
            Err(panic) if panic.is::<PowerCut>() => None,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Lets the seed decide who goes on. Does nothing on a thread that is no runner, nor while one
    /// unwinds.
    pub(crate) fn pause(&self) {
        let Some(me) = ME.get() else { return };
        if std::thread::panicking() {
            return;
        }
        let mut turn = self.turn.lock();
        turn.turns += 1;
        if turn.turns > MOST_TURNS {
            (turn.cut, turn.hangs) = (true, true);
        }
        if turn.cut {
            drop(turn);
            std::panic::resume_unwind(Box::new(PowerCut));
        }
        let patience = turn.patience;
        if turn.rng.u32(0..patience) == 0 {
            self.hand_on(&mut turn);
            drop(turn);
            self.wait_for_turn(me);
            if self.turn.lock().cut {
                std::panic::resume_unwind(Box::new(PowerCut));
            }
        }
    }

    /// Hands the baton to whomever the seed picks; to nobody when all have ended.
    fn hand_on(&self, turn: &mut Turn) {
        let alive: Vec<_> = (0..turn.alive.len()).filter(|at| turn.alive[*at]).collect();
        if alive.is_empty() {
            return;
        }
        let next = alive[turn.rng.usize(0..alive.len())];
        turn.holder = next;
        turn.trace = turn.trace.wrapping_mul(0x0100_0000_01B3) ^ next as u64;
        self.bells[next].notify_one();
    }

    fn wait_for_turn(&self, me: usize) {
        let mut turn = self.turn.lock();
        while turn.holder != me {
            self.bells[me].wait(&mut turn);
        }
    }

    /// Cuts the power: every runner ends at its next pause.
    pub(crate) fn cut(&self) {
        self.turn.lock().cut = true;
    }

    /// Whether the power was cut.
    pub(crate) fn was_cut(&self) -> bool {
        self.turn.lock().cut
    }

    /// Runners that have not ended.
    pub(crate) fn alive(&self) -> usize {
        self.turn
            .lock()
            .alive
            .iter()
            .filter(|alive| **alive)
            .count()
    }

    /// Whether the runners waited for each other until patience ended.
    pub(crate) fn hangs(&self) -> bool {
        self.turn.lock().hangs
    }

    /// A number that two runs of one seed share.
    pub(crate) fn trace(&self) -> u64 {
        self.turn.lock().trace
    }
}
