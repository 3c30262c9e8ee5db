//! Lives here: drawing programs by a seed: which steps, how often, on what.
//! Not here: what a step does (`programs`).

use world_data::{Class, Point, Rng};

use crate::ground::{BANK, MAP, WALKERS};
use crate::programs::{End, FLEETING, Later, Op, Pick, Program};

/// Keys of things that come and go.
const KEYS: std::ops::Range<u64> = FLEETING..FLEETING + 6;
/// Names that are bound and unbound.
const NAMES: [&str; 6] = ["a", "b", "dir/a", "dir/b", "dir/deep/a", "é/ü"];
pub(crate) const DIRECTORIES: [&str; 5] = ["", "dir", "dir/deep", "é", "walker"];
/// The most steps of a program.
const MOST_OPS: usize = 7;

/// What a task is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Moves funds between two or three things of the bank.
    Transfer,
    /// Reads all of the bank.
    ReadAll,
    /// Looks around and at walkers, and writes nothing.
    Look,
    /// Places walkers, often over a border.
    Walk,
    /// One write, which may wait for others to reach the disk.
    Lazy,
    /// Makes, changes, moves and removes one thing again and again.
    Churn,
    /// Anything.
    Mixed,
    /// Has things done later, and cancels some of them.
    Plan,
    /// Anything, but it does not commit.
    Doomed,
    /// The turn of a job: drawn by its own seed.
    Chore,
}

impl Sort {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.u32(0..100) {
            0..25 => Self::Transfer,
            25..30 => Self::ReadAll,
            30..37 => Self::Look,
            37..47 => Self::Walk,
            47..67 => Self::Lazy,
            67..75 => Self::Churn,
            75..82 => Self::Mixed,
            82..88 => Self::Plan,
            _ => Self::Doomed,
        }
    }

    pub(crate) fn class(self) -> Class {
        if self == Self::Lazy {
            Class::Lazy
        } else {
            Class::Durable
        }
    }
}

/// A program of a sort.
pub(crate) fn program(rng: &mut Rng, sort: Sort) -> Program {
    let ops = match sort {
        Sort::Transfer => transfer(rng),
        Sort::ReadAll => (0..BANK).map(|key| Op::Get(Pick::Key(key))).collect(),
        Sort::Look => look(rng),
        Sort::Walk => walk(rng),
        Sort::Lazy => lazy(rng),
        Sort::Churn => churn(rng),
        Sort::Doomed if rng.bool() => churn(rng),
        Sort::Mixed | Sort::Doomed => mixed(rng),
        Sort::Plan => plan(rng),
        Sort::Chore => chore(rng),
    };
    let end = match sort {
        Sort::Chore if rng.u32(0..4) > 0 => End::Commit,
        Sort::Doomed | Sort::Chore => match rng.u32(0..3) {
            0 => End::Refuse,
            1 => End::Panic,
            _ => End::PanicInside(steady(rng)),
        },
        _ => End::Commit,
    };
    Program { ops, end }
}

/// A thing that is never removed.
fn steady(rng: &mut Rng) -> Pick {
    if rng.u32(0..3) == 0 {
        walker(rng)
    } else {
        Pick::Key(rng.u64(0..BANK))
    }
}

/// Genesis' walkers are the first objects known.
fn walker(rng: &mut Rng) -> Pick {
    Pick::Known(rng.usize(0..WALKERS as usize))
}

fn point(rng: &mut Rng) -> Point {
    let metres = MAP.metres();
    Point::new(rng.f64() * metres * 1.1 - 5.0, rng.f64() * metres)
}

fn transfer(rng: &mut Rng) -> Vec<Op> {
    let amount = rng.i64(1..50);
    let (from, to, also) = (rng.u64(0..BANK), rng.u64(0..BANK), rng.u64(0..BANK));
    let mut ops = vec![
        Op::Get(Pick::Key(from)),
        Op::Add(Pick::Key(from), -amount),
        Op::Add(Pick::Key(to), amount),
    ];
    if rng.bool() {
        ops.push(Op::Add(Pick::Key(from), -1));
        ops.push(Op::Add(Pick::Key(also), 1));
    }
    if rng.bool() {
        ops.push(Op::Send(amount as u64));
    }
    ops
}

fn walk(rng: &mut Rng) -> Vec<Op> {
    let who = walker(rng);
    let mut ops = vec![Op::Add(who, 0), Op::Place(who, point(rng))];
    for _ in 0..rng.usize(0..3) {
        match rng.u32(0..4) {
            0 => ops.push(Op::Place(who, point(rng))),
            1 => ops.push(Op::Position(who)),
            2 => ops.push(Op::Nearby(point(rng), 40.0)),
            _ => ops.push(Op::Add(walker(rng), 1)),
        }
    }
    ops
}

fn look(rng: &mut Rng) -> Vec<Op> {
    let at = point(rng);
    let mut ops = vec![Op::Nearby(at, rng.f64() * 90.0)];
    if rng.bool() {
        ops.push(Op::Get(walker(rng)));
    }
    if rng.bool() {
        ops.push(Op::Position(walker(rng)));
    }
    ops
}

fn lazy(rng: &mut Rng) -> Vec<Op> {
    let what = steady(rng);
    let mut ops = vec![Op::Add(what, 0)];
    match rng.u32(0..7) {
        0 => ops.push(Op::Get(what)),
        1 => ops.push(Op::Add(steady(rng), 0)),
        2 => ops.push(Op::Send(7)),
        // Within a region it waits; over a border it does not.
        4 | 5 => {
            let who = walker(rng);
            ops = vec![Op::Add(who, 0), Op::Place(who, point(rng))];
        }
        // A write that waits, told of by a task that only reads, is what a crash must not take back.
        3 => ops = vec![Op::Get(what), Op::Nearby(point(rng), 30.0)],
        _ => {}
    }
    ops
}

fn mixed(rng: &mut Rng) -> Vec<Op> {
    // Whoever writes leaves a mark that stays.
    let mut ops = vec![Op::Add(steady(rng), 0)];
    for _ in 0..rng.usize(1..MOST_OPS) {
        let op = any_op(rng);
        ops.push(op);
    }
    ops
}

fn churn(rng: &mut Rng) -> Vec<Op> {
    let mut ops = vec![Op::Add(steady(rng), 0)];
    let key = rng.u64(KEYS);
    let keyed = rng.bool();
    let what = if keyed { Pick::Key(key) } else { fleeting(rng) };
    for _ in 0..rng.usize(2..2 * MOST_OPS) {
        let op = match rng.u32(0..10) {
            0..3 => Op::Add(what, 1),
            3..5 => Op::Remove(what),
            5..7 if keyed => Op::CreateKeyed(key, 1),
            5..7 => Op::Place(what, point(rng)),
            7 => Op::Get(what),
            // Reads a home, which may put other objects where the removed one was.
            8 => Op::Find(any_pick(rng)),
            _ => any_op(rng),
        };
        ops.push(op);
    }
    ops
}

fn plan(rng: &mut Rng) -> Vec<Op> {
    let mut ops = vec![Op::Add(steady(rng), 0)];
    for _ in 0..rng.usize(1..5) {
        let op = match rng.u32(0..4) {
            0 => Op::After(steady(rng), later(rng, 0)),
            1 => Op::Place(walker(rng), point(rng)),
            _ => job_op(rng),
        };
        ops.push(op);
    }
    ops
}

/// What a job does: it leaves a mark that stays.
fn chore(rng: &mut Rng) -> Vec<Op> {
    let mut ops = vec![Op::Add(steady(rng), 0)];
    for _ in 0..rng.usize(0..4) {
        let op = match rng.u32(0..6) {
            0 | 1 => Op::Send(rng.u64(0..1000)),
            2 => Op::CancelThis,
            3 => Op::Place(walker(rng), point(rng)),
            _ => any_op(rng),
        };
        ops.push(op);
    }
    ops
}

fn later(rng: &mut Rng, least: u64) -> Later {
    Later {
        millis: rng.u64(least..300),
        tied: rng.bool(),
        seed: rng.u64(..),
    }
}

fn job_op(rng: &mut Rng) -> Op {
    match rng.u32(0..10) {
        0..3 => Op::After(any_pick(rng), later(rng, 0)),
        3 => Op::After(walker(rng), later(rng, 0)),
        4 => Op::Every(any_pick(rng), later(rng, 60)),
        5 => Op::Every(fleeting(rng), later(rng, 60)),
        6 => Op::Jobs(any_pick(rng)),
        7 => Op::Cancel(walker(rng), rng.usize(0..100), false),
        _ => Op::Cancel(any_pick(rng), rng.usize(0..100), rng.u32(0..4) == 0),
    }
}

/// An object that may be gone, or be of another kind.
fn any_pick(rng: &mut Rng) -> Pick {
    match rng.u32(0..10) {
        0..3 => Pick::Newest,
        3..6 => Pick::Known(rng.usize(0..1000)),
        6..9 => Pick::Key(rng.u64(KEYS)),
        _ => Pick::Key(rng.u64(0..BANK)),
    }
}

/// An object that may be removed.
fn fleeting(rng: &mut Rng) -> Pick {
    match rng.u32(0..3) {
        0 => Pick::Key(rng.u64(KEYS)),
        _ => Pick::Fleeting(rng.usize(0..1000)),
    }
}

fn name(rng: &mut Rng) -> String {
    if rng.u32(0..60) == 0 {
        return "x".repeat(rng.usize(255..259));
    }
    NAMES[rng.usize(0..NAMES.len())].into()
}

fn any_op(rng: &mut Rng) -> Op {
    match rng.u32(0..112) {
        100.. => job_op(rng),
        0..8 => Op::Get(any_pick(rng)),
        8..16 => Op::Find(any_pick(rng)),
        16..18 => Op::Mistake(any_pick(rng)),
        18..20 => Op::FindNote(any_pick(rng)),
        20..32 => match any_pick(rng) {
            // The bank's funds are only ever moved.
            bank @ Pick::Key(..FLEETING) => Op::Add(bank, 0),
            other => Op::Add(other, rng.i64(0..5)),
        },
        32..34 => Op::AddAndStop(any_pick(rng)),
        34..37 => Op::Create(rng.i64(0..9)),
        37..39 => Op::CreateNote,
        39..46 => Op::CreateAt(rng.i64(0..9), point(rng)),
        46..54 => Op::CreateKeyed(rng.u64(KEYS), rng.i64(0..9)),
        54..64 => Op::Remove(fleeting(rng)),
        64..73 => Op::Place(any_pick(rng), point(rng)),
        73..76 => Op::Position(any_pick(rng)),
        76..82 => Op::Nearby(point(rng), rng.f64() * 90.0),
        82..88 => Op::Bind(name(rng), any_pick(rng)),
        88..92 => Op::Lookup(name(rng)),
        92..95 => Op::Unbind(name(rng)),
        95..98 => {
            let after = rng.bool().then(|| name(rng));
            Op::Names(
                DIRECTORIES[rng.usize(0..DIRECTORIES.len())],
                after,
                rng.usize(0..9),
            )
        }
        _ => Op::Send(rng.u64(0..1000)),
    }
}
